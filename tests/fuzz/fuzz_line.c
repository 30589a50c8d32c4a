// SPDX-License-Identifier: MIT
// Lines come out alike however their bytes were split, and what parses prints as a line that parses again.
#include "base/str.h"
#include "qmp/json.h"
#include "qmp/line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const char *line)
{
	AUTO_JSON struct json_object *value = line_parse_object(line, NULL), *again = NULL;
	struct line_writer writer = { 0 };

	if (!value)
		return;
	if (line_writer_add(&writer, value) < 0)
		abort();
	writer.data[writer.len - 2] = '\0';
	again = line_parse_object(writer.data, NULL);
	if (!again)
		abort();
	line_writer_finish(&writer);
}

static int feed(struct line_reader *reader, const char *data, size_t size, struct str *out)
{
	int r = line_reader_feed(reader, data, size);
	const char *line;

	while ((line = line_reader_next(reader))) {
		check_round_trip(line);
		str_add(out, line);
		str_addc(out, '\n');
	}
	return r;
}

// The first byte is the limit, the second the size of the parts.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line_reader whole = { 0 }, parts = { 0 };
	AUTO_STR struct str from_whole = { 0 }, from_parts = { 0 };
	const char *text = (const char *)data + 2;
	size_t part;
	int r, r_parts = 0;

	if (size < 2)
		return 0;
	whole.limit = parts.limit = data[0];
	part = data[1] ? data[1] : 1;
	size -= 2;
	r = feed(&whole, text, size, &from_whole);
	for (size_t at = 0; at < size && r_parts >= 0; at += part)
		r_parts = feed(&parts, text + at, size - at < part ? size - at : part, &from_parts);
	if ((r < 0) != (r_parts < 0) || strcmp(str_text(&from_whole), str_text(&from_parts)) != 0)
		abort();
	line_reader_finish(&whole);
	line_reader_finish(&parts);
	return 0;
}
