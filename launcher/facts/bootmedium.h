// SPDX-License-Identifier: MIT
// Owns the question whether UEFI firmware would find a loader on a raw disk or an ISO image, from
// its partition table, FAT file system or El Torito catalogue. Every byte is foreign: reads are
// bounded, and what is not understood is UNKNOWN. Refuses to know files: it reads through a
// callback.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum boot_medium {
	BOOT_UNKNOWN,	// can't be told: qcow2, unreadable, a structure of another kind
	BOOT_BLANK,	// begins with zeros only
	BOOT_NO_EFI,	// has contents, but no FAT volume, or a CD without an EFI image: UEFI can't
			// use it
	BOOT_NO_LOADER, // a FAT volume, but no EFI/BOOT/BOOTX64.EFI: starts only if a variable
			// names another
	BOOT_EFI,	// a FAT volume with that loader, or a bootable EFI image on a CD
};

struct boot_source {
	// Fills buf with `size` bytes from `offset`. False: there are not as many, or they can't be
	// read.
	bool (*read)(void *context, uint64_t offset, void *buf, size_t size);
	void *context;
};

// `cdrom`: the guest sees a CD, where only El Torito counts (UEFI 2.10, 13.3.2.1); else a disk,
// where each FAT volume counts: in a GPT, in an MBR, or over the whole disk (13.3.1, 3.5.1.1).
// Reads at most 1 MiB; what that does not tell is unknown.
enum boot_medium boot_medium_look(const struct boot_source *source, bool cdrom);
