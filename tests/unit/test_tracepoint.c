// SPDX-License-Identifier: MIT
// The kernel says when a tracepoint is passed, on the CPUs that were asked for and no other, and nothing else wakes
// anybody. A signal is the one that a test can pass by itself.
#include "tune/tracepoint.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_passed(const struct tracepoint *tracepoint, int patience_ms)
{
	struct pollfd fd = { .fd = tracepoint->fd, .events = POLLIN };

	return poll(&fd, 1, patience_ms) > 0;
}

// On a CPU a child of ours sends itself a signal that it ignores, so many times.
static void pass(int cpu, int times)
{
	pid_t pid = fork();
	cpu_set_t set;
	int status;

	if (pid == 0) {
		CPU_ZERO(&set);
		CPU_SET((size_t)cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) < 0)
			_exit(1);
		signal(SIGUSR1, SIG_IGN);
		while (times-- > 0)
			kill(getpid(), SIGUSR1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

// Skips where this machine or user has no tracepoints.
static void open_or_skip(struct tracepoint *tracepoint, const char *name, const struct cpuset *cpus)
{
	struct err err = ERR_NONE;
	int r = tracepoint_open(tracepoint, name, cpus, &err);

	if (r == 0)
		return;
	assert_int_equal(tracepoint->fd, -1);
	assert_true(err.text[0]);
	print_message("%s\n", err.text);
	skip();
}

static struct cpuset this_cpu(void)
{
	struct cpuset cpus = { 0 };

	cpuset_add(&cpus, sched_getcpu());
	return cpus;
}

static void is_told_each_time(void **state)
{
	struct cpuset cpus = this_cpu();
	struct tracepoint tracepoint;

	(void)state;
	open_or_skip(&tracepoint, "signal/signal_generate", &cpus);
	for (int i = 0; i < 3; i++) {
		CPUSET_FOREACH(cpu, &cpus)
			pass(cpu, 1);
		assert_true(is_passed(&tracepoint, 10000));
		tracepoint_clear(&tracepoint);
	}
	tracepoint_close(&tracepoint);
	assert_int_equal(tracepoint.fd, -1);
}

// What does not happen is waited for in vain; and what nobody looks at is told all the same, however often it happens.
static void nothing_is_nothing(void **state)
{
	enum { OFTEN = 5000 };
	struct cpuset cpus = this_cpu();
	struct tracepoint rare, often;

	(void)state;
	open_or_skip(&rare, "irq_vectors/vector_setup", &cpus);
	open_or_skip(&often, "signal/signal_generate", &cpus);
	for (int i = 0; i < 2; i++) {
		CPUSET_FOREACH(cpu, &cpus)
			pass(cpu, OFTEN);
		assert_true(is_passed(&often, 10000));
		tracepoint_clear(&often);
	}
	assert_false(is_passed(&rare, 100));
	tracepoint_close(&rare);
	tracepoint_close(&often);
}

static void what_is_not_there_is_named(void **state)
{
	struct cpuset cpus = this_cpu();
	struct tracepoint tracepoint;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(tracepoint_open(&tracepoint, "vfiorun/nothing", &cpus, &err), -ENOENT);
	assert_non_null(strstr(err.text, "vfiorun/nothing"));
	assert_int_equal(tracepoint.fd, -1);
	tracepoint_close(&tracepoint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_told_each_time),
		cmocka_unit_test(nothing_is_nothing),
		cmocka_unit_test(what_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
