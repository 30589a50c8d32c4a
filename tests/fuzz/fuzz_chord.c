// SPDX-License-Identifier: MIT
// Hotkeys, one a line: what is accepted prints as a hotkey that is accepted again and means the same; no
// chord contains another; a chord is complete with each of its keys as the last, and not before.
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "input/chord.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_print(const struct chord *chord)
{
	AUTO_STR struct str text = { 0 }, again = { 0 };
	struct chords chords = { 0 };

	chord_print(chord, &text);
	if (chords_add(&chords, str_text(&text), 0, NULL) < 0 || chords.count != 1)
		abort();
	chord_print(&chords.items[0], &again);
	if (strcmp(str_text(&text), str_text(&again)) != 0)
		abort();
	chords_finish(&chords);
}

static void check_keys(const struct chords *chords, const struct chord *chord)
{
	struct keyset down = { 0 };

	if (chord->count == 0 || chord->count > CHORD_KEYS_MAX)
		abort();
	for (unsigned i = 0; i < chord->count; i++)
		keyset_add(&down, chord->keys[i]);
	for (unsigned i = 0; i < chord->count; i++) {
		if (chords_find_complete(chords, &down, chord->keys[i]) != chord)
			abort();
		keyset_remove(&down, chord->keys[i]);
		for (unsigned k = 0; k < chord->count; k++)
			if (chords_find_complete(chords, &down, chord->keys[k]))
				abort();
		keyset_add(&down, chord->keys[i]);
	}
	if (chords_may_begin_with(chords, &down))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_STR struct str text = { 0 };
	AUTO_STRV struct strv lines = { 0 };
	struct chords chords = { 0 };

	str_addn(&text, (const char *)data, size);
	strv_split(&lines, str_text(&text), "\n");
	for (size_t i = 0; i < lines.count && i < 4; i++) {
		struct err err = ERR_NONE;
		size_t before = chords.count;
		int r = chords_add(&chords, lines.items[i], (int)i, &err);

		if ((r < 0) != (err.text[0] != '\0') || (r < 0 && r != -EINVAL && r != -EEXIST))
			abort();
		if ((r < 0) != (chords.count == before))
			abort();
	}
	for (size_t i = 0; i < chords.count; i++) {
		check_print(&chords.items[i]);
		check_keys(&chords, &chords.items[i]);
	}
	chords_finish(&chords);
	return 0;
}
