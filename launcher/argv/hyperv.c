// SPDX-License-Identifier: MIT
// Hyper-V enlightenments (QEMU docs/system/i386/hyperv.rst, 7.2): which belong together, which are
// worth it.
#include "launcher/argv/argv.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <string.h>

struct feature {
	const char *name, *value;
	bool wish; // not recommended for all: only where a list names it
	const char *needs[3];
};

// What is recommended, and what needs another; each stands behind those it needs. Not recommended
// are those for nested Hyper-V, for debugging, and those that want hardware which can't be told
// from here (avic).
static const struct feature features[] = {
	{ "relaxed", "on", false, { NULL } },
	{ "vapic", "on", false, { NULL } },
	{ "spinlocks", "0x1fff", false, { NULL } },
	{ "vpindex", "on", false, { NULL } },
	{ "runtime", "on", false, { NULL } },
	{ "time", "on", false, { NULL } },
	{ "synic", "on", false, { "vpindex" } },
	{ "stimer", "on", false, { "vpindex", "synic", "time" } },
	{ "stimer-direct", "on", false, { "stimer" } },
	{ "frequencies", "on", false, { NULL } },
	{ "tlbflush", "on", false, { "vpindex" } },
	{ "tlbflush-ext", "on", false, { "tlbflush" } },
	{ "tlbflush-direct", "on", true, { "vapic" } },
	{ "ipi", "on", false, { "vpindex" } },
	{ "xmm-input", "on", false, { NULL } },
	{ "evmcs", "on", true, { "vapic" } },
	{ "no-nonarch-coresharing", "on", false, { NULL } },
};

enum { N_FEATURES = ARRAY_SIZE(features), N_NEEDS = ARRAY_SIZE(features[0].needs) };

static int find(const char *name)
{
	for (int i = 0; i < N_FEATURES; i++) {
		if (str_eq(features[i].name, name))
			return i;
	}
	return -1;
}

// These QEMU makes without KVM's help.
static const char *const by_qemu[] = { "spinlocks", "no-nonarch-coresharing", "enforce-cpuid",
				       "passthrough", "version-id-" };

// Where the host was never asked (a captured one), what QEMU has is taken to be there.
static bool host_has(const struct argv_build *b, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(by_qemu); i++) {
		if (str_starts(name, by_qemu[i]))
			return true;
	}
	return !qemu_caps_has(&b->facts->qemu, "accel/kvm/%s", b->cpu_model) ||
	       qemu_caps_has(&b->facts->qemu, "kvm/hv-%s", name);
}

// The host cores that a guest core runs on; -1: not pinned, not known, or on more than one.
static int host_core(const struct argv_build *b, int vcpu)
{
	int core = -1;

	CPUSET_FOREACH(id, &b->placement->vcpus[vcpu].cpus) {
		const struct cpu *cpu = cpu_facts_find(&b->facts->cpus, id);

		if (!cpu || cpu->core < 0 || (core >= 0 && cpu->core != core))
			return -1;
		core = cpu->core;
	}
	return core;
}

static bool cores_are_apart(const struct argv_build *b)
{
	const struct placement *p = b->placement;
	AUTO_FREE bool *taken = mem_new(b->facts->cpus.n_cores + 1, sizeof(*taken));
	int threads = p->threads > 0 ? p->threads : 1;

	for (int i = 0; i < p->n_vcpus; i++) {
		int core = host_core(b, i);

		if (core < 0 || (size_t)core >= b->facts->cpus.n_cores)
			return false;
		if (i % threads ? core != host_core(b, i - 1) : taken[core])
			return false;
		taken[core] = true;
	}
	return true;
}

// What keeps a recommended feature out, or NULL.
static const char *reason_against(const struct argv_build *b, const struct feature *f,
				  const bool *chosen)
{
	if (str_eq(f->name, "no-nonarch-coresharing") && !cores_are_apart(b))
		return "no host core for each of the guest's";
	if (!qemu_caps_has(&b->facts->qemu, "cpu/hv-%s", f->name))
		return "not in this QEMU";
	if (!host_has(b, f->name))
		return "not in this kernel";
	for (int n = 0; n < N_NEEDS && f->needs[n]; n++) {
		if (!chosen[find(f->needs[n])])
			return "needs one that is missing";
	}
	return NULL;
}

static int add_recommended(const struct argv_build *b, struct str *cpu, struct str *dropped)
{
	bool chosen[N_FEATURES] = { false };
	int count = 0;

	for (int i = 0; i < N_FEATURES; i++) {
		const struct feature *f = &features[i];
		const char *against = f->wish ? NULL : reason_against(b, f, chosen);

		chosen[i] = !f->wish && !against;
		count += chosen[i];
		if (chosen[i])
			str_addf(cpu, ",hv-%s=%s", f->name, f->value);
		else if (against)
			str_addf(dropped, "%s%s (%s)", dropped->len ? ", " : "", f->name, against);
	}
	return count;
}

static bool is_listed(const struct strv *list, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < list->count; i++) {
		if (str_starts(list->items[i], name) && strchr("=", list->items[i][n]))
			return true;
	}
	return false;
}

static void check_listed(struct argv_build *b, const char *name)
{
	const struct strv *list = &b->profile->cpu.hyperv.features;
	int row = find(name);

	if (!qemu_caps_has(&b->facts->qemu, "cpu/hv-%s", name))
		argv_host_error(b, "hyperv-qemu", "cpu", "hyperv", "%s has no Hyper-V feature '%s'",
				b->plan->qemu, name);
	else if (!host_has(b, name))
		argv_host_error(b, "hyperv-host", "cpu", "hyperv",
				"this host's KVM offers no Hyper-V feature '%s'", name);
	for (int n = 0; row >= 0 && n < N_NEEDS && features[row].needs[n]; n++) {
		if (!is_listed(list, features[row].needs[n]))
			diag_hint(argv_error(b, "hyperv-needs", "cpu", "hyperv",
					     "Hyper-V feature '%s' needs '%s'", name,
					     features[row].needs[n]),
				  "add %s to the list", features[row].needs[n]);
	}
}

static int add_listed(struct argv_build *b, struct str *cpu)
{
	const struct strv *list = &b->profile->cpu.hyperv.features;

	for (size_t i = 0; i < list->count; i++) {
		const char *item = list->items[i];
		AUTO_FREE char *name = mem_dupn(item, strcspn(item, "="));

		check_listed(b, name);
		str_addf(cpu, ",hv-%s%s", item, strchr(item, '=') ? "" : "=on");
	}
	return (int)list->count;
}

static void add_vendor_id(struct argv_build *b, struct str *cpu, int others)
{
	const char *id = b->profile->cpu.vendor_id;

	// The same drivers know Hyper-V's own name.
	if (!id && b->windows && b->gpu && others)
		id = "vfiorun";
	if (!id)
		return;
	// QEMU shows the vendor id in the leaf that only exists with another enlightenment.
	if (!others) {
		diag_hint(argv_error(b, "vendor-id-alone", "cpu", "vendor_id",
				     "vendor_id has no effect without another Hyper-V feature"),
			  "hyperv = on");
		return;
	}
	str_addf(cpu, ",hv-vendor-id=%s", id);
}

// Under emulation QEMU takes hv-… and does nothing (7.2): better said than done.
static void refuse_without_kvm(struct argv_build *b, enum hyperv_mode mode)
{
	const char *key = mode == HYPERV_ON || mode == HYPERV_LIST ? "hyperv" : "vendor_id";

	if (str_eq(key, "vendor_id") && !b->profile->cpu.vendor_id)
		return;
	diag_hint(argv_host_error(b, "hyperv-needs-kvm", "cpu", key,
				  "%s needs KVM; accel is tcg: %s", key, b->plan->accel_why),
		  "hyperv = auto leaves it out where there is no KVM");
}

void argv_add_hyperv(struct argv_build *b, struct str *cpu, struct str *why)
{
	enum hyperv_mode mode = b->profile->cpu.hyperv.mode;
	AUTO_STR struct str dropped = { 0 };
	int count = 0;

	if (!b->kvm) {
		refuse_without_kvm(b, mode);
		return;
	}
	if (mode == HYPERV_LIST)
		count = add_listed(b, cpu);
	else if (mode == HYPERV_ON || (mode == HYPERV_AUTO && b->windows))
		count = add_recommended(b, cpu, &dropped);
	add_vendor_id(b, cpu, count);
	if (count)
		str_addf(why, "; %d Hyper-V enlightenments%s", count,
			 mode == HYPERV_AUTO ? " for Windows" : " as asked");
	if (dropped.len)
		str_addf(why, "; Hyper-V left out: %s", str_text(&dropped));
	if (!count && mode == HYPERV_ON)
		argv_host_error(b, "hyperv-none", "cpu", "hyperv",
				"hyperv = on: none can be had: %s", str_text(&dropped));
}
