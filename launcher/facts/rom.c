// SPDX-License-Identifier: MIT
#include "launcher/facts/rom.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
	UNIT = 512,
	// of the ROM header
	AT_INIT_UNITS = 2,
	AT_EFI_SIGNATURE = 4,
	AT_EFI_SUBSYSTEM = 8,
	AT_EFI_MACHINE = 10,
	AT_EFI_COMPRESSION = 12,
	AT_POINTER = 0x18,
	HEADER_BYTES = 0x1a,
	// of the PCI data structure
	AT_VENDOR = 4,
	AT_DEVICE = 6,
	AT_DEVICE_LIST = 8, // a pointer to vital product data before revision 3
	AT_REVISION = 12,
	AT_CLASS = 13,
	AT_UNITS = 16,
	AT_CODE_REVISION = 18,
	AT_TYPE = 20,
	AT_INDICATOR = 21,
	DATA_BYTES = 22,
	DATA_REVISION_WITH_LIST = 3,
	INDICATOR_LAST = 0x80,
	// more than that is no ROM but a file that looks like one
	IMAGES_MAX = 64,
};

static const uint32_t efi_signature = 0x0ef1;

// Where in `bytes` the image's data structure is, or 0. Both signatures together are no accident.
static size_t find_data(const uint8_t *bytes, size_t size)
{
	size_t at;

	if (size < HEADER_BYTES || bytes[0] != 0x55 || bytes[1] != 0xaa)
		return 0;
	at = bytes_le16(bytes + AT_POINTER);
	if (at < HEADER_BYTES || at > size || size - at < DATA_BYTES ||
	    memcmp(bytes + at, "PCIR", 4) != 0)
		return 0;
	return at;
}

static void read_devices(const uint8_t *bytes, size_t size, size_t data, struct rom_image *image)
{
	size_t at = bytes_le16(bytes + data + AT_DEVICE_LIST);

	if (bytes[data + AT_REVISION] < DATA_REVISION_WITH_LIST || !at)
		return;
	for (at += data; at + 2 <= size && image->n_devices < ROM_DEVICES_MAX; at += 2) {
		uint16_t device = bytes_le16(bytes + at);

		if (!device)
			return;
		image->devices[image->n_devices++] = device;
	}
}

static void read_efi(const uint8_t *bytes, struct rom_image *image)
{
	image->has_efi_header = bytes_le32(bytes + AT_EFI_SIGNATURE) == efi_signature;
	if (!image->has_efi_header)
		return;
	image->subsystem = bytes_le16(bytes + AT_EFI_SUBSYSTEM);
	image->machine = bytes_le16(bytes + AT_EFI_MACHINE);
	image->compressed = bytes_le16(bytes + AT_EFI_COMPRESSION) == 1;
}

// A BIOS adds up the bytes that it will run, and leaves an image alone whose sum is not 0.
static enum rom_sum add_up(const uint8_t *bytes, size_t size)
{
	size_t length = (size_t)bytes[AT_INIT_UNITS] * UNIT;
	uint8_t sum = 0;

	if (!length || length > size)
		return ROM_SUM_WRONG;
	for (size_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return sum ? ROM_SUM_WRONG : ROM_SUM_OK;
}

// `bytes` begin with an image whose data structure is at `data`.
static void read_image(const uint8_t *bytes, size_t size, size_t data, struct rom_image *image)
{
	const uint8_t *class = bytes + data + AT_CLASS;

	image->size = (size_t)bytes_le16(bytes + data + AT_UNITS) * UNIT;
	image->cut = image->size > size;
	image->type = bytes[data + AT_TYPE];
	image->vendor = bytes_le16(bytes + data + AT_VENDOR);
	image->device = bytes_le16(bytes + data + AT_DEVICE);
	image->class = (uint32_t)class[2] << 16 | (uint32_t)class[1] << 8 | class[0];
	image->revision = bytes_le16(bytes + data + AT_CODE_REVISION);
	image->last = bytes[data + AT_INDICATOR] & INDICATOR_LAST;
	read_devices(bytes, size, data, image);
	if (image->type == ROM_EFI)
		read_efi(bytes, image);
	if (image->type == ROM_LEGACY)
		image->sum = add_up(bytes, size);
}

static const char *walk(const uint8_t *bytes, size_t size, struct rom *rom)
{
	size_t at = rom->header;

	for (;;) {
		size_t data = find_data(bytes + at, size - at);
		struct rom_image *image;

		if (!data)
			return "what should follow the last image listed is none, though that one does "
			       "not say that it is the last";
		if (rom->count == IMAGES_MAX)
			return "there are more images than any card has";
		image = MEM_PUSH(rom->images, rom->count);
		image->offset = at;
		read_image(bytes + at, size - at, data, image);
		rom->behind = 0;
		if (image->cut)
			return "the file ends within the last image listed: it was cut off, or read too short";
		if (!image->size)
			return "the last image listed says that it has no bytes";
		at += image->size;
		rom->behind = size - at;
		if (image->last)
			return NULL;
	}
}

void rom_parse(const void *bytes, size_t size, struct rom *out)
{
	const uint8_t *data = bytes;

	*out = (struct rom){ 0 };
	for (; out->header < size; out->header++) {
		if (find_data(data + out->header, size - out->header)) {
			out->trouble = walk(data, size, out);
			return;
		}
	}
	out->header = 0;
	out->trouble = "there is no image in it: nowhere does 55 AA point to PCIR";
}

void rom_finish(struct rom *rom)
{
	free(rom->images);
	*rom = (struct rom){ 0 };
}

const struct rom_image *rom_find_efi(const struct rom *rom)
{
	for (size_t i = 0; i < rom->count; i++) {
		const struct rom_image *image = &rom->images[i];

		if (image->has_efi_header && image->machine == 0x8664 && !image->cut)
			return image;
	}
	return NULL;
}

static bool is_for(const struct rom_image *image, uint16_t vendor, uint16_t device)
{
	if (image->vendor != vendor)
		return false;
	for (size_t i = 0; i < image->n_devices; i++) {
		if (image->devices[i] == device)
			return true;
	}
	return image->device == device;
}

const struct rom_image *rom_find_device(const struct rom *rom, uint16_t vendor, uint16_t device)
{
	for (size_t i = 0; i < rom->count; i++) {
		if (is_for(&rom->images[i], vendor, device))
			return &rom->images[i];
	}
	return NULL;
}

const char *rom_type_name(uint8_t type)
{
	static const char *const names[] = {
		[ROM_LEGACY] = "legacy",
		[ROM_OPEN_FIRMWARE] = "Open Firmware",
		[ROM_PA_RISC] = "PA-RISC",
		[ROM_EFI] = "EFI",
	};

	return type < ARRAY_SIZE(names) ? names[type] : "unknown";
}

const char *rom_machine_name(uint16_t machine)
{
	// PE/COFF, "Machine Types", as far as UEFI runs on them
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {
		{ 0x8664, "x86_64" }, { 0x014c, "i386" },   { 0xaa64, "aarch64" },
		{ 0x01c2, "arm" },    { 0x0200, "ia64" },   { 0x0ebc, "EFI byte code" },
		{ 0x5064, "riscv64" }, { 0x6264, "loongarch64" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].machine == machine)
			return names[i].name;
	}
	return "unknown";
}
