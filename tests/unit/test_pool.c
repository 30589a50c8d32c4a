// SPDX-License-Identifier: MIT
// Huge pages grow for a guest and are given back: whoever dies when, and in whatever order guests end.
#include "tune/change/journal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/fakehost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define NR	FAKEHOST_POOL "/nr_hugepages"
#define SURPLUS FAKEHOST_POOL "/surplus_hugepages"
#define FREE	FAKEHOST_POOL "/free_hugepages"

enum { DIED = 77, OWN = 10, PLENTY = 10000 };

static int grow(struct fakeguest *guest, const char *want, struct err *err)
{
	struct change_list list = { 0 };
	int r;

	change_add(&list, "pool", NR, NULL, want, "a test");
	r = fakeguest_apply(guest, &list, err);
	change_list_finish(&list);
	return r;
}

static void settle(struct fakeguest *guest)
{
	struct journal_report report;

	assert_int_equal(journal_settle(&guest->journal, &guest->world, &report), 0);
	assert_int_equal(report.count, 0);
	assert_int_equal(journal_standing(&guest->journal), 0);
}

static void undo(struct fakeguest *guest)
{
	struct journal_report report;

	assert_int_equal(journal_undo(&guest->journal, &guest->world, &report), 0);
	if (report.count)
		fail_msg("%s", report.items[0].text);
	assert_int_equal(journal_standing(&guest->journal), 0);
}

static void assert_pool(struct fakehost *fake, int total, int surplus, int unused)
{
	AUTO_FREE char *nr = fakehost_get(fake, NR), *more = fakehost_get(fake, SURPLUS);
	AUTO_FREE char *rest = fakehost_get(fake, FREE);
	AUTO_FREE char *is = mem_printf("%s %s %s", nr, more, rest);
	AUTO_FREE char *want = mem_printf("%d %d %d", total, surplus, unused);

	assert_string_equal(is, want);
}

static int setup(void **state)
{
	static struct fakehost fake;

	fakehost_make(&fake);
	fakehost_pool(&fake, OWN, PLENTY, PLENTY);
	*state = &fake;
	return 0;
}

static int teardown(void **state)
{
	fakehost_remove(*state);
	return 0;
}

static void a_guest_comes_and_goes(void **state)
{
	struct fakehost *fake = *state;
	struct fakeguest guest;
	struct err err = ERR_NONE;

	fakeguest_open(&guest, fake, "g");
	assert_int_equal(grow(&guest, "+64", &err), 0);
	assert_pool(fake, OWN + 64, 0, OWN + 64);
	assert_string_equal(guest.journal.records[0].change.was, "10");
	assert_string_equal(guest.journal.records[0].change.want, "74");
	assert_string_equal(guest.journal.records[0].change.got, "74");
	assert_true(fakehost_map(fake, 64));
	settle(&guest);
	// the pool's own pages serve first, as far as the kernel is concerned: all numbers are right
	assert_pool(fake, 64, 54, 0);
	fakehost_map(fake, -64);
	assert_pool(fake, OWN, 0, OWN);
	undo(&guest);
	assert_pool(fake, OWN, 0, OWN);
	fakeguest_close(&guest);
}

// Growing first makes surplus pages persistent ones: only beyond the total there is a page more.
static void a_second_guest_gets_pages_of_its_own(void **state)
{
	struct fakehost *fake = *state;
	struct fakeguest first, second;

	fakehost_pool(fake, 0, PLENTY, PLENTY);
	fakeguest_open(&first, fake, "a");
	fakeguest_open(&second, fake, "b");
	assert_int_equal(grow(&first, "+64", NULL), 0);
	assert_true(fakehost_map(fake, 64));
	settle(&first);
	assert_pool(fake, 64, 64, 0);
	assert_int_equal(grow(&second, "+20", NULL), 0);
	assert_string_equal(second.journal.records[0].change.was, "0");
	assert_pool(fake, 84, 0, 20);
	assert_true(fakehost_map(fake, 20));
	settle(&second);
	assert_pool(fake, 84, 84, 0);
	fakehost_map(fake, -64);
	assert_pool(fake, 20, 20, 0);
	fakehost_map(fake, -20);
	assert_pool(fake, 0, 0, 0);
	fakeguest_close(&first);
	fakeguest_close(&second);
}

// The kernel frees unused pages first: those of a guest that has not mapped yet.
static void who_maps_first_waits_for_the_one_below(void **state)
{
	struct fakehost *fake = *state;
	struct fakeguest first, second;
	struct journal_report report;

	fakeguest_open(&first, fake, "a");
	fakeguest_open(&second, fake, "b");
	assert_int_equal(grow(&first, "+500", NULL), 0);
	assert_int_equal(grow(&second, "+300", NULL), 0);
	assert_true(fakehost_map(fake, 300));
	assert_int_equal(journal_settle(&second.journal, &second.world, &report), 1);
	assert_true(fakehost_map(fake, 500));
	settle(&first);
	assert_pool(fake, OWN + 800, 0, OWN);
	settle(&second);
	assert_pool(fake, 800, 800 - OWN, 0);
	fakehost_map(fake, -800);
	assert_pool(fake, OWN, 0, OWN);
	fakeguest_close(&first);
	fakeguest_close(&second);
}

static void a_shortfall_is_told_and_given_back(void **state)
{
	struct fakehost *fake = *state;
	struct fakeguest guest;
	struct err err = ERR_NONE;

	fakehost_pool(fake, OWN, 40, 200);
	fakeguest_open(&guest, fake, "g");
	assert_int_equal(grow(&guest, "+64", &err), -ENOMEM);
	assert_non_null(strstr(err.text, "huge pages of 2M on node 0: 64 more are needed, 30 came"));
	assert_non_null(strstr(err.hint, "compact_memory"));
	assert_pool(fake, OWN, 0, OWN);
	assert_int_equal(journal_standing(&guest.journal), 0);
	fakeguest_close(&guest);
}

static void zfs_is_not_told_to_compact(void **state)
{
	struct fakehost *fake = *state;
	struct fakeguest guest;
	struct err err = ERR_NONE;

	fakehost_pool(fake, OWN, 40, 200);
	fakehost_set(fake, "/sys/module/zfs/version", "2.1");
	fakeguest_open(&guest, fake, "g");
	assert_int_equal(grow(&guest, "+64", &err), -ENOMEM);
	assert_null(strstr(err.hint, "compact"));
	fakeguest_close(&guest);
}

static void memory_is_compacted_only_as_asked(void **state)
{
	struct fakehost *fake = *state;
	struct fakeguest guest;

	fakehost_pool(fake, OWN, 40, 200);
	fakeguest_open(&guest, fake, "g");
	assert_int_equal(grow(&guest, "+64 compact", NULL), 0);
	assert_string_equal(guest.journal.records[0].change.want, "74 compact");
	assert_pool(fake, OWN + 64, 0, OWN + 64);
	undo(&guest);
	assert_pool(fake, OWN, 0, OWN);
	fakeguest_close(&guest);
}

static int count_and_stop(void *context, const char *text)
{
	struct fakeguest *guest = context;

	assert_non_null(strstr(text, "huge pages of 2M on node 0: 2048 of 6000"));
	return guest->fail_start ? -EINTR : 0;
}

static void progress_is_told_and_may_stop_it(void **state)
{
	struct fakehost *fake = *state;
	struct fakeguest guest;
	struct err err = ERR_NONE;

	fakeguest_open(&guest, fake, "g");
	guest.host.progress = count_and_stop;
	guest.fail_start = true;
	assert_int_equal(grow(&guest, "+6000", &err), -EINTR);
	assert_pool(fake, OWN, 0, OWN);
	fakeguest_close(&guest);
}

static void what_somebody_else_set_is_left(void **state)
{
	struct fakehost *fake = *state;
	struct journal_report report;
	struct fakeguest guest;

	fakeguest_open(&guest, fake, "g");
	assert_int_equal(grow(&guest, "+64", NULL), 0);
	fakehost_set(fake, NR, "500");
	assert_int_equal(journal_settle(&guest.journal, &guest.world, &report), 0);
	assert_int_equal(report.count, 1);
	assert_non_null(strstr(report.items[0].text, "somebody else changed it: left alone"));
	journal_report_finish(&report);
	assert_pool(fake, 500, 0, 500);
	fakeguest_close(&guest);
}

static void only_pools_are_written(void **state)
{
	static const char *const paths[] = {
		"/sys/devices/system/node/node0/cpulist",
		"/sys/devices/system/node/nodeX/hugepages/hugepages-2048kB/nr_hugepages",
		"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/x/nr_hugepages",
		"/sys/kernel/mm/hugepages/nr_hugepages",
		"/sys/kernel/mm/ksm/run",
	};
	struct fakeguest guest;

	fakeguest_open(&guest, *state, "g");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct change change = { .kind = "pool", .path = mem_dup(paths[i]), .want = mem_dup("+1"),
					 .why = mem_dup("") };

		assert_int_equal(journal_apply(&guest.journal, &guest.world, &change, NULL), -EPERM);
		change_finish(&change);
	}
	fakeguest_close(&guest);
}

// One guest's life up to a chosen death. It maps, as QEMU would, only what came.
static void live(struct fakehost *fake, bool after, unsigned long at)
{
	struct journal_report report;
	struct fakeguest guest;

	fakeguest_open(&guest, fake, "g");
	guest.die_after = after ? at : 0;
	guest.die_before = after ? 0 : at;
	if (grow(&guest, "+5000 compact", NULL) == 0 && fakehost_map(fake, 5000)) {
		journal_settle(&guest.journal, &guest.world, &report);
		journal_report_finish(&report);
		fakehost_map(fake, -5000);
	}
	journal_undo(&guest.journal, &guest.world, &report);
	journal_report_finish(&report);
	fakeguest_close(&guest);
	_exit(0);
}

static int count_used(struct fakehost *fake)
{
	AUTO_FREE char *nr = fakehost_get(fake, NR), *unused = fakehost_get(fake, FREE);

	return atoi(nr) - atoi(unused);
}

// Dies before or after write number `at`. True: it was one of those there are.
static bool dies_and_is_reverted(struct fakehost *fake, bool after, unsigned long at)
{
	struct fakeguest guest;
	pid_t pid;
	int status;

	fakehost_pool(fake, OWN, 700, PLENTY);
	pid = fork();
	if (pid == 0)
		live(fake, after, at);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED));
	// QEMU is ended before anything is put back
	fakehost_map(fake, -count_used(fake));
	fakeguest_open(&guest, fake, "g");
	undo(&guest);
	assert_pool(fake, OWN, 0, OWN);
	fakeguest_close(&guest);
	return WEXITSTATUS(status) == DIED;
}

static void dead_at_any_write_no_page_is_left(void **state)
{
	unsigned long before = 1, after = 1;

	while (dies_and_is_reverted(*state, false, before))
		before++;
	while (dies_and_is_reverted(*state, true, after))
		after++;
	// record, three steps and one that was short, got; undo, write, done
	assert_in_range(before, 9, 20);
	assert_int_equal(before, after);
}

// Several guests at once, in any order: what a guest is doing, and what may come next.
enum phase { IDLE, GROWN, MAPPED, SETTLED };

static uint64_t seed = 88172645463325252;

static unsigned draw(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % below;
}

struct life {
	struct fakeguest guest;
	enum phase phase;
	int pages;
};

static void end(struct fakehost *fake, struct life *life)
{
	if (life->phase == MAPPED || life->phase == SETTLED)
		fakehost_map(fake, -life->pages);
	undo(&life->guest);
	life->phase = IDLE;
}

static void begin(struct life *life)
{
	AUTO_FREE char *want = NULL;

	life->pages = 1 + (int)draw(900);
	want = mem_printf("+%d", life->pages);
	assert_int_equal(grow(&life->guest, want, NULL), 0);
	life->phase = GROWN;
}

static void advance(struct fakehost *fake, struct life *life)
{
	struct journal_report report;
	bool dies = draw(6) == 0;

	if (life->phase == IDLE) {
		begin(life);
	} else if (dies || life->phase == SETTLED) {
		end(fake, life);
	} else if (life->phase == GROWN) {
		assert_true(fakehost_map(fake, life->pages));
		life->phase = MAPPED;
	} else if (journal_settle(&life->guest.journal, &life->guest.world, &report) == 0) {
		assert_int_equal(report.count, 0);
		life->phase = SETTLED;
	}
}

static void guests_in_any_order_leave_no_page(void **state)
{
	static const char *const names[] = { "a", "b", "c" };
	struct fakehost *fake = *state;
	struct life lives[3] = { 0 };

	for (size_t i = 0; i < 3; i++)
		fakeguest_open(&lives[i].guest, fake, names[i]);
	for (int round = 0; round < 100; round++) {
		for (int step = 0; step < 12; step++)
			advance(fake, &lives[draw(3)]);
		for (size_t i = 0; i < 3; i++) {
			while (lives[i].phase != IDLE)
				advance(fake, &lives[i]);
		}
		assert_pool(fake, OWN, 0, OWN);
	}
	for (size_t i = 0; i < 3; i++)
		fakeguest_close(&lives[i].guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_guest_comes_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_guest_gets_pages_of_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(who_maps_first_waits_for_the_one_below, setup, teardown),
		cmocka_unit_test_setup_teardown(a_shortfall_is_told_and_given_back, setup, teardown),
		cmocka_unit_test_setup_teardown(zfs_is_not_told_to_compact, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_is_compacted_only_as_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(progress_is_told_and_may_stop_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_somebody_else_set_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(only_pools_are_written, setup, teardown),
		cmocka_unit_test_setup_teardown(dead_at_any_write_no_page_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(guests_in_any_order_leave_no_page, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
