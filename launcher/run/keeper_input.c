// SPDX-License-Identifier: MIT
// The keeper's side of the input process: starting it once the guest runs, starting it again when it dies, what
// it says, and who shall have the input.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "input/hotkey.h"
#include "input/keyname.h"
#include "launcher/plan/plan.h"
#include "launcher/run/input_main.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	STARTS_MAX = 5, // in a series of …
	SERIES_MS = 60000,
	END_GRACE_MS = 1000,
	WANT_MS = 5000, // for another guest to give the devices back
	FAILED_MS = 1000,
	INPUT_NICE = -10,
};

static int start_process(struct keeper *keeper, struct err *err);

static void send_message(struct keeper *keeper, int type, int value)
{
	struct message message = { .type = (uint32_t)type, .value = value };

	if (keeper->input.channel >= 0)
		message_send(keeper->input.channel, &message);
}

enum input_owner keeper_input_owner(const struct keeper *keeper)
{
	if (keeper->input.channel < 0 || !keeper->input.locked)
		return INPUT_OWNER_NONE;
	return keeper->input.guest_side ? INPUT_OWNER_GUEST : INPUT_OWNER_HOST;
}

void keeper_input_tell(struct keeper *keeper, bool refused)
{
	struct message message = { .type = MSG_INPUT_STATE, .value = keeper_input_owner(keeper), .tid = refused };

	if (keeper->state.plan->input.used && keeper->monitor.channel >= 0)
		message_send(keeper->monitor.channel, &message);
}

static void set_side(struct keeper *keeper, bool guest)
{
	bool changed = keeper->input.guest_side != guest;

	keeper->input.guest_side = guest;
	keeper_input_tell(keeper, false);
	if (changed && !keeper->ended)
		keeper_run_switch_hook(keeper);
}

/* What it says */

static void on_side(struct keeper *keeper, const struct message *message)
{
	set_side(keeper, message->value == SWITCH_GUEST);
}

static void on_let_go(struct keeper *keeper, const struct message *message)
{
	(void)message;
	if (!keeper->input.pass_to[0])
		log_notice("keyboard and mouse are the host's own again, until a switch is commanded");
	set_side(keeper, false);
}

static void on_refused(struct keeper *keeper, const struct message *message)
{
	(void)message;
	log_notice("the guest does not read its keyboard: the host keeps the input");
	keeper_input_tell(keeper, true);
}

static void on_stuck(struct keeper *keeper, const struct message *message)
{
	char room[KEYNAME_ROOM];

	(void)keeper;
	log_info("/dev/input/event%d: %s stays down, and was released for whoever saw it go down", message->row,
		 keyname_print((unsigned)message->value, room));
}

// Ours to give, it is given back first; else the one who has it is asked by him who shall have it.
static void pass_to(struct keeper *keeper, const char *name)
{
	if (keeper->input.locked) {
		snprintf(keeper->input.pass_to, sizeof(keeper->input.pass_to), "%s", name);
		send_message(keeper, INPUT_RELEASE, 0);
		return;
	}
	keeper_lock_pass(keeper, name);
	keeper_input_tell(keeper, false);
}

static void go_to_next(struct keeper *keeper)
{
	char room[64];
	const char *next = keeper_lock_next(keeper, room);

	if (!next)
		keeper_input_command(keeper, SWITCH_TO_HOST);
	else if (strcmp(next, keeper->name) == 0)
		keeper_input_ask(keeper, TARGET_GUEST);
	else
		pass_to(keeper, next);
}

static void on_action(struct keeper *keeper, const struct message *message)
{
	if (message->value == HOTKEY_NEXT)
		go_to_next(keeper);
	else
		keeper_run_hotkey(keeper, message->value);
}

static void on_gone(struct keeper *keeper, const struct message *message)
{
	log_info("/dev/input/event%d was unplugged", message->row);
	keeper_devices_forget(keeper, message->row);
	keeper->input.scans = 0;
	keeper_devices_scan_soon(keeper, 0);
}

static void on_busy(struct keeper *keeper, const struct message *message)
{
	(void)keeper;
	keeper_devices_say_busy(message->row, message->value);
}

// A touch device stays refused; anything else may be a device that is just being plugged in or out.
static void on_failed(struct keeper *keeper, const struct message *message)
{
	if (message->value == -EEXIST)
		return;
	log_warning("/dev/input/event%d: %s", message->row, message->text);
	if (message->value == -ENOTSUP)
		return;
	keeper_devices_forget(keeper, message->row);
	keeper_devices_scan_soon(keeper, FAILED_MS);
}

static void on_released(struct keeper *keeper, const struct message *message)
{
	char next[sizeof(keeper->input.pass_to)];

	(void)message;
	memcpy(next, keeper->input.pass_to, sizeof(next));
	keeper->input.pass_to[0] = '\0';
	keeper_devices_forget(keeper, -1);
	keeper_lock_give(keeper);
	keeper->input.guest_side = false;
	keeper_input_tell(keeper, false);
	if (next[0])
		keeper_lock_pass(keeper, next);
}

static void handle(struct keeper *keeper, const struct message *message)
{
	static void (*const handlers[])(struct keeper *, const struct message *) = {
		[INPUT_SIDE] = on_side,	    [INPUT_LET_GO] = on_let_go,	  [INPUT_REFUSED] = on_refused,
		[INPUT_STUCK] = on_stuck,   [INPUT_ACTION] = on_action,	  [INPUT_GONE] = on_gone,
		[INPUT_BUSY] = on_busy,	    [INPUT_FAILED] = on_failed,	  [INPUT_RELEASED] = on_released,
	};

	if (message->type < ARRAY_SIZE(handlers) && handlers[message->type])
		handlers[message->type](keeper, message);
}

/* Its life */

static void reap(struct keeper *keeper)
{
	struct keeper_input *input = &keeper->input;

	loop_remove(&keeper->loop, &input->source);
	if (input->channel >= 0)
		close(take_fd(&input->channel));
	input->source.fd = -1;
	while (waitpid(input->pid, NULL, 0) < 0 && errno == EINTR)
		;
	input->pid = 0;
	input->scan_at = 0;
	keeper_devices_forget(keeper, -1);
}

// Its end gave the real devices back to the host, and left the guest's as they were.
static void replace(struct keeper *keeper)
{
	struct keeper_input *input = &keeper->input;
	struct err err = ERR_NONE;

	reap(keeper);
	if (keeper->ended)
		return;
	keeper_devices_release_guest(keeper);
	set_side(keeper, false);
	if (io_now_ms() - input->first_start > SERIES_MS)
		input->starts = 0;
	if (input->starts >= STARTS_MAX) {
		log_error("the input process died %d times in a row: keyboard and mouse stay the host's",
			  input->starts);
		keeper_lock_give(keeper);
		input->lock_at = 0;
		return;
	}
	log_notice("the input process died: the host has keyboard and mouse; starting it again");
	if (start_process(keeper, &err) < 0)
		log_error("%s", err.text);
}

static void read_channel(void *context, uint32_t events)
{
	struct keeper *keeper = context;
	struct message message;
	int r = message_receive(keeper->input.channel, &message);

	(void)events;
	if (r == 0) {
		handle(keeper, &message);
		return;
	}
	if (r == -EAGAIN)
		return;
	if (r == -EPROTO)
		log_error("the input process sent nonsense and is replaced");
	kill(keeper->input.pid, SIGKILL);
	replace(keeper);
}

static _Noreturn void become_input(struct keeper *keeper, int channel)
{
	struct keeper_input *input = &keeper->input;
	struct input_setup setup = { .plan = keeper->state.plan, .channel = channel, .qemu = keeper->qemu.pidfd };
	// Nothing of the keeper's may outlive it in here: not its locks, not what closing would undo.
	int mine[] = { keeper->dir->lock, keeper->dir->alive,	    keeper->dir->host, keeper->dir->base,
		       keeper->journal.fd, keeper->loop.epoll,	    keeper->log,       keeper->signal_source.fd,
		       keeper->tell,	   keeper->monitor.channel, keeper->control,   input->lock,
		       input->watch.fd,	   input->channel };
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(mine); i++) {
		if (mine[i] >= 0)
			close(mine[i]);
	}
	change_host_finish(&keeper->host);
	log_to_file(-1);
	// On a busy host, too: the kernel keeps 64 events of a device (EVDEV_MIN_BUFFER_SIZE), which a mouse of
	// 8,000 reports a second fills in 3 ms. Who may not do this has what everybody has.
	setpriority(PRIO_PROCESS, 0, INPUT_NICE);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	for (int part = 0; part < GUEST_PARTS; part++)
		setup.guest[part] = input->uinput[part] >= 0 ? input->uinput[part] : input->nodes[part];
	_exit(input_main(&setup));
}

static int start_process(struct keeper *keeper, struct err *err)
{
	struct keeper_input *input = &keeper->input;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "a socket pair for the input process");
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		become_input(keeper, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return err_sys(err, -errno, "starting the input process");
	}
	if (!input->starts++)
		input->first_start = io_now_ms();
	input->pid = pid;
	input->channel = pair[0];
	input->source = (struct loop_source){ pair[0], read_channel, keeper };
	send_message(keeper, INPUT_READY, input->guest_reads);
	input->scans = 0;
	keeper_devices_scan(keeper);
	keeper_input_tell(keeper, false);
	return loop_add(&keeper->loop, &input->source, EPOLLIN);
}

void keeper_input_start(struct keeper *keeper)
{
	const struct plan *plan = keeper->state.plan;
	struct err err = ERR_NONE;

	if (!plan->input.used)
		return;
	keeper->input.guest_reads = keeper_devices_are_read(keeper);
	if (!keeper->input.guest_reads)
		log_error("QEMU did not take its keyboard and mouse: they stay the host's");
	keeper_devices_watch(keeper);
	keeper_lock_take(keeper);
	if (start_process(keeper, &err) < 0) {
		log_error("%s", err.text);
		return;
	}
	if (plan->input.timeout && !keeper->adopted)
		keeper->input.give_back_at = io_now_ms() + plan->input.timeout * 1000LL;
	if (plan->input.start_guest && !keeper->adopted)
		keeper_input_ask(keeper, TARGET_GUEST);
}

void keeper_input_end(struct keeper *keeper)
{
	struct keeper_input *input = &keeper->input;
	struct pollfd end = { .fd = input->channel, .events = POLLIN };
	long long until = io_now_ms() + END_GRACE_MS;
	struct message message;

	keeper_task_end(keeper, &input->hook, true);
	keeper_task_end(keeper, &input->command, true);
	if (!input->pid)
		return;
	shutdown(input->channel, SHUT_WR);
	while (io_now_ms() < until && poll(&end, 1, (int)(until - io_now_ms())) > 0) {
		int r = message_receive(input->channel, &message);

		if (r < 0 && r != -EAGAIN)
			break;
	}
	kill(input->pid, SIGKILL);
	reap(keeper);
	keeper_lock_give(keeper);
	if (input->guest_side) {
		input->guest_side = false;
		keeper_run_switch_hook(keeper); // the screen goes back too, beside the undo
	}
}

/* Who shall have it */

void keeper_input_command(struct keeper *keeper, enum switch_command command)
{
	send_message(keeper, INPUT_COMMAND, command);
}

static void want_guest(struct keeper *keeper)
{
	struct keeper_input *input = &keeper->input;

	input->wants = true;
	input->wants_until = io_now_ms() + WANT_MS;
	keeper_lock_retry(keeper);
	if (input->wants)
		keeper_lock_ask_others(keeper);
}

void keeper_input_give_up(struct keeper *keeper)
{
	keeper->input.wants = false;
	keeper->input.wants_until = 0;
	log_warning("no other guest gave keyboard and mouse back");
	keeper_input_tell(keeper, true);
}

void keeper_input_give_back(struct keeper *keeper)
{
	keeper->input.give_back_at = 0;
	log_notice("the time of --input-timeout is over");
	keeper_input_command(keeper, SWITCH_LET_GO);
}

static void yield(struct keeper *keeper)
{
	if (keeper->input.locked)
		send_message(keeper, INPUT_RELEASE, 0);
	else
		keeper_input_tell(keeper, false);
}

void keeper_input_ask(struct keeper *keeper, enum input_target target)
{
	static const enum switch_command commands[] = { [TARGET_HOST] = SWITCH_TO_HOST,
							[TARGET_GUEST] = SWITCH_TO_GUEST,
							[TARGET_TOGGLE] = SWITCH_TOGGLE,
							[TARGET_LET_GO] = SWITCH_LET_GO };

	if (!keeper->state.plan->input.used || keeper->input.channel < 0)
		keeper_input_tell(keeper, true);
	else if (target == TARGET_YIELD)
		yield(keeper);
	else if (target == TARGET_NEXT)
		go_to_next(keeper);
	else if (keeper->input.locked)
		keeper_input_command(keeper, commands[target]);
	else if (target == TARGET_GUEST || target == TARGET_TOGGLE)
		want_guest(keeper);
	else
		keeper_input_tell(keeper, false); // another guest's: this one has nothing to give
}
