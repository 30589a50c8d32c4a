// SPDX-License-Identifier: MIT
#include "tune/host/cpu.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CPUS "sys/devices/system/cpu/"
#define NODE "sys/devices/system/node/node"

// One CPU's siblings and socket.
#define CPU(id, siblings, socket)                                          \
	CPUS "cpu" id "/topology/core_cpus_list = " siblings "\n"          \
	CPUS "cpu" id "/topology/physical_package_id = " socket "\n"
#define CACHE(id, index, lvl, users, bytes)                                \
	CPUS "cpu" id "/cache/index" index "/level = " lvl "\n"            \
	CPUS "cpu" id "/cache/index" index "/shared_cpu_list = " users "\n" \
	CPUS "cpu" id "/cache/index" index "/size = " bytes "\n"
#define L2(id, users) CACHE(id, "2", "2", users, "512K")
#define L3(id, users, bytes) CACHE(id, "3", "3", users, bytes)
#define KHZ(id, khz) CPUS "cpu" id "/cpufreq/cpuinfo_max_freq = " khz "\n"

struct machine {
	char dir[PATH_MAX];
	struct root root;
	struct cpu_facts facts;
};

static struct machine machine = { .root = ROOT_CLOSED };

static const struct cpu_facts *read_tree(const char *manifest)
{
	struct err err = ERR_NONE;

	assert_int_equal(tree_make(manifest, machine.dir, sizeof(machine.dir)), 0);
	assert_int_equal(root_open(&machine.root, machine.dir, &err), 0);
	assert_int_equal(cpu_facts_read(&machine.root, &machine.facts, &err), 0);
	assert_int_equal(err.code, 0);
	return &machine.facts;
}

static int release(void **state)
{
	(void)state;
	cpu_facts_finish(&machine.facts);
	root_finish(&machine.root);
	tree_remove(machine.dir);
	machine.dir[0] = '\0';
	return 0;
}

// Compares one field of all CPUs in order; '-' is unknown.
#define assert_column(facts, field, want)                                          \
	do {                                                                       \
		AUTO_STR struct str _got = { 0 };                                  \
		for (size_t _i = 0; _i < (facts)->count; _i++) {                   \
			long _value = (long)(facts)->cpus[_i].field;               \
			str_add(&_got, _i ? " " : "");                             \
			if (_value < 0)                                            \
				str_add(&_got, "-");                               \
			else                                                       \
				str_addf(&_got, "%ld", _value);                    \
		}                                                                  \
		assert_string_equal(str_text(&_got), want);                        \
	} while (0)

// P, E or u (uniform) for each CPU.
static void assert_kinds(const struct cpu_facts *facts, const char *want)
{
	AUTO_STR struct str got = { 0 };

	for (size_t i = 0; i < facts->count; i++)
		str_addc(&got, "uPE"[facts->cpus[i].kind]);
	assert_string_equal(str_text(&got), want);
}

static void assert_set(const struct cpuset *set, const char *want)
{
	AUTO_FREE char *text = cpuset_text(set);

	assert_string_equal(text, want);
}

static void test_two_ccx_siblings_side_by_side(void **state)
{
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-7\n" CPUS "present = 0-7\n" CPUS "isolated = 2-3\n"
		CPUS "nohz_full = (null)\n"
		CPU("0", "0-1", "0") L3("0", "0-3", "8192K")
		CPU("2", "2-3", "0")
		CPU("4", "4-5", "0") L3("4", "4-7", "8192K")
		CPU("6", "6-7", "0")
		CPUS "cpu0/topology/package_cpus_list = 0-7\n"
		CPUS "cpu0/topology/die_id = 0\n"
		CPUS "cpu0/topology/die_cpus_list = 0-7\n"
		NODE "0/cpulist = 0-7\n"
		"proc/cpuinfo = processor\\t: 0\\nvendor_id\\t: AuthenticAMD\\n"
		"model name\\t: AMD Ryzen 5 1600 Six-Core Processor\\nflags\\t\\t: fpu svm vmxy\\n"
		"address sizes\\t: 43 bits physical, 48 bits virtual\\n\\n"
		"processor\\t: 1\\nvendor_id\\t: Other\\nflags\\t\\t: vmx\n");

	(void)state;
	assert_column(facts, core, "0 0 1 1 2 2 3 3");
	assert_column(facts, l3, "0 0 0 0 1 1 1 1");
	assert_column(facts, socket, "0 0 0 0 0 0 0 0");
	assert_column(facts, die, "0 0 0 0 0 0 0 0");
	assert_column(facts, node, "0 0 0 0 0 0 0 0");
	assert_column(facts, isolated, "0 0 1 1 0 0 0 0");
	assert_kinds(facts, "uuuuuuuu");
	assert_int_equal(facts->n_cores, 4);
	assert_set(&facts->cores[1].cpus, "2-3");
	assert_int_equal(facts->n_l3s, 2);
	assert_set(&facts->l3s[1].cpus, "4-7");
	assert_true(facts->l3s[1].bytes == 8 << 20);
	assert_set(&facts->nohz_full, "");
	assert_set(&facts->allowed, "0-7");
	assert_string_equal(facts->vendor, "AuthenticAMD");
	assert_string_equal(facts->model_name, "AMD Ryzen 5 1600 Six-Core Processor");
	assert_true(facts->flags_known && facts->svm && !facts->vmx && !facts->hypervisor);
	assert_int_equal(facts->phys_bits, 43);
}

static void test_siblings_half_a_machine_apart(void **state)
{
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-11\n"
		CPU("0", "0,6", "0") CPU("1", "1,7", "0") CPU("2", "2,8", "0")
		CPU("3", "3,9", "0") CPU("4", "4,10", "0") CPU("5", "5,11", "0")
		L3("0", "0-11", "12288K")
		CPUS "cpu0/topology/core_siblings_list = 0-11\n");

	(void)state;
	assert_column(facts, core, "0 1 2 3 4 5 0 1 2 3 4 5");
	assert_column(facts, socket, "0 0 0 0 0 0 0 0 0 0 0 0");
	assert_column(facts, die, "- - - - - - - - - - - -");
	// no NUMA directory: the whole machine is node 0
	assert_column(facts, node, "0 0 0 0 0 0 0 0 0 0 0 0");
	assert_set(&facts->cores[5].cpus, "5,11");
	assert_false(facts->flags_known);
}

static void test_x3d_is_uniform_with_two_sizes_of_l3(void **state)
{
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-7\n"
		CPU("0", "0,4", "0") L3("0", "0-1,4-5", "98304K")
		CPU("1", "1,5", "0") CPU("2", "2,6", "0") L3("2", "2-3,6-7", "32768K")
		CPU("3", "3,7", "0")
		L2("0", "0,4") L2("1", "1,5") L2("2", "2,6") L2("3", "3,7")
		KHZ("0", "5252000") KHZ("1", "5252000") KHZ("2", "5759000") KHZ("3", "5759000")
		KHZ("4", "5252000") KHZ("5", "5252000") KHZ("6", "5759000") KHZ("7", "5759000"));

	(void)state;
	assert_column(facts, l3, "0 0 1 1 0 0 1 1");
	assert_column(facts, max_khz, "5252000 5252000 5759000 5759000 "
				      "5252000 5252000 5759000 5759000");
	assert_true(facts->l3s[0].bytes == 96 << 20);
	assert_true(facts->l3s[1].bytes == 32 << 20);
	assert_kinds(facts, "uuuuuuuu");
}

static void test_two_sockets_with_offline_cpus(void **state)
{
	// CPU 1 is off, and so is CPU 6: its sibling 2 stays alone
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0,2-5,7\n" CPUS "present = 0-7\n" CPUS "possible = 0-63\n"
		CPUS "cpu1/online = 0\n" CPUS "cpu6/online = 0\n"
		CPU("0", "0,4", "0") CPU("2", "2", "1") CPU("3", "3,7", "1") CPU("5", "5", "0")
		L3("0", "0,4-5", "16384K") L3("2", "2-3,7", "16384K")
		CPUS "cpu0/topology/package_cpus_list = 0,4-5\n"
		CPUS "cpu2/topology/package_cpus_list = 2-3,7\n"
		CPUS "cpu2/topology/die_cpus_list = 2-3,7\n"
		CPUS "cpu2/topology/die_id = 1\n"
		NODE "0/cpulist = 0,4-5\n" NODE "1/cpulist = 2-3,7\n");

	(void)state;
	assert_column(facts, id, "0 1 2 3 4 5 6 7");
	assert_column(facts, online, "1 0 1 1 1 1 0 1");
	assert_column(facts, core, "0 - 1 2 0 3 - 2");
	assert_column(facts, socket, "0 - 1 1 0 0 - 1");
	assert_column(facts, die, "- - 1 1 - - - 1");
	assert_column(facts, node, "0 - 1 1 0 0 - 1");
	assert_column(facts, l3, "0 - 1 1 0 0 - 1");
	assert_set(&facts->online, "0,2-5,7");
	assert_null(cpu_facts_find(facts, 8));
	assert_int_equal(cpu_facts_find(facts, 6)->id, 6);
}

static void test_sparse_cpus_and_nodes(void **state)
{
	// node 1 has no CPU, CPU 20 no node; list and present files say more than there is
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-1,8-9,20\n" CPUS "present = 0-1,8-9,20\n"
		CPU("0", "0-1", "0") CPU("8", "8-9", "4") CPU("20", "20", "7")
		L3("0", "0-1", "") L3("8", "8-9", "16M?")
		NODE "0/cpulist = 0-1\n" NODE "1/cpulist =\n" NODE "16/cpulist = 8-10\n");

	(void)state;
	assert_column(facts, id, "0 1 8 9 20");
	assert_column(facts, core, "0 0 1 1 2");
	assert_column(facts, socket, "0 0 4 4 7");
	assert_column(facts, node, "0 0 16 16 -");
	assert_column(facts, l3, "0 0 1 1 -");
	assert_true(facts->l3s[0].bytes == 0);
	assert_true(facts->l3s[1].bytes == 0);
}

static void test_eight_nodes(void **state)
{
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-7\n"
		CPU("0", "0", "0") CPU("1", "1", "0") CPU("2", "2", "0") CPU("3", "3", "0")
		CPU("4", "4", "1") CPU("5", "5", "1") CPU("6", "6", "1") CPU("7", "7", "1")
		NODE "0/cpulist = 0\n" NODE "1/cpulist = 4\n" NODE "2/cpulist = 1\n"
		NODE "3/cpulist = 5\n" NODE "4/cpulist = 2\n" NODE "5/cpulist = 6\n"
		NODE "6/cpulist = 3\n" NODE "7/cpulist = 7\n");

	(void)state;
	assert_column(facts, node, "0 2 4 6 1 3 5 7");
	assert_column(facts, core, "0 1 2 3 4 5 6 7");
	assert_column(facts, socket, "0 0 0 0 1 1 1 1");
	assert_int_equal(facts->n_l3s, 0);
}

static void test_l3_is_known_by_its_level(void **state)
{
	// CPU 0: no second half of L1; CPU 1: one cache more; CPU 2: an L4 last; CPU 3: L2 is the last
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-3\n"
		CACHE("0", "1", "2", "0", "1M") CACHE("0", "2", "3", "0", "4M")
		CACHE("1", "3", "2", "1", "1M") CACHE("1", "4", "3", "1", "8M")
		CACHE("2", "2", "3", "2", "16M") CACHE("2", "3", "4", "2", "64M")
		CACHE("3", "2", "2", "3", "1M"));

	(void)state;
	assert_column(facts, l3, "0 1 2 -");
	assert_true(facts->l3s[0].bytes == 4 << 20);
	assert_true(facts->l3s[1].bytes == 8 << 20);
	assert_true(facts->l3s[2].bytes == 16 << 20);
}

static void test_one_cpu_and_nothing_else(void **state)
{
	const struct cpu_facts *facts = read_tree(CPUS "online = 0\n");

	(void)state;
	assert_column(facts, core, "0");
	assert_column(facts, socket, "-");
	assert_column(facts, l3, "-");
	assert_column(facts, node, "0");
	assert_column(facts, max_khz, "0");
	assert_set(&facts->allowed, "0");
	assert_string_equal(facts->vendor, "");
}

static void test_directories_stand_in_for_the_lists(void **state)
{
	const struct cpu_facts *facts = read_tree(
		CPU("0", "0", "0") CPU("1", "1", "0") CPUS "cpu1/online = 1\n"
		CPUS "cpu10/online = 0\n" CPUS "cpufreq/\n" CPUS "cpu-1/\n" CPUS "cpu99999/\n");

	(void)state;
	assert_column(facts, id, "0 1 10");
	assert_column(facts, online, "1 1 0");
}

static void test_lists_that_disagree(void **state)
{
	// 0 claims 1, which claims 2; nobody may be in two cores, and a list may forget its owner
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-3\n"
		CPU("0", "0-1", "-1") CPU("1", "1-2", "0") CPU("2", "1-2", "0") CPU("3", "2", "0")
		L3("0", "1-2", "1M") L3("3", "0-3", "1M") KHZ("0", "-5"));

	(void)state;
	assert_column(facts, core, "0 0 1 2");
	assert_set(&facts->cores[1].cpus, "2");
	assert_set(&facts->cores[2].cpus, "3");
	assert_column(facts, l3, "0 0 0 1");
	assert_column(facts, socket, "- - 0 0");
	assert_column(facts, max_khz, "0 0 0 0");
}

#define HYBRID_CORES                                                                  \
	CPUS "online = 0-7\n"                                                         \
	CPU("0", "0-1", "0") CPU("2", "2-3", "0") CPU("4", "4", "0") CPU("5", "5", "0") \
	CPU("6", "6", "0") CPU("7", "7", "0") L3("0", "0-7", "12M")

static void test_hybrid_by_pmu(void **state)
{
	const struct cpu_facts *facts = read_tree(
		HYBRID_CORES "sys/devices/cpu_core/cpus = 0-3\nsys/devices/cpu_atom/cpus = 4-7\n");

	(void)state;
	assert_kinds(facts, "PPPPEEEE");
	release(NULL);
	facts = read_tree(HYBRID_CORES "sys/bus/event_source/devices/cpu_atom/cpus = 4-7\n");
	assert_kinds(facts, "PPPPEEEE");
	release(NULL);
	// low-power cores have a PMU of their own
	facts = read_tree(HYBRID_CORES "sys/bus/event_source/devices/cpu_core/cpus = 0-3\n"
				       "sys/bus/event_source/devices/cpu_atom/cpus = 4-5\n"
				       "sys/bus/event_source/devices/cpu_lowpower/cpus = 6-7\n");
	assert_kinds(facts, "PPPPEEEE");
	release(NULL);
	// all of one kind are uniform
	facts = read_tree(HYBRID_CORES "sys/devices/cpu_atom/cpus = 0-7\n");
	assert_kinds(facts, "uuuuuuuu");
	release(NULL);
	// their own list wins over everything else
	facts = read_tree(HYBRID_CORES "sys/devices/cpu_core/cpus = 0-7\n"
			  KHZ("0", "5000000") KHZ("1", "5000000") KHZ("2", "5000000")
			  KHZ("3", "5000000") KHZ("4", "3000000") KHZ("5", "3000000")
			  KHZ("6", "3000000") KHZ("7", "3000000"));
	assert_kinds(facts, "uuuuuuuu");
}

static void test_hybrid_by_l2(void **state)
{
	// as close in frequency as a late machine of this sort; no siblings anywhere
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-5\n"
		L2("0", "0") L2("1", "1") L2("2", "2-5")
		KHZ("0", "4900000") KHZ("1", "5100000") KHZ("2", "4400000") KHZ("3", "4400000")
		KHZ("4", "4400000") KHZ("5", "4400000"));

	(void)state;
	assert_kinds(facts, "PPEEEE");
	release(NULL);
	// nothing is known of speeds: only the siblings tell
	facts = read_tree(HYBRID_CORES L2("0", "0-1") L2("2", "2-3") L2("4", "4-7"));
	assert_kinds(facts, "PPPPEEEE");
}

static void test_shared_l2_alone_is_no_kind(void **state)
{
	// four equal cores, each two with an L2; CPU 3 is off, which makes 2 look like its only user
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-2\n" CPUS "present = 0-3\n"
		L2("0", "0-1") L2("2", "2") KHZ("0", "3000000") KHZ("1", "3000000")
		KHZ("2", "3000000"));

	(void)state;
	assert_kinds(facts, "uuuu");
	release(NULL);
	// the same with one favoured core, which is among the sharing ones
	facts = read_tree(CPUS "online = 0-2\n" L2("0", "0-1") L2("2", "2")
			  KHZ("0", "3200000") KHZ("1", "3000000") KHZ("2", "3000000"));
	assert_kinds(facts, "uuu");
	release(NULL);
	// and where nothing but L2 is known
	facts = read_tree(CPUS "online = 0-2\n" L2("0", "0-1") L2("2", "2"));
	assert_kinds(facts, "uuu");
}

static void test_hybrid_by_frequency(void **state)
{
	const struct cpu_facts *facts = read_tree(
		HYBRID_CORES KHZ("0", "5000000") KHZ("1", "5000000") KHZ("2", "5200000")
		KHZ("3", "5200000") KHZ("4", "3900000") KHZ("5", "3900000") KHZ("6", "2500000")
		KHZ("7", "2500000"));

	(void)state;
	assert_kinds(facts, "PPPPEEEE");
	release(NULL);
	// one frequency is missing: half an answer is none
	facts = read_tree(HYBRID_CORES KHZ("0", "5000000") KHZ("1", "5000000")
			  KHZ("2", "5000000") KHZ("3", "5000000") KHZ("4", "3900000")
			  KHZ("5", "3900000") KHZ("6", "3900000"));
	assert_kinds(facts, "uuuuuuuu");
}

static void test_favoured_cores_are_no_kind(void **state)
{
	// a ladder of small steps, whose ends are far apart
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-7\n"
		KHZ("0", "5083000") KHZ("1", "6280000") KHZ("2", "5881000") KHZ("3", "5593000")
		KHZ("4", "4780000") KHZ("5", "6000000") KHZ("6", "6680000") KHZ("7", "5300000"));

	(void)state;
	assert_kinds(facts, "uuuuuuuu");
	release(NULL);
	facts = read_tree(CPUS "online = 0-3\n" KHZ("0", "4000000") KHZ("1", "3500000")
			  KHZ("2", "3500000") KHZ("3", "3500000"));
	assert_kinds(facts, "uuuu");
}

static void test_hybrid_by_capacity_or_cppc(void **state)
{
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-3\n"
		CPUS "cpu0/cpu_capacity = 1024\n" CPUS "cpu1/cpu_capacity = 1009\n"
		CPUS "cpu2/cpu_capacity = 700\n" CPUS "cpu3/cpu_capacity = 700\n");

	(void)state;
	assert_kinds(facts, "PPEE");
	release(NULL);
	// the capacities of a uniform machine are all alike, and then say nothing
	facts = read_tree(HYBRID_CORES CPUS "cpu0/cpu_capacity = 1024\n"
			  CPUS "cpu0/acpi_cppc/highest_perf = 64\n"
			  CPUS "cpu1/acpi_cppc/highest_perf = 64\n"
			  CPUS "cpu2/acpi_cppc/highest_perf = 67\n"
			  CPUS "cpu3/acpi_cppc/highest_perf = 67\n"
			  CPUS "cpu4/acpi_cppc/highest_perf = 39\n"
			  CPUS "cpu5/acpi_cppc/highest_perf = 39\n"
			  CPUS "cpu6/acpi_cppc/highest_perf = 39\n"
			  CPUS "cpu7/acpi_cppc/highest_perf = 39\n");
	assert_kinds(facts, "PPPPEEEE");
}

static void test_allowed(void **state)
{
	static const struct {
		const char *files, *want;
	} cases[] = {
		{ "proc/self/status = Name: x\\nCpus_allowed: 0c\\nCpus_allowed_list: 2-3,9\\nX: 1\n"
		  "proc/self/cgroup = 0::/a\nsys/fs/cgroup/a/cpuset.cpus.effective = 1\n", "2-3" },
		{ "proc/self/cgroup = 0::/user.slice/a.scope\n"
		  "sys/fs/cgroup/user.slice/cpuset.cpus.effective = 1-2\n"
		  "sys/fs/cgroup/cpuset.cpus.effective = 0-3\n", "1-2" },
		{ "proc/self/cgroup = 0::/\nsys/fs/cgroup/cpuset.cpus.effective = 0-2\n", "0-2" },
		{ "proc/self/cgroup = 5:cpu,cpuset:/box\\n0::/\n"
		  "sys/fs/cgroup/cpuset/box/cpuset.cpus = 3\n", "3" },
		{ "proc/self/cgroup = 5:cpusetx:/box\n"
		  "sys/fs/cgroup/cpuset/box/cpuset.cpus = 3\n", "0-3" },
		{ "sys/fs/cgroup/cpuset.cpus.effective = 0-1\n", "0-1" },
		{ "proc/self/status = Cpus_allowed_list: 8-9\n", "0-3" },
		// isolcpus=2,3: what the affinity lacks from boot on, the cpuset may still grant
		{ CPUS "isolated = 2-3\nproc/self/status = Cpus_allowed_list: 0-1\n", "0-3" },
		{ CPUS "isolated = 2-3\nproc/self/status = Cpus_allowed_list: 0\n"
		  "proc/self/cgroup = 0::/\nsys/fs/cgroup/cpuset.cpus.effective = 0-3\n", "0,2-3" },
		{ CPUS "isolated = 2-3\nproc/self/status = Cpus_allowed_list: 0-1\n"
		  "proc/self/cgroup = 0::/a\nsys/fs/cgroup/a/cpuset.cpus.effective = 0-2\n", "0-2" },
		{ "proc/self/status = Cpus_allowed_list: many\nproc/self/cgroup = junk\n", "0-3" },
		{ "", "0-3" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_STR struct str manifest = { 0 };

		str_addf(&manifest, "%sonline = 0-3\n%s", CPUS, cases[i].files);
		assert_set(&read_tree(manifest.text)->allowed, cases[i].want);
		release(NULL);
	}
}

// What a partition has is nobody else's: it is not there for the next guest.
static void test_isolated_at_boot(void **state)
{
	const struct cpu_facts *facts = read_tree(
		CPUS "online = 0-3\n" CPUS "isolated = 1\n" CPUS "nohz_full = 1-2\n"
		"sys/fs/cgroup/cpuset.cpus.isolated = 1,3\n");

	(void)state;
	assert_set(&facts->isolated, "1");
	assert_set(&facts->nohz_full, "1-2");
	assert_column(facts, isolated, "0 1 0 0");
}

static void test_no_cpus(void **state)
{
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(tree_make("machine/" CPUS "online = 0\n", machine.dir,
				   sizeof(machine.dir)), 0);
	assert_int_equal(root_open(&machine.root, machine.dir, &err), 0);
	assert_int_equal(cpu_facts_read(&machine.root, &machine.facts, &err), -ENOENT);
	assert_non_null(strstr(err.text, machine.dir));
	assert_non_null(strstr(err.text, "one folder down"));
}

static void test_long_cpuinfo_is_not_read_whole(void **state)
{
	AUTO_STR struct str text = { 0 };
	const struct cpu_facts *facts;

	(void)state;
	str_add(&text, CPUS "online = 0\nproc/cpuinfo = vendor_id : GenuineIntel\\nflags : vmx");
	for (int i = 0; i < 200; i++)
		str_addf(&text, " flag%d", i);
	str_add(&text, " hypervisor\\n\\n");
	for (int i = 0; i < 5000; i++)
		str_addf(&text, "processor : %d\\nvendor_id : Other\\n\\n", i);
	str_add(&text, "\n");
	facts = read_tree(text.text);
	assert_string_equal(facts->vendor, "GenuineIntel");
	assert_true(facts->vmx && facts->hypervisor);
}

// What lscpu says of the live machine: a line "CPU,Core,Socket,Node" for each online CPU.
static void test_live_machine_against_lscpu(void **state)
{
	AUTO_FCLOSE FILE *stream = NULL;
	char line[256];
	int lines = 0;

	(void)state;
	if (access("/usr/bin/lscpu", X_OK) < 0)
		skip();
	assert_int_equal(root_open(&machine.root, NULL, NULL), 0);
	assert_int_equal(cpu_facts_read(&machine.root, &machine.facts, NULL), 0);
	stream = popen("LC_ALL=C /usr/bin/lscpu -p=CPU,CORE,SOCKET,NODE", "r");
	assert_non_null(stream);
	while (fgets(line, sizeof(line), stream)) {
		const struct cpu *cpu;
		int id, core, socket, node = 0;

		if (sscanf(line, "%d,%d,%d,%d", &id, &core, &socket, &node) < 3)
			continue;
		lines++;
		cpu = cpu_facts_find(&machine.facts, id);
		assert_non_null(cpu);
		assert_int_equal(cpu->core, core);
		assert_int_equal(cpu->node, node);
	}
	pclose(take(stream));
	assert_int_equal(lines, cpuset_count(&machine.facts.online));
	assert_true(cpuset_contains(&machine.facts.online, &machine.facts.allowed));
}

#define TEST(function) cmocka_unit_test_teardown(function, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_two_ccx_siblings_side_by_side),
		TEST(test_siblings_half_a_machine_apart),
		TEST(test_x3d_is_uniform_with_two_sizes_of_l3),
		TEST(test_two_sockets_with_offline_cpus),
		TEST(test_sparse_cpus_and_nodes),
		TEST(test_eight_nodes),
		TEST(test_l3_is_known_by_its_level),
		TEST(test_one_cpu_and_nothing_else),
		TEST(test_directories_stand_in_for_the_lists),
		TEST(test_lists_that_disagree),
		TEST(test_hybrid_by_pmu),
		TEST(test_hybrid_by_l2),
		TEST(test_shared_l2_alone_is_no_kind),
		TEST(test_hybrid_by_frequency),
		TEST(test_favoured_cores_are_no_kind),
		TEST(test_hybrid_by_capacity_or_cppc),
		TEST(test_allowed),
		TEST(test_isolated_at_boot),
		TEST(test_no_cpus),
		TEST(test_long_cpuinfo_is_not_read_whole),
		TEST(test_live_machine_against_lscpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
