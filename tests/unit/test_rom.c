// SPDX-License-Identifier: MIT
#include "launcher/facts/rom.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"

#include <endian.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { UNIT = 512, IMAGE = 1024, DATA = 0x20 };

struct file {
	uint8_t bytes[16 * UNIT];
};

static void put16(uint8_t *p, uint16_t value)
{
	uint16_t v = htole16(value);

	memcpy(p, &v, sizeof(v));
}

// An image of two units at `at`: a VGA card's, 10de:13c2.
static uint8_t *put_image(struct file *file, size_t at, uint8_t type, bool last)
{
	uint8_t *p = file->bytes + at;

	p[0] = 0x55;
	p[1] = 0xaa;
	p[2] = IMAGE / UNIT;
	put16(p + 0x18, DATA);
	memcpy(p + DATA, "PCIR", 4);
	put16(p + DATA + 4, 0x10de);
	put16(p + DATA + 6, 0x13c2);
	put16(p + DATA + 10, 0x18);
	p[DATA + 15] = 0x03;
	put16(p + DATA + 16, IMAGE / UNIT);
	put16(p + DATA + 18, 7);
	p[DATA + 20] = type;
	p[DATA + 21] = last ? 0x80 : 0;
	return p;
}

static void put_efi(uint8_t *p, uint16_t machine, uint16_t compression)
{
	put16(p + 4, 0x0ef1);
	put16(p + 8, 11);
	put16(p + 10, machine);
	put16(p + 12, compression);
}

// Makes the bytes of the image add up to 0.
static void sum_up(uint8_t *p)
{
	uint8_t sum = 0;

	p[IMAGE - 1] = 0;
	for (size_t i = 0; i < IMAGE; i++)
		sum = (uint8_t)(sum + p[i]);
	p[IMAGE - 1] = (uint8_t)-sum;
}

static void test_two_images(void **state)
{
	struct file file = { 0 };
	const struct rom_image *image;
	struct rom rom;

	(void)state;
	sum_up(put_image(&file, 0, ROM_LEGACY, false));
	put_efi(put_image(&file, IMAGE, ROM_EFI, true), 0x8664, 1);
	rom_parse(&file, sizeof(file), &rom);
	assert_null(rom.trouble);
	assert_int_equal(rom.count, 2);
	assert_int_equal(rom.header, 0);
	assert_int_equal(rom.behind, sizeof(file) - 2 * IMAGE);

	image = &rom.images[0];
	assert_int_equal(image->offset, 0);
	assert_int_equal(image->size, IMAGE);
	assert_int_equal(image->vendor, 0x10de);
	assert_int_equal(image->device, 0x13c2);
	assert_int_equal(image->class, 0x030000);
	assert_int_equal(image->revision, 7);
	assert_int_equal(image->sum, ROM_SUM_OK);
	assert_false(image->last || image->cut || image->has_efi_header);

	image = &rom.images[1];
	assert_ptr_equal(rom_find_efi(&rom), image);
	assert_int_equal(image->offset, IMAGE);
	assert_int_equal(image->machine, 0x8664);
	assert_int_equal(image->subsystem, 11);
	assert_int_equal(image->sum, ROM_SUM_NONE);
	assert_true(image->last && image->compressed);
	rom_finish(&rom);
}

// What nvflash and GPU-Z put before the image is of any length, and may itself look like a beginning.
static void test_header(void **state)
{
	static const size_t lengths[] = { 1, 511, 512, 0x600, 2048 + 3 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct file file = { 0 };
		struct rom rom;

		memcpy(file.bytes, "NVGI", lengths[i] < 4 ? lengths[i] : 4);
		if (lengths[i] > 100)
			memcpy(file.bytes + 50, "\x55\xaa", 2);
		put_image(&file, lengths[i], ROM_LEGACY, true);
		rom_parse(&file, sizeof(file), &rom);
		assert_null(rom.trouble);
		assert_int_equal(rom.header, lengths[i]);
		assert_int_equal(rom.count, 1);
		assert_int_equal(rom.images[0].offset, lengths[i]);
		rom_finish(&rom);
	}
}

static void test_devices(void **state)
{
	struct file file = { 0 };
	uint8_t *p = put_image(&file, 0, ROM_LEGACY, true);
	struct rom rom;

	(void)state;
	put16(p + DATA + 8, 0x40);
	put16(p + DATA + 0x40, 0x1111);
	put16(p + DATA + 0x42, 0x2222);
	// before revision 3 that is no list
	rom_parse(&file, sizeof(file), &rom);
	assert_int_equal(rom.images[0].n_devices, 0);
	assert_null(rom_find_device(&rom, 0x10de, 0x2222));
	rom_finish(&rom);

	p[DATA + 12] = 3;
	rom_parse(&file, sizeof(file), &rom);
	assert_int_equal(rom.images[0].n_devices, 2);
	assert_non_null(rom_find_device(&rom, 0x10de, 0x2222));
	assert_non_null(rom_find_device(&rom, 0x10de, 0x13c2));
	assert_null(rom_find_device(&rom, 0x10de, 0x3333));
	assert_null(rom_find_device(&rom, 0x1002, 0x2222));
	rom_finish(&rom);
}

static void test_efi_only_for_this_machine(void **state)
{
	struct file file = { 0 };
	struct rom rom;
	uint8_t *p = put_image(&file, 0, ROM_EFI, true);

	(void)state;
	put_efi(p, 0xaa64, 0);
	rom_parse(&file, sizeof(file), &rom);
	assert_null(rom_find_efi(&rom));
	assert_false(rom.images[0].compressed);
	assert_string_equal(rom_machine_name(rom.images[0].machine), "aarch64");
	rom_finish(&rom);

	put16(p + 4, 0); // of its type, but without its signature
	put16(p + 10, 0x8664);
	rom_parse(&file, sizeof(file), &rom);
	assert_null(rom_find_efi(&rom));
	rom_finish(&rom);
}

static void expect_trouble(const struct file *file, size_t size, size_t count, const char *words)
{
	uint8_t *exact = malloc(size ? size : 1); // so that a sanitizer sees a byte too far
	struct rom rom;

	assert_non_null(exact);
	memcpy(exact, file->bytes, size);
	rom_parse(exact, size, &rom);
	assert_int_equal(rom.count, count);
	if (!rom.trouble || !strstr(rom.trouble, words))
		fail_msg("%zu bytes: '%s' does not say '%s'", size, rom.trouble, words);
	rom_finish(&rom);
	free(exact);
}

// Of the EFI image a part is there, which nobody can run, and there is nothing behind it.
static void assert_cut_is_useless(const struct file *file, size_t size)
{
	struct rom rom;

	rom_parse(file->bytes, size, &rom);
	assert_true(rom.images[1].cut && rom.images[1].has_efi_header);
	assert_null(rom_find_efi(&rom));
	assert_int_equal(rom.behind, 0);
	rom_finish(&rom);
}

static void test_broken(void **state)
{
	struct file file = { 0 };
	uint8_t *p;

	(void)state;
	expect_trouble(&file, sizeof(file), 0, "no image");
	expect_trouble(&file, 0, 0, "no image");
	p = put_image(&file, 0, ROM_LEGACY, false);
	expect_trouble(&file, sizeof(file), 1, "should follow");
	expect_trouble(&file, IMAGE - 1, 1, "cut off");
	put_efi(put_image(&file, IMAGE, ROM_EFI, true), 0x8664, 1);
	expect_trouble(&file, 2 * IMAGE - 1, 2, "cut off");
	assert_cut_is_useless(&file, 2 * IMAGE - 1);
	memset(file.bytes + IMAGE, 0, IMAGE);
	expect_trouble(&file, DATA + 22, 1, "cut off");
	expect_trouble(&file, DATA + 21, 0, "no image");
	put16(p + DATA + 16, 0);
	expect_trouble(&file, sizeof(file), 1, "no bytes");
	put16(p + 0x18, 0xffff);
	expect_trouble(&file, sizeof(file), 0, "no image");
	// what a chip gives that is asleep
	memset(file.bytes, 0xff, sizeof(file));
	expect_trouble(&file, sizeof(file), 0, "no image");
}

static void test_sum(void **state)
{
	struct file file = { 0 };
	uint8_t *p = put_image(&file, 0, ROM_LEGACY, true);
	struct rom rom;

	(void)state;
	sum_up(p);
	p[100]++;
	rom_parse(&file, sizeof(file), &rom);
	assert_int_equal(rom.images[0].sum, ROM_SUM_WRONG);
	rom_finish(&rom);
	sum_up(p);
	p[2] = 0; // nothing that could be added up
	rom_parse(&file, sizeof(file), &rom);
	assert_int_equal(rom.images[0].sum, ROM_SUM_WRONG);
	rom_finish(&rom);
}

// Every image one byte shorter, at every length: nothing is read behind the end.
static void test_every_length(void **state)
{
	struct file file = { 0 };

	(void)state;
	put_image(&file, 0, ROM_LEGACY, false);
	put_efi(put_image(&file, IMAGE, ROM_EFI, true), 0x8664, 1);
	file.bytes[DATA + 12] = 3;
	put16(file.bytes + DATA + 8, 0x10);
	for (size_t size = 0; size <= 2 * IMAGE; size++) {
		uint8_t *exact = malloc(size ? size : 1);
		struct rom rom;

		assert_non_null(exact);
		memcpy(exact, file.bytes, size);
		rom_parse(exact, size, &rom);
		if (size == 2 * IMAGE)
			assert_null(rom.trouble);
		else
			assert_non_null(rom.trouble);
		rom_finish(&rom);
		free(exact);
	}
}

// What iPXE made for UEFI and the old BIOS, where QEMU's package has it: not written by us.
static void test_true_one(void **state)
{
	AUTO_STR struct str bytes = { 0 };
	struct rom rom;

	(void)state;
	if (io_read_file(AT_FDCWD, "/usr/lib/ipxe/qemu/efi-e1000.rom", &bytes, 1 << 20, NULL) < 0)
		skip();
	rom_parse(bytes.text, bytes.len, &rom);
	assert_null(rom.trouble);
	assert_int_equal(rom.count, 2);
	assert_int_equal(rom.images[0].type, ROM_LEGACY);
	assert_int_equal(rom.images[0].sum, ROM_SUM_OK);
	assert_int_equal(rom.images[0].class, 0x020000);
	assert_non_null(rom_find_efi(&rom));
	assert_non_null(rom_find_device(&rom, 0x8086, 0x100e));
	rom_finish(&rom);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_images),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_efi_only_for_this_machine),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_true_one),
	};

	return cmocka_run_group_tests_name("rom", tests, NULL, NULL);
}
