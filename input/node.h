// SPDX-License-Identifier: MIT
// Owns the few things that are asked of an event node from aside: who reads it, what is down on it. Refuses to
// read its events.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Writes key-ups for every key that is down on the device whose event node this is, through `write_to` (its
// uinput descriptor or the node again: that goes through another's grab, evdev_write in Linux 6.1). Returns
// how many, or -errno.
int node_release_all(int node, int write_to);

// Somebody else holds its grab. Where nobody does it is taken for a moment, so never ask before whoever shall
// have it had the time to take it.
bool node_is_grabbed(int node);

// It is an event node, of the device with this vendor and product.
bool node_is(int node, uint16_t vendor, uint16_t product);

// An open /dev/uinput behind which there is a device.
bool node_is_uinput(int fd);
