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
	free(caps->words.items);
	strv_finish(&caps->texts);
	*caps = (struct qemu_caps){ 0 };
}

// Index of the first word that is not less than `word`.
static size_t lower_bound(const struct qemu_caps *caps, const char *word)
{
	size_t low = 0, high = caps->words.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(caps->words.items[middle], word) < 0)
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
	at = lower_bound(caps, str_text(&word));
	return at < caps->words.count && str_eq(caps->words.items[at], str_text(&word));
}

const char *qemu_caps_after(const struct qemu_caps *caps, const char *prefix)
{
	size_t at = lower_bound(caps, prefix);

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
	strv_take(&caps->texts, str_take(&word));
	*MEM_PUSH(caps->words.items, caps->words.count) = caps->texts.items[caps->texts.count - 1];
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

// What comes out of a cache is, and without doubles.
static bool is_sorted(const struct qemu_caps *caps)
{
	for (size_t i = 1; i < caps->words.count; i++) {
		if (strcmp(caps->words.items[i - 1], caps->words.items[i]) >= 0)
			return false;
	}
	return true;
}

void qemu_caps_sort(struct qemu_caps *caps)
{
	const char **words = caps->words.items;
	size_t kept = 0;

	if (is_sorted(caps))
		return;
	qsort(words, caps->words.count, sizeof(*words), compare);
	for (size_t i = 0; i < caps->words.count; i++) {
		if (!kept || !str_eq(words[kept - 1], words[i]))
			words[kept++] = words[i];
	}
	caps->words.count = kept;
}

void qemu_caps_drop(struct qemu_caps *caps, const char *word)
{
	const char **words = caps->words.items;
	bool below = str_ends(word, "/");
	size_t kept = 0;

	for (size_t i = 0; i < caps->words.count; i++) {
		if (!(below ? str_starts(words[i], word) : str_eq(words[i], word)))
			words[kept++] = words[i];
	}
	caps->words.count = kept;
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

struct reader {
	char *at;
	int line; // the one read last, from 1
};

// The next line that is no comment, ended where its newline was; NULL at the end of the text, also where a
// last line has no newline.
static char *next_line(struct reader *in)
{
	char *line, *end;

	do {
		line = in->at;
		end = strchr(line, '\n');
		if (!end)
			return NULL;
		*end = '\0';
		in->at = end + 1;
		in->line++;
	} while (*line == '#');
	return line;
}

// In place: no escape is shorter than what it stands for. Returns the word, or NULL.
static char *unescape(char *word)
{
	AUTO_STR struct str out = { 0 };

	if (!strchr(word, '\\'))
		return word;
	return str_unescape(word, &out) ? memcpy(word, str_text(&out), out.len + 1) : NULL;
}

// The copy of what follows `key` on the next line, or NULL.
static char *parse_field(struct reader *in, const char *key)
{
	char *line = next_line(in);

	return line && str_starts(line, key) ? mem_dup(unescape(line + strlen(key))) : NULL;
}

static bool parse_header(struct reader *in, struct qemu_caps *caps)
{
	const char *line = next_line(in);

	if (!line || !str_eq(line, MAGIC))
		return false;
	caps->path = parse_field(in, "path ");
	if (!caps->path)
		return false;
	caps->version = parse_field(in, "version ");
	if (!caps->version)
		return false;
	line = next_line(in);
	return line && !*line;
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	while ((text = strchr(text, '\n'))) {
		text++;
		count++;
	}
	return count;
}

static bool parse_words(struct reader *in, struct qemu_caps *caps)
{
	size_t count = count_lines(in->at);
	char *line;

	caps->words.items = mem_room(count, sizeof(*caps->words.items));
	mem_populate(caps->words.items, count * sizeof(*caps->words.items));
	while ((line = next_line(in))) {
		const char *word;

		if (str_eq(line, "end"))
			return *in->at == '\0';
		word = *line ? unescape(line) : NULL;
		if (!word)
			return false;
		caps->words.items[caps->words.count++] = word;
	}
	return false;
}

int qemu_caps_parse_taken(char *text, size_t first, struct qemu_caps *caps, struct err *err)
{
	struct qemu_caps found = { .known = true };
	struct reader in = { .at = text + first };

	strv_take(&found.texts, text);
	if (!parse_header(&in, &found) || !parse_words(&in, &found)) {
		qemu_caps_finish(&found);
		return err_set(err, -EPROTO, "line %d is not what belongs there", in.line ? in.line : 1);
	}
	qemu_caps_sort(&found);
	*caps = found;
	return 0;
}

int qemu_caps_parse(const char *text, struct qemu_caps *caps, struct err *err)
{
	return qemu_caps_parse_taken(mem_dup(text), 0, caps, err);
}
