// SPDX-License-Identifier: MIT
#include "launcher/argv/argv.h"

#include "base/cleanup.h"

// The same name always gives the same UUID, so that a guest (and Windows' activation) knows its
// machine again. Version 8 of RFC 9562: made up by the application.
static void add_uuid(struct argv_build *b)
{
	const char *name = b->profile->vm.name;
	uint64_t high = str_hash(name, 0), low = str_hash(name, high);

	if (b->profile->vm.uuid) {
		argv_add(b, "-uuid", "%s", b->profile->vm.uuid);
		return;
	}
	high = (high & ~UINT64_C(0xf000)) | UINT64_C(0x8000);
	low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
	argv_add(b, "-uuid", "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
		 (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
		 (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

static void add_machine(struct argv_build *b)
{
	AUTO_FREE char *machine = argv_escape(b->machine);
	AUTO_STR struct str options = { 0 };

	if (b->irqchip)
		str_addf(&options, ",kernel-irqchip=%s", b->irqchip);
	// Only secure boot wants SMM: firmware.c adds smm=on where the image needs it.
	if (!b->secure_boot)
		str_add(&options, ",smm=off");
	// Windows reads the HPET often, and each read is an exit; it does well without.
	if (b->windows && qemu_caps_has(&b->facts->qemu, "property/%s/hpet", b->q35 ? "q35" : "pc"))
		str_add(&options, ",hpet=off");
	argv_add(b, "-machine", "%s,vmport=off,dump-guest-core=off,mem-merge=off%s", machine,
		 str_text(&options));
}

// A vCPU each on a thread of its own under TCG too: else there is nothing to pin.
static void add_accel(struct argv_build *b)
{
	argv_add(b, "-accel", "%s", b->kvm ? "kvm" : "tcg,thread=multi");
}

static void add_clock(struct argv_build *b)
{
	argv_add(b, "-rtc", "base=%s,driftfix=slew", b->windows ? "localtime" : "utc");
	// Only the PIT that is in the kernel has this policy: with split it is QEMU's.
	if (str_eq(b->irqchip, "on"))
		argv_add(b, "-global", "kvm-pit.lost_tick_policy=delay");
}

// A guest that sleeps in S3 or S4 takes passed devices with it and is not what "running" means to
// us.
static void add_no_sleep(struct argv_build *b)
{
	const char *bridge = b->q35 ? "ICH9-LPC" : "PIIX4_PM";

	argv_add(b, "-global", "%s.disable_s3=1", bridge);
	argv_add(b, "-global", "%s.disable_s4=1", bridge);
}

static void add_process(struct argv_build *b)
{
	const struct qemu_caps *caps = &b->facts->qemu;

	argv_add_flag(b, "-S");
	argv_add_flag(b, "-nodefaults");
	argv_add_flag(b, "-no-user-config");
	argv_add(b, "-msg", "timestamp=on");
	if (qemu_caps_has(caps, "option/sandbox/enable"))
		argv_add(b, "-sandbox",
			 "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	else
		argv_warn(b, "no-sandbox", "vm", "qemu",
			  "%s was built without seccomp: it runs without -sandbox", b->plan->qemu);
	// After a panic the guest's own setting decides (reboot, dump, halt); the event is reported
	// all the same.
	if (qemu_caps_has(caps, "option/action/panic"))
		argv_add(b, "-action", "panic=none");
}

void argv_machine(struct argv_build *b)
{
	AUTO_FREE char *name = argv_escape(b->profile->vm.name);
	bool threads = qemu_caps_has(&b->facts->qemu, "option/name/debug-threads");

	argv_add_flag(b, b->plan->qemu);
	argv_add(b, "-name", "guest=%s%s", name, threads ? ",debug-threads=on" : "");
	add_uuid(b);
	add_process(b);
	add_machine(b);
	add_accel(b);
	add_clock(b);
	add_no_sleep(b);
}
