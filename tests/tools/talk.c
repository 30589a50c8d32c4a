// SPDX-License-Identifier: MIT
// Talks to a unix socket, for tests:
//
//   talk PATH LINES          sends stdin, prints what comes until it is LINES lines or the peer hangs up
//   talk PATH mute           sends stdin and reads nothing, until it is killed
//   talk PATH hold=COUNT     opens COUNT connections and holds them until stdin ends
//   talk PATH receive        binds a datagram socket there and prints each datagram, until it is killed
#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"

#include <err.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un make_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		errx(64, "%s is too long", path);
	strcpy(address.sun_path, path);
	return address;
}

static int open_connection(const char *path)
{
	struct sockaddr_un address = make_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "%s", path);
	return fd;
}

static long count_newlines(const char *data, ssize_t n)
{
	long count = 0;

	for (ssize_t i = 0; i < n; i++)
		count += data[i] == '\n';
	return count;
}

// False: nothing more comes.
static bool copy(int from, int to, long *lines)
{
	char chunk[65536];
	ssize_t n = read(from, chunk, sizeof(chunk));

	*lines += count_newlines(chunk, n);
	return n > 0 && io_write_all(to, chunk, (size_t)n) == 0;
}

static void talk(int fd, long wanted)
{
	long sent = 0, heard = 0;
	int input = STDIN_FILENO;

	while (heard < wanted) {
		struct pollfd polls[] = { { .fd = fd, .events = POLLIN },
					  { .fd = input, .events = POLLIN } };

		poll(polls, ARRAY_SIZE(polls), -1);
		if (polls[1].revents && !copy(input, fd, &sent))
			input = -1;
		if (polls[0].revents && !copy(fd, STDOUT_FILENO, &heard))
			return;
	}
}

static void stay_mute(int fd)
{
	long sent = 0;

	while (copy(STDIN_FILENO, fd, &sent))
		;
	pause();
}

static void hold(const char *path, long count)
{
	char byte;

	for (long i = 0; i < count; i++)
		open_connection(path); // held by not being closed
	if (write(STDOUT_FILENO, "held\n", 5) != 5 || read(STDIN_FILENO, &byte, 1) < 0)
		err(1, "holding");
}

static void receive(const char *path)
{
	struct sockaddr_un address = make_address(path);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[4096];
	ssize_t n;

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "%s", path);
	while ((n = read(fd, text, sizeof(text))) >= 0)
		dprintf(STDOUT_FILENO, "%.*s\n", (int)n, text);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(64, "usage: talk PATH LINES|mute|hold=COUNT|receive");
	if (str_eq(argv[2], "receive"))
		receive(argv[1]);
	else if (str_eq(argv[2], "mute"))
		stay_mute(open_connection(argv[1]));
	else if (str_starts(argv[2], "hold="))
		hold(argv[1], atol(argv[2] + strlen("hold=")));
	else
		talk(open_connection(argv[1]), atol(argv[2]));
	return 0;
}
