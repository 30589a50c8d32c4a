// SPDX-License-Identifier: MIT
#include "tune/host/inputs.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/root.h"

#include <linux/input-event-codes.h>
#include <string.h>

enum { TABLE_MAX = 4 << 20, BITS_PER_WORD = 64, BUS_BLUETOOTH = 0x05 };

// Escape, the digits and Q to D: who has them all is a keyboard.
enum { FIRST_LETTER_BITS = 0xfffffffe };


// Each word is one of the kernel's longs, which are of 64 bits where this runs.
static bool has_bit(const struct strv *words, unsigned bit)
{
	size_t index = bit / BITS_PER_WORD;
	uint64_t word;

	return index < words->count && str_parse_hex(words->items[words->count - 1 - index], &word) &&
	       (word >> bit % BITS_PER_WORD & 1);
}

static bool has_letters(const struct strv *words)
{
	uint64_t word;

	return words->count && str_parse_hex(words->items[words->count - 1], &word) &&
	       (word & FIRST_LETTER_BITS) == FIRST_LETTER_BITS;
}

static bool points(const struct strv *axes)
{
	return has_bit(axes, REL_X) && has_bit(axes, REL_Y);
}

// A paragraph of the table, whose lines begin with "N: Name=", "S: Sysfs=", "B: KEY=" and the like.
struct paragraph {
	const char *bus, *name, *path, *keys, *relative, *absolute;
};

static void take_line(struct paragraph *p, const char *line)
{
	const struct {
		const char *prefix;
		const char **value;
	} rows[] = {
		{ "I: Bus=", &p->bus },	     { "N: Name=", &p->name },	   { "S: Sysfs=", &p->path },
		{ "B: KEY=", &p->keys }, { "B: REL=", &p->relative }, { "B: ABS=", &p->absolute },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (str_starts(line, rows[i].prefix))
			*rows[i].value = line + strlen(rows[i].prefix);
	}
}

static char *unquote(const char *text)
{
	size_t n = strlen(text);

	return n >= 2 && text[0] == '"' ? mem_dupn(text + 1, n - 1 - (text[n - 1] == '"')) : mem_dup(text);
}

// Bluetooth's come through the same door as those of programs.
static bool is_made(const struct paragraph *p)
{
	uint64_t bus = 0;
	AUTO_FREE char *number = p->bus ? mem_dupn(p->bus, strcspn(p->bus, " ")) : NULL;

	return str_starts(p->path, "/devices/virtual/") &&
	       !(number && str_parse_hex(number, &bus) && bus == BUS_BLUETOOTH);
}

static void add(struct input_list *out, const struct paragraph *p)
{
	AUTO_STRV struct strv keys = { 0 }, relative = { 0 }, absolute = { 0 };
	struct input_fact *fact;

	if (!p->path)
		return;
	strv_split(&keys, p->keys ? p->keys : "", " ");
	strv_split(&relative, p->relative ? p->relative : "", " ");
	strv_split(&absolute, p->absolute ? p->absolute : "", " ");
	fact = MEM_PUSH(out->items, out->count);
	fact->name = unquote(p->name ? p->name : "");
	fact->path = mem_dup(p->path);
	fact->keyboard = has_letters(&keys);
	fact->mouse = has_bit(&keys, BTN_LEFT) && (points(&relative) || points(&absolute));
	fact->made = is_made(p);
}

void inputs_read(struct root *root, struct input_list *out)
{
	AUTO_STR struct str text = { 0 };
	struct paragraph p = { 0 };
	char *line, *next;

	*out = (struct input_list){ 0 };
	if (root_read_all(root, "proc/bus/input/devices", &text, TABLE_MAX) < 0)
		return;
	for (line = text.text; line && *line; line = next) {
		size_t n = strcspn(line, "\n");

		next = line[n] ? line + n + 1 : line + n;
		line[n] = '\0';
		if (n) {
			take_line(&p, line);
			continue;
		}
		add(out, &p);
		p = (struct paragraph){ 0 };
	}
	add(out, &p);
}

void inputs_finish(struct input_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].name);
		free(list->items[i].path);
	}
	free(list->items);
	*list = (struct input_list){ 0 };
}
