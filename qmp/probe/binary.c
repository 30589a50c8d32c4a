// SPDX-License-Identifier: MIT
#include "qmp/probe.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "qmp/json.h"
#include "qmp/probe/inquiry.h"
#include "qmp/probe/schema.h"

#include <string.h>

enum { MAX_DEATHS = 4 };

// What grows while a binary is asked.
struct search {
	struct inquiry inquiry;
	struct qemu_caps caps;
	int deaths; // of QEMUs over a device
};

static bool is_true(struct json_object *object, const char *name)
{
	return json_object_get_boolean(json_member(object, name, json_type_boolean));
}

// "prefix/NAME" for each object of a list that has a name.
static void add_names(struct qemu_caps *caps, const char *prefix, struct json_object *list)
{
	for (size_t i = 0; i < json_length(list); i++) {
		const char *name = json_text(json_object_array_get_idx(list, i), "name");

		if (name)
			qemu_caps_add(caps, "%s/%s", prefix, name);
	}
}

// --- the questions that have one answer ---

static void add_version(struct qemu_caps *caps, struct json_object *result)
{
	struct json_object *qemu = json_member(result, "qemu", json_type_object);

	caps->version = mem_printf("%d.%d.%d",
				   json_object_get_int(json_member(qemu, "major", json_type_int)),
				   json_object_get_int(json_member(qemu, "minor", json_type_int)),
				   json_object_get_int(json_member(qemu, "micro", json_type_int)));
}

static void add_machine(struct qemu_caps *caps, struct json_object *machine, const char *name)
{
	struct json_object *max = json_member(machine, "cpu-max", json_type_int);
	const char *alias = json_text(machine, "alias");

	qemu_caps_add(caps, "machine/%s", name);
	if (alias)
		qemu_caps_add(caps, "machine-alias/%s/%s", alias, name);
	if (is_true(machine, "deprecated"))
		qemu_caps_add(caps, "machine-deprecated/%s", name);
	if (max)
		qemu_caps_add(caps, "machine-max-cpus/%s/%d", name, json_object_get_int(max));
}

static void add_machines(struct qemu_caps *caps, struct json_object *result)
{
	for (size_t i = 0; i < json_length(result); i++) {
		struct json_object *machine = json_object_array_get_idx(result, i);
		const char *name = json_text(machine, "name");

		if (name)
			add_machine(caps, machine, name);
	}
}

static void add_commands(struct qemu_caps *caps, struct json_object *result)
{
	add_names(caps, "command", result);
}

static void add_devices(struct qemu_caps *caps, struct json_object *result)
{
	add_names(caps, "device", result);
}

static void add_objects(struct qemu_caps *caps, struct json_object *result)
{
	add_names(caps, "object", result);
}

static void add_options(struct qemu_caps *caps, struct json_object *result)
{
	for (size_t i = 0; i < json_length(result); i++) {
		struct json_object *group = json_object_array_get_idx(result, i);
		struct json_object *keys = json_member(group, "parameters", json_type_array);
		const char *name = json_text(group, "option");
		AUTO_STR struct str prefix = { 0 };

		if (!name)
			continue;
		str_addf(&prefix, "option/%s", name);
		add_names(caps, prefix.text, keys);
	}
}

static void add_schema(struct qemu_caps *caps, struct json_object *result)
{
	schema_add_words(result, caps);
}

static const struct {
	const char *command;
	const char *implements; // qom-list-types
	void (*add)(struct qemu_caps *caps, struct json_object *result);
} questions[] = {
	{ "query-version", NULL, add_version },
	{ "query-machines", NULL, add_machines },
	{ "query-commands", NULL, add_commands },
	{ "query-command-line-options", NULL, add_options },
	{ "query-qmp-schema", NULL, add_schema },
	{ "qom-list-types", "device", add_devices },
	{ "qom-list-types", "user-creatable", add_objects },
};

static int check_target(struct search *search, struct err *err)
{
	AUTO_JSON struct json_object *result = NULL;
	int r = inquiry_ask(&search->inquiry, "query-target", NULL, &result, err);
	const char *arch = json_text(result, "arch");

	if (r == 0 && !str_eq(arch, "x86_64"))
		r = err_set(err, -EPROTO, "it is a QEMU for %.60s, not for x86_64",
			    arch ? arch : "nothing");
	return r;
}

static int ask_questions(struct search *search, struct err *err)
{
	int r = check_target(search, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(questions); i++) {
		const char *implements = questions[i].implements;
		AUTO_JSON struct json_object *result = NULL;

		r = inquiry_ask(&search->inquiry, questions[i].command,
				implements ? inquiry_argument("implements", implements) : NULL,
				&result, err);
		if (r < 0)
			return err_wrap(err, "%s", questions[i].command);
		questions[i].add(&search->caps, result);
	}
	return r;
}

// --- properties ---

enum kind { DEVICE, OBJECT, MACHINE, ACCEL, CPU };

static const char *const property_commands[] = {
	[DEVICE] = "device-list-properties", [OBJECT] = "qom-list-properties",
	[MACHINE] = "qom-list-properties",   [ACCEL] = "qom-list-properties",
	[CPU] = "device-list-properties",
};

// The types whose properties argv writes or would have to know.
static const struct type {
	enum kind kind;
	const char *name;
} types[] = {
	{ MACHINE, "q35" },
	{ MACHINE, "pc" },
	{ ACCEL, "kvm" },
	{ CPU, "max" },
	{ OBJECT, "iothread" },
	{ OBJECT, "thread-context" },
	{ OBJECT, "memory-backend-ram" },
	{ OBJECT, "memory-backend-memfd" },
	{ OBJECT, "memory-backend-file" },
	{ OBJECT, "input-linux" },
	{ OBJECT, "iommufd" },
	{ DEVICE, "virtio-blk-pci" },
	{ DEVICE, "virtio-scsi-pci" },
	{ DEVICE, "scsi-hd" },
	{ DEVICE, "scsi-cd" },
	{ DEVICE, "nvme" },
	{ DEVICE, "nvme-ns" },
	{ DEVICE, "ich9-ahci" },
	{ DEVICE, "ide-hd" },
	{ DEVICE, "ide-cd" },
	{ DEVICE, "virtio-net-pci" },
	{ DEVICE, "e1000e" },
	{ DEVICE, "e1000" },
	{ DEVICE, "vfio-pci" },
	{ DEVICE, "vfio-pci-nohotplug" },
	{ DEVICE, "pcie-root-port" },
	{ DEVICE, "qemu-xhci" },
	{ DEVICE, "usb-host" },
	{ DEVICE, "usb-tablet" },
	{ DEVICE, "usb-kbd" },
	{ DEVICE, "virtio-keyboard-pci" },
	{ DEVICE, "virtio-mouse-pci" },
	{ DEVICE, "virtio-tablet-pci" },
	{ DEVICE, "virtio-input-host-pci" },
	{ DEVICE, "VGA" },
	{ DEVICE, "virtio-vga" },
	{ DEVICE, "virtio-vga-gl" },
	{ DEVICE, "qxl-vga" },
	{ DEVICE, "bochs-display" },
	{ DEVICE, "ramfb" },
	{ DEVICE, "virtio-rng-pci" },
	{ DEVICE, "virtio-serial-pci" },
	{ DEVICE, "virtio-balloon-pci" },
	{ DEVICE, "vhost-user-fs-pci" },
	{ DEVICE, "ivshmem-plain" },
	{ DEVICE, "vmgenid" },
	{ DEVICE, "pvpanic-pci" },
	{ DEVICE, "i6300esb" },
	{ DEVICE, "tpm-crb" },
	{ DEVICE, "intel-iommu" },
	{ DEVICE, "ICH9-LPC" },
	{ DEVICE, "PIIX4_PM" },
	{ DEVICE, "cfi.pflash01" },
	{ DEVICE, "kvm-pit" },
	{ DEVICE, "mc146818rtc" },
};

// QEMU's name of a type; NULL: this QEMU has none. The caller frees.
static char *make_type_name(const struct qemu_caps *caps, const struct type *type)
{
	AUTO_STR struct str alias = { 0 };
	const char *machine;

	switch (type->kind) {
	case DEVICE:
		return qemu_caps_has(caps, "device/%s", type->name) ? mem_dup(type->name) : NULL;
	case OBJECT:
		return qemu_caps_has(caps, "object/%s", type->name) ? mem_dup(type->name) : NULL;
	case MACHINE:
		str_addf(&alias, "machine-alias/%s/", type->name);
		machine = qemu_caps_after(caps, alias.text);
		return machine ? mem_printf("%s-machine", machine) : NULL;
	case ACCEL:
		return mem_printf("%s-accel", type->name);
	case CPU:
		return mem_printf("%s-x86_64-cpu", type->name);
	}
	return NULL;
}

// CPU properties have old names with an underscore beside those with a dash.
static void add_cpu_properties(struct qemu_caps *caps, struct json_object *list)
{
	for (size_t i = 0; i < json_length(list); i++) {
		const char *name = json_text(json_object_array_get_idx(list, i), "name");

		if (name && !strchr(name, '_'))
			qemu_caps_add(caps, "cpu/%s", name);
	}
}

static void add_properties(struct qemu_caps *caps, const struct type *type,
			   struct json_object *list)
{
	AUTO_STR struct str prefix = { 0 };

	if (type->kind == CPU) {
		add_cpu_properties(caps, list);
		return;
	}
	str_addf(&prefix, "property/%s%s", type->name, type->kind == ACCEL ? "-accel" : "");
	add_names(caps, prefix.text, list);
}

// A device whose module is missing or of another build can make QEMU abort when it is looked at
// (7.2: virtio-vga-gl without virtio-gpu-gl). It could not be used: its word goes, and another QEMU
// is asked on.
static int go_on_without(struct search *search, const struct type *type, struct err *err)
{
	AUTO_STR struct str word = { 0 };

	if (type->kind != DEVICE || err->code != -EPROTO || search->deaths++ == MAX_DEATHS)
		return err_wrap(err, "asking for %s", type->name);
	str_addf(&word, "device/%s", type->name);
	qemu_caps_drop(&search->caps, word.text);
	inquiry_close(&search->inquiry);
	return inquiry_open(&search->inquiry, err);
}

static int ask_type(struct search *search, const struct type *type, const char *name,
		    struct err *err)
{
	AUTO_JSON struct json_object *result = NULL;
	int r = inquiry_ask(&search->inquiry, property_commands[type->kind],
			    inquiry_argument("typename", name), &result, err);

	if (r == 0)
		add_properties(&search->caps, type, result);
	else if (r != -EREMOTEIO)
		return go_on_without(search, type, err);
	return 0;
}

// The names first: they are looked up among words that are still sorted.
static int ask_types(struct search *search, struct err *err)
{
	char *names[ARRAY_SIZE(types)];
	int r = 0;

	qemu_caps_sort(&search->caps);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		names[i] = make_type_name(&search->caps, &types[i]);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (r == 0 && names[i])
			r = ask_type(search, &types[i], names[i], err);
		free(names[i]);
	}
	return r;
}

// --- what only the command line tells ---

// -display help and its like: a title that ends in a colon, then a name a line until a blank one.
static void add_list(struct qemu_caps *caps, const char *prefix, char *text)
{
	char *line = strsep(&text, "\n");

	if (!line || !str_ends(line, ":"))
		return;
	while ((line = strsep(&text, "\n")) && *line) {
		if (!strpbrk(line, " \t\r"))
			qemu_caps_add(caps, "%s/%s", prefix, line);
	}
}

static void add_spice(struct qemu_caps *caps, const char *prefix, char *text)
{
	if (str_starts(text, "spice options:"))
		qemu_caps_add(caps, "%s", prefix);
}

// -help: an option's line starts with its dash; "-h or -help" and "-hda/-hdb file" name two.
static void add_flags(struct qemu_caps *caps, const char *prefix, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		size_t dashes = strspn(line, "-");
		size_t length = dashes ? strcspn(line + dashes, " /[=,") : 0;

		if (length)
			qemu_caps_add(caps, "%s/%.*s", prefix, (int)length, line + dashes);
	}
}

static const struct help {
	const char *arguments[3];
	const char *prefix;
	void (*add)(struct qemu_caps *caps, const char *prefix, char *text);
} helps[] = {
	{ { "-help" }, "flag", add_flags },
	{ { "-display", "help" }, "display", add_list },
	{ { "-audiodev", "help" }, "audio", add_list },
	{ { "-netdev", "help" }, "netdev", add_list },
	{ { "-spice", "help" }, "spice", add_spice },
};

// A QEMU without such a list just has none of its words.
static int ask_help(const struct qemu_probe *probe, const struct help *help, struct qemu_caps *caps,
		    struct err *err)
{
	AUTO_STR struct str text = { 0 };
	struct qemu_child child;
	int r = qemu_child_start(probe, help->arguments, false, false, &child, err);

	if (r < 0)
		return r;
	r = qemu_child_finish(&child, inquiry_patience(probe), err);
	qemu_child_output(&child, &text);
	qemu_child_end(&child);
	if (r == -ETIMEDOUT)
		return err_wrap(err, "%s", help->arguments[0]);
	if (text.len)
		help->add(caps, help->prefix, text.text);
	return 0;
}

static int ask_binary(struct search *search, struct err *err)
{
	int r = inquiry_open(&search->inquiry, err);

	if (r == 0)
		r = ask_questions(search, err);
	if (r == 0)
		r = ask_types(search, err);
	inquiry_close(&search->inquiry);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(helps); i++)
		r = ask_help(search->inquiry.probe, &helps[i], &search->caps, err);
	return r;
}

int qemu_probe_binary(const struct qemu_probe *probe, struct qemu_caps *caps, struct err *err)
{
	static const char *const arguments[] = { INQUIRY_ARGUMENTS, "-machine", "none", NULL };
	struct search search = {
		.inquiry = { .probe = probe, .arguments = arguments, .child = QEMU_CHILD_NONE },
		.caps = { .known = true, .path = mem_dup(probe->path) },
	};
	struct err why = ERR_NONE;
	int r = ask_binary(&search, &why);

	if (r < 0) {
		qemu_caps_finish(&search.caps);
		err_set(err, r, "%s could not be asked what it can do: %s", probe->path, why.text);
		err_hint(err, "is it a qemu-system-x86_64? [vm] qemu names another one");
		return r;
	}
	qemu_caps_sort(&search.caps);
	*caps = search.caps;
	return 0;
}
