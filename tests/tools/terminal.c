// SPDX-License-Identifier: MIT
// Runs a program on a terminal of its own, as the leader of its session, for tests:
//
//   terminal COMMAND [ARG...]
//
// What comes on stdin is typed, what the terminal shows goes to stdout. Exits as COMMAND did.
#include "base/cleanup.h"
#include "base/io.h"

#include <err.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

static bool copy(int from, int to)
{
	char chunk[4096];
	ssize_t n = read(from, chunk, sizeof(chunk));

	return n > 0 && io_write_all(to, chunk, (size_t)n) == 0;
}

int main(int argc, char **argv)
{
	int input = STDIN_FILENO, terminal, status;
	bool shown = true;
	pid_t pid;

	if (argc < 2)
		errx(64, "usage: terminal COMMAND [ARG...]");
	pid = forkpty(&terminal, NULL, NULL, NULL);
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		err(127, "%s", argv[1]);
	}
	if (pid < 0)
		err(1, "forkpty");
	while (shown) { // until nobody has it open on the other side
		struct pollfd polls[] = { { .fd = terminal, .events = POLLIN },
					  { .fd = input, .events = POLLIN } };

		poll(polls, ARRAY_SIZE(polls), -1);
		if (polls[1].revents && !copy(input, terminal))
			input = -1;
		if (polls[0].revents)
			shown = copy(terminal, STDOUT_FILENO);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
