// SPDX-License-Identifier: MIT
// Owns the rules by which a guest may have a USB device of the host: for the plan, and for the keeper when one is
// plugged in later. Refuses to know how it gets there. Pure.
#pragma once

#include <stdbool.h>

struct input_facts;
struct input_wish;
struct usb_device;
struct usb_facts;

// A sentence that says why not, on the heap, or NULL: it may. `force` overrides all but what can't work.
char *usb_objection(const struct usb_facts *facts, const struct usb_device *device, bool force);

// Likewise, of one that the guest shares with its host by [input]. `force` has no say: it can't be both.
char *usb_shared_objection(const struct usb_facts *facts, const struct usb_device *device,
			   const struct input_wish *wish, const struct input_facts *inputs);
