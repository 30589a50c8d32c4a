// SPDX-License-Identifier: MIT
#include "tune/host/kind.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/host/cache.h"
#include "tune/host/cpu.h"
#include "tune/host/root.h"

#include <limits.h>
#include <stdio.h>

// How strong each CPU is, index as in cpu_facts.cpus; 0: unknown or offline.
struct strengths {
	uint64_t *of;
	uint64_t weakest, strongest; // of the online ones
};

static void strengths_finish(struct strengths *s)
{
	free(s->of);
}

static bool read_pmu(struct root *root, const char *name, struct cpuset *out)
{
	static const char *const dirs[] = { "sys/devices", "sys/bus/event_source/devices" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s/cpus", dirs[i], name);
		if (root_read_cpulist(root, path, out) == 0)
			return true;
	}
	return false;
}

// Low-power cores can have a third PMU, so what is not cpu_core's is the efficient rest.
static bool find_by_pmu(struct root *root, const struct cpu_facts *facts, struct cpuset *efficient)
{
	struct cpuset set;

	if (read_pmu(root, "cpu_core", &set)) {
		*efficient = facts->online;
		cpuset_minus(efficient, &set);
		return true;
	}
	return read_pmu(root, "cpu_atom", efficient);
}

static void measure(const struct cpu_facts *facts, struct strengths *s)
{
	s->weakest = UINT64_MAX;
	s->strongest = 0;
	for (size_t i = 0; i < facts->count; i++) {
		if (!facts->cpus[i].online)
			continue;
		if (s->of[i] < s->weakest)
			s->weakest = s->of[i];
		if (s->of[i] > s->strongest)
			s->strongest = s->of[i];
	}
}

static void take_frequencies(const struct cpu_facts *facts, struct strengths *s)
{
	for (size_t i = 0; i < facts->count; i++)
		s->of[i] = (uint64_t)facts->cpus[i].max_khz;
	measure(facts, s);
}

// A kernel has the attribute for all CPUs or for none, so the first that lacks it ends the reading.
static void read_strengths(struct root *root, const struct cpu_facts *facts, const char *name,
			   struct strengths *s)
{
	for (size_t i = 0; i < facts->count; i++)
		s->of[i] = 0;
	for (size_t i = 0; i < facts->count; i++) {
		const struct cpu *cpu = &facts->cpus[i];
		char path[PATH_MAX];

		if (!cpu->online)
			continue;
		snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/%s", cpu->id, name);
		if (root_read_u64(root, path, &s->of[i]) < 0)
			break;
	}
	measure(facts, s);
}

static bool all_known(const struct strengths *s)
{
	return s->weakest > 0;
}

static bool have_same_threads(const struct cpu_facts *facts)
{
	for (size_t i = 1; i < facts->n_cores; i++) {
		if (cpuset_count(&facts->cores[i].cpus) != cpuset_count(&facts->cores[0].cpus))
			return false;
	}
	return true;
}

static int compare_descending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

static bool find_by_gap(const struct cpu_facts *facts, const struct strengths *s,
			struct cpuset *efficient)
{
	AUTO_FREE uint64_t *sorted = mem_new(facts->count, sizeof(*sorted));
	size_t n = 0, cut = 1;

	if (!all_known(s))
		return false;
	for (size_t i = 0; i < facts->count; i++) {
		if (facts->cpus[i].online)
			sorted[n++] = s->of[i];
	}
	qsort(sorted, n, sizeof(*sorted), compare_descending);
	while (cut < n && sorted[cut] >= sorted[cut - 1] / 5 * 4)
		cut++;
	if (cut >= n)
		return false;
	for (size_t i = 0; i < facts->count; i++) {
		if (facts->cpus[i].online && s->of[i] <= sorted[cut])
			cpuset_add(efficient, facts->cpus[i].id);
	}
	return true;
}

struct l2_shape {
	struct cpuset shared, own;
};

static bool read_l2_shape(struct root *root, const struct cpu_facts *facts, struct l2_shape *out)
{
	struct cpuset rest = facts->online;

	*out = (struct l2_shape){ 0 };
	for (int id = cpuset_next(&rest, -1); id >= 0; id = cpuset_next(&rest, -1)) {
		const struct cpu_core *core = &facts->cores[cpu_facts_find(facts, id)->core];
		int index = cache_find(root, id, 2);
		struct cpuset users;

		if (index < 0 || cache_read_cpus(root, id, index, &users) < 0)
			return false;
		cpuset_and(&users, &facts->online);
		cpuset_add(&users, id);
		cpuset_or(cpuset_contains(&core->cpus, &users) ? &out->own : &out->shared, &users);
		cpuset_minus(&rest, &users);
	}
	return !cpuset_is_empty(&out->shared) && !cpuset_is_empty(&out->own);
}

static bool are_all_slower(const struct cpu_facts *facts, const struct strengths *s,
			   const struct l2_shape *l2)
{
	uint64_t fastest = 0, slowest = UINT64_MAX;

	for (size_t i = 0; i < facts->count; i++) {
		if (cpuset_has(&l2->shared, facts->cpus[i].id) && s->of[i] > fastest)
			fastest = s->of[i];
		if (cpuset_has(&l2->own, facts->cpus[i].id) && s->of[i] < slowest)
			slowest = s->of[i];
	}
	return fastest < slowest;
}

static bool are_those_without_siblings(const struct cpu_facts *facts, const struct l2_shape *l2)
{
	for (size_t i = 0; i < facts->n_cores; i++) {
		const struct cpuset *cpus = &facts->cores[i].cpus;

		if (cpuset_meets(cpus, &l2->shared) != (cpuset_count(cpus) == 1))
			return false;
	}
	return true;
}

static bool find_by_l2(struct root *root, const struct cpu_facts *facts, const struct strengths *s,
		       struct cpuset *efficient)
{
	struct l2_shape l2;

	if (!read_l2_shape(root, facts, &l2))
		return false;
	if (all_known(s) ? !are_all_slower(facts, s, &l2) : !are_those_without_siblings(facts, &l2))
		return false;
	*efficient = l2.shared;
	return true;
}

static bool find_efficient(struct root *root, const struct cpu_facts *facts,
			   struct cpuset *efficient)
{
	CLEANUP(strengths_finish) struct strengths s = {
		.of = mem_new(facts->count, sizeof(*s.of)),
	};

	if (find_by_pmu(root, facts, efficient))
		return true;
	read_strengths(root, facts, "cpu_capacity", &s);
	if (find_by_gap(facts, &s, efficient))
		return true;
	take_frequencies(facts, &s);
	if (!all_known(&s))
		read_strengths(root, facts, "acpi_cppc/highest_perf", &s);
	// most machines: nothing differs, and no L2 needs to be looked at
	if (s.weakest == s.strongest && have_same_threads(facts))
		return false;
	return find_by_l2(root, facts, &s, efficient) || find_by_gap(facts, &s, efficient);
}

void kind_read(struct root *root, struct cpu_facts *facts)
{
	struct cpuset efficient = { 0 };

	if (!find_efficient(root, facts, &efficient) ||
	    cpuset_contains(&efficient, &facts->online) || !cpuset_meets(&efficient, &facts->online))
		return;
	for (size_t i = 0; i < facts->count; i++) {
		struct cpu *cpu = &facts->cpus[i];

		if (cpu->online)
			cpu->kind = cpuset_has(&efficient, cpu->id) ? CPU_EFFICIENCY :
								       CPU_PERFORMANCE;
	}
}
