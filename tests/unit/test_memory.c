// SPDX-License-Identifier: MIT
#include "tune/host/memory.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NODE "sys/devices/system/node/node"
#define MIB (UINT64_C(1) << 20)

static void read_tree(const char *manifest, struct memory_facts *facts)
{
	char dir[PATH_MAX];
	struct root root;

	assert_int_equal(tree_make(manifest, dir, sizeof(dir)), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	memory_facts_read(&root, facts);
	root_finish(&root);
	tree_remove(dir);
}

static void assert_cpus(const struct cpuset *set, const char *want)
{
	AUTO_STR struct str text = { 0 };

	cpuset_print_list(set, &text);
	assert_string_equal(str_text(&text), want);
}

static void test_sparse_and_memory_only_nodes(void **state)
{
	struct memory_facts facts;

	(void)state;
	read_tree("proc/meminfo = MemTotal: 6144 kB\\nMemFree: 100 kB\\nMemAvailable: 2048 kB\n"
		  "sys/devices/system/node/online = 0,2,10\n"
		  "sys/devices/system/node/has_cpu = 0,10\n"
		  NODE "10/cpulist = 4-7\n"
		  NODE "10/meminfo = Node 10 MemTotal: 2048 kB\\nNode 10 MemFree: 1024 kB\n"
		  NODE "10/distance = 21 28 10\n"
		  NODE "2/cpulist =\n"
		  NODE "2/meminfo = Node 2 MemTotal: 4096 kB\\nNode 2 MemFree: 4096 kB\n"
		  NODE "2/distance = 17 10 28\n"
		  NODE "0/cpulist = 0-3\n"
		  NODE "0/meminfo = Node 0 MemTotal: 0 kB\\nNode 0 MemFree: 0 kB\n"
		  NODE "0/distance = 10 17 21\n",
		  &facts);
	assert_int_equal(facts.n_nodes, 3);
	assert_int_equal(facts.nodes[0].node, 0);
	assert_int_equal(facts.nodes[1].node, 2);
	assert_int_equal(facts.nodes[2].node, 10);
	assert_cpus(&facts.nodes[0].cpus, "0-3");
	assert_cpus(&facts.nodes[1].cpus, "");
	assert_cpus(&facts.nodes[2].cpus, "4-7");
	assert_true(facts.nodes[0].sized && facts.nodes[0].bytes == 0);
	assert_true(facts.nodes[1].bytes == 4 * MIB);
	assert_true(facts.nodes[2].bytes == 2 * MIB);
	assert_true(facts.nodes[2].free == MIB);
	assert_int_equal(facts.nodes[2].n_distances, 3);
	assert_int_equal(facts.nodes[2].distances[0], 21);
	assert_int_equal(facts.nodes[2].distances[1], 28);
	assert_true(facts.total == 6 * MIB);
	assert_true(facts.available == 2 * MIB);
	assert_ptr_equal(memory_facts_find(&facts, 10), &facts.nodes[2]);
	assert_null(memory_facts_find(&facts, 1));
	memory_facts_finish(&facts);
}

static void test_pools_by_node_and_size(void **state)
{
	struct memory_facts facts;

	(void)state;
	read_tree(NODE "0/hugepages/hugepages-1048576kB/nr_hugepages = 4\n"
		  NODE "0/hugepages/hugepages-1048576kB/free_hugepages = 1\n"
		  NODE "0/hugepages/hugepages-1048576kB/surplus_hugepages = 0\n"
		  NODE "0/hugepages/hugepages-2048kB/nr_hugepages = 512\n"
		  NODE "0/hugepages/hugepages-2048kB/free_hugepages = 500\n"
		  NODE "0/hugepages/hugepages-2048kB/surplus_hugepages = 12\n"
		  NODE "0/hugepages/hugepages-badkB/nr_hugepages = 1\n"
		  NODE "0/hugepages/other = 1\n"
		  NODE "1/hugepages/hugepages-2048kB/nr_hugepages = 3\n"
		  "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages = 515\n"
		  "sys/kernel/mm/transparent_hugepage/enabled = always [madvise] never\n"
		  "sys/kernel/mm/ksm/run = 1\n"
		  "sys/module/zfs/version = 2.1\n"
		  "proc/sys/vm/min_free_kbytes = 67584\n"
		  "proc/meminfo = SwapTotal: 1024 kB\n",
		  &facts);
	assert_true(facts.ksm && facts.zfs);
	assert_true(facts.min_free == 66 * MIB);
	assert_true(facts.swap == MIB);
	assert_string_equal(facts.pools[2].path, "/" NODE "1/hugepages/hugepages-2048kB/nr_hugepages");
	assert_int_equal(facts.n_pools, 3);
	assert_int_equal(facts.pools[0].node, 0);
	assert_true(facts.pools[0].size == 2 * MIB);
	assert_true(facts.pools[0].total == 512);
	assert_true(facts.pools[0].free == 500);
	assert_true(facts.pools[0].surplus == 12);
	assert_true(facts.pools[1].size == 1024 * MIB);
	assert_true(facts.pools[1].total == 4);
	assert_int_equal(facts.pools[2].node, 1);
	assert_true(facts.pools[2].total == 3);
	assert_string_equal(facts.thp, "madvise");
	memory_facts_finish(&facts);
}

static void test_no_numa(void **state)
{
	struct memory_facts facts;

	(void)state;
	read_tree("proc/meminfo = MemTotal: 4096 kB\\nMemFree: 1024 kB\\nMemAvailable: 2048 kB\n"
		  "sys/devices/system/cpu/online = 0-1\n"
		  "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages = 7\n",
		  &facts);
	assert_int_equal(facts.n_nodes, 1);
	assert_int_equal(facts.nodes[0].node, 0);
	assert_cpus(&facts.nodes[0].cpus, "0-1");
	assert_true(facts.nodes[0].bytes == 4 * MIB);
	assert_true(facts.nodes[0].free == MIB);
	assert_null(facts.nodes[0].distances);
	assert_int_equal(facts.n_pools, 1);
	assert_int_equal(facts.pools[0].node, 0);
	assert_true(facts.pools[0].total == 7);
	assert_string_equal(facts.pools[0].path, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	assert_false(facts.ksm || facts.zfs || facts.swap || facts.min_free);
	assert_string_equal(facts.thp, "");
	memory_facts_finish(&facts);
}

static void test_broken_files_are_unknown(void **state)
{
	struct memory_facts facts;

	(void)state;
	read_tree("proc/meminfo = MemTotal: many kB\\nMemAvailable: 99999999999999999999999 kB\n"
		  NODE "0/cpulist = x\n"
		  NODE "0/distance = 10 20\n"
		  NODE "1/distance = ten 20\n"
		  NODE "1/meminfo =\n"
		  NODE "x/meminfo = Node 3 MemTotal: 1 kB\n"
		  "sys/devices/system/node/node-1/\n"
		  "sys/kernel/mm/transparent_hugepage/enabled = always madvise never\n",
		  &facts);
	assert_int_equal(facts.n_nodes, 2);
	assert_true(facts.total == 0);
	assert_true(facts.available == 0);
	assert_cpus(&facts.nodes[0].cpus, "");
	assert_int_equal(facts.nodes[0].distances[1], 20);
	assert_null(facts.nodes[1].distances);
	assert_false(facts.nodes[1].sized);
	assert_string_equal(facts.thp, "");
	memory_facts_finish(&facts);
	read_tree("", &facts);
	assert_int_equal(facts.n_nodes, 1);
	assert_false(facts.nodes[0].sized);
	memory_facts_finish(&facts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sparse_and_memory_only_nodes),
		cmocka_unit_test(test_pools_by_node_and_size),
		cmocka_unit_test(test_no_numa),
		cmocka_unit_test(test_broken_files_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
