// SPDX-License-Identifier: MIT
// Owns the rules about what the host can't spare: its only graphics card, its last keyboard and mouse, and those that
// its guests share with it by [input]. One place for all who ask: the choice of PCI devices, of USB devices, and
// `host`, which shows it. Refuses to say what becomes of it. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct input_facts;
struct input_wish;
struct pci_device;
struct pci_facts;
struct usb_bus;
struct usb_device;
struct usb_facts;

// Whether another device goes to the guest as well. NULL: none does.
typedef bool needs_goes(const void *context, const struct pci_device *device);

// The host can show nothing without it: every other graphics card goes too, belongs to guests already (a stub driver),
// or does not answer.
bool needs_gpu(const struct pci_facts *pci, const struct pci_device *device, needs_goes *goes, const void *context);

// Of the controller's devices one that is a keyboard (or a mouse), where no other of the host's hangs elsewhere; NULL:
// one does.
const struct usb_device *needs_input(const struct pci_facts *pci, const struct usb_facts *usb,
				     const struct pci_device *controller, bool mouse, needs_goes *goes,
				     const void *context);

// The host has no other keyboard (or mouse) than this.
bool needs_usb_input(const struct usb_facts *usb, const struct usb_device *device, bool mouse);

// The device is one that a guest and its host share: which of its nodes, as an index; -1: it is not.
int needs_shared(const struct input_wish *wish, const struct input_facts *inputs, const struct usb_bus *bus,
		 const struct usb_device *device);
