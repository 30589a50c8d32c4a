// SPDX-License-Identifier: MIT
// What changes under a guest that runs: CPUs that go and come back, and interrupts that its devices make. Looked at
// when something happened, and a few times after; never for its own sake.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"
#include "tune/host/hotplug.h"
#include "tune/irq.h"
#include "tune/pin.h"

#include <sys/epoll.h>

enum { COMPLETE_MS = 250 };

static void cpus_changed(void *context, uint32_t events)
{
	struct keeper *keeper = context;

	(void)events;
	if (!hotplug_read_cpus(keeper->hotplug_source.fd) || !keeper->was_running)
		return;
	// cpusets follow in their own time; and what is watched on a CPU ends with it
	keeper->rescans = 0;
	keeper_rescan(keeper);
	keeper_watch_interrupts(keeper);
}

void keeper_watch_cpus(struct keeper *keeper)
{
	int fd = hotplug_open();

	// a container may not be told; then nothing is
	if (fd < 0)
		return;
	keeper->hotplug_source = (struct loop_source){ fd, cpus_changed, keeper };
	loop_add(&keeper->loop, &keeper->hotplug_source, EPOLLIN);
}

static void check_pin(struct keeper *keeper, size_t row)
{
	const struct plan_pin *pin = &keeper->state.plan->pins[row];
	AUTO_FREE char *wanted = cpuset_text(&pin->cpus), *has = NULL;
	bool was_astray = keeper->astray[row];
	struct err err = ERR_NONE;
	struct sched sched;
	struct cpuset now;

	if (cpuset_is_empty(&pin->cpus) || pin_read(keeper->tids[row], &now, &sched) < 0)
		return;
	keeper->astray[row] = !cpuset_equal(&now, &pin->cpus) &&
			      pin_apply(keeper->tids[row], &pin->cpus, &pin->sched, &err) < 0;
	has = cpuset_text(&now);
	if (keeper->astray[row] && !was_astray)
		log_warning("%s has lost CPU %s, which is offline or taken, and runs on %s until that is back",
			    pin->thread, wanted, has);
	else if (!keeper->astray[row] && was_astray)
		log_notice("%s is back on CPU %s", pin->thread, wanted);
}

void keeper_check_pins(struct keeper *keeper)
{
	for (size_t i = 0; i < keeper->state.plan->n_pins; i++) {
		if (keeper->tids[i])
			check_pin(keeper, i);
	}
}

void keeper_steer_interrupts(struct keeper *keeper)
{
	const struct plan *plan = keeper->state.plan;
	struct err err = ERR_NONE;
	struct cpuset cpus, irqs = { 0 };

	if (!plan->isolation.steer || !cpuset_parse_list(&cpus, plan->isolation.cpus))
		return;
	for (size_t i = 0; i < plan->changes.count; i++) {
		if (str_eq(plan->changes.items[i].kind, "bind"))
			irq_list_device(plan->changes.items[i].path, &irqs);
	}
	keeper_keep_from_irqbalance(keeper, &irqs);
	for (size_t i = 0; i < plan->changes.count; i++) {
		const struct change *change = &plan->changes.items[i];
		int moved = str_eq(change->kind, "bind") ? irq_steer_device(change->path, &cpus, &err) : 0;

		if (moved < 0)
			log_info("%s", err.text);
		else if (moved)
			log_info("%d interrupt%s of %s moved to the CPUs %s", moved, moved == 1 ? "" : "s",
				 change->path, plan->isolation.cpus);
	}
}

// A driver in the guest asks for one after the other, and for each of them QEMU may have all made anew. The device
// shows them when they are complete.
static void interrupts_made(void *context, uint32_t events)
{
	struct keeper *keeper = context;

	(void)events;
	tracepoint_clear(&keeper->interrupts_made);
	keeper_rescan_soon(keeper, COMPLETE_MS);
}

// Where those threads of QEMU run that make them: the vCPUs', and its own; false: somewhere or other.
static bool find_makers(const struct plan *plan, struct cpuset *cpus)
{
	for (size_t i = 0; i < plan->n_pins; i++) {
		const struct plan_pin *pin = &plan->pins[i];

		if (pin->target != PIN_VCPU && pin->target != PIN_EMULATOR)
			continue;
		if (cpuset_is_empty(&pin->cpus))
			return false;
		cpuset_or(cpus, &pin->cpus);
	}
	return !cpuset_is_empty(cpus);
}

void keeper_watch_interrupts(struct keeper *keeper)
{
	struct loop_source *source = &keeper->interrupts_source;
	struct cpuset cpus = { 0 };
	struct err err = ERR_NONE;
	int r;

	if (source->fd >= 0)
		loop_remove(&keeper->loop, source);
	source->fd = -1;
	tracepoint_close(&keeper->interrupts_made);
	if (!keeper->state.plan->isolation.steer || !keeper_has_devices(keeper) ||
	    !find_makers(keeper->state.plan, &cpus))
		return;
	r = irq_watch(&keeper->interrupts_made, &cpus, &err);
	if (r == 0) {
		*source = (struct loop_source){ keeper->interrupts_made.fd, interrupts_made, keeper };
		r = loop_add(&keeper->loop, source, EPOLLIN);
		if (r < 0)
			err_sys(&err, r, "epoll");
	}
	if (r == 0)
		return;
	source->fd = -1;
	tracepoint_close(&keeper->interrupts_made);
	log_info("interrupts of passed devices are looked for a few times after an event, not when they are made: %s",
		 err.text);
}

bool keeper_has_devices(const struct keeper *keeper)
{
	const struct change_list *changes = &keeper->state.plan->changes;

	for (size_t i = 0; i < changes->count; i++) {
		if (str_eq(changes->items[i].kind, "bind"))
			return true;
	}
	return false;
}
