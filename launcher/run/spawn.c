// SPDX-License-Identifier: MIT
#include "launcher/run/spawn.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "qmp/probe/kvm_node.h"
#include "tune/numa.h"
#include "tune/pin.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

// Out of the way of every target number while they are laid out.
enum { FD_PARKED = 512 };

static int park(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, FD_PARKED);
}

static int lay_out_fds(const struct spawn *spawn, int locked, int *report, struct err *err)
{
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int *parked = mem_new(spawn->n_fds + 1, sizeof(*parked));
	int highest = 2;

	*report = park(*report);
	if (null < 0 || *report < 0)
		return err_sys(err, -errno, "preparing descriptors");
	null = park(null);
	for (size_t i = 0; i < spawn->n_fds; i++)
		parked[i] = park(spawn->fds[i].fd);
	locked = locked >= 0 ? park(locked) : -1;
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	for (size_t i = 0; i < spawn->n_fds; i++) {
		int target = spawn->fds[i].target;

		if (parked[i] < 0 || dup2(parked[i], target) < 0)
			return err_sys(err, -errno, "passing descriptor %d", target);
		highest = target > highest ? target : highest;
	}
	if (locked >= 0 && dup2(locked, spawn->open_target) < 0)
		return err_sys(err, -errno, "passing the lock");
	if (locked >= 0 && spawn->open_target > highest)
		highest = spawn->open_target;
	free(parked);
	// what lies between the targets was opened with CLOEXEC; only the rest must go
	close_range((unsigned)highest + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	return 0;
}

// The user's own groups, and the one that opens /dev/kvm if that is a group's to open.
static int set_groups(const struct spawn *spawn)
{
	gid_t kvm = spawn->kvm_node ? kvm_node_group() : (gid_t)-1;
	gid_t groups[256];
	int count = ARRAY_SIZE(groups) - 1;

	if (getgrouplist(spawn->user, spawn->gid, groups, &count) < 0)
		return -E2BIG;
	if (kvm != (gid_t)-1)
		groups[count++] = kvm;
	return setgroups((size_t)count, groups) < 0 ? -errno : 0;
}

static int become_user(const struct spawn *spawn, struct err *err)
{
	int r = set_groups(spawn);

	if (r == 0 && (setresgid(spawn->gid, spawn->gid, spawn->gid) < 0 ||
		       setresuid(spawn->uid, spawn->uid, spawn->uid) < 0))
		r = -errno;
	return r < 0 ? err_sys(err, r, "becoming user %s", spawn->user) : 0;
}

static int give_kvm(const struct spawn *spawn, struct err *err)
{
	int r = spawn->kvm_node ? kvm_node_give(spawn->uid) : 0;

	return r < 0 ? err_sys(err, r, "a /dev/kvm for %s", spawn->user) : 0;
}

static int limit_memlock(const struct spawn *spawn, struct err *err)
{
	struct rlimit limit = { .rlim_cur = spawn->memlock, .rlim_max = spawn->memlock };
	struct rlimit now;

	if (!spawn->memlock)
		return 0;
	if (getrlimit(RLIMIT_MEMLOCK, &now) == 0 && now.rlim_cur >= spawn->memlock)
		return 0;
	if (now.rlim_max > limit.rlim_max)
		limit.rlim_max = now.rlim_max;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return err_sys(err, -errno, "raising RLIMIT_MEMLOCK to %llu bytes",
			       (unsigned long long)spawn->memlock);
	return 0;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

// The order matters: affinity and limits need privileges that the user change takes away.
static int prepare_in_child(const struct spawn *spawn, int *report, struct err *err)
{
	static const struct sched other = { .class = SCHED_CLASS_OTHER };
	int locked = -1;
	int r = 0;

	reset_signals();
	setsid();
	if (spawn->open_in_child) {
		locked = spawn->open_in_child(spawn->context, err);
		if (locked < 0)
			return locked;
	}
	if (spawn->affinity && !cpuset_is_empty(spawn->affinity))
		r = pin_apply(0, spawn->affinity, &other, err);
	// only a preference, and where a container forbids it the guest's own memory is bound all the same
	if (spawn->nodes && !cpuset_is_empty(spawn->nodes))
		numa_prefer(spawn->nodes);
	if (r == 0)
		r = limit_memlock(spawn, err);
	if (r == 0)
		r = give_kvm(spawn, err);
	if (r == 0)
		r = lay_out_fds(spawn, locked, report, err);
	if (r == 0 && spawn->change_user)
		r = become_user(spawn, err);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = err_sys(err, -errno, "giving up new privileges");
	return r;
}

static _Noreturn void run_child(const struct spawn *spawn, int go, int report)
{
	struct err err = ERR_NONE;
	char byte;

	go = fcntl(go, F_DUPFD_CLOEXEC, FD_PARKED);
	if (prepare_in_child(spawn, &report, &err) == 0) {
		// end of file: whoever would have recorded us is gone, and so must we
		if (read(go, &byte, 1) != 1)
			_exit(0);
		if (spawn->environment)
			execve(spawn->argv->items[0], spawn->argv->items,
			       spawn->environment->items ? spawn->environment->items :
							   (char *[]){ NULL });
		else
			execv(spawn->argv->items[0], spawn->argv->items);
		err_sys(&err, -errno, "starting %s", spawn->argv->items[0]);
	}
	io_write_all(report, &err, sizeof(err));
	_exit(127);
}

int spawn_prepare(const struct spawn *spawn, struct child *child, struct err *err)
{
	int go[2], report[2];
	pid_t pid;

	*child = (struct child)CHILD_NONE;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go) < 0)
		return err_sys(err, -errno, "a socket pair");
	if (pipe2(report, O_CLOEXEC) < 0) {
		close(go[0]);
		close(go[1]);
		return err_sys(err, -errno, "a pipe");
	}
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		close(report[0]);
		run_child(spawn, go[0], report[1]);
	}
	close(go[0]);
	close(report[1]);
	*child = (struct child){ pid, -1, go[1], report[0] };
	if (pid < 0) {
		child_close(child);
		return err_sys(err, -errno, "starting a process");
	}
	child->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (child->pidfd < 0) {
		int r = -errno;

		spawn_abandon(child);
		return err_sys(err, r, "pidfd_open (Linux 5.3 or later is needed)");
	}
	return 0;
}

static void reap(struct child *child)
{
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		;
	child->pid = 0;
}

int spawn_release(struct child *child, struct err *err)
{
	struct err told = ERR_NONE;
	ssize_t n;

	if (send(child->go, "g", 1, MSG_NOSIGNAL) < 0)
		told.code = -EPIPE; // it has failed before; it says why
	close(take_fd(&child->go));
	do
		n = read(child->report, &told, sizeof(told));
	while (n < 0 && errno == EINTR);
	close(take_fd(&child->report));
	if (n == 0)
		return 0;
	reap(child);
	child_close(child);
	if (n != sizeof(told) || told.code >= 0)
		return err_set(err, -EIO, "the process ended before it could start its program");
	told.text[sizeof(told.text) - 1] = told.hint[sizeof(told.hint) - 1] = '\0';
	if (err)
		*err = told;
	return told.code;
}

void child_close(struct child *child)
{
	int *fds[] = { &child->pidfd, &child->go, &child->report };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(take_fd(fds[i]));
	}
}

void spawn_abandon(struct child *child)
{
	if (child->go >= 0)
		close(take_fd(&child->go));
	if (child->pid > 0)
		reap(child);
	child_close(child);
}
