// SPDX-License-Identifier: MIT
// Placement by rules, on machines of many shapes: whole cores, as few caches and nodes as can be, a core for the
// host. With CAPTURED=DIR in the environment also on each captured machine in that directory.
#include "tests/unit/wish.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/keys.h"
#include "tests/unit/machine.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const made_up[] = {
	SIX_CORES, SIX_NEAR, X3D, HYBRID, DUAL_SOCKET, EIGHT_NODES,
	"cores=1", "cores=2", "cores=1 threads=2", "cores=4 threads=2", "cores=8 threads=2 far",
	"l3=2 cores=6 threads=2 far", "l3=2 cores=8 threads=2 cache=96M,32M", "l3=4 cores=4 threads=2 far",
	"l3=8 cores=8 threads=2 far", "nodes=2 l3=2 cores=4 threads=2", "nodes=4 l3=2 cores=4 threads=2 far",
	"sockets=2 cores=24 threads=2 far", "sockets=2 l3=4 cores=6 threads=2", "sockets=2 nodes=4 cores=4",
	"cores=6 threads=2 efficiency=8", "cores=4 threads=2 efficiency=8 far", "cores=8 efficiency=4",
	"cores=2 threads=2 no-l3", "sockets=2 cores=4 threads=2 no-l3", "cores=6 threads=2 stride=2",
	"l3=3 cores=3 threads=2 cache=8M,16M,8M",
};

// What a placement came to, as the rules ask for it.
struct outcome {
	struct cpuset taken, l3s, nodes;
	int split; // cores that guest and host share
	int whole; // cores without a vCPU
};

static struct outcome measure(const struct cpu_facts *cpus, const struct placement *placement)
{
	struct outcome o = { 0 };

	for (int i = 0; i < placement->n_vcpus; i++)
		cpuset_or(&o.taken, &placement->vcpus[i].cpus);
	CPUSET_FOREACH(id, &o.taken) {
		const struct cpu *cpu = cpu_facts_find(cpus, id);

		if (cpu->l3 >= 0)
			cpuset_add(&o.l3s, cpu->l3);
		if (cpu->node >= 0)
			cpuset_add(&o.nodes, cpu->node);
	}
	for (size_t i = 0; i < cpus->n_cores; i++) {
		struct cpuset core = cpus->cores[i].cpus;

		cpuset_and(&core, &cpus->allowed);
		if (!cpuset_meets(&core, &o.taken))
			o.whole += !cpuset_is_empty(&core);
		else
			o.split += !cpuset_contains(&o.taken, &core);
	}
	return o;
}

static int by_size(const void *a, const void *b)
{
	return *(const int *)b - *(const int *)a;
}

// The fewest groups (of CPUs that share an L3, or a node) that hold n of `usable`, in whole cores.
static int fewest(const struct cpuset *groups, size_t n_groups, const struct cpuset *usable, int n)
{
	AUTO_FREE int *sizes = mem_new(n_groups + 1, sizeof(*sizes));
	int used = 0;

	for (size_t i = 0; i < n_groups; i++) {
		struct cpuset cpus = groups[i];

		cpuset_and(&cpus, usable);
		sizes[i] = cpuset_count(&cpus);
	}
	qsort(sizes, n_groups, sizeof(*sizes), by_size);
	for (; n > 0 && used < (int)n_groups; used++)
		n -= sizes[used];
	return used;
}

// What a guest of n vCPUs would be chosen from: performance cores first, and the host's core last.
static struct cpuset first_choice(const struct cpu_facts *cpus, int n)
{
	struct cpuset fast = { 0 }, rest;

	for (size_t i = 0; i < cpus->count; i++) {
		if (cpuset_has(&cpus->allowed, cpus->cpus[i].id) && cpus->cpus[i].kind != CPU_EFFICIENCY)
			cpuset_add(&fast, cpus->cpus[i].id);
	}
	// efficiency cores serve the host where there are some
	if (n <= cpuset_count(&fast) && cpuset_count(&fast) < cpuset_count(&cpus->allowed))
		return fast;
	rest = cpus->allowed;
	cpuset_minus(&rest, &cpus->cores[cpu_facts_find(cpus, cpuset_next(&cpus->allowed, -1))->core].cpus);
	return n <= cpuset_count(&rest) ? rest : cpus->allowed;
}

static void check_groups(const struct cpu_facts *cpus, const struct memory_facts *memory, int n,
			 const struct outcome *o, const char *what)
{
	AUTO_FREE struct cpuset *l3s = mem_new(cpus->n_l3s + 1, sizeof(*l3s));
	AUTO_FREE struct cpuset *nodes = mem_new(memory->n_nodes + 1, sizeof(*nodes));
	struct cpuset choice = first_choice(cpus, n);
	int least;

	for (size_t i = 0; i < cpus->n_l3s; i++)
		l3s[i] = cpus->l3s[i].cpus;
	for (size_t i = 0; i < memory->n_nodes; i++)
		nodes[i] = memory->nodes[i].cpus;
	// whoever mixes kinds, or splits what fits nowhere, is judged by the nodes alone
	least = fewest(nodes, memory->n_nodes, &choice, n);
	if (cpuset_contains(&choice, &o->taken) && cpuset_count(&o->nodes) > least)
		fail_msg("%s: %d nodes where %d would do", what, cpuset_count(&o->nodes), least);
	least = fewest(l3s, cpus->n_l3s, &choice, n);
	if (cpus->n_l3s && cpuset_contains(&choice, &o->taken) && least == 1 && cpuset_count(&o->l3s) > 1)
		fail_msg("%s: %d L3s where one would do", what, cpuset_count(&o->l3s));
	if (cpus->n_l3s && cpuset_contains(&choice, &o->taken) && least > 1 && memory->n_nodes == 1 &&
	    cpuset_count(&o->l3s) > least)
		fail_msg("%s: %d L3s where %d would do", what, cpuset_count(&o->l3s), least);
}

static int widest(const struct cpu_facts *cpus)
{
	int most = 1;

	for (size_t i = 0; i < cpus->n_cores; i++)
		most = cpuset_count(&cpus->cores[i].cpus) > most ? cpuset_count(&cpus->cores[i].cpus) : most;
	return most;
}

static void check_rules(const struct cpu_facts *cpus, const struct memory_facts *memory, int n, const char *name)
{
	AUTO_FREE char *words = mem_printf("vcpus=%d iothreads=1", n);
	AUTO_FREE char *what = mem_printf("%s, %d vCPUs", name, n);
	struct placement placement;
	struct diags diags = { 0 };
	struct wish wish;
	struct outcome o;

	wish_make(&wish, words);
	place_cpus(&wish.profile, cpus, memory, &wish.held, &wish.near, wish.iothreads, &placement, &diags);
	o = measure(cpus, &placement);
	if (cpuset_count(&o.taken) != n)
		fail_msg("%s: %d CPUs", what, cpuset_count(&o.taken));
	if (n % widest(cpus) == 0 && o.split)
		fail_msg("%s: %d cores are shared with the host", what, o.split);
	if (n <= cpuset_count(&cpus->allowed) - widest(cpus) && n % widest(cpus) == 0 && !o.whole)
		fail_msg("%s: no core is left to the host", what);
	if (o.whole && cpuset_meets(&placement.emulator, &o.taken))
		fail_msg("%s: the emulator is on vCPUs' CPUs", what);
	if (n % widest(cpus) == 0)
		check_groups(cpus, memory, n, &o, what);
	placement_finish(&placement);
	diags_finish(&diags);
	wish_finish(&wish);
}

// A node that has room for all vCPUs, the host's core aside, has them all where the passed device is on it.
static void check_near(const struct cpu_facts *cpus, const struct memory_facts *memory, const struct memory_node *node,
		       int n, const char *name)
{
	AUTO_FREE char *words = mem_printf("vcpus=%d near=%d", n, node->node);
	struct placement placement;
	struct diags diags = { 0 };
	struct wish wish;
	struct outcome o;

	wish_make(&wish, words);
	place_cpus(&wish.profile, cpus, memory, &wish.held, &wish.near, 0, &placement, &diags);
	o = measure(cpus, &placement);
	if (cpuset_count(&o.nodes) != 1 || !cpuset_has(&o.nodes, node->node))
		fail_msg("%s, %d vCPUs: not on node %d, where the device is", name, n, node->node);
	placement_finish(&placement);
	diags_finish(&diags);
	wish_finish(&wish);
}

static void check_every_node(const struct cpu_facts *cpus, const struct memory_facts *memory, const char *name)
{
	int first = cpuset_next(&cpus->allowed, -1);

	for (size_t i = 0; memory->n_nodes > 1 && i < memory->n_nodes; i++) {
		struct cpuset room = memory->nodes[i].cpus;

		cpuset_and(&room, &cpus->allowed);
		cpuset_minus(&room, &cpus->cores[cpu_facts_find(cpus, first)->core].cpus);
		for (int n = 1; n <= cpuset_count(&room) && n <= PROFILE_VCPUS_MAX; n++)
			check_near(cpus, memory, &memory->nodes[i], n, name);
	}
}

static void check_machine(const struct cpu_facts *cpus, const struct memory_facts *memory, const char *name)
{
	check_every_node(cpus, memory, name);
	for (int n = 1; n <= cpuset_count(&cpus->allowed) && n <= PROFILE_VCPUS_MAX; n++)
		check_rules(cpus, memory, n, name);
}

static void made_up_machines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(made_up); i++) {
		struct machine machine;

		machine_make(&machine, made_up[i]);
		check_machine(&machine.cpus, &machine.memory, made_up[i]);
		machine_finish(&machine);
	}
}

static void check_tree(const char *dir, const char *name)
{
	struct root root = ROOT_CLOSED;
	struct memory_facts memory;
	struct cpu_facts cpus;
	struct err err = ERR_NONE;

	assert_int_equal(root_open(&root, dir, &err), 0);
	assert_int_equal(cpu_facts_read(&root, &cpus, &err), 0);
	memory_facts_read(&root, &memory);
	root_finish(&root);
	check_machine(&cpus, &memory, name);
	cpu_facts_finish(&cpus);
	memory_facts_finish(&memory);
}

static void machines_of_the_plans(void **state)
{
	DIR *dir = opendir("tests/hosts");
	struct dirent *entry;
	int n = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		AUTO_FREE char *manifest = NULL;
		char tree[PATH_MAX];

		if (!str_ends(entry->d_name, ".host"))
			continue;
		manifest = tree_read("tests/hosts", entry->d_name);
		assert_int_equal(tree_make(manifest, tree, sizeof(tree)), 0);
		check_tree(tree, entry->d_name);
		tree_remove(tree);
		n++;
	}
	closedir(dir);
	assert_in_range(n, 6, 100);
}

static void captured_machines(void **state)
{
	const char *path = getenv("CAPTURED");
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;

	(void)state;
	if (!dir)
		skip();
	while ((entry = readdir(dir))) {
		AUTO_FREE char *tree = mem_printf("%s/%s", path, entry->d_name);

		if (entry->d_name[0] != '.')
			check_tree(tree, entry->d_name);
	}
	closedir(dir);
}

// The tiers, each on a machine that has them all.
static void what_comes_first(void **state)
{
	static const struct {
		const char *machine, *wish, *cpus;
	} rows[] = {
		// the L3 that is larger, though it comes second
		{ "l3=2 cores=4 threads=2 cache=32M,96M", "vcpus=4", "8-11" },
		// CPUs isolated on the kernel line, even in the smaller L3
		{ "l3=2 cores=4 threads=2 cache=32M,96M isolated=2-5", "vcpus=4", "2-5" },
		// not where another guest runs, though the larger L3 is there
		{ "l3=2 cores=4 threads=2 cache=32M,96M", "vcpus=4 held=8-15", "2-5" },
		// only what the cgroup allows, and not in the cache of the host's core
		{ "l3=2 cores=4 threads=2 allowed=4-9", "vcpus=2", "8-9" },
		// the node of the passed device, though the host's core is on it and the larger cache is not
		{ "sockets=2 cores=4 threads=2 cache=16M,64M", "vcpus=4 near=0", "2-5" },
		{ "sockets=2 cores=4 threads=2 cache=64M,16M", "vcpus=4 near=1", "8-11" },
		// whole, too: then the host has the other one
		{ "sockets=2 cores=4 threads=2", "vcpus=8 near=0", "0-7" },
		// never an offline one, nor its sibling while there are whole cores
		{ "cores=4 threads=2 offline=3", "vcpus=4", "4-7" },
		// performance cores before efficiency ones
		{ "cores=2 threads=2 efficiency=8", "vcpus=4", "0-3" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct placement placement;
		struct diags diags = { 0 };
		struct cpuset taken = { 0 };
		AUTO_FREE char *text = NULL;

		wish_place(rows[i].machine, rows[i].wish, &placement, &diags);
		for (int k = 0; k < placement.n_vcpus; k++)
			cpuset_or(&taken, &placement.vcpus[k].cpus);
		text = cpuset_text(&taken);
		if (!str_eq(text, rows[i].cpus))
			fail_msg("%s | %s: %s instead of %s", rows[i].machine, rows[i].wish, text, rows[i].cpus);
		placement_finish(&placement);
		diags_finish(&diags);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_up_machines),
		cmocka_unit_test(machines_of_the_plans),
		cmocka_unit_test(captured_machines),
		cmocka_unit_test(what_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
