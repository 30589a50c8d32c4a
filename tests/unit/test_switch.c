// SPDX-License-Identifier: MIT
// What scripts cannot say of the input switch: reports without end, codes that do not exist, clocks that
// go back, every key at once.
#include "base/cleanup.h"
#include "input/chord.h"
#include "input/switch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
	struct chords chords;
	struct switch_engine *engine;
	unsigned n_events[2], n_reports[2], n_written, n_stuck;
	int64_t sum;
};

static void on_event(void *context, enum switch_side side, int device, const struct switch_event *event)
{
	struct fixture *fixture = context;

	assert_int_equal(device, 1);
	fixture->n_events[side] += event->type != EV_SYN;
	fixture->n_reports[side] += event->type == EV_SYN;
	fixture->sum += event->value;
}

static void on_write_back(void *context, int device, const struct switch_event *event)
{
	struct fixture *fixture = context;

	assert_int_equal(device, 1);
	fixture->n_written += event->type != EV_SYN;
}

static int on_grab(void *context, int device, bool on, struct keyset *held)
{
	(void)context;
	(void)device;
	assert_int_equal(on, held != NULL);
	return 0;
}

static void on_notice(void *context, const struct switch_notice *notice)
{
	struct fixture *fixture = context;

	fixture->n_stuck += notice->kind == SWITCH_NOTICE_STUCK;
}

static int setup(void **state)
{
	static struct fixture fixture;
	struct switch_config config = SWITCH_CONFIG_DEFAULT;
	struct switch_sink sink = { &fixture, on_event, on_write_back, on_grab, on_notice };

	fixture = (struct fixture){ 0 };
	chords_add(&fixture.chords, "leftctrl+rightctrl", SWITCH_TOGGLE, NULL);
	fixture.engine = switch_new(&config, &fixture.chords, &sink);
	switch_add(fixture.engine, 1000, 1, &(struct switch_device){ .has_leds = 1 << LED_CAPSL });
	switch_set_guest_ready(fixture.engine, 1000, true);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	switch_free(fixture->engine);
	chords_finish(&fixture->chords);
	return 0;
}

static void feed(struct fixture *fixture, uint16_t type, uint16_t code, int32_t value)
{
	switch_feed(fixture->engine, 1000, 1, &(struct switch_event){ type, code, value });
}

static void test_report_without_end(void **state)
{
	struct fixture *fixture = *state;
	unsigned count = 3 * SWITCH_REPORT_MAX + 5;

	for (unsigned i = 0; i < count; i++)
		feed(fixture, EV_REL, REL_X, 1);
	// in whole reports of that size, and nothing of the rest yet
	assert_int_equal(fixture->n_events[SWITCH_HOST], 3 * SWITCH_REPORT_MAX);
	assert_int_equal(fixture->n_reports[SWITCH_HOST], 3);
	switch_command(fixture->engine, 1000, SWITCH_TO_GUEST);
	feed(fixture, EV_SYN, SYN_REPORT, 0);
	assert_int_equal(fixture->n_events[SWITCH_GUEST], 5);
	assert_int_equal(fixture->sum, count);
}

static void test_codes_that_do_not_exist(void **state)
{
	struct fixture *fixture = *state;

	for (int value = -1; value <= 3; value++) {
		feed(fixture, EV_KEY, KEY_CNT, value);
		feed(fixture, EV_KEY, UINT16_MAX, value);
		feed(fixture, EV_ABS, ABS_CNT, value);
		feed(fixture, EV_ABS, UINT16_MAX, value);
		feed(fixture, EV_LED, UINT16_MAX, value);
		feed(fixture, EV_CNT, 0, value);
		feed(fixture, UINT16_MAX, UINT16_MAX, value);
		feed(fixture, EV_SYN, UINT16_MAX, value);
	}
	feed(fixture, EV_KEY, KEY_A, -1);
	feed(fixture, EV_KEY, KEY_A, 3);
	feed(fixture, EV_SYN, SYN_REPORT, 0);
	assert_int_equal(fixture->n_events[SWITCH_HOST], 0);
	switch_set_led(fixture->engine, 1000, SWITCH_HOST, 1, LED_CNT, true);
	switch_set_led(fixture->engine, 1000, SWITCH_GUEST, 1, UINT32_MAX, true);
	assert_int_equal(fixture->n_written, 0);
}

static void test_every_key_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct keyset all = { 0 };

	for (unsigned code = 0; code < KEY_CNT; code++)
		keyset_add(&all, code);
	switch_sync(fixture->engine, 1000, 1, &all);
	// but for the hotkey among them, whose first key was seen: it did not come from rest
	assert_int_equal(fixture->n_events[SWITCH_HOST], KEY_CNT);
	switch_tick(fixture->engine, 501000);
	assert_int_equal(fixture->n_stuck, KEY_CNT - 2);
	assert_int_equal(fixture->n_events[SWITCH_HOST], 2 * (KEY_CNT - 1));
	assert_int_equal(switch_get_side(fixture->engine), SWITCH_GUEST);
	switch_command(fixture->engine, 501000, SWITCH_LET_GO);
	assert_int_equal(fixture->n_written, KEY_CNT + 1); // and its LED
}

static void test_clock_that_goes_back(void **state)
{
	struct fixture *fixture = *state;

	feed(fixture, EV_KEY, KEY_A, 1);
	feed(fixture, EV_SYN, SYN_REPORT, 0);
	switch_tick(fixture->engine, 5000000);
	switch_command(fixture->engine, 0, SWITCH_TO_GUEST);
	assert_int_equal(switch_deadline(fixture->engine), 5500000);
	switch_tick(fixture->engine, 600000);
	assert_int_equal(switch_get_side(fixture->engine), SWITCH_HOST);
	switch_tick(fixture->engine, SWITCH_NEVER - 1);
	assert_int_equal(switch_get_side(fixture->engine), SWITCH_GUEST);
}

static void test_clock_at_its_end(void **state)
{
	struct fixture *fixture = *state;

	switch_tick(fixture->engine, SWITCH_NEVER - 1);
	feed(fixture, EV_KEY, KEY_LEFTCTRL, 1);
	feed(fixture, EV_SYN, SYN_REPORT, 0);
	assert_int_equal(switch_deadline(fixture->engine), SWITCH_NEVER);
	switch_command(fixture->engine, 0, SWITCH_TO_GUEST);
	assert_int_equal(switch_deadline(fixture->engine), SWITCH_NEVER);
	assert_int_equal(switch_get_side(fixture->engine), SWITCH_HOST);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_report_without_end), TEST(test_codes_that_do_not_exist),
		TEST(test_every_key_at_once),  TEST(test_clock_that_goes_back),
		TEST(test_clock_at_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
