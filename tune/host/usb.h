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
	struct strv uses; // why the host needs it: "/dev/sdb1 is mounted on /mnt"
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
	// That hang on no USB: I2C, Bluetooth, PS/2; not those that programs make, and of PS/2 keyboards only a
	// laptop's own: other boards pretend to have one.
	int other_keyboards, other_mice;
};

// Sources: Linux 6.1 Documentation/ABI/stable/sysfs-bus-usb, drivers/input/input.c (/proc/bus/input/devices);
// what a keyboard and a mouse are: inputs.h; Device Class Definition for HID 1.11, 4.2 and 4.3.
void usb_facts_read(struct root *root, struct usb_facts *facts);
void usb_facts_finish(struct usb_facts *facts);

// "VVVV:PPPP" or "BUS-PORT[.PORT]". NULL: not there, or of the first form more than one (*several is then set).
const struct usb_device *usb_facts_find(const struct usb_facts *facts, const char *text, bool *several);
const struct usb_bus *usb_facts_bus(const struct usb_facts *facts, int bus); // NULL: no such bus
