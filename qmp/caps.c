// SPDX-License-Identifier: MIT
#include "qmp/caps.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC "qemu-caps 1"

void qemu_caps_finish(struct qemu_caps *caps)
{
	free(caps->path);
	free(caps->version);
	strv_finish(&caps->words);
	*caps = (struct qemu_caps){ 0 };
}

// Index of the first word that is not less than `word`.
static size_t lower_bound(const struct strv *words, const char *word)
{
	size_t low = 0, high = words->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(words->items[middle], word) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool qemu_caps_has(const struct qemu_caps *caps, const char *fmt, ...)
{
	AUTO_STR struct str word = { 0 };
	va_list ap;
	size_t at;

	va_start(ap, fmt);
	str_addv(&word, fmt, ap);
	va_end(ap);
	if (!caps->known)
		return !str_starts(str_text(&word), "no-");
	at = lower_bound(&caps->words, str_text(&word));
	return at < caps->words.count && str_eq(caps->words.items[at], str_text(&word));
}

const char *qemu_caps_after(const struct qemu_caps *caps, const char *prefix)
{
	size_t at = lower_bound(&caps->words, prefix);

	if (at == caps->words.count || !str_starts(caps->words.items[at], prefix))
		return NULL;
	return caps->words.items[at] + strlen(prefix);
}

void qemu_caps_add(struct qemu_caps *caps, const char *fmt, ...)
{
	struct str word = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&word, fmt, ap);
	va_end(ap);
	strv_take(&caps->words, str_take(&word));
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

// What comes out of a cache is: not sorting it again saves a third of the time to read it.
static bool is_sorted(const struct strv *words)
{
	for (size_t i = 1; i < words->count; i++) {
		if (strcmp(words->items[i - 1], words->items[i]) > 0)
			return false;
	}
	return true;
}

// Keeps the NULL that ends a strv's items.
static void shorten(struct strv *words, size_t count)
{
	words->count = count;
	if (words->items)
		words->items[count] = NULL;
}

void qemu_caps_sort(struct qemu_caps *caps)
{
	struct strv *words = &caps->words;
	size_t kept = 0;

	if (!is_sorted(words))
		qsort(words->items, words->count, sizeof(*words->items), compare);
	for (size_t i = 0; i < words->count; i++) {
		if (kept && str_eq(words->items[kept - 1], words->items[i]))
			free(words->items[i]);
		else
			words->items[kept++] = words->items[i];
	}
	shorten(words, kept);
}

void qemu_caps_drop(struct qemu_caps *caps, const char *word)
{
	struct strv *words = &caps->words;
	bool below = str_ends(word, "/");
	size_t kept = 0;

	for (size_t i = 0; i < words->count; i++) {
		const char *item = words->items[i];

		if (below ? str_starts(item, word) : str_eq(item, word))
			free(words->items[i]);
		else
			words->items[kept++] = words->items[i];
	}
	shorten(words, kept);
}

static void print_line(struct str *out, const char *key, const char *text)
{
	str_add(out, key);
	str_add_escaped(out, text);
	str_addc(out, '\n');
}

void qemu_caps_print(const struct qemu_caps *caps, struct str *out)
{
	print_line(out, "", MAGIC);
	print_line(out, "path ", caps->path ? caps->path : "");
	print_line(out, "version ", caps->version ? caps->version : "");
	str_addc(out, '\n');
	for (size_t i = 0; i < caps->words.count; i++)
		print_line(out, "", caps->words.items[i]);
	str_add(out, "end\n");
}

// The next line that is no comment, copied into *line without its newline; false at the end of the
// text, also where a last line has no newline.
static bool next_line(const char **at, struct str *line)
{
	do {
		const char *end = strchr(*at, '\n');

		if (!end)
			return false;
		line->len = 0;
		str_addn(line, *at, (size_t)(end - *at));
		*at = end + 1;
	} while (str_starts(line->text, "#"));
	return true;
}

static char *unescape(const char *text)
{
	struct str out = { 0 };

	if (!strchr(text, '\\'))
		return mem_dup(text);
	if (str_unescape(text, &out))
		return str_take(&out);
	str_finish(&out);
	return NULL;
}

static bool parse_header(const char **at, struct str *line, struct qemu_caps *caps)
{
	if (!next_line(at, line) || !str_eq(line->text, MAGIC))
		return false;
	if (!next_line(at, line) || !str_starts(line->text, "path "))
		return false;
	caps->path = unescape(line->text + strlen("path "));
	if (!caps->path || !next_line(at, line) || !str_starts(line->text, "version "))
		return false;
	caps->version = unescape(line->text + strlen("version "));
	return caps->version && next_line(at, line) && line->len == 0;
}

static bool parse_words(const char **at, struct str *line, struct qemu_caps *caps)
{
	while (next_line(at, line)) {
		char *word;

		if (str_eq(line->text, "end"))
			return **at == '\0';
		word = line->len ? unescape(line->text) : NULL;
		if (!word)
			return false;
		strv_take(&caps->words, word);
	}
	return false;
}

int qemu_caps_parse(const char *text, struct qemu_caps *caps, struct err *err)
{
	AUTO_STR struct str line = { 0 };
	struct qemu_caps found = { .known = true };
	const char *at = text;

	if (!parse_header(&at, &line, &found) || !parse_words(&at, &line, &found)) {
		int number = 1;

		for (const char *c = text; c < at - 1; c++)
			number += *c == '\n';
		qemu_caps_finish(&found);
		return err_set(err, -EPROTO, "line %d is not what belongs there", number);
	}
	qemu_caps_sort(&found);
	*caps = found;
	return 0;
}
