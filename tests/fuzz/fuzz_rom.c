// SPDX-License-Identifier: MIT
// Feeds bytes to the reader of expansion ROMs, behind a first image's signatures so that most are looked at, and
// asserts that what it says lies within the file.
#include "launcher/facts/rom.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_AT = 0x1c };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct rom *rom, size_t size)
{
	size_t at = rom->header;

	for (size_t i = 0; i < rom->count; i++) {
		const struct rom_image *image = &rom->images[i];

		assert(image->offset == at && at < size);
		assert(image->cut == (image->size > size - at));
		assert(image->n_devices <= ROM_DEVICES_MAX);
		assert(!image->cut || i == rom->count - 1);
		at += image->size;
	}
	assert(rom->behind <= size);
	assert(rom->count || rom->trouble);
	assert(!rom_find_efi(rom) || rom->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t whole = size < DATA_AT + 4 ? DATA_AT + 4 : size;
	uint8_t *bytes = calloc(1, whole);
	struct rom rom;

	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	rom_parse(bytes, whole, &rom);
	check(&rom, whole);
	rom_finish(&rom);
	bytes[0] = 0x55;
	bytes[1] = 0xaa;
	bytes[0x18] = DATA_AT;
	bytes[0x19] = 0;
	memcpy(bytes + DATA_AT, "PCIR", 4);
	rom_parse(bytes, whole, &rom);
	check(&rom, whole);
	rom_finish(&rom);
	free(bytes);
	return 0;
}
