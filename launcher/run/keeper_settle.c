// SPDX-License-Identifier: MIT
// The keeper's side of host changes: applying the plan's, and putting all of them back.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/guest/message.h"
#include "launcher/plan/plan.h"
#include "launcher/run/hooks.h"
#include "launcher/run/notify.h"
#include "tune/host/process.h"
#include "tune/pin.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Where a helper finds its end of the socket pair whose other end is QEMU's.
enum { HELPER_STREAM = 3 };

enum { PROGRESS_MS = 1000 };

static int spawn_helper(struct keeper *keeper, const struct plan_helper *helper, int stream,
			struct child *child, struct err *err)
{
	const struct plan *plan = keeper->state.plan;
	const struct spawn_fd fds[] = { { 1, keeper->log }, { 2, keeper->log },
					{ HELPER_STREAM, stream } };
	const struct spawn spawn = {
		.argv = &helper->argv,
		.environment = &plan->environment,
		.fds = fds,
		.n_fds = ARRAY_SIZE(fds),
		.change_user = plan->user.change,
		.user = plan->user.name,
		.uid = plan->user.uid,
		.gid = plan->user.gid,
		.released_elsewhere = true,
	};

	return spawn_prepare(&spawn, child, err);
}

static int find_helper(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_helpers; i++) {
		if (str_eq(plan->helpers[i].name, name))
			return (int)i;
	}
	return -1;
}

// A helper of the plan, made ready: it waits for the byte that the journal sends once it is recorded.
static int start_helper(void *context, const char *name, struct process_id *id, int *go, struct err *err)
{
	struct keeper *keeper = context;
	int index = find_helper(keeper->state.plan, name);
	struct child child;
	int pair[2], r;

	if (index < 0)
		return err_set(err, -ENOENT, "the plan has no helper `%s`", name);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "a socket pair for %s", name);
	r = spawn_helper(keeper, &keeper->state.plan->helpers[index], pair[1], &child, err);
	close(pair[1]);
	keeper->streams[index] = pair[0];
	if (r == 0)
		r = process_read_id(child.pid, id);
	if (r < 0) {
		spawn_abandon(&child);
		return err_wrap(err, "starting %s", name);
	}
	*go = take_fd(&child.go);
	child_close(&child);
	return 0;
}

static bool is_interrupted(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) ||
					     sigismember(&pending, SIGHUP));
}

// What takes its time says so once a second, and can be called off: signals wait for us otherwise.
static int show_progress(void *context, const char *text)
{
	struct keeper *keeper = context;
	long long now = io_now_ms();

	if (!keeper->progress_at)
		keeper->progress_at = now + PROGRESS_MS;
	if (now >= keeper->progress_at) {
		log_notice("%s", text);
		keeper->progress_at = now + PROGRESS_MS;
	}
	return is_interrupted() ? -EINTR : 0;
}

int keeper_open_world(struct keeper *keeper, struct err *err)
{
	int r = change_host_open(&keeper->host, "/", err);

	if (r == 0)
		r = journal_open(&keeper->journal, keeper->dir->dir, err);
	keeper->host.start = start_helper;
	keeper->host.progress = show_progress;
	keeper->host.context = keeper;
	keeper->world = (struct journal_world){ .host = &keeper->host,
						.lock = keeper->dir->host,
						.runs = keeper->dir->base };
	return r;
}

int keeper_apply(struct keeper *keeper, struct err *err)
{
	const struct plan *plan = keeper->state.plan;
	int r = hook_run(plan, "before", &plan->hook_before, err);

	return r < 0 ? r : keeper_apply_turn(keeper, CHANGE_FIRST, err);
}

void keeper_show_report(const struct journal_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		log_message(report->items[i].failed ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s",
			    report->items[i].text);
}

bool keeper_give_pools_back(struct keeper *keeper)
{
	struct journal_report report = { 0 };
	int waiting = 0;

	if (keeper->journal.fd >= 0)
		waiting = journal_settle(&keeper->journal, &keeper->world, &report);
	keeper_show_report(&report);
	journal_report_finish(&report);
	return waiting > 0;
}

// 0, or 4 where an item stays changed; its record stays too, for `revert`.
static int undo(struct keeper *keeper)
{
	struct journal_report report = { 0 };
	int r;

	if (keeper->journal.fd < 0)
		return 0;
	r = journal_undo(&keeper->journal, &keeper->world, &report);
	keeper_show_report(&report);
	journal_report_finish(&report);
	return r < 0 ? 4 : 0;
}

int keeper_settle(struct keeper *keeper, int status)
{
	const struct plan *plan = keeper->state.plan;
	struct err err = ERR_NONE;
	int left = 0;

	keeper_input_end(keeper); // the host has its keyboard before anything else
	pin_stand_back();
	notify_systemd("STOPPING=1");
	keeper_end_hook(keeper, true);
	keeper_usb_end(keeper);
	if (keeper->dir->dir >= 0) {
		keeper->state.phase = PHASE_STOPPING;
		keeper_tell_monitor(keeper, MSG_PHASE, PHASE_STOPPING);
		if (plan && state_write(keeper->dir->dir, &keeper->state, &err) < 0)
			log_warning("%s", err.text); // the undo does not depend on it
		left = undo(keeper);
	}
	if (plan && hook_run(plan, "stopped", &plan->hook_stopped, &err) < 0)
		log_warning("%s", err.text);
	if (left)
		log_error("not everything could be put back; `vfiorun revert %s` tries again",
			  keeper->name);
	if (!left && guest_dir_remove(keeper->dir, keeper->name, &err) < 0)
		log_warning("%s", err.text);
	keeper_task_wait(keeper, &keeper->input.hook);
	// whoever waited for the end may start the guest again at once
	if (keeper->monitor.pid)
		guest_dir_unlock(keeper->dir);
	keeper_end_monitor(keeper, left ? left : status);
	return left ? left : status;
}

static bool wait_gone(int pidfd, int timeout_ms)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return poll(&end, 1, timeout_ms) > 0;
}

// 0, or -errno where something of it still lives.
static int end_qemu(struct keeper *keeper)
{
	static const struct {
		int signal, patience_ms;
	} steps[] = { { SIGTERM, 3000 }, { SIGKILL, 10000 } };
	AUTO_CLOSE int pidfd = -1;

	if (keeper->state.qemu.pid > 0)
		pidfd = process_open(&keeper->state.qemu);
	for (size_t i = 0; pidfd >= 0 && i < ARRAY_SIZE(steps); i++) {
		syscall(SYS_pidfd_send_signal, pidfd, steps[i].signal, NULL, 0);
		if (wait_gone(pidfd, steps[i].patience_ms))
			break;
	}
	return guest_dir_wait_dead(keeper->dir, 5000);
}

int keeper_settle_dead(struct keeper *keeper)
{
	char boot_id[sizeof(keeper->state.boot_id)];
	struct err err = ERR_NONE;

	if (state_read(keeper->dir->dir, &keeper->state, &err) < 0)
		log_info("%s: its journal is settled all the same", err.text);
	process_read_boot_id(boot_id, sizeof(boot_id));
	if (keeper->state.boot_id[0] && strcmp(keeper->state.boot_id, boot_id) != 0) {
		// the machine has booted since: what the journal would undo is gone already
		return guest_dir_remove(keeper->dir, keeper->name, &err) < 0 ? 4 : 0;
	}
	if (end_qemu(keeper) < 0) {
		log_error("QEMU (process %d) does not end: nothing was put back; `vfiorun revert %s` tries "
			  "again", keeper->state.qemu.pid, keeper->name);
		return 4;
	}
	if (keeper_open_world(keeper, &err) < 0) {
		log_error("%s", err.text);
		return 4;
	}
	return keeper_settle(keeper, 0);
}
