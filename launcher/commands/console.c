// SPDX-License-Identifier: MIT
// console and log: what a guest says, on its serial line and in its log.
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/guest/client.h"
#include "launcher/guest/paths.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

enum { ANSWER_MS = 5000, LEAVE_KEY = 0x1d };

// False: the person leaves.
static bool relay_in(int to, bool terminal, bool *open)
{
	char chunk[4096];
	ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
	char *leave = n > 0 && terminal ? memchr(chunk, LEAVE_KEY, (size_t)n) : NULL;

	if (n <= 0) {
		*open = false;
		return true;
	}
	io_set_nonblock(to, false);
	io_write_all(to, chunk, leave ? (size_t)(leave - chunk) : (size_t)n);
	return !leave;
}

static bool relay_out(int from)
{
	char chunk[4096];
	ssize_t n = recv(from, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	return n > 0 && io_write_all(STDOUT_FILENO, chunk, (size_t)n) == 0;
}

static void relay(int fd, bool terminal)
{
	bool input = true, go = true;

	while (go) {
		struct pollfd wait[] = { { .fd = fd, .events = POLLIN },
					 { .fd = input ? STDIN_FILENO : -1, .events = POLLIN } };

		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			return;
		if (wait[1].revents)
			go = relay_in(fd, terminal, &input);
		if (go && wait[0].revents)
			go = relay_out(fd);
	}
}

static void relay_terminal(int fd)
{
	struct termios saved, raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved) < 0) {
		relay(fd, false);
		return;
	}
	log_notice("console: Ctrl-] leaves");
	raw = saved;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	relay(fd, true);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	log_notice("%s", "\nleft the console");
}

// What came in the same read as the answer is the console's already.
static void show_rest(struct control_client *client)
{
	size_t size;
	const char *rest = line_reader_rest(&client->reader, &size);

	io_write_all(STDOUT_FILENO, rest, size);
}

int console_command(const struct command_line *line)
{
	struct control_client client = { .fd = -1 };
	struct json_object *answer = NULL;
	struct paths paths;
	struct err err = ERR_NONE;
	int r = paths_read(&paths, &err);

	if (r == 0)
		r = control_connect(&client, &paths, line->name, &err);
	paths_finish(&paths);
	if (r == 0)
		answer = control_call(&client, "console", NULL, ANSWER_MS, &err);
	if (answer) {
		show_rest(&client);
		relay_terminal(client.fd);
		json_object_put(answer);
	}
	control_close(&client);
	return answer ? 0 : report_error(&err);
}

static int copy_rest(int fd)
{
	char chunk[16384];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		if (io_write_all(STDOUT_FILENO, chunk, (size_t)n) < 0)
			return 1;
	}
	return 0;
}

// Until the reader of our stdout or the person ends it.
static int follow(int fd, const char *path)
{
	AUTO_CLOSE int watch = inotify_init1(IN_CLOEXEC);
	char events[4096];

	if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY) < 0) {
		log_error("watching %s: %m", path);
		return 1;
	}
	while (copy_rest(fd) == 0) {
		if (read(watch, events, sizeof(events)) < 0)
			return 1;
	}
	return 0;
}

int log_command(const struct command_line *line)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;
	struct paths paths;
	struct err err = ERR_NONE;

	if (paths_read(&paths, &err) < 0)
		return report_error(&err);
	path = mem_printf("%s/%s.log", paths.log_dir, line->name);
	paths_finish(&paths);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		log_error("there is no log of %s (%s: %m)", line->name, path);
		return 1;
	}
	return line->follow ? follow(fd, path) : copy_rest(fd);
}
