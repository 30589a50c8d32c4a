// SPDX-License-Identifier: MIT
// Owns what the kernel says of all input devices in its one table: which are keyboards, which are mice, and
// what they hang on. Refuses to open any of them.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct root;

struct input_fact {
	char *name;
	char *path; // "/devices/pci0000:00/…/input/input5", below sys
	bool keyboard, mouse;
	bool made; // by a program of this host (uinput), so nobody's hand is on it
};

struct input_list {
	struct input_fact *items;
	size_t count;
};

// Sources: Linux 6.1 drivers/input/input.c (/proc/bus/input/devices); what a keyboard and a mouse are: systemd 252
// src/udev/udev-builtin-input_id.c.
void inputs_read(struct root *root, struct input_list *out);
void inputs_finish(struct input_list *list);
