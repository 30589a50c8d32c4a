// SPDX-License-Identifier: MIT
// Owns what an input device is and can send, as one value: read from a real one, given to the kernel to
// make a like one (uinput). Refuses to open anything, and to say where events go.
//
// Raw ioctls in place of libevdev: it would read the kernel's state into a copy of its own and back, where
// the engine has that already, and its reader needs a system call more for each wake-up.
#pragma once

#include "input/keyset.h"

#include <linux/input.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

struct input_kind {
	char name[80], phys[128]; // UINPUT_MAX_NAME_SIZE
	struct input_id id;
	uint64_t rel, abs, leds, msc, switches, props; // bit n is code n
	struct keyset keys;
	struct input_absinfo axes[ABS_CNT];
};

// What the device behind an evdev descriptor is. `phys` is left out. Returns 0 or -errno.
int input_kind_read(int evdev, struct input_kind *kind);

// Makes it through `uinput`, an open /dev/uinput whose closing (by all who have it) ends it. It repeats no
// key by itself. Returns 0 or -errno with a message.
int input_kind_make(int uinput, const struct input_kind *kind, struct err *err);
