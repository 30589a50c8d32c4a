// SPDX-License-Identifier: MIT
#include "input/switch_engine.h"

static bool must_hold_back(const struct switch_engine *engine, unsigned code)
{
	struct keyset keys = { 0 };

	if (engine->config.hold_us == 0 || engine->n_down_all > 0 ||
	    !keyset_has(&engine->chords->keys, code))
		return false;
	for (unsigned i = 0; i < engine->n_held_back; i++)
		keyset_add(&keys, engine->held_back[i].key.code);
	if (keyset_has(&keys, code))
		return false;
	keyset_add(&keys, code);
	return chords_may_begin_with(engine->chords, &keys);
}

static void hold_back(struct switch_engine *engine, struct source *source, const struct key *key)
{
	if (engine->n_held_back == 0)
		engine->hold_until = engine->config.hold_us < SWITCH_NEVER - engine->now ?
					     engine->now + engine->config.hold_us : SWITCH_NEVER;
	engine->held_back[engine->n_held_back++] = (struct held_back){ source, *key };
}

static bool is_held_back(const struct switch_engine *engine, const struct source *source, unsigned code)
{
	for (unsigned i = 0; i < engine->n_held_back; i++)
		if (engine->held_back[i].source == source && engine->held_back[i].key.code == code)
			return true;
	return false;
}

// Each is a report of its own, as it was when it came, and goes before what is being sent.
void report_decide(struct switch_engine *engine)
{
	unsigned count = engine->n_held_back;

	engine->hold_until = SWITCH_NEVER;
	engine->n_held_back = 0;
	if (count == 0)
		return;
	for (unsigned i = 0; i < count; i++) {
		route_close(engine);
		route_press(engine, engine->held_back[i].source, &engine->held_back[i].key);
	}
	route_close(engine);
}

static void forget_held_back(struct switch_engine *engine, const struct chord *chord)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < engine->n_held_back; i++)
		if (!chord_has(chord, engine->held_back[i].key.code))
			engine->held_back[kept++] = engine->held_back[i];
	engine->n_held_back = kept;
}

static void release_chord(struct switch_engine *engine, struct source *source, const struct chord *chord)
{
	for (unsigned i = 0; i < chord->count; i++)
		route_release(engine, source, &(struct key){ .code = chord->keys[i] });
}

// What the chord does comes after the report; a report completes one chord at most.
static void take_chord(struct switch_engine *engine, const struct chord *chord)
{
	forget_held_back(engine, chord);
	report_decide(engine);
	route_close(engine);
	for (size_t i = 0; i < engine->n_sources; i++)
		release_chord(engine, engine->sources[i], chord);
	route_close(engine);
	if (!engine->pressed)
		engine->pressed = chord;
}

static void press(struct switch_engine *engine, struct source *source, const struct key *key)
{
	const struct chord *chord;

	if (keyset_has(&source->held, key->code))
		return;
	keyset_add(&source->held, key->code);
	keyset_add(&engine->held, key->code);
	engine->n_held[key->code]++;
	chord = chords_find_complete(engine->chords, &engine->held, key->code);
	if (chord) {
		take_chord(engine, chord);
	} else if (must_hold_back(engine, key->code)) {
		hold_back(engine, source, key);
	} else {
		report_decide(engine);
		route_press(engine, source, key);
	}
}

static void release(struct switch_engine *engine, struct source *source, const struct key *key)
{
	if (!keyset_has(&source->held, key->code))
		return;
	if (is_held_back(engine, source, key->code))
		report_decide(engine);
	keyset_remove(&source->held, key->code);
	if (--engine->n_held[key->code] == 0)
		keyset_remove(&engine->held, key->code);
	route_release(engine, source, key);
}

void report_release_held(struct switch_engine *engine, struct source *source)
{
	KEYSET_FOREACH(code, &source->held)
		release(engine, source, &(struct key){ .code = (uint16_t)code });
	route_close(engine);
}

static void take_key(struct switch_engine *engine, struct source *source, const struct key *key,
		     int32_t value)
{
	if (key->code >= KEY_CNT)
		return;
	if (value == 0)
		release(engine, source, key);
	else if (value == 1)
		press(engine, source, key);
	else if (value == 2)
		route_repeat(engine, source, key);
}

static void take_axis(struct switch_engine *engine, struct source *source,
		      const struct switch_event *event)
{
	uint64_t bit = UINT64_C(1) << event->code % 64;

	if (event->code >= ABS_CNT)
		return;
	source->axes |= bit;
	source->axis[event->code] = event->value;
	source->sent_axes[engine->side] |= bit;
	source->sent_axis[engine->side][event->code] = event->value;
	route_event(engine, source, engine->side, event);
}

static void take_other(struct switch_engine *engine, struct source *source,
		       const struct switch_event *event)
{
	switch (event->type) {
	case EV_ABS:
		take_axis(engine, source, event);
		break;
	case EV_REL:
		// Ctrl and a wheel are something of their own; a hand that trembles means nothing
		if (event->code != REL_X && event->code != REL_Y)
			report_decide(engine);
		route_event(engine, source, engine->side, event);
		break;
	case EV_MSC:
		route_event(engine, source, engine->side, event);
		break;
	}
}

static bool is_scan(const struct switch_event *event)
{
	return event->type == EV_MSC && event->code == MSC_SCAN;
}

// Takes one key, with its scan code, or one other event. Returns how many events that were.
static unsigned take_next(struct switch_engine *engine, struct source *source,
			  const struct switch_event *event, unsigned left)
{
	struct key key = { .code = event->code };

	if (is_scan(event) && left > 1 && event[1].type == EV_KEY) {
		key = (struct key){ event[1].code, true, event->value };
		take_key(engine, source, &key, event[1].value);
		return 2;
	}
	if (event->type == EV_KEY)
		take_key(engine, source, &key, event->value);
	else
		take_other(engine, source, event);
	return 1;
}

static void take_lid_and_the_like(struct switch_engine *engine, struct source *source)
{
	for (unsigned i = 0; i < source->n_events; i++)
		if (source->events[i].type == EV_SW)
			route_event(engine, source, SWITCH_HOST, &source->events[i]);
	route_close(engine);
}

void report_take(struct switch_engine *engine, struct source *source)
{
	take_lid_and_the_like(engine, source);
	for (unsigned i = 0; i < source->n_events;)
		i += take_next(engine, source, &source->events[i], source->n_events - i);
	route_close(engine);
	source->n_events = 0;
}
