// SPDX-License-Identifier: MIT
// Input devices, hotkeys, keys.
#include "launcher/profile/types.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "input/chord.h"
#include "input/hotkey.h"
#include "input/keyname.h"
#include "input/selector.h"

static void reject(const struct profile_value *value, const struct err *err)
{
	diag_hint(value_reject(value, "%s", err->text), "%s",
		  err->hint[0] ? err->hint : "write keys as in leftctrl+rightctrl or meta+f1");
}

// A name may have blanks and commas, so each has a line of its own.
void value_parse_selectors(const struct profile_key *row, const struct profile_value *value, void *field)
{
	struct err err = ERR_NONE;
	struct selector selector;

	(void)row;
	if (!*value->text)
		strv_finish(field);
	else if (selector_parse(value->text, &selector, &err) < 0)
		reject(value, &err);
	else if (!strv_has(field, value->text))
		strv_add(field, value->text);
}

void value_parse_hotkeys(const struct profile_key *row, const struct profile_value *value, void *field)
{
	struct err err = ERR_NONE;
	struct hotkey hotkey;

	(void)row;
	if (!*value->text) {
		strv_finish(field);
	} else if (hotkey_parse(value->text, &hotkey, &err) < 0) {
		reject(value, &err);
	} else {
		hotkey_finish(&hotkey);
		strv_add(field, value->text);
	}
}

void value_parse_chord(const struct profile_key *row, const struct profile_value *value, void *field)
{
	struct chords chords = { 0 };
	struct err err = ERR_NONE;

	(void)row;
	if (!*value->text)
		mem_set(field, NULL);
	else if (!str_eq(value->text, "none") && chords_add(&chords, value->text, 0, &err) < 0)
		reject(value, &err);
	else
		mem_set(field, value->text);
	chords_finish(&chords);
}

static void add_key(const struct profile_key *row, const struct profile_value *value, void *field)
{
	char room[KEYNAME_ROOM];
	struct diag *diag;
	const char *near;

	(void)row;
	if (keyname_parse(value->text) >= 0) {
		strv_add(field, value->text);
		return;
	}
	diag = value_reject(value, "there is no such key");
	near = keyname_nearest(value->text, room);
	if (near)
		diag_hint(diag, "did you mean %s?", near);
	else
		diag_hint(diag, "write the kernel's names: leftshift, w, btn_left");
}

void value_parse_keynames(const struct profile_key *row, const struct profile_value *value, void *field)
{
	value_parse_items(row, value, field, add_key);
}
