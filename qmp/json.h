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

static inline void cleanup_json(struct json_object **object)
{
	json_object_put(*object);
}

#define AUTO_JSON CLEANUP(cleanup_json)
