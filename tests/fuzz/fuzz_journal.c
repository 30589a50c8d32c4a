// SPDX-License-Identifier: MIT
// A journal of any bytes is read alike in one piece or in two, and never past its last newline.
#include "base/cleanup.h"
#include "base/str.h"
#include "tune/change/journal_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(struct str *out, const char *text)
{
	str_addc(out, '|');
	str_add(out, text ? text : "(nothing)");
}

static void print(const struct journal *journal, struct str *out)
{
	unsigned last = 0;

	for (size_t i = 0; i < journal->count; i++) {
		const struct journal_record *record = &journal->records[i];

		// what apply and undo rely on
		if (record->number <= last || !record->kind || !record->change.kind ||
		    !record->change.path || !record->change.want ||
		    (record->change.got && !record->has_got))
			abort();
		last = record->number;
		str_addf(out, "\n%u %llu %zu", record->number, (unsigned long long)record->turn,
			 record->n_undone);
		add(out, record->kind);
		add(out, record->change.path);
		add(out, record->change.was);
		add(out, record->change.want);
		add(out, record->change.got);
		add(out, record->change.why);
		add(out, record->found);
		add(out, record->done);
		for (size_t j = 0; j < record->n_undone; j++)
			add(out, record->undone[j]);
	}
	for (size_t i = 0; i < journal->damaged.count; i++)
		add(out, journal->damaged.items[i]);
}

// The first two bytes say where it is cut.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal whole = JOURNAL_CLOSED, parts = JOURNAL_CLOSED;
	AUTO_STR struct str from_whole = { 0 }, from_parts = { 0 };
	const char *text = (const char *)data + 2;
	size_t cut, used, used_parts;

	if (size < 2)
		return 0;
	size -= 2;
	cut = (size_t)(data[0] | data[1] << 8) % (size + 1);
	used = journal_parse(&whole, text, size);
	if (used > size || (used && text[used - 1] != '\n') ||
	    memchr(text + used, '\n', size - used))
		abort();
	used_parts = journal_parse(&parts, text, cut);
	used_parts += journal_parse(&parts, text + used_parts, size - used_parts);
	print(&whole, &from_whole);
	print(&parts, &from_parts);
	if (used != used_parts || strcmp(str_text(&from_whole), str_text(&from_parts)) != 0)
		abort();
	journal_finish(&whole);
	journal_finish(&parts);
	return 0;
}
