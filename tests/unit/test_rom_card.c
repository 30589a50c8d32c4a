// SPDX-License-Identifier: MIT
// What is said of a card whose ROM is wanted. Reading one is the lab's: only a kernel can play it.
#include "tune/rom.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char host[] =
	"sys/bus/pci/devices/0000:06:00.0/vendor = 0x10de\n"
	"sys/bus/pci/devices/0000:06:00.0/device = 0x13c2\n"
	"sys/bus/pci/devices/0000:06:00.0/power_state = D3hot\n"
	"sys/bus/pci/devices/0000:06:00.0/boot_vga = 0\n"
	"sys/bus/pci/devices/0000:06:00.0/rom = x\n"
	"sys/bus/pci/devices/0000:06:00.0/driver -> ../../../../bus/pci/drivers/nouveau\n"
	"sys/bus/pci/devices/0001:00:1f.7/vendor = 0x8086\n"
	"sys/bus/pci/devices/0001:00:1f.7/boot_vga = 1\n";

struct fixture {
	char dir[PATH_MAX];
	struct root root;
};

static int setup(void **state)
{
	static struct fixture f;

	*state = &f;
	return tree_make(host, f.dir, sizeof(f.dir)) == 0 && root_open(&f.root, f.dir, NULL) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	root_finish(&f->root);
	tree_remove(f->dir);
	return 0;
}

static void test_found(void **state)
{
	static const char *const forms[] = { "0000:06:00.0", "06:00.0", "6:0.0" };
	struct fixture *f = *state;
	struct rom_card card;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		assert_int_equal(rom_card_find(&f->root, forms[i], &card, NULL), 0);
		assert_string_equal(card.address, "0000:06:00.0");
	}
	assert_int_equal(card.vendor, 0x10de);
	assert_int_equal(card.device, 0x13c2);
	assert_string_equal(card.driver, "nouveau");
	assert_true(card.has_rom);
	assert_false(card.boot_vga || card.shadow);
	assert_non_null(strstr(rom_card_advice(&card), "sleeps"));
	card.power[0] = '\0';
	assert_non_null(strstr(rom_card_advice(&card), "driver"));

	assert_int_equal(rom_card_find(&f->root, "0001:00:1f.7", &card, NULL), 0);
	assert_true(card.boot_vga);
	assert_false(card.has_rom);
	assert_non_null(strstr(rom_card_advice(&card), "firmware"));
}

// IORESOURCE_ROM_SHADOW is in the flags of the seventh line, as the kernel prints it for a boot card.
static void test_shadow(void **state)
{
	static const char *const lines[] = {
		"0x00000000000c0000 0x00000000000dffff 0x0000000000000212",
		"0x00000000f7000000 0x00000000f707ffff 0x0000000000046200",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		AUTO_STR struct str text = { 0 };
		struct rom_card card;

		str_add(&text, "sys/bus/pci/devices/0000:06:00.0/resource = ");
		for (int line = 0; line < 6; line++)
			str_add(&text, "0x0000000000000002 0x0000000000000002 0x0000000000000002\\n");
		str_addf(&text, "%s\\n\n", lines[i]);
		assert_int_equal(tree_add(f->dir, text.text), 0);
		assert_int_equal(rom_card_find(&f->root, "06:00.0", &card, NULL), 0);
		assert_int_equal(card.shadow, i == 0);
	}
}

static void test_not_found(void **state)
{
	static const struct {
		const char *text;
		int code;
	} rows[] = {
		{ "", -EINVAL },	   { "06:00", -EINVAL },       { "06:00.8", -EINVAL },
		{ "06:20.0", -EINVAL },	   { "10de:13c2", -EINVAL },   { "06:00.0 ", -EINVAL },
		{ " 06:00.0", -EINVAL },   { "0000:06:00.0x", -EINVAL }, { "-6:00.0", -EINVAL },
		{ "0000:06:00.0.0", -EINVAL }, { "../06:00.0", -EINVAL },
		{ "07:00.0", -ENODEV },	   { "0001:06:00.0", -ENODEV },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_NONE;
		struct rom_card card;

		if (rom_card_find(&f->root, rows[i].text, &card, &err) != rows[i].code)
			fail_msg("%s: %d, %s", rows[i].text, err.code, err.text);
		assert_true(*err.hint);
	}
}

static void test_nothing_to_read(void **state)
{
	struct fixture *f = *state;
	AUTO_STR struct str bytes = { 0 };
	struct err err = ERR_NONE;
	struct rom_card card;

	assert_int_equal(rom_card_find(&f->root, "0001:00:1f.7", &card, NULL), 0);
	assert_int_equal(rom_card_read(&f->root, &card, &bytes, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no expansion ROM"));
	assert_int_equal(bytes.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shadow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_to_read, setup, teardown),
	};

	return cmocka_run_group_tests_name("rom_card", tests, NULL, NULL);
}
