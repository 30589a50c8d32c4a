// SPDX-License-Identifier: MIT
// What is made of counts over time, and how it looks in 80 columns.
#include "launcher/watch/watch.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "launcher/watch/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MS = 1000000 };
#define INTERVAL 1000000000LL

static struct thread_counts counts(pid_t tid, int cpu, uint64_t run_ns, uint64_t wait_ns, uint64_t turns)
{
	return (struct thread_counts){ .pid = 980, .tid = tid, .cpu = cpu, .run_ns = run_ns, .wait_ns = wait_ns,
				       .turns = turns, .policy = "other", .name = "CPU 0/KVM" };
}

static void mark(struct watch *watch, struct thread_counts now)
{
	struct watched *thread = watch_find(watch, now.tid);

	assert_non_null(thread);
	watch_mark(thread, &now);
}

static void sample(struct watch *watch, struct thread_counts now)
{
	struct watched *thread = watch_find(watch, now.tid);

	assert_non_null(thread);
	watch_sample(thread, &now);
}

static void add(struct watch *watch, const char *name, struct thread_counts now)
{
	watch_add(watch, name, &now);
}

static void test_intervals(void **state)
{
	struct thread_counts now = counts(1, 2, 500 * MS, 100 * MS, 10);
	struct watch watch = { 0 };
	struct watched *thread;

	(void)state;
	now.migrations_known = true;
	now.migrations = 7;
	now.involuntary = 5;
	add(&watch, "vcpu0", now);
	add(&watch, "another name", now);
	assert_int_equal(watch.count, 1);
	watch_end_interval(&watch, INTERVAL);
	now.run_ns += 900 * MS;
	now.wait_ns += 50 * MS;
	now.turns += 5;
	now.migrations += 2;
	now.involuntary += 3;
	mark(&watch, now);
	watch_end_interval(&watch, INTERVAL);
	thread = watch_find(&watch, 1);
	assert_string_equal(thread->name, "vcpu0");
	assert_int_equal(thread->last.run_ns, 900 * MS);
	assert_int_equal(thread->last.wait_ns, 50 * MS);
	assert_int_equal(thread->last.worst_ns, 10 * MS); // five turns: their mean
	assert_int_equal(thread->last.migrations, 2);
	assert_int_equal(thread->last.involuntary, 3);
	assert_int_equal(thread->n_waits, 2);
	assert_true(thread->waits[1] > 4.99F && thread->waits[1] < 5.01F);
	now.run_ns += 100 * MS;
	mark(&watch, now);
	watch_end_interval(&watch, INTERVAL);
	assert_int_equal(thread->last.worst_ns, 0);
	assert_int_equal(thread->last.migrations, 0);
	assert_int_equal(thread->total.run_ns, 1000 * MS);
	assert_int_equal(thread->total.worst_ns, 10 * MS);
	assert_int_equal(thread->total.migrations, 2);
	assert_int_equal(thread->total.involuntary, 3);
	watch_finish(&watch);
}

static void test_samples_find_the_worst_wait(void **state)
{
	struct watch watch = { 0 };

	(void)state;
	add(&watch, "vcpu0", counts(1, 2, 0, 0, 0));
	sample(&watch, counts(1, 2, 10, 1 * MS, 1));
	sample(&watch, counts(1, 3, 10, 31 * MS, 2)); // 30 ms for one turn
	sample(&watch, counts(1, 2, 10, 31 * MS, 2));
	mark(&watch, counts(1, 2, 10, 40 * MS, 3));
	watch_end_interval(&watch, INTERVAL);
	assert_int_equal(watch.threads[0].last.worst_ns, 30 * MS);
	assert_int_equal(watch.threads[0].last.wait_ns, 40 * MS);
	assert_int_equal(watch.threads[0].last.migrations, 2); // seen, since the kernel does not count
	watch_finish(&watch);
}

static void test_threads_come_and_go(void **state)
{
	struct watch watch = { 0 };

	(void)state;
	add(&watch, "vcpu0", counts(1, 0, 0, 0, 0));
	add(&watch, "worker", counts(2, 0, 0, 0, 0));
	add(&watch, "emulator", counts(3, 0, 0, 0, 0));
	watch_end_interval(&watch, INTERVAL);
	assert_int_equal(watch.count, 3);
	mark(&watch, counts(1, 0, 1, 1, 1));
	mark(&watch, counts(3, 0, 1, 1, 1));
	add(&watch, "late", counts(4, 0, 0, 0, 0));
	watch_end_interval(&watch, INTERVAL);
	assert_int_equal(watch.count, 3);
	assert_null(watch_find(&watch, 2));
	assert_string_equal(watch.threads[1].name, "emulator");
	assert_string_equal(watch.threads[2].name, "late");
	// its id was given to another thread, whose counts begin anew
	mark(&watch, counts(1, 0, 0, 0, 0));
	watch_end_interval(&watch, INTERVAL);
	assert_int_equal(watch.count, 1);
	assert_int_equal(watch.threads[0].last.run_ns, 0);
	watch_end_interval(&watch, INTERVAL);
	assert_int_equal(watch.count, 0);
	watch_finish(&watch);
}

static void test_history_is_a_ring(void **state)
{
	struct watch watch = { 0 };
	uint64_t waited = 0;

	(void)state;
	add(&watch, "vcpu0", counts(1, 0, 0, 0, 0));
	for (int i = 0; i < WATCH_HISTORY + 3; i++) {
		waited += (uint64_t)i * MS;
		mark(&watch, counts(1, 0, 0, waited, 0));
		watch_end_interval(&watch, INTERVAL);
	}
	assert_int_equal(watch.threads[0].n_waits, WATCH_HISTORY + 3);
	assert_true(watch.threads[0].waits[2] > watch.threads[0].waits[3]); // the newest beside the oldest
	watch_finish(&watch);
}

// --- the table

static void fill(struct watch *watch)
{
	static const int permyriads[] = { 0, 5, 20, 50, 200, 500, 2000, 9000 };
	struct thread_counts vcpu = counts(1, 12, 0, 0, 0), other = counts(2, 0, 0, 0, 0);

	memcpy(vcpu.policy, "rr:1", 5);
	vcpu.migrations_known = true;
	vcpu.migrations = 100;
	add(watch, "vcpu0", vcpu);
	add(watch, "a-very-long-name-of-a-thread", other);
	for (size_t i = 0; i < ARRAY_SIZE(permyriads); i++) {
		vcpu.run_ns += 998 * MS;
		vcpu.wait_ns += (uint64_t)permyriads[i] * (MS / 10);
		vcpu.turns += 1;
		vcpu.involuntary += 1;
		vcpu.migrations += 1;
		mark(watch, vcpu);
		mark(watch, other);
		watch_end_interval(watch, INTERVAL);
	}
}

static struct strv draw(struct table *table)
{
	static const struct cpu_clock clocks[] = { { 12, 3400999, 4700000 }, { 0, 0, 0 } };
	struct watch watch = { 0 };
	struct strv lines = { 0 };

	table->guest = "win11";
	table->pid = 980;
	table->clocks = clocks;
	table->n_clocks = ARRAY_SIZE(clocks);
	fill(&watch);
	table_print(table, &watch, &lines);
	watch_finish(&watch);
	return lines;
}

static void test_eighty_columns(void **state)
{
	struct table table = { .width = 80, .keys = "q leaves" };
	AUTO_STRV struct strv lines = draw(&table);

	(void)state;
	assert_int_equal(lines.count, 5);
	assert_string_equal(lines.items[0], "win11: QEMU is process 980, threads over the last 1 s; q leaves");
	assert_string_equal(lines.items[2],
			    "thread       CPU   MHz/max policy   run % wait %   worst taken moved  waiting");
	assert_string_equal(lines.items[3],
			    "vcpu0         12 3400/4700 rr:1      99.8  90.00  900 ms     8     8  _.-:=+*#");
	assert_string_equal(lines.items[4],
			    "a-very-long-   0       ?/? other      0.0   0.00  0.0 us     0     0  ________");
}

static void test_utf8_and_colour(void **state)
{
	struct table table = { .width = 74, .utf8 = true, .colour = true };
	AUTO_STRV struct strv lines = draw(&table);

	(void)state;
	// four columns of history, the newest ones
	assert_string_equal(lines.items[3],
			    "vcpu0         12 3400/4700 rr:1      99.8 \033[31m 90.00\033[0m  900 ms     8     8  "
			    "\033[33m▅\033[0m\033[33m▆\033[0m\033[31m▇\033[0m\033[31m█\033[0m");
	assert_non_null(strstr(lines.items[4], "▁▁▁▁"));
	assert_null(strstr(lines.items[4], "\033"));
}

static void test_small_windows(void **state)
{
	(void)state;
	for (int width = 1; width < 80; width++) {
		struct table table = { .width = width, .height = 5 };
		AUTO_STRV struct strv lines = draw(&table);

		assert_int_equal(lines.count, 5); // two threads: one, and that there are more
		assert_true(strlen(lines.items[2]) <= (size_t)width);
		assert_true(strlen(lines.items[3]) <= (size_t)(width < 48 ? 48 : width)); // the rest is the terminal's
		assert_true(strncmp(lines.items[4], "and 1 more", strlen(lines.items[4])) == 0 || width > 10);
	}
}

static void test_big_numbers(void **state)
{
	struct thread_counts now = counts(1, 0, 0, 0, 0);
	struct table table = { .guest = "g", .width = 80 };
	AUTO_STRV struct strv lines = { 0 };
	struct watch watch = { 0 };

	(void)state;
	add(&watch, "t", now);
	now.run_ns = now.wait_ns = UINT64_MAX;
	now.turns = 1;
	now.involuntary = 123456;
	now.migrations = UINT64_MAX;
	now.migrations_known = true;
	mark(&watch, now);
	watch_end_interval(&watch, INTERVAL);
	table_print(&table, &watch, &lines);
	assert_non_null(strstr(lines.items[3], " 100.0 100.00 "));
	assert_non_null(strstr(lines.items[3], "  123k "));
	watch_finish(&watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_samples_find_the_worst_wait),
		cmocka_unit_test(test_threads_come_and_go),
		cmocka_unit_test(test_history_is_a_ring),
		cmocka_unit_test(test_eighty_columns),
		cmocka_unit_test(test_utf8_and_colour),
		cmocka_unit_test(test_small_windows),
		cmocka_unit_test(test_big_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
