// SPDX-License-Identifier: MIT
#include "launcher/facts/bootmedium.h"

#include "base/bytes.h"

#include <string.h>

enum {
	SECTOR = 512,
	BLANK_BYTES = 64 << 10, // what must be zero for a disk to count as new
	GPT_ENTRIES_MAX = 256,	// 128 is usual; a table may say up to 2^32
	ISO_BLOCK = 2048,
	ISO_FIRST = 16, // ECMA-119, 6.2.1: sixteen system blocks come first
	ISO_DESCRIPTORS_MAX = 32,
	FAT_CHUNK = 4096,
	READ_MAX = 1 << 20, // a guest may have written directories without end, or one that is a loop
};

static bool read_at(const struct boot_source *source, uint64_t offset, void *buf, size_t size)
{
	return source->read(source->context, offset, buf, size);
}

// Multiplies and adds without wrapping; what would wrap is an offset that no read can serve.
static uint64_t offset_of(uint64_t base, uint64_t count, uint64_t size)
{
	uint64_t product, sum;

	if (__builtin_mul_overflow(count, size, &product) ||
	    __builtin_add_overflow(base, product, &sum))
		return UINT64_MAX;
	return sum;
}

// --- FAT: Microsoft, "FAT: General Overview of On-Disk Format", 1.03

struct fat {
	const struct boot_source *source;
	uint64_t table, data; // bytes, from the medium's start
	uint64_t root;	      // bytes; FAT12 and FAT16 only
	uint32_t root_bytes, root_cluster, clusters, cluster_bytes;
	int bits; // 12, 16, 32
};

static bool is_power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

// False: no FAT volume starts here.
static bool fat_open(struct fat *fat, const struct boot_source *source, uint64_t start)
{
	uint8_t s[SECTOR];
	uint32_t sector, per_cluster, reserved, tables, entries, table_sectors, total, meta;

	if (!read_at(source, start, s, sizeof(s)) || s[510] != 0x55 || s[511] != 0xaa)
		return false;
	sector = bytes_le16(s + 11);
	per_cluster = s[13];
	reserved = bytes_le16(s + 14);
	tables = s[16];
	entries = bytes_le16(s + 17);
	total = bytes_le16(s + 19) ? bytes_le16(s + 19) : bytes_le32(s + 32);
	table_sectors = bytes_le16(s + 22) ? bytes_le16(s + 22) : bytes_le32(s + 36);
	if (!is_power_of_two(sector) || sector < 512 || sector > 4096 ||
	    !is_power_of_two(per_cluster) || !reserved || !tables || tables > 2 || !table_sectors ||
	    s[21] < 0xf0)
		return false;
	if (__builtin_mul_overflow(table_sectors, tables, &meta) ||
	    __builtin_add_overflow(meta, reserved + (entries * 32 + sector - 1) / sector, &meta) ||
	    meta >= total)
		return false;
	fat->source = source;
	fat->cluster_bytes = sector * per_cluster;
	fat->clusters = (total - meta) / per_cluster;
	fat->table = offset_of(start, reserved, sector);
	fat->root = offset_of(fat->table, (uint64_t)table_sectors * tables, sector);
	fat->root_bytes = entries * 32;
	fat->data = offset_of(start, meta, sector);
	fat->root_cluster = bytes_le32(s + 44);
	// As OVMF's driver tells them apart (EDK2, FatPkg/EnhancedFatDxe/Init.c), not by the count
	// alone.
	fat->bits = !bytes_le16(s + 22) ? 32 : fat->clusters < 4085 ? 12 : 16;
	return true;
}

// The cluster behind this one; 0: none, or the chain is broken.
static uint32_t fat_next(const struct fat *fat, uint32_t cluster)
{
	uint8_t e[4] = { 0 };
	uint32_t next;

	if (!read_at(fat->source,
		     offset_of(fat->table, (uint64_t)cluster * (unsigned)fat->bits / 8, 1), e,
		     fat->bits == 32 ? 4 : 2))
		return 0;
	if (fat->bits == 12)
		next = cluster & 1 ? (uint32_t)bytes_le16(e) >> 4 : bytes_le16(e) & 0xfffu;
	else
		next = fat->bits == 16 ? bytes_le16(e) : bytes_le32(e) & 0x0fffffff;
	return next >= 2 && next < fat->clusters + 2 ? next : 0;
}

enum found { FOUND_NOT, FOUND_YES, FOUND_END };

// Looks for an 8.3 name among the directory entries of [offset, offset + size).
static enum found fat_scan(const struct fat *fat, uint64_t offset, uint32_t size, const char *name,
			   bool directory, uint32_t *cluster)
{
	uint8_t chunk[FAT_CHUNK];

	for (uint32_t done = 0; done < size; done += sizeof(chunk)) {
		uint32_t n = size - done < sizeof(chunk) ? size - done : (uint32_t)sizeof(chunk);

		if (!read_at(fat->source, offset_of(offset, done, 1), chunk, n))
			return FOUND_END;
		for (const uint8_t *e = chunk; e + 32 <= chunk + n; e += 32) {
			if (e[0] == 0)
				return FOUND_END;
			// 0x08 is a volume label or a piece of a long name.
			if (e[11] & 0x08 || !!(e[11] & 0x10) != directory ||
			    memcmp(e, name, 11) != 0)
				continue;
			*cluster = (uint32_t)bytes_le16(e + 20) << 16 | bytes_le16(e + 26);
			return FOUND_YES;
		}
	}
	return FOUND_NOT;
}

// Follows a directory's clusters. Cluster 0 is the root of FAT12 and FAT16.
static bool fat_find(const struct fat *fat, uint32_t *cluster, const char *name, bool directory)
{
	uint32_t at = *cluster;

	if (at == 0 && fat->bits != 32)
		return fat_scan(fat, fat->root, fat->root_bytes, name, directory, cluster) ==
		       FOUND_YES;
	while (at >= 2 && at < fat->clusters + 2) {
		uint64_t offset = offset_of(fat->data, at - 2, fat->cluster_bytes);
		enum found found =
			fat_scan(fat, offset, fat->cluster_bytes, name, directory, cluster);

		if (found != FOUND_NOT)
			return found == FOUND_YES;
		at = fat_next(fat, at);
	}
	return false;
}

// The path that firmware tries on its own (UEFI 2.10, 3.5.1.1).
static bool fat_has_loader(const struct fat *fat)
{
	uint32_t cluster = fat->bits == 32 ? fat->root_cluster : 0;

	return fat_find(fat, &cluster, "EFI        ", true) &&
	       fat_find(fat, &cluster, "BOOT       ", true) &&
	       fat_find(fat, &cluster, "BOOTX64 EFI", false);
}

static enum boot_medium look_at_volume(const struct boot_source *source, uint64_t start)
{
	struct fat fat;

	if (!fat_open(&fat, source, start))
		return BOOT_NO_EFI;
	return fat_has_loader(&fat) ? BOOT_EFI : BOOT_NO_LOADER;
}

static enum boot_medium better(enum boot_medium a, enum boot_medium b)
{
	return a > b ? a : b;
}

// --- partition tables: UEFI 2.10, 5.2 and 5.3

// `block` is the medium's sector size: 512 or 4096.
static enum boot_medium look_at_gpt(const struct boot_source *source, uint32_t block)
{
	enum boot_medium best = BOOT_NO_EFI;
	uint8_t header[SECTOR], entry[128];
	uint64_t entries;
	uint32_t count, size;

	if (!read_at(source, block, header, sizeof(header)) || memcmp(header, "EFI PART", 8) != 0)
		return BOOT_UNKNOWN;
	entries = offset_of(0, bytes_le64(header + 72), block);
	count = bytes_le32(header + 80);
	size = bytes_le32(header + 84);
	if (size < sizeof(entry))
		return BOOT_UNKNOWN;
	for (uint32_t i = 0; i < count && i < GPT_ENTRIES_MAX && best != BOOT_EFI; i++) {
		static const uint8_t unused[16];

		if (!read_at(source, offset_of(entries, i, size), entry, sizeof(entry)))
			return BOOT_UNKNOWN;
		if (memcmp(entry, unused, sizeof(unused)) != 0)
			best = better(best, look_at_volume(source,
							   offset_of(0, bytes_le64(entry + 32), block)));
	}
	return best;
}

enum { MBR_TABLE = 446, MBR_ENTRIES = 4, MBR_PROTECTIVE = 0xee };

static enum boot_medium look_at_mbr(const struct boot_source *source, const uint8_t *sector)
{
	enum boot_medium best = look_at_volume(source, 0);

	for (int i = 0; i < MBR_ENTRIES; i++) {
		const uint8_t *entry = sector + MBR_TABLE + 16 * i;
		enum boot_medium gpt;

		if (entry[4] == MBR_PROTECTIVE) {
			gpt = look_at_gpt(source, SECTOR);
			return gpt == BOOT_UNKNOWN ? look_at_gpt(source, 4096) : gpt;
		}
		if (entry[4] && bytes_le32(entry + 8))
			best = better(best,
				      look_at_volume(source, (uint64_t)bytes_le32(entry + 8) * SECTOR));
	}
	return best;
}

static bool is_blank(const struct boot_source *source, uint8_t *chunk, size_t size)
{
	for (uint64_t offset = 0; offset < BLANK_BYTES; offset += size) {
		// A disk may be smaller than what is looked at.
		if (!read_at(source, offset, chunk, size))
			return offset > 0;
		if (chunk[0] || memcmp(chunk, chunk + 1, size - 1) != 0)
			return false;
	}
	return true;
}

static enum boot_medium look_at_disk(const struct boot_source *source)
{
	uint8_t chunk[4096];

	if (!read_at(source, 0, chunk, SECTOR))
		return BOOT_UNKNOWN;
	if (chunk[510] == 0x55 && chunk[511] == 0xaa)
		return look_at_mbr(source, chunk);
	return is_blank(source, chunk, SECTOR) ? BOOT_BLANK : BOOT_NO_EFI;
}

// --- CDs: ECMA-119; "El Torito" Bootable CD-ROM Format Specification, 1.0

// A section's entries follow its header; a section of platform 0xEF is for EFI.
static bool catalogue_has_efi(const uint8_t *catalogue)
{
	enum { ENTRY = 32, HEADER_MORE = 0x90, HEADER_LAST = 0x91, BOOTABLE = 0x88, EFI = 0xef };

	if (catalogue[0] != 1 || catalogue[30] != 0x55 || catalogue[31] != 0xaa)
		return false;
	if (catalogue[1] == EFI && catalogue[ENTRY] == BOOTABLE)
		return true;
	for (size_t at = 2 * ENTRY; at + 2 * ENTRY <= ISO_BLOCK;) {
		const uint8_t *header = catalogue + at;

		if (header[0] != HEADER_MORE && header[0] != HEADER_LAST)
			return false;
		if (header[1] == EFI && header[ENTRY] == BOOTABLE)
			return true;
		at += ENTRY * (1 + (size_t)bytes_le16(header + 2));
	}
	return false;
}

static enum boot_medium look_at_cdrom(const struct boot_source *source)
{
	uint8_t block[ISO_BLOCK];

	for (uint64_t i = ISO_FIRST; i < ISO_FIRST + ISO_DESCRIPTORS_MAX; i++) {
		if (!read_at(source, i * ISO_BLOCK, block, sizeof(block)) ||
		    memcmp(block + 1, "CD001", 5) != 0)
			return i == ISO_FIRST ? BOOT_UNKNOWN : BOOT_NO_EFI;
		if (block[0] == 255)
			return BOOT_NO_EFI;
		if (block[0] == 0 && memcmp(block + 7, "EL TORITO SPECIFICATION", 23) == 0) {
			uint64_t catalogue = (uint64_t)bytes_le32(block + 71) * ISO_BLOCK;

			if (!read_at(source, catalogue, block, sizeof(block)))
				return BOOT_UNKNOWN;
			return catalogue_has_efi(block) ? BOOT_EFI : BOOT_NO_EFI;
		}
	}
	return BOOT_UNKNOWN;
}

// --- how much of it is looked at

struct budget {
	const struct boot_source *source;
	size_t left;
	bool spent;
};

static bool read_within(void *context, uint64_t offset, void *buf, size_t size)
{
	struct budget *budget = context;

	if (size > budget->left)
		budget->spent = true;
	if (budget->spent)
		return false;
	budget->left -= size;
	return budget->source->read(budget->source->context, offset, buf, size);
}

enum boot_medium boot_medium_look(const struct boot_source *source, bool cdrom)
{
	struct budget budget = { .source = source, .left = READ_MAX };
	const struct boot_source bounded = { read_within, &budget };
	enum boot_medium found = cdrom ? look_at_cdrom(&bounded) : look_at_disk(&bounded);

	return budget.spent && found != BOOT_EFI ? BOOT_UNKNOWN : found;
}
