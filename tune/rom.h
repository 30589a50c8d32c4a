// SPDX-License-Identifier: MIT
// Owns reading the expansion ROM out of a PCI device: the kernel is asked to allow it, and to switch the device
// on where nobody has, and both are taken back afterwards. Refuses to judge what it read.
//
// Sources: Linux 6.1 drivers/pci/pci-sysfs.c (pci_write_rom, pci_read_rom), drivers/pci/rom.c (pci_map_rom),
// arch/x86/pci/fixup.c (pci_fixup_video).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct root;
struct str;

struct rom_card {
	char address[16]; // "0000:06:00.0"
	uint16_t vendor, device;
	char driver[64];  // "": none
	char power[16];	  // "D0", "D3hot", "": unknown
	bool boot_vga;	  // the firmware showed its screen on it
	bool shadow;	  // what the kernel would give is the copy in memory that the firmware made at 0xC0000
	bool has_rom;	  // there is something to read
};

// "0000:06:00.0" or "06:00.0". Returns 0, or -errno with a message: -EINVAL no address, -ENODEV no such device.
int rom_card_find(struct root *root, const char *text, struct rom_card *card, struct err *err);

// Reads it all. Signals wait meanwhile, so that nothing but SIGKILL can leave reading allowed, which is of no
// consequence. Returns 0, or -errno with a message that says what is likely in the way.
int rom_card_read(struct root *root, const struct rom_card *card, struct str *bytes, struct err *err);

// What a person can do where the ROM could not be read, or what was read is none. Static text.
const char *rom_card_advice(const struct rom_card *card);
