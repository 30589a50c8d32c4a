// SPDX-License-Identifier: MIT
#include "qmp/probe.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "qmp/json.h"
#include "qmp/probe/inquiry.h"

#include <string.h>

static const char *first_cpu_path(struct json_object *cpus)
{
	return json_length(cpus) ? json_text(json_object_array_get_idx(cpus, 0), "qom-path") : NULL;
}

static struct json_object *make_property(const char *path, const char *name)
{
	struct json_object *arguments = inquiry_argument("path", path);

	json_object_object_add(arguments, "property", json_object_new_string(name));
	return arguments;
}

// The CPU's hv- properties that may be features; passthrough and enforce-cpuid are ways of having
// them.
static void list_hyperv(const struct qemu_caps *caps, struct strv *names)
{
	for (size_t i = 0; i < caps->words.count; i++) {
		const char *word = caps->words.items[i];

		if (str_starts(word, "cpu/hv-") && !str_eq(word, "cpu/hv-passthrough") &&
		    !str_eq(word, "cpu/hv-enforce-cpuid"))
			strv_add(names, word + strlen("cpu/"));
	}
}

// With hv-passthrough QEMU sets those of its hv- properties that KVM has (target/i386/kvm/kvm.c,
// hyperv_expand_features, 7.2).
static int ask_hyperv(struct inquiry *inquiry, const struct strv *names, struct strv *offered,
		      struct err *err)
{
	AUTO_JSON struct json_object *cpus = NULL;
	const char *path;
	int r = inquiry_ask(inquiry, "query-cpus-fast", NULL, &cpus, err);

	path = r == 0 ? first_cpu_path(cpus) : NULL;
	for (size_t i = 0; path && i < names->count; i++) {
		AUTO_JSON struct json_object *value = NULL;
		const char *name = names->items[i];

		r = inquiry_ask(inquiry, "qom-get", make_property(path, name), &value, err);
		if (r < 0 && r != -EREMOTEIO)
			return r;
		if (json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value))
			strv_add(offered, name);
	}
	return r == -EREMOTEIO ? 0 : r;
}

// One start under KVM. The machine is one that has CPUs; its guest never runs.
static int try_model(const struct qemu_probe *probe, const char *cpu, const struct strv *names,
		     struct strv *offered, struct err *err)
{
	const char *const arguments[] = { INQUIRY_ARGUMENTS, "-machine", "q35", "-accel", "kvm",
					  "-m", "16M", "-cpu", cpu, NULL };
	struct inquiry inquiry = { .probe = probe, .arguments = arguments, .kvm = true,
				   .child = QEMU_CHILD_NONE };
	int r = inquiry_open(&inquiry, err);

	if (r == 0)
		r = ask_hyperv(&inquiry, names, offered, err);
	inquiry_close(&inquiry);
	return r;
}

// Passing Hyper-V through is a question of its own: a machine that can't may have KVM all the same.
static int try_kvm(const struct qemu_probe *probe, const struct qemu_caps *caps,
		   struct strv *offered, struct err *err)
{
	static const struct strv nothing = { 0 };
	AUTO_STRV struct strv names = { 0 };
	AUTO_FREE char *passing = mem_printf("%s,hv-passthrough=on", probe->cpu_model);

	list_hyperv(caps, &names);
	if (qemu_caps_has(caps, "cpu/hv-passthrough") &&
	    try_model(probe, passing, &names, offered, err) == 0)
		return 0;
	strv_finish(offered);
	return try_model(probe, probe->cpu_model, &nothing, offered, err);
}

void qemu_probe_kvm(const struct qemu_probe *probe, struct qemu_caps *caps)
{
	AUTO_STRV struct strv offered = { 0 };
	struct err err = ERR_NONE;

	if (try_kvm(probe, caps, &offered, &err) < 0)
		qemu_caps_add(caps, "no-accel/kvm/%s/%s", probe->cpu_model, err.text);
	else
		qemu_caps_add(caps, "accel/kvm/%s", probe->cpu_model);
	for (size_t i = 0; i < offered.count; i++)
		qemu_caps_add(caps, "kvm/%s", offered.items[i]);
	qemu_caps_sort(caps);
}
