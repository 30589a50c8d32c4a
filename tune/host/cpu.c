// SPDX-License-Identifier: MIT
#include "tune/host/cpu.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/allowed.h"
#include "tune/host/cache.h"
#include "tune/host/kind.h"
#include "tune/host/root.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define CPUS "sys/devices/system/cpu"
#define NODES "sys/devices/system/node"

// Holds the first processor's block of /proc/cpuinfo, which repeats it for each CPU.
enum { CPUINFO_SIZE = 16 << 10 };

static int compare_ids(const void *a, const void *b)
{
	return ((const struct cpu *)a)->id - ((const struct cpu *)b)->id;
}

static struct cpu *find(const struct cpu_facts *facts, int id)
{
	struct cpu key = { .id = id };

	if (!facts->count)
		return NULL;
	return bsearch(&key, facts->cpus, facts->count, sizeof(*facts->cpus), compare_ids);
}

const struct cpu *cpu_facts_find(const struct cpu_facts *facts, int id)
{
	return find(facts, id);
}

// "cpu12" with the prefix "cpu"; -1: another name.
static int parse_numbered(const char *name, const char *prefix)
{
	int number;

	if (!str_starts(name, prefix) || !str_parse_int(name + strlen(prefix), &number))
		return -1;
	return number;
}

static void list_present(struct root *root, struct cpuset *present)
{
	AUTO_STRV struct strv names = { 0 };

	root_list(root, CPUS, &names);
	for (size_t i = 0; i < names.count; i++) {
		int id = parse_numbered(names.items[i], "cpu");

		if (id >= 0 && id < CPUSET_MAX)
			cpuset_add(present, id);
	}
}

// For captured trees without the list. A CPU that can't be unplugged has no switch and is online.
static void ask_each(struct root *root, const struct cpuset *present, struct cpuset *online)
{
	CPUSET_FOREACH(id, present) {
		char path[PATH_MAX];
		int on = 1;

		snprintf(path, sizeof(path), CPUS "/cpu%d/online", id);
		root_read_int(root, path, &on);
		if (on)
			cpuset_add(online, id);
	}
}

static void read_sets(struct root *root, struct cpu_facts *facts, struct cpuset *present)
{
	if (root_read_cpulist(root, CPUS "/online", &facts->online) < 0) {
		list_present(root, present);
		ask_each(root, present, &facts->online);
	}
	root_read_cpulist(root, CPUS "/present", present);
	cpuset_or(present, &facts->online);
	// and not what /sys/fs/cgroup/cpuset.cpus.isolated (Linux 6.8) has beside: that is some partition's, which is
	// another guest's, or one that we left and put back before we start
	root_read_cpulist(root, CPUS "/isolated", &facts->isolated);
	root_read_cpulist(root, CPUS "/nohz_full", &facts->nohz_full);
}

static void make_cpus(struct cpu_facts *facts, const struct cpuset *present)
{
	facts->cpus = mem_new((size_t)cpuset_count(present), sizeof(*facts->cpus));
	CPUSET_FOREACH(id, present) {
		facts->cpus[facts->count++] = (struct cpu){
			.id = id,
			.online = cpuset_has(&facts->online, id),
			.isolated = cpuset_has(&facts->isolated, id),
			.core = -1,
			.socket = -1,
			.die = -1,
			.node = -1,
			.l3 = -1,
		};
	}
}

static int read_attribute(struct root *root, int id, const char *name, int unknown)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), CPUS "/cpu%d/%s", id, name);
	root_read_int(root, path, &unknown);
	return unknown;
}

// Linux 5.3 renamed the lists (Documentation/admin-guide/cputopology.rst).
struct sharing {
	const char *names[2];
	int first; // the one to try first: a kernel has it for all CPUs
};

// The online CPUs that share a part of the machine with this one. False: the kernel does not say.
static bool read_sharers(struct root *root, const struct cpu_facts *facts, int id,
			 struct sharing *by, struct cpuset *out)
{
	for (int i = by->first; i < 2 && by->names[i]; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), CPUS "/cpu%d/topology/%s", id, by->names[i]);
		if (root_read_cpulist(root, path, out) < 0)
			continue;
		by->first = i;
		cpuset_and(out, &facts->online);
		cpuset_add(out, id);
		return true;
	}
	return false;
}

static void read_cores(struct root *root, struct cpu_facts *facts)
{
	struct sharing by = { .names = { "core_cpus_list", "thread_siblings_list" } };
	struct cpuset rest = facts->online;

	for (int id = cpuset_next(&rest, -1); id >= 0; id = cpuset_next(&rest, -1)) {
		struct cpu_core *core = MEM_PUSH(facts->cores, facts->n_cores);

		if (!read_sharers(root, facts, id, &by, &core->cpus))
			cpuset_add(&core->cpus, id);
		cpuset_and(&core->cpus, &rest);
		cpuset_minus(&rest, &core->cpus);
		CPUSET_FOREACH(member, &core->cpus)
			find(facts, member)->core = (int)facts->n_cores - 1;
	}
}

// Sockets and dies: asks one CPU of each, or one of each core on a kernel without the list.
static void read_parts(struct root *root, struct cpu_facts *facts, const char *attribute,
		       struct sharing by, size_t field)
{
	struct cpuset rest = facts->online;
	bool listed = true;

	for (int id = cpuset_next(&rest, -1); id >= 0; id = cpuset_next(&rest, -1)) {
		struct cpuset members = facts->cores[find(facts, id)->core].cpus;
		int part = read_attribute(root, id, attribute, -1);

		if (part >= 0 && listed)
			listed = read_sharers(root, facts, id, &by, &members);
		cpuset_minus(&rest, &members);
		CPUSET_FOREACH(member, &members)
			*(int *)((char *)find(facts, member) + field) = part;
	}
}

static void read_sockets_and_dies(struct root *root, struct cpu_facts *facts)
{
	read_parts(root, facts, "topology/physical_package_id",
		   (struct sharing){ .names = { "package_cpus_list", "core_siblings_list" } },
		   offsetof(struct cpu, socket));
	read_parts(root, facts, "topology/die_id",
		   (struct sharing){ .names = { "die_cpus_list" } },
		   offsetof(struct cpu, die));
}

static void add_l3(struct root *root, struct cpu_facts *facts, int id, int index,
		   struct cpuset *rest)
{
	struct cpu_l3 *l3 = MEM_PUSH(facts->l3s, facts->n_l3s);

	cache_read_cpus(root, id, index, &l3->cpus);
	cpuset_and(&l3->cpus, rest);
	cpuset_add(&l3->cpus, id);
	cpuset_minus(rest, &l3->cpus);
	l3->bytes = cache_read_bytes(root, id, index);
	CPUSET_FOREACH(member, &l3->cpus)
		find(facts, member)->l3 = (int)facts->n_l3s - 1;
}

// A CPU without L3 says so for its whole core.
static void read_l3s(struct root *root, struct cpu_facts *facts)
{
	struct cpuset rest = facts->online;

	for (int id = cpuset_next(&rest, -1); id >= 0; id = cpuset_next(&rest, -1)) {
		int index = cache_find(root, id, 3);

		if (index >= 0)
			add_l3(root, facts, id, index, &rest);
		else
			cpuset_minus(&rest, &facts->cores[find(facts, id)->core].cpus);
	}
}

static void read_nodes(struct root *root, struct cpu_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };
	bool numa = false;

	root_list(root, NODES, &names);
	for (size_t i = 0; i < names.count; i++) {
		int node = parse_numbered(names.items[i], "node");
		struct cpuset members = { 0 };
		char path[PATH_MAX];

		if (node < 0)
			continue;
		numa = true;
		snprintf(path, sizeof(path), NODES "/node%d/cpulist", node);
		root_read_cpulist(root, path, &members);
		cpuset_and(&members, &facts->online);
		CPUSET_FOREACH(member, &members)
			find(facts, member)->node = node;
	}
	for (size_t i = 0; i < facts->count && !numa; i++)
		facts->cpus[i].node = facts->cpus[i].online ? 0 : -1;
}

// The threads of a core have one clock: the first that tells speaks for all.
static long read_core_frequency(struct root *root, const struct cpuset *cpus)
{
	CPUSET_FOREACH(id, cpus) {
		int khz = read_attribute(root, id, "cpufreq/cpuinfo_max_freq", 0);

		if (khz > 0)
			return khz;
	}
	return 0;
}

static void read_frequencies(struct root *root, struct cpu_facts *facts)
{
	for (size_t i = 0; i < facts->n_cores; i++) {
		const struct cpuset *cpus = &facts->cores[i].cpus;
		long khz = read_core_frequency(root, cpus);

		CPUSET_FOREACH(id, cpus)
			find(facts, id)->max_khz = khz;
	}
}

static void read_allowed(struct root *root, struct cpu_facts *facts)
{
	facts->allowed = facts->online;
	if (!allowed_read(root, &facts->isolated, &facts->allowed))
		return;
	cpuset_and(&facts->allowed, &facts->online);
	if (cpuset_is_empty(&facts->allowed))
		facts->allowed = facts->online;
}

static void take_flags(struct cpu_facts *facts, const char *flags)
{
	AUTO_STRV struct strv words = { 0 };

	strv_split(&words, flags, " ");
	facts->flags_known = true;
	facts->vmx = strv_has(&words, "vmx");
	facts->svm = strv_has(&words, "svm");
	facts->hypervisor = strv_has(&words, "hypervisor");
}

// "model name	: Intel(R) …"
static void take_line(struct cpu_facts *facts, char *line)
{
	char *colon = strchr(line, ':');
	const char *key, *value;

	if (!colon)
		return;
	*colon = '\0';
	key = str_strip(line);
	value = str_strip(colon + 1);
	if (str_eq(key, "vendor_id"))
		snprintf(facts->vendor, sizeof(facts->vendor), "%s", value);
	else if (str_eq(key, "model name"))
		snprintf(facts->model_name, sizeof(facts->model_name), "%s", value);
	else if (str_eq(key, "flags"))
		take_flags(facts, value);
	else if (str_eq(key, "address sizes"))
		sscanf(value, "%d bits physical", &facts->phys_bits);
}

static void read_model(struct root *root, struct cpu_facts *facts)
{
	char text[CPUINFO_SIZE], *line = text, *next;

	if (root_read_head(root, "proc/cpuinfo", text, sizeof(text)) <= 0)
		return;
	while (line && *line != '\n') {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		take_line(facts, line);
		line = next;
	}
}

static int report_no_cpus(const struct root *root, struct err *err)
{
	if (!root->path)
		return err_set(err, -ENOENT, "no CPU is listed below /" CPUS ": is /sys mounted?");
	return err_set(err, -ENOENT, "no CPU is listed below %s/" CPUS ": is this the root of a "
		       "captured machine, or is that one folder down?", root->path);
}

int cpu_facts_read(struct root *root, struct cpu_facts *facts, struct err *err)
{
	struct cpuset present = { 0 };

	*facts = (struct cpu_facts){ 0 };
	read_sets(root, facts, &present);
	if (cpuset_is_empty(&facts->online))
		return report_no_cpus(root, err);
	make_cpus(facts, &present);
	read_cores(root, facts);
	read_sockets_and_dies(root, facts);
	read_l3s(root, facts);
	read_nodes(root, facts);
	read_frequencies(root, facts);
	kind_read(root, facts);
	read_allowed(root, facts);
	read_model(root, facts);
	return 0;
}

void cpu_facts_finish(struct cpu_facts *facts)
{
	free(facts->cpus);
	free(facts->cores);
	free(facts->l3s);
	*facts = (struct cpu_facts){ 0 };
}

const char *cpu_kind_name(enum cpu_kind kind)
{
	static const char *const names[] = {
		[CPU_UNIFORM] = "uniform",
		[CPU_PERFORMANCE] = "performance",
		[CPU_EFFICIENCY] = "efficiency",
	};

	return names[kind];
}
