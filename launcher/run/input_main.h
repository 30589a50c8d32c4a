// SPDX-License-Identifier: MIT
// Owns the process that has the keyboard and mouse: it runs as the guest's user, with the descriptors that the
// keeper hands it and no other right, and can be killed at any time. Refuses QMP, the host's files, and to go on
// without a keeper.
#pragma once

#include "input/guest.h"

struct plan;

struct input_setup {
	const struct plan *plan;
	int channel;		// to the keeper
	int qemu;		// pidfd, -1: none
	int guest[GUEST_PARTS]; // what the guest's devices are written through, -1: none
};

// Called in the forked child; returns its exit status.
int input_main(const struct input_setup *setup);
