// SPDX-License-Identifier: MIT
// The kind `process`: a helper that runs beside the guest. What names it is its pid and start time,
// so that no other process is ever ended in its place.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/process.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { END_MS = 2000 }; // for SIGTERM, and once more for SIGKILL

static bool parse(const char *text, struct process_id *id)
{
	const char *blank = strchr(text, ' ');
	AUTO_FREE char *pid = mem_dupn(text, blank ? (size_t)(blank - text) : 0);
	int number;

	if (!blank || !str_parse_int(pid, &number) || number <= 0)
		return false;
	id->pid = number;
	return str_parse_u64(blank + 1, &id->start);
}

static char *print(const struct process_id *id)
{
	return mem_printf("%d %" PRIu64, (int)id->pid, id->start);
}

// The identity under which the change is known: recorded, or of a helper that still waits.
static const char *known_identity(struct change_host *host, const struct change *change)
{
	const struct change_held *held =
		change_held_find(host, &change_kind_process, change->path);

	if (change->got)
		return change->got;
	return held ? held->value : NULL;
}

static int process_read(struct change_host *host, const struct change *change, char **value,
			struct err *err)
{
	const char *identity = known_identity(host, change);
	struct process_id id, now;
	int r;

	*value = NULL;
	if (!identity)
		return 0;
	if (!parse(identity, &id))
		return err_set(err, -EINVAL, "%s: not a process: %s", change->path, identity);
	r = process_read_id(id.pid, &now);
	if (r < 0 && r != -ESRCH)
		return err_sys(err, r, "looking at %s (process %d)", change->path, (int)id.pid);
	if (r == 0 && now.start == id.start)
		*value = mem_dup(identity);
	return 0;
}

static int process_start(struct change_host *host, const char *name, struct err *err)
{
	struct process_id id;
	int go, r;

	if (!host->start)
		return err_set(err, -ENOTSUP, "%s: nothing here can start it", name);
	r = host->start(host->context, name, &id, &go, err);
	if (r < 0)
		return r;
	change_held_add(host, &change_kind_process, name, print(&id), go);
	return 0;
}

// True once it has ended; a child of ours is then reaped, so that nothing of it stays.
static bool wait_end(int pidfd)
{
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };
	siginfo_t unused;
	int n;

	do
		n = poll(&wait, 1, END_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	waitid(P_PIDFD, (id_t)pidfd, &unused, WEXITED | WNOHANG);
	return true;
}

static int end(const char *name, const struct process_id *id, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGKILL };
	AUTO_CLOSE int pidfd = process_open(id);
	siginfo_t unused;

	if (pidfd == -ESRCH) {
		waitid(P_PID, (id_t)id->pid, &unused, WEXITED | WNOHANG);
		return 0;
	}
	if (pidfd < 0)
		return err_sys(err, pidfd, "ending %s (process %d)", name, (int)id->pid);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (pidfd_send_signal(pidfd, signals[i], NULL, 0) < 0 && errno != ESRCH)
			return err_sys(err, -errno, "ending %s (process %d)", name, (int)id->pid);
		if (wait_end(pidfd))
			return 0;
	}
	return err_set(err, -ETIMEDOUT, "%s (process %d) does not end, not even by SIGKILL: a "
					"driver holds it in the kernel", name, (int)id->pid);
}

static int process_write(struct change_host *host, const struct change *change, const char *value,
			 struct err *err)
{
	const char *identity = known_identity(host, change);
	struct change_held *held;
	struct process_id id;
	bool known;

	if (value)
		return process_start(host, change->path, err);
	known = identity && parse(identity, &id);
	held = change_held_find(host, &change_kind_process, change->path);
	if (held)
		change_held_drop(host, held);
	return known ? end(change->path, &id, err) : 0;
}

static int process_commit(struct change_host *host, const struct change *change, struct err *err)
{
	struct change_held *held = change_held_find(host, &change_kind_process, change->path);
	int r;

	if (!held)
		return 0;
	r = send(held->fd, "", 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
	if (r < 0)
		return err_sys(err, r, "letting %s go", change->path);
	change_held_drop(host, held);
	return 0;
}

static bool process_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

// It runs; how it was asked for is not to be seen in who it is.
static bool process_answers(const char *got, const char *want)
{
	struct process_id id;

	(void)want;
	return parse(got, &id);
}

static void process_remedy(const struct change *change, struct str *out)
{
	struct process_id id;

	if (change->got && parse(change->got, &id))
		str_addf(out, "kill -9 %d", (int)id.pid);
	else
		str_addf(out, "end %s", change->path);
}

const struct change_kind change_kind_process = {
	.name = "process",
	.help = "a helper program is started, and ended with the guest",
	.read = process_read,
	.write = process_write,
	.commit = process_commit,
	.equal = process_equal,
	.answers = process_answers,
	.remedy = process_remedy,
	.creates = true,
	.survives_us = true,
};
