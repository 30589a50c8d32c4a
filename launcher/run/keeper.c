// SPDX-License-Identifier: MIT
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "launcher/plan/plan.h"
#include "launcher/guest/message.h"
#include "launcher/run/qemu_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DRAIN_MS = 1000 };

void keeper_init(struct keeper *keeper, const struct paths *paths, struct guest_dir *dir, const char *name)
{
	*keeper = (struct keeper){
		.paths = paths,
		.dir = dir,
		.name = name,
		.host = CHANGE_HOST_CLOSED,
		.journal = JOURNAL_CLOSED,
		.loop = LOOP_CLOSED,
		.qemu = CHILD_NONE,
		.qemu_source.fd = -1,
		.signal_source.fd = -1,
		.hotplug_source.fd = -1,
		.interrupts_source.fd = -1,
		.interrupts_made = TRACEPOINT_CLOSED,
		.monitor = { .channel = -1, .source.fd = -1 },
		.balancer = { .source.fd = -1, .above = -1 },
		.hook_source.fd = -1,
		.usb.source.fd = -1,
		.control = -1,
		.log = -1,
		.tell = -1,
	};
	keeper_input_init(&keeper->input);
}

static void close_streams(struct keeper *keeper)
{
	for (size_t i = 0; keeper->streams && i < keeper->state.plan->n_helpers; i++) {
		if (keeper->streams[i] >= 0)
			close(take_fd(&keeper->streams[i]));
	}
	free(keeper->streams);
}

void keeper_finish(struct keeper *keeper)
{
	int *fds[] = { &keeper->control, &keeper->log, &keeper->signal_source.fd,
			&keeper->hotplug_source.fd, &keeper->balancer.source.fd };

	log_to_file(-1);
	child_close(&keeper->qemu);
	loop_finish(&keeper->loop);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(take_fd(fds[i]));
	}
	tracepoint_close(&keeper->interrupts_made);
	if (keeper->usb.source.fd >= 0)
		close(keeper->usb.source.fd);
	strv_finish(&keeper->usb.ports);
	journal_finish(&keeper->journal);
	change_host_finish(&keeper->host);
	close_streams(keeper);
	keeper_input_finish(&keeper->input);
	free(keeper->balancer.socket);
	free(keeper->tids);
	free(keeper->astray);
	state_finish(&keeper->state);
}

void keeper_fail(struct keeper *keeper, const char *fmt, ...)
{
	va_list ap;

	if (keeper->failed || keeper->ended)
		return;
	va_start(ap, fmt);
	vsnprintf(keeper->failure, sizeof(keeper->failure), fmt, ap);
	va_end(ap);
	// a guest that runs is not ended for a trouble of ours
	if (keeper->was_running) {
		log_error("%s", keeper->failure);
		return;
	}
	keeper->failed = true;
	keeper->status = 1;
	keeper_stop(keeper, STOP_TERM);
}

int keeper_write_phase(struct keeper *keeper, enum phase phase, struct err *err)
{
	keeper->state.phase = phase;
	keeper_tell_monitor(keeper, MSG_PHASE, (int)phase);
	return state_write(keeper->dir->dir, &keeper->state, err);
}

void keeper_schedule_rescan(struct keeper *keeper, int after_ms)
{
	keeper->rescan_at = io_now_ms() + after_ms;
}

void keeper_rescan_soon(struct keeper *keeper, int after_ms)
{
	keeper->rescans = 0;
	if (!keeper->rescan_at || keeper->rescan_at > io_now_ms() + after_ms)
		keeper_schedule_rescan(keeper, after_ms);
}

static void start_expired(struct keeper *keeper)
{
	keeper->start_deadline = 0;
	if (!keeper->was_running)
		keeper_fail(keeper, "QEMU did not get ready in time (%d s): is the host out of memory?",
			    (keeper->state.plan->greeting_ms + KEEPER_START_EXTRA_MS) / 1000);
}

static void hook_expired(struct keeper *keeper)
{
	keeper_end_hook(keeper, true);
}

static void switch_hook_expired(struct keeper *keeper)
{
	keeper_task_end(keeper, &keeper->input.hook, true);
}

static void hotkey_expired(struct keeper *keeper)
{
	keeper_task_end(keeper, &keeper->input.command, true);
}

// The deadlines of a life; 0 is none. What is overdue is called, and says itself what comes next.
static int run_deadlines(struct keeper *keeper)
{
	const struct {
		long long *at;
		void (*expired)(struct keeper *keeper);
	} deadlines[] = { { &keeper->start_deadline, start_expired },
			  { &keeper->stop_deadline, keeper_stop_expire },
			  { &keeper->rescan_at, keeper_rescan },
			  { &keeper->hook_deadline, hook_expired },
			  { &keeper->input.scan_at, keeper_devices_scan },
			  { &keeper->input.lock_at, keeper_lock_retry },
			  { &keeper->input.wants_until, keeper_input_give_up },
			  { &keeper->input.give_back_at, keeper_input_give_back },
			  { &keeper->input.hook.deadline, switch_hook_expired },
			  { &keeper->input.command.deadline, hotkey_expired } };
	long long now = io_now_ms();
	int timeout = keeper_monitor_timeout(keeper);

	for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++) {
		if (*deadlines[i].at && *deadlines[i].at <= now)
			deadlines[i].expired(keeper);
		if (*deadlines[i].at) {
			long long left = *deadlines[i].at - now;

			timeout = loop_sooner(timeout, left < 0 ? 0 : left > 0x3fffffff ? 0x3fffffff : (int)left);
		}
	}
	return timeout;
}

// What QMP said last may still be on its way to us through the monitor.
static void drain_monitor(struct keeper *keeper)
{
	long long until = io_now_ms() + DRAIN_MS;

	while (keeper->monitor.channel >= 0 && !keeper->monitor.closed) {
		long long left = until - io_now_ms();

		if (left <= 0 || loop_step(&keeper->loop, (int)left) < 0)
			return;
	}
}

static void reap_qemu(struct keeper *keeper)
{
	if (keeper->adopted)
		return;
	while (waitpid(keeper->qemu.pid, &keeper->wait_status, 0) < 0 && errno == EINTR)
		;
}

int keeper_supervise(struct keeper *keeper)
{
	int status;

	while (!keeper->ended) {
		int timeout = run_deadlines(keeper);

		keeper_monitor_expire(keeper);
		if (loop_step(&keeper->loop, timeout) < 0)
			break;
	}
	drain_monitor(keeper);
	reap_qemu(keeper);
	keeper_restore_terminal(keeper);
	if (keeper->failed)
		log_error("%s", keeper->failure);
	status = keeper_outcome(keeper);
	if (status != 0)
		qemu_log_show(keeper->log, keeper->state.plan, keeper->log_start);
	log_info("%s has ended", keeper->name);
	return status;
}
