// SPDX-License-Identifier: MIT
#include "tune/host/process.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

// A child that sleeps until it is killed; it is named before this returns.
static pid_t start_child(const char *name)
{
	int pipes[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		if (write(pipes[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

// Leaves a zombie: dead, not reaped.
static void kill_child(pid_t pid)
{
	siginfo_t info;

	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

// Linux before 5.3, and some checkers' stand-in for the kernel, have none.
static bool have_pidfds(void)
{
	AUTO_CLOSE int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	return fd >= 0;
}

static void test_names_with_parentheses(void **state)
{
	static const char *const names[] = { "plain", "a) R (b c", ") 1 2 3 4 5 6", "((", "x\ny" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		pid_t pid = start_child(names[i]);
		struct process_id id = { 0 }, again = { 0 };

		assert_int_equal(process_read_id(pid, &id), 0);
		assert_int_equal(id.pid, pid);
		assert_true(id.start > 0);
		assert_int_equal(process_read_id(pid, &again), 0);
		assert_true(again.start == id.start);
		kill_child(pid);
		waitpid(pid, NULL, 0);
	}
}

static void test_a_zombie_is_gone(void **state)
{
	pid_t pid = start_child("zombie");
	struct process_id id, untouched = { .pid = 1, .start = 2 };
	int gone = have_pidfds() ? -ESRCH : -ENOSYS;

	(void)state;
	assert_int_equal(process_read_id(pid, &id), 0);
	kill_child(pid);
	assert_int_equal(process_read_id(pid, &untouched), -ESRCH);
	assert_int_equal(untouched.pid, 1);
	assert_int_equal(process_open(&id), gone);
	waitpid(pid, NULL, 0);
	assert_int_equal(process_read_id(pid, &untouched), -ESRCH);
	assert_int_equal(process_open(&id), gone);
}

static void test_open_takes_only_that_process(void **state)
{
	struct pollfd poller = { .events = POLLIN };
	struct process_id id;
	pid_t pid;

	(void)state;
	if (!have_pidfds())
		skip();
	pid = start_child("guest");
	assert_int_equal(process_read_id(pid, &id), 0);
	id.start++;
	assert_int_equal(process_open(&id), -ESRCH);
	id.start--;
	poller.fd = process_open(&id);
	assert_true(poller.fd >= 0);
	assert_int_equal(poll(&poller, 1, 0), 0);
	kill_child(pid);
	assert_int_equal(poll(&poller, 1, -1), 1);
	close(poller.fd);
	waitpid(pid, NULL, 0);
}

struct thread {
	pthread_t thread;
	pthread_barrier_t started, done;
	pid_t tid;
};

static void *run_thread(void *data)
{
	struct thread *t = data;

	t->tid = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&t->started);
	pthread_barrier_wait(&t->done);
	return NULL;
}

static void test_threads(void **state)
{
	struct thread t;
	struct thread_list list;
	bool found = false;

	(void)state;
	pthread_barrier_init(&t.started, NULL, 2);
	pthread_barrier_init(&t.done, NULL, 2);
	assert_int_equal(pthread_create(&t.thread, NULL, run_thread, &t), 0);
	pthread_barrier_wait(&t.started);
	assert_true(process_has_thread(getpid(), t.tid));
	assert_false(process_has_thread(getppid(), t.tid));
	assert_false(process_has_thread(getpid(), 0));
	assert_false(process_has_thread(getpid(), -1));
	assert_int_equal(process_list_threads(getpid(), &list), 0);
	for (size_t i = 0; i < list.count; i++) {
		found |= list.tids[i] == t.tid;
		assert_true(i == 0 || list.tids[i - 1] < list.tids[i]);
	}
	assert_true(found);
	thread_list_finish(&list);
	pthread_barrier_wait(&t.done);
	pthread_join(t.thread, NULL);
	pthread_barrier_destroy(&t.started);
	pthread_barrier_destroy(&t.done);
}

static void test_no_such_process(void **state)
{
	struct thread_list list;

	(void)state;
	assert_int_equal(process_list_threads(-1, &list), -ESRCH);
	assert_int_equal(list.count, 0);
}

static void test_vhost_names_of_programs_do_not_count(void **state)
{
	struct thread_list list;
	char name[32];
	pid_t pid;

	(void)state;
	snprintf(name, sizeof(name), "vhost-%d", (int)getpid());
	pid = start_child(name);
	assert_int_equal(process_list_vhost(getpid(), &list), 0);
	assert_int_equal(list.count, 0);
	thread_list_finish(&list);
	kill_child(pid);
	waitpid(pid, NULL, 0);
}

// Whether it is known from the list of the kernel's threads, by their table of descriptors, or by the path alone.
static void test_who_may_have_a_program(void **state)
{
	AUTO_CLOSE int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), elsewhere = open("/", O_RDONLY);
	const struct kernel_threads nothing = { 0 };
	struct kernel_threads all, none;
	pid_t pid = start_child("sleeper");
	pid_t own = getpid();

	(void)state;
	process_find_kernel_threads(proc, &all);
	process_find_kernel_threads(elsewhere, &none);
	assert_false(none.found);
	assert_int_equal(none.count, 0);
	for (size_t i = 0; i < all.count; i++) {
		assert_true(i == 0 || all.pids[i - 1] < all.pids[i]);
		assert_false(process_may_have_program(proc, all.pids[i], &all));
		assert_false(process_may_have_program(proc, all.pids[i], &nothing));
	}
	if (all.found) {
		const struct kernel_threads unlisted = { .found = true };

		assert_false(process_may_have_program(proc, 2, &all));
		assert_false(process_may_have_program(proc, 2, &unlisted));
		assert_true(process_may_have_program(proc, own, &unlisted));
	}
	assert_true(process_may_have_program(proc, own, &all));
	assert_true(process_may_have_program(proc, pid, &all));
	assert_true(process_may_have_program(proc, pid, &nothing));
	// the list is believed
	assert_false(process_may_have_program(
		proc, own, &(struct kernel_threads){ .found = true, .pids = &own, .count = 1 }));
	kill_child(pid);
	assert_false(process_may_have_program(proc, pid, &all));
	assert_false(process_may_have_program(proc, pid, &nothing));
	waitpid(pid, NULL, 0);
	kernel_threads_finish(&all);
	assert_int_equal(all.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_with_parentheses),
		cmocka_unit_test(test_a_zombie_is_gone),
		cmocka_unit_test(test_open_takes_only_that_process),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_no_such_process),
		cmocka_unit_test(test_who_may_have_a_program),
		cmocka_unit_test(test_vhost_names_of_programs_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
