// SPDX-License-Identifier: MIT
#include "tune/host/attributes.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/root.h"

#include <stdio.h>
#include <string.h>

#define CPU_DIR "sys/devices/system/cpu"

// Of a CPU: a name in its cpufreq directory. `choices` is read once, of the first CPU that has it.
static const struct row {
	bool per_cpu;
	const char *path, *choices;
} rows[ATTRIBUTE_COUNT] = {
	[ATTRIBUTE_GOVERNOR] = { true, "scaling_governor", "scaling_available_governors" },
	[ATTRIBUTE_EPP] = { true, "energy_performance_preference",
			    "energy_performance_available_preferences" },
	[ATTRIBUTE_MIN_FREQ] = { true, "scaling_min_freq", NULL },
	[ATTRIBUTE_BOOST] = { false, CPU_DIR "/cpufreq/boost", NULL },
	[ATTRIBUTE_NO_TURBO] = { false, CPU_DIR "/intel_pstate/no_turbo", NULL },
	[ATTRIBUTE_HALT_POLL_NS] = { false, "sys/module/kvm/parameters/halt_poll_ns", NULL },
	[ATTRIBUTE_IGNORE_MSRS] = { false, "sys/module/kvm/parameters/ignore_msrs", NULL },
	[ATTRIBUTE_REPORT_MSRS] = { false, "sys/module/kvm/parameters/report_ignored_msrs", NULL },
	[ATTRIBUTE_LATENCY] = { false, "dev/cpu_dma_latency", NULL },
};

// cpuN/cpufreq is a link to ../cpufreq/policyM, which CPUs that share a clock have in common. One value must
// have one path, or two guests would not see that they want the same.
static int find_policy(struct root *root, int cpu)
{
	AUTO_FREE char *link = mem_printf(CPU_DIR "/cpu%d/cpufreq", cpu);
	char target[64];
	int policy, end = 0;

	if (root_readlink(root, link, target, sizeof(target)) < 0 ||
	    sscanf(target, "../cpufreq/policy%d%n", &policy, &end) != 1 || target[end] || policy < 0 ||
	    policy >= CPUSET_MAX)
		return -1;
	return policy;
}

static char *cpu_path(int cpu, int policy, const char *name)
{
	if (policy >= 0)
		return mem_printf(CPU_DIR "/cpufreq/policy%d/%s", policy, name);
	return mem_printf(CPU_DIR "/cpu%d/cpufreq/%s", cpu, name);
}

static void add(struct root *root, enum attribute attribute, int cpu, int policy, const char *path,
		const char *choices, struct attribute_facts *facts)
{
	struct attribute_fact *fact;
	char value[256];
	int n;

	// reading the latency device gives binary, and what counts is only that it is there
	if (attribute == ATTRIBUTE_LATENCY) {
		if (!root_exists(root, path))
			return;
		n = -1;
	} else {
		n = root_read(root, path, value, sizeof(value));
		if (n == -ENOENT)
			return;
	}
	fact = MEM_PUSH(facts->items, facts->count);
	*fact = (struct attribute_fact){ .attribute = attribute,
					 .cpu = cpu,
					 .policy = policy,
					 .path = mem_printf("/%s", path),
					 .fixed = root_is_fixed(root, path),
					 .value = n >= 0 ? mem_dup(value) : NULL,
					 .choices = mem_dup(choices) };
}

static void add_per_cpu(struct root *root, enum attribute attribute, const struct cpuset *cpus,
			struct attribute_facts *facts)
{
	const struct row *row = &rows[attribute];
	char choices[512] = "";

	CPUSET_FOREACH(cpu, cpus) {
		int policy = find_policy(root, cpu);
		AUTO_FREE char *path = cpu_path(cpu, policy, row->path);

		if (row->choices && !choices[0]) {
			AUTO_FREE char *offered = cpu_path(cpu, policy, row->choices);

			if (root_read(root, offered, choices, sizeof(choices)) < 0)
				choices[0] = '\0';
		}
		add(root, attribute, cpu, policy, path, choices[0] ? choices : NULL, facts);
	}
}

void attribute_facts_read(struct root *root, unsigned wanted, const struct cpuset *cpus,
			  struct attribute_facts *facts)
{
	*facts = (struct attribute_facts){ 0 };
	for (int i = 0; i < ATTRIBUTE_COUNT; i++) {
		if (!(wanted & 1u << i))
			continue;
		if (rows[i].per_cpu)
			add_per_cpu(root, (enum attribute)i, cpus, facts);
		else
			add(root, (enum attribute)i, -1, -1, rows[i].path, NULL, facts);
	}
}

void attribute_facts_finish(struct attribute_facts *facts)
{
	for (size_t i = 0; i < facts->count; i++) {
		free(facts->items[i].path);
		free(facts->items[i].value);
		free(facts->items[i].choices);
	}
	free(facts->items);
	*facts = (struct attribute_facts){ 0 };
}

bool attribute_takes(const struct attribute_fact *fact, const char *value)
{
	AUTO_STRV struct strv words = { 0 };

	if (!fact->choices)
		return true;
	strv_split(&words, fact->choices, " ");
	return strv_has(&words, value);
}
