// SPDX-License-Identifier: MIT
// The keeper's side of the monitor: starting it, starting it again when it dies, telling it, ending it.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/guest/message.h"
#include "launcher/plan/plan.h"
#include "launcher/run/monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	STARTS_MAX = 5,	      // in a series of …
	SERIES_MS = 60000,
	CLOSED_GRACE_MS = 1000, // QEMU's end and the end of its QMP come in either order
	END_GRACE_MS = 2000,
};

static void monitor_gone(struct keeper *keeper)
{
	struct monitor_process *monitor = &keeper->monitor;

	loop_remove(&keeper->loop, &monitor->source);
	if (monitor->channel >= 0)
		close(take_fd(&monitor->channel));
	monitor->source.fd = -1;
	while (waitpid(monitor->pid, NULL, 0) < 0 && errno == EINTR)
		;
	monitor->pid = 0;
	keeper_restore_terminal(keeper);
}

void keeper_save_terminal(struct keeper *keeper)
{
	keeper->terminal_saved = keeper->relay && isatty(STDIN_FILENO) &&
				 tcgetattr(STDIN_FILENO, &keeper->terminal) == 0;
}

void keeper_restore_terminal(struct keeper *keeper)
{
	// in the background the terminal is somebody else's, and was never made raw
	if (!keeper->terminal_saved || tcgetpgrp(STDIN_FILENO) != getpgrp())
		return;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &keeper->terminal);
	log_set_raw_terminal(false);
}

// Who asks is refused at once rather than left waiting; `stop` then turns to us.
static void give_up(struct keeper *keeper)
{
	if (!keeper->was_running) {
		keeper_fail(keeper, "QEMU's QMP can't be kept open: giving up");
		return;
	}
	log_error("the monitor died %d times in a row: the guest runs on without QMP and console; "
		  "`vfiorun stop %s` ends it by signal", keeper->monitor.starts, keeper->name);
	close(take_fd(&keeper->control));
}

// A monitor that dies is replaced: it holds nothing that reconnecting does not bring back.
static void replace_monitor(struct keeper *keeper)
{
	struct monitor_process *monitor = &keeper->monitor;
	struct err err = ERR_NONE;

	if (keeper->ended)
		return;
	if (io_now_ms() - monitor->first_start > SERIES_MS)
		monitor->starts = 0;
	if (monitor->starts >= STARTS_MAX) {
		give_up(keeper);
		return;
	}
	log_info("starting the monitor again");
	if (keeper_start_monitor(keeper, &err) < 0)
		log_error("%s", err.text);
}

static void read_channel(void *context, uint32_t events)
{
	struct keeper *keeper = context;
	struct message message;
	int r;

	(void)events;
	r = message_receive(keeper->monitor.channel, &message);
	if (r == 0) {
		keeper_handle_message(keeper, &message);
		return;
	}
	if (r == -EAGAIN)
		return;
	if (r == -EPROTO) {
		log_error("the monitor sent nonsense and is replaced");
		kill(keeper->monitor.pid, SIGKILL);
	}
	monitor_gone(keeper);
	replace_monitor(keeper);
}

static void leave_standard_fds(void)
{
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
}

static _Noreturn void become_monitor(struct keeper *keeper, int channel)
{
	struct monitor_setup setup = {
		.plan = keeper->state.plan,
		.channel = channel,
		.control = keeper->control,
		.relay = keeper->relay,
		.owner = geteuid(),
		.qemu = keeper->state.qemu,
		.since = keeper->state.since,
		.phase = keeper->state.phase,
		.first = keeper->state.phase == PHASE_STARTING && !keeper->monitor.first_start,
		.input = keeper_input_owner(keeper),
	};

	// nothing of the keeper's may outlive it in here: not its locks, not what closing would undo
	io_close_others(STDERR_FILENO + 1, channel, keeper->control);
	log_to_file(-1);
	if (!keeper->relay)
		leave_standard_fds();
	_exit(monitor_main(&setup));
}

int keeper_start_monitor(struct keeper *keeper, struct err *err)
{
	struct monitor_process *monitor = &keeper->monitor;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "a socket pair for the monitor");
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		become_monitor(keeper, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return err_sys(err, -errno, "starting the monitor");
	}
	if (!monitor->starts++)
		monitor->first_start = io_now_ms();
	monitor->pid = pid;
	monitor->channel = pair[0];
	monitor->closed = false;
	monitor->closed_at = 0;
	monitor->source = (struct loop_source){ pair[0], read_channel, keeper };
	return loop_add(&keeper->loop, &monitor->source, EPOLLIN);
}

void keeper_tell_monitor(struct keeper *keeper, int type, int value)
{
	struct message message = { .type = (uint32_t)type, .value = value };

	if (keeper->monitor.channel >= 0)
		message_send(keeper->monitor.channel, &message);
}

int keeper_monitor_timeout(const struct keeper *keeper)
{
	long long left;

	if (!keeper->monitor.closed_at || keeper->ended)
		return -1;
	left = keeper->monitor.closed_at + CLOSED_GRACE_MS - io_now_ms();
	return left > 0 ? (int)left : 0;
}

// QEMU closed its QMP and lives on. One whose guest runs may be reached again by another monitor; one that
// never got so far has nothing to lose.
void keeper_monitor_expire(struct keeper *keeper)
{
	if (keeper_monitor_timeout(keeper) != 0)
		return;
	keeper->monitor.closed_at = 0;
	if (!keeper->was_running) {
		keeper_fail(keeper, "QMP ended before the guest ran: %s", keeper->monitor.closed_why);
		return;
	}
	kill(keeper->monitor.pid, SIGKILL);
	monitor_gone(keeper);
	replace_monitor(keeper);
}

// It gets a moment to tell its waiters; then it must go, whatever it does.
void keeper_end_monitor(struct keeper *keeper, int status)
{
	struct monitor_process *monitor = &keeper->monitor;
	struct pollfd end = { .fd = monitor->channel, .events = POLLIN };
	long long until = io_now_ms() + END_GRACE_MS;
	struct message message;

	if (!monitor->pid)
		return;
	keeper_tell_monitor(keeper, MSG_EXIT, status);
	while (io_now_ms() < until && poll(&end, 1, (int)(until - io_now_ms())) > 0) {
		int r = message_receive(monitor->channel, &message);

		if (r < 0 && r != -EAGAIN)
			break;
	}
	kill(monitor->pid, SIGKILL);
	monitor_gone(keeper);
}
