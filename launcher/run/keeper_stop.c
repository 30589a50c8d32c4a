// SPDX-License-Identifier: MIT
// How a guest ends: the ladder from asking to killing, and what its end means as an exit status.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "launcher/guest/message.h"
#include "launcher/plan/plan.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void ask_powerdown(struct keeper *keeper)
{
	keeper_tell_monitor(keeper, MSG_POWERDOWN, 0);
}

static void ask_quit(struct keeper *keeper)
{
	keeper_tell_monitor(keeper, MSG_QUIT, 0);
}

static void signal_qemu(struct keeper *keeper, int sig)
{
	keeper->signalled = true;
	if (keeper->qemu.pidfd >= 0)
		syscall(SYS_pidfd_send_signal, keeper->qemu.pidfd, sig, NULL, 0);
}

static void send_term(struct keeper *keeper)
{
	signal_qemu(keeper, SIGTERM);
}

static void send_kill(struct keeper *keeper)
{
	signal_qemu(keeper, SIGKILL);
}

// Once the guest has not answered, quit and TERM are given little: tearing down passed devices and much
// memory takes seconds, and KILL only starts the same teardown.
static const struct {
	const char *what;
	void (*act)(struct keeper *keeper);
	int patience_ms; // 0: the profile's shutdown_timeout
} steps[] = {
	[STOP_POWERDOWN] = { "asking the guest to shut down", ask_powerdown, 0 },
	[STOP_QUIT] = { "asking QEMU to quit", ask_quit, 15000 },
	[STOP_TERM] = { "ending QEMU (SIGTERM)", send_term, 5000 },
	[STOP_KILL] = { "killing QEMU", send_kill, 0x7fffffff },
};

void keeper_stop(struct keeper *keeper, enum stop_step step)
{
	if (keeper->ended || step <= keeper->stop)
		return;
	// a guest that never ran has nothing to save and nobody to ask
	if (!keeper->was_running && step < STOP_TERM)
		step = STOP_TERM;
	// nobody speaks QMP with it any more
	if (step < STOP_TERM && (keeper->monitor.channel < 0 || keeper->monitor.closed))
		step = STOP_TERM;
	keeper->stop = step;
	log_info("%s", steps[step].what);
	steps[step].act(keeper);
	keeper->stop_deadline = io_now_ms() + (steps[step].patience_ms ?
						       steps[step].patience_ms :
						       keeper->state.plan->shutdown_timeout * 1000LL);
}

void keeper_stop_expire(struct keeper *keeper)
{
	keeper->stop_deadline = 0;
	if (keeper->stop == STOP_NONE || keeper->stop == STOP_KILL)
		return;
	if (keeper->stop == STOP_POWERDOWN)
		log_notice("the guest did not shut down within %d s", keeper->state.plan->shutdown_timeout);
	keeper_stop(keeper, keeper->stop + 1);
}

// Ctrl-C, TERM, HUP: the first asks, the second quits, the third kills.
void keeper_interrupt(struct keeper *keeper)
{
	static const enum stop_step by_count[] = { STOP_POWERDOWN, STOP_QUIT, STOP_KILL };
	size_t n = (size_t)keeper->interrupts;

	if (n >= ARRAY_SIZE(by_count))
		n = ARRAY_SIZE(by_count) - 1;
	else
		keeper->interrupts++;
	if (n == 0 && keeper->was_running)
		log_notice("asking the guest to shut down; once more: quit; a third time: kill");
	keeper_stop(keeper, by_count[n]);
}

static int outcome_of_child(const struct keeper *keeper)
{
	int status = keeper->wait_status;

	if (WIFSIGNALED(status)) {
		if (keeper->signalled)
			return 0;
		log_error("QEMU was killed by signal %d (%s)", WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
		return 128 + WTERMSIG(status);
	}
	if (WEXITSTATUS(status) != 0) {
		log_error("QEMU ended with status %d", WEXITSTATUS(status));
		return 1;
	}
	return 0;
}

int keeper_outcome(struct keeper *keeper)
{
	if (keeper->failed)
		return keeper->status;
	if (!keeper->was_running && keeper->stop != STOP_NONE)
		return 0;
	if (keeper->panicked && keeper->stop == STOP_NONE) {
		log_error("the guest panicked");
		return 1;
	}
	if (!keeper->adopted && (keeper->wait_status || !keeper->was_running)) {
		int status = outcome_of_child(keeper);

		if (status == 0 && !keeper->was_running) {
			log_error("QEMU ended before the guest ran");
			return 1;
		}
		return status;
	}
	// an adopted QEMU's exit status is not ours to read: what QMP said is all there is
	if (keeper->adopted && !keeper->shutdown_seen && keeper->stop == STOP_NONE) {
		log_error("QEMU ended without saying why");
		return 1;
	}
	return 0;
}
