// SPDX-License-Identifier: MIT
// Takes times of several commands in turn, so that whatever else the machine does meets all of them alike:
//
//   interleave ROUNDS <SERIES
//
// SERIES has two lines a series, fields separated by tabs:
//   NAME  exit|ready  COMMAND WORD…	timed from before its fork until it exits 0, or says READY=1 (sd_notify(3))
//   [COMMAND WORD…]			not timed: ends what the first one began; empty: nothing to do
//
// Each round runs every series once, in an order of its own (the same in each call), after one round that
// does not count. Prints "NAME MICROSECONDS" for each. Commands write to stderr alone. READY=1 has the kernel's stamp
// of when it was sent: the guest that it tells of is busy on a CPU, and might have us wait for one.
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SERIES_MAX = 16, PATIENCE_MS = 60000, PAUSE_MS = 20 };

struct series {
	struct strv start; // name, until, command…
	struct strv end;
	bool until_ready;
};

static struct series all[SERIES_MAX];
static size_t count;
static int notify = -1;

static int64_t us(const struct timespec *time)
{
	return time->tv_sec * INT64_C(1000000) + time->tv_nsec / 1000;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now); // as stamps are
	return us(&now);
}

static bool read_line(char **line, size_t *room)
{
	ssize_t n = getline(line, room, stdin);

	if (n > 0 && (*line)[n - 1] == '\n')
		(*line)[n - 1] = '\0';
	return n >= 0;
}

static void read_series(void)
{
	AUTO_FREE char *line = NULL;
	size_t room = 0;

	while (read_line(&line, &room)) {
		struct series *series = &all[count++];

		if (count > SERIES_MAX)
			errx(2, "more than %d series", SERIES_MAX);
		strv_split(&series->start, line, "\t");
		if (series->start.count < 3)
			errx(2, "a series needs a name, `exit` or `ready`, and a command: %s", line);
		series->until_ready = str_eq(series->start.items[1], "ready");
		if (!read_line(&line, &room))
			errx(2, "%s has no second line", series->start.items[0]);
		strv_split(&series->end, line, "\t");
	}
}

// An address in the abstract namespace, which nobody needs to clean up.
static void open_notify(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(address);
	AUTO_FREE char *name = NULL;

	notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify < 0 || setsockopt(notify, SOL_SOCKET, SO_TIMESTAMPNS, &(int){ 1 }, sizeof(int)) < 0 ||
	    bind(notify, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    getsockname(notify, (struct sockaddr *)&address, &size) < 0)
		err(1, "a socket for READY=1");
	name = mem_printf("@%.*s", (int)(size - sizeof(sa_family_t) - 1), address.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
}

static pid_t start(char **argv, bool notified)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid > 0)
		return pid;
	if (!notified)
		unsetenv("NOTIFY_SOCKET");
	dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execvp(argv[0], argv);
	err(127, "%s", argv[0]);
}

static void wait_for_exit(pid_t pid, const char *name)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			err(1, "%s", name);
	}
	if (status)
		errx(1, "%s failed: wait status %d", name, status);
}

// -1: not yet.
static int64_t read_ready(void)
{
	char text[256], room[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec part = { text, sizeof(text) - 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)
	};
	ssize_t n = recvmsg(notify, &message, 0);
	const struct cmsghdr *stamp = CMSG_FIRSTHDR(&message);
	struct timespec sent;

	if (n < 0)
		return -1;
	text[n] = '\0';
	if (!strstr(text, "READY=1"))
		return -1;
	if (!stamp || stamp->cmsg_type != SCM_TIMESTAMPNS)
		errx(1, "the kernel does not say when READY=1 was sent");
	memcpy(&sent, CMSG_DATA(stamp), sizeof(sent));
	return us(&sent);
}

// Returns when it was.
static int64_t wait_for_ready(pid_t pid, const char *name)
{
	int64_t ready;
	AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd fds[] = { { .fd = notify, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };

	while ((ready = read_ready()) < 0) {
		if (poll(fds, ARRAY_SIZE(fds), PATIENCE_MS) <= 0)
			errx(1, "%s does not get ready", name);
		if (fds[1].revents && !fds[0].revents)
			errx(1, "%s ended before it was ready", name);
	}
	return ready;
}

static void rest(void)
{
	while (recv(notify, (char[1]){ 0 }, 1, MSG_TRUNC) >= 0)
		;
	poll(NULL, 0, PAUSE_MS);
}

static int64_t run_once(const struct series *series)
{
	const char *name = series->start.items[0];
	int64_t began = now_us(), ended;
	pid_t pid = start(series->start.items + 2, series->until_ready);

	if (series->until_ready) {
		ended = wait_for_ready(pid, name);
	} else {
		wait_for_exit(pid, name);
		ended = now_us();
	}
	if (series->end.count)
		wait_for_exit(start(series->end.items, false), name);
	if (series->until_ready)
		wait_for_exit(pid, name);
	rest();
	return ended - began;
}

static void shuffle(size_t *order, unsigned *seed)
{
	for (size_t i = 0; i < count; i++)
		order[i] = i;
	for (size_t i = count; i > 1; i--) {
		size_t j = (size_t)rand_r(seed) % i, held = order[i - 1];

		order[i - 1] = order[j];
		order[j] = held;
	}
}

int main(int argc, char **argv)
{
	size_t order[SERIES_MAX];
	unsigned seed = 1;
	int rounds;

	if (argc != 2 || !str_parse_int(argv[1], &rounds))
		errx(2, "usage: interleave ROUNDS <SERIES");
	read_series();
	open_notify();
	for (int round = -1; round < rounds; round++) {
		shuffle(order, &seed);
		for (size_t i = 0; i < count; i++) {
			const struct series *series = &all[order[i]];
			int64_t took = run_once(series);

			if (round >= 0)
				printf("%s %lld\n", series->start.items[0], (long long)took);
		}
		fflush(stdout);
	}
	return 0;
}
