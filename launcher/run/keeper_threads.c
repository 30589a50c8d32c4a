// SPDX-License-Identifier: MIT
// The keeper's pins: a thread id is the word of a QEMU that may be hostile, so each is looked up among
// QEMU's own threads before it is touched, and each pin is read back.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "launcher/guest/message.h"
#include "launcher/plan/plan.h"
#include "tune/cgroup.h"
#include "tune/host/process.h"
#include "tune/pin.h"

static bool is_taken(const struct keeper *keeper, pid_t tid)
{
	for (size_t i = 0; i < keeper->state.plan->n_pins; i++) {
		if (keeper->tids[i] == tid)
			return true;
	}
	return false;
}

// A vCPU is where the plan says, and so is what the profile has chosen a place for, or the guest does not start. For
// the rest the planner chose CPUs that it shares with the host, of which another guest's partition may take some.
static int pin_or_yield(struct keeper *keeper, const struct plan_pin *pin, pid_t tid, struct err *err)
{
	static const struct cpuset wherever = { 0 };
	bool *astray = &keeper->astray[pin - keeper->state.plan->pins];
	int r = pin_apply(tid, &pin->cpus, &pin->sched, err);

	if (!pin->yields || (r != -EINVAL && r != -EIO))
		return r;
	if (!*astray)
		log_warning("%s was to have CPUs that are offline or another guest's by now, and runs where it may: %s",
			    pin->thread, err->text);
	*astray = true;
	return pin_apply(tid, &wherever, &pin->sched, err);
}

int keeper_pin_thread(struct keeper *keeper, int row, pid_t tid, struct err *err)
{
	const struct plan *plan = keeper->state.plan;
	const struct plan_pin *pin;
	int r;

	if (row < 0 || (size_t)row >= plan->n_pins)
		return err_set(err, -EPROTO, "the monitor named row %d, which the plan does not have", row);
	pin = &plan->pins[row];
	if (pin->target != PIN_VCPU && pin->target != PIN_IOTHREAD)
		return err_set(err, -EPROTO, "the monitor named a thread for %s", pin->thread);
	if (tid <= 0 || tid == keeper->qemu.pid || !process_has_thread(keeper->qemu.pid, tid))
		return err_set(err, -EPROTO, "QEMU says that %s is thread %d, which is none of its own: "
					     "nothing was pinned", pin->thread, tid);
	if (keeper->tids[row] != tid && is_taken(keeper, tid))
		return err_set(err, -EPROTO, "QEMU gives thread %d for two of its parts", tid);
	r = keeper_isolate_thread(keeper, pin, tid, err);
	if (r == 0)
		r = pin_or_yield(keeper, pin, tid, err);
	if (r < 0)
		return err_wrap(err, "pinning %s", pin->thread);
	keeper->tids[row] = tid;
	return 0;
}

static const struct plan_pin *find_pin(const struct plan *plan, enum pin_target target)
{
	for (size_t i = 0; i < plan->n_pins; i++) {
		if (plan->pins[i].target == target)
			return &plan->pins[i];
	}
	return NULL;
}

// A thread may end between the list and the pin; that is no failure.
static int pin_listed(struct keeper *keeper, const struct thread_list *list, const struct plan_pin *pin,
		      struct err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		int r;

		if (is_taken(keeper, list->tids[i]))
			continue;
		r = keeper_isolate_thread(keeper, pin, list->tids[i], err);
		if (r == 0)
			r = pin_or_yield(keeper, pin, list->tids[i], err);
		if (r < 0 && r != -ESRCH)
			return err_wrap(err, "pinning %s", pin->thread);
	}
	return 0;
}

int keeper_pin_others(struct keeper *keeper, struct err *err)
{
	const struct plan_pin *emulator = find_pin(keeper->state.plan, PIN_EMULATOR);
	const struct plan_pin *vhost = find_pin(keeper->state.plan, PIN_VHOST);
	struct thread_list list;
	int r = 0;

	if (emulator && !cpuset_is_empty(&emulator->cpus)) {
		r = process_list_threads(keeper->qemu.pid, &list);
		if (r < 0)
			return err_sys(err, r, "listing QEMU's threads");
		r = pin_listed(keeper, &list, emulator, err);
		thread_list_finish(&list);
	}
	if (r == 0 && vhost && !cpuset_is_empty(&vhost->cpus)) {
		r = process_list_vhost(keeper->qemu.pid, &list);
		if (r < 0)
			return err_sys(err, r, "listing vhost threads");
		r = pin_listed(keeper, &list, vhost, err);
		thread_list_finish(&list);
	}
	return r;
}

static int keep_near(const struct keeper *keeper, const struct plan_pin *emulator, pid_t tid, struct err *err)
{
	int r = 0;

	if (keeper->partition)
		r = cgroup_move_process(keeper->state.plan->isolation.cgroup, tid, err);
	return r < 0 ? r : pin_apply(tid, &emulator->cpus, &emulator->sched, err);
}

// The kernel makes this thread for a guest and leaves it among the host's, where a guest's timer would be as late as
// any task that waits for its turn. It ends with QEMU, so there is nothing to put back.
static void keep_timers_near(const struct keeper *keeper)
{
	const struct plan_pin *emulator = find_pin(keeper->state.plan, PIN_EMULATOR);
	struct thread_list list;
	struct err err = ERR_NONE;

	if (geteuid() != 0 || !keeper->state.plan->kvm || !emulator || cpuset_is_empty(&emulator->cpus))
		return;
	process_list_timers(keeper->qemu.pid, &list);
	for (size_t i = 0; i < list.count; i++) {
		if (keep_near(keeper, emulator, list.tids[i], &err) < 0)
			log_info("the kernel's timer thread for the guest stays where it is: %s", err.text);
	}
	thread_list_finish(&list);
}

int keeper_check_all_pinned(const struct keeper *keeper, struct err *err)
{
	const struct plan *plan = keeper->state.plan;

	for (size_t i = 0; i < plan->n_pins; i++) {
		enum pin_target target = plan->pins[i].target;

		if ((target == PIN_VCPU || target == PIN_IOTHREAD) && !keeper->tids[i])
			return err_set(err, -EPROTO, "QEMU did not name the thread of %s",
				       plan->pins[i].thread);
	}
	return 0;
}

// Threads that QEMU makes later inherit from the one that made them, which is mostly right already; these
// few looks catch the others. After them nothing wakes up: only an event brings another look.
void keeper_rescan(struct keeper *keeper)
{
	// the last ones are for drivers in the guest, which make a passed device's interrupts in their own time: where
	// the kernel does not tell when
	static const int waits_ms[] = { 250, 1000, 3000, 10000, 20000, 40000, 80000 };
	enum { FEW = 3 };
	const bool untold = keeper_has_devices(keeper) && keeper->interrupts_source.fd < 0;
	const int last = untold ? ARRAY_SIZE(waits_ms) : FEW, patience = 60;
	bool waiting = keeper_give_pools_back(keeper);
	struct err err = ERR_NONE;

	if (keeper_pin_others(keeper, &err) < 0 && err.code != -ESRCH)
		log_warning("%s", err.text);
	if (keeper->rescans == 0)
		keep_timers_near(keeper);
	keeper_check_pins(keeper);
	waiting |= keeper_check_irqbalance(keeper);
	keeper_steer_interrupts(keeper);
	keeper->rescan_at = 0;
	// another guest's start is over some day, and its end settles what is left of ours; irqbalance looks up often
	if (keeper->rescans < (waiting ? patience : last))
		keeper_schedule_rescan(keeper, waits_ms[keeper->rescans < last ? keeper->rescans : last - 1]);
	keeper->rescans++;
}
