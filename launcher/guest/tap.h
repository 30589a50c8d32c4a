// SPDX-License-Identifier: MIT
// Owns opening tap devices and joining them to a bridge. Refuses to remember them: a tap that was
// made here goes with its last descriptor, so closing is the undo; one that was there stays.
#pragma once

#include <net/if.h>
#include <stdbool.h>

struct err;

// One queue of the tap `ifname` (NULL: the kernel names it), with QEMU's virtio-net header; the
// same name again gives the next queue where multi_queue. `bridge` may be NULL; else the tap joins
// it and is brought up. Its name goes to name_out. Returns the descriptor, non-blocking and
// close-on-exec, or -errno with a message. Linux Documentation/networking/tuntap.rst.
int tap_open(const char *ifname, const char *bridge, bool multi_queue, char name_out[IFNAMSIZ],
	     struct err *err);
