// SPDX-License-Identifier: MIT
// Owns reading a PCI expansion ROM, such as a graphics card's video BIOS: each of its images, what it is for and
// what it runs on. The bytes are foreign. Refuses to read files.
//
// Sources: PCI Firmware Specification 3.0, section 5.1 (ROM header, PCI data structure, device list); UEFI
// Specification 2.10, section 14.4.2.2 (EFI PCI expansion ROM header); QEMU 7.2 pc-bios/vgabios-*.bin.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ROM_BYTES_MAX = 16 << 20, // as much as a card's ROM can have (PCI Local Bus Specification 3.0, 6.2.5.2)
	ROM_DEVICES_MAX = 64,
};

enum rom_type { ROM_LEGACY = 0, ROM_OPEN_FIRMWARE = 1, ROM_PA_RISC = 2, ROM_EFI = 3 };

enum rom_sum { ROM_SUM_NONE, ROM_SUM_OK, ROM_SUM_WRONG }; // only legacy images carry one

struct rom_image {
	size_t offset;	   // in the file
	size_t size;	   // as the image says, even where the file ends before
	bool cut;	   // the file ends before
	uint8_t type;	   // enum rom_type, or another number of the PCI SIG's or a vendor's
	uint16_t vendor, device;
	uint16_t devices[ROM_DEVICES_MAX]; // further devices that it is for
	size_t n_devices;
	uint32_t class;	   // 0x030000: base class, subclass, interface
	uint16_t revision; // of the code, the vendor's own count
	bool last;	   // says that no image follows
	enum rom_sum sum;
	bool has_efi_header; // of type EFI, with its signature; then these are known:
	uint16_t machine;    // 0x8664: what it runs on, as PE/COFF numbers it
	uint16_t subsystem;
	bool compressed;
};

struct rom {
	struct rom_image *images;
	size_t count;
	size_t header;	  // bytes before the first image: what nvflash and GPU-Z put there
	size_t behind;	  // bytes behind the last one
	const char *trouble; // why the walk ended early ("the 2nd image …"): static text; NULL: it did not
};

// Any bytes will do; with no image in them count is 0.
void rom_parse(const void *bytes, size_t size, struct rom *out);
void rom_finish(struct rom *rom);

// The first image that UEFI firmware on x86_64 could run, or NULL.
const struct rom_image *rom_find_efi(const struct rom *rom);
// The first image that is for this device, or NULL.
const struct rom_image *rom_find_device(const struct rom *rom, uint16_t vendor, uint16_t device);

const char *rom_type_name(uint8_t type);	 // "legacy", "EFI"; "unknown" of others
const char *rom_machine_name(uint16_t machine); // "x86_64"; "unknown" of others
