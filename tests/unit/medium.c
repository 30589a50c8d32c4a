// SPDX-License-Identifier: MIT
#include "tests/unit/medium.h"

#include "base/mem.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

enum { SECTOR = 512, EFI_FIRST = 5, EFI_SECOND = 7, BOOT = 9, FILE_CLUSTER = 10, ROOT_32 = 3 };

struct medium *medium_new(void)
{
	struct medium *medium = mem_new(1, sizeof(*medium));

	medium->size = sizeof(medium->bytes);
	return medium;
}

static void put16(uint8_t *at, unsigned value)
{
	uint16_t v = htole16((uint16_t)value);

	memcpy(at, &v, sizeof(v));
}

static void put32(uint8_t *at, uint32_t value)
{
	uint32_t v = htole32(value);

	memcpy(at, &v, sizeof(v));
}

static void put64(uint8_t *at, uint64_t value)
{
	uint64_t v = htole64(value);

	memcpy(at, &v, sizeof(v));
}

static void put_entry(uint8_t *at, const char *name, uint8_t attributes, unsigned cluster)
{
	memcpy(at, name, 11);
	at[11] = attributes;
	put16(at + 26, cluster);
}

static void put_next(uint8_t *table, int bits, unsigned cluster, uint32_t next)
{
	uint8_t *at = table + cluster * (unsigned)bits / 8;

	if (bits == 32)
		put32(at, next);
	else if (bits == 16)
		put16(at, next);
	else if (cluster & 1)
		put16(at, (at[0] & 0xfu) | (next & 0xfff) << 4);
	else
		put16(at, (next & 0xfff) | (at[1] & 0xf0u) << 8);
}

void medium_put_fat(struct medium *medium, size_t start, int bits, const char *file)
{
	unsigned total = bits == 16 ? 8000 : 1000, fat_sectors = 32,
		 root_sectors = bits == 32 ? 0 : 1;
	uint8_t *boot = medium->bytes + start, *table = boot + SECTOR, *root, *data;

	data = table + (fat_sectors + root_sectors) * SECTOR;
	root = bits == 32 ? data + (ROOT_32 - 2) * SECTOR : table + fat_sectors * SECTOR;
	assert(data + 16 * SECTOR <= medium->bytes + sizeof(medium->bytes));
	put16(boot + 11, SECTOR);
	boot[13] = 1;
	put16(boot + 14, 1);
	boot[16] = 1;
	put16(boot + 17, 16 * root_sectors);
	put16(boot + 19, total);
	boot[21] = 0xf8;
	if (bits == 32) {
		put32(boot + 36, fat_sectors);
		put32(boot + 44, ROOT_32);
	} else {
		put16(boot + 22, fat_sectors);
	}
	boot[510] = 0x55;
	boot[511] = 0xaa;
	// A label of that name is no directory.
	put_entry(root, "EFI        ", 0x08, 0);
	put_entry(root + 32, "EFI        ", 0x10, EFI_FIRST);
	for (int i = 0; i < SECTOR / 32; i++)
		put_entry(data + (EFI_FIRST - 2) * SECTOR + 32 * i, "\xe5LD        ", 0x20, 0);
	put_next(table, bits, EFI_FIRST, EFI_SECOND);
	put_next(table, bits, EFI_SECOND, 0x0fffffff);
	put_entry(data + (EFI_SECOND - 2) * SECTOR, "BOOT       ", 0x10, BOOT);
	put_entry(data + (BOOT - 2) * SECTOR, file, 0x20, FILE_CLUSTER);
}

void medium_put_mbr(struct medium *medium, uint8_t type, size_t start)
{
	uint8_t *entry = medium->bytes + 446 + 16;

	entry[4] = type;
	put32(entry + 8, (uint32_t)(start / SECTOR));
	put32(entry + 12, 1000);
	medium->bytes[510] = 0x55;
	medium->bytes[511] = 0xaa;
}

void medium_put_gpt(struct medium *medium, size_t block, size_t start)
{
	uint8_t *header = medium->bytes + block, *entry = medium->bytes + 2 * block + 2 * 128;

	medium_put_mbr(medium, 0xee, SECTOR);
	memcpy(header, "EFI PART", 8);
	put64(header + 72, 2);
	put32(header + 80, 128);
	put32(header + 84, 128);
	memcpy(entry, "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b", 16);
	put64(entry + 32, start / block);
}

void medium_put_iso(struct medium *medium, int platform, int section)
{
	uint8_t *first = medium->bytes + (size_t)16 * 2048, *record = first + 2048,
		*end = record + 2048;
	uint8_t *catalogue = medium->bytes + (size_t)30 * 2048;

	memcpy(first, "\001CD001", 6);
	memcpy(record, "\000CD001\001EL TORITO SPECIFICATION", 30);
	put32(record + 71, 30);
	memcpy(end, "\377CD001", 6);
	catalogue[0] = 1;
	catalogue[1] = (uint8_t)platform;
	catalogue[30] = 0x55;
	catalogue[31] = 0xaa;
	catalogue[32] = 0x88;
	if (section < 0)
		return;
	// A section of another platform with two entries comes between.
	catalogue[64] = 0x90;
	catalogue[65] = 1;
	put16(catalogue + 66, 2);
	catalogue[160] = 0x91;
	catalogue[161] = (uint8_t)section;
	put16(catalogue + 162, 1);
	catalogue[192] = 0x88;
}

static bool read_medium(void *context, uint64_t offset, void *buf, size_t size)
{
	const struct medium *medium = context;

	if (offset > medium->size || size > medium->size - offset)
		return false;
	memcpy(buf, medium->bytes + offset, size);
	return true;
}

enum boot_medium medium_look(struct medium *medium, bool cdrom)
{
	struct boot_source source = { read_medium, medium };

	return boot_medium_look(&source, cdrom);
}
