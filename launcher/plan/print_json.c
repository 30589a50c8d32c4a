// SPDX-License-Identifier: MIT
#include "launcher/plan/print.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"

#include <json-c/json.h>
#include <limits.h>
#include <string.h>

// The fields that are printed and read back as they are: one row, both ways.
enum field_type { FIELD_TEXT, FIELD_INT, FIELD_SIGNED, FIELD_ID, FIELD_SIZE, FIELD_FLAG, FIELD_LIST };

struct field {
	const char *key;
	enum field_type type;
	size_t offset;
};

#define FIELD(key, type, member) { key, type, offsetof(struct plan, member) }

static const struct field top_fields[] = {
	FIELD("name", FIELD_TEXT, name),
	FIELD("argv", FIELD_LIST, argv),
	FIELD("argv_paths", FIELD_LIST, argv_paths),
	FIELD("user", FIELD_TEXT, user.name),
	FIELD("memlock", FIELD_SIZE, memlock),
};

static const struct field memory_fields[] = {
	FIELD("bytes", FIELD_SIZE, memory_bytes),
	FIELD("hugepage", FIELD_SIZE, hugepage),
	FIELD("nodes", FIELD_TEXT, memory_nodes),
	FIELD("why", FIELD_TEXT, memory_why),
};

static const struct field isolation_fields[] = {
	FIELD("method", FIELD_TEXT, isolation.method),
	FIELD("cpus", FIELD_TEXT, isolation.cpus),
	FIELD("why", FIELD_TEXT, isolation.why),
	FIELD("hint", FIELD_TEXT, isolation.hint),
	FIELD("cgroup", FIELD_TEXT, isolation.cgroup),
	FIELD("interrupts", FIELD_FLAG, isolation.steer),
};

static const struct field supervise_fields[] = {
	FIELD("qemu", FIELD_TEXT, qemu),
	FIELD("uid", FIELD_ID, user.uid),
	FIELD("gid", FIELD_ID, user.gid),
	FIELD("change_user", FIELD_FLAG, user.change),
	FIELD("operators", FIELD_LIST, operators),
	FIELD("vcpus", FIELD_INT, n_vcpus),
	FIELD("vcpu_nice", FIELD_SIGNED, vcpu_nice),
	FIELD("core_cookie", FIELD_FLAG, core_cookie),
	FIELD("iothreads", FIELD_INT, n_iothreads),
	FIELD("kvm", FIELD_FLAG, kvm),
	FIELD("kvm_node", FIELD_FLAG, kvm_node),
	FIELD("console", FIELD_FLAG, console),
	FIELD("shutdown_timeout", FIELD_INT, shutdown_timeout),
	FIELD("greeting_ms", FIELD_INT, greeting_ms),
	FIELD("shared_files", FIELD_LIST, shared_files),
	FIELD("usb", FIELD_FLAG, usb),
	FIELD("usb_devices", FIELD_LIST, usb_devices),
	FIELD("clients", FIELD_LIST, clients),
	FIELD("hook_before", FIELD_LIST, hook_before),
	FIELD("hook_started", FIELD_LIST, hook_started),
	FIELD("hook_stopped", FIELD_LIST, hook_stopped),
	FIELD("hook_timeout", FIELD_INT, hook_timeout),
	FIELD("run_dir", FIELD_TEXT, run_dir),
	FIELD("state_dir", FIELD_TEXT, state_dir),
	FIELD("log_dir", FIELD_TEXT, log_dir),
};

static const struct field input_fields[] = {
	FIELD("virtio_host", FIELD_FLAG, input.virtio_host),
	FIELD("ps2", FIELD_FLAG, input.ps2),
	FIELD("start_guest", FIELD_FLAG, input.start_guest),
	FIELD("tablet", FIELD_FLAG, input.tablet),
	FIELD("keyboard", FIELD_LIST, input.keyboard),
	FIELD("mouse", FIELD_LIST, input.mouse),
	FIELD("device", FIELD_LIST, input.device),
	FIELD("hotkeys", FIELD_LIST, input.hotkeys),
	FIELD("panic", FIELD_TEXT, input.panic),
	FIELD("keep_held", FIELD_LIST, input.keep_held),
	FIELD("on_switch_host", FIELD_LIST, input.on_host),
	FIELD("on_switch_guest", FIELD_LIST, input.on_guest),
	FIELD("timeout", FIELD_INT, input.timeout),
	FIELD("fd_keyboard", FIELD_SIGNED, input.fds[GUEST_KEYBOARD]),
	FIELD("fd_mouse", FIELD_SIGNED, input.fds[GUEST_MOUSE]),
	FIELD("fd_tablet", FIELD_SIGNED, input.fds[GUEST_TABLET]),
	FIELD("fd_toggle", FIELD_SIGNED, input.fds[GUEST_TOGGLE]),
};

// Objects of the outer one; NULL: the outer one itself. One that has a flag is there where that is true.
static const struct group {
	const char *key;
	const struct field *fields;
	size_t count;
	bool optional;
	size_t flag;
} groups[] = {
	{ NULL, top_fields, ARRAY_SIZE(top_fields), false, 0 },
	{ "memory", memory_fields, ARRAY_SIZE(memory_fields), false, 0 },
	{ "isolation", isolation_fields, ARRAY_SIZE(isolation_fields), false, 0 },
	{ "supervise", supervise_fields, ARRAY_SIZE(supervise_fields), false, 0 },
	{ "input", input_fields, ARRAY_SIZE(input_fields), true, offsetof(struct plan, input.used) },
};

// A thread's name in JSON tells what it is; what follows the word is the index.
static const struct {
	const char *word;
	enum pin_target target;
	bool numbered;
} threads[] = {
	{ "emulator", PIN_EMULATOR, false },
	{ "vcpu", PIN_VCPU, true },
	{ "iothread", PIN_IOTHREAD, true },
	{ "vhost", PIN_VHOST, false },
};

static const char *const fd_kinds[] = {
	[PLAN_FD_FILE] = "file",   [PLAN_FD_COPY] = "copy",   [PLAN_FD_LISTEN] = "listen",
	[PLAN_FD_TAP] = "tap",	   [PLAN_FD_VHOST] = "vhost", [PLAN_FD_ALIVE] = "alive",
	[PLAN_FD_STREAM] = "stream", [PLAN_FD_UINPUT] = "uinput",
};

static struct json_object *text_object(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text_object(text));
}

static struct json_object *list_object(const struct strv *list)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < list->count; i++)
		json_object_array_add(array, json_object_new_string(list->items[i]));
	return array;
}

static struct json_object *field_object(const struct field *field, const void *value)
{
	switch (field->type) {
	case FIELD_TEXT:
		return text_object(*(char *const *)value);
	case FIELD_INT:
	case FIELD_SIGNED:
		return json_object_new_int(*(const int *)value);
	case FIELD_ID:
		return json_object_new_int64(*(const uid_t *)value);
	case FIELD_SIZE:
		return json_object_new_uint64(*(const uint64_t *)value);
	case FIELD_FLAG:
		return json_object_new_boolean(*(const bool *)value);
	case FIELD_LIST:
		break;
	}
	return list_object(value);
}

static void add_fields(const struct plan *plan, struct json_object *root)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		const struct group *group = &groups[i];
		struct json_object *object;

		if (group->optional && !*(const bool *)((const char *)plan + group->flag))
			continue;
		object = group->key ? json_object_new_object() : root;
		for (size_t k = 0; k < group->count; k++)
			json_object_object_add(object, group->fields[k].key,
					       field_object(&group->fields[k],
							    (const char *)plan + group->fields[k].offset));
		if (group->key)
			json_object_object_add(root, group->key, object);
	}
}

static struct json_object *environment_object(const struct strv *environment)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < environment->count; i++) {
		const char *entry = environment->items[i], *equals = strchrnul(entry, '=');
		AUTO_FREE char *name = mem_dupn(entry, (size_t)(equals - entry));

		json_object_object_add(object, name, json_object_new_string(*equals ? equals + 1 : ""));
	}
	return object;
}

static struct json_object *fds_object(const struct plan *plan)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < plan->n_fds; i++) {
		const struct plan_fd *fd = &plan->fds[i];
		struct json_object *object = json_object_new_object();

		json_object_object_add(object, "fd", json_object_new_int(fd->fd));
		add_text(object, "kind", fd_kinds[fd->kind]);
		add_text(object, "what", fd->what);
		add_text(object, "path", fd->path);
		if (fd->kind == PLAN_FD_FILE)
			json_object_object_add(object, "write", json_object_new_boolean(fd->write));
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *warnings_object(const struct diags *warnings)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < warnings->count; i++) {
		const struct diag *diag = &warnings->items[i];
		struct json_object *object = json_object_new_object();

		add_text(object, "code", diag->code);
		add_text(object, "text", diag->text);
		if (diag->hint)
			add_text(object, "hint", diag->hint);
		if (diag->file) {
			add_text(object, "file", diag->file);
			json_object_object_add(object, "line", json_object_new_int(diag->line));
		}
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *changes_object(const struct change_list *changes)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < changes->count; i++) {
		const struct change *change = &changes->items[i];
		struct json_object *object = json_object_new_object();

		add_text(object, "kind", change->kind);
		add_text(object, "path", change->path);
		add_text(object, "was", change->was);
		add_text(object, "want", change->want);
		add_text(object, "why", change->why);
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *pins_object(const struct plan *plan)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < plan->n_pins; i++) {
		const struct plan_pin *pin = &plan->pins[i];
		struct json_object *object = json_object_new_object();
		AUTO_FREE char *cpus = cpuset_text(&pin->cpus);
		AUTO_STR struct str policy = { 0 };

		sched_print(&pin->sched, &policy);
		add_text(object, "thread", pin->thread);
		add_text(object, "cpus", cpus);
		add_text(object, "policy", str_text(&policy));
		json_object_object_add(object, "yields", json_object_new_boolean(pin->yields));
		add_text(object, "why", pin->why);
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *devices_object(const struct plan *plan)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < plan->n_devices; i++) {
		const struct plan_device *device = &plan->devices[i];
		struct json_object *object = json_object_new_object();

		add_text(object, "address", device->address);
		add_text(object, "kind", device->mdev ? "mdev" : "pci");
		json_object_object_add(object, "passed", json_object_new_boolean(device->passed));
		if (device->iommufd)
			json_object_object_add(object, "iommufd", json_object_new_boolean(true));
		add_text(object, "name", device->name);
		add_text(object, "class", device->class_name);
		json_object_object_add(object, "group", json_object_new_int(device->group));
		json_object_object_add(object, "node", json_object_new_int(device->node));
		add_text(object, "driver", device->driver);
		json_object_object_add(object, "reset", list_object(&device->resets));
		add_text(object, "why", device->why);
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *inputs_object(const struct plan *plan)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < plan->n_inputs; i++) {
		const struct plan_input *input = &plan->inputs[i];
		struct json_object *object = json_object_new_object();

		add_text(object, "device", input->device);
		add_text(object, "name", input->name);
		add_text(object, "role", input->role);
		add_text(object, "lost", input->lost);
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *helpers_object(const struct plan *plan)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < plan->n_helpers; i++) {
		const struct plan_helper *helper = &plan->helpers[i];
		struct json_object *object = json_object_new_object();

		add_text(object, "name", helper->name);
		json_object_object_add(object, "argv", list_object(&helper->argv));
		add_text(object, "socket", helper->socket);
		json_object_array_add(array, object);
	}
	return array;
}

struct json_object *plan_print_json(const struct plan *plan)
{
	struct json_object *root = json_object_new_object();

	add_fields(plan, root);
	json_object_object_add(root, "environment", environment_object(&plan->environment));
	json_object_object_add(root, "fds", fds_object(plan));
	json_object_object_add(root, "warnings", warnings_object(&plan->warnings));
	json_object_object_add(root, "changes", changes_object(&plan->changes));
	json_object_object_add(root, "pins", pins_object(plan));
	json_object_object_add(root, "devices", devices_object(plan));
	json_object_object_add(root, "inputs", inputs_object(plan));
	json_object_object_add(root, "helpers", helpers_object(plan));
	return root;
}

static int damaged(struct err *err, const char *key)
{
	return err_set(err, -EPROTO, "the recorded plan is damaged at \"%s\"", key);
}

static struct json_object *member(struct json_object *object, const char *key, enum json_type type)
{
	struct json_object *value = NULL;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

static bool parse_list(struct json_object *value, struct strv *out)
{
	if (!json_object_is_type(value, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *item = json_object_array_get_idx(value, i);

		if (!json_object_is_type(item, json_type_string))
			return false;
		strv_add(out, json_object_get_string(item));
	}
	return true;
}

static bool parse_text(struct json_object *value, char **out)
{
	if (value && !json_object_is_type(value, json_type_string))
		return false;
	mem_set(out, value ? json_object_get_string(value) : NULL);
	return true;
}

// A whole number in [0, max].
static bool parse_number(struct json_object *value, uint64_t max, uint64_t *out)
{
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return false;
	*out = json_object_get_uint64(value);
	return *out <= max;
}

static bool parse_field(const struct field *field, struct json_object *value, void *out)
{
	uint64_t number;

	switch (field->type) {
	case FIELD_TEXT:
		return parse_text(value, out);
	case FIELD_INT:
		if (!parse_number(value, INT_MAX, &number))
			return false;
		*(int *)out = (int)number;
		return true;
	case FIELD_SIGNED:
		*(int *)out = json_object_get_int(value);
		return json_object_is_type(value, json_type_int) &&
		       json_object_get_int64(value) == *(int *)out;
	case FIELD_ID:
		if (!parse_number(value, UINT32_MAX, &number))
			return false;
		*(uid_t *)out = (uid_t)number;
		return true;
	case FIELD_SIZE:
		return parse_number(value, UINT64_MAX, out);
	case FIELD_FLAG:
		*(bool *)out = json_object_get_boolean(value);
		return json_object_is_type(value, json_type_boolean);
	case FIELD_LIST:
		break;
	}
	return parse_list(value, out);
}

static int parse_group(const struct group *group, struct json_object *object, struct plan *plan,
		       struct err *err)
{
	for (size_t i = 0; i < group->count; i++) {
		const struct field *field = &group->fields[i];
		struct json_object *value = NULL;

		if (!json_object_object_get_ex(object, field->key, &value) ||
		    !parse_field(field, value, (char *)plan + field->offset))
			return damaged(err, field->key);
	}
	return 0;
}

static int parse_fields(struct json_object *root, struct plan *plan, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(groups); i++) {
		const char *key = groups[i].key;
		struct json_object *object = key ? member(root, key, json_type_object) : root;

		if (groups[i].optional && !object)
			continue;
		if (groups[i].optional)
			*(bool *)((char *)plan + groups[i].flag) = true;
		r = object ? parse_group(&groups[i], object, plan, err) : damaged(err, key);
	}
	return r;
}

static bool parse_thread(const char *name, struct plan_pin *pin)
{
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		if (!str_starts(name, threads[i].word))
			continue;
		name += strlen(threads[i].word);
		pin->target = threads[i].target;
		return threads[i].numbered ? str_parse_int(name, &pin->index) && pin->index >= 0 : !*name;
	}
	return false;
}

static bool parse_pin(struct json_object *object, struct plan_pin *pin)
{
	struct json_object *thread = member(object, "thread", json_type_string);
	struct json_object *cpus = member(object, "cpus", json_type_string);
	struct json_object *policy = member(object, "policy", json_type_string);

	if (!thread || !cpus || !policy)
		return false;
	mem_set(&pin->thread, json_object_get_string(thread));
	pin->yields = json_object_get_boolean(member(object, "yields", json_type_boolean));
	return parse_text(member(object, "why", json_type_string), &pin->why) &&
	       parse_thread(pin->thread, pin) &&
	       cpuset_parse_list(&pin->cpus, json_object_get_string(cpus)) &&
	       sched_parse(json_object_get_string(policy), &pin->sched);
}

static int parse_pins(struct json_object *root, struct plan *plan, struct err *err)
{
	struct json_object *pins = member(root, "pins", json_type_array);

	if (!pins)
		return damaged(err, "pins");
	for (size_t i = 0; i < json_object_array_length(pins); i++) {
		if (!parse_pin(json_object_array_get_idx(pins, i), MEM_PUSH(plan->pins, plan->n_pins)))
			return damaged(err, "pins");
	}
	return 0;
}

// Who has which device: what other guests must know.
static bool parse_device(struct json_object *object, struct plan_device *device)
{
	struct json_object *address = member(object, "address", json_type_string);
	struct json_object *kind = member(object, "kind", json_type_string);
	struct json_object *passed = member(object, "passed", json_type_boolean);
	struct json_object *group = member(object, "group", json_type_int);

	if (!address || !kind || !passed || !group)
		return false;
	device->mdev = str_eq(json_object_get_string(kind), "mdev");
	device->passed = json_object_get_boolean(passed);
	device->iommufd = member(object, "iommufd", json_type_boolean) != NULL;
	device->group = json_object_get_int(group);
	device->node = -1;
	return parse_text(address, &device->address);
}

static int parse_devices(struct json_object *root, struct plan *plan, struct err *err)
{
	struct json_object *devices = member(root, "devices", json_type_array);

	if (!devices)
		return damaged(err, "devices");
	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		if (!parse_device(json_object_array_get_idx(devices, i),
				  MEM_PUSH(plan->devices, plan->n_devices)))
			return damaged(err, "devices");
	}
	return 0;
}

static bool parse_helper(struct json_object *object, struct plan_helper *helper)
{
	struct json_object *name = member(object, "name", json_type_string);

	return name && parse_text(name, &helper->name) &&
	       parse_list(member(object, "argv", json_type_array), &helper->argv) &&
	       parse_text(member(object, "socket", json_type_string), &helper->socket);
}

static int parse_helpers(struct json_object *root, struct plan *plan, struct err *err)
{
	struct json_object *helpers = member(root, "helpers", json_type_array);

	if (!helpers)
		return damaged(err, "helpers");
	for (size_t i = 0; i < json_object_array_length(helpers); i++) {
		if (!parse_helper(json_object_array_get_idx(helpers, i),
				  MEM_PUSH(plan->helpers, plan->n_helpers)))
			return damaged(err, "helpers");
	}
	return 0;
}

static int parse_environment(struct json_object *root, struct plan *plan, struct err *err)
{
	struct json_object *object = member(root, "environment", json_type_object);

	if (!object)
		return damaged(err, "environment");
	json_object_object_foreach(object, name, value) {
		if (!json_object_is_type(value, json_type_string))
			return damaged(err, "environment");
		strv_addf(&plan->environment, "%s=%s", name, json_object_get_string(value));
	}
	return 0;
}

int plan_parse_json(struct json_object *json, struct plan *plan, struct err *err)
{
	int r;

	*plan = (struct plan){ 0 };
	r = parse_fields(json, plan, err);
	if (r == 0)
		r = parse_pins(json, plan, err);
	if (r == 0)
		r = parse_devices(json, plan, err);
	if (r == 0)
		r = parse_helpers(json, plan, err);
	if (r == 0)
		r = parse_environment(json, plan, err);
	if (r == 0 && !plan->name)
		r = damaged(err, "name");
	if (r < 0)
		plan_finish(plan);
	return r;
}
