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

struct counted {
	struct medium *medium;
	size_t read;
};

static bool read_counted(void *context, uint64_t offset, void *buf, size_t size)
{
	struct counted *counted = context;

	if (offset > counted->medium->size || size > counted->medium->size - offset)
		return false;
	memcpy(buf, counted->medium->bytes + offset, size);
	counted->read += size;
	return true;
}

// The EFI directory's first cluster is followed by itself.
static void put_loop(struct medium *medium, size_t start)
{
	medium_put_fat(medium, start, 16, LOADER);
	medium->bytes[start + 512 + 2 * 5] = 5;
	medium->bytes[start + 512 + 2 * 5 + 1] = 0;
}

// What a guest wrote on its disk must not keep the next start reading: a chain that returns to its start,
// in one volume or in that of each of 256 partitions.
static void test_looping_directories(void **state)
{
	AUTO_FREE struct medium *one = medium_new(), *many = medium_new();
	struct counted counted = { .medium = one };
	const struct boot_source source = { read_counted, &counted };

	(void)state;
	put_loop(one, 0);
	assert_int_equal(boot_medium_look(&source, false), BOOT_UNKNOWN);
	assert_in_range(counted.read, 1, 1 << 20);

	medium_put_gpt(many, 512, PARTITION);
	put_loop(many, PARTITION);
	for (size_t i = 0; i < 256; i++)
		memcpy(many->bytes + 1024 + i * 128, many->bytes + 1024 + 2 * 128, 128);
	memset(many->bytes + 512 + 80, 0xff, 4);
	counted = (struct counted){ .medium = many };
	assert_int_equal(boot_medium_look(&source, false), BOOT_UNKNOWN);
	assert_in_range(counted.read, 1, 1 << 20);
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
		cmocka_unit_test(test_looping_directories),
		cmocka_unit_test(test_cdrom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
