// SPDX-License-Identifier: MIT
// Commands of the profile's that run beside the guest: on a switch, on a hotkey. One of a kind at a time, each
// with the time limit of hooks; what they come to ends nothing.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "input/hotkey.h"
#include "launcher/plan/plan.h"
#include "launcher/run/hooks.h"
#include "tune/host/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void keeper_task_end(struct keeper *keeper, struct task *task, bool force)
{
	int status;

	if (!task->pid)
		return;
	if (force)
		kill(-task->pid, SIGKILL);
	loop_remove(&keeper->loop, &task->source);
	close(take_fd(&task->source.fd));
	while (waitpid(task->pid, &status, 0) < 0 && errno == EINTR)
		;
	task->pid = 0;
	task->deadline = 0;
	if (force)
		log_warning("%s took longer than %d s and was killed", task->what,
			    keeper->state.plan->hook_timeout);
	else if (status)
		log_warning("%s failed", task->what);
}

void keeper_task_wait(struct keeper *keeper, struct task *task)
{
	struct pollfd end = { .fd = task->source.fd, .events = POLLIN };
	long long left = task->deadline - io_now_ms();

	if (task->pid)
		keeper_task_end(keeper, task, poll(&end, 1, left > 0 ? (int)left : 0) <= 0);
}

static void hook_ended(void *context, uint32_t events)
{
	struct keeper *keeper = context;

	(void)events;
	keeper_task_end(keeper, &keeper->input.hook, false);
	if (keeper->input.hook_due)
		keeper_run_switch_hook(keeper);
}

static void command_ended(void *context, uint32_t events)
{
	struct keeper *keeper = context;

	(void)events;
	keeper_task_end(keeper, &keeper->input.command, false);
}

void keeper_task_start(struct keeper *keeper, struct task *task, const char *what, const struct strv *argv)
{
	const struct plan *plan = keeper->state.plan;
	struct err err = ERR_NONE;
	pid_t pid = hook_start(plan, what, argv, &err);

	if (pid < 0) {
		log_warning("%s", err.text);
		return;
	}
	task->pid = pid;
	task->what = what;
	task->source = (struct loop_source){ (int)syscall(SYS_pidfd_open, pid, 0),
					     task == &keeper->input.hook ? hook_ended : command_ended, keeper };
	task->deadline = io_now_ms() + plan->hook_timeout * 1000LL;
	loop_add(&keeper->loop, &task->source, EPOLLIN);
}

// The monitor's input is set once for each change that lasts: a switch while the last one's command still runs
// waits for it, and what was changed back meanwhile is left out.
void keeper_run_switch_hook(struct keeper *keeper)
{
	const struct plan *plan = keeper->state.plan;
	bool guest = keeper->input.guest_side;
	const struct strv *argv = guest ? &plan->input.on_guest : &plan->input.on_host;

	keeper->input.hook_due = keeper->input.hook.pid != 0;
	if (!keeper->input.hook_due && argv->count)
		keeper_task_start(keeper, &keeper->input.hook, guest ? "on_switch_guest" : "on_switch_host", argv);
}

static void run_usb(struct keeper *keeper, const struct hotkey *hotkey)
{
	AUTO_STRV struct strv argv = { 0 };
	char program[512];

	if (process_read_program(program, sizeof(program)) < 0)
		return;
	strv_add(&argv, program);
	strv_add(&argv, "usb");
	strv_add(&argv, keeper->name);
	strv_copy(&argv, &hotkey->words);
	keeper_task_start(keeper, &keeper->input.command, "hotkey", &argv);
}

void keeper_run_hotkey(struct keeper *keeper, int action)
{
	const struct strv *texts = &keeper->state.plan->input.hotkeys;
	size_t i = (size_t)(action - HOTKEY_COMMANDS);
	struct hotkey hotkey;

	if (action < HOTKEY_COMMANDS || i >= texts->count || hotkey_parse(texts->items[i], &hotkey, NULL) < 0)
		return;
	if (keeper->input.command.pid)
		log_notice("%s: the last hotkey's command still runs", hotkey.chord);
	else if (hotkey.action == HOTKEY_USB)
		run_usb(keeper, &hotkey);
	else if (hotkey.action == HOTKEY_RUN)
		keeper_task_start(keeper, &keeper->input.command, "hotkey", &hotkey.words);
	hotkey_finish(&hotkey);
}
