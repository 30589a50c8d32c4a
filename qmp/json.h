// SPDX-License-Identifier: MIT
// Owns looking into a JSON value that a stranger sent. Refuses to assume a shape: what is not there, or
// of another type, is NULL.
#pragma once

#include "base/cleanup.h"

#include <json-c/json.h>

// Borrowed from object, which may be NULL or no object.
static inline struct json_object *json_member(struct json_object *object, const char *name,
					      enum json_type type)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return json_object_is_type(value, type) ? value : NULL;
}

// Borrowed; NULL where there is no such string.
static inline const char *json_text(struct json_object *object, const char *name)
{
	struct json_object *value = json_member(object, name, json_type_string);

	return value ? json_object_get_string(value) : NULL;
}

// Elements of an array; of anything else 0.
static inline size_t json_length(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

static inline void cleanup_json(struct json_object **object)
{
	json_object_put(*object);
}

#define AUTO_JSON CLEANUP(cleanup_json)
