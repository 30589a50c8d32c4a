// SPDX-License-Identifier: MIT
// Owns the grammar of hotkeys and the question whether the keys that are down make one. Refuses to
// know what a hotkey does, who presses it, and time.
//
//	hotkey = key { "+" key }        any order, blanks around "+" allowed, at most CHORD_KEYS_MAX keys
//	key    = name                   as keyname.h has it: "leftctrl", "f12", "btn_side"
//	       | "ctrl" | "alt" | "shift" | "meta"    the left or the right one
//
// "ctrl+f12" stands for two chords, leftctrl+f12 and rightctrl+f12, and "ctrl+ctrl" for both Ctrls.
// A chord is complete with the press of the last of its keys, whichever that is, on whatever devices
// they are; that other keys are down as well does not hinder it, so a stuck key never blocks one.
// For the same reason no chord may contain another: the smaller one would always come first.
#pragma once

#include "input/keyset.h"

#include <stddef.h>

struct err;
struct str;

enum { CHORD_KEYS_MAX = 5 };

struct chord {
	uint16_t keys[CHORD_KEYS_MAX]; // as written, each once
	unsigned count;
	int action; // the caller's
};

// Zeroed is empty.
struct chords {
	struct chord *items;
	size_t count;
	struct keyset keys; // every key of any chord
};

void chords_finish(struct chords *chords);

// Adds what `text` stands for. Returns 0, -EINVAL: not a hotkey, or -EEXIST: it contains one that is
// there, is contained in one, or is the same; then the set is as before and the message says what to
// write instead.
int chords_add(struct chords *chords, const char *text, int action, struct err *err);

// The chord that the press of `key` completes where `down` (which has `key`) are the keys that are
// down, or NULL. Of several, the one that was added first.
const struct chord *chords_find_complete(const struct chords *chords, const struct keyset *down,
					 unsigned key);

// Some chord has all of these keys and more, and they are how hands begin it: with a modifier (Ctrl,
// Alt, Shift, Meta) where it has one. So of leftmeta+u, u alone begins nothing.
bool chords_may_begin_with(const struct chords *chords, const struct keyset *keys);

bool chord_has(const struct chord *chord, unsigned key);

// "leftctrl+f12"
void chord_print(const struct chord *chord, struct str *out);
