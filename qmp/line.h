// SPDX-License-Identifier: MIT
// Owns framing: bytes from a stream become lines, lines become JSON values, and back. QMP and the
// control socket both use it. Refuses to know what a message means.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct json_object;

// QEMU 7.2's answer to query-qmp-schema is one line of 207,009 bytes; the limit guards memory only.
enum { LINE_MAX_BYTES = 16 << 20 };

// Zeroed is empty. Lines end in "\n" or "\r\n". What comes out does not depend on how the bytes were
// split on the way.
struct line_reader {
	char *data;
	size_t start, tail, len, room; // lines not yet handed out: start to tail; one unfinished: tail to len
	size_t limit;		       // longest line, without its end; 0: LINE_MAX_BYTES
	bool too_long;
};

void line_reader_finish(struct line_reader *reader);

// Reads what fd has now, once; fd is non-blocking. Returns bytes read, 0 at end of file, -EAGAIN,
// -EMSGSIZE once a line passes the limit (and ever after; the lines before it can still be taken), or
// -errno. A NUL byte becomes 0xFF, so that its line is refused as no UTF-8 instead of cut short.
int line_reader_fill(struct line_reader *reader, int fd);
int line_reader_feed(struct line_reader *reader, const char *data, size_t size); // from memory

// The next whole line without its end, valid until the next fill; NULL: none yet. Empty lines are
// skipped.
char *line_reader_next(struct line_reader *reader);

// The bytes that came behind the lines taken so far, for a stream that stops being lines; valid until
// the next fill.
const char *line_reader_rest(const struct line_reader *reader, size_t *size);

// One line that must be one JSON object in UTF-8, nested at most 128 deep: the schema of QEMU 7.2 needs
// 6, query-block one more for each backing file. json-c's strict mode, which still lets 'single quotes'
// and NaN pass. Returns a reference, or NULL with -EPROTO.
struct json_object *line_parse_object(const char *line, struct err *err);

// Bytes that wait for a socket that would block. Zeroed is empty.
struct line_writer {
	char *data;
	size_t len, sent, room;
	size_t limit; // bytes that may wait; 0: LINE_MAX_BYTES
};

void line_writer_finish(struct line_writer *writer);

// Adds message and "\r\n"; borrows message. Returns 0, -ENOBUFS past the limit, or -EILSEQ where a
// string is not UTF-8: one such byte makes QEMU misread everything behind it. Then nothing was added.
int line_writer_add(struct line_writer *writer, struct json_object *message);

// Never raises SIGPIPE. Returns 0: all sent, -EAGAIN: more to send, or -errno.
int line_writer_flush(struct line_writer *writer, int fd);
bool line_writer_pending(const struct line_writer *writer);
