// SPDX-License-Identifier: MIT
// Owns the facts about USB: controllers, their buses, the devices on them. Refuses to decide anything.
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct root;

struct usb_device {
	char port[32];	 // "1-2.3": bus and ports, as sysfs names it
	int bus, number; // /dev/bus/usb/BBB/NNN
	uint16_t vendor, product;
	char *name;   // what it says of itself, else of the ID database (libudev's hwdb is not asked); never NULL
	char *serial; // NULL: none
	bool hub, keyboard, mouse; // an interface is a boot keyboard or mouse, or has such an input node
	bool storage;
	struct strv uses; // why the host needs it: "/mnt is mounted from sdb1"
};

struct usb_bus {
	int bus;
	char controller[16]; // PCI address, "" none
	struct usb_device *devices; // root hubs left out
	size_t n_devices;
};

struct usb_facts {
	struct usb_bus *buses; // ascending
	size_t count;
};

// Sources: Linux 6.1 Documentation/ABI/stable/sysfs-bus-usb.
void usb_facts_read(struct root *root, struct usb_facts *facts);
void usb_facts_finish(struct usb_facts *facts);

// "VVVV:PPPP" or "BUS-PORT[.PORT]". NULL: not there, or of the first form more than one (*several is then set).
const struct usb_device *usb_facts_find(const struct usb_facts *facts, const char *text, bool *several);
// The device and the bus index that it hangs on; the controller of a device is that bus's.
