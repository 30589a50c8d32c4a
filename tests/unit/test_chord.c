// SPDX-License-Identifier: MIT
// Hotkeys: their grammar, what is said of mistakes, and which keys complete one. Names of keys.
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "input/chord.h"
#include "input/keyname.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct keyset keys_of(const unsigned *codes, size_t count)
{
	struct keyset keys = { 0 };

	for (size_t i = 0; i < count; i++)
		keyset_add(&keys, codes[i]);
	return keys;
}

#define KEYS(...) \
	keys_of((const unsigned[]){ __VA_ARGS__ }, sizeof((unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned))

// What `text` stands for, one chord after the other, or the message.
static void expand(const char *text, struct str *out)
{
	struct chords chords = { 0 };
	struct err err = ERR_NONE;

	if (chords_add(&chords, text, 0, &err) < 0)
		str_add(out, err.text);
	for (size_t i = 0; i < chords.count; i++) {
		str_add(out, i ? ", " : "");
		chord_print(&chords.items[i], out);
	}
	chords_finish(&chords);
}

static void test_grammar(void **state)
{
	static const struct {
		const char *text, *chords;
	} rows[] = {
		{ "leftctrl+rightctrl", "leftctrl+rightctrl" },
		{ "rightctrl+leftctrl", "rightctrl+leftctrl" },
		{ " leftctrl\t+ f12 ", "leftctrl+f12" },
		{ "LeftCtrl+KEY_F12", "leftctrl+f12" },
		{ "scrolllock", "scrolllock" },
		{ "btn_side+btn_extra", "btn_side+btn_extra" },
		{ "ctrl+f12", "leftctrl+f12, rightctrl+f12" },
		{ "ctrl+ctrl", "leftctrl+rightctrl" },
		{ "ctrl+leftctrl", "rightctrl+leftctrl" },
		{ "ctrl+alt+delete", "leftctrl+leftalt+delete, leftctrl+rightalt+delete, "
				     "rightctrl+leftalt+delete, rightctrl+rightalt+delete" },
		{ "shift+shift+meta", "leftshift+rightshift+leftmeta, leftshift+rightshift+rightmeta" },
		{ "key_84+a", "key_84+a" },
		{ "5+6", "5+6" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_STR struct str out = { 0 };

		expand(rows[i].text, &out);
		assert_string_equal(str_text(&out), rows[i].chords);
	}
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *part; // of the message
	} rows[] = {
		{ "", "a key is missing" },
		{ " ", "a key is missing" },
		{ "+", "a key is missing" },
		{ "leftctrl+", "kpplus" },
		{ "+leftctrl", "a key is missing" },
		{ "leftctrl++f12", "a key is missing" },
		{ "leftctrl+leftctrl", "twice" },
		{ "ctrl+ctrl+ctrl", "twice" },
		{ "leftctr+f12", "did you mean leftctrl?" },
		{ "crtl+f12", "did you mean ctrl?" },
		{ "control+f12", "did you mean ctrl?" },
		{ "altgr+f12", "did you mean rightalt?" },
		{ "Super+l", "did you mean meta?" },
		{ "return", "did you mean enter?" },
		{ "scrollock", "did you mean scrolllock?" },
		{ "qqqqqqqqqqqq", "evtest" },
		{ "reserved", "there is no key 'reserved'" },
		{ "max", "there is no key 'max'" },
		{ "key_0000", "there is no key" },
		{ "key_767", "there is no key" },
		{ "key_99999999999", "there is no key" },
		{ "a+b+c+d+e+f", "more than 5 keys" },
		{ "leftctrl rightctrl", "there is no key" },
	};
	struct chords chords = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_NONE;

		assert_int_equal(chords_add(&chords, rows[i].text, 0, &err), -EINVAL);
		if (!strstr(err.text, rows[i].part))
			fail_msg("\"%s\": %s", rows[i].text, err.text);
		assert_int_equal(chords.count, 0);
	}
	assert_true(keyset_is_empty(&chords.keys));
	chords_finish(&chords);
}

static void test_no_chord_contains_another(void **state)
{
	static const struct {
		const char *there, *text, *part;
	} rows[] = {
		{ "leftctrl+f12", "leftctrl+f12", "leftctrl+f12 is a hotkey already" },
		{ "leftctrl+f12", "f12+leftctrl", "f12+leftctrl is a hotkey already" },
		{ "leftctrl+f12", "ctrl+f12", "leftctrl+f12 is a hotkey already" },
		{ "leftctrl+f12", "leftctrl+leftalt+f12",
		  "leftctrl+f12 is a part of leftctrl+leftalt+f12" },
		{ "leftctrl+leftalt+f12", "leftctrl+f12",
		  "leftctrl+f12 is a part of leftctrl+leftalt+f12" },
		{ "leftctrl+rightctrl+f12", "ctrl+f12",
		  "leftctrl+f12 is a part of leftctrl+rightctrl+f12" },
		{ "f12", "alt+f12", "f12 is a part of leftalt+f12" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct chords chords = { 0 };
		struct err err = ERR_NONE;
		struct keyset before;

		assert_int_equal(chords_add(&chords, rows[i].there, 1, NULL), 0);
		before = chords.keys;
		assert_int_equal(chords_add(&chords, rows[i].text, 2, &err), -EEXIST);
		if (!strstr(err.text, rows[i].part))
			fail_msg("\"%s\": %s", rows[i].text, err.text);
		assert_int_equal(chords.count, 1);
		assert_memory_equal(&chords.keys, &before, sizeof(before));
		assert_int_equal(chords_add(&chords, "leftshift+f11", 2, &err), 0);
		chords_finish(&chords);
	}
}

static void test_complete(void **state)
{
	struct chords chords = { 0 };
	struct keyset down = KEYS(KEY_LEFTCTRL, KEY_F12, KEY_W);
	const struct chord *chord;

	(void)state;
	assert_int_equal(chords_add(&chords, "leftctrl+f12", 7, NULL), 0);
	assert_int_equal(chords_add(&chords, "leftalt+f12", 8, NULL), 0);
	chord = chords_find_complete(&chords, &down, KEY_F12);
	assert_non_null(chord);
	assert_int_equal(chord->action, 7);
	assert_ptr_equal(chords_find_complete(&chords, &down, KEY_LEFTCTRL), chord);
	// a key that is not of it completes nothing
	assert_null(chords_find_complete(&chords, &down, KEY_W));
	keyset_remove(&down, KEY_LEFTCTRL);
	assert_null(chords_find_complete(&chords, &down, KEY_F12));
	keyset_add(&down, KEY_LEFTALT);
	assert_int_equal(chords_find_complete(&chords, &down, KEY_F12)->action, 8);
	// both: the one that was added first
	keyset_add(&down, KEY_LEFTCTRL);
	assert_int_equal(chords_find_complete(&chords, &down, KEY_F12)->action, 7);
	// what F12 could complete is of no interest when another key comes
	assert_int_equal(chords_find_complete(&chords, &down, KEY_LEFTALT)->action, 8);
	chords_finish(&chords);
}

static bool begins(const struct chords *chords, struct keyset keys)
{
	return chords_may_begin_with(chords, &keys);
}

static void test_begin(void **state)
{
	struct chords chords = { 0 };

	(void)state;
	assert_int_equal(chords_add(&chords, "leftctrl+leftalt+f12", 1, NULL), 0);
	assert_int_equal(chords_add(&chords, "btn_side+btn_extra", 2, NULL), 0);
	assert_int_equal(chords_add(&chords, "rightctrl", 3, NULL), 0);
	assert_true(begins(&chords, KEYS(KEY_LEFTCTRL)));
	assert_true(begins(&chords, KEYS(KEY_LEFTCTRL, KEY_LEFTALT)));
	assert_true(begins(&chords, KEYS(KEY_LEFTCTRL, KEY_F12)));
	assert_true(begins(&chords, KEYS(BTN_SIDE)));
	// not with its other keys where it has a modifier
	assert_false(begins(&chords, KEYS(KEY_F12)));
	// nothing is missing, or too much is there
	assert_false(begins(&chords, KEYS(KEY_LEFTCTRL, KEY_LEFTALT, KEY_F12)));
	assert_false(begins(&chords, KEYS(KEY_LEFTCTRL, BTN_SIDE)));
	assert_false(begins(&chords, KEYS(KEY_RIGHTCTRL)));
	assert_false(begins(&chords, KEYS(KEY_A)));
	chords_finish(&chords);
}

static void test_every_key_has_a_name(void **state)
{
	char name[KEYNAME_ROOM];

	(void)state;
	for (unsigned code = 1; code < KEY_MAX; code++)
		assert_int_equal(keyname_parse(keyname_print(code, name)), code);
	assert_string_equal(keyname_print(KEY_LEFTCTRL, name), "leftctrl");
	assert_string_equal(keyname_print(BTN_LEFT, name), "btn_left");
	assert_string_equal(keyname_print(84, name), "key_84");
	// digits are keys, not codes
	assert_int_equal(keyname_parse("5"), KEY_5);
	assert_int_equal(keyname_parse("key_5"), KEY_5);
	assert_int_equal(keyname_parse("key_-5"), -1);
	assert_int_equal(keyname_parse("key_leftctrl"), KEY_LEFTCTRL);
	assert_int_equal(keyname_parse("rel_x"), -1);
	assert_int_equal(keyname_parse(""), -1);
	assert_int_equal(keyname_parse("a_name_that_is_longer_than_any_name_of_the_kernel_is"), -1);
}

static void test_keyset(void **state)
{
	struct keyset set = KEYS(0, 63, 64, KEY_MAX), other = KEYS(63, 65);
	struct keyset left = keyset_without(set, &other);
	unsigned seen = 0;

	(void)state;
	assert_true(keyset_has(&set, 0) && keyset_has(&set, KEY_MAX) && !keyset_has(&set, 1));
	assert_false(keyset_has(&set, KEY_CNT));
	assert_int_equal(keyset_next(&set, -1), 0);
	assert_int_equal(keyset_next(&set, 0), 63);
	assert_int_equal(keyset_next(&set, 64), KEY_MAX);
	assert_int_equal(keyset_next(&set, KEY_MAX), -1);
	assert_true(keyset_has(&left, 64) && !keyset_has(&left, 63));
	KEYSET_FOREACH(code, &set) {
		keyset_remove(&set, (unsigned)code);
		seen++;
	}
	assert_int_equal(seen, 4);
	assert_true(keyset_is_empty(&set));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_no_chord_contains_another),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_every_key_has_a_name),
		cmocka_unit_test(test_keyset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
