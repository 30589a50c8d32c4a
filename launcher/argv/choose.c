// SPDX-License-Identifier: MIT
// The choices that come before any option: machine, accelerator, CPU model, irqchip, display.
#include "launcher/argv/argv.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/device.h"

#include <string.h>

static const char *nearest_machine(const struct qemu_caps *caps, const char *name)
{
	AUTO_FREE const char **names = mem_new(caps->words.count + 1, sizeof(*names));
	size_t count = 0;

	for (size_t i = 0; i < caps->words.count; i++) {
		if (str_starts(caps->words.items[i], "machine/pc"))
			names[count++] = caps->words.items[i] + strlen("machine/");
	}
	return str_nearest(name, names, count);
}

static const char *resolve_machine(struct argv_build *b, const char *name)
{
	const struct qemu_caps *caps = &b->facts->qemu;
	AUTO_FREE char *alias = mem_printf("machine-alias/%s/", name);
	const char *versioned = qemu_caps_after(caps, alias);
	const char *near;
	struct diag *diag;

	if (versioned)
		return versioned;
	if (qemu_caps_has(caps, "machine/%s", name))
		return name;
	diag = argv_host_error(b, "machine-unknown", "vm", "machine", "%s has no machine '%s'",
			       b->plan->qemu, name);
	near = nearest_machine(caps, name);
	if (near)
		diag_hint(diag, "machine = %s", near);
	else
		diag_hint(diag, "machine = q35 takes this QEMU's newest");
	return name;
}

static void choose_machine(struct argv_build *b)
{
	const char *name = b->profile->vm.machine;

	b->machine = resolve_machine(b, name ? name : "q35");
	b->q35 = str_starts(b->machine, "pc-q35") || str_eq(b->machine, "q35");
	if (!b->q35 && !str_starts(b->machine, "pc-i440fx") && !str_eq(b->machine, "pc"))
		argv_error(b, "machine-kind", "vm", "machine",
			   "machine '%s' is neither of the q35 nor the pc kind", b->machine);
	if (b->facts->qemu.known &&
	    qemu_caps_has(&b->facts->qemu, "machine-deprecated/%s", b->machine))
		diag_hint(argv_warn(b, "machine-deprecated", "vm", "machine",
				    "machine %s is deprecated: a later QEMU will not have it",
				    b->machine),
			  "machine = q35 takes the newest; a guest sees slightly different "
			  "hardware then");
}

// What stands in the way of KVM with this model, or NULL. Both on the heap; *how says why it is believed
// to work.
static char *kvm_obstacle(const struct facts *facts, const char *model, char **how)
{
	AUTO_FREE char *refused = mem_printf("no-accel/kvm/%s/", model);
	const char *reason = qemu_caps_after(&facts->qemu, refused);

	if (reason)
		return mem_dup(reason);
	if (facts->qemu.known && qemu_caps_has(&facts->qemu, "accel/kvm/%s", model))
		*how = mem_printf("this QEMU answers under it with -cpu %s", model);
	else if (facts->system.kvm_present)
		*how = mem_dup("this host has it; whether QEMU starts under it was not tried");
	else if (facts->cpus.vmx || facts->cpus.svm)
		*how = mem_dup("the CPUs can do it; whether QEMU starts under it was not tried");
	else
		return mem_dup("this host has neither /dev/kvm nor a CPU that shows vmx or svm");
	return NULL;
}

static const struct {
	const char *sign, *remedy;
} kvm_remedies[] = {
	{ "ermission denied",
	  "let the user that QEMU runs as open /dev/kvm: usermod -aG kvm USER" },
	{ "No such file",
	  "modprobe kvm_intel or kvm_amd, with virtualization enabled in the firmware setup" },
	{ "neither /dev/kvm", "enable virtualization (VT-x, SVM) in the firmware setup" },
	{ "busy", "another hypervisor holds the CPU's virtualization: unload its module" },
	{ "", "accel = auto falls back to emulation; another [cpu] model may work" },
};

static const char *kvm_remedy(const char *reason)
{
	size_t i = 0;

	while (!strstr(reason, kvm_remedies[i].sign))
		i++;
	return kvm_remedies[i].remedy;
}

static void choose_accel(struct argv_build *b)
{
	const char *wanted = b->profile->cpu.model, *model = wanted ? wanted : "host";
	AUTO_FREE char *how = NULL, *obstacle = NULL;

	if (b->profile->vm.accel != ACCEL_TCG) {
		obstacle = kvm_obstacle(b->facts, model, &how);
		b->kvm = !obstacle || b->profile->vm.accel == ACCEL_KVM;
	}
	if (b->profile->vm.accel == ACCEL_TCG)
		b->plan->accel_why = mem_dup("asked for");
	else if (!obstacle)
		b->plan->accel_why = take(how);
	else
		b->plan->accel_why = mem_printf("no KVM: %s", obstacle);
	// Without KVM it would not be found either.
	if (obstacle && strstr(obstacle, "unable to find CPU model"))
		diag_hint(argv_host_error(b, "model-unknown", "cpu", "model",
					  "%s knows no CPU model '%s'", b->plan->qemu, model),
			  "%s -cpu help lists them", b->plan->qemu);
	else if (obstacle && b->kvm)
		diag_hint(argv_host_error(b, "kvm-unusable", "vm", "accel", "KVM with -cpu %s: %s",
					  model, obstacle),
			  "%s", kvm_remedy(obstacle));
	b->plan->kvm = b->kvm;
	b->cpu_model = wanted ? wanted : b->kvm ? "host" : "max";
	if (!b->kvm && str_eq(b->cpu_model, "host"))
		diag_hint(argv_host_error(b, "model-needs-kvm", "cpu", "model",
					  "model = host needs KVM (%s)", b->plan->accel_why),
			  "leave model away: it is host under KVM and max under emulation");
}

static void choose_irqchip(struct argv_build *b)
{
	static const char *const words[] = { [IRQCHIP_AUTO] = "on",
					     [IRQCHIP_ON] = "on",
					     [IRQCHIP_SPLIT] = "split",
					     [IRQCHIP_OFF] = "off" };
	enum irqchip wanted = b->profile->cpu.irqchip;
	bool many = b->placement->n_vcpus > XAPIC_VCPUS;

	if (!b->kvm) {
		if (wanted != IRQCHIP_AUTO)
			argv_warn(b, "irqchip-tcg", "cpu", "irqchip",
				  "irqchip is KVM's: emulation has only QEMU's own");
		return;
	}
	b->irqchip = many && wanted == IRQCHIP_AUTO ? "split" : words[wanted];
	if (many && !str_eq(b->irqchip, "split"))
		diag_hint(argv_error(b, "irqchip-vcpus", "cpu", "irqchip",
				     "irqchip = %s takes at most %d vCPUs", b->irqchip,
				     XAPIC_VCPUS),
			  "irqchip = split, or leave it away");
	if (wanted == IRQCHIP_AUTO && str_eq(b->machine, "pc-q35-4.0"))
		argv_warn(b, "irqchip-default", "vm", "machine",
			  "pc-q35-4.0 alone defaults to a split irqchip, which breaks some passed "
			  "devices: kernel-irqchip=%s is given instead",
			  b->irqchip);
	if (wanted == IRQCHIP_OFF)
		argv_warn(b, "irqchip-off", "cpu", "irqchip",
			  "irqchip = off makes every interrupt a trip through QEMU");
}

static bool has_screen(const struct facts *facts)
{
	for (size_t i = 0; i < facts->environment.count; i++) {
		if (str_starts(facts->environment.items[i], "DISPLAY=") ||
		    str_starts(facts->environment.items[i], "WAYLAND_DISPLAY="))
			return true;
	}
	return false;
}

// A window, as the screen and this QEMU's modules permit.
static enum display_type window_or(const struct facts *facts, enum display_type otherwise)
{
	if (!has_screen(facts))
		return otherwise;
	if (qemu_caps_has(&facts->qemu, "display/gtk"))
		return DISPLAY_GTK;
	return qemu_caps_has(&facts->qemu, "display/sdl") ? DISPLAY_SDL : otherwise;
}

static void choose_display(struct argv_build *b)
{
	enum display_type wanted = b->profile->display.type;
	bool window = wanted == DISPLAY_GTK || wanted == DISPLAY_SDL;

	b->display = wanted;
	if (wanted == DISPLAY_INSTALL)
		b->display = b->options->headless ? DISPLAY_VNC : window_or(b->facts, DISPLAY_VNC);
	else if ((b->options->headless && (window || wanted == DISPLAY_AUTO)) ||
		 (wanted == DISPLAY_AUTO && b->gpu))
		b->display = DISPLAY_NONE;
	else if (wanted == DISPLAY_AUTO)
		b->display = window_or(b->facts, DISPLAY_NONE);
	else if (window && b->facts->live && !has_screen(b->facts))
		diag_hint(argv_host_error(b, "no-screen", "display", "type",
					  "a window needs a screen: neither DISPLAY nor "
					  "WAYLAND_DISPLAY is set"),
			  "start it from a desktop (sudo -E keeps the variables), or type = vnc, "
			  "or --headless");
}

void argv_choose(struct argv_build *b)
{
	const struct profile *profile = b->profile;

	b->windows = profile->vm.os == OS_WINDOWS;
	b->secure_boot = profile->firmware.type == FIRMWARE_OVMF_SECUREBOOT;
	b->gpu = plan_passed_gpu(b->facts, b->plan);
	b->needs_shared_memory = profile->memory.share == TRI_YES;
	choose_machine(b);
	choose_accel(b);
	choose_irqchip(b);
	choose_display(b);
}
