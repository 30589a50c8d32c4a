// SPDX-License-Identifier: MIT
#include "input/switch_engine.h"

#include <assert.h>

static const struct switch_event end_of_report = { EV_SYN, SYN_REPORT, 0 };

void route_close(struct switch_engine *engine)
{
	const struct source *source = engine->open;

	if (!source)
		return;
	engine->open = NULL;
	engine->sink.event(engine->sink.context, engine->open_side, source->id, &end_of_report);
}

void route_event(struct switch_engine *engine, struct source *source, enum switch_side side,
		 const struct switch_event *event)
{
	if (engine->open != source || engine->open_side != side)
		route_close(engine);
	engine->open = source;
	engine->open_side = side;
	engine->sink.event(engine->sink.context, side, source->id, event);
}

static void send_key(struct switch_engine *engine, struct source *source, const struct key *key,
		     int32_t value)
{
	struct switch_event scan = { EV_MSC, MSC_SCAN, key->scan };
	struct switch_event event = { EV_KEY, key->code, value };

	if (key->has_scan)
		route_event(engine, source, engine->side, &scan);
	route_event(engine, source, engine->side, &event);
}

// The guest's one keyboard has this key down on account of another device.
static bool is_shared(const struct switch_engine *engine, unsigned code, unsigned others)
{
	return engine->side == SWITCH_GUEST && engine->n_down[code] > others;
}

void route_press(struct switch_engine *engine, struct source *source, const struct key *key)
{
	assert(!keyset_has(&source->down, key->code));
	keyset_add(&source->down, key->code);
	engine->n_down[key->code]++;
	engine->n_down_all++;
	if (!is_shared(engine, key->code, 1))
		send_key(engine, source, key, 1);
}

void route_release(struct switch_engine *engine, struct source *source, const struct key *key)
{
	if (!keyset_has(&source->down, key->code))
		return;
	keyset_remove(&source->down, key->code);
	engine->n_down[key->code]--;
	engine->n_down_all--;
	if (!is_shared(engine, key->code, 0))
		send_key(engine, source, key, 0);
}

void route_repeat(struct switch_engine *engine, struct source *source, const struct key *key)
{
	if (keyset_has(&source->down, key->code))
		send_key(engine, source, key, 2);
}

void route_axes(struct switch_engine *engine, struct source *source)
{
	enum switch_side side = engine->side;

	for (uint16_t code = 0; code < ABS_CNT; code++) {
		struct switch_event event = { EV_ABS, code, source->axis[code] };
		uint64_t bit = UINT64_C(1) << code;

		if (!(source->axes & bit) || ((source->sent_axes[side] & bit) &&
					      source->sent_axis[side][code] == event.value))
			continue;
		source->sent_axes[side] |= bit;
		source->sent_axis[side][code] = event.value;
		route_event(engine, source, side, &event);
	}
}

static void light(struct switch_engine *engine, struct source *source, uint16_t leds, uint16_t wanted)
{
	if (!leds)
		return;
	for (uint16_t led = 0; led < LED_CNT; led++) {
		struct switch_event event = { EV_LED, led, wanted >> led & 1 };

		if (leds >> led & 1)
			engine->sink.write_back(engine->sink.context, source->id, &event);
	}
	engine->sink.write_back(engine->sink.context, source->id, &end_of_report);
	source->shown_leds = (uint16_t)((source->shown_leds & ~leds) | (wanted & leds));
}

void route_leds(struct switch_engine *engine, struct source *source)
{
	uint16_t guest = engine->side == SWITCH_GUEST ? engine->guest_known_leds : 0;
	uint16_t wanted = (source->host_leds & ~guest) | (engine->guest_leds & guest);
	uint16_t change = (wanted ^ source->shown_leds) & source->has_leds;

	if (source->grabbed)
		light(engine, source, change, wanted);
}

void route_host_leds(struct switch_engine *engine, struct source *source)
{
	light(engine, source, source->has_leds, source->host_leds);
}

void route_key_ups(struct switch_engine *engine, struct source *source)
{
	if (keyset_is_empty(&source->held))
		return;
	KEYSET_FOREACH(code, &source->held) {
		struct switch_event event = { EV_KEY, (uint16_t)code, 0 };

		engine->sink.write_back(engine->sink.context, source->id, &event);
	}
	engine->sink.write_back(engine->sink.context, source->id, &end_of_report);
}
