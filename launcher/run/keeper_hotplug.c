// SPDX-License-Identifier: MIT
// What changes under a guest that runs: CPUs that go and come back, and interrupts that its devices make. Looked at
// when something happened, and a few times after; never for its own sake.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "launcher/plan/plan.h"
#include "tune/host/hotplug.h"
#include "tune/irq.h"
#include "tune/pin.h"

#include <sys/epoll.h>

static void cpus_changed(void *context, uint32_t events)
{
	struct keeper *keeper = context;

	(void)events;
	if (!hotplug_read_cpus(keeper->hotplug_source.fd) || !keeper->was_running)
		return;
	// cpusets follow in their own time
	keeper->rescans = 0;
	keeper_rescan(keeper);
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
	struct cpuset cpus;

	if (!plan->isolation.steer || !cpuset_parse_list(&cpus, plan->isolation.cpus))
		return;
	for (size_t i = 0; i < plan->changes.count; i++) {
		const struct change *change = &plan->changes.items[i];

		if (str_eq(change->kind, "bind") && irq_steer_device(change->path, &cpus, &err) < 0)
			log_info("%s", err.text);
	}
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
