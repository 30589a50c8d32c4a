// SPDX-License-Identifier: MIT
// Owns the grammar of a profile's hotkey: a chord and what it does. Refuses to do it.
//
//	hotkey = chord [ action ]	the chord as chord.h has it
//	action = "toggle" | "host" | "guest"	who has the input then; toggle where nothing is said
//	       | "next"			the next guest in the order of names, after the last the host
//	       | "let-go"		gives every device back, until a switch is commanded
//	       | "usb" ("attach" | "detach") DEVICE	as `vfiorun usb NAME …`
//	       | "run" PROGRAM [ ARGUMENT… ]	without a shell; words in quotes may have blanks
#pragma once

#include "base/str.h"
#include "input/switch.h"

struct chords;
struct err;

// Behind the engine's own commands, which toggle, host, guest and let-go are.
enum hotkey_action {
	HOTKEY_NEXT = SWITCH_COMMANDS,
	HOTKEY_USB,
	HOTKEY_RUN,
	HOTKEY_COMMANDS, // the first number that is free: HOTKEY_COMMANDS + i is what hotkey i runs
};

struct hotkey {
	char *chord;
	int action;
	struct strv words; // behind usb or run
};

// Returns 0 or -EINVAL with a message; `out` must be finished after success.
int hotkey_parse(const char *text, struct hotkey *out, struct err *err);
void hotkey_finish(struct hotkey *hotkey);

// Adds all of them, and `panic` (may be NULL) as SWITCH_LET_GO. What usb or run do gets the action
// HOTKEY_COMMANDS + its index. Returns 0 or as chords_add; `index` (may be NULL): which one it was, the
// count of texts for panic.
int hotkeys_add(struct chords *chords, const struct strv *texts, const char *panic, size_t *index,
		struct err *err);
