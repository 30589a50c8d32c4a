// SPDX-License-Identifier: MIT
#include "qmp/commands.h"

#include "base/err.h"
#include "qmp/json.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

// json-c clamps what does not fit an int64_t, and so leaves it out of range here too.
static bool read_int(struct json_object *object, const char *name, int least, int *out)
{
	struct json_object *value = json_member(object, name, json_type_int);
	int64_t number = value ? json_object_get_int64(value) : INT64_MIN;

	if (number < least || number > INT_MAX)
		return false;
	*out = (int)number;
	return true;
}

static int check_list(struct json_object *result, size_t room, const char *command, struct err *err)
{
	if (!json_object_is_type(result, json_type_array))
		return err_set(err, -EPROTO, "%s: the answer is no list", command);
	if (json_object_array_length(result) > room)
		return err_set(err, -EPROTO, "%s: %zu entries where at most %zu were planned", command,
			       json_object_array_length(result), room);
	return (int)json_object_array_length(result);
}

static int compare_vcpus(const void *a, const void *b)
{
	const struct qmp_vcpu *left = a, *right = b;

	return (left->index > right->index) - (left->index < right->index);
}

int qmp_parse_vcpus(struct json_object *result, struct qmp_vcpu *out, size_t room, struct err *err)
{
	int count = check_list(result, room, "query-cpus-fast", err);

	for (int i = 0; i < count; i++) {
		struct json_object *entry = json_object_array_get_idx(result, (size_t)i);

		if (!read_int(entry, "cpu-index", 0, &out[i].index) ||
		    !read_int(entry, "thread-id", 1, &out[i].tid))
			return err_set(err, -EPROTO,
				       "query-cpus-fast: entry %d lacks a cpu-index or a thread-id", i);
	}
	if (count > 0)
		qsort(out, (size_t)count, sizeof(*out), compare_vcpus);
	for (int i = 0; i < count; i++) {
		if (out[i].index != i)
			return err_set(err, -EPROTO, "query-cpus-fast: vCPU %d is missing or doubled", i);
	}
	return count;
}

static bool read_iothread(struct json_object *entry, struct qmp_iothread *out)
{
	struct json_object *id = json_member(entry, "id", json_type_string);
	size_t size = id ? (size_t)json_object_get_string_len(id) : 0;

	if (!size || size >= sizeof(out->id) || !read_int(entry, "thread-id", 1, &out->tid))
		return false;
	memcpy(out->id, json_object_get_string(id), size + 1);
	return strlen(out->id) == size;
}

static bool has_id(const struct qmp_iothread *list, int count, const char *id)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(list[i].id, id) == 0)
			return true;
	}
	return false;
}

int qmp_parse_iothreads(struct json_object *result, struct qmp_iothread *out, size_t room, struct err *err)
{
	int count = check_list(result, room, "query-iothreads", err);

	for (int i = 0; i < count; i++) {
		if (!read_iothread(json_object_array_get_idx(result, (size_t)i), &out[i]))
			return err_set(err, -EPROTO,
				       "query-iothreads: entry %d lacks a usable id or a thread-id", i);
		if (has_id(out, i, out[i].id))
			return err_set(err, -EPROTO, "query-iothreads: %s is doubled", out[i].id);
	}
	return count;
}

const char *qmp_parse_status(struct json_object *result, struct err *err)
{
	struct json_object *status = json_member(result, "status", json_type_string);

	if (!status)
		err_set(err, -EPROTO, "query-status: the answer has no status");
	return status ? json_object_get_string(status) : NULL;
}

const char *qmp_event_reason(struct json_object *data)
{
	struct json_object *reason = json_member(data, "reason", json_type_string);

	return reason ? json_object_get_string(reason) : "";
}

bool qmp_event_by_guest(struct json_object *data)
{
	struct json_object *guest = json_member(data, "guest", json_type_boolean);

	return guest && json_object_get_boolean(guest);
}
