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

struct line_reader {
	char *data;
	size_t len, room, scanned;
	size_t limit; // 0: LINE_MAX_BYTES
};

void line_reader_finish(struct line_reader *reader);

// Reads what fd has now (fd is non-blocking). Returns bytes read, 0 at end of file, -EAGAIN, -EMSGSIZE
// where a line passes the limit, or -errno.
int line_reader_fill(struct line_reader *reader, int fd);
int line_reader_feed(struct line_reader *reader, const char *data, size_t size); // the same from memory

// The next whole line without its end, valid until the next fill; NULL: none yet. Empty lines are skipped.
char *line_reader_next(struct line_reader *reader);

// A strict parse of one line that must be a JSON object. Depth-limited. NULL with a message otherwise.
struct json_object *line_parse_object(const char *line, struct err *err);

// Bytes that wait for a socket that would block. Bounded: -ENOBUFS past `limit`.
struct line_writer {
	char *data;
	size_t len, sent, room;
	size_t limit; // 0: LINE_MAX_BYTES
};
void line_writer_finish(struct line_writer *writer);
int line_writer_add(struct line_writer *writer, struct json_object *message); // with "\r\n"; borrows message
int line_writer_flush(struct line_writer *writer, int fd); // 0 all sent, -EAGAIN more to send, or -errno
bool line_writer_pending(const struct line_writer *writer);
