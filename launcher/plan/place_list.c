// SPDX-License-Identifier: MIT
// Judges pins: whether an explicit list can be had, and what hurts in pins however they came about.
#include "launcher/plan/place_parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

char *place_list_text(const int *cpus, int n)
{
	struct str text = { 0 };

	for (int i = 0; i < n; i++)
		str_addf(&text, "%s%d", i ? "," : "", cpus[i]);
	return str_take(&text);
}

static void refuse(struct placing *p, const char *key, const char *code, const struct cpuset *cpus,
		   const char *problem, const char *hint)
{
	AUTO_FREE char *list = cpuset_text(cpus);
	struct diag *diag;

	if (cpuset_is_empty(cpus))
		return;
	diag = diag_add(p->diags, DIAG_HOST_ERROR, code, placing_where(p, key), "%s: CPU %s is %s", key, list,
			problem);
	diag_hint(diag, "%s", hint);
}

bool place_list_check(struct placing *p, const char *key, const struct cpuset *cpus, const char *hint)
{
	struct cpuset absent = { 0 }, offline = { 0 }, barred = { 0 };
	AUTO_FREE char *usable = cpuset_text(&p->usable);
	AUTO_FREE char *online = mem_printf("bring it online (chcpu -e), or %s", hint);
	AUTO_FREE char *outside = mem_printf("not allowed by the cpuset or affinity that vfiorun was "
					     "started with (it may use %s)", usable);

	CPUSET_FOREACH(id, cpus) {
		const struct cpu *cpu = placing_cpu(p, id);

		if (!cpu)
			cpuset_add(&absent, id);
		else if (!cpu->online)
			cpuset_add(&offline, id);
		else if (!cpuset_has(&p->usable, id))
			cpuset_add(&barred, id);
	}
	refuse(p, key, "cpu-absent", &absent, "not on this host", hint);
	refuse(p, key, "cpu-offline", &offline, "offline", online);
	refuse(p, key, "cpu-not-allowed", &barred, outside, hint);
	return cpuset_is_empty(&absent) && cpuset_is_empty(&offline) && cpuset_is_empty(&barred);
}

// What a person could write in place of a list that can't be had.
static char *list_hint(const struct placing *p)
{
	AUTO_FREE int *cpus = NULL;
	AUTO_FREE char *text = NULL;

	if (p->n > cpuset_count(&p->usable))
		return mem_printf("fewer vcpus: this host has %d CPUs for them",
				  cpuset_count(&p->usable));
	cpus = mem_new((size_t)p->n, sizeof(*cpus));
	place_auto_choose(p, p->n, SPREAD_CORES, cpus);
	text = place_list_text(cpus, p->n);
	return mem_printf("pin = %s would do here", text);
}

static bool count_matches(struct placing *p)
{
	const struct pin_request *pin = &p->profile->cpu.pin;
	struct diag *diag;

	if (pin->count == (size_t)p->n)
		return true;
	diag = diag_add(p->diags, DIAG_ERROR, "pin-count", placing_where(p, "pin"),
			"pin names places for %zu vCPUs, but vcpus is %d", pin->count, p->n);
	diag_hint(diag, "vcpus = %zu, or one CPU (or set like 0+6) for each vCPU", pin->count);
	return false;
}

bool place_list_take(struct placing *p)
{
	const struct pin_request *pin = &p->profile->cpu.pin;
	AUTO_FREE char *hint = list_hint(p);
	struct cpuset all = { 0 };
	bool count_fits = count_matches(p), cpus_fit;

	for (size_t i = 0; i < pin->count; i++)
		cpuset_or(&all, &pin->vcpus[i]);
	cpus_fit = place_list_check(p, "pin", &all, hint);
	if (!count_fits || !cpus_fit)
		return false;
	for (int i = 0; i < p->n; i++)
		p->out->vcpus[i].cpus = pin->vcpus[i];
	return true;
}

// The CPUs or nodes stand between `before` and `after`.
static struct diag *warn(struct placing *p, const char *code, const char *before,
			 const struct cpuset *cpus, const char *after)
{
	AUTO_FREE char *list = cpuset_text(cpus);
	const char *key = p->profile->cpu.pin.mode == CPUS_LIST ? "pin" : "vcpus";

	return diag_add(p->diags, DIAG_WARNING, code, placing_where(p, key), "%s %s%s", before, list,
			after);
}

// Two vCPUs on one CPU stop each other. A set that as many vCPUs share as it has CPUs is fair.
static void warn_doubly_used(struct placing *p)
{
	AUTO_FREE int *users = NULL;
	struct cpuset used = { 0 }, doubly = { 0 };

	for (int i = 0; i < p->n; i++)
		cpuset_or(&used, &p->out->vcpus[i].cpus);
	users = mem_new((size_t)cpuset_end(&used), sizeof(*users));
	for (int i = 0; i < p->n; i++) {
		CPUSET_FOREACH(cpu, &p->out->vcpus[i].cpus)
			users[cpu]++;
	}
	for (int i = 0; i < p->n; i++) {
		int room = cpuset_count(&p->out->vcpus[i].cpus);

		CPUSET_FOREACH(cpu, &p->out->vcpus[i].cpus) {
			if (users[cpu] > room)
				cpuset_add(&doubly, cpu);
		}
	}
	if (cpuset_is_empty(&doubly))
		return;
	diag_hint(warn(p, "pin-shared", "several vCPUs are on CPU", &doubly,
		       ": while one runs the other stands still"),
		  "give each vCPU a CPU of its own");
}

static void warn_held(struct placing *p)
{
	struct cpuset held = p->taken;

	cpuset_and(&held, &p->avoid);
	if (cpuset_is_empty(&held))
		return;
	diag_hint(warn(p, "pin-held", "another running guest is on CPU", &held, " too"),
		  "give this guest fewer vCPUs, or stop the other one first");
}

static void warn_kinds(struct placing *p)
{
	struct cpuset fast = placing_of_kind(p, &p->taken, CPU_PERFORMANCE);
	struct cpuset slow = placing_of_kind(p, &p->taken, CPU_EFFICIENCY);
	struct cpuset all_fast = placing_of_kind(p, &p->usable, CPU_PERFORMANCE);

	if (cpuset_is_empty(&fast) || cpuset_is_empty(&slow))
		return;
	diag_hint(warn(p, "pin-mixed-kinds", "vCPUs are on performance cores, but also on the efficiency "
		       "cores of CPU", &slow,
		       ": the guest takes them for equal and may put its busiest thread on a slow one"),
		  "performance cores alone hold %d vCPUs", cpuset_count(&all_fast));
}

static void warn_partly_isolated(struct placing *p)
{
	struct cpuset shared = p->taken;

	cpuset_minus(&shared, &p->facts->isolated);
	if (!cpuset_meets(&p->taken, &p->facts->isolated) || cpuset_is_empty(&shared))
		return;
	diag_hint(warn(p, "pin-partly-isolated", "some vCPUs are on CPUs isolated on the kernel line, but "
		       "the host may also run on CPU", &shared, ""),
		  "isolate these too, or give fewer vCPUs");
}

static bool fits_one_l3(const struct placing *p)
{
	for (size_t i = 0; i < p->facts->n_l3s; i++) {
		struct cpuset cpus = p->facts->l3s[i].cpus;

		cpuset_and(&cpus, &p->usable);
		if (cpuset_count(&cpus) >= p->n)
			return true;
	}
	return false;
}

static void warn_spread(struct placing *p)
{
	struct cpuset l3s = placing_l3s(p, &p->taken);

	if (cpuset_count(&p->out->nodes) > 1)
		diag_hint(warn(p, "pin-several-nodes", "vCPUs are spread over memory nodes",
			       &p->out->nodes,
			       ": what lies on another node than a vCPU's is slower for it to reach"),
			  "pin within one node, or give fewer vCPUs");
	else if (cpuset_count(&l3s) > 1 && p->profile->cpu.pin.mode == CPUS_LIST && fits_one_l3(p))
		diag_hint(warn(p, "pin-several-l3", "vCPUs are spread over L3 caches", &l3s,
			       " though one could hold them all"),
			  "pin = auto keeps them in one L3");
}

// Says what is given up when the guest gets every CPU.
static void warn_none_left(struct placing *p)
{
	if (!cpuset_equal(&p->usable, &p->taken))
		return;
	diag_hint(warn(p, "pin-all-cpus", "vCPUs are on all CPUs that may be used", &p->taken,
		       ": none is left to the host, and the emulator and iothreads share theirs"),
		  "fewer vCPUs leave a core to the host");
}

// CPUs on which others may run beside a vCPU on its core.
static struct cpuset beside_vcpus(const struct placing *p)
{
	struct cpuset beside = { 0 };

	for (size_t i = 0; i < p->facts->n_cores; i++) {
		struct cpuset rest = p->facts->cores[i].cpus;

		cpuset_and(&rest, &p->usable);
		if (!cpuset_meets(&rest, &p->taken))
			continue;
		cpuset_minus(&rest, &p->taken);
		cpuset_minus(&rest, &p->facts->isolated);
		cpuset_or(&beside, &rest);
	}
	return beside;
}

// A guest of one vCPU, or of one a core because its profile says so, wants no more of a core than that.
static void warn_split_cores(struct placing *p)
{
	struct cpuset beside = beside_vcpus(p);

	if (cpuset_is_empty(&beside) || p->n == 1 || topology_asked_threads(p) == 1)
		return;
	diag_hint(warn(p, "pin-split-core", "other tasks may run on CPU", &beside,
		       ", each a sibling of a vCPU's: the two share a core, and slow each other down"),
		  p->profile->cpu.pin.mode == CPUS_LIST ? "give these to vCPUs, too" :
							   "an even number of vcpus fills whole cores");
}

void place_list_warn(struct placing *p)
{
	if (cpuset_is_empty(&p->taken))
		return;
	warn_doubly_used(p);
	warn_held(p);
	warn_kinds(p);
	warn_partly_isolated(p);
	warn_split_cores(p);
	warn_spread(p);
	warn_none_left(p);
}
