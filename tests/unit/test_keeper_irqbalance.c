// SPDX-License-Identifier: MIT
// A keeper whose guest runs while irqbalance starts, ends, and starts anew: it is noticed, told, and told otherwise at
// the end; what the dead one was told is nobody's concern.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"
#include "tests/unit/fakehost.h"
#include "tests/unit/fakeirqbalance.h"
#include "tests/unit/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST  "/run/irqbalance/irqbalance77.sock"
#define SECOND "/run/irqbalance/irqbalance78.sock"

enum { PATIENCE_MS = 20000 };

static struct fakehost fake;
static struct fakeguest guest;
static struct keeper keeper;
static struct plan plan;

static int setup(void **state)
{
	(void)state;
	fakehost_make(&fake);
	fakeguest_open(&guest, &fake, "a");
	plan = (struct plan){ .isolation = { .cpus = (char *)"2-3", .steer = true } };
	keeper_init(&keeper, NULL, NULL, "a");
	keeper.state.plan = &plan;
	keeper.host = guest.host;
	keeper.journal = guest.journal;
	keeper.world = (struct journal_world){ &keeper.host, guest.world.lock, guest.world.runs };
	return loop_init(&keeper.loop);
}

static int teardown(void **state)
{
	(void)state;
	fakeirqbalance_end(&fake, false);
	guest.host = keeper.host;
	guest.journal = keeper.journal;
	loop_finish(&keeper.loop);
	if (keeper.balancer.source.fd >= 0)
		close(keeper.balancer.source.fd);
	free(keeper.balancer.socket);
	fakeguest_close(&guest);
	fakehost_remove(&fake);
	return 0;
}

// It has happened once something did that a keeper looks up for.
static void expect_notice(void)
{
	keeper.rescan_at = 0;
	while (!keeper.rescan_at) {
		if (loop_step(&keeper.loop, PATIENCE_MS) != 1)
			fail_msg("nothing was noticed");
	}
}

static void expect_none(void)
{
	keeper.rescan_at = 0;
	while (loop_step(&keeper.loop, 0) == 1)
		;
	assert_int_equal(keeper.rescan_at, 0);
}

static void tell_irqs(const char *list)
{
	struct cpuset irqs;

	assert_true(cpuset_parse_list(&irqs, list));
	keeper_keep_from_irqbalance(&keeper, &irqs);
}

static bool stands(const char *path)
{
	return journal_find(&keeper.journal, "mask", path) != NULL;
}

static void begin(void)
{
	keeper_watch_irqbalance(&keeper);
	keeper_check_irqbalance(&keeper);
}

// Until it has taken in what it was told; its next scan is at the second question.
static void check_until_settled(const struct fakeirqbalance *balancer)
{
	for (int i = 0; keeper_check_irqbalance(&keeper); i++)
		assert_true(i < 10);
	assert_string_equal(balancer->cpus, "2-3");
}

static void undo_all(void)
{
	struct journal_report report;

	assert_int_equal(journal_undo(&keeper.journal, &keeper.world, &report), 0);
	if (report.count)
		fail_msg("%s", report.items[0].text);
	journal_report_finish(&report);
	assert_int_equal(journal_standing(&keeper.journal), 0);
}

static void one_that_starts_is_told(void **state)
{
	struct fakeirqbalance *balancer;

	(void)state;
	begin();
	expect_none();
	tell_irqs("35");
	balancer = fakeirqbalance_start(&fake, 77);
	expect_notice();
	check_until_settled(balancer);
	tell_irqs("35");
	assert_string_equal(balancer->irqs, "35");
	assert_true(stands(FIRST) && stands(FIRST "/irqs"));
	expect_none();
	undo_all();
	assert_string_equal(balancer->cpus, "");
	assert_string_equal(balancer->irqs, "");
}

static void start_anew(bool systemd)
{
	struct fakeirqbalance *balancer = fakeirqbalance_start(&fake, 77);

	begin();
	check_until_settled(balancer);
	tell_irqs("35-36");
	fakeirqbalance_end(&fake, systemd);
	expect_notice();
	assert_false(keeper_check_irqbalance(&keeper));
	assert_int_equal(journal_standing(&keeper.journal), 0);
	tell_irqs("35-36"); // there is nobody to tell
	expect_none();
	balancer = fakeirqbalance_start(&fake, 78);
	expect_notice();
	check_until_settled(balancer);
	tell_irqs("36");
	assert_string_equal(balancer->irqs, "36");
	assert_true(stands(SECOND) && stands(SECOND "/irqs"));
	assert_false(stands(FIRST) || stands(FIRST "/irqs"));
	undo_all();
	assert_string_equal(balancer->cpus, "");
	assert_string_equal(balancer->irqs, "");
}

static void one_that_starts_anew_is_told(void **state)
{
	(void)state;
	start_anew(false);
}

static void its_directory_may_go_with_it(void **state)
{
	(void)state;
	start_anew(true);
}

// An end and a start between two looks.
static void both_at_once(void **state)
{
	struct fakeirqbalance *balancer = fakeirqbalance_start(&fake, 77);

	(void)state;
	begin();
	check_until_settled(balancer);
	fakeirqbalance_end(&fake, true);
	balancer = fakeirqbalance_start(&fake, 78);
	expect_notice();
	check_until_settled(balancer);
	assert_true(stands(SECOND));
	assert_false(stands(FIRST));
	undo_all();
	assert_string_equal(balancer->cpus, "");
}

// Nobody adopted the guest meanwhile: the dead one's record does no harm, and the new one was told nothing.
static void started_anew_without_a_keeper(void **state)
{
	struct fakeirqbalance *balancer = fakeirqbalance_start(&fake, 77);

	(void)state;
	begin();
	check_until_settled(balancer);
	fakeirqbalance_end(&fake, true);
	balancer = fakeirqbalance_start(&fake, 78);
	undo_all();
	assert_int_equal(balancer->words, 0);
}

// Somebody else's words came between ours and its scan.
static void whoever_is_left_out_says_it_again(void **state)
{
	struct fakeirqbalance *balancer = fakeirqbalance_start(&fake, 77);

	(void)state;
	balancer->scans_after = 1000;
	begin();
	snprintf(balancer->new_cpus, sizeof(balancer->new_cpus), "0");
	balancer->scans_after = 1;
	assert_true(keeper_check_irqbalance(&keeper)); // it may not have looked yet
	assert_string_equal(balancer->cpus, "0");
	keeper.balancer.told_at -= 60000;
	assert_true(keeper_check_irqbalance(&keeper));
	assert_string_equal(balancer->new_cpus, "0,2-3");
	assert_false(keeper_check_irqbalance(&keeper));
	undo_all();
	assert_string_equal(balancer->cpus, "0");
}

// Somebody's motd is no irqbalance.
static void others_wake_nobody(void **state)
{
	(void)state;
	begin();
	assert_int_equal(tree_add(fake.tree, "run/motd.dynamic = x\n"), 0);
	expect_none();
	fakeirqbalance_start(&fake, 77);
	expect_notice();
	keeper_check_irqbalance(&keeper);
	expect_none();
	assert_int_equal(tree_add(fake.tree, "run/motd.dynamic.new = x\n"), 0);
	assert_int_equal(loop_step(&keeper.loop, 0), 0); // not even woken up: only its own directory is watched now
	undo_all();
}

static void no_watch_where_interrupts_stay(void **state)
{
	(void)state;
	plan.isolation.steer = false;
	begin();
	assert_int_equal(keeper.balancer.source.fd, -1);
	fakeirqbalance_start(&fake, 77);
	assert_false(keeper_check_irqbalance(&keeper));
	assert_int_equal(journal_standing(&keeper.journal), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_that_starts_is_told),
		TEST(one_that_starts_anew_is_told),
		TEST(its_directory_may_go_with_it),
		TEST(both_at_once),
		TEST(started_anew_without_a_keeper),
		TEST(whoever_is_left_out_says_it_again),
		TEST(others_wake_nobody),
		TEST(no_watch_where_interrupts_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
