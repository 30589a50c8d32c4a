// SPDX-License-Identifier: MIT
// Owns the real devices and their clones, and joins them to the engine: reads what they send, writes what it
// decides. Refuses to open a device (descriptors are handed in), and to know where they come from.
//
// An event costs no allocation, and a report three system calls: the wait, a read that takes all that is
// there, and one write a side. Every real device is read until a read comes back short, never until EAGAIN,
// and nobody asks for the time: events bring their own.
#pragma once

#include "input/guest.h"
#include "input/switch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chords;
struct err;
struct loop;
struct switcher;

struct switcher_setup {
	struct switch_config config;
	const struct chords *chords; // borrowed
	struct loop *loop;	     // borrowed
	// The guest's devices, borrowed; -1: none. Either uinput descriptors or, where those can't be had,
	// event nodes: what is written to such a one its reader gets too, grab or not (evdev_write).
	int guest[GUEST_PARTS];
	bool ps2; // its mouse is QEMU's PS/2 one
	void *context;
	void (*notice)(void *context, const struct switch_notice *notice);
	// A device went away by itself: it is removed already.
	void (*gone)(void *context, int device);
	// It can't be grabbed now (-EBUSY: somebody else has it). Said once until it can.
	void (*busy)(void *context, int device, int error);
};

struct switcher *switcher_new(const struct switcher_setup *setup);
// Releases what is down, ungrabs, closes all devices and ends their clones.
void switcher_free(struct switcher *switcher);

// Takes both descriptors, also on failure: the device's, and an open /dev/uinput for its clone, which gets
// `phys`. Returns 0, -EEXIST, -ENOTSUP: multitouch, or -errno with a message.
int switcher_add(struct switcher *switcher, int device, int fd, int uinput, const char *phys, struct err *err);
void switcher_remove(struct switcher *switcher, int device);
void switcher_remove_all(struct switcher *switcher);
bool switcher_has(const struct switcher *switcher, int device);
size_t switcher_count(const struct switcher *switcher);

void switcher_command(struct switcher *switcher, enum switch_command command);
void switcher_set_guest_ready(struct switcher *switcher, bool ready);
bool switcher_is_waiting(const struct switcher *switcher);
enum switch_side switcher_side(const struct switcher *switcher);

// For the loop: how long to wait (ms, -1: for ever), and what to do then.
int switcher_timeout(const struct switcher *switcher);
void switcher_tick(struct switcher *switcher);
