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
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(from, size) ((void)(from), (void)(size))
#endif

// Out of the way of every target number while they are laid out.
enum { FD_PARKED = 512 };

// The stack of a child that shares our memory, with a page below it that nobody may touch; what it uses of it is
// there from the start.
enum { CHILD_STACK = 128 << 10, CHILD_STACK_GUARD = 4096, CHILD_STACK_USED = 32 << 10 };

enum { GROUPS_MAX = 256 };

// What the child works with. It is looked up before there is a child: who answers for groups may keep a
// descriptor, and the child's descriptors are not ours.
struct child_work {
	const struct spawn *spawn;
	gid_t groups[GROUPS_MAX];
	int n_groups;
	int go[2], report[2];
};

static int park(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, FD_PARKED);
}

static int lay_out_fds(const struct spawn *spawn, int locked, int *report, struct err *err)
{
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO_FREE int *parked = mem_new(spawn->n_fds + 1, sizeof(*parked));
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
	// what lies between the targets was opened with CLOEXEC; only the rest must go
	close_range((unsigned)highest + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	return 0;
}

// The user's own groups, and the one that opens /dev/kvm if that is a group's to open.
static int look_up_groups(const struct spawn *spawn, struct child_work *work, struct err *err)
{
	gid_t kvm = spawn->kvm_node ? kvm_node_group() : (gid_t)-1;

	work->n_groups = GROUPS_MAX - 1;
	if (getgrouplist(spawn->user, spawn->gid, work->groups, &work->n_groups) < 0)
		return err_sys(err, -E2BIG, "the groups of user %s", spawn->user);
	if (kvm != (gid_t)-1)
		work->groups[work->n_groups++] = kvm;
	return 0;
}

// By the kernel's calls: the C library's would change all threads of whoever shares our memory.
static int become_user(const struct child_work *work, struct err *err)
{
	const struct spawn *spawn = work->spawn;

	if (syscall(SYS_setgroups, (size_t)work->n_groups, work->groups) < 0 ||
	    syscall(SYS_setresgid, spawn->gid, spawn->gid, spawn->gid) < 0 ||
	    syscall(SYS_setresuid, spawn->uid, spawn->uid, spawn->uid) < 0)
		return err_sys(err, -errno, "becoming user %s", spawn->user);
	return 0;
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
static int prepare_in_child(const struct child_work *work, int *report, struct err *err)
{
	const struct spawn *spawn = work->spawn;
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
		r = become_user(work, err);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = err_sys(err, -errno, "giving up new privileges");
	return r;
}

static void exec_program(const struct spawn *spawn)
{
	static char *const empty[] = { NULL };

	if (!spawn->environment)
		execv(spawn->argv->items[0], spawn->argv->items);
	else
		execve(spawn->argv->items[0], spawn->argv->items,
		       spawn->environment->items ? spawn->environment->items : empty);
}

// Tells that it is ready, and waits. From there to exec it touches nothing but its own stack: our memory may be
// its, too. _exit by the kernel's call, as the C library's never returns, which the sanitizers look at.
static int run_child(void *context)
{
	struct child_work *work = context;
	const struct spawn *spawn = work->spawn;
	struct err err = ERR_NONE;
	int go, report = work->report[1];
	char byte = 0;

	close(work->go[1]);
	close(work->report[0]);
	go = fcntl(work->go[0], F_DUPFD_CLOEXEC, FD_PARKED);
	if (prepare_in_child(work, &report, &err) == 0) {
		// end of file: whoever would have recorded us is gone, and so must we
		if (io_write_all(report, &byte, 1) < 0 || read(go, &byte, 1) != 1)
			syscall(SYS_exit_group, 0);
		exec_program(spawn);
		err_sys(&err, -errno, "starting %s", spawn->argv->items[0]);
	}
	io_write_all(report, &err, sizeof(err));
	syscall(SYS_exit_group, 127);
	return 127;
}

// A copy of our memory costs a page fault for every page that either of us writes after, and under nested
// virtualization that is most of what a start costs. So the child shares it (clone(2), CLONE_VM), and no two of us
// ever run: we wait until it waits, and then until it is another program.
static pid_t start_sharing(struct child_work *work, struct child *child)
{
	char *stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		return -1;
	mprotect(stack, CHILD_STACK_GUARD, PROT_NONE);
	mem_populate(stack + CHILD_STACK - CHILD_STACK_USED, CHILD_STACK_USED);
	child->stack = stack;
	child->dumpable = prctl(PR_GET_DUMPABLE);
	return clone(run_child, stack + CHILD_STACK, CLONE_VM | SIGCHLD, work);
}

static pid_t start_apart(struct child_work *work)
{
	pid_t pid = fork();

	if (pid == 0)
		run_child(work);
	return pid;
}

// Another user's process has no core dump and hides in /proc: the kernel notes that with the memory, which was ours.
static void stop_sharing(struct child *child)
{
	if (!child->stack)
		return;
	if (child->dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1);
	// its functions never returned
	ASAN_UNPOISON_MEMORY_REGION(child->stack, CHILD_STACK);
	munmap(child->stack, CHILD_STACK);
	child->stack = NULL;
}

static void reap(struct child *child)
{
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		;
	child->pid = 0;
	stop_sharing(child);
}

// It has ended, or ends, without having become another program.
static int fail(struct child *child, const struct err *told, ssize_t n, struct err *err)
{
	reap(child);
	child_close(child);
	if (n != sizeof(*told) || told->code >= 0)
		return err_set(err, -EIO, "the process ended before it could start its program");
	if (err) {
		*err = *told;
		err->text[sizeof(err->text) - 1] = err->hint[sizeof(err->hint) - 1] = '\0';
	}
	return told->code;
}

static ssize_t read_report(int report, struct err *told)
{
	ssize_t n;

	do
		n = read(report, told, sizeof(*told));
	while (n < 0 && errno == EINTR);
	return n;
}

static int start(struct child_work *work, struct child *child, struct err *err)
{
	struct err told = ERR_NONE;
	ssize_t n = 0;
	int r = 0;

	child->pid = work->spawn->released_elsewhere ? start_apart(work) : start_sharing(work, child);
	if (child->pid < 0)
		r = -errno;
	close(work->report[1]);
	// before anything else: it may be at work with our memory
	if (r == 0)
		n = read_report(work->report[0], &told);
	close(work->go[0]);
	child->go = work->go[1];
	child->report = work->report[0];
	if (r < 0) {
		child->pid = 0;
		stop_sharing(child);
		child_close(child);
		return err_sys(err, r, "starting a process");
	}
	if (n != 1)
		return fail(child, &told, n, err);
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->pidfd < 0) {
		r = err_sys(err, -errno, "pidfd_open (Linux 5.3 or later is needed)");
		spawn_abandon(child);
	}
	return r;
}

int spawn_prepare(const struct spawn *spawn, struct child *child, struct err *err)
{
	struct child_work work = { .spawn = spawn };
	int r = spawn->change_user ? look_up_groups(spawn, &work, err) : 0;

	*child = (struct child)CHILD_NONE;
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, work.go) < 0)
		return err_sys(err, -errno, "a socket pair");
	if (pipe2(work.report, O_CLOEXEC) < 0) {
		close(work.go[0]);
		close(work.go[1]);
		return err_sys(err, -errno, "a pipe");
	}
	return start(&work, child, err);
}

int spawn_release(struct child *child, struct err *err)
{
	struct err told = ERR_NONE;
	ssize_t n;

	if (send(child->go, "g", 1, MSG_NOSIGNAL) < 0)
		told.code = -EPIPE; // it has ended before; it says why
	close(take_fd(&child->go));
	n = read_report(child->report, &told);
	close(take_fd(&child->report));
	if (n != 0)
		return fail(child, &told, n, err);
	stop_sharing(child);
	return 0;
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
