// SPDX-License-Identifier: MIT
#include "qmp/probe/schema.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "qmp/caps.h"
#include "qmp/json.h"

// The commands whose arguments are command line options too, and the cases of their unions that
// vfiorun writes; the rest of the schema is dropped.
static const struct {
	const char *command;
	const char *cases;
} asked[] = {
	{ "blockdev-add", "file host_device host_cdrom raw qcow2" },
	{ "netdev_add", "user tap stream passt" },
	{ "object-add", "iothread thread-context input-linux iommufd rng-random rng-builtin secret "
			"memory-backend-ram memory-backend-memfd memory-backend-file" },
};

// The schema is a list; its entries by name.
static struct json_object *make_index(struct json_object *schema)
{
	struct json_object *index = json_object_new_object();

	if (!json_object_is_type(schema, json_type_array))
		return index;
	for (size_t i = 0; i < json_object_array_length(schema); i++) {
		struct json_object *entry = json_object_array_get_idx(schema, i);
		struct json_object *name = json_member(entry, "name", json_type_string);

		if (name)
			json_object_object_add(index, json_object_get_string(name),
					       json_object_get(entry));
	}
	return index;
}

// The entry that a member of `object` names.
static struct json_object *follow(struct json_object *index, struct json_object *object,
				  const char *name)
{
	const char *type = json_text(object, name);

	return type ? json_member(index, type, json_type_object) : NULL;
}

// An enumeration's values: "members" since 6.2, before and beside that the deprecated "values".
static const char *value_at(struct json_object *type, size_t i)
{
	struct json_object *members = json_member(type, "members", json_type_array);
	struct json_object *values = json_member(type, "values", json_type_array);

	if (i >= json_length(members ? members : values))
		return NULL;
	if (members)
		return json_text(json_object_array_get_idx(members, i), "name");
	values = json_object_array_get_idx(values, i);
	return json_object_is_type(values, json_type_string) ? json_object_get_string(values) :
							       NULL;
}

static void add_member(struct json_object *index, const char *prefix, struct json_object *member,
		       struct qemu_caps *caps)
{
	const char *name = json_text(member, "name"), *value;
	struct json_object *type = follow(index, member, "type");

	if (!name)
		return;
	qemu_caps_add(caps, "%s/%s", prefix, name);
	if (!str_eq(json_text(type, "meta-type"), "enum"))
		return;
	for (size_t i = 0; (value = value_at(type, i)); i++)
		qemu_caps_add(caps, "%s/%s=%s", prefix, name, value);
}

static void add_members(struct json_object *index, const char *prefix, struct json_object *type,
			struct qemu_caps *caps)
{
	struct json_object *members = json_member(type, "members", json_type_array);

	for (size_t i = 0; i < json_length(members); i++)
		add_member(index, prefix, json_object_array_get_idx(members, i), caps);
}

static void add_variants(struct json_object *index, const char *command, const struct strv *cases,
			 struct json_object *type, struct qemu_caps *caps)
{
	struct json_object *variants = json_member(type, "variants", json_type_array);

	for (size_t i = 0; i < json_length(variants); i++) {
		struct json_object *variant = json_object_array_get_idx(variants, i);
		const char *name = json_text(variant, "case");
		AUTO_STR struct str prefix = { 0 };

		if (!name || !strv_has(cases, name))
			continue;
		str_addf(&prefix, "arg/%s/%s", command, name);
		add_members(index, prefix.text, follow(index, variant, "type"), caps);
	}
}

void schema_add_words(struct json_object *schema, struct qemu_caps *caps)
{
	AUTO_JSON struct json_object *index = make_index(schema);

	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		struct json_object *command = json_member(index, asked[i].command, json_type_object);
		struct json_object *type = follow(index, command, "arg-type");
		AUTO_STR struct str prefix = { 0 };
		AUTO_STRV struct strv cases = { 0 };

		strv_split(&cases, asked[i].cases, " ");
		str_addf(&prefix, "arg/%s", asked[i].command);
		add_members(index, prefix.text, type, caps);
		add_variants(index, asked[i].command, &cases, type, caps);
	}
}
