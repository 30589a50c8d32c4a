// SPDX-License-Identifier: MIT
// Owns the facts about input devices: every evdev node, what it is and what it can send. Refuses to open
// one (a captured machine has none to open), and to say which are anybody's to take.
#pragma once

#include "base/str.h"

#include <linux/input-event-codes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct root;

// What a node is good for, as bits: udev's word (ID_INPUT_*) where it has one, else the same rules.
enum input_class {
	INPUT_CLASS_KEYBOARD = 1, // a whole one; a power button is a KEY
	INPUT_CLASS_KEY = 2,
	INPUT_CLASS_MOUSE = 4,
	INPUT_CLASS_TOUCHPAD = 8,
	INPUT_CLASS_TOUCHSCREEN = 16,
	INPUT_CLASS_TABLET = 32,
	INPUT_CLASS_JOYSTICK = 64,
	INPUT_CLASS_SWITCH = 128,
};

// Devices that vfiorun makes begin their `phys` so, whichever guest they are for.
#define INPUT_PHYS_OURS	 "vfiorun/"
#define INPUT_PHYS_GUEST INPUT_PHYS_OURS "guest/" // those that a guest reads
#define INPUT_PHYS_CLONE INPUT_PHYS_OURS "clone/" // those that the host reads in place of a real one

struct input_bits {
	uint64_t types, keys[KEY_CNT / 64], rel, abs, leds, switches;
};

struct input_device {
	int number;	  // of /dev/input/eventN
	char node[32];	  // that path
	char name[128], phys[128], uniq[64]; // "" where there is none
	char links[4][160]; // of /dev/input, those by-id first; "" where there are no more
	uint16_t bus, vendor, product, version;
	struct input_bits bits;
	unsigned classes; // enum input_class
	bool udev;	  // udev has looked at it
};

struct input_facts {
	struct input_device *devices; // by number
	size_t count;
};

// Sources: Linux 6.1 drivers/input/input.c (the attributes of a device), systemd 252
// src/udev/udev-builtin-input_id.c (the rules), sd-device's /run/udev/data/cMAJOR:MINOR.
void input_facts_read(struct root *root, struct input_facts *facts);
void input_facts_finish(struct input_facts *facts);

// One of them. Returns 0 or -errno: it is not there.
int input_device_read(struct root *root, int number, struct input_device *device);

// udevd runs: it will look at each new device, and set its node's owner and mode when it does.
bool input_has_udev(struct root *root);

// The path that stays the same when it is plugged in again, else the node's.
const char *input_device_path(const struct input_device *device);

// Nodes of one physical device have this in common; "" where it can't be told. Heap.
char *input_physical(const struct input_device *device);

// "keyboard", "mouse", "touchpad", …: the most telling of its classes.
const char *input_class_name(unsigned classes);
