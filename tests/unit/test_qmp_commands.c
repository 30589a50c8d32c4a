// SPDX-License-Identifier: MIT
#include "base/cleanup.h"
#include "base/err.h"
#include "qmp/commands.h"
#include "qmp/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 3 };

static struct json_object *parse(const char *text)
{
	return json_tokener_parse(text);
}

// As QEMU 7.2 answered for -accel kvm -smp 2, and out of order.
static void vcpus_are_sorted(void **state)
{
	AUTO_JSON struct json_object *result = parse(
		"[{\"thread-id\": 4712, \"props\": {\"core-id\": 1, \"thread-id\": 9, \"socket-id\": 0}, "
		"\"qom-path\": \"/machine/unattached/device[2]\", \"cpu-index\": 1, \"target\": \"x86_64\"}, "
		"{\"thread-id\": 4711, \"cpu-index\": 0}]");
	struct qmp_vcpu vcpus[ROOM];
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(qmp_parse_vcpus(result, vcpus, ROOM, &err), 2);
	assert_int_equal(vcpus[0].index, 0);
	assert_int_equal(vcpus[0].tid, 4711);
	assert_int_equal(vcpus[1].index, 1);
	assert_int_equal(vcpus[1].tid, 4712);
	assert_int_equal(err.code, 0);
}

static void vcpus_of_another_shape_are_refused(void **state)
{
	static const char *const bad[] = {
		"null", "{}", "\"x\"", "[null]", "[[]]", "[{}]", "[{\"cpu-index\": 0}]",
		"[{\"cpu-index\": 0, \"thread-id\": 0}]",
		"[{\"cpu-index\": 0, \"thread-id\": -1}]",
		"[{\"cpu-index\": 0, \"thread-id\": 4294967297}]",
		"[{\"cpu-index\": 0, \"thread-id\": 99999999999999999999999}]",
		"[{\"cpu-index\": 0, \"thread-id\": -99999999999999999999999}]",
		"[{\"cpu-index\": 0, \"thread-id\": 4711.0}]",
		"[{\"cpu-index\": 0, \"thread-id\": \"4711\"}]",
		"[{\"cpu-index\": -1, \"thread-id\": 4711}]",
		"[{\"cpu-index\": 1, \"thread-id\": 4711}]",
		"[{\"cpu-index\": 0, \"thread-id\": 1}, {\"cpu-index\": 0, \"thread-id\": 2}]",
		"[{\"cpu-index\": 0, \"thread-id\": 1}, {\"cpu-index\": 2, \"thread-id\": 2}]",
		"[{\"cpu-index\": 0, \"thread-id\": 1}, {\"cpu-index\": 1, \"thread-id\": 2}, "
		"{\"cpu-index\": 2, \"thread-id\": 3}, {\"cpu-index\": 3, \"thread-id\": 4}]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_JSON struct json_object *result = parse(bad[i]);
		struct qmp_vcpu vcpus[ROOM];
		struct err err = ERR_NONE;

		assert_int_equal(qmp_parse_vcpus(result, vcpus, ROOM, &err), -EPROTO);
		assert_non_null(strstr(err.text, "query-cpus-fast"));
	}
}

static void no_vcpus_are_none(void **state)
{
	AUTO_JSON struct json_object *result = parse("[]");

	(void)state;
	assert_int_equal(qmp_parse_vcpus(result, NULL, 0, NULL), 0);
	assert_int_equal(qmp_parse_iothreads(result, NULL, 0, NULL), 0);
}

// One thread for all vCPUs is what -accel tcg,thread=single gives.
static void vcpus_may_share_a_thread(void **state)
{
	AUTO_JSON struct json_object *result =
		parse("[{\"cpu-index\": 0, \"thread-id\": 7}, {\"cpu-index\": 1, \"thread-id\": 7}]");
	struct qmp_vcpu vcpus[ROOM];

	(void)state;
	assert_int_equal(qmp_parse_vcpus(result, vcpus, ROOM, NULL), 2);
}

#define LONGEST "123456789012345678901234567890123456789012345678901234567890123"

static void iothreads_keep_qemus_order(void **state)
{
	AUTO_JSON struct json_object *result =
		parse("[{\"poll-shrink\": 0, \"thread-id\": 12, \"id\": \"b\"}, "
		      "{\"thread-id\": 11, \"id\": \"" LONGEST "\"}]");
	struct qmp_iothread iothreads[ROOM];

	(void)state;
	assert_int_equal(qmp_parse_iothreads(result, iothreads, ROOM, NULL), 2);
	assert_string_equal(iothreads[0].id, "b");
	assert_int_equal(iothreads[0].tid, 12);
	assert_string_equal(iothreads[1].id, LONGEST);
}

static void iothreads_of_another_shape_are_refused(void **state)
{
	static const char *const bad[] = {
		"null", "{}", "[1]", "[{\"id\": \"a\"}]", "[{\"thread-id\": 1}]",
		"[{\"id\": \"\", \"thread-id\": 1}]",
		"[{\"id\": 1, \"thread-id\": 1}]",
		"[{\"id\": \"a\\u0000b\", \"thread-id\": 1}]",
		"[{\"id\": \"" LONGEST "4\", \"thread-id\": 1}]",
		"[{\"id\": \"a\", \"thread-id\": 0}]",
		"[{\"id\": \"a\", \"thread-id\": 1}, {\"id\": \"a\", \"thread-id\": 2}]",
		"[{}, {}, {}, {}]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_JSON struct json_object *result = parse(bad[i]);
		struct qmp_iothread iothreads[ROOM];
		struct err err = ERR_NONE;

		assert_int_equal(qmp_parse_iothreads(result, iothreads, ROOM, &err), -EPROTO);
		assert_non_null(strstr(err.text, "query-iothreads"));
	}
}

static void a_status_is_a_word(void **state)
{
	static const char *const bad[] = { "null", "[]", "{}", "{\"status\": 1}", "{\"status\": null}" };
	AUTO_JSON struct json_object *good =
		parse("{\"status\": \"prelaunch\", \"singlestep\": false, \"running\": false}");

	(void)state;
	assert_string_equal(qmp_parse_status(good, NULL), "prelaunch");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_JSON struct json_object *result = parse(bad[i]);
		struct err err = ERR_NONE;

		assert_null(qmp_parse_status(result, &err));
		assert_int_equal(err.code, -EPROTO);
	}
}

static void a_shutdown_has_a_reason(void **state)
{
	static const struct {
		const char *data, *reason;
		bool by_guest;
	} rows[] = {
		{ "{\"guest\": true, \"reason\": \"guest-shutdown\"}", "guest-shutdown", true },
		{ "{\"guest\": false, \"reason\": \"host-signal\"}", "host-signal", false },
		{ "{\"guest\": 1, \"reason\": 2}", "", false },
		{ "{}", "", false },
		{ "[]", "", false },
		{ "null", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_JSON struct json_object *data = parse(rows[i].data);

		assert_string_equal(qmp_event_reason(data), rows[i].reason);
		assert_int_equal(qmp_event_by_guest(data), rows[i].by_guest);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vcpus_are_sorted),
		cmocka_unit_test(vcpus_of_another_shape_are_refused),
		cmocka_unit_test(no_vcpus_are_none),
		cmocka_unit_test(vcpus_may_share_a_thread),
		cmocka_unit_test(iothreads_keep_qemus_order),
		cmocka_unit_test(iothreads_of_another_shape_are_refused),
		cmocka_unit_test(a_status_is_a_word),
		cmocka_unit_test(a_shutdown_has_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
