// SPDX-License-Identifier: MIT
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "qmp/json.h"
#include "qmp/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

// Every line that can be taken, each in brackets.
static void take_lines(struct line_reader *reader, struct str *out)
{
	const char *line;

	while ((line = line_reader_next(reader)))
		str_addf(out, "[%s]", line);
}

static void feed(struct line_reader *reader, const char *data, size_t size, struct str *out)
{
	int r = line_reader_feed(reader, data, size);

	take_lines(reader, out);
	if (r == -EMSGSIZE)
		str_add(out, "!");
	else
		assert_int_equal(r, size);
}

// Feeds text in three parts, cut in every way, and wants the same lines each time. "!" is a refusal; that
// the parts after it are refused too is left out.
static void assert_lines(const char *text, size_t size, size_t limit, const char *want)
{
	for (size_t first = 0; first <= size; first++) {
		for (size_t second = first; second <= size; second++) {
			struct line_reader reader = { .limit = limit };
			AUTO_STR struct str out = { 0 };

			feed(&reader, text, first, &out);
			feed(&reader, text + first, second - first, &out);
			feed(&reader, text + second, size - second, &out);
			while (str_ends(str_text(&out), "!!"))
				out.text[--out.len] = '\0';
			assert_string_equal(str_text(&out), want);
			line_reader_finish(&reader);
		}
	}
}

static void lines_do_not_depend_on_the_split(void **state)
{
	static const char text[] = "one\r\n\n\r\n two \n\rthree\r\r\nunfinished";

	(void)state;
	assert_lines(text, strlen(text), 0, "[one][ two ][\rthree\r]");
	assert_lines("", 0, 0, "");
}

static void a_nul_spoils_its_line_and_no_other(void **state)
{
	static const char text[] = "{}\n{}\0{}\n\0\n{}\n";

	(void)state;
	assert_lines(text, sizeof(text) - 1, 0, "[{}][{}\xff{}][\xff][{}]");
	assert_null(line_parse_object("{}\xff{}", NULL));
}

static void the_limit_counts_the_line_without_its_end(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "12345678\n", "[12345678]" },
		{ "12345678\r\n", "[12345678]" },
		{ "12345678\r", "" },
		{ "12345678", "" },
		{ "123456789", "!" },
		{ "123456789\n", "!" },
		{ "12345678\r\r", "!" },
		{ "1\n\n12345678\n2\n", "[1][12345678][2]" },
		{ "1\n12345678\n123456789\n2\n", "[1][12345678]!" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_lines(rows[i].text, strlen(rows[i].text), 8, rows[i].want);
}

static void a_line_of_16_mib_passes_and_its_memory_is_given_back(void **state)
{
	AUTO_FREE char *big = mem_new(LINE_MAX_BYTES + 2, 1);
	struct line_reader reader = { 0 };
	const char *line;

	(void)state;
	memset(big, 'x', LINE_MAX_BYTES + 1);
	assert_int_equal(line_reader_feed(&reader, big, LINE_MAX_BYTES), LINE_MAX_BYTES);
	assert_null(line_reader_next(&reader));
	assert_int_equal(line_reader_feed(&reader, "\n", 1), 1);
	line = line_reader_next(&reader);
	assert_non_null(line);
	assert_int_equal(strlen(line), LINE_MAX_BYTES);
	assert_int_equal(line_reader_feed(&reader, "a\n", 2), 2);
	assert_string_equal(line_reader_next(&reader), "a");
	assert_in_range(reader.room, 2, 64 << 10);
	assert_int_equal(line_reader_feed(&reader, big, LINE_MAX_BYTES + 1), -EMSGSIZE);
	assert_int_equal(line_reader_feed(&reader, "\n", 1), -EMSGSIZE);
	line_reader_finish(&reader);
}

static void fill_reads_what_is_there(void **state)
{
	struct line_reader reader = { .limit = 4 };
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(line_reader_fill(&reader, ends[0]), -EAGAIN);
	assert_int_equal(write(ends[1], "ab\ncd", 5), 5);
	assert_int_equal(line_reader_fill(&reader, ends[0]), 5);
	assert_string_equal(line_reader_next(&reader), "ab");
	assert_int_equal(write(ends[1], "e\nfghij", 7), 7);
	close(ends[1]);
	assert_int_equal(line_reader_fill(&reader, ends[0]), -EMSGSIZE);
	assert_string_equal(line_reader_next(&reader), "cde");
	assert_null(line_reader_next(&reader));
	assert_int_equal(line_reader_fill(&reader, ends[0]), -EMSGSIZE);
	line_reader_finish(&reader);
	assert_int_equal(line_reader_fill(&reader, ends[0]), 0);
	close(ends[0]);
	assert_int_equal(line_reader_fill(&reader, ends[0]), -EBADF);
	line_reader_finish(&reader);
}

static void objects_and_nothing_else_are_parsed(void **state)
{
	static const char *const good[] = {
		"{}", " { } ", "{\"a\":[1,-2.5e3,\"\\u0000\\ud83d\\ude00\",null,true]}",
		"{\"a\":\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\xc2\x80\"}",
		"{\"n\":99999999999999999999999999}",
	};
	static const char *const bad[] = {
		"", "{", "}", "[]", "1", "\"a\"", "null", "nul", "{}{}", "{} x", "{\"a\":1,}", "{\"a\"}",
		"{a:1}", "{\"a\":TRUE}", "{\"a\":01}", "/**/{}", "{\"a\":\"\\x\"}", "{\"a\":\"",
		"{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\xf4\x90\x80\x80\"}", "{\"a\":\"\xe2\x82\"}", "\xef\xbb\xbf{}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		AUTO_JSON struct json_object *value = line_parse_object(good[i], NULL);

		assert_non_null(value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_NONE;

		assert_null(line_parse_object(bad[i], &err));
		assert_int_equal(err.code, -EPROTO);
		assert_true(err.text[0]);
	}
}

static bool parses_at_depth(unsigned depth)
{
	AUTO_STR struct str line = { 0 };
	AUTO_JSON struct json_object *value = NULL;

	for (unsigned i = 0; i < depth - 1; i++)
		str_add(&line, "{\"a\":");
	str_add(&line, "{}");
	for (unsigned i = 0; i < depth - 1; i++)
		str_addc(&line, '}');
	value = line_parse_object(line.text, NULL);
	return value;
}

static void nesting_ends_at_128(void **state)
{
	(void)state;
	assert_true(parses_at_depth(128));
	assert_false(parses_at_depth(129));
	assert_false(parses_at_depth(100000));
}

static void utf8_is_what_rfc_3629_says(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} rows[] = {
		{ "", true },		       { "a\x7f", true },	   { "\x80", false },
		{ "\xc1\xbf", false },	       { "\xc2\x80", true },	   { "\xdf\xbf", true },
		{ "\xdf", false },	       { "\xdf\x7f", false },	   { "\xe0\x9f\xbf", false },
		{ "\xe0\xa0\x80", true },      { "\xed\xa0\x80", false },  { "\xef\xbf\xbf", true },
		{ "\xe1\x80\xc0", false },     { "\xf0\x8f\xbf\xbf", false },
		{ "\xf0\x90\x80\x80", true },  { "\xf4\x8f\xbf\xbf", true },
		{ "\xf4\x90\x80\x80", false }, { "\xf5\x80\x80\x80", false }, { "\xff", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(str_is_utf8(rows[i].text, strlen(rows[i].text)), rows[i].valid);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_STR struct str text = { 0 };

		str_add_utf8(&text, rows[i].text);
		assert_true(str_is_utf8(str_text(&text), text.len));
		assert_int_equal(strcmp(str_text(&text), rows[i].text) == 0, rows[i].valid);
	}
	assert_true(str_is_utf8("a\0b", 3));
	assert_false(str_is_utf8("\xe2\x82\xac", 2));
}

static struct json_object *object_with(const char *text)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "a", json_object_new_string(text));
	return object;
}

static void what_cannot_be_added_leaves_no_trace(void **state)
{
	AUTO_JSON struct json_object *small = object_with("x"), *latin1 = object_with("\xe9");
	struct line_writer writer = { .limit = 24 };

	(void)state;
	assert_int_equal(line_writer_add(&writer, latin1), -EILSEQ);
	assert_false(line_writer_pending(&writer));
	assert_int_equal(line_writer_add(&writer, small), 0);
	assert_int_equal(line_writer_add(&writer, small), 0);
	assert_int_equal(line_writer_add(&writer, small), -ENOBUFS);
	assert_int_equal(writer.len, 22);
	assert_memory_equal(writer.data, "{\"a\":\"x\"}\r\n{\"a\":\"x\"}\r\n", 22);
	line_writer_finish(&writer);
}

static void the_writer_goes_on_where_the_socket_blocked(void **state)
{
	enum { SIZE = 300000, LINES = 3 };
	AUTO_FREE char *text = mem_new(SIZE + 1, 1);
	AUTO_JSON struct json_object *object = NULL;
	struct line_reader reader = { 0 };
	struct line_writer writer = { 0 };
	unsigned lines = 0, blocked = 0;
	int ends[2], r = -EAGAIN;

	(void)state;
	memset(text, 'x', SIZE);
	object = object_with(text);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	for (int i = 0; i < LINES; i++) {
		line_writer_flush(&writer, ends[0]);
		assert_int_equal(line_writer_add(&writer, object), 0);
	}
	while (r < 0) {
		r = line_writer_flush(&writer, ends[0]);
		assert_true(r == 0 || r == -EAGAIN);
		blocked += r < 0;
		while (line_reader_fill(&reader, ends[1]) > 0) {
			for (const char *line; (line = line_reader_next(&reader)); lines++)
				assert_int_equal(strlen(line), SIZE + 8);
		}
	}
	assert_true(blocked > 0);
	assert_int_equal(lines, LINES);
	assert_in_range(writer.room, 0, 64 << 10);
	line_reader_finish(&reader);
	line_writer_finish(&writer);
	close(ends[0]);
	close(ends[1]);
}

static void a_peer_that_left_raises_no_signal(void **state)
{
	AUTO_JSON struct json_object *object = object_with("x");
	struct line_writer writer = { 0 };
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	close(ends[1]);
	assert_int_equal(line_writer_add(&writer, object), 0);
	assert_int_equal(line_writer_flush(&writer, ends[0]), -EPIPE);
	assert_true(line_writer_pending(&writer));
	line_writer_finish(&writer);
	close(ends[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_do_not_depend_on_the_split),
		cmocka_unit_test(a_nul_spoils_its_line_and_no_other),
		cmocka_unit_test(the_limit_counts_the_line_without_its_end),
		cmocka_unit_test(a_line_of_16_mib_passes_and_its_memory_is_given_back),
		cmocka_unit_test(fill_reads_what_is_there),
		cmocka_unit_test(objects_and_nothing_else_are_parsed),
		cmocka_unit_test(nesting_ends_at_128),
		cmocka_unit_test(utf8_is_what_rfc_3629_says),
		cmocka_unit_test(what_cannot_be_added_leaves_no_trace),
		cmocka_unit_test(the_writer_goes_on_where_the_socket_blocked),
		cmocka_unit_test(a_peer_that_left_raises_no_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
