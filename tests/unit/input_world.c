// SPDX-License-Identifier: MIT
#include "tests/unit/input_world.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "input/chord.h"
#include "input/keyname.h"
#include "input/switch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEVICES = 4, ECHOES = 4096 };

struct device {
	bool present, grabbed, lost, busy;
	struct keyset pressed; // by fingers
	struct keyset key;     // in the kernel
	struct keyset native;  // down for who reads the device itself on the host
	struct keyset strange; // whose release such a reader sees without a press: only after a death
	struct keyset clone;   // down on the host's clone
	struct keyset known;   // while events are lost: what the switch believes to be down
	uint64_t pressed_at[KEY_CNT]; // as the n-th press of all that the switch was told of
};

struct world {
	world_choose *choose;
	void *context;
	struct world_counts counts;
	struct switch_config config;
	struct chords chords;
	struct switch_engine *engine;
	uint64_t now;
	bool guest_ready, let_go;
	struct device devices[DEVICES];
	struct keyset guest;
	const struct device *open; // whose report is being sent, and where
	enum switch_side open_side;

	// what came of the last call
	unsigned n_keys, n_actions, n_moved;
	int32_t moved;
	struct keyset sent_down;
	int32_t serial;
	uint64_t n_presses, last_press; // of all; the one that was sent last

	// key-ups that the kernel made of those written back, for the switch to read
	struct {
		int device;
		uint16_t code;
	} echoes[ECHOES];
	unsigned n_echoes;
};

static const uint16_t plain_keys[] = { KEY_W, KEY_A, KEY_ENTER, KEY_LEFTSHIFT, BTN_LEFT, KEY_MAX - 1 };
static const uint16_t chord_keys[] = { KEY_LEFTCTRL, KEY_RIGHTCTRL, KEY_LEFTALT, KEY_F12,
				       KEY_LEFTMETA, KEY_PAUSE, BTN_SIDE };

static const struct {
	const char *keys;
	int action;
} hotkeys[] = {
	{ "leftctrl+rightctrl", SWITCH_TOGGLE },
	{ "leftctrl+leftalt+f12", SWITCH_TO_HOST },
	{ "leftmeta+btn_side", SWITCH_TO_GUEST },
	{ "leftalt+pause", SWITCH_COMMANDS + 1 },
	{ "leftmeta+leftalt+rightctrl", SWITCH_LET_GO },
};

static void __attribute__((format(printf, 2, 3), noreturn))
violated(const struct world *world, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "step %llu, %llu µs: ", (unsigned long long)world->counts.steps,
		(unsigned long long)world->now);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

static unsigned choose(struct world *world, unsigned n)
{
	return world->choose(world->context, n);
}

static bool happens(struct world *world, unsigned in)
{
	return choose(world, in) == 0;
}

/* What the switch sends */

static void note_key(struct world *world, enum switch_side side, struct device *device,
		     const struct switch_event *event)
{
	struct keyset *down = side == SWITCH_HOST ? &device->clone : &world->guest;
	char name[KEYNAME_ROOM];

	world->n_keys++;
	keyname_print(event->code, name);
	if (keyset_has(down, event->code) != (event->value != 1))
		violated(world, "%s: %s %d, which was %s", side == SWITCH_HOST ? "host" : "guest", name,
			 event->value, event->value == 1 ? "down" : "up");
	if (event->value == 1) {
		// what keep_held takes along has no order
		if (device->pressed_at[event->code] < world->last_press &&
		    keyset_is_empty(&world->config.keep_held))
			violated(world, "%s comes after what was pressed later", name);
		world->last_press = device->pressed_at[event->code];
		keyset_add(down, event->code);
		keyset_add(&world->sent_down, event->code);
	} else if (event->value == 0) {
		keyset_remove(down, event->code);
	}
}

static void on_event(void *context, enum switch_side side, int id, const struct switch_event *event)
{
	struct world *world = context;
	struct device *device = &world->devices[id];

	if (world->open && (world->open != device || world->open_side != side))
		violated(world, "a report of device %d within another", id);
	world->open = device;
	world->open_side = side;
	if (!device->present || !device->grabbed)
		violated(world, "an event of device %d, which is not ours", id);
	if (event->type == EV_SYN) {
		world->open = NULL;
	} else if (event->type == EV_KEY) {
		note_key(world, side, device, event);
	} else if (event->type == EV_REL) {
		world->n_moved++;
		world->moved = event->value;
	}
}

static void native_release(struct world *world, struct device *device, unsigned code)
{
	if (!keyset_has(&device->native, code) && !keyset_has(&device->strange, code))
		violated(world, "the host sees the release of %u, which it never saw pressed", code);
	keyset_remove(&device->native, code);
	keyset_remove(&device->strange, code);
}

static void on_write_back(void *context, int id, const struct switch_event *event)
{
	struct world *world = context;
	struct device *device = &world->devices[id];

	if (event->type != EV_KEY || !keyset_has(&device->key, event->code))
		return;
	if (event->value != 0)
		violated(world, "a press was written to device %d", id);
	keyset_remove(&device->key, event->code);
	if (!device->grabbed)
		native_release(world, device, event->code);
	if (world->n_echoes < ECHOES && !device->lost) {
		world->echoes[world->n_echoes].device = id;
		world->echoes[world->n_echoes++].code = event->code;
	}
}

static void drop_echoes(struct world *world, int id)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < world->n_echoes; i++)
		if (world->echoes[i].device != id)
			world->echoes[kept++] = world->echoes[i];
	world->n_echoes = kept;
}

static void ungrab(struct device *device)
{
	device->grabbed = false;
	device->strange = device->key;
	device->known = (struct keyset){ 0 };
}

static int on_grab(void *context, int id, bool on, struct keyset *held)
{
	struct world *world = context;
	struct device *device = &world->devices[id];

	if (!device->present || device->grabbed == on)
		violated(world, "grab %d of device %d, which is %s", on, id,
			 device->present ? "so already" : "not there");
	if (!on) {
		// what it was not told of it cannot have released
		if (!device->lost && !keyset_is_empty(&device->key))
			violated(world, "device %d is ungrabbed with keys down", id);
		ungrab(device);
		return 0;
	}
	if (device->busy)
		return -EBUSY;
	drop_echoes(world, id);
	if (!keyset_is_empty(&device->key)) {
		*held = device->key;
		return -EAGAIN;
	}
	device->grabbed = true;
	device->known = (struct keyset){ 0 };
	return 0;
}

static void on_notice(void *context, const struct switch_notice *notice)
{
	struct world *world = context;

	switch (notice->kind) {
	case SWITCH_NOTICE_SIDE:
		world->counts.switches++;
		world->let_go = false;
		if (notice->side == SWITCH_GUEST && !world->guest_ready)
			violated(world, "a guest that is not ready has the input");
		break;
	case SWITCH_NOTICE_LET_GO:
		world->counts.let_gos++;
		world->let_go = true;
		break;
	case SWITCH_NOTICE_ACTION:
		world->n_actions++;
		break;
	default:
		break;
	}
}

/* What must hold after every call */

static bool is_down_anywhere(const struct world *world, unsigned code)
{
	for (int i = 0; i < DEVICES; i++)
		if (keyset_has(&world->devices[i].clone, code))
			return true;
	return keyset_has(&world->guest, code);
}

static void check(struct world *world)
{
	enum switch_side side = switch_get_side(world->engine);

	if (world->open)
		violated(world, "a report was not ended");
	if (side == SWITCH_HOST && !keyset_is_empty(&world->guest))
		violated(world, "the host has the input and the guest a key down");
	if (side == SWITCH_GUEST && !world->guest_ready)
		violated(world, "a guest that is gone has the input");
	for (int i = 0; i < DEVICES; i++) {
		const struct device *device = &world->devices[i];

		if ((side == SWITCH_GUEST || !device->grabbed) && !keyset_is_empty(&device->clone))
			violated(world, "the host's clone %d has a key down that it must not", i);
		if (world->let_go && device->grabbed)
			violated(world, "device %d is grabbed though all was let go", i);
	}
}

static void begin(struct world *world)
{
	world->n_keys = world->n_actions = world->n_moved = 0;
	world->sent_down = (struct keyset){ 0 };
}

static void feed(struct world *world, int id, uint16_t type, uint16_t code, int32_t value)
{
	switch_feed(world->engine, world->now, id, &(struct switch_event){ type, code, value });
}

static void feed_echoes(struct world *world)
{
	while (world->n_echoes > 0) {
		int id = world->echoes[0].device;
		uint16_t code = world->echoes[0].code;

		memmove(world->echoes, world->echoes + 1, --world->n_echoes * sizeof(world->echoes[0]));
		if (!world->devices[id].present || world->devices[id].lost)
			continue;
		feed(world, id, EV_KEY, code, 0);
		feed(world, id, EV_SYN, SYN_REPORT, 0);
	}
}

static void end(struct world *world)
{
	check(world);
	feed_echoes(world);
	check(world);
}

/* Fingers */

// The kernel lets a change through only. Returns whether it was one that the switch is told of.
static bool change_key(struct world *world, struct device *device, unsigned code, bool down)
{
	if (down)
		keyset_add(&device->pressed, code);
	else
		keyset_remove(&device->pressed, code);
	if (keyset_has(&device->key, code) == down)
		return false;
	if (down && !device->lost)
		device->pressed_at[code] = ++world->n_presses;
	if (down)
		keyset_add(&device->key, code);
	else
		keyset_remove(&device->key, code);
	if (!device->grabbed && down)
		keyset_add(&device->native, code);
	else if (!device->grabbed)
		native_release(world, device, code);
	return !device->lost;
}

// All keys of a chord are down on devices that are ours.
static const struct chord *completed_chord(const struct world *world, unsigned code)
{
	struct keyset down = { 0 };

	for (int i = 0; i < DEVICES; i++)
		for (unsigned k = 0; world->devices[i].grabbed && k < KEY_CNT / 64; k++)
			down.bits[k] |= world->devices[i].key.bits[k];
	for (size_t i = 0; i < world->chords.count; i++) {
		const struct chord *chord = &world->chords.items[i];
		unsigned n = 0;

		for (unsigned k = 0; k < chord->count; k++)
			n += keyset_has(&down, chord->keys[k]);
		if (n == chord->count && chord_has(chord, code))
			return chord;
	}
	return NULL;
}

static bool is_lost_anywhere(const struct world *world)
{
	for (int i = 0; i < DEVICES; i++)
		if (world->devices[i].present && world->devices[i].lost)
			return true;
	return false;
}

static bool is_in_a_chord(const struct world *world, unsigned code)
{
	return keyset_has(&world->chords.keys, code);
}

static void check_press(struct world *world, const struct device *device, unsigned code,
			const struct chord *chord)
{
	const struct keyset *down = switch_get_side(world->engine) == SWITCH_HOST ? &device->clone
										  : &world->guest;

	if (!is_in_a_chord(world, code) && !keyset_has(down, code))
		violated(world, "the press of %u was lost", code);
	if (!chord)
		return;
	world->counts.chords++;
	if (keyset_has(&world->sent_down, code))
		violated(world, "the last key of a hotkey was seen");
	for (unsigned i = 0; i < chord->count; i++)
		if (is_down_anywhere(world, chord->keys[i]))
			violated(world, "key %u of a hotkey is down", chord->keys[i]);
}

static void press_or_release(struct world *world, int id, unsigned code, bool down)
{
	struct device *device = &world->devices[id];
	bool ours = device->grabbed && !is_lost_anywhere(world);
	const struct chord *chord;

	if (!change_key(world, device, code, down))
		return;
	begin(world);
	chord = down && ours ? completed_chord(world, code) : NULL;
	feed(world, id, EV_KEY, (uint16_t)code, down);
	feed(world, id, EV_SYN, SYN_REPORT, 0);
	check(world);
	if (down && ours)
		check_press(world, device, code, chord);
	if (!down && ours && keyset_has(&device->clone, code))
		violated(world, "the release of %u was lost", code);
	end(world);
}

static unsigned any_key(struct world *world)
{
	if (happens(world, 2))
		return plain_keys[choose(world, ARRAY_SIZE(plain_keys))];
	return chord_keys[choose(world, ARRAY_SIZE(chord_keys))];
}

static int any_device(struct world *world)
{
	unsigned first = choose(world, DEVICES);

	for (unsigned i = 0; i < DEVICES; i++)
		if (world->devices[(first + i) % DEVICES].present)
			return (int)((first + i) % DEVICES);
	return -1;
}

static void do_key(struct world *world)
{
	int id = any_device(world);
	unsigned code = any_key(world);

	if (id >= 0)
		press_or_release(world, id, code, !keyset_has(&world->devices[id].pressed, code));
}

static void do_repeat(struct world *world)
{
	int id = any_device(world);
	unsigned code = any_key(world);

	if (id < 0 || !keyset_has(&world->devices[id].key, code) || world->devices[id].lost)
		return;
	switch_tick(world->engine, world->now);
	begin(world);
	feed(world, id, EV_KEY, (uint16_t)code, 2);
	feed(world, id, EV_SYN, SYN_REPORT, 0);
	if (world->n_keys > 1)
		violated(world, "a repeat led to more than itself");
	end(world);
}

static void do_move(struct world *world)
{
	int id = any_device(world);
	struct device *device = &world->devices[id < 0 ? 0 : id];
	bool ours = device->grabbed && !device->lost;

	if (id < 0)
		return;
	begin(world);
	feed(world, id, EV_REL, happens(world, 4) ? REL_WHEEL : REL_X, ++world->serial);
	feed(world, id, EV_SYN, SYN_REPORT, 0);
	if (world->n_moved != ours || (ours && world->moved != world->serial))
		violated(world, "%u of %d movements arrived", world->n_moved, ours);
	end(world);
}

// Several changes in one report, each of another key.
static void do_big_report(struct world *world)
{
	int id = any_device(world);
	unsigned count = 1 + choose(world, 6);
	struct keyset changed = { 0 };

	if (id < 0)
		return;
	begin(world);
	for (unsigned i = 0; i < count; i++) {
		unsigned code = any_key(world);
		bool down = !keyset_has(&world->devices[id].pressed, code);

		if (keyset_has(&changed, code))
			continue;
		keyset_add(&changed, code);
		if (change_key(world, &world->devices[id], code, down))
			feed(world, id, EV_KEY, (uint16_t)code, down);
	}
	feed(world, id, EV_SYN, SYN_REPORT, 0);
	end(world);
}

/* A hotkey as a person presses it */

static bool is_all_at_rest(const struct world *world)
{
	for (int i = 0; i < DEVICES; i++)
		if (!keyset_is_empty(&world->devices[i].key) || world->devices[i].lost ||
		    (world->devices[i].present && !world->devices[i].grabbed))
			return false;
	return !world->let_go;
}

static bool is_modifier(unsigned code)
{
	return code == KEY_LEFTCTRL || code == KEY_RIGHTCTRL || code == KEY_LEFTALT ||
	       code == KEY_LEFTMETA;
}

static void do_chord(struct world *world)
{
	const struct chord *chord = &world->chords.items[choose(world, (unsigned)world->chords.count)];
	unsigned first = choose(world, chord->count), seen = 0;
	int id = any_device(world);
	bool unseen = world->config.hold_us > 0 && is_all_at_rest(world) &&
		      is_modifier(chord->keys[first]);

	for (unsigned i = 0; id >= 0 && i < chord->count; i++) {
		if (happens(world, 3)) {
			begin(world);
			feed(world, id, EV_REL, REL_X, 1);
			feed(world, id, EV_SYN, SYN_REPORT, 0);
		}
		press_or_release(world, id, chord->keys[(first + i) % chord->count], true);
		seen += world->n_keys;
	}
	for (unsigned i = 0; id >= 0 && i < chord->count; i++) {
		press_or_release(world, id, chord->keys[(first + i) % chord->count], false);
		seen += world->n_keys;
	}
	if (id >= 0 && unseen && seen > 0)
		violated(world, "%u events of a hotkey were seen", seen);
	world->counts.unseen_chords += id >= 0 && unseen;
}

/* All else that happens */

static void do_command(struct world *world)
{
	unsigned which = choose(world, 16);

	begin(world);
	switch_command(world->engine, world->now,
		       which < 8   ? SWITCH_TOGGLE
		       : which < 11 ? SWITCH_TO_GUEST
		       : which < 15 ? SWITCH_TO_HOST
				    : SWITCH_LET_GO);
	end(world);
}

static void do_guest(struct world *world)
{
	world->guest_ready = !happens(world, 4);
	begin(world);
	switch_set_guest_ready(world->engine, world->now, world->guest_ready);
	end(world);
}

static void do_wait(struct world *world)
{
	static const uint64_t times[] = { 0, 1, 1000, 100000, 250000, 600000, 2000000 };
	uint64_t until = world->now + times[choose(world, ARRAY_SIZE(times))];
	bool ticks = happens(world, 2);

	begin(world);
	for (uint64_t due; ticks && (due = switch_deadline(world->engine)) <= until; end(world)) {
		world->now = due > world->now ? due : world->now;
		switch_tick(world->engine, world->now);
		if (world->config.wait_us > 0 && switch_deadline(world->engine) <= world->now)
			violated(world, "what is due is not done");
	}
	world->now = until;
}

static void plug(struct world *world, int id)
{
	struct device *device = &world->devices[id];
	struct switch_device what = { .held = device->key };

	if (switch_add(world->engine, world->now, id, &what) < 0)
		violated(world, "device %d is refused", id);
}

static void do_plug(struct world *world)
{
	int id = (int)choose(world, DEVICES);
	struct device *device = &world->devices[id];

	begin(world);
	if (!device->present) {
		*device = (struct device){ .present = true, .busy = happens(world, 8) };
		plug(world, id);
		end(world);
		return;
	}
	world->counts.unplugs++;
	switch_remove(world->engine, world->now, id);
	if (!keyset_is_empty(&device->clone))
		violated(world, "device %d went with a key down", id);
	*device = (struct device){ 0 };
	drop_echoes(world, id);
	end(world);
}

static void do_busy(struct world *world)
{
	world->devices[choose(world, DEVICES)].busy = happens(world, 4);
}

static void find_again(struct world *world, int id)
{
	struct device *device = &world->devices[id];

	struct keyset news = keyset_without(device->key, &device->known);

	device->lost = false;
	world->n_presses++; // one for all, whose order is lost
	KEYSET_FOREACH(code, &news)
		device->pressed_at[code] = world->n_presses;
	begin(world);
	switch_sync(world->engine, world->now, id, &device->key);
	end(world);
}

static void do_drop(struct world *world)
{
	int id = any_device(world);

	if (id < 0)
		return;
	if (world->devices[id].lost) {
		find_again(world, id);
		return;
	}
	world->counts.drops++;
	begin(world);
	if (happens(world, 2))
		feed(world, id, EV_REL, REL_Y, 1); // a report that is never ended
	feed(world, id, EV_SYN, SYN_DROPPED, 0);
	world->devices[id].lost = true;
	world->devices[id].known = world->devices[id].key;
	drop_echoes(world, id);
	if (happens(world, 2)) {
		feed(world, id, EV_KEY, KEY_A, 1);
		feed(world, id, EV_SYN, SYN_REPORT, 0);
	}
	end(world);
}

static void start_switch(struct world *world)
{
	struct switch_sink sink = { world, on_event, on_write_back, on_grab, on_notice };

	world->engine = switch_new(&world->config, &world->chords, &sink);
	world->let_go = false;
	switch_set_guest_ready(world->engine, world->now, world->guest_ready);
	for (int i = 0; i < DEVICES; i++)
		if (world->devices[i].present)
			plug(world, i);
}

// The kernel takes the clones away and ends the grabs; the keeper releases what the guest has down.
static void do_death(struct world *world)
{
	world->counts.deaths++;
	switch_free(world->engine);
	world->n_echoes = 0;
	world->open = NULL;
	world->guest = (struct keyset){ 0 };
	for (int i = 0; i < DEVICES; i++) {
		world->devices[i].clone = (struct keyset){ 0 };
		world->devices[i].lost = false;
		if (world->devices[i].grabbed)
			ungrab(&world->devices[i]);
	}
	begin(world);
	start_switch(world);
	end(world);
}

void world_step(struct world *world)
{
	static const struct {
		void (*happen)(struct world *world);
		unsigned weight;
	} events[] = {
		{ do_key, 30 },	 { do_repeat, 4 }, { do_move, 10 }, { do_big_report, 6 },
		{ do_chord, 24 }, { do_command, 8 }, { do_guest, 2 }, { do_wait, 12 },
		{ do_plug, 2 },	 { do_busy, 1 },   { do_drop, 2 },  { do_death, 1 },
	};
	unsigned which = choose(world, 102);
	size_t i = 0;

	world->counts.steps++;
	for (; i < ARRAY_SIZE(events) - 1 && which >= events[i].weight; i++)
		which -= events[i].weight;
	events[i].happen(world);
}

static void release_all(struct world *world, int id)
{
	struct device *device = &world->devices[id];

	device->busy = false;
	if (device->lost)
		find_again(world, id);
	KEYSET_FOREACH(code, &device->pressed)
		press_or_release(world, id, (unsigned)code, false);
}

void world_rest(struct world *world)
{
	uint64_t due;

	for (int i = 0; i < DEVICES; i++)
		if (world->devices[i].present)
			release_all(world, i);
	begin(world);
	for (int i = 0; i < 100 && (due = switch_deadline(world->engine)) != SWITCH_NEVER; i++) {
		world->now = due > world->now ? due : world->now;
		switch_tick(world->engine, world->now);
		end(world);
	}
	if (switch_deadline(world->engine) != SWITCH_NEVER)
		violated(world, "the switch does not come to rest");
	if (!keyset_is_empty(&world->guest))
		violated(world, "a key stays down in the guest");
	for (int i = 0; i < DEVICES; i++) {
		const struct device *device = &world->devices[i];

		if (!keyset_is_empty(&device->clone) || !keyset_is_empty(&device->native) ||
		    !keyset_is_empty(&device->key))
			violated(world, "a key stays down on device %d", i);
		if (device->present && device->grabbed == world->let_go)
			violated(world, "device %d is %s", i, device->grabbed ? "grabbed" : "not grabbed");
	}
}

static void choose_config(struct world *world)
{
	static const uint64_t holds[] = { 0, 200000, SWITCH_NEVER }, waits[] = { 0, 500000, 1 };

	world->config.hold_us = holds[choose(world, ARRAY_SIZE(holds))];
	world->config.wait_us = waits[choose(world, ARRAY_SIZE(waits))];
	switch (choose(world, 3)) {
	case 1:
		memset(&world->config.keep_held, 0xff, sizeof(world->config.keep_held));
		break;
	case 2:
		keyset_add(&world->config.keep_held, KEY_LEFTSHIFT);
		keyset_add(&world->config.keep_held, BTN_LEFT);
		break;
	}
}

struct world *world_new(world_choose *chooser, void *context)
{
	struct world *world = mem_new(1, sizeof(*world));

	world->choose = chooser;
	world->context = context;
	choose_config(world);
	for (size_t i = 0; i < ARRAY_SIZE(hotkeys); i++)
		if (chords_add(&world->chords, hotkeys[i].keys, hotkeys[i].action, NULL) < 0)
			abort();
	world->guest_ready = true;
	for (int i = 0; i < DEVICES; i++)
		world->devices[i].present = true;
	start_switch(world);
	return world;
}

void world_free(struct world *world)
{
	switch_free(world->engine);
	chords_finish(&world->chords);
	free(world);
}

const struct world_counts *world_get_counts(const struct world *world)
{
	return &world->counts;
}
