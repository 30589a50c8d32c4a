// SPDX-License-Identifier: MIT
#include "tests/unit/wish.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/machine.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct diag *find_diag(const struct diags *diags, const char *code)
{
	for (size_t i = 0; i < diags->count; i++) {
		if (str_eq(diags->items[i].code, code))
			return &diags->items[i];
	}
	return NULL;
}

// Numbers that come again the same: xorshift.
static unsigned draw(uint64_t *seed, unsigned below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (unsigned)(*seed >> 33) % below;
}

static void draw_machine(uint64_t *seed, struct str *words)
{
	static const char *const extras[] = { "far", "no-l3", "cache=96M,32M,8M", "bytes=1G", "stride=3" };

	str_addf(words, "sockets=%u nodes=%u l3=%u cores=%u threads=%u", 1 + draw(seed, 2), 1 + draw(seed, 3),
		 1 + draw(seed, 3), 1 + draw(seed, 5), 1 + draw(seed, 2));
	for (size_t i = 0; i < ARRAY_SIZE(extras); i++) {
		if (draw(seed, 4) == 0)
			str_addf(words, " %s", extras[i]);
	}
	if (draw(seed, 4) == 0)
		str_addf(words, " efficiency=%u", 1 + draw(seed, 8));
	if (draw(seed, 4) == 0)
		str_addf(words, " offline=%u,%u", 1 + draw(seed, 6), 7 + draw(seed, 20));
	if (draw(seed, 4) == 0)
		str_addf(words, " isolated=%u-%u", draw(seed, 6), 6 + draw(seed, 20));
	if (draw(seed, 4) == 0)
		str_addf(words, " allowed=0-%u", 6 + draw(seed, 60));
}

static void draw_wish(uint64_t *seed, struct str *words)
{
	str_addf(words, "iothreads=%u", draw(seed, 4));
	if (draw(seed, 5))
		str_addf(words, " vcpus=%u", 1 + draw(seed, 24));
	if (draw(seed, 5) == 0)
		str_addf(words, " threads=%u", 1 + draw(seed, 2));
	if (draw(seed, 8) == 0)
		str_addf(words, " sockets=%u", 1 + draw(seed, 2));
	if (draw(seed, 5) == 0)
		str_addf(words, " held=%u-%u", draw(seed, 6), 6 + draw(seed, 20));
	if (draw(seed, 5) == 0)
		str_addf(words, " nodes=%u", draw(seed, 3));
}

static void assert_sound(const struct machine *machine, const struct wish *wish, const struct placement *p,
			 const struct diags *diags)
{
	struct cpuset taken = { 0 }, spare = machine->cpus.allowed;

	assert_int_equal(p->sockets * p->dies * p->cores * p->threads, p->n_vcpus);
	for (int i = 0; i < p->n_vcpus; i++) {
		assert_non_null(p->vcpus[i].why);
		assert_false(cpuset_meets(&taken, &p->vcpus[i].cpus));
		assert_in_range(cpuset_count(&p->vcpus[i].cpus), 0, 1);
		cpuset_or(&taken, &p->vcpus[i].cpus);
	}
	assert_true(cpuset_contains(&machine->cpus.allowed, &taken));
	assert_true(cpuset_contains(&machine->cpus.allowed, &p->emulator));
	if (p->n_vcpus > cpuset_count(&machine->cpus.allowed)) {
		assert_true(cpuset_is_empty(&taken));
		return;
	}
	assert_int_equal(cpuset_count(&taken), p->n_vcpus);
	assert_false(cpuset_is_empty(&p->emulator));
	cpuset_minus(&spare, &taken);
	cpuset_minus(&spare, &wish->held);
	if (!cpuset_is_empty(&spare))
		assert_false(cpuset_meets(&p->emulator, &taken));
	assert_int_equal(cpuset_meets(&taken, &wish->held), find_diag(diags, "pin-held") != NULL);
	if (cpuset_meets(&taken, &wish->held))
		assert_true(cpuset_contains(&taken, &spare) || cpuset_is_empty(&spare));
}

static void assert_threads_are_siblings(const struct machine *machine, const struct placement *p)
{
	for (int i = 0; i < p->n_vcpus; i++) {
		int cpu = cpuset_next(&p->vcpus[i].cpus, -1);
		int first = cpuset_next(&p->vcpus[i / p->threads * p->threads].cpus, -1);

		if (cpu >= 0)
			assert_int_equal(cpu_facts_find(&machine->cpus, cpu)->core,
					 cpu_facts_find(&machine->cpus, first)->core);
	}
}

static void any_machine_gets_a_sound_placement(void **state)
{
	uint64_t seed = 88172645463325252;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		AUTO_STR struct str words = { 0 };
		AUTO_STR struct str wishes = { 0 };
		AUTO_STR struct str first = { 0 };
		AUTO_STR struct str again = { 0 };
		struct placement placement, twin;
		struct diags diags = { 0 }, twin_diags = { 0 };
		struct machine machine;
		struct wish wish;

		draw_machine(&seed, &words);
		draw_wish(&seed, &wishes);
		machine_make(&machine, str_text(&words));
		wish_make(&wish, str_text(&wishes));
		if (cpuset_is_empty(&machine.cpus.allowed))
			fail_msg("%s", str_text(&words));
		place_cpus(&wish.profile, &machine.cpus, &machine.memory, &wish.held, &wish.near, wish.iothreads,
			   &placement, &diags);
		assert_sound(&machine, &wish, &placement, &diags);
		if (!wish.profile.cpu.threads)
			assert_threads_are_siblings(&machine, &placement);
		wish_place(str_text(&words), str_text(&wishes), &twin, &twin_diags);
		wish_print(&placement, &diags, &first);
		wish_print(&twin, &twin_diags, &again);
		assert_string_equal(str_text(&first), str_text(&again));
		placement_finish(&placement);
		placement_finish(&twin);
		diags_finish(&diags);
		diags_finish(&twin_diags);
		wish_finish(&wish);
		machine_finish(&machine);
	}
}

// A made-up machine as the files of its kernel.

static void add_set(struct str *out, const struct cpuset *set)
{
	cpuset_print_list(set, out);
	str_addc(out, '\n');
}

static void describe_cpu(const struct machine *machine, const struct cpu *cpu, struct str *out)
{
	static const char cpus[] = "sys/devices/system/cpu/cpu";
	const struct cpu_l3 *l3 = cpu->l3 < 0 ? NULL : &machine->cpus.l3s[cpu->l3];

	if (!cpu->online)
		return;
	str_addf(out, "%s%d/topology/physical_package_id = %d\n", cpus, cpu->id, cpu->socket);
	str_addf(out, "%s%d/topology/core_cpus_list = ", cpus, cpu->id);
	add_set(out, &machine->cpus.cores[cpu->core].cpus);
	if (!l3)
		return;
	str_addf(out, "%s%d/cache/index3/level = 3\n", cpus, cpu->id);
	str_addf(out, "%s%d/cache/index3/size = %lluK\n", cpus, cpu->id, (unsigned long long)l3->bytes >> 10);
	str_addf(out, "%s%d/cache/index3/shared_cpu_list = ", cpus, cpu->id);
	add_set(out, &l3->cpus);
}

static void describe_kinds(const struct cpu_facts *facts, struct str *out)
{
	struct cpuset fast = { 0 }, slow = { 0 };

	for (size_t i = 0; i < facts->count; i++) {
		const struct cpu *cpu = &facts->cpus[i];

		if (cpu->online && cpu->kind != CPU_UNIFORM)
			cpuset_add(cpu->kind == CPU_PERFORMANCE ? &fast : &slow, cpu->id);
	}
	if (cpuset_is_empty(&fast))
		return;
	str_add(out, "sys/devices/cpu_core/cpus = ");
	add_set(out, &fast);
	str_add(out, "sys/devices/cpu_atom/cpus = ");
	add_set(out, &slow);
}

static void describe_node(const struct memory_node *node, struct str *out)
{
	static const char nodes[] = "sys/devices/system/node/node";

	str_addf(out, "%s%d/cpulist = ", nodes, node->node);
	add_set(out, &node->cpus);
	str_addf(out, "%s%d/meminfo = Node %d MemTotal: %llu kB\\n\n", nodes, node->node, node->node,
		 (unsigned long long)node->bytes >> 10);
	str_addf(out, "%s%d/distance =", nodes, node->node);
	for (size_t i = 0; i < node->n_distances; i++)
		str_addf(out, " %d", node->distances[i]);
	str_addc(out, '\n');
}

static void describe_machine(const struct machine *machine, struct str *out)
{
	struct cpuset present = { 0 };

	for (size_t i = 0; i < machine->cpus.count; i++) {
		cpuset_add(&present, machine->cpus.cpus[i].id);
		describe_cpu(machine, &machine->cpus.cpus[i], out);
	}
	describe_kinds(&machine->cpus, out);
	for (size_t i = 0; i < machine->memory.n_nodes; i++)
		describe_node(&machine->memory.nodes[i], out);
	str_add(out, "sys/devices/system/cpu/present = ");
	add_set(out, &present);
	str_add(out, "sys/devices/system/cpu/online = ");
	add_set(out, &machine->cpus.online);
	str_add(out, "sys/devices/system/cpu/isolated = ");
	add_set(out, &machine->cpus.isolated);
	str_add(out, "proc/self/status = Cpus_allowed_list:\\t");
	add_set(out, &machine->cpus.allowed);
}

// The machine as it is read back from such files.
static void read_again(const struct machine *machine, struct machine *again)
{
	AUTO_STR struct str manifest = { 0 };
	struct root root = ROOT_CLOSED;
	struct err err = ERR_NONE;
	char dir[PATH_MAX];

	*again = (struct machine){ 0 };
	describe_machine(machine, &manifest);
	assert_int_equal(tree_make(str_text(&manifest), dir, sizeof(dir)), 0);
	assert_int_equal(root_open(&root, dir, &err), 0);
	assert_int_equal(cpu_facts_read(&root, &again->cpus, &err), 0);
	memory_facts_read(&root, &again->memory);
	root_finish(&root);
	tree_remove(dir);
}

static void place_line(const struct machine *machine, const char *words, struct str *line)
{
	struct placement placement;
	struct diags diags = { 0 };
	struct wish wish;

	wish_make(&wish, words);
	place_cpus(&wish.profile, &machine->cpus, &machine->memory, &wish.held, &wish.near, wish.iothreads, &placement,
		   &diags);
	wish_print(&placement, &diags, line);
	placement_finish(&placement);
	diags_finish(&diags);
	wish_finish(&wish);
}

static void facts_read_from_files_place_the_same(void **state)
{
	static const char *const machines[] = {
		SIX_CORES, SIX_NEAR, X3D, HYBRID, DUAL_SOCKET, EIGHT_NODES, "cores=1", "nodes=2 cores=2 no-l3",
		SIX_CORES " offline=7-8 isolated=4-5,10-11", "cores=4 threads=2 stride=7 allowed=0-30",
		"nodes=2 cores=4 bytes=8G,1G",
	};
	static const char *const wishes[] = { "", "vcpus=2 iothreads=1 memory=2G", "vcpus=6", "vcpus=16" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		struct machine machine, again;

		machine_make(&machine, machines[i]);
		read_again(&machine, &again);
		for (size_t k = 0; k < ARRAY_SIZE(wishes); k++) {
			AUTO_STR struct str made = { 0 };
			AUTO_STR struct str read = { 0 };

			place_line(&machine, wishes[k], &made);
			place_line(&again, wishes[k], &read);
			if (!str_eq(str_text(&made), str_text(&read)))
				fail_msg("%s | %s\nmade %s\nread %s", machines[i], wishes[k],
					 str_text(&made), str_text(&read));
		}
		machine_finish(&machine);
		cpu_facts_finish(&again.cpus);
		memory_facts_finish(&again.memory);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_machine_gets_a_sound_placement),
		cmocka_unit_test(facts_read_from_files_place_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
