// SPDX-License-Identifier: MIT
// Owns what the parts for disks, networks and firmware tell each other: boot order, the checks of
// disks. Refuses to be included outside this folder.
#pragma once

#include "launcher/argv/image.h"

enum boot_kind { BOOT_DISK, BOOT_CDROM, BOOT_NET };

// The device's bootindex; 0: firmware does not try it. Explicit ones come first; the others follow
// [boot] order, or disks and then CDs; a network only where the order names it. QEMU's own index 0
// is left to direct kernel boot. That no two are the same is the profile's check.
int argv_boot_index(const struct profile *profile, enum boot_kind kind, size_t index);

// One file behind two devices, at least one of which writes: an error.
void argv_check_shared(struct argv_build *b);

// What a disk's keys come to on this host.
struct disk_choice {
	const struct profile_disk *disk;
	const struct file_fact *file; // NULL: not looked at
	const char *format;	      // "raw", "qcow2"
	bool write, direct, no_flush, write_through, discard, detect_zeroes;
	const char *aio;
};

// False: the disk can't be used; why is in the diagnostics.
bool argv_choose_disk(struct argv_build *b, const struct profile_disk *disk,
		      struct disk_choice *out);
