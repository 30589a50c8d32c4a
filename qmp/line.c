// SPDX-License-Identifier: MIT
#include "qmp/line.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	READ_LEAST = 4096,
	KEEP_ROOM = 64 << 10, // a buffer that one big line blew up is given back
	DEPTH_MAX = 128,
};

static size_t limit_or_default(size_t limit)
{
	return limit ? limit : LINE_MAX_BYTES;
}

void line_reader_finish(struct line_reader *reader)
{
	free(reader->data);
	*reader = (struct line_reader){ .limit = reader->limit };
}

static void reserve(char **data, size_t *room, size_t need)
{
	size_t wanted = *room ? *room : READ_LEAST;

	while (wanted < need)
		wanted *= 2;
	if (wanted == *room)
		return;
	*data = mem_resize(*data, wanted, 1);
	*room = wanted;
}

static void forget_handed_out(struct line_reader *reader)
{
	size_t start = reader->start;

	if (!start)
		return;
	if (start == reader->len && reader->room > KEEP_ROOM) {
		line_reader_finish(reader);
		return;
	}
	memmove(reader->data, reader->data + start, reader->len - start);
	reader->start = 0;
	reader->tail -= start;
	reader->len -= start;
}

static void replace_nuls(char *data, size_t size)
{
	char *end = data + size;

	while ((data = memchr(data, '\0', (size_t)(end - data))))
		*data++ = (char)0xff;
}

static bool fits(const struct line_reader *reader, size_t end)
{
	size_t length = end - reader->tail;

	if (length && reader->data[end - 1] == '\r')
		length--;
	return length <= limit_or_default(reader->limit);
}

// Lines are measured as they arrive and not when they are taken, or the limit would depend on the split.
static int take_in(struct line_reader *reader, size_t added)
{
	size_t at = reader->len;
	char *newline;

	replace_nuls(reader->data + at, added);
	reader->len += added;
	while ((newline = memchr(reader->data + at, '\n', reader->len - at))) {
		at = (size_t)(newline - reader->data);
		if (!fits(reader, at))
			break;
		reader->tail = ++at;
	}
	if (fits(reader, newline ? at : reader->len))
		return (int)added;
	reader->len = reader->tail;
	reader->too_long = true;
	return -EMSGSIZE;
}

int line_reader_fill(struct line_reader *reader, int fd)
{
	ssize_t n;

	if (reader->too_long)
		return -EMSGSIZE;
	forget_handed_out(reader);
	reserve(&reader->data, &reader->room, reader->len + READ_LEAST);
	do
		n = read(fd, reader->data + reader->len, reader->room - reader->len);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	return take_in(reader, (size_t)n);
}

int line_reader_feed(struct line_reader *reader, const char *data, size_t size)
{
	if (reader->too_long)
		return -EMSGSIZE;
	forget_handed_out(reader);
	reserve(&reader->data, &reader->room, reader->len + size);
	memcpy(reader->data + reader->len, data, size);
	return take_in(reader, size);
}

char *line_reader_next(struct line_reader *reader)
{
	while (reader->start < reader->tail) {
		char *line = reader->data + reader->start;
		char *end = memchr(line, '\n', reader->tail - reader->start);

		reader->start += (size_t)(end - line) + 1;
		if (end > line && end[-1] == '\r')
			end--;
		*end = '\0';
		if (end > line)
			return line;
	}
	return NULL;
}

const char *line_reader_rest(const struct line_reader *reader, size_t *size)
{
	*size = reader->len - reader->start;
	return reader->data + reader->start;
}

struct json_object *line_parse_object(const char *line, struct err *err)
{
	size_t size = strlen(line);
	struct json_tokener *tokener;
	struct json_object *value;
	enum json_tokener_error error;

	if (!str_is_utf8(line, size)) {
		err_set(err, -EPROTO, "not UTF-8");
		return NULL;
	}
	assert(size < INT_MAX);
	tokener = json_tokener_new_ex(DEPTH_MAX);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	value = json_tokener_parse_ex(tokener, line, (int)size + 1);
	error = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (json_object_is_type(value, json_type_object))
		return value;
	json_object_put(value);
	err_set(err, -EPROTO, "%s",
		error == json_tokener_success ? "not a JSON object" : json_tokener_error_desc(error));
	return NULL;
}

void line_writer_finish(struct line_writer *writer)
{
	free(writer->data);
	*writer = (struct line_writer){ .limit = writer->limit };
}

static void forget_sent(struct line_writer *writer)
{
	writer->len -= writer->sent;
	memmove(writer->data, writer->data + writer->sent, writer->len);
	writer->sent = 0;
}

int line_writer_add(struct line_writer *writer, struct json_object *message)
{
	size_t size;
	const char *text = json_object_to_json_string_length(
		message, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);

	if (!str_is_utf8(text, size))
		return -EILSEQ;
	if (writer->sent)
		forget_sent(writer);
	if (writer->len + size + 2 > limit_or_default(writer->limit))
		return -ENOBUFS;
	reserve(&writer->data, &writer->room, writer->len + size + 2);
	memcpy(writer->data + writer->len, text, size);
	memcpy(writer->data + writer->len + size, "\r\n", 2);
	writer->len += size + 2;
	return 0;
}

int line_writer_flush(struct line_writer *writer, int fd)
{
	while (line_writer_pending(writer)) {
		ssize_t n = send(fd, writer->data + writer->sent, writer->len - writer->sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		writer->sent += (size_t)n;
	}
	writer->len = writer->sent = 0;
	if (writer->room > KEEP_ROOM)
		line_writer_finish(writer);
	return 0;
}

bool line_writer_pending(const struct line_writer *writer)
{
	return writer->sent < writer->len;
}
