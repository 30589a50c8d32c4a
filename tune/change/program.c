// SPDX-License-Identifier: MIT
#include "tune/change/program.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/str.h"
#include "tune/change/change.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { OUTPUT_MAX = 64 << 10, NOT_FOUND = 127 };

static const char *const folders[] = { "/usr/sbin", "/usr/bin", "/sbin", "/bin" };

// What we were given as environment is no business of a program that runs as root.
static void become(const char *const argv[], int out, pid_t parent)
{
	static char *const environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LC_ALL=C",
					     NULL };
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	// what a dead keeper began must not go on beside whoever reverts
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(NOT_FOUND);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(NOT_FOUND);
	close_range(3, ~0U, 0);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%s", folders[i], argv[0]);
		execve(path, (char *const *)argv, environment);
	}
	_exit(NOT_FOUND);
}

// What it writes, until it has ended and nobody has the pipe any more, or the time is over.
static int collect(int in, int pidfd, struct str *out, int timeout_ms)
{
	struct pollfd wait[] = { { .fd = in, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
	long long until = io_now_ms() + timeout_ms;

	for (;;) {
		long long left = until - io_now_ms();
		char chunk[4096];
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(wait, 2, (int)left) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (wait[0].revents) {
			n = read(in, chunk, sizeof(chunk));
			if (n > 0 && out->len < OUTPUT_MAX)
				str_addn(out, chunk, (size_t)n);
			if (n <= 0)
				wait[0].fd = -1;
		} else if (wait[1].revents) {
			return 0;
		}
	}
}

static int finish(pid_t pid, int r, const char *name, struct err *err)
{
	int status = 0;

	if (r < 0)
		kill(pid, SIGKILL);
	// what hangs in the kernel can't be waited for
	while (waitpid(pid, &status, r < 0 ? WNOHANG : 0) < 0 && errno == EINTR)
		;
	if (r == -ETIMEDOUT)
		return err_set(err, r, "%s did not end in time", name);
	if (r < 0)
		return err_sys(err, r, "running %s", name);
	if (WIFSIGNALED(status))
		return err_set(err, -EIO, "%s was killed by signal %d", name, WTERMSIG(status));
	if (WEXITSTATUS(status) == NOT_FOUND)
		return err_set(err, -ENOENT, "%s is not installed", name);
	return WEXITSTATUS(status);
}

int program_run(struct change_host *host, const char *const argv[], struct str *out, int timeout_ms,
		struct err *err)
{
	AUTO_CLOSE int in = -1, pidfd = -1;
	pid_t parent = getpid(), pid;
	int ends[2];

	if (host->run)
		return host->run(host->context, argv, out, err);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "running %s", argv[0]);
	in = ends[0];
	pid = fork();
	if (pid == 0)
		become(argv, ends[1], parent);
	close(ends[1]);
	if (pid < 0)
		return err_sys(err, -errno, "running %s", argv[0]);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return finish(pid, pidfd < 0 ? -errno : collect(in, pidfd, out, timeout_ms), argv[0], err);
}
