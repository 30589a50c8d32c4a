// SPDX-License-Identifier: MIT
#include "launcher/argv/argv.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <string.h>

static void say(struct str *why, const char *text)
{
	if (why->len)
		str_add(why, "; ");
	str_add(why, text);
}

static void add_model(struct argv_build *b, struct str *cpu, struct str *why)
{
	bool whole = str_eq(b->cpu_model, "host") || str_eq(b->cpu_model, "max");

	str_add(cpu, b->cpu_model);
	if (b->profile->cpu.model)
		say(why, "model as asked");
	else
		say(why, b->kvm ? "the host's own model: nothing is hidden or emulated"
				: "all that emulation can do");
	// What can't be migrated is fine here, and brings invtsc: a guest that trusts its TSC reads
	// it without exits.
	if (b->kvm && whole)
		str_add(cpu, ",migratable=off");
}

// AMD guests see SMT siblings only with topoext, off by default since QEMU 3.1.
static void add_topology(struct argv_build *b, struct str *cpu, struct str *why)
{
	if (!b->kvm || b->placement->threads < 2 || strcmp(b->facts->cpus.vendor, "AuthenticAMD"))
		return;
	str_add(cpu, ",topoext=on");
	say(why, "topoext: an AMD guest with several threads a core");
}

static void add_disguise(struct argv_build *b, struct str *cpu, struct str *why)
{
	enum tri asked = b->profile->cpu.hide_kvm;
	bool usual = asked == TRI_AUTO && b->windows && b->gpu;

	if (!b->kvm || (asked != TRI_YES && !usual))
		return;
	str_add(cpu, ",kvm=off");
	say(why, usual ? "KVM hidden: some drivers for Windows refuse a GPU that they see in a virtual machine" :
			 "KVM hidden as asked: a Linux guest loses kvmclock with it");
}

static void add_features(struct argv_build *b, struct str *cpu)
{
	const struct strv *features = &b->profile->cpu.features;

	for (size_t i = 0; i < features->count; i++)
		str_addf(cpu, ",%s", features->items[i]);
}

static void check_count(struct argv_build *b)
{
	AUTO_FREE char *prefix = mem_printf("machine-max-cpus/%s/", b->machine);
	const char *limit = qemu_caps_after(&b->facts->qemu, prefix);
	int vcpus = b->placement->n_vcpus, max;

	if (limit && str_parse_int(limit, &max) && vcpus > max)
		diag_hint(argv_host_error(b, "vcpus-machine", "cpu", "vcpus",
					  "%d vCPUs: machine %s takes at most %d", vcpus,
					  b->machine, max),
			  b->q35 ? "vcpus = %d, or a newer machine = pc-q35-X.Y"
				 : "vcpus = %d, or machine = q35",
			  max);
}

// What is passed must see each mapping that the guest takes back, and has an address space of its own now, which
// pins the guest's memory again.
static void add_iommu(struct argv_build *b)
{
	argv_add(b, "-device", "intel-iommu,intremap=on,eim=on%s", b->plan->n_devices ? ",caching-mode=on" : "");
	for (size_t i = 0, passed = 0; i < b->plan->n_devices; i++) {
		passed += b->plan->devices[i].passed;
		if (passed > 1 && b->plan->devices[i].passed)
			b->plan->memlock += b->profile->vm.memory;
	}
}

// More ids than the xAPIC has: the guest needs x2APIC, and for interrupts from devices an IOMMU
// that remaps them to 32-bit ids. eim=on wants KVM and a split irqchip.
static void add_many(struct argv_build *b)
{
	if (b->placement->n_vcpus <= XAPIC_VCPUS)
		return;
	if (!b->kvm)
		argv_host_error(b, "vcpus-tcg", "cpu", "vcpus", "more than 255 vCPUs need KVM (%s)",
				b->plan->accel_why);
	else if (!b->q35)
		diag_hint(argv_error(b, "vcpus-pc", "cpu", "vcpus",
				     "more than 255 vCPUs need a virtual IOMMU, "
				     "which machine pc has not"),
			  "machine = q35");
	else
		add_iommu(b);
}

static void add_smp(struct argv_build *b)
{
	const struct placement *p = b->placement;
	AUTO_STR struct str dies = { 0 };

	if (p->dies > 1 || qemu_caps_has(&b->facts->qemu, "option/smp-opts/dies"))
		str_addf(&dies, ",dies=%d", p->dies);
	argv_add(b, "-smp", "cpus=%d,sockets=%d%s,cores=%d,threads=%d,maxcpus=%d", p->n_vcpus,
		 p->sockets, str_text(&dies), p->cores, p->threads, p->n_vcpus);
	if (b->windows && p->sockets > 1)
		diag_hint(argv_warn(b, "windows-sockets", "cpu", "sockets",
				    "%d sockets: Windows Home uses one, Pro two; the other vCPUs "
				    "would idle",
				    p->sockets),
			  "sockets = 1 and more cores");
}

// The host's scheduler then no longer sees a vCPU halt: QEMU's manual, -overcommit cpu-pm.
static void add_power(struct argv_build *b)
{
	if (!b->profile->host.cpu_pm)
		return;
	if (!b->kvm) {
		diag_hint(argv_host_error(b, "cpu-pm", "host", "cpu_pm", "cpu_pm = yes needs KVM (%s)",
					  b->plan->accel_why),
			  "leave `cpu_pm` out of [host]");
		return;
	}
	diag_hint(argv_warn(b, "cpu-pm-busy", "host", "cpu_pm",
			    "cpu_pm = yes: to the host the guest's CPUs are busy even while the guest idles, and "
			    "whatever else wants to run there waits"),
		  "give the guest CPUs of its own, and leave some to the host");
	// else it is one option with mem-lock (memory.c)
	if (b->profile->memory.lock != TRI_YES)
		argv_add(b, "-overcommit", "cpu-pm=on");
}

void argv_cpu(struct argv_build *b)
{
	AUTO_STR struct str cpu = { 0 }, why = { 0 };

	check_count(b);
	add_many(b);
	add_model(b, &cpu, &why);
	add_topology(b, &cpu, &why);
	add_disguise(b, &cpu, &why);
	argv_add_hyperv(b, &cpu, &why);
	add_features(b, &cpu);
	argv_add(b, "-cpu", "%s", str_text(&cpu));
	b->plan->cpu_why = str_take(&why);
	add_smp(b);
	add_power(b);
}
