// SPDX-License-Identifier: MIT
#include "tune/host/daemons.h"

#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void read_tree(const char *manifest, struct daemon_facts *facts)
{
	char dir[PATH_MAX];
	struct root root;

	assert_int_equal(tree_make(manifest, dir, sizeof(dir)), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	daemon_facts_read(&root, facts);
	root_finish(&root);
	tree_remove(dir);
}

static void test_by_name(void **state)
{
	struct daemon_facts facts;

	(void)state;
	read_tree("proc/1/comm = systemd\n"
		  "proc/self/comm = tuned\n" // no process of its own
		  "proc/700/comm = power-profiles-\n"
		  "proc/701/comm = irqbalance\n"
		  "proc/702/comm = irqbalance-ui\n"
		  "proc/703/comm = auto-cpufreqd\n",
		  &facts);
	assert_int_equal(facts.pids[DAEMON_TUNED], 0);
	assert_int_equal(facts.pids[DAEMON_POWER_PROFILES], 700);
	assert_int_equal(facts.pids[DAEMON_IRQBALANCE], 701);
	assert_int_equal(facts.pids[DAEMON_AUTO_CPUFREQ], 0);
	assert_true(facts.known);
	assert_string_equal(facts.tuned_profile, "");
	assert_string_equal(daemon_name(DAEMON_TUNED), "TuneD");
}

static void test_tuned_as_a_script(void **state)
{
	struct daemon_facts facts;

	(void)state;
	read_tree("proc/812/comm = python3\nrun/tuned/tuned.pid = 812\n"
		  "etc/tuned/active_profile = virtual-host\n", &facts);
	assert_int_equal(facts.pids[DAEMON_TUNED], 812);
	assert_false(facts.known); // root's processes are hidden
	assert_string_equal(facts.tuned_profile, "virtual-host");
	// left behind by one that was killed
	read_tree("proc/5/comm = python3\nrun/tuned/tuned.pid = 812\n", &facts);
	assert_int_equal(facts.pids[DAEMON_TUNED], 0);
	read_tree("proc/5/comm = python3\nrun/tuned/tuned.pid = /../5\n", &facts);
	assert_int_equal(facts.pids[DAEMON_TUNED], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_name),
		cmocka_unit_test(test_tuned_as_a_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
