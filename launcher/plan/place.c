// SPDX-License-Identifier: MIT
#include "launcher/plan/place_parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>

const struct cpu *placing_cpu(const struct placing *p, int cpu)
{
	return cpu >= 0 && cpu < p->n_rows && p->rows[cpu] >= 0 ? &p->facts->cpus[p->rows[cpu]] : NULL;
}

struct place placing_where(const struct placing *p, const char *key)
{
	return profile_where(p->profile, "cpu", NULL, key);
}

static int common_of(const struct placing *p, const struct cpuset *cpus, int (*of)(const struct cpu *))
{
	int common = -1;

	CPUSET_FOREACH(id, cpus) {
		const struct cpu *cpu = placing_cpu(p, id);
		int value = cpu ? of(cpu) : -1;

		if (value < 0 || (common >= 0 && value != common))
			return -1;
		common = value;
	}
	return common;
}

static int core_of(const struct cpu *cpu)
{
	return cpu->core;
}

static int l3_of(const struct cpu *cpu)
{
	return cpu->l3;
}

int placing_common_core(const struct placing *p, const struct cpuset *cpus)
{
	return common_of(p, cpus, core_of);
}

int placing_common_l3(const struct placing *p, const struct cpuset *cpus)
{
	return common_of(p, cpus, l3_of);
}

struct cpuset placing_nodes(const struct placing *p, const struct cpuset *cpus)
{
	struct cpuset nodes = { 0 };

	CPUSET_FOREACH(id, cpus) {
		const struct cpu *cpu = placing_cpu(p, id);

		if (cpu && cpu->node >= 0)
			cpuset_add(&nodes, cpu->node);
	}
	return nodes;
}

struct cpuset placing_l3s(const struct placing *p, const struct cpuset *cpus)
{
	struct cpuset l3s = { 0 };

	CPUSET_FOREACH(id, cpus) {
		const struct cpu *cpu = placing_cpu(p, id);

		if (cpu && cpu->l3 >= 0)
			cpuset_add(&l3s, cpu->l3);
	}
	return l3s;
}

struct cpuset placing_of_kind(const struct placing *p, const struct cpuset *cpus, enum cpu_kind kind)
{
	struct cpuset found = { 0 };

	CPUSET_FOREACH(id, cpus) {
		const struct cpu *cpu = placing_cpu(p, id);

		if (cpu && cpu->kind == kind)
			cpuset_add(&found, id);
	}
	return found;
}

// CPU 0 boots the machine and takes the interrupts that nobody steers; where this process may not run
// there, the first CPU stands in for it.
static void find_host_core(struct placing *p)
{
	const struct cpu *cpu = placing_cpu(p, cpuset_next(&p->usable, -1));

	if (!cpu)
		return;
	p->host_core = p->facts->cores[cpu->core].cpus;
	cpuset_and(&p->host_core, &p->usable);
}

static void placing_init(struct placing *p, const struct cpuset *avoid)
{
	for (size_t i = 0; i < p->facts->count; i++)
		p->n_rows = p->facts->cpus[i].id < p->n_rows ? p->n_rows : p->facts->cpus[i].id + 1;
	p->rows = mem_new((size_t)p->n_rows, sizeof(*p->rows));
	for (int i = 0; i < p->n_rows; i++)
		p->rows[i] = -1;
	for (size_t i = 0; i < p->facts->count; i++) {
		const struct cpu *cpu = &p->facts->cpus[i];

		p->rows[cpu->id] = (int)i;
		if (cpu->online && cpuset_has(&p->facts->allowed, cpu->id))
			cpuset_add(&p->usable, cpu->id);
	}
	p->avoid = *avoid;
	cpuset_and(&p->avoid, &p->usable);
	find_host_core(p);
}

static void placing_finish(struct placing *p)
{
	free(p->rows);
}

static int round_up(int n, int unit)
{
	return (n + unit - 1) / unit * unit;
}

static int wanted_vcpus(const struct placing *p)
{
	const struct profile *profile = p->profile;
	int asked = topology_asked_vcpus(profile);
	int unit = (profile->cpu.sockets ?: 1) * (profile->cpu.threads ?: 1);

	if (profile->cpu.vcpus)
		return profile->cpu.vcpus;
	if (profile->cpu.pin.mode == CPUS_LIST)
		return (int)profile->cpu.pin.count;
	if (asked)
		return asked;
	return round_up(place_auto_count(p), unit);
}

// An L3 that is larger than others, which is why it was preferred.
static void add_cache(const struct placing *p, int l3, struct str *out)
{
	uint64_t bytes = p->facts->l3s[l3].bytes, least = bytes, most = bytes;

	str_addf(out, ", L3 %d", l3);
	for (size_t i = 0; i < p->facts->n_l3s; i++) {
		uint64_t other = p->facts->l3s[i].bytes;

		least = other < least ? other : least;
		most = other > most ? other : most;
	}
	if (p->profile->cpu.pin.mode == CPUS_LIST || !least || least == bytes)
		return;
	str_add(out, " (");
	str_add_size(out, bytes);
	str_add(out, most == bytes ? ", the largest cache)" : ", a larger cache)");
}

static void add_where(const struct placing *p, const struct cpu *cpu, struct str *out)
{
	if (cpu->l3 >= 0)
		add_cache(p, cpu->l3, out);
	if (cpu->node >= 0)
		str_addf(out, ", node %d", cpu->node);
	if (cpu->node >= 0 && cpu->node == p->near.node && p->memory->n_nodes > 1)
		str_addf(out, " with %s", p->near.whose);
	if (cpu->kind == CPU_PERFORMANCE)
		str_add(out, ", a performance core");
	if (cpu->kind == CPU_EFFICIENCY)
		str_add(out, ", an efficiency core");
	if (cpu->isolated)
		str_add(out, ", isolated on the kernel line");
}

// "sibling pair 2,8 of core 2", "one thread of core 2 (CPUs 2,8)", "core 2"
static void add_core(const struct placing *p, const struct cpu *cpu, struct str *out)
{
	struct cpuset siblings, ours;
	AUTO_FREE char *text = NULL;

	siblings = ours = p->facts->cores[cpu->core].cpus;
	cpuset_and(&ours, &p->taken);
	text = cpuset_text(&siblings);
	if (cpuset_count(&siblings) < 2)
		str_addf(out, "core %d", cpu->core);
	else if (cpuset_count(&siblings) == 2 && cpuset_equal(&siblings, &ours))
		str_addf(out, "sibling pair %s of core %d", text, cpu->core);
	else if (cpuset_equal(&siblings, &ours))
		str_addf(out, "siblings %s of core %d", text, cpu->core);
	else
		str_addf(out, "one thread of core %d (CPUs %s)", cpu->core, text);
}

static char *vcpu_why(const struct placing *p, const struct cpuset *cpus)
{
	struct str why = { 0 };
	const struct cpu *cpu = placing_cpu(p, cpuset_next(cpus, -1));

	if (p->profile->cpu.pin.mode == CPUS_LIST)
		str_add(&why, "as the profile says: ");
	if (cpuset_count(cpus) == 1 || placing_common_core(p, cpus) >= 0) {
		add_core(p, cpu, &why);
		add_where(p, cpu, &why);
	} else {
		str_addf(&why, "a set of %d CPUs among which it floats", cpuset_count(cpus));
	}
	return str_take(&why);
}

static void explain_vcpus(struct placing *p)
{
	for (int i = 0; i < p->n; i++)
		p->out->vcpus[i].why = vcpu_why(p, &p->out->vcpus[i].cpus);
}

static void take_auto(struct placing *p)
{
	AUTO_FREE int *cpus = mem_new((size_t)p->n, sizeof(*cpus));
	int threads = topology_asked_threads(p);
	enum spread spread = threads == 1 ? SPREAD_THREADS1 :
			     !threads && p->n % 2 ? SPREAD_NEAR :
						   SPREAD_CORES;

	place_auto_choose(p, p->n, spread, cpus);
	for (int i = 0; i < p->n; i++)
		cpuset_add(&p->out->vcpus[i].cpus, cpus[i]);
}

static void leave_unpinned(struct placing *p, const char *why)
{
	for (int i = 0; i < p->n; i++)
		p->out->vcpus[i].why = mem_dup(why);
}

static void warn_too_many(struct placing *p, int have)
{
	struct diag *diag = diag_add(p->diags, DIAG_WARNING, "vcpus-exceed-cpus",
				     placing_where(p, p->profile->cpu.vcpus ? "vcpus" : "cores"),
				     "%d vCPUs are more than the %d CPUs that may be used here: no vCPU "
				     "is pinned, they take turns",
				     p->n, have);

	diag_hint(diag, "vcpus = %d or fewer", have);
}

// True where the vCPUs are pinned now.
static bool pin_vcpus(struct placing *p)
{
	enum cpus_mode mode = p->profile->cpu.pin.mode;
	int have = cpuset_count(&p->usable);

	if (mode == CPUS_NONE) {
		leave_unpinned(p, "the profile says pin = none");
		return false;
	}
	if (mode == CPUS_LIST) {
		if (place_list_take(p))
			return true;
		leave_unpinned(p, "the pins that the profile asks for can't be had");
		return false;
	}
	if (p->n > have) {
		warn_too_many(p, have);
		leave_unpinned(p, "more vCPUs than CPUs: none is pinned");
		return false;
	}
	take_auto(p);
	return true;
}

// All vCPUs fit on this node: to be near to a device is not worth being far from each other.
static bool has_room(const struct placing *p, int node)
{
	int room = 0;

	CPUSET_FOREACH(id, &p->usable) {
		const struct cpu *cpu = placing_cpu(p, id);

		room += cpu->node == node && !cpuset_has(&p->avoid, id);
	}
	return node >= 0 && room >= p->n;
}

void place_cpus(const struct profile *profile, const struct cpu_facts *cpus,
		const struct memory_facts *memory, const struct cpuset *avoid,
		const struct place_near *near, int n_iothreads,
		struct placement *out, struct diags *diags)
{
	CLEANUP(placing_finish) struct placing p = { .profile = profile,
						     .facts = cpus,
						     .memory = memory,
						     .out = out,
						     .diags = diags };

	*out = (struct placement){ 0 };
	placing_init(&p, avoid);
	p.near = *near;
	p.n = out->n_vcpus = wanted_vcpus(&p);
	if (!has_room(&p, p.near.node))
		p.near.node = -1;
	out->vcpus = mem_new((size_t)p.n, sizeof(*out->vcpus));
	if (pin_vcpus(&p)) {
		for (int i = 0; i < p.n; i++)
			cpuset_or(&p.taken, &out->vcpus[i].cpus);
		out->nodes = placing_nodes(&p, &p.taken);
		explain_vcpus(&p);
	}
	topology_settle(&p);
	place_host_threads(&p, n_iothreads);
	place_list_warn(&p);
}

void placement_finish(struct placement *placement)
{
	for (int i = 0; i < placement->n_vcpus; i++)
		free(placement->vcpus[i].why);
	free(placement->vcpus);
	free(placement->topology_why);
	free(placement->emulator_why);
	free(placement->iothreads);
	free(placement->iothread_why);
	*placement = (struct placement){ 0 };
}
