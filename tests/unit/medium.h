// SPDX-License-Identifier: MIT
// Owns made-up boot media in memory: FAT volumes, partition tables, El Torito CDs.
#pragma once

#include "launcher/facts/bootmedium.h"

struct medium {
	uint8_t bytes[1 << 20];
	size_t size; // what can be read of it
};

struct medium *medium_new(void); // blank; the caller frees
// A FAT volume (12, 16 or 32) at `start`. EFI/BOOT/ is there; the file in it is called `file`, 8.3
// and padded ("BOOTX64 EFI"). The EFI directory has two clusters, BOOT's entry in the second.
void medium_put_fat(struct medium *medium, size_t start, int bits, const char *file);
// An MBR with one partition.
void medium_put_mbr(struct medium *medium, uint8_t type, size_t start);
// A GPT with one partition in its third entry; `block`: 512 or 4096.
void medium_put_gpt(struct medium *medium, size_t block, size_t start);
// An ISO with a boot catalogue: `platform` in its first entry, `section` in a second one (-1:
// none).
void medium_put_iso(struct medium *medium, int platform, int section);
enum boot_medium medium_look(struct medium *medium, bool cdrom);
