// SPDX-License-Identifier: MIT
// The relay of the serial console. A reader that is slow holds the guest's serial line up, never QMP.
#include "launcher/run/monitor_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/guest/listen.h"
#include "launcher/plan/plan.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CONNECT_MS = 5000, CHUNK = 4096, STDIN_MAX = 1 << 20, LEAVE_KEY = 0x1d };

static void leave_terminal(struct console *console)
{
	if (console->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &console->saved);
	console->raw = false;
}

static void stop_stdin(struct monitor *monitor)
{
	struct console *console = &monitor->console;

	if (!console->reads_stdin)
		return;
	console->reads_stdin = false;
	loop_remove(&monitor->loop, &console->in);
	leave_terminal(console);
}

static void remember(struct console *console, const char *data, size_t size)
{
	if (!console->ring)
		console->ring = mem_new(CONSOLE_RING, 1);
	for (size_t i = 0; i < size; i++)
		console->ring[console->ring_total++ % CONSOLE_RING] = data[i];
}

static void arm_guest(struct monitor *monitor)
{
	struct console *console = &monitor->console;
	uint32_t events = 0;

	if (console->fd < 0)
		return;
	// what our stdout has not taken yet is enough: the guest waits, as with a real serial line
	if (console->to_stdout.len < CHUNK)
		events |= EPOLLIN;
	if (console->to_guest.len)
		events |= EPOLLOUT;
	loop_change(&monitor->loop, &console->source, events);
}

static void drop(struct str *bytes, size_t n)
{
	memmove(bytes->text, bytes->text + n, bytes->len - n);
	bytes->len -= n;
}

// At most PIPE_BUF at a time, which a pipe or terminal that polls writable takes without blocking.
static void flush_stdout(void *context, uint32_t events)
{
	struct monitor *monitor = context;
	struct console *console = &monitor->console;
	ssize_t n;

	if (!console->to_stdout.len)
		return;
	n = write(STDOUT_FILENO, console->to_stdout.text,
		  console->to_stdout.len < CHUNK ? console->to_stdout.len : CHUNK);
	(void)events;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		n = (ssize_t)console->to_stdout.len; // nobody reads it any more
	if (n > 0)
		drop(&console->to_stdout, (size_t)n);
	if (!console->to_stdout.len && console->out.fd >= 0)
		loop_remove(&monitor->loop, &console->out);
	arm_guest(monitor);
}

static void relay_out(struct monitor *monitor, const char *data, size_t size)
{
	struct console *console = &monitor->console;
	bool waiting = console->to_stdout.len > 0;

	str_addn(&console->to_stdout, data, size);
	if (waiting)
		return;
	console->out = (struct loop_source){ STDOUT_FILENO, flush_stdout, monitor };
	if (loop_add(&monitor->loop, &console->out, EPOLLOUT) == 0)
		return;
	// a regular file is always ready
	console->out.fd = -1;
	io_write_all(STDOUT_FILENO, console->to_stdout.text, console->to_stdout.len);
	console->to_stdout.len = 0;
}

static void console_gone(struct monitor *monitor)
{
	struct console *console = &monitor->console;

	stop_stdin(monitor);
	loop_remove(&monitor->loop, &console->source);
	close(take_fd(&console->fd));
	console->source.fd = -1;
}

static void flush_guest(struct monitor *monitor)
{
	struct console *console = &monitor->console;
	ssize_t n;

	if (console->fd < 0 || !console->to_guest.len)
		return;
	n = write(console->fd, console->to_guest.text, console->to_guest.len);
	if (n > 0)
		drop(&console->to_guest, (size_t)n);
	arm_guest(monitor);
}

static void read_guest(void *context, uint32_t events)
{
	struct monitor *monitor = context;
	struct console *console = &monitor->console;
	char chunk[CHUNK];
	ssize_t n;

	if (events & EPOLLOUT)
		flush_guest(monitor);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = read(console->fd, chunk, sizeof(chunk));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		console_gone(monitor);
		return;
	}
	remember(console, chunk, (size_t)n);
	if (monitor->setup->relay)
		relay_out(monitor, chunk, (size_t)n);
	control_console_bytes(monitor, chunk, (size_t)n);
	arm_guest(monitor);
}

void console_write(struct monitor *monitor, const char *data, size_t size)
{
	struct console *console = &monitor->console;

	if (console->fd < 0 || console->to_guest.len + size > STDIN_MAX)
		return;
	str_addn(&console->to_guest, data, size);
	flush_guest(monitor);
}

void console_replay(struct monitor *monitor, struct client *client)
{
	const struct console *console = &monitor->console;
	size_t total = console->ring_total;
	size_t n = total < CONSOLE_RING ? total : CONSOLE_RING;

	for (size_t i = total - n; i < total; i++)
		str_addc(&client->raw, console->ring[i % CONSOLE_RING]);
}

static void say_left(void)
{
	static const char text[] =
		"\nvfiorun: left the console; the guest runs on. Ctrl-C asks it to shut down, "
		"`vfiorun console` comes back.\n";

	io_write_all(STDERR_FILENO, text, sizeof(text) - 1);
}

static void read_stdin(void *context, uint32_t events)
{
	struct monitor *monitor = context;
	struct console *console = &monitor->console;
	char chunk[CHUNK];
	ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
	char *leave;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stop_stdin(monitor);
		return;
	}
	leave = console->raw ? memchr(chunk, LEAVE_KEY, (size_t)n) : NULL;
	console_write(monitor, chunk, leave ? (size_t)(leave - chunk) : (size_t)n);
	if (leave) {
		stop_stdin(monitor);
		say_left();
	}
}

// epoll takes no regular file: what a script redirects from one is read at once.
static void read_file_stdin(struct monitor *monitor)
{
	AUTO_STR struct str text = { 0 };

	if (io_read_all(STDIN_FILENO, &text, STDIN_MAX) == 0 && text.len)
		console_write(monitor, text.text, text.len);
}

static bool in_foreground(void)
{
	return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

void console_start_terminal(struct monitor *monitor)
{
	struct console *console = &monitor->console;
	bool terminal = isatty(STDIN_FILENO);

	if (!monitor->setup->relay || console->fd < 0 || console->reads_stdin || console->in.ready)
		return;
	// in the background a read would stop us
	if (terminal && !in_foreground())
		return;
	if (terminal && tcgetattr(STDIN_FILENO, &console->saved) == 0) {
		struct termios raw = console->saved;

		cfmakeraw(&raw);
		console->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
	}
	console->in = (struct loop_source){ STDIN_FILENO, read_stdin, monitor };
	if (loop_add(&monitor->loop, &console->in, EPOLLIN) == 0)
		console->reads_stdin = true;
	else
		read_file_stdin(monitor);
}

int console_open(struct monitor *monitor, struct err *err)
{
	AUTO_FREE char *path = mem_printf("%s/console.sock", monitor->setup->plan->run_dir);
	struct console *console = &monitor->console;
	int r;

	console->fd = listen_connect(path, CONNECT_MS, err);
	if (console->fd < 0)
		return console->fd;
	io_set_nonblock(console->fd, true);
	console->source = (struct loop_source){ console->fd, read_guest, monitor };
	r = loop_add(&monitor->loop, &console->source, EPOLLIN);
	return r < 0 ? err_sys(err, r, "epoll") : 0;
}

void console_finish(struct monitor *monitor)
{
	struct console *console = &monitor->console;
	long long until = io_now_ms() + 500;

	// the guest's last words, as far as somebody takes them
	while (console->to_stdout.len && io_now_ms() < until && loop_step(&monitor->loop, 50) >= 0)
		;
	leave_terminal(console);
	free(console->ring);
	str_finish(&console->to_guest);
	str_finish(&console->to_stdout);
}
