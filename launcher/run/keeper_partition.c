// SPDX-License-Identifier: MIT
// The keeper's part in a partition: the plan's changes that need QEMU's process, and where each of its threads
// belongs.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"
#include "tune/cgroup.h"
#include "tune/change/names.h"
#include "tune/pin.h"

#include <string.h>

static bool is_of_partition(const struct change *change)
{
	return str_eq(change->kind, "cgroup") || str_eq(change->kind, "cpuset") || str_eq(change->kind, "token");
}

// "interrupts 30-33": what their drivers spread over all CPUs by themselves.
static bool note_refused(const struct change *change, int code, struct cpuset *refused)
{
	int number = change_parse_irq(change->path);

	if (code != -EIO || number < 0 || number >= CPUSET_MAX)
		return false;
	cpuset_add(refused, number);
	return true;
}

static void say_refused(const struct cpuset *refused)
{
	AUTO_FREE char *numbers = cpuset_text(refused);

	if (*numbers)
		log_info("interrupts %s can't be moved off the vCPUs' CPUs: the kernel keeps them where they are; "
			 "one of a drive's queues comes only for what its CPU began", numbers);
}

static void go_without(struct keeper *keeper, const struct change *change, const struct err *err)
{
	if (is_of_partition(change)) {
		keeper->no_partition = true;
		log_warning("no partition for %s, its vCPUs have affinity alone and other tasks may run on their CPUs: "
			    "%s", keeper->name, err->text);
	} else {
		log_warning("%s", err->text);
	}
}

static int apply_all(struct keeper *keeper, enum change_turn turn, struct err *err)
{
	const struct change_list *list = &keeper->state.plan->changes;
	struct cpuset refused = { 0 };

	for (size_t i = 0; i < list->count; i++) {
		const struct change *change = &list->items[i];
		struct err failure = ERR_NONE;

		if (change->turn != turn || (keeper->no_partition && is_of_partition(change)) ||
		    journal_apply(&keeper->journal, &keeper->world, change, &failure) == 0)
			continue;
		if (!change->may_fail) {
			*err = failure;
			return failure.code;
		}
		if (!note_refused(change, failure.code, &refused))
			go_without(keeper, change, &failure);
	}
	say_refused(&refused);
	return 0;
}

int keeper_apply_turn(struct keeper *keeper, enum change_turn turn, struct err *err)
{
	int r = apply_all(keeper, turn, err);

	change_host_rest(&keeper->host);
	return r;
}

int keeper_isolate_process(struct keeper *keeper, const struct cpuset *start, struct err *err)
{
	static const struct sched other = { .class = SCHED_CLASS_OTHER };
	const struct plan *plan = keeper->state.plan;
	int r;

	keeper->host.member = keeper->qemu.pid;
	r = keeper_apply_turn(keeper, CHANGE_MEMBER, err);
	keeper->host.member = 0;
	if (r < 0 || !plan->isolation.cgroup || keeper->no_partition)
		return r;
	r = cgroup_move_process(plan->isolation.cgroup, keeper->qemu.pid, err);
	// with its cgroup it got all of that one's CPUs
	if (r == 0 && !cpuset_is_empty(start))
		r = pin_apply(keeper->qemu.pid, start, &other, err);
	keeper->partition = r == 0;
	return r;
}

int keeper_isolate_thread(const struct keeper *keeper, const struct plan_pin *pin, pid_t tid, struct err *err)
{
	const struct plan *plan = keeper->state.plan;
	AUTO_FREE char *vcpus = NULL;

	// the kernel moves its own threads with their owner
	if (!keeper->partition || pin->target == PIN_VHOST)
		return 0;
	if (pin->target != PIN_VCPU)
		return cgroup_move_thread(plan->isolation.cgroup, tid, err);
	vcpus = mem_printf("%s/vcpus", plan->isolation.cgroup);
	return cgroup_move_thread(vcpus, tid, err);
}

// Nice values and the cookie end with the threads: there is nothing to put back.
static int prefer_vcpus(struct keeper *keeper, struct err *err)
{
	const struct plan *plan = keeper->state.plan;
	AUTO_FREE pid_t *tids = mem_new(plan->n_pins, sizeof(*tids));
	struct err unliked = ERR_NONE;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < plan->n_pins; i++) {
		if (plan->pins[i].target == PIN_VCPU)
			tids[n++] = keeper->tids[i];
	}
	// who may set a real-time class need not be allowed to: it is only what auto would like
	for (size_t i = 0; plan->vcpu_nice && i < n; i++) {
		if (pin_nice(tids[i], plan->vcpu_nice, &unliked) < 0)
			log_info("%s", unliked.text);
	}
	if (plan->vcpu_nice)
		pin_autogroup(keeper->qemu.pid, plan->vcpu_nice);
	if (r == 0 && plan->core_cookie && !keeper->adopted)
		r = pin_share_cores(tids, n, err);
	return r;
}

int keeper_isolate_threads(struct keeper *keeper, struct err *err)
{
	const struct plan *plan = keeper->state.plan;
	int r = 0;

	if (!keeper->adopted)
		r = keeper_apply_turn(keeper, CHANGE_LAST, err);
	// what changed the partition made the kernel forget the pins
	for (size_t i = 0; r == 0 && keeper->partition && i < plan->n_pins; i++) {
		if (keeper->tids[i])
			r = pin_apply(keeper->tids[i], &plan->pins[i].cpus, &plan->pins[i].sched, err);
	}
	return r == 0 ? prefer_vcpus(keeper, err) : r;
}

void keeper_find_partition(struct keeper *keeper)
{
	const char *cgroup = keeper->state.plan->isolation.cgroup;
	AUTO_FREE char *vcpus = cgroup ? mem_printf("%s/vcpus", cgroup) : NULL;

	for (size_t i = 0; cgroup && i < keeper->journal.count; i++) {
		const struct journal_record *record = &keeper->journal.records[i];

		keeper->partition |= !record->done && str_eq(record->change.kind, "cgroup") &&
				     str_eq(record->change.path, vcpus);
	}
}
