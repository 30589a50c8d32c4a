// SPDX-License-Identifier: MIT
#include "tests/unit/medium.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LOADER "BOOTX64 EFI"

enum { PARTITION = 64 << 10 };

static void test_blank(void **state)
{
	AUTO_FREE struct medium *medium = medium_new();

	(void)state;
	assert_int_equal(medium_look(medium, false), BOOT_BLANK);
	medium->bytes[60000] = 1;
	assert_int_equal(medium_look(medium, false), BOOT_NO_EFI);
	medium->bytes[60000] = 0;
	medium->bytes[70000] = 1; // past what is looked at
	assert_int_equal(medium_look(medium, false), BOOT_BLANK);
	medium->size = 700;
	assert_int_equal(medium_look(medium, false), BOOT_BLANK);
	medium->size = 511;
	assert_int_equal(medium_look(medium, false), BOOT_UNKNOWN);
}

static void test_loader_on_each_fat(void **state)
{
	static const int bits[] = { 12, 16, 32 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		AUTO_FREE struct medium *whole = medium_new(), *without = medium_new();

		medium_put_fat(whole, 0, bits[i], LOADER);
		assert_int_equal(medium_look(whole, false), BOOT_EFI);
		medium_put_fat(without, 0, bits[i], "BOOTIA32EFI");
		assert_int_equal(medium_look(without, false), BOOT_NO_LOADER);
	}
}

static void test_partition_tables(void **state)
{
	AUTO_FREE struct medium *mbr = medium_new(), *gpt = medium_new(), *big = medium_new();

	(void)state;
	medium_put_mbr(mbr, 0xef, PARTITION);
	assert_int_equal(medium_look(mbr, false), BOOT_NO_EFI);
	medium_put_fat(mbr, PARTITION, 16, LOADER);
	assert_int_equal(medium_look(mbr, false), BOOT_EFI);

	medium_put_gpt(gpt, 512, PARTITION);
	assert_int_equal(medium_look(gpt, false), BOOT_NO_EFI);
	medium_put_fat(gpt, PARTITION, 32, "GRUBX64 EFI");
	assert_int_equal(medium_look(gpt, false), BOOT_NO_LOADER);
	medium_put_fat(gpt, PARTITION, 32, LOADER);
	assert_int_equal(medium_look(gpt, false), BOOT_EFI);

	medium_put_gpt(big, 4096, PARTITION);
	medium_put_fat(big, PARTITION, 12, LOADER);
	assert_int_equal(medium_look(big, false), BOOT_EFI);
}

static void test_gpt_of_nonsense(void **state)
{
	AUTO_FREE struct medium *medium = medium_new();
	uint8_t *header = medium->bytes + 512;

	(void)state;
	medium_put_gpt(medium, 512, PARTITION);
	medium_put_fat(medium, PARTITION, 16, LOADER);
	memset(header + 72, 0xff, 8); // entries beyond everything
	assert_int_equal(medium_look(medium, false), BOOT_UNKNOWN);
	medium_put_gpt(medium, 512, PARTITION);
	memset(header + 80, 0xff, 4); // four thousand million entries: only the first are read
	assert_int_equal(medium_look(medium, false), BOOT_EFI);
	memset(header + 84, 0, 4); // of no size
	assert_int_equal(medium_look(medium, false), BOOT_UNKNOWN);
	medium_put_gpt(medium, 512, PARTITION);
	memset(medium->bytes + 1024 + 2 * 128 + 32, 0xff, 8); // a partition beyond everything
	assert_int_equal(medium_look(medium, false), BOOT_NO_EFI);
}

// A chain that returns to its start ends, and finds nothing.
static void test_looping_directory(void **state)
{
	AUTO_FREE struct medium *medium = medium_new();

	(void)state;
	medium_put_fat(medium, 0, 16, LOADER);
	medium->bytes[512 + 2 * 5] = 5;
	medium->bytes[512 + 2 * 5 + 1] = 0;
	assert_int_equal(medium_look(medium, false), BOOT_NO_LOADER);
}

static void test_cdrom(void **state)
{
	AUTO_FREE struct medium *bios = medium_new(), *only = medium_new(), *both = medium_new(),
				*other = medium_new(), *none = medium_new();

	(void)state;
	assert_int_equal(medium_look(none, true), BOOT_UNKNOWN);
	medium_put_iso(bios, 0, -1);
	assert_int_equal(medium_look(bios, true), BOOT_NO_EFI);
	medium_put_iso(only, 0xef, -1);
	assert_int_equal(medium_look(only, true), BOOT_EFI);
	medium_put_iso(both, 0, 0xef);
	assert_int_equal(medium_look(both, true), BOOT_EFI);
	medium_put_iso(other, 0, 1);
	assert_int_equal(medium_look(other, true), BOOT_NO_EFI);
	both->bytes[30 * 2048 + 192] = 0; // not bootable
	assert_int_equal(medium_look(both, true), BOOT_NO_EFI);
	both->size = 30 * 2048; // the catalogue is cut off
	assert_int_equal(medium_look(both, true), BOOT_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blank),
		cmocka_unit_test(test_loader_on_each_fat),
		cmocka_unit_test(test_partition_tables),
		cmocka_unit_test(test_gpt_of_nonsense),
		cmocka_unit_test(test_looping_directory),
		cmocka_unit_test(test_cdrom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
