// SPDX-License-Identifier: MIT
#include "input/chord.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "input/keyname.h"

#include <string.h>
#include <strings.h>

// Names that stand for either of two keys.
static const struct either {
	const char *name;
	uint16_t left, right;
} eithers[] = {
	{ "ctrl", KEY_LEFTCTRL, KEY_RIGHTCTRL },
	{ "alt", KEY_LEFTALT, KEY_RIGHTALT },
	{ "shift", KEY_LEFTSHIFT, KEY_RIGHTSHIFT },
	{ "meta", KEY_LEFTMETA, KEY_RIGHTMETA },
};

// What others call a key, too far from the kernel's name to be found by its letters.
static const struct {
	const char *said, *meant;
} other_names[] = {
	{ "control", "ctrl" },	  { "lctrl", "leftctrl" },   { "rctrl", "rightctrl" },
	{ "lalt", "leftalt" },	  { "ralt", "rightalt" },    { "altgr", "rightalt" },
	{ "lshift", "leftshift" }, { "rshift", "rightshift" }, { "super", "meta" },
	{ "win", "meta" },	  { "windows", "meta" },     { "cmd", "meta" },
	{ "lwin", "leftmeta" },	  { "rwin", "rightmeta" },   { "leftsuper", "leftmeta" },
	{ "return", "enter" },	  { "escape", "esc" },	     { "del", "delete" },
	{ "ins", "insert" },	  { "pgup", "pageup" },	     { "pgdn", "pagedown" },
	{ "print", "sysrq" },	  { "printscreen", "sysrq" }, { "prtsc", "sysrq" },
	{ "break", "pause" },	  { "plus", "equal" },
	{ "mouse4", "btn_side" }, { "mouse5", "btn_extra" },
};

// A key as it was written: one code, or two of which either will do.
struct part {
	uint16_t codes[2];
	unsigned count;
};

void chords_finish(struct chords *chords)
{
	free(chords->items);
	*chords = (struct chords){ 0 };
}

bool chord_has(const struct chord *chord, unsigned key)
{
	for (unsigned i = 0; i < chord->count; i++)
		if (chord->keys[i] == key)
			return true;
	return false;
}

static bool chord_contains(const struct chord *chord, const struct chord *part)
{
	for (unsigned i = 0; i < part->count; i++)
		if (!chord_has(chord, part->keys[i]))
			return false;
	return true;
}

static bool chord_is_down(const struct chord *chord, const struct keyset *down)
{
	for (unsigned i = 0; i < chord->count; i++)
		if (!keyset_has(down, chord->keys[i]))
			return false;
	return true;
}

const struct chord *chords_find_complete(const struct chords *chords, const struct keyset *down,
					 unsigned key)
{
	if (!keyset_has(&chords->keys, key))
		return NULL;
	for (size_t i = 0; i < chords->count; i++)
		if (chord_has(&chords->items[i], key) && chord_is_down(&chords->items[i], down))
			return &chords->items[i];
	return NULL;
}

static bool has_modifier(const struct keyset *keys)
{
	for (size_t i = 0; i < ARRAY_SIZE(eithers); i++)
		if (keyset_has(keys, eithers[i].left) || keyset_has(keys, eithers[i].right))
			return true;
	return false;
}

static bool chord_may_begin_with(const struct chord *chord, const struct keyset *keys)
{
	struct keyset all = { 0 }, foreign;

	for (unsigned i = 0; i < chord->count; i++)
		keyset_add(&all, chord->keys[i]);
	foreign = keyset_without(*keys, &all);
	return keyset_is_empty(&foreign) && !chord_is_down(chord, keys) &&
	       (has_modifier(keys) || !has_modifier(&all));
}

bool chords_may_begin_with(const struct chords *chords, const struct keyset *keys)
{
	for (size_t i = 0; i < chords->count; i++)
		if (chord_may_begin_with(&chords->items[i], keys))
			return true;
	return false;
}

void chord_print(const struct chord *chord, struct str *out)
{
	char name[KEYNAME_ROOM];

	for (unsigned i = 0; i < chord->count; i++)
		str_addf(out, "%s%s", i ? "+" : "", keyname_print(chord->keys[i], name));
}

static const char *nearest(const char *name, char out[KEYNAME_ROOM])
{
	const char *candidates[ARRAY_SIZE(eithers)], *either;

	for (size_t i = 0; i < ARRAY_SIZE(other_names); i++)
		if (strcasecmp(name, other_names[i].said) == 0)
			return other_names[i].meant;
	for (size_t i = 0; i < ARRAY_SIZE(eithers); i++)
		candidates[i] = eithers[i].name;
	either = str_nearest(name, candidates, ARRAY_SIZE(candidates));
	return either ? either : keyname_nearest(name, out);
}

static int parse_part(const char *name, struct part *part, struct err *err)
{
	char room[KEYNAME_ROOM];
	const char *near;
	int code;

	if (!*name)
		return err_set(err, -EINVAL,
			       "a key is missing beside a '+': write a name on both sides of it, as in "
			       "leftctrl+f12 (the + key itself is equal or kpplus)");
	for (size_t i = 0; i < ARRAY_SIZE(eithers); i++) {
		if (strcasecmp(name, eithers[i].name) != 0)
			continue;
		*part = (struct part){ { eithers[i].left, eithers[i].right }, 2 };
		return 0;
	}
	code = keyname_parse(name);
	if (code >= 0) {
		*part = (struct part){ { (uint16_t)code }, 1 };
		return 0;
	}
	near = nearest(name, room);
	if (near)
		return err_set(err, -EINVAL, "there is no key '%.40s': did you mean %s?", name, near);
	return err_set(err, -EINVAL,
		       "there is no key '%.40s': write the kernel's name without KEY_, in lower case, "
		       "as evtest shows it", name);
}

// The keys as written, in `parts`. Returns how many, or -EINVAL.
static int parse_parts(const char *text, struct part parts[CHORD_KEYS_MAX], struct err *err)
{
	int count = 0;

	for (const char *at = text, *end; at; at = *end ? end + 1 : NULL) {
		AUTO_FREE char *name = NULL;

		end = strchrnul(at, '+');
		if (count == CHORD_KEYS_MAX)
			return err_set(err, -EINVAL, "'%.80s' has more than %d keys: leave some out",
				       text, CHORD_KEYS_MAX);
		name = mem_dupn(at, (size_t)(end - at));
		if (parse_part(str_strip(name), &parts[count++], err) < 0)
			return -EINVAL;
	}
	return count;
}

// One of the chords that the parts stand for: a bit of `choice`, the last part's the lowest, takes
// the right key. False: that names a key twice, or a part has no right key.
static bool choose(const struct part *parts, unsigned count, unsigned choice, struct chord *out)
{
	*out = (struct chord){ 0 };
	for (unsigned i = 0; i < count; i++) {
		unsigned side = choice >> (count - 1 - i) & 1;
		uint16_t code = parts[i].codes[side];

		if (side >= parts[i].count || chord_has(out, code))
			return false;
		out->keys[out->count++] = code;
	}
	return true;
}

static bool chord_equal(const struct chord *a, const struct chord *b)
{
	return a->count == b->count && chord_contains(a, b);
}

static int overlap(const struct chord *a, const struct chord *there, struct err *err)
{
	AUTO_STR struct str one = { 0 }, other = { 0 };

	chord_print(a, &one);
	chord_print(there, &other);
	if (chord_equal(a, there))
		return err_set(err, -EEXIST,
			       "%s is a hotkey already: choose other keys for one of the two",
			       str_text(&one));
	return err_set(err, -EEXIST,
		       "%s is a part of %s and would always come first: choose keys so that neither "
		       "hotkey contains the other",
		       str_text(a->count < there->count ? &one : &other),
		       str_text(a->count < there->count ? &other : &one));
}

static int check_overlap(const struct chords *chords, size_t before, const struct chord *chord,
			 struct err *err)
{
	for (size_t i = 0; i < before; i++)
		if (chord_contains(chord, &chords->items[i]) ||
		    chord_contains(&chords->items[i], chord))
			return overlap(chord, &chords->items[i], err);
	return 0;
}

// "ctrl+ctrl" gives the same two keys in two ways.
static bool is_there(const struct chords *chords, size_t from, const struct chord *chord)
{
	for (size_t i = from; i < chords->count; i++)
		if (chord_equal(&chords->items[i], chord))
			return true;
	return false;
}

static void note_keys(struct chords *chords, size_t from)
{
	for (size_t i = from; i < chords->count; i++)
		for (unsigned k = 0; k < chords->items[i].count; k++)
			keyset_add(&chords->keys, chords->items[i].keys[k]);
}

int chords_add(struct chords *chords, const char *text, int action, struct err *err)
{
	struct part parts[CHORD_KEYS_MAX] = { 0 };
	size_t before = chords->count;
	int count = parse_parts(text, parts, err), r;

	if (count < 0)
		return count;
	for (unsigned choice = 0; choice < 1u << count; choice++) {
		struct chord chord;

		if (!choose(parts, (unsigned)count, choice, &chord) || is_there(chords, before, &chord))
			continue;
		r = check_overlap(chords, before, &chord, err);
		if (r < 0) {
			chords->count = before;
			return r;
		}
		chord.action = action;
		*MEM_PUSH(chords->items, chords->count) = chord;
	}
	if (chords->count == before)
		return err_set(err, -EINVAL, "'%.80s' names a key twice: name each key once", text);
	note_keys(chords, before);
	return 0;
}
