// SPDX-License-Identifier: MIT
// Hyper-V enlightenments (QEMU docs/system/i386/hyperv.rst, 7.2): which belong together, which are worth it.
#include "launcher/argv/argv.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <string.h>

enum choice {
	ON_WISH,    // for nested Hyper-V, debugging, or hardware that must be known to be there
	ALWAYS,	    // recommended
	IF_PINNED,  // true only if no two of the guest's cores share a core of the host
};

struct feature {
	const char *name, *value;
	enum choice choice;
	const char *needs[3];
};

// Each stands behind those it needs.
static const struct feature features[] = {
	{ "relaxed", "on", ALWAYS, { NULL } },
	{ "vapic", "on", ALWAYS, { NULL } },
	{ "spinlocks", "0x1fff", ALWAYS, { NULL } },
	{ "vpindex", "on", ALWAYS, { NULL } },
	{ "runtime", "on", ALWAYS, { NULL } },
	{ "time", "on", ALWAYS, { NULL } },
	{ "synic", "on", ALWAYS, { "vpindex" } },
	{ "stimer", "on", ALWAYS, { "vpindex", "synic", "time" } },
	{ "stimer-direct", "on", ALWAYS, { "stimer" } },
	{ "frequencies", "on", ALWAYS, { NULL } },
	{ "tlbflush", "on", ALWAYS, { "vpindex" } },
	{ "tlbflush-ext", "on", ALWAYS, { "tlbflush" } },
	{ "ipi", "on", ALWAYS, { "vpindex" } },
	{ "xmm-input", "on", ALWAYS, { NULL } },
	{ "no-nonarch-coresharing", "on", IF_PINNED, { NULL } },
	{ "reenlightenment", "on", ON_WISH, { NULL } },
	{ "reset", "on", ON_WISH, { NULL } },
	{ "crash", "on", ON_WISH, { NULL } },
	{ "avic", "on", ON_WISH, { NULL } },
	{ "evmcs", "on", ON_WISH, { "vapic" } },
	{ "emsr-bitmap", "on", ON_WISH, { NULL } },
	{ "tlbflush-direct", "on", ON_WISH, { "vapic" } },
	{ "enforce-cpuid", "on", ON_WISH, { NULL } },
	{ "syndbg", "on", ON_WISH, { NULL } },
	{ "passthrough", "on", ON_WISH, { NULL } },
};

enum { N_FEATURES = ARRAY_SIZE(features) };

static int find(const char *name)
{
	for (int i = 0; i < N_FEATURES; i++) {
		if (str_eq(features[i].name, name))
			return i;
	}
	return -1;
}

// Where the host was never asked (a captured one), what QEMU has is taken to be there. Not all are offered by
// the kernel: QEMU alone makes these.
static bool host_has(const struct argv_build *b, const char *name)
{
	static const char *const by_qemu[] = { "spinlocks", "no-nonarch-coresharing", "enforce-cpuid", "passthrough" };

	for (size_t i = 0; i < ARRAY_SIZE(by_qemu); i++) {
		if (str_eq(name, by_qemu[i]))
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

static void drop(struct str *dropped, const char *name, const char *because)
{
	str_addf(dropped, "%s%s (%s)", dropped->len ? ", " : "", name, because);
}

// auto and on: whatever is recommended, and there, with what it needs.
static void choose_recommended(const struct argv_build *b, bool chosen[N_FEATURES], struct str *dropped)
{
	for (int i = 0; i < N_FEATURES; i++) {
		const struct feature *f = &features[i];
		const char *because = NULL;

		if (f->choice == ON_WISH)
			continue;
		if (f->choice == IF_PINNED && !cores_are_apart(b))
			because = "vCPUs are not pinned a core each";
		else if (!qemu_caps_has(&b->facts->qemu, "cpu/hv-%s", f->name))
			because = "not in this QEMU";
		else if (!host_has(b, f->name))
			because = "not in this kernel";
		for (int n = 0; n < 3 && f->needs[n] && !because; n++)
			because = chosen[find(f->needs[n])] ? NULL : "needs another that is missing";
		chosen[i] = !because;
		if (because)
			drop(dropped, f->name, because);
	}
}

static void check_wish(struct argv_build *b, const char *wish, int row)
{
	const struct strv *list = &b->profile->cpu.hyperv.features;

	if (!qemu_caps_has(&b->facts->qemu, "cpu/hv-%s", wish))
		argv_host_error(b, "hyperv-qemu", "cpu", "hyperv", "%s has no Hyper-V feature '%s'", b->plan->qemu,
				wish);
	else if (!host_has(b, wish))
		argv_host_error(b, "hyperv-host", "cpu", "hyperv", "this host's KVM offers no Hyper-V feature '%s'",
				wish);
	for (int n = 0; n < 3 && features[row].needs[n]; n++) {
		if (!strv_has(list, features[row].needs[n]))
			diag_hint(argv_error(b, "hyperv-needs", "cpu", "hyperv", "Hyper-V feature '%s' needs '%s'",
					     wish, features[row].needs[n]),
				  "add %s to the list", features[row].needs[n]);
	}
}

static const char *nearest_feature(const char *name)
{
	const char *names[N_FEATURES];

	for (int i = 0; i < N_FEATURES; i++)
		names[i] = features[i].name;
	return str_nearest(name, names, N_FEATURES);
}

static void choose_list(struct argv_build *b, bool chosen[N_FEATURES])
{
	const struct strv *list = &b->profile->cpu.hyperv.features;

	for (size_t i = 0; i < list->count; i++) {
		int row = find(list->items[i]);
		const char *near;
		struct diag *diag;

		if (row >= 0) {
			chosen[row] = true;
			check_wish(b, list->items[i], row);
			continue;
		}
		diag = argv_error(b, "hyperv-unknown", "cpu", "hyperv", "no Hyper-V feature '%s' is known",
				  list->items[i]);
		near = nearest_feature(list->items[i]);
		if (near)
			diag_hint(diag, "%s", near);
		else
			diag_hint(diag, "features = hv-%s=on passes it to QEMU as it is", list->items[i]);
	}
}

static int add_chosen(const bool chosen[N_FEATURES], struct str *cpu)
{
	int count = 0;

	for (int i = 0; i < N_FEATURES; i++) {
		if (!chosen[i])
			continue;
		str_addf(cpu, ",hv-%s=%s", features[i].name, features[i].value);
		count++;
	}
	return count;
}

static void add_vendor_id(struct argv_build *b, struct str *cpu, int others)
{
	const char *id = b->profile->cpu.vendor_id;

	if (!id)
		return;
	if (strchr(id, ',')) {
		argv_error(b, "cpu-text", "cpu", "vendor_id", "'%s' can't stand in -cpu: it is split at commas", id);
		return;
	}
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
	diag_hint(argv_host_error(b, "hyperv-needs-kvm", "cpu", key, "%s needs KVM; accel is tcg: %s", key,
				  b->plan->accel_why),
		  "hyperv = auto leaves it out where there is no KVM");
}

void argv_add_hyperv(struct argv_build *b, struct str *cpu, struct str *why)
{
	enum hyperv_mode mode = b->profile->cpu.hyperv.mode;
	bool chosen[N_FEATURES] = { false };
	AUTO_STR struct str dropped = { 0 };
	int count;

	if (!b->kvm) {
		refuse_without_kvm(b, mode);
		return;
	}
	if (mode == HYPERV_LIST)
		choose_list(b, chosen);
	else if (mode == HYPERV_ON || (mode == HYPERV_AUTO && b->windows))
		choose_recommended(b, chosen, &dropped);
	count = add_chosen(chosen, cpu);
	add_vendor_id(b, cpu, count);
	if (count)
		str_addf(why, "; %d Hyper-V enlightenments%s", count,
			 mode == HYPERV_AUTO ? " for Windows" : " as asked");
	if (dropped.len)
		str_addf(why, "; Hyper-V left out: %s", str_text(&dropped));
	if (!count && mode == HYPERV_ON)
		argv_host_error(b, "hyperv-none", "cpu", "hyperv", "hyperv = on: none can be had: %s",
				str_text(&dropped));
}
