// SPDX-License-Identifier: MIT
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "qmp/caps.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "qemu-caps 1\npath /usr/bin/qemu\nversion 7.2.22\n\n"

static struct qemu_caps parsed(const char *text)
{
	struct qemu_caps caps = { 0 };
	struct err err = ERR_NONE;

	if (qemu_caps_parse(text, &caps, &err) < 0)
		fail_msg("%s", err.text);
	return caps;
}

static void test_has_finds_exactly_the_words(void **state)
{
	struct qemu_caps caps = parsed(HEAD "device/nvme\ndevice/nvme-ns\nmachine/pc\nend\n");

	(void)state;
	assert_true(qemu_caps_has(&caps, "device/%s", "nvme"));
	assert_true(qemu_caps_has(&caps, "device/nvme-ns"));
	assert_true(qemu_caps_has(&caps, "machine/pc"));
	assert_false(qemu_caps_has(&caps, "device/nvm"));
	assert_false(qemu_caps_has(&caps, "device/nvme-"));
	assert_false(qemu_caps_has(&caps, "a"));
	assert_false(qemu_caps_has(&caps, "z"));
	assert_false(qemu_caps_has(&caps, "%s", ""));
	qemu_caps_finish(&caps);
}

static void test_an_unknown_qemu_has_all_but_no(void **state)
{
	struct qemu_caps caps = { .known = false };

	(void)state;
	assert_true(qemu_caps_has(&caps, "device/anything"));
	assert_false(qemu_caps_has(&caps, "no-accel/kvm/host/denied"));
	assert_null(qemu_caps_after(&caps, "device/"));
}

static void test_a_known_empty_qemu_has_nothing(void **state)
{
	struct qemu_caps caps = { .known = true };

	(void)state;
	assert_false(qemu_caps_has(&caps, "device/anything"));
	assert_null(qemu_caps_after(&caps, ""));
}

static void test_after_gives_the_rest_of_the_first(void **state)
{
	struct qemu_caps caps =
		parsed(HEAD "machine-alias/pc/pc-i440fx-7.2\nmachine-alias/q35/pc-q35-7.2\nend\n");

	(void)state;
	assert_string_equal(qemu_caps_after(&caps, "machine-alias/q35/"), "pc-q35-7.2");
	assert_string_equal(qemu_caps_after(&caps, "machine-alias/"), "pc/pc-i440fx-7.2");
	assert_null(qemu_caps_after(&caps, "machine-alias/r"));
	assert_null(qemu_caps_after(&caps, "no-accel/"));
	qemu_caps_finish(&caps);
}

static void test_sort_drops_doubles(void **state)
{
	struct qemu_caps caps = { .known = true };

	(void)state;
	for (int i = 40; i > 0; i--)
		qemu_caps_add(&caps, "device/%02d", i % 20);
	qemu_caps_sort(&caps);
	assert_int_equal(caps.words.count, 20);
	assert_string_equal(caps.words.items[0], "device/00");
	assert_string_equal(caps.words.items[19], "device/19");
	qemu_caps_finish(&caps);
}

static void test_drop_takes_out_a_word_or_a_family(void **state)
{
	struct qemu_caps caps = parsed(HEAD "kvm/hv-time\nkvm/hv-x\nkvmx\nkvmxy\nend\n");

	(void)state;
	qemu_caps_drop(&caps, "kvm/");
	assert_int_equal(caps.words.count, 2);
	assert_true(qemu_caps_has(&caps, "kvmx"));
	qemu_caps_drop(&caps, "kvmx");
	assert_false(qemu_caps_has(&caps, "kvmx"));
	assert_true(qemu_caps_has(&caps, "kvmxy"));
	qemu_caps_add(&caps, "kvm/hv-ipi");
	qemu_caps_sort(&caps);
	assert_true(qemu_caps_has(&caps, "kvm/hv-ipi"));
	qemu_caps_finish(&caps);
}

static void test_round_trip_keeps_every_byte(void **state)
{
	struct qemu_caps caps = { .known = true }, back;
	AUTO_STR struct str text = { 0 }, again = { 0 };

	(void)state;
	caps.path = strdup("/a \\b\nc");
	caps.version = strdup("");
	qemu_caps_add(&caps, "no-accel/kvm/host/a\nb\tc\\ \x01\xc3\xa4 100%%");
	qemu_caps_add(&caps, "device/x");
	qemu_caps_sort(&caps);
	qemu_caps_print(&caps, &text);
	back = parsed(text.text);
	assert_string_equal(back.path, caps.path);
	assert_string_equal(back.version, "");
	assert_string_equal(qemu_caps_after(&back, "no-accel/kvm/host/"),
			    "a\nb\tc\\ \x01\xc3\xa4 100%");
	qemu_caps_print(&back, &again);
	assert_string_equal(text.text, again.text);
	qemu_caps_finish(&caps);
	qemu_caps_finish(&back);
}

static void test_comments_are_skipped_and_order_is_free(void **state)
{
	struct qemu_caps caps = parsed("# derived, not recorded\nqemu-caps 1\n# why\npath x\n"
				       "version 1\n\n# more\nb\na\n#end\nend\n");

	(void)state;
	assert_int_equal(caps.words.count, 2);
	assert_true(qemu_caps_has(&caps, "a") && qemu_caps_has(&caps, "b"));
	qemu_caps_finish(&caps);
}

static void test_every_cut_of_a_text_is_refused(void **state)
{
	static const char whole[] = HEAD "device/nvme\nmachine/pc\nend\n";
	char cut[sizeof(whole)];

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		struct qemu_caps caps = { 0 };
		struct err err = ERR_NONE;

		memcpy(cut, whole, n);
		cut[n] = '\0';
		assert_int_equal(qemu_caps_parse(cut, &caps, &err), -EPROTO);
		assert_int_equal(err.code, -EPROTO);
		assert_null(caps.words.items);
		assert_null(caps.path);
	}
}

static void test_wrong_texts_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *line;
	} wrong[] = {
		{ "qemu-caps 2\npath x\nversion 1\n\nend\n", "line 1 " },
		{ "\n", "line 1 " },
		{ "qemu-caps 1\nversion 1\npath x\n\nend\n", "line 2 " },
		{ "qemu-caps 1\npath \\q\nversion 1\n\nend\n", "line 2 " },
		{ "qemu-caps 1\npath x\nversion 1\ndevice/x\nend\n", "line 4 " },
		{ HEAD "device/x\n\nend\n", "line 6 " },
		{ HEAD "device/\\x0\nend\n", "line 5 " },
		{ HEAD "end\nmore\n", "line 5 " },
		{ HEAD "device/a\\x20b\n\nend\n", "line 6 " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct qemu_caps caps = { 0 };
		struct err err = ERR_NONE;

		assert_int_equal(qemu_caps_parse(wrong[i].text, &caps, &err), -EPROTO);
		if (!str_starts(err.text, wrong[i].line))
			fail_msg("text %zu: %s", i, err.text);
	}
}

// The recorded and derived ones in tests/qemu, and what tells them apart.
static void test_the_fixtures(void **state)
{
	static const struct {
		const char *file, *alias, *there, *not_there;
	} rows[] = {
		{ "6.2", "pc-q35-6.2", "flag/runas", "object/thread-context" },
		{ "7.2", "pc-q35-7.2", "flag/runas", "netdev/passt" },
		{ "10.0", "pc-q35-10.0", "option/run-with/user", "flag/runas" },
		{ "11.0", "pc-q35-11.0", "netdev/passt", "flag/runas" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *path = mem_printf("tests/qemu/qemu-%s.caps", rows[i].file);
		AUTO_STR struct str text = { 0 };
		struct qemu_caps caps;

		assert_int_equal(io_read_file(AT_FDCWD, path, &text, 1 << 20, NULL), 0);
		assert_true(str_starts(text.text, "# "));
		caps = parsed(text.text);
		assert_string_equal(qemu_caps_after(&caps, "machine-alias/q35/"), rows[i].alias);
		assert_true(qemu_caps_has(&caps, "device/qemu64-x86_64-cpu"));
		assert_true(qemu_caps_has(&caps, "%s", rows[i].there));
		assert_false(qemu_caps_has(&caps, "%s", rows[i].not_there));
		qemu_caps_finish(&caps);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_has_finds_exactly_the_words),
		cmocka_unit_test(test_an_unknown_qemu_has_all_but_no),
		cmocka_unit_test(test_a_known_empty_qemu_has_nothing),
		cmocka_unit_test(test_after_gives_the_rest_of_the_first),
		cmocka_unit_test(test_sort_drops_doubles),
		cmocka_unit_test(test_drop_takes_out_a_word_or_a_family),
		cmocka_unit_test(test_round_trip_keeps_every_byte),
		cmocka_unit_test(test_comments_are_skipped_and_order_is_free),
		cmocka_unit_test(test_every_cut_of_a_text_is_refused),
		cmocka_unit_test(test_wrong_texts_are_refused_with_their_line),
		cmocka_unit_test(test_the_fixtures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
