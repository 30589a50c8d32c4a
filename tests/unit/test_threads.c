// SPDX-License-Identifier: MIT
// What is read of threads and clocks, on made-up trees and of ourselves.
#include "tune/host/threads.h"

#include "base/cleanup.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

// Field 3 and on of a thread on CPU `cpu` of a class: 39 is the CPU, 40 the priority, 41 the policy.
#define STAT_HEAD "S 1 980 980 0 -1 4194368 1 0 0 0 5 6 0 0 20 0 4 0 500 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 17 "
#define STAT_TAIL " 0 0 0 0 0 0 0 0 0 0 0"

struct made {
	char dir[PATH_MAX];
	struct root root;
};

static void make(struct made *made, const char *manifest)
{
	assert_int_equal(tree_make(manifest, made->dir, sizeof(made->dir)), 0);
	assert_int_equal(root_open(&made->root, made->dir, NULL), 0);
}

static void finish(struct made *made)
{
	root_finish(&made->root);
	tree_remove(made->dir);
}

static void test_a_thread(void **state)
{
	struct thread_counts counts = { 0 };
	struct made made;

	(void)state;
	make(&made, "proc/980/task/984/stat = 984 (CPU 0) R (/KVM) " STAT_HEAD "7 1 2" STAT_TAIL "\n"
		    "proc/980/task/984/schedstat = 6006185 8049678 15\n"
		    "proc/980/task/984/status = Name:\\tx\\nvoluntary_ctxt_switches:\\t3\\n"
		    "nonvoluntary_ctxt_switches:\\t11\n"
		    "proc/980/task/984/sched = CPU 0/KVM (984, #threads: 4)\\n---\\n"
		    "se.nr_migrations                             :                   42\\n"
		    "nr_voluntary_switches                        :                    9\\n"
		    "nr_involuntary_switches                      :                   12\\n");
	assert_int_equal(thread_read_counts(&made.root, 980, 984, &counts), 0);
	assert_int_equal(counts.pid, 980);
	assert_int_equal(counts.tid, 984);
	assert_string_equal(counts.name, "CPU 0) R (/KVM");
	assert_string_equal(counts.policy, "rr:1");
	assert_int_equal(counts.cpu, 7);
	assert_int_equal(counts.run_ns, 6006185);
	assert_int_equal(counts.wait_ns, 8049678);
	assert_int_equal(counts.turns, 15);
	assert_int_equal(counts.involuntary, 12);
	assert_true(counts.migrations_known);
	assert_int_equal(counts.migrations, 42);
	assert_int_equal(thread_read_counts(&made.root, 980, 985, &counts), -ESRCH);
	finish(&made);
}

static void test_without_sched(void **state)
{
	struct thread_counts counts = { 0 };
	struct made made;

	(void)state;
	make(&made, "proc/5/task/5/stat = 5 (a\\x1b[2Jb) " STAT_HEAD "0 0 3" STAT_TAIL "\n"
		    "proc/5/task/5/schedstat = 1 2 3\n"
		    "proc/5/task/5/status = nonvoluntary_ctxt_switches:\\t11\n");
	assert_int_equal(thread_read_counts(&made.root, 5, 5, &counts), 0);
	assert_string_equal(counts.name, "a?[2Jb"); // no byte that commands a terminal
	assert_string_equal(counts.policy, "batch");
	assert_int_equal(counts.involuntary, 11);
	assert_false(counts.migrations_known);
	finish(&made);
}

static void test_what_is_wrong(void **state)
{
	static const struct {
		const char *manifest;
		int code;
	} rows[] = {
		{ "proc/5/task/5/stat = 5 (a) " STAT_HEAD "0 0 0" STAT_TAIL "\n", -ENOTSUP },
		{ "proc/5/task/5/stat = 5 (a) S 1 2\nproc/5/task/5/schedstat = 1 2 3\n", -EINVAL },
		{ "proc/5/task/5/stat = nothing\nproc/5/task/5/schedstat = 1 2 3\n", -EINVAL },
		{ "proc/5/task/5/stat = 5 (a) " STAT_HEAD "9999999 0 0" STAT_TAIL "\n", -EINVAL },
		{ "proc/5/task/5/stat = 5 (a) " STAT_HEAD "-1 0 0" STAT_TAIL "\n", -EINVAL },
		{ "proc/5/task/5/stat = 5 (a) " STAT_HEAD "0 0 0" STAT_TAIL "\nproc/5/task/5/schedstat = 1 2\n",
		  -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct thread_counts counts = { 0 };
		struct made made;

		make(&made, rows[i].manifest);
		assert_int_equal(thread_read_times(&made.root, 5, 5, &counts), rows[i].code);
		finish(&made);
	}
}

static void test_clocks(void **state)
{
	struct cpuset cpus;
	struct cpu_clock *clocks;
	struct made made;
	size_t count;

	(void)state;
	make(&made, "sys/devices/system/cpu/cpu2/cpufreq/scaling_cur_freq = 3400123\n"
		    "sys/devices/system/cpu/cpu2/cpufreq/cpuinfo_max_freq = 4700000\n"
		    "sys/devices/system/cpu/cpu3/cpufreq/cpuinfo_max_freq = 4600000\n"
		    "proc/cpuinfo = processor\\t: 3\\nmodel name\\t: processor : 4\\ncpu MHz\\t\\t: 1200.500\\n\\n"
		    "processor\\t: 13\\ncpu MHz\\t\\t: 999.000\\n\n");
	assert_true(cpuset_parse_list(&cpus, "2-4,13"));
	clocks = cpu_clocks_read(&made.root, &cpus, &count);
	assert_int_equal(count, 4);
	assert_int_equal(clocks[0].cpu, 2);
	assert_int_equal(clocks[0].khz, 3400123);
	assert_int_equal(clocks[0].max_khz, 4700000);
	assert_int_equal(clocks[1].khz, 1200500);
	assert_int_equal(clocks[1].max_khz, 4600000);
	assert_int_equal(clocks[2].cpu, 4);
	assert_int_equal(clocks[2].khz, 0);
	assert_int_equal(clocks[2].max_khz, 0);
	assert_int_equal(clocks[3].khz, 999000);
	free(clocks);
	finish(&made);
}

// The running kernel's own words are understood: what we burn is counted, and as ours.
static void test_ourselves(void **state)
{
	struct thread_counts before = { 0 }, after = { 0 };
	struct timespec used;
	struct root root;
	cpu_set_t one;
	pid_t tid = (pid_t)syscall(SYS_gettid);
	int r, cpu = sched_getcpu();

	(void)state;
	assert_int_equal(root_open(&root, NULL, NULL), 0);
	r = thread_read_counts(&root, getpid(), tid, &before);
	if (r == -ENOTSUP) {
		root_finish(&root);
		skip();
	}
	assert_int_equal(r, 0);
	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	while (used.tv_sec * 1000000000ULL + (uint64_t)used.tv_nsec < before.run_ns + 20000000);
	sched_yield(); // the sums grow when a turn ends
	assert_int_equal(thread_read_counts(&root, getpid(), tid, &after), 0);
	assert_int_equal(after.cpu, cpu);
	assert_string_equal(after.policy, "other");
	assert_true(after.run_ns >= before.run_ns + 10000000);
	assert_true(after.turns >= before.turns);
	root_finish(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_thread),
		cmocka_unit_test(test_without_sched),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_ourselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
