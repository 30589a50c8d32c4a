// SPDX-License-Identifier: MIT
// What irqbalance is told over its socket, and how it is noticed.
#include "tune/change/change.h"

#include "base/err.h"
#include "tests/unit/fakehost.h"
#include "tests/unit/fakeirqbalance.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SOCKET "/run/irqbalance/irqbalance77.sock"
#define IRQS   SOCKET "/irqs"

static struct fakehost fake;
static struct fakeguest a, b;
static struct fakeirqbalance *irqbalance;

static int setup(void **state)
{
	(void)state;
	fakehost_make(&fake);
	fakeguest_open(&a, &fake, "a");
	fakeguest_open(&b, &fake, "b");
	irqbalance = fakeirqbalance_start(&fake, 77);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fakeirqbalance_end(&fake, false);
	fakeguest_close(&a);
	fakeguest_close(&b);
	fakehost_remove(&fake);
	return 0;
}

static int try_apply(struct fakeguest *guest, const char *path, const char *want, struct err *err)
{
	struct change_list list = { 0 };
	int r;

	change_add(&list, "mask", path, NULL, want, "a test");
	r = fakeguest_apply(guest, &list, err);
	change_list_finish(&list);
	return r;
}

static void apply(struct fakeguest *guest, const char *path, const char *want)
{
	struct err err = ERR_NONE;

	if (try_apply(guest, path, want, &err) < 0)
		fail_msg("%s", err.text);
}

static void undo(struct fakeguest *guest)
{
	struct journal_report report;

	assert_int_equal(journal_undo(&guest->journal, &guest->world, &report), 0);
	if (report.count)
		fail_msg("%s", report.items[0].text);
	journal_report_finish(&report);
}

static void test_interrupts_and_back(void **state)
{
	(void)state;
	apply(&a, IRQS, "without 35");
	assert_string_equal(irqbalance->irqs, "35");
	apply(&a, IRQS, "without 37-38");
	assert_string_equal(irqbalance->irqs, "35 37 38");
	undo(&a);
	assert_string_equal(irqbalance->irqs, "");
}

static void test_somebody_elses_interrupts_stay(void **state)
{
	(void)state;
	snprintf(irqbalance->irqs, sizeof(irqbalance->irqs), "9 36");
	apply(&a, IRQS, "without 35-36");
	assert_string_equal(irqbalance->irqs, "9 35 36");
	undo(&a);
	assert_string_equal(irqbalance->irqs, "9 36");
}

static void test_interrupts_of_two_guests(void **state)
{
	(void)state;
	apply(&a, IRQS, "without 35");
	apply(&b, IRQS, "without 36");
	assert_string_equal(irqbalance->irqs, "35 36");
	undo(&a);
	assert_string_equal(irqbalance->irqs, "36");
	undo(&b);
	assert_string_equal(irqbalance->irqs, "");
}

static void test_whoever_takes_them_back(void **state)
{
	int words;

	(void)state;
	apply(&a, IRQS, "without 35");
	irqbalance->irqs[0] = '\0';
	words = irqbalance->words;
	undo(&a);
	assert_int_equal(irqbalance->words, words); // there was nothing to do
}

// Cut, it would be another interrupt's number.
static void test_more_than_it_takes_is_not_said(void **state)
{
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(try_apply(&a, IRQS, "without 100-199", &err), -E2BIG);
	assert_non_null(strstr(err.text, "taking interrupts in or out of"));
	assert_int_equal(irqbalance->words, 0);
	undo(&a);
	assert_string_equal(irqbalance->irqs, "");
}

static void test_its_death_leaves_nothing_to_undo(void **state)
{
	(void)state;
	apply(&a, IRQS, "without 35");
	apply(&a, SOCKET, "without 2-3");
	fakeirqbalance_end(&fake, false);
	undo(&a);
}

// The undo waits for the scan, so that the next guest finds what this one left.
static void test_cpus_and_back(void **state)
{
	(void)state;
	snprintf(irqbalance->cpus, sizeof(irqbalance->cpus), "5");
	snprintf(irqbalance->new_cpus, sizeof(irqbalance->new_cpus), "5");
	apply(&a, SOCKET, "without 2-3");
	assert_string_equal(irqbalance->new_cpus, "2-3,5");
	apply(&a, IRQS, "without 35");
	undo(&a);
	assert_string_equal(irqbalance->cpus, "5");
	assert_string_equal(irqbalance->irqs, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_interrupts_and_back),
		TEST(test_somebody_elses_interrupts_stay),
		TEST(test_interrupts_of_two_guests),
		TEST(test_whoever_takes_them_back),
		TEST(test_more_than_it_takes_is_not_said),
		TEST(test_its_death_leaves_nothing_to_undo),
		TEST(test_cpus_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
