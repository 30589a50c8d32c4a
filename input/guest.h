// SPDX-License-Identifier: MIT
// Owns the devices that a guest has in place of the real ones: what each is, and which of them an event
// goes to. Refuses descriptors.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct input_kind;

enum guest_part {
	GUEST_KEYBOARD,
	GUEST_MOUSE,  // every button, whatever device it is on: it is released where it was pressed
	GUEST_TABLET, // only with a pointer that tells where it is
	GUEST_TOGGLE, // only with input-linux: ScrollLock, so that QEMU's own toggle is never whole
	GUEST_PARTS,
};
extern const char *const guest_part_words[GUEST_PARTS];

// Absolute axes of the guest's tablet; real ones are scaled to it.
enum { GUEST_AXIS_MAX = 32767 };

// `guest` is the guest's name; `phys` tells others that it is ours. With input-linux keyboards have no
// ScrollLock and no LEDs, which QEMU would not write, and whatever it reads has room for events that it reads late.
void guest_part_describe(enum guest_part part, bool virtio_host, const char *guest, struct input_kind *kind);

// Where an event of this type and code goes; GUEST_PARTS: nowhere. `toggle`: there is a part for ScrollLock.
enum guest_part guest_part_of(uint16_t type, uint16_t code, bool toggle);
