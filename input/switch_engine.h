// SPDX-License-Identifier: MIT
// Owns what the parts of the switch share; for input/switch*.c only. switch.c: commands, time and
// devices; switch_report.c: what the events of a device mean; switch_route.c: who is told.
#pragma once

#include "input/chord.h"
#include "input/switch.h"

// A key or button of a report, with the scan code that came before it (EV_MSC MSC_SCAN).
struct key {
	uint16_t code;
	bool has_scan;
	int32_t scan;
};

struct source {
	int id;
	bool grabbed;
	bool lost;	  // between SYN_DROPPED and switch_sync
	uint64_t grab_at; // when to grab even with keys down; SWITCH_NEVER: grabbed, or not wanted
	struct keyset held; // physically down, as far as we were told
	struct keyset down; // down on the side that has the input; a part of held
	struct keyset kept; // while a switch is made: to be pressed on the other side
	uint16_t has_leds, host_leds, shown_leds;
	uint64_t axes, sent_axes[2]; // known, and ever sent to a side
	int32_t axis[ABS_CNT], sent_axis[2][ABS_CNT];
	unsigned n_events;
	struct switch_event events[SWITCH_REPORT_MAX];
};

struct held_back {
	struct source *source;
	struct key key;
};

struct switch_engine {
	struct switch_config config;
	struct switch_sink sink;
	const struct chords *chords;
	uint64_t now;

	bool in_charge; // false: let go
	bool guest_ready;
	enum switch_side side;
	bool switching; // to the other side, once keys are up or at switch_at
	uint64_t switch_at;
	const struct chord *pressed; // the chord that the report at hand completed

	struct source **sources;
	size_t n_sources;
	struct keyset held;	      // of all grabbed sources
	uint16_t n_held[KEY_CNT];     // on how many of them
	uint16_t n_down[KEY_CNT];     // on how many a key is in `down`
	unsigned n_down_all;	      // over all keys
	uint16_t guest_leds, guest_known_leds;

	// Pressed from rest, undecided, in order. While there are any, n_down_all is 0.
	struct held_back held_back[CHORD_KEYS_MAX];
	unsigned n_held_back;
	uint64_t hold_until;

	// The report that is being sent.
	const struct source *open;
	enum switch_side open_side;
};

// switch_report.c
void report_take(struct switch_engine *engine, struct source *source); // the source's events
void report_decide(struct switch_engine *engine); // delivers what is held back, in order
void report_release_held(struct switch_engine *engine, struct source *source); // as if all keys came up

// switch_route.c: nothing is sent for keys whose state on the side does not change
void route_event(struct switch_engine *engine, struct source *source, enum switch_side side,
		 const struct switch_event *event);
void route_close(struct switch_engine *engine); // ends the report, if any
void route_press(struct switch_engine *engine, struct source *source, const struct key *key);
void route_release(struct switch_engine *engine, struct source *source, const struct key *key);
void route_repeat(struct switch_engine *engine, struct source *source, const struct key *key);
void route_axes(struct switch_engine *engine, struct source *source); // what the side does not know
void route_leds(struct switch_engine *engine, struct source *source); // to the device
void route_host_leds(struct switch_engine *engine, struct source *source); // all, whatever it shows
void route_key_ups(struct switch_engine *engine, struct source *source); // to the device, all held ones
