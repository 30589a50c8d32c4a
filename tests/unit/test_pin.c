// SPDX-License-Identifier: MIT
#include "tune/pin.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct sched other = { .class = SCHED_CLASS_OTHER };
static const struct cpuset nowhere;

// A thread to pin that is not the test itself.
static int setup(void **state)
{
	static pid_t pid;

	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	*state = &pid;
	return pid < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	pid_t pid = *(pid_t *)*state;

	kill(pid, SIGKILL);
	return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static struct cpuset allowed(void)
{
	struct cpuset cpus;
	struct sched sched;

	assert_int_equal(pin_read(getpid(), &cpus, &sched), 0);
	assert_false(cpuset_is_empty(&cpus));
	return cpus;
}

static int absent_cpu(void)
{
	return CPUSET_MAX - 1;
}

static void test_sched_text_goes_both_ways(void **state)
{
	static const char *const texts[] = { "other", "rr:1", "rr:99", "fifo:2" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO_STR struct str out = { 0 };
		struct sched sched;

		assert_true(sched_parse(texts[i], &sched));
		sched_print(&sched, &out);
		assert_string_equal(out.text, texts[i]);
	}
}

static void test_sched_parse_refuses(void **state)
{
	static const char *const texts[] = {
		"",	  "rr",	     "rr:",	"rr:0",	 "rr:100", "rr:-1", "rr:1 ",
		"fifo:x", "other:1", "other:0", "OTHER", "r:1",	   "rrr:1",
		"rr:18446744073709551617",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct sched sched;

		if (sched_parse(texts[i], &sched))
			fail_msg("\"%s\" was taken", texts[i]);
	}
}

static void test_pins_to_each_single_cpu(void **state)
{
	pid_t pid = *(pid_t *)*state;
	struct cpuset all = allowed();

	CPUSET_FOREACH(cpu, &all) {
		struct cpuset one = { 0 }, now;
		struct sched sched;
		struct err err = ERR_NONE;

		cpuset_add(&one, cpu);
		assert_int_equal(pin_apply(pid, &one, &other, &err), 0);
		assert_int_equal(pin_read(pid, &now, &sched), 0);
		assert_true(cpuset_equal(&now, &one));
		assert_int_equal(sched.class, SCHED_CLASS_OTHER);
	}
}

static void test_empty_set_leaves_affinity(void **state)
{
	pid_t pid = *(pid_t *)*state;
	struct cpuset all = allowed(), first = { 0 }, now;
	struct sched sched;

	cpuset_add(&first, cpuset_next(&all, -1));
	assert_int_equal(pin_apply(pid, &first, &other, NULL), 0);
	assert_int_equal(pin_apply(pid, &nowhere, &other, NULL), 0);
	assert_int_equal(pin_read(pid, &now, &sched), 0);
	assert_true(cpuset_equal(&now, &first));
}

static void test_cpu_that_is_not_there(void **state)
{
	pid_t pid = *(pid_t *)*state;
	struct cpuset cpus = { 0 };
	struct err err = ERR_NONE;

	cpuset_add(&cpus, absent_cpu());
	assert_int_equal(pin_apply(pid, &cpus, &other, &err), -EINVAL);
	assert_non_null(strstr(err.text, "8191"));
	assert_non_null(strstr(err.text, "cpuset"));
}

static void test_partly_taken_names_both_sets(void **state)
{
	pid_t pid = *(pid_t *)*state;
	struct cpuset all = allowed(), cpus = { 0 };
	int first = cpuset_next(&all, -1);
	AUTO_FREE char *asked = NULL, *given = mem_printf("only %d:", first);
	struct err err = ERR_NONE;

	cpuset_add(&cpus, first);
	cpuset_add(&cpus, absent_cpu());
	asked = cpuset_text(&cpus);
	assert_int_equal(pin_apply(pid, &cpus, &other, &err), -EIO);
	assert_non_null(strstr(err.text, asked));
	assert_non_null(strstr(err.text, given));
}

static bool may_use_realtime(void)
{
	const struct sched_param param = { .sched_priority = 1 };
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(sched_setscheduler(0, SCHED_RR, &param) < 0);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

static void test_realtime_resets_on_fork(void **state)
{
	pid_t pid = *(pid_t *)*state;
	const struct sched rr = { SCHED_CLASS_RR, 1 }, fifo = { SCHED_CLASS_FIFO, 2 };
	struct cpuset cpus;
	struct sched now;

	if (!may_use_realtime())
		skip();
	assert_int_equal(pin_apply(pid, &nowhere, &rr, NULL), 0);
	assert_int_equal(sched_getscheduler(pid), SCHED_RR | SCHED_RESET_ON_FORK);
	assert_int_equal(pin_apply(pid, &nowhere, &fifo, NULL), 0);
	assert_int_equal(pin_read(pid, &cpus, &now), 0);
	assert_int_equal(now.class, SCHED_CLASS_FIFO);
	assert_int_equal(now.priority, 2);
	assert_int_equal(pin_apply(pid, &nowhere, &other, NULL), 0);
	assert_int_equal(pin_read(pid, &cpus, &now), 0);
	assert_int_equal(now.class, SCHED_CLASS_OTHER);
	assert_int_equal(now.priority, 0);
}

static void test_other_leaves_batch_alone(void **state)
{
	pid_t pid = *(pid_t *)*state;
	const struct sched_param param = { 0 };

	assert_int_equal(sched_setscheduler(pid, SCHED_BATCH, &param), 0);
	assert_int_equal(pin_apply(pid, &nowhere, &other, NULL), 0);
	assert_int_equal(sched_getscheduler(pid), SCHED_BATCH);
}

// In a child that has given up its rights: 0 when refused with the remedy.
static int ask_without_rights(pid_t pid)
{
	const struct sched rr = { SCHED_CLASS_RR, 7 };
	const struct rlimit none = { 0, 0 };
	struct err err = ERR_NONE;

	if (setrlimit(RLIMIT_RTPRIO, &none) < 0 || (geteuid() == 0 && setuid(65534) < 0))
		return 2;
	if (pin_apply(geteuid() == 65534 ? getpid() : pid, &nowhere, &rr, &err) != -EPERM)
		return 3;
	return !strstr(err.text, "rr:7") || !strstr(err.text, "CAP_SYS_NICE") ||
	       !strstr(err.text, "RLIMIT_RTPRIO of at least 7") ||
	       !strstr(err.text, "scheduler = other");
}

static void test_refused_class_says_why(void **state)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(ask_without_rights(*(pid_t *)*state));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_ended_thread(void **state)
{
	struct cpuset all = allowed(), cpus;
	struct err err = ERR_NONE;
	struct sched sched;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(pin_apply(pid, &all, &other, &err), -ESRCH);
	assert_non_null(strstr(err.text, "thread "));
	assert_int_equal(pin_apply(pid, &nowhere, &other, &err), -ESRCH);
	assert_int_equal(pin_read(pid, &cpus, &sched), -ESRCH);
}

// In a process of its own, as it moves the one that calls it: 0, or the number of the first thing that is not so.
static int stand_aside(void)
{
	struct cpuset all = allowed(), first = { 0 }, left = all, now;
	struct sched sched;
	int status;
	pid_t child;

	pin_stand_back(); // it has not stood aside
	pin_stand_aside(&all);
	if (pin_read(0, &now, &sched) < 0 || !cpuset_equal(&now, &all))
		return 1;
	cpuset_add(&first, cpuset_next(&all, -1));
	cpuset_minus(&left, &first);
	if (cpuset_is_empty(&left))
		return 0; // one CPU: nothing more to see
	pin_stand_aside(&first);
	pin_stand_aside(&left); // it stands aside already
	if (pin_read(0, &now, &sched) < 0 || !cpuset_equal(&now, &left))
		return 2;
	child = fork();
	if (child == 0) {
		pin_stand_back();
		_exit(pin_read(0, &now, &sched) < 0 || !cpuset_equal(&now, &all));
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		return 3;
	pin_stand_back();
	return pin_read(0, &now, &sched) < 0 || !cpuset_equal(&now, &all) ? 4 : 0;
}

static void test_stands_aside(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(stand_aside());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sched_text_goes_both_ways),
		cmocka_unit_test(test_sched_parse_refuses),
		cmocka_unit_test_setup_teardown(test_pins_to_each_single_cpu, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_set_leaves_affinity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpu_that_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partly_taken_names_both_sets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_realtime_resets_on_fork, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_leaves_batch_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_class_says_why, setup, teardown),
		cmocka_unit_test(test_ended_thread),
		cmocka_unit_test(test_stands_aside),
	};

	return cmocka_run_group_tests_name("pin", tests, NULL, NULL);
}
