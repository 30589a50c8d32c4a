// SPDX-License-Identifier: MIT
// The bytes choose a life of the input switch (tests/unit/input_world.c checks each step) or, if the
// first is odd, are events that no kernel sends: any type, code and value, from any device, at any
// time; then what went down on a side still comes up there, and nothing stays down after letting go.
#include "base/cleanup.h"
#include "input/chord.h"
#include "input/switch.h"
#include "tests/unit/input_world.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t left;
};

static unsigned choose(void *context, unsigned n)
{
	struct input *input = context;

	if (input->left == 0)
		return 0;
	input->left--;
	return *input->data++ % n;
}

static void live(struct input *input)
{
	struct world *world = world_new(choose, input);

	while (input->left > 0)
		world_step(world);
	world_rest(world);
	world_free(world);
}

enum { DEVICES = 3 };

struct sides {
	struct keyset clones[DEVICES], guest;
};

static void on_event(void *context, enum switch_side side, int device, const struct switch_event *event)
{
	struct sides *sides = context;
	struct keyset *down = side == SWITCH_HOST ? &sides->clones[device] : &sides->guest;

	if (event->type != EV_KEY)
		return;
	if (event->code >= KEY_CNT || keyset_has(down, event->code) != (event->value != 1))
		abort();
	if (event->value == 1)
		keyset_add(down, event->code);
	else if (event->value == 0)
		keyset_remove(down, event->code);
}

static void on_write_back(void *context, int device, const struct switch_event *event)
{
	(void)context;
	if (device >= DEVICES || (event->type == EV_KEY && event->value != 0))
		abort();
}

static int on_grab(void *context, int device, bool on, struct keyset *held)
{
	(void)context;
	(void)held;
	(void)on;
	return device < DEVICES ? 0 : -1;
}

static void on_notice(void *context, const struct switch_notice *notice)
{
	(void)context;
	(void)notice;
}

static void check_all_up(const struct sides *sides)
{
	for (int i = 0; i < DEVICES; i++)
		if (!keyset_is_empty(&sides->clones[i]))
			abort();
	if (!keyset_is_empty(&sides->guest))
		abort();
}

static void feed(struct switch_engine *engine, uint64_t now, int device, struct input *input)
{
	static const uint16_t types[] = { EV_SYN, EV_KEY, EV_KEY, EV_KEY, EV_REL, EV_ABS,
					  EV_MSC, EV_SW,  EV_LED, EV_REP, EV_CNT };
	struct switch_event event = { .type = types[choose(input, ARRAY_SIZE(types))] };

	event.code = (uint16_t)(choose(input, 256) | choose(input, 4) << 8);
	if (event.type == EV_SYN)
		event.code %= 5;
	event.value = (int32_t)choose(input, 6) - 1;
	switch_feed(engine, now, device, &event);
}

static void feed_nonsense(struct input *input)
{
	struct switch_config config = SWITCH_CONFIG_DEFAULT;
	struct sides sides = { 0 };
	struct switch_sink sink = { &sides, on_event, on_write_back, on_grab, on_notice };
	struct chords chords = { 0 };
	struct switch_engine *engine;
	struct keyset held = { 0 };
	uint64_t now = 0;

	chords_add(&chords, "ctrl+f12", SWITCH_TOGGLE, NULL);
	chords_add(&chords, "a+b", SWITCH_COMMANDS, NULL);
	engine = switch_new(&config, &chords, &sink);
	while (input->left > 0) {
		int device = (int)choose(input, DEVICES);

		switch (choose(input, 16)) {
		case 0:
			switch_add(engine, now, device, &(struct switch_device){ .held = held });
			break;
		case 1:
			switch_remove(engine, now, device);
			break;
		case 2:
			keyset_add(&held, choose(input, 256));
			switch_sync(engine, now, device, &held);
			break;
		case 3:
			switch_command(engine, now, (enum switch_command)choose(input, SWITCH_COMMANDS));
			break;
		case 4:
			switch_set_guest_ready(engine, now, choose(input, 4) > 0);
			break;
		case 5:
			switch_set_led(engine, now, choose(input, 2) ? SWITCH_HOST : SWITCH_GUEST,
				       device, choose(input, 256), choose(input, 2));
			break;
		case 6:
			now += choose(input, 256) * 4096;
			break;
		default:
			feed(engine, now, device, input);
		}
	}
	switch_command(engine, now, SWITCH_LET_GO);
	check_all_up(&sides);
	switch_free(engine);
	chords_finish(&chords);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	if (choose(&input, 2))
		feed_nonsense(&input);
	else
		live(&input);
	return 0;
}
