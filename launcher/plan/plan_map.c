// SPDX-License-Identifier: MIT
#include "launcher/plan/plan_map.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/facts.h"
#include "launcher/plan/map.h"
#include "launcher/plan/plan.h"

// Several I/O threads that share their CPUs need no label each.
static bool share_cpus(const struct plan *plan, enum pin_target target)
{
	const struct plan_pin *first = NULL;
	int n = 0;

	for (size_t i = 0; i < plan->n_pins; i++) {
		const struct plan_pin *pin = &plan->pins[i];

		if (pin->target != target)
			continue;
		if (first && !cpuset_equal(&first->cpus, &pin->cpus))
			return false;
		first = pin;
		n++;
	}
	return n > 1;
}

static void add_pin(struct map *map, const struct plan *plan, const struct plan_pin *pin)
{
	static const char *const names[] = { [PIN_EMULATOR] = "em", [PIN_VCPU] = "v", [PIN_IOTHREAD] = "io" };
	AUTO_FREE char *label = NULL;

	// vhost threads run where the emulator does
	if (pin->target == PIN_VHOST || (pin->index && share_cpus(plan, pin->target)))
		return;
	label = pin->target == PIN_EMULATOR || share_cpus(plan, pin->target) ?
			mem_dup(names[pin->target]) :
			mem_printf("%s%d", names[pin->target], pin->index);
	map_add(map, &pin->cpus, label);
}

static void add_legend(const struct facts *facts, const struct plan *plan, struct str *out)
{
	str_add(out, "  v: vCPU, em: emulator");
	str_add(out, plan->n_iothreads ? ", io: I/O thread" : "");
	str_add(out, cpuset_is_empty(&facts->others) ? "" : ", x: another guest");
	str_add(out, cpuset_is_empty(&facts->cpus.isolated) ? "" : ", *: isolated");
	str_add(out, ", -: the host's\n");
}

void plan_draw_map(const struct facts *facts, struct plan *plan)
{
	CLEANUP(map_finish) struct map map = { 0 };
	AUTO_STR struct str out = { 0 };

	map_add(&map, &facts->others, "x");
	for (size_t i = 0; i < plan->n_pins; i++)
		add_pin(&map, plan, &plan->pins[i]);
	map_draw(&map, &facts->cpus, &facts->memory, &out);
	add_legend(facts, plan, &out);
	plan->map = str_take(&out);
}
