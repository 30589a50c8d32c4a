// SPDX-License-Identifier: MIT
#include "launcher/facts/firmware.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "qmp/json.h"
#include "qmp/line.h"
#include "tune/host/root.h"

#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

enum { DESCRIPTOR_MAX = 1 << 20 };

static void finish(struct firmware *firmware)
{
	free(firmware->code);
	free(firmware->vars_template);
	free(firmware->code_format);
	free(firmware->vars_format);
	free(firmware->source);
	*firmware = (struct firmware){ 0 };
}

void firmware_list_finish(struct firmware_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		finish(&list->items[i]);
	free(list->items);
	*list = (struct firmware_list){ 0 };
}

// --- a descriptor ---

static bool has_text(struct json_object *array, const char *text)
{
	for (size_t i = 0; i < json_length(array); i++) {
		struct json_object *item = json_object_array_get_idx(array, i);

		if (json_object_is_type(item, json_type_string) &&
		    str_eq(json_object_get_string(item), text))
			return true;
	}
	return false;
}

// Machines are glob patterns over versioned names; any version of the family will do.
static bool matches(struct json_object *patterns, const char *machine)
{
	for (size_t i = 0; i < json_length(patterns); i++) {
		struct json_object *pattern = json_object_array_get_idx(patterns, i);

		if (json_object_is_type(pattern, json_type_string) &&
		    fnmatch(json_object_get_string(pattern), machine, 0) == 0)
			return true;
	}
	return false;
}

static bool parse_targets(struct json_object *targets, struct firmware *out)
{
	for (size_t i = 0; i < json_length(targets); i++) {
		struct json_object *target = json_object_array_get_idx(targets, i);
		struct json_object *machines = json_member(target, "machines", json_type_array);

		if (!str_eq(json_text(target, "architecture"), "x86_64"))
			continue;
		out->q35 |= matches(machines, "pc-q35-7.2");
		out->i440fx |= matches(machines, "pc-i440fx-7.2");
	}
	return out->q35 || out->i440fx;
}

// {"filename": …, "format": …}, the latter "raw" where it is missing.
static bool parse_file(struct json_object *file, char **path, char **format)
{
	const char *name = json_text(file, "filename"), *written = json_text(file, "format");

	if (!name || *name != '/')
		return false;
	*path = mem_dup(name);
	*format = mem_dup(written ? written : "raw");
	return true;
}

static bool parse_mapping(struct json_object *mapping, struct firmware *out)
{
	const char *mode = json_text(mapping, "mode");

	if (!str_eq(json_text(mapping, "device"), "flash") ||
	    !parse_file(json_member(mapping, "executable", json_type_object), &out->code,
			&out->code_format))
		return false;
	out->stateless = str_eq(mode, "stateless");
	if (out->stateless)
		return true;
	// Descriptors older than QEMU 7.0 have no mode.
	return (!mode || str_eq(mode, "split")) &&
	       parse_file(json_member(mapping, "nvram-template", json_type_object), &out->vars_template,
			  &out->vars_format);
}

static void parse_features(struct json_object *features, struct firmware *out)
{
	out->secure_boot = has_text(features, "secure-boot");
	out->requires_smm = has_text(features, "requires-smm");
	out->enrolled_keys = has_text(features, "enrolled-keys");
}

bool firmware_parse(const char *text, struct firmware *out)
{
	AUTO_JSON struct json_object *root = line_parse_object(text, NULL);

	*out = (struct firmware){ 0 };
	if (!root || !has_text(json_member(root, "interface-types", json_type_array), "uefi") ||
	    !parse_targets(json_member(root, "targets", json_type_array), out) ||
	    !parse_mapping(json_member(root, "mapping", json_type_object), out)) {
		finish(out);
		return false;
	}
	parse_features(json_member(root, "features", json_type_array), out);
	return true;
}

// --- all of them ---

static bool is_listed(const struct firmware_list *list, const struct firmware *firmware)
{
	for (size_t i = 0; i < list->count; i++) {
		if (str_eq(list->items[i].code, firmware->code) &&
		    str_eq(list->items[i].vars_template, firmware->vars_template))
			return true;
	}
	return false;
}

// The root's paths are relative.
static bool exists(struct root *root, const char *path)
{
	return root_exists(root, path + strspn(path, "/"));
}

// Takes firmware.
static void add(struct root *root, struct firmware *firmware, struct firmware_list *list)
{
	if (!exists(root, firmware->code) || is_listed(list, firmware) ||
	    (firmware->vars_template && !exists(root, firmware->vars_template)))
		finish(firmware);
	else
		*MEM_PUSH(list->items, list->count) = *firmware;
}

struct descriptor {
	char *name;
	const char *dir;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct descriptor *)a)->name, ((const struct descriptor *)b)->name);
}

struct descriptors {
	struct descriptor *items;
	size_t count;
};

static void list_directory(struct root *root, const char *dir, struct descriptors *found)
{
	AUTO_STRV struct strv names = { 0 };

	root_list(root, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		const char *name = names.items[i];
		bool hidden = !str_ends(name, ".json");

		for (size_t j = 0; j < found->count; j++)
			hidden |= str_eq(found->items[j].name, name);
		if (!hidden)
			*MEM_PUSH(found->items, found->count) =
				(struct descriptor){ mem_dup(name), dir };
	}
}

static void read_descriptor(struct root *root, const struct descriptor *descriptor,
			    struct firmware_list *list)
{
	AUTO_FREE char *path = mem_printf("%s/%s", descriptor->dir, descriptor->name);
	AUTO_STR struct str text = { 0 };
	struct firmware firmware;

	if (root_read_all(root, path, &text, DESCRIPTOR_MAX) < 0 ||
	    !firmware_parse(str_text(&text), &firmware))
		return;
	firmware.source = mem_printf("/%s", path);
	add(root, &firmware, list);
}

static void read_descriptors(struct root *root, const char *user_dir, struct firmware_list *list)
{
	struct descriptors found = { 0 };

	if (user_dir)
		list_directory(root, user_dir + strspn(user_dir, "/"), &found);
	list_directory(root, "etc/qemu/firmware", &found);
	list_directory(root, "usr/share/qemu/firmware", &found);
	if (found.count)
		qsort(found.items, found.count, sizeof(*found.items), compare);
	for (size_t i = 0; i < found.count; i++) {
		read_descriptor(root, &found.items[i], list);
		free(found.items[i].name);
	}
	free(found.items);
}

enum { PLAIN = 0, SECURE = 1, ENROLLED = 2 };

// Larger variable stores first.
static const struct {
	const char *dir, *code, *vars;
	int kind;
} well_known[] = {
	{ "/usr/share/OVMF", "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", PLAIN }, // Debian
	{ "/usr/share/OVMF", "OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd", SECURE | ENROLLED },
	{ "/usr/share/OVMF", "OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd", SECURE | ENROLLED },
	{ "/usr/share/OVMF", "OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.fd", SECURE },
	{ "/usr/share/OVMF", "OVMF_CODE.fd", "OVMF_VARS.fd", PLAIN },
	{ "/usr/share/OVMF", "OVMF_CODE.ms.fd", "OVMF_VARS.ms.fd", SECURE | ENROLLED },
	{ "/usr/share/OVMF", "OVMF_CODE.secboot.fd", "OVMF_VARS.fd", SECURE },
	{ "/usr/share/edk2/x64", "OVMF_CODE.4m.fd", "OVMF_VARS.4m.fd", PLAIN }, // Arch
	{ "/usr/share/edk2/x64", "OVMF_CODE.secboot.4m.fd", "OVMF_VARS.4m.fd", SECURE },
	{ "/usr/share/edk2/x64", "OVMF_CODE.fd", "OVMF_VARS.fd", PLAIN },
	{ "/usr/share/edk2/x64", "OVMF_CODE.secboot.fd", "OVMF_VARS.fd", SECURE },
	{ "/usr/share/edk2-ovmf/x64", "OVMF_CODE.fd", "OVMF_VARS.fd", PLAIN },
	{ "/usr/share/edk2-ovmf/x64", "OVMF_CODE.secboot.fd", "OVMF_VARS.fd", SECURE },
	{ "/usr/share/edk2/ovmf", "OVMF_CODE_4M.qcow2", "OVMF_VARS_4M.qcow2", PLAIN }, // Fedora
	{ "/usr/share/edk2/ovmf", "OVMF_CODE_4M.secboot.qcow2", "OVMF_VARS_4M.secboot.qcow2",
	  SECURE | ENROLLED },
	{ "/usr/share/edk2/ovmf", "OVMF_CODE.fd", "OVMF_VARS.fd", PLAIN },
	{ "/usr/share/edk2/ovmf", "OVMF_CODE.secboot.fd", "OVMF_VARS.secboot.fd", SECURE | ENROLLED },
};

// Every build with secure boot needs SMM, which only q35 has.
static struct firmware well_known_firmware(size_t i)
{
	const char *dir = well_known[i].dir;
	bool secure = well_known[i].kind & SECURE;
	const char *format = str_ends(well_known[i].code, ".qcow2") ? "qcow2" : "raw";

	return (struct firmware){
		.code = mem_printf("%s/%s", dir, well_known[i].code),
		.vars_template = mem_printf("%s/%s", dir, well_known[i].vars),
		.code_format = mem_dup(format),
		.vars_format = mem_dup(format),
		.source = mem_dup("well-known path"),
		.secure_boot = secure,
		.requires_smm = secure,
		.enrolled_keys = well_known[i].kind & ENROLLED,
		.q35 = true,
		.i440fx = !secure,
	};
}

static void read_well_known(struct root *root, struct firmware_list *list)
{
	for (size_t i = 0; i < ARRAY_SIZE(well_known); i++) {
		struct firmware firmware = well_known_firmware(i);

		add(root, &firmware, list);
	}
}

void firmware_read(struct root *root, const char *user_dir, struct firmware_list *list)
{
	read_descriptors(root, user_dir, list);
	read_well_known(root, list);
}

void firmware_suppose(struct firmware_list *list)
{
	for (size_t i = 0; str_eq(well_known[i].dir, well_known[0].dir); i++) {
		struct firmware *firmware = MEM_PUSH(list->items, list->count);

		*firmware = well_known_firmware(i);
		firmware->supposed = true;
	}
}
