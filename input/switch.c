// SPDX-License-Identifier: MIT
#include "input/switch.h"

#include "base/mem.h"
#include "input/switch_engine.h"

#include <errno.h>
#include <stdlib.h>

struct switch_engine *switch_new(const struct switch_config *config, const struct chords *chords,
				 const struct switch_sink *sink)
{
	struct switch_engine *engine = mem_new(1, sizeof(*engine));

	engine->config = *config;
	engine->sink = *sink;
	engine->chords = chords;
	engine->in_charge = true;
	engine->hold_until = engine->switch_at = SWITCH_NEVER;
	return engine;
}

void switch_free(struct switch_engine *engine)
{
	if (!engine)
		return;
	for (size_t i = 0; i < engine->n_sources; i++)
		free(engine->sources[i]);
	free(engine->sources);
	free(engine);
}

enum switch_side switch_get_side(const struct switch_engine *engine)
{
	return engine->side;
}

bool switch_is_waiting(const struct switch_engine *engine)
{
	return engine->switching;
}

static void set_clock(struct switch_engine *engine, uint64_t now)
{
	if (now > engine->now)
		engine->now = now;
}

static struct source *find_source(const struct switch_engine *engine, int device)
{
	for (size_t i = 0; i < engine->n_sources; i++)
		if (engine->sources[i]->id == device)
			return engine->sources[i];
	return NULL;
}

static void notify(struct switch_engine *engine, struct switch_notice notice)
{
	notice.side = engine->side;
	engine->sink.notice(engine->sink.context, &notice);
}

static uint64_t in_wait_time(const struct switch_engine *engine)
{
	uint64_t wait = engine->config.wait_us;

	return wait < SWITCH_NEVER - engine->now ? engine->now + wait : SWITCH_NEVER;
}

/* Switching */

static bool may_switch(const struct switch_engine *engine)
{
	struct keyset rest;

	for (size_t i = 0; engine->n_down_all > 0 && i < engine->n_sources; i++) {
		rest = keyset_without(engine->sources[i]->down, &engine->config.keep_held);
		if (!keyset_is_empty(&rest))
			return false;
	}
	return true;
}

static void leave_side(struct switch_engine *engine, struct source *source)
{
	source->kept = (struct keyset){ 0 };
	KEYSET_FOREACH(code, &source->down) {
		if (keyset_has(&engine->config.keep_held, (unsigned)code))
			keyset_add(&source->kept, (unsigned)code);
		route_release(engine, source, &(struct key){ .code = (uint16_t)code });
	}
	route_close(engine);
}

static void enter_side(struct switch_engine *engine, struct source *source)
{
	route_axes(engine, source);
	KEYSET_FOREACH(code, &source->kept)
		route_press(engine, source, &(struct key){ .code = (uint16_t)code });
	route_close(engine);
	route_leds(engine, source);
}

static void make_switch(struct switch_engine *engine)
{
	engine->switching = false;
	engine->switch_at = SWITCH_NEVER;
	for (size_t i = 0; i < engine->n_sources; i++)
		leave_side(engine, engine->sources[i]);
	engine->side = engine->side == SWITCH_HOST ? SWITCH_GUEST : SWITCH_HOST;
	for (size_t i = 0; i < engine->n_sources; i++)
		enter_side(engine, engine->sources[i]);
	notify(engine, (struct switch_notice){ .kind = SWITCH_NOTICE_SIDE });
}

static void notify_stuck(struct switch_engine *engine, const struct source *source,
			 const struct keyset *keys)
{
	KEYSET_FOREACH(code, keys)
		notify(engine, (struct switch_notice){ .kind = SWITCH_NOTICE_STUCK,
						       .device = source->id,
						       .key = (unsigned)code });
}

static void make_late_switch(struct switch_engine *engine)
{
	for (size_t i = 0; i < engine->n_sources; i++) {
		struct keyset stuck = keyset_without(engine->sources[i]->down,
						     &engine->config.keep_held);

		notify_stuck(engine, engine->sources[i], &stuck);
	}
	make_switch(engine);
}

static void switch_soon(struct switch_engine *engine)
{
	if (engine->switching && (engine->config.wait_us == 0 || may_switch(engine)))
		make_switch(engine);
}

/* Grabbing */

static void try_to_grab(struct switch_engine *engine, struct source *source)
{
	int r = engine->sink.grab(engine->sink.context, source->id, true, &source->held);

	if (r < 0) {
		source->grab_at = r == -EAGAIN ? in_wait_time(engine) : engine->now + SWITCH_RETRY_US;
		return;
	}
	source->grab_at = SWITCH_NEVER;
	source->grabbed = true;
	source->n_events = 0;
	route_axes(engine, source);
	route_close(engine);
	route_leds(engine, source);
}

static void grab_with_keys_down(struct switch_engine *engine, struct source *source)
{
	notify_stuck(engine, source, &source->held);
	route_key_ups(engine, source);
	source->held = (struct keyset){ 0 };
	try_to_grab(engine, source);
}

static void want_grab(struct switch_engine *engine, struct source *source)
{
	source->grab_at = in_wait_time(engine);
	if (keyset_is_empty(&source->held))
		try_to_grab(engine, source);
}

static void ungrab(struct switch_engine *engine, struct source *source)
{
	source->grab_at = SWITCH_NEVER;
	if (!source->grabbed)
		return;
	route_key_ups(engine, source);
	report_release_held(engine, source);
	source->grabbed = false;
	source->n_events = 0;
	engine->sink.grab(engine->sink.context, source->id, false, NULL);
	// at this the kernel has lit what its own console has (kbd_start, drivers/tty/vt/keyboard.c, Linux 6.1)
	route_host_leds(engine, source);
}

static void observe_event(struct source *source, const struct switch_event *event)
{
	uint16_t bit;

	if (event->type == EV_KEY && event->code < KEY_CNT && event->value == 1) {
		keyset_add(&source->held, event->code);
	} else if (event->type == EV_KEY && event->code < KEY_CNT && event->value == 0) {
		keyset_remove(&source->held, event->code);
	} else if (event->type == EV_ABS && event->code < ABS_CNT) {
		source->axes |= UINT64_C(1) << event->code;
		source->axis[event->code] = event->value;
	} else if (event->type == EV_LED && event->code < LED_CNT) {
		bit = (uint16_t)(1u << event->code);
		source->host_leds = event->value ? source->host_leds | bit : source->host_leds & ~bit;
		source->shown_leds = source->host_leds;
	}
}

// A device that is not grabbed is the host's; what it does must be known for the time when it is.
static void observe(struct switch_engine *engine, struct source *source)
{
	bool was_held = !keyset_is_empty(&source->held);

	for (unsigned i = 0; i < source->n_events; i++)
		observe_event(source, &source->events[i]);
	source->n_events = 0;
	if (engine->in_charge && was_held && keyset_is_empty(&source->held))
		try_to_grab(engine, source);
}

/* Commands */

static void ask_for(struct switch_engine *engine, enum switch_side side)
{
	if (side == SWITCH_GUEST && !engine->guest_ready) {
		notify(engine, (struct switch_notice){ .kind = SWITCH_NOTICE_REFUSED });
		return;
	}
	report_decide(engine);
	if (!engine->in_charge) {
		engine->in_charge = true;
		for (size_t i = 0; i < engine->n_sources; i++)
			want_grab(engine, engine->sources[i]);
		if (side == SWITCH_HOST)
			notify(engine, (struct switch_notice){ .kind = SWITCH_NOTICE_SIDE });
	}
	if (engine->switching == (side != engine->side))
		return;
	engine->switching = side != engine->side;
	engine->switch_at = engine->switching ? in_wait_time(engine) : SWITCH_NEVER;
	switch_soon(engine);
}

static void let_go(struct switch_engine *engine)
{
	if (!engine->in_charge)
		return;
	report_decide(engine);
	engine->in_charge = engine->switching = false;
	engine->switch_at = SWITCH_NEVER;
	for (size_t i = 0; i < engine->n_sources; i++)
		leave_side(engine, engine->sources[i]);
	engine->side = SWITCH_HOST;
	for (size_t i = 0; i < engine->n_sources; i++)
		ungrab(engine, engine->sources[i]);
	notify(engine, (struct switch_notice){ .kind = SWITCH_NOTICE_LET_GO });
}

// Asked again while it waits, a toggle takes itself back.
static enum switch_side other_side(const struct switch_engine *engine)
{
	return (engine->side == SWITCH_HOST) != engine->switching ? SWITCH_GUEST : SWITCH_HOST;
}

static void obey(struct switch_engine *engine, int action)
{
	switch (action) {
	case SWITCH_TO_HOST:
		ask_for(engine, SWITCH_HOST);
		break;
	case SWITCH_TO_GUEST:
		ask_for(engine, SWITCH_GUEST);
		break;
	case SWITCH_TOGGLE:
		ask_for(engine, other_side(engine));
		break;
	case SWITCH_LET_GO:
		let_go(engine);
		break;
	default:
		notify(engine, (struct switch_notice){ .kind = SWITCH_NOTICE_ACTION,
						       .action = action });
	}
}

void switch_command(struct switch_engine *engine, uint64_t now, enum switch_command command)
{
	switch_tick(engine, now);
	obey(engine, command);
}

static void lose_guest(struct switch_engine *engine)
{
	engine->guest_known_leds = 0;
	if (engine->side == SWITCH_GUEST) {
		make_switch(engine);
	} else if (engine->switching) {
		engine->switching = false;
		engine->switch_at = SWITCH_NEVER;
		notify(engine, (struct switch_notice){ .kind = SWITCH_NOTICE_REFUSED });
	}
}

// A guest that is lost gets nothing that was due before that.
void switch_set_guest_ready(struct switch_engine *engine, uint64_t now, bool ready)
{
	set_clock(engine, now);
	engine->guest_ready = ready;
	if (!ready)
		lose_guest(engine);
	switch_tick(engine, now);
}

/* Time */

void switch_tick(struct switch_engine *engine, uint64_t now)
{
	set_clock(engine, now);
	if (engine->hold_until <= engine->now)
		report_decide(engine);
	if (engine->switch_at <= engine->now)
		make_late_switch(engine);
	for (size_t i = 0; i < engine->n_sources; i++)
		if (engine->sources[i]->grab_at <= engine->now)
			grab_with_keys_down(engine, engine->sources[i]);
}

uint64_t switch_deadline(const struct switch_engine *engine)
{
	uint64_t soonest = engine->hold_until;

	if (engine->switch_at < soonest)
		soonest = engine->switch_at;
	for (size_t i = 0; i < engine->n_sources; i++)
		if (engine->sources[i]->grab_at < soonest)
			soonest = engine->sources[i]->grab_at;
	return soonest;
}

/* Devices */

int switch_add(struct switch_engine *engine, uint64_t now, int device,
	       const struct switch_device *what)
{
	struct source *source;

	switch_tick(engine, now);
	if (what->is_multitouch)
		return -ENOTSUP;
	if (find_source(engine, device))
		return -EEXIST;
	source = mem_new(1, sizeof(*source));
	source->id = device;
	source->grab_at = SWITCH_NEVER;
	source->held = what->held;
	source->has_leds = what->has_leds;
	source->host_leds = source->shown_leds = what->lit_leds;
	engine->sources = mem_grow(engine->sources, engine->n_sources, sizeof(struct source *));
	engine->sources[engine->n_sources++] = source;
	if (engine->in_charge)
		want_grab(engine, source);
	return 0;
}

void switch_remove(struct switch_engine *engine, uint64_t now, int device)
{
	struct source *source;
	size_t i = 0;

	switch_tick(engine, now);
	source = find_source(engine, device);
	if (!source)
		return;
	if (source->grabbed)
		report_release_held(engine, source);
	while (engine->sources[i] != source)
		i++;
	for (engine->n_sources--; i < engine->n_sources; i++)
		engine->sources[i] = engine->sources[i + 1];
	free(source);
	switch_soon(engine);
}

static bool has_press(const struct source *source)
{
	for (unsigned i = 0; i < source->n_events; i++)
		if (source->events[i].type == EV_KEY && source->events[i].value == 1 &&
		    !keyset_has(&source->held, source->events[i].code))
			return true;
	return false;
}

static void take_report(struct switch_engine *engine, struct source *source)
{
	const struct chord *pressed;

	if (!source->grabbed) {
		observe(engine, source);
		return;
	}
	if (engine->switching && has_press(source))
		make_switch(engine);
	report_take(engine, source);
	pressed = engine->pressed;
	engine->pressed = NULL;
	if (pressed)
		obey(engine, pressed->action);
	switch_soon(engine);
}

static void take_event(struct switch_engine *engine, struct source *source,
		       const struct switch_event *event)
{
	if (event->type != EV_SYN) {
		if (!source->lost)
			source->events[source->n_events++] = *event;
	} else if (event->code == SYN_DROPPED) {
		source->lost = true;
		source->n_events = 0;
	}
	if ((event->type == EV_SYN && event->code == SYN_REPORT) ||
	    source->n_events == SWITCH_REPORT_MAX)
		take_report(engine, source);
}

// What is due first, unless that may be a grab of this device: what comes now was read before it.
static struct source *begin_with(struct switch_engine *engine, uint64_t now, int device)
{
	struct source *source = find_source(engine, device);

	if (!source || source->grabbed)
		switch_tick(engine, now);
	else
		set_clock(engine, now);
	return source;
}

void switch_feed(struct switch_engine *engine, uint64_t now, int device,
		 const struct switch_event *event)
{
	struct source *source = begin_with(engine, now, device);

	if (source)
		take_event(engine, source, event);
	switch_tick(engine, now);
}

static void add_changes(struct source *source, const struct keyset *changed, int32_t value)
{
	KEYSET_FOREACH(code, changed)
		source->events[source->n_events++] =
			(struct switch_event){ EV_KEY, (uint16_t)code, value };
}

static void take_snapshot(struct switch_engine *engine, struct source *source,
			  const struct keyset *held)
{
	struct keyset released = keyset_without(source->held, held);
	struct keyset pressed = keyset_without(*held, &source->held);

	source->lost = false;
	source->n_events = 0;
	add_changes(source, &released, 0);
	add_changes(source, &pressed, 1);
	take_report(engine, source);
}

void switch_sync(struct switch_engine *engine, uint64_t now, int device, const struct keyset *held)
{
	struct source *source = begin_with(engine, now, device);

	if (source)
		take_snapshot(engine, source, held);
	switch_tick(engine, now);
}

void switch_set_led(struct switch_engine *engine, uint64_t now, enum switch_side side, int device,
		    unsigned led, bool on)
{
	struct source *source;
	uint16_t bit = led < LED_CNT ? (uint16_t)(1u << led) : 0;

	switch_tick(engine, now);
	source = find_source(engine, device);
	if (side == SWITCH_GUEST) {
		engine->guest_known_leds |= bit;
		engine->guest_leds = on ? engine->guest_leds | bit : engine->guest_leds & ~bit;
	} else if (source) {
		source->host_leds = on ? source->host_leds | bit : source->host_leds & ~bit;
	}
	for (size_t i = 0; i < engine->n_sources; i++)
		route_leds(engine, engine->sources[i]);
}
