// SPDX-License-Identifier: MIT
#include "launcher/facts/firmware.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SPLIT(code, vars)                                                                          \
	"\"mapping\": {\"device\": \"flash\", \"executable\": {\"filename\": \"" code "\", \"format\": " \
	"\"raw\"}, \"nvram-template\": {\"filename\": \"" vars "\", \"format\": \"raw\"}}"
#define TARGET(arch, machines)                                                                     \
	"\"targets\": [{\"architecture\": \"" arch "\", \"machines\": [" machines "]}]"
#define BOTH "\"pc-i440fx-*\", \"pc-q35-*\""
#define UEFI "\"interface-types\": [\"uefi\"]"
#define PLAIN(code, vars) \
	"{" UEFI ", " SPLIT(code, vars) ", " TARGET("x86_64", BOTH) ", \"features\": [], \"tags\": []}"

struct state {
	char dir[128];
	struct root root;
	struct firmware_list list;
};

static int setup(void **state)
{
	struct state *s = mem_new(1, sizeof(*s));

	assert_int_equal(tree_make("fw/a = code\nfw/b = code\nfw/c = code\nfw/v = vars\nfw/w = vars\n",
				   s->dir, sizeof(s->dir)), 0);
	assert_int_equal(root_open(&s->root, s->dir, NULL), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	firmware_list_finish(&s->list);
	root_finish(&s->root);
	tree_remove(s->dir);
	free(s);
	return 0;
}

// "CODE<CODE<…" in the order found.
static char *codes(const struct firmware_list *list)
{
	struct str out = { 0 };

	for (size_t i = 0; i < list->count; i++)
		str_addf(&out, "%s%s", i ? "<" : "", list->items[i].code);
	return str_take(&out);
}

static void assert_codes(struct state *s, const char *user_dir, const char *wanted)
{
	AUTO_FREE char *found = NULL;

	firmware_read(&s->root, user_dir, &s->list);
	found = codes(&s->list);
	assert_string_equal(found, wanted);
}

// --- one descriptor ---

static void test_debians_secure_boot(void **state)
{
	static const char text[] =
		"{\n\"description\": \"x\",\n" UEFI ",\n" SPLIT("/c", "/v") ",\n"
		TARGET("x86_64", "\"pc-q35-*\"") ",\n\"features\": [\"acpi-s3\", \"enrolled-keys\", "
		"\"requires-smm\", \"secure-boot\", 7],\n\"tags\": [ ]\n}\n";
	struct firmware firmware;
	struct firmware_list list = { &firmware, 1 };

	(void)state;
	assert_true(firmware_parse(text, &firmware));
	assert_string_equal(firmware.code, "/c");
	assert_string_equal(firmware.code_format, "raw");
	assert_string_equal(firmware.vars_template, "/v");
	assert_string_equal(firmware.vars_format, "raw");
	assert_true(firmware.secure_boot && firmware.requires_smm && firmware.enrolled_keys);
	assert_true(firmware.q35);
	assert_false(firmware.i440fx || firmware.stateless);
	list.items = mem_new(1, sizeof(firmware));
	*list.items = firmware;
	firmware_list_finish(&list);
}

static void test_kinds_of_mapping(void **state)
{
#define MAPPED(mapping) "{" UEFI ", \"mapping\": {" mapping "}, " TARGET("x86_64", BOTH) "}"
#define CODE "\"executable\": {\"filename\": \"/c\", \"format\": \"qcow2\"}"
#define VARS "\"nvram-template\": {\"filename\": \"/v\", \"format\": \"qcow2\"}"
	static const struct {
		const char *text;
		bool ours, stateless;
	} rows[] = {
		{ MAPPED("\"device\": \"flash\", " CODE ", " VARS), true, false },
		{ MAPPED("\"device\": \"flash\", \"mode\": \"split\", " CODE ", " VARS), true, false },
		{ MAPPED("\"device\": \"flash\", \"mode\": \"stateless\", " CODE), true, true },
		{ MAPPED("\"device\": \"flash\", \"mode\": \"combined\", " CODE), false, false },
		{ MAPPED("\"device\": \"flash\", \"mode\": \"split\", " CODE), false, false },
		{ MAPPED("\"device\": \"flash\", " VARS), false, false },
		{ MAPPED("\"device\": \"memory\", \"filename\": \"/c\""), false, false },
		{ MAPPED("\"device\": \"flash\", \"executable\": {\"filename\": \"c\"}, " VARS), false, false },
		{ MAPPED("\"device\": \"flash\", \"executable\": \"/c\", " VARS), false, false },
		{ MAPPED(""), false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct firmware_list list = { mem_new(1, sizeof(struct firmware)), 1 };

		if (firmware_parse(rows[i].text, list.items) != rows[i].ours)
			fail_msg("row %zu", i);
		assert_int_equal(list.items->stateless, rows[i].stateless);
		if (rows[i].ours)
			assert_string_equal(list.items->code_format, "qcow2");
		else
			assert_null(list.items->code);
		assert_int_equal(list.items->vars_template != NULL, rows[i].ours && !rows[i].stateless);
		firmware_list_finish(&list);
	}
}

static void test_targets(void **state)
{
	static const struct {
		const char *targets;
		bool q35, i440fx;
	} rows[] = {
		{ TARGET("x86_64", BOTH), true, true },
		{ TARGET("x86_64", "\"pc-i440fx-*\""), false, true },
		{ TARGET("x86_64", "\"*\""), true, true },
		{ TARGET("x86_64", "\"microvm\""), false, false },
		{ TARGET("x86_64", "7"), false, false },
		{ TARGET("i386", BOTH), false, false },
		{ TARGET("aarch64", "\"virt-*\""), false, false },
		{ "\"targets\": [{\"architecture\": \"i386\", \"machines\": [" BOTH "]}, "
		  "{\"architecture\": \"x86_64\", \"machines\": [\"pc-q35-*\"]}]", true, false },
		{ "\"targets\": {}", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *text = mem_printf("{" UEFI ", %s, " SPLIT("/c", "/v") "}", rows[i].targets);
		struct firmware_list list = { mem_new(1, sizeof(struct firmware)), 1 };

		if (firmware_parse(text, list.items) != (rows[i].q35 || rows[i].i440fx) ||
		    list.items->q35 != rows[i].q35 || list.items->i440fx != rows[i].i440fx)
			fail_msg("row %zu", i);
		firmware_list_finish(&list);
	}
}

static void test_what_is_no_descriptor(void **state)
{
	static const char whole[] = PLAIN("/c", "/v");
	static const char *const wrong[] = {
		"", "null", "[]", "{}", "\xff", "{\"interface-types\": \"uefi\"}", PLAIN("/c", "/v") "x",
		"{\"interface-types\": [\"bios\"], " SPLIT("/c", "/v") ", " TARGET("x86_64", BOTH) "}",
	};
	struct firmware firmware;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (firmware_parse(wrong[i], &firmware))
			fail_msg("row %zu", i);
		assert_null(firmware.code);
	}
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		AUTO_FREE char *cut = mem_dupn(whole, n);

		assert_false(firmware_parse(cut, &firmware));
	}
}

// --- all of them ---

#define ETC  "etc/qemu/firmware/"
#define USR  "usr/share/qemu/firmware/"

static void test_order_is_by_name_over_all_directories(void **state)
{
	struct state *s = *state;

	tree_write(s->dir, USR "50-b.json", PLAIN("/fw/b", "/fw/v"));
	tree_write(s->dir, USR "10-c.json", PLAIN("/fw/c", "/fw/v"));
	tree_write(s->dir, ETC "40-a.json", PLAIN("/fw/a", "/fw/v"));
	tree_write(s->dir, USR "9-later.json", PLAIN("/fw/b", "/fw/w"));
	assert_codes(s, NULL, "/fw/c</fw/a</fw/b</fw/b");
	assert_string_equal(s->list.items[1].source, "/" ETC "40-a.json");
}

static void test_a_name_hides_the_same_name_below(void **state)
{
	struct state *s = *state;

	tree_write(s->dir, USR "50.json", PLAIN("/fw/a", "/fw/v"));
	tree_write(s->dir, ETC "50.json", PLAIN("/fw/b", "/fw/v"));
	tree_write(s->dir, "home/me/fw/50.json", PLAIN("/fw/c", "/fw/v"));
	assert_codes(s, NULL, "/fw/b");
	firmware_list_finish(&s->list);
	assert_codes(s, "/home/me/fw", "/fw/c");
}

static void test_empty_files_and_dev_null_take_away(void **state)
{
	struct state *s = *state;

	tree_write(s->dir, USR "50.json", PLAIN("/fw/a", "/fw/v"));
	tree_write(s->dir, USR "60.json", PLAIN("/fw/b", "/fw/v"));
	tree_write(s->dir, USR "70.json", PLAIN("/fw/c", "/fw/v"));
	tree_write(s->dir, ETC "50.json", "");
	tree_link(s->dir, ETC "60.json", "/dev/null");
	assert_codes(s, "/none", "/fw/c");
}

static void test_what_is_not_there_is_left_out(void **state)
{
	struct state *s = *state;

	tree_write(s->dir, USR "50.json", PLAIN("/fw/none", "/fw/v"));
	tree_write(s->dir, USR "51.json", PLAIN("/fw/a", "/fw/none"));
	tree_write(s->dir, USR "52.json", "{ broken");
	tree_write(s->dir, USR "53.txt", PLAIN("/fw/b", "/fw/v"));
	tree_write(s->dir, USR "54.json", PLAIN("/fw/c", "/fw/v"));
	assert_codes(s, NULL, "/fw/c");
}

static void test_nothing_there(void **state)
{
	assert_codes(*state, NULL, "");
}

static void test_well_known_paths_of_each_distribution(void **state)
{
	static const struct {
		const char *tree, *codes;
	} rows[] = {
		{ "usr/share/OVMF/OVMF_CODE_4M.fd = x\nusr/share/OVMF/OVMF_VARS_4M.fd = x\n"
		  "usr/share/OVMF/OVMF_CODE_4M.secboot.fd = x\n",
		  "/usr/share/OVMF/OVMF_CODE_4M.fd</usr/share/OVMF/OVMF_CODE_4M.secboot.fd" },
		{ "usr/share/edk2/x64/OVMF_CODE.4m.fd = x\nusr/share/edk2/x64/OVMF_VARS.4m.fd = x\n",
		  "/usr/share/edk2/x64/OVMF_CODE.4m.fd" },
		{ "usr/share/edk2/ovmf/OVMF_CODE.fd = x\nusr/share/edk2/ovmf/OVMF_VARS.fd = x\n"
		  "usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2 = x\nusr/share/edk2/ovmf/OVMF_VARS_4M.qcow2 = x\n",
		  "/usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2</usr/share/edk2/ovmf/OVMF_CODE.fd" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		tree_add(((struct state *)*state)->dir, rows[i].tree);
		assert_codes(*state, NULL, rows[i].codes);
		teardown(state);
		setup(state);
	}
}

static void test_well_known_kinds(void **state)
{
	struct state *s = *state;

	tree_add(s->dir, "usr/share/OVMF/OVMF_CODE_4M.fd = x\nusr/share/OVMF/OVMF_VARS_4M.fd = x\n"
			 "usr/share/OVMF/OVMF_CODE_4M.ms.fd = x\nusr/share/OVMF/OVMF_VARS_4M.ms.fd = x\n");
	firmware_read(&s->root, NULL, &s->list);
	assert_int_equal(s->list.count, 2);
	assert_false(s->list.items[0].secure_boot || s->list.items[0].requires_smm);
	assert_true(s->list.items[0].i440fx && s->list.items[0].q35);
	assert_true(s->list.items[1].secure_boot && s->list.items[1].requires_smm);
	assert_true(s->list.items[1].enrolled_keys && s->list.items[1].q35);
	assert_false(s->list.items[1].i440fx);
	assert_string_equal(s->list.items[1].source, "well-known path");
}

static void test_a_described_firmware_is_listed_once(void **state)
{
	struct state *s = *state;

	tree_add(s->dir, "usr/share/OVMF/OVMF_CODE_4M.fd = x\nusr/share/OVMF/OVMF_VARS_4M.fd = x\n");
	tree_write(s->dir, USR "60.json",
		   PLAIN("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"));
	assert_codes(s, NULL, "/usr/share/OVMF/OVMF_CODE_4M.fd");
	assert_string_equal(s->list.items[0].source, "/" USR "60.json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_debians_secure_boot),
		TEST(test_kinds_of_mapping),
		TEST(test_targets),
		TEST(test_what_is_no_descriptor),
		TEST(test_order_is_by_name_over_all_directories),
		TEST(test_a_name_hides_the_same_name_below),
		TEST(test_empty_files_and_dev_null_take_away),
		TEST(test_what_is_not_there_is_left_out),
		TEST(test_nothing_there),
		TEST(test_well_known_paths_of_each_distribution),
		TEST(test_well_known_kinds),
		TEST(test_a_described_firmware_is_listed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
