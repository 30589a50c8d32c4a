// SPDX-License-Identifier: MIT
#include "launcher/profile/types.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/profile.h"
#include "launcher/profile/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct place value_place(const struct profile_value *value)
{
	return (struct place){ value->file, value->line };
}

struct diag *value_reject(const struct profile_value *value, const char *fmt, ...)
{
	AUTO_FREE char *text = text_shown(value->text);
	AUTO_STR struct str why = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&why, fmt, ap);
	va_end(ap);
	return diag_add(value->diags, DIAG_ERROR, "bad-value", value_place(value),
			"[%s] %s = %s: %s", value->section, value->key, text, why.text);
}

bool value_is_quoted(const char *text)
{
	size_t n = strlen(text);

	return n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n - 1] == text[0] &&
	       memchr(text + 1, text[0], n - 2) == NULL;
}

char *value_words(const char *const *words, const char *last)
{
	struct str s = { 0 };

	for (size_t i = 0; words[i]; i++) {
		if (i && words[i + 1])
			str_add(&s, ", ");
		else if (i)
			str_addf(&s, " %s ", last);
		str_add(&s, words[i]);
	}
	return str_take(&s);
}

void value_parse_items(const struct profile_key *row, const struct profile_value *value,
		       struct strv *list, profile_parser *parse_item)
{
	AUTO_STRV struct strv items = { 0 };

	if (!*value->text)
		strv_finish(list);
	strv_split(&items, value->text, ", \t");
	for (size_t i = 0; i < items.count; i++) {
		struct profile_value item = *value;

		item.text = items.items[i];
		parse_item(row, &item, list);
	}
}

static bool refuse_quotes(const struct profile_value *value)
{
	if (!value_is_quoted(value->text))
		return false;
	value_reject(value, "quotes would be part of the value");
	return true;
}

void value_parse_text(const struct profile_key *row, const struct profile_value *value, void *field)
{
	(void)row;
	if (refuse_quotes(value))
		return;
	mem_set(field, *value->text ? value->text : NULL);
}

void value_parse_text_list(const struct profile_key *row, const struct profile_value *value,
			   void *field)
{
	struct strv *list = field;

	(void)row;
	if (!*value->text)
		strv_finish(list);
	else if (!refuse_quotes(value))
		strv_add(list, value->text);
}

void value_parse_path(const struct profile_key *row, const struct profile_value *value, void *field)
{
	char **path = field;

	(void)row;
	if (!*value->text) {
		mem_set(path, NULL);
		return;
	}
	if (refuse_quotes(value))
		return;
	if (value->text[0] == '~' && (!value->text[1] || strchr(value->text, '/'))) {
		diag_hint(value_reject(value, "~ is not expanded"),
			  "write the whole path, such as /home/YOU/win11.qcow2");
		return;
	}
	free(*path);
	*path = path_join(value->base_dir, value->text);
}

static void suggest_word(struct diag *diag, const char *text, const char *const *words)
{
	AUTO_FREE char *all = value_words(words, "or");
	size_t n = 0;
	const char *near;

	while (words[n])
		n++;
	near = str_nearest(text, words, n);
	if (near)
		diag_hint(diag, "did you mean %s? Allowed: %s", near, all);
	else
		diag_hint(diag, "write %s", all);
}

// The index of the value among the row's words; -1 where it is none, which was reported.
static int read_word(const struct profile_key *row, const struct profile_value *value)
{
	for (int i = 0; row->words[i]; i++) {
		if (strcasecmp(value->text, row->words[i]) == 0)
			return i;
	}
	suggest_word(value_reject(value, "not a word known here"), value->text, row->words);
	return -1;
}

void value_parse_word(const struct profile_key *row, const struct profile_value *value, void *field)
{
	unsigned *out = field;
	int index = *value->text ? read_word(row, value) : (int)row->fallback;

	if (index >= 0)
		*out = (unsigned)index;
}

void value_parse_word_text(const struct profile_key *row, const struct profile_value *value,
			   void *field)
{
	int index;

	if (!*value->text) {
		mem_set(field, NULL);
		return;
	}
	index = read_word(row, value);
	if (index >= 0)
		mem_set(field, row->words[index]);
}

static void add_word(const struct profile_key *row, const struct profile_value *value, void *list)
{
	int index = read_word(row, value);

	if (index >= 0 && strv_has(list, row->words[index]))
		diag_hint(value_reject(value, "named twice"), "leave the second one out");
	else if (index >= 0)
		strv_add(list, row->words[index]);
}

void value_parse_word_list(const struct profile_key *row, const struct profile_value *value,
			   void *field)
{
	value_parse_items(row, value, field, add_word);
}

void value_parse_tri(const struct profile_key *row, const struct profile_value *value, void *field)
{
	enum tri *out = field;
	bool yes;

	(void)row;
	if (!*value->text || strcasecmp(value->text, "auto") == 0)
		*out = TRI_AUTO;
	else if (str_parse_bool(value->text, &yes))
		*out = yes ? TRI_YES : TRI_NO;
	else
		diag_hint(value_reject(value, "neither auto, yes nor no"),
			  "write auto, yes or no (on, off, true and false will do too)");
}

void value_parse_flag(const struct profile_key *row, const struct profile_value *value, void *field)
{
	bool *out = field;

	if (!*value->text)
		*out = row->fallback;
	else if (!str_parse_bool(value->text, out))
		diag_hint(value_reject(value, "neither yes nor no"),
			  "write yes or no (on, off, true and false will do too)");
}

static bool parse_long(const char *text, long *out)
{
	bool negative = *text == '-';
	uint64_t number;

	if (!str_parse_u64(text + negative, &number) || number > INT64_MAX)
		return false;
	*out = negative ? -(long)number : (long)number;
	return true;
}

static void reject_number(const struct profile_key *row, const struct profile_value *value,
			  long number, bool is_number, bool has_auto)
{
	struct diag *diag;

	if (!is_number)
		diag = value_reject(value, "not a whole number");
	else
		diag = value_reject(value, "too %s", number < row->min ? "small" : "big");
	diag_hint(diag, "write a number from %ld to %ld%s", row->min, row->max,
		  has_auto ? ", or auto" : "");
}

void value_parse_long(const struct profile_key *row, const struct profile_value *value, void *field)
{
	// A default that nobody can write as a number stands for "auto".
	bool has_auto = row->fallback < row->min;
	int64_t *out = field;
	long number = 0;
	bool ok;

	if (!*value->text || (has_auto && strcasecmp(value->text, "auto") == 0)) {
		*out = row->fallback;
		return;
	}
	ok = parse_long(value->text, &number);
	if (!ok || number < row->min || number > row->max)
		reject_number(row, value, number, ok, has_auto);
	else
		*out = number;
}

void value_parse_int(const struct profile_key *row, const struct profile_value *value, void *field)
{
	int *out = field;
	int64_t wide = *out;

	value_parse_long(row, value, &wide);
	*out = (int)wide;
}

// Else it is a device's memory, whose limit a person can meet.
static bool is_ram(const struct profile_key *row)
{
	return row->max > INT64_C(1) << 40;
}

// What people carry over from other tools: "8GB", "8GiB", and QEMU's and libvirt's bare megabytes.
static void hint_size(struct diag *diag, const struct profile_key *row, const char *text)
{
	AUTO_STR struct str least = { 0 }, most = { 0 };

	size_t digits = strspn(text, "0123456789.");
	uint64_t number;
	char unit = (char)toupper((unsigned char)text[digits]);

	if (digits && !text[digits] && str_parse_u64(text, &number))
		diag_hint(diag, "a size without a unit is in bytes; write %s%s", text,
			  number < 512 ? "G" : "M");
	else if (digits && unit && strchr("KMGT", unit) &&
		 (strcasecmp(text + digits + 1, "b") == 0 ||
		  strcasecmp(text + digits + 1, "ib") == 0))
		diag_hint(diag, "units are single letters, in powers of 1024: write %.*s%c",
			  (int)digits, text, unit);
	else if (is_ram(row))
		diag_hint(diag, "write a size such as 512M or 8G");
	else {
		str_add_size(&least, (uint64_t)row->min);
		str_add_size(&most, (uint64_t)row->max);
		diag_hint(diag, "write a size from %s to %s", least.text, most.text);
	}
}

void value_parse_memory(const struct profile_key *row, const struct profile_value *value,
			void *field)
{
	enum { MIB = 1 << 20 };
	uint64_t *out = field, bytes;

	if (!*value->text)
		*out = (uint64_t)row->fallback;
	else if (!str_parse_size(value->text, &bytes))
		hint_size(value_reject(value, "not a size"), row, value->text);
	else if (bytes < (uint64_t)row->min)
		hint_size(value_reject(value, "too little"), row, value->text);
	else if (bytes > (uint64_t)row->max)
		hint_size(value_reject(value, is_ram(row) ? "more than any x86 machine can address" : "too much"),
			  row, value->text);
	else if (bytes % MIB)
		diag_hint(value_reject(value, "not a whole number of MiB"), "write %lluM",
			  (unsigned long long)(bytes / MIB + 1));
	else
		*out = bytes;
}

// "GHz" and the like at the end of text, which is cut off. Returns the unit in kHz.
static long take_unit(char *text)
{
	static const struct {
		const char *unit;
		long khz;
	} units[] = { { "khz", 1 }, { "mhz", 1000 }, { "ghz", 1000000 } };
	size_t n = strlen(text);

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (n > 3 && strcasecmp(text + n - 3, units[i].unit) == 0) {
			text[n - 3] = '\0';
			str_strip(text);
			return units[i].khz;
		}
	}
	return 1;
}

// "2.4GHz", "800 MHz", "2400000"; false: no frequency, or one that is not whole kHz.
static bool parse_frequency(const char *text, uint64_t max, uint64_t *khz)
{
	AUTO_FREE char *number = mem_dup(text);
	uint64_t unit = (uint64_t)take_unit(number), whole, fraction = 0, parts = 1;
	char *dot = strchr(number, '.');

	if (dot) {
		*dot++ = '\0';
		for (size_t i = 0; i < strlen(dot) && parts < unit; i++)
			parts *= 10;
	}
	if (!str_parse_u64(number, &whole) || whole > max)
		return false;
	if (dot && (!str_parse_u64(dot, &fraction) || fraction >= parts))
		return false;
	*khz = whole * unit + fraction * (unit / parts);
	return true;
}

void value_parse_frequency(const struct profile_key *row, const struct profile_value *value,
			   void *field)
{
	static const char hint[] = "write 2.4GHz, 800MHz or a number of kHz";
	int64_t *out = field;
	uint64_t khz;

	if (!*value->text)
		*out = row->fallback;
	else if (!parse_frequency(value->text, (uint64_t)row->max, &khz))
		diag_hint(value_reject(value, "not a frequency"), "%s", hint);
	else if (khz < (uint64_t)row->min || khz > (uint64_t)row->max)
		diag_hint(value_reject(value, "no CPU runs at this frequency"), "%s", hint);
	else
		*out = (int64_t)khz;
}
