// SPDX-License-Identifier: MIT
// What the monitor says, a row a message, and what the keeper does about it.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "launcher/guest/message.h"
#include "launcher/plan/plan.h"
#include "launcher/run/hooks.h"
#include "launcher/run/notify.h"
#include "tune/pin.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Every thread is known: the rest of QEMU's is pinned too, and only then the guest may run.
static void let_run(struct keeper *keeper)
{
	const struct cpuset vcpus = plan_vcpu_cpus(keeper->state.plan);
	struct err err = ERR_NONE;

	if (keeper_check_all_pinned(keeper, &err) < 0 || keeper_isolate_threads(keeper, &err) < 0 ||
	    keeper_pin_others(keeper, &err) < 0) {
		keeper_fail(keeper, "%s", err.text);
		return;
	}
	pin_stand_aside(&vcpus);
	keeper_give_pools_back(keeper);
	if (keeper->state.phase == PHASE_STARTING && keeper_write_phase(keeper, PHASE_RUNNING, &err) < 0) {
		keeper_fail(keeper, "%s", err.text);
		return;
	}
	keeper_usb_begin(keeper);
	keeper_tell_monitor(keeper, MSG_CONTINUE, 0);
}

static void hook_ended(void *context, uint32_t events)
{
	struct keeper *keeper = context;

	(void)events;
	keeper_end_hook(keeper, false);
}

void keeper_end_hook(struct keeper *keeper, bool force)
{
	int status;

	if (!keeper->hook)
		return;
	if (force)
		kill(-keeper->hook, SIGKILL);
	loop_remove(&keeper->loop, &keeper->hook_source);
	close(take_fd(&keeper->hook_source.fd));
	while (waitpid(keeper->hook, &status, 0) < 0 && errno == EINTR)
		;
	keeper->hook = 0;
	keeper->hook_deadline = 0;
	if (force)
		log_warning("the hook `started` took longer than %d s and was killed",
			    keeper->state.plan->hook_timeout);
	else if (status)
		log_warning("the hook `started` failed");
}

// It runs beside the guest, so its failure is told and ends nothing.
static void start_hook(struct keeper *keeper)
{
	const struct plan *plan = keeper->state.plan;
	struct err err = ERR_NONE;
	pid_t pid;

	if (!plan->hook_started.count || keeper->adopted)
		return;
	pid = hook_start(plan, "started", &plan->hook_started, &err);
	if (pid < 0) {
		log_warning("%s", err.text);
		return;
	}
	keeper->hook = pid;
	keeper->hook_source = (struct loop_source){ (int)syscall(SYS_pidfd_open, pid, 0), hook_ended,
						    keeper };
	keeper->hook_deadline = io_now_ms() + plan->hook_timeout * 1000LL;
	loop_add(&keeper->loop, &keeper->hook_source, EPOLLIN);
}

// --detach's parent has waited for this; from here on nobody reads our stderr.
static void tell_parent(struct keeper *keeper, int status)
{
	unsigned char byte = (unsigned char)status;

	if (keeper->tell < 0)
		return;
	io_write_all(keeper->tell, &byte, 1);
	close(take_fd(&keeper->tell));
	dup2(keeper->log, STDERR_FILENO);
	log_setup(LOG_LEVEL_ERROR, false);
}

static void guest_runs(struct keeper *keeper)
{
	if (keeper->ready)
		return;
	keeper->ready = keeper->was_running = true;
	keeper->start_deadline = 0;
	log_set_raw_terminal(keeper->relay && keeper->terminal_saved);
	notify_systemd("READY=1\nSTATUS=guest %s runs\nMAINPID=%d", keeper->name, getpid());
	log_info("%s runs, QEMU is process %d", keeper->name, keeper->qemu.pid);
	tell_parent(keeper, 0); // before the hook, which would hold its stderr
	start_hook(keeper);
	keeper_input_start(keeper);
	keeper_watch_interrupts(keeper);
	keeper_watch_irqbalance(keeper);
	keeper_rescan(keeper);
}

// What is moved now need not be moved when the vCPUs are known and the guest waits for it. A thread that can't be
// is told then.
static void handle_negotiated(struct keeper *keeper, const struct message *message)
{
	struct err unread;

	(void)message;
	if (keeper->state.phase == PHASE_STARTING)
		keeper_pin_others(keeper, &unread);
}

static void handle_thread(struct keeper *keeper, const struct message *message)
{
	struct err err = ERR_NONE;

	if (keeper_pin_thread(keeper, message->row, message->tid, &err) < 0)
		keeper_fail(keeper, "%s", err.text);
}

static void handle_run_state(struct keeper *keeper, const struct message *message)
{
	bool paused = message->value == RUN_PAUSED;

	if (message->value == RUN_RUNNING || (paused && keeper->was_running))
		guest_runs(keeper);
}

static void handle_shutdown(struct keeper *keeper, const struct message *message)
{
	keeper->shutdown_seen = true;
	if (strcmp(message->text, "guest-panic") == 0)
		keeper->panicked = true;
	log_info("shutdown (%s)", message->text[0] ? message->text : "no reason given");
}

static void handle_event(struct keeper *keeper, const struct message *message)
{
	static const char *const texts[] = { [EVENT_RESET] = "the guest was reset",
					     [EVENT_PANIC] = "the guest panicked",
					     [EVENT_WATCHDOG] = "the guest's watchdog fired",
					     [EVENT_PAUSED] = "the guest is paused",
					     [EVENT_RESUMED] = "the guest goes on" };
	bool bad = message->value == EVENT_PANIC || message->value == EVENT_WATCHDOG;

	if (message->value < 0 || (size_t)message->value >= ARRAY_SIZE(texts))
		return;
	// a guest that starts anew after a panic is well again
	if (message->value == EVENT_PANIC || message->value == EVENT_RESET)
		keeper->panicked = message->value == EVENT_PANIC;
	if (message->value == EVENT_RESET)
		keeper->rescans = 0;
	log_message(bad ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "%s", texts[message->value]);
	if (message->value != EVENT_PAUSED)
		keeper_rescan(keeper);
}

static void handle_closed(struct keeper *keeper, const struct message *message)
{
	keeper->monitor.closed = true;
	keeper->monitor.closed_at = io_now_ms();
	snprintf(keeper->monitor.closed_why, sizeof(keeper->monitor.closed_why), "%s", message->text);
	log_info("QMP ended: %s", message->text);
}

static void handle_threads_done(struct keeper *keeper, const struct message *message)
{
	(void)message;
	let_run(keeper);
}

static void handle_ask_stop(struct keeper *keeper, const struct message *message)
{
	keeper_stop(keeper, message->value ? STOP_QUIT : STOP_POWERDOWN);
}

static void handle_ask_switch(struct keeper *keeper, const struct message *message)
{
	if (message->value >= TARGET_HOST && message->value <= TARGET_YIELD)
		keeper_input_ask(keeper, (enum input_target)message->value);
}

static void handle_ask_rescan(struct keeper *keeper, const struct message *message)
{
	(void)message;
	keeper_rescan(keeper);
}

void keeper_handle_message(struct keeper *keeper, const struct message *message)
{
	static void (*const handlers[])(struct keeper *, const struct message *) = {
		[MSG_NEGOTIATED] = handle_negotiated,
		[MSG_THREAD] = handle_thread,	    [MSG_THREADS_DONE] = handle_threads_done,
		[MSG_RUN_STATE] = handle_run_state, [MSG_SHUTDOWN] = handle_shutdown,
		[MSG_EVENT] = handle_event,	    [MSG_ASK_STOP] = handle_ask_stop,
		[MSG_ASK_RESCAN] = handle_ask_rescan, [MSG_CLOSED] = handle_closed,
		[MSG_ASK_SWITCH] = handle_ask_switch,
		[MSG_ASK_USB] = keeper_usb_asked,   [MSG_USB_DONE] = keeper_usb_done,
	};

	if (message->type >= ARRAY_SIZE(handlers) || !handlers[message->type])
		return;
	handlers[message->type](keeper, message);
}
