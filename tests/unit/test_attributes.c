// SPDX-License-Identifier: MIT
#include "tune/host/attributes.h"

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define CPUS "sys/devices/system/cpu/"
#define POLICY CPUS "cpufreq/policy"

static void read_tree(const char *manifest, unsigned wanted, const char *cpus, struct attribute_facts *facts)
{
	struct root root = ROOT_CLOSED;
	struct cpuset set = { 0 };
	char dir[PATH_MAX];

	assert_true(cpuset_parse_list(&set, cpus));
	assert_int_equal(tree_make(manifest, dir, sizeof(dir)), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	attribute_facts_read(&root, wanted, &set, facts);
	root_finish(&root);
	tree_remove(dir);
}

static void assert_fact(const struct attribute_fact *fact, int cpu, int policy, const char *path,
			const char *value)
{
	assert_int_equal(fact->cpu, cpu);
	assert_int_equal(fact->policy, policy);
	assert_string_equal(fact->path, path);
	assert_string_equal(fact->value, value);
}

// CPUs 2 and 3 have one clock: one file, whichever of them it is reached through.
static void a_shared_clock_has_one_path(void **state)
{
	struct attribute_facts facts;

	(void)state;
	read_tree(CPUS "cpu1/cpufreq -> ../cpufreq/policy1\n"
		  CPUS "cpu2/cpufreq -> ../cpufreq/policy2\n"
		  CPUS "cpu3/cpufreq -> ../cpufreq/policy2\n"
		  POLICY "1/scaling_governor = schedutil\n"
		  POLICY "2/scaling_governor = powersave\n"
		  POLICY "2/scaling_available_governors = performance powersave\n",
		  1u << ATTRIBUTE_GOVERNOR, "1-3", &facts);
	assert_int_equal(facts.count, 3);
	assert_fact(&facts.items[0], 1, 1, "/" POLICY "1/scaling_governor", "schedutil");
	assert_fact(&facts.items[1], 2, 2, "/" POLICY "2/scaling_governor", "powersave");
	assert_fact(&facts.items[2], 3, 2, "/" POLICY "2/scaling_governor", "powersave");
	assert_true(attribute_takes(&facts.items[2], "performance"));
	assert_false(attribute_takes(&facts.items[2], "perform"));
	attribute_facts_finish(&facts);
}

// What nobody may write is known before anything is tried.
static void a_fixed_attribute_is_told(void **state)
{
	struct attribute_facts facts;
	struct root root = ROOT_CLOSED;
	struct cpuset none = { 0 };
	char dir[PATH_MAX], path[PATH_MAX + 64];

	(void)state;
	assert_int_equal(tree_make("sys/module/kvm/parameters/halt_poll_ns = 200000\n"
				   "sys/module/kvm/parameters/ignore_msrs = N\n", dir, sizeof(dir)), 0);
	snprintf(path, sizeof(path), "%s/sys/module/kvm/parameters/halt_poll_ns", dir);
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	attribute_facts_read(&root, 1u << ATTRIBUTE_HALT_POLL_NS | 1u << ATTRIBUTE_IGNORE_MSRS, &none, &facts);
	root_finish(&root);
	tree_remove(dir);
	assert_int_equal(facts.count, 2);
	assert_true(facts.items[0].fixed);
	assert_false(facts.items[1].fixed);
	attribute_facts_finish(&facts);
}

static void other_layouts_are_read_where_they_are(void **state)
{
	struct attribute_facts facts;

	(void)state;
	read_tree(CPUS "cpu0/cpufreq/scaling_min_freq = 800000\n"
		  CPUS "cpu1/cpufreq -> ../elsewhere/policy7\n" CPUS "elsewhere/policy7/scaling_min_freq = 1\n"
		  CPUS "cpu2/cpufreq -> ../cpufreq/policy3x\n" POLICY "3x/scaling_min_freq = 2\n"
		  CPUS "cpu3/cpufreq -> ../cpufreq/policy99999\n" POLICY "99999/scaling_min_freq = 3\n"
		  CPUS "cpu4/topology/core_id = 0\n",
		  1u << ATTRIBUTE_MIN_FREQ, "0-4", &facts);
	assert_int_equal(facts.count, 4);
	assert_fact(&facts.items[0], 0, -1, "/" CPUS "cpu0/cpufreq/scaling_min_freq", "800000");
	assert_fact(&facts.items[1], 1, -1, "/" CPUS "cpu1/cpufreq/scaling_min_freq", "1");
	assert_fact(&facts.items[2], 2, -1, "/" CPUS "cpu2/cpufreq/scaling_min_freq", "2");
	assert_fact(&facts.items[3], 3, -1, "/" CPUS "cpu3/cpufreq/scaling_min_freq", "3");
	attribute_facts_finish(&facts);
}

static void only_what_is_wanted_is_read(void **state)
{
	static const char manifest[] = CPUS "cpu0/cpufreq/scaling_governor = powersave\n"
				       "sys/module/kvm/parameters/ignore_msrs = N\n"
				       "sys/module/kvm/parameters/halt_poll_ns = 200000\n";
	struct attribute_facts facts;

	(void)state;
	read_tree(manifest, 1u << ATTRIBUTE_IGNORE_MSRS | 1u << ATTRIBUTE_BOOST, "0", &facts);
	assert_int_equal(facts.count, 1);
	assert_fact(&facts.items[0], -1, -1, "/sys/module/kvm/parameters/ignore_msrs", "N");
	attribute_facts_finish(&facts);
	read_tree(manifest, 0, "0", &facts);
	assert_int_equal(facts.count, 0);
	attribute_facts_finish(&facts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shared_clock_has_one_path),
		cmocka_unit_test(a_fixed_attribute_is_told),
		cmocka_unit_test(other_layouts_are_read_where_they_are),
		cmocka_unit_test(only_what_is_wanted_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
