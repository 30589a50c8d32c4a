// SPDX-License-Identifier: MIT
// A host where all is well, and for each code of `check` what makes it appear: alone, with its severity, its
// evidence and its remedy.
#include "launcher/check/check.h"
#include "launcher/commands/check.h"
#include "launcher/facts/facts.h"
#include "launcher/guest/paths.h"
#include "launcher/plan/plan.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CPUS   "sys/devices/system/cpu/"
#define CGROUP "sys/fs/cgroup/"
#define MODULES "lib/modules/6.1.0/modules.dep = kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko"
#define TYPE1  "\\nkernel/drivers/vfio/vfio_iommu_type1.ko:\n"
#define GPU    "pci 0000:06:00.0 10de:13c2 030000 driver=vfio-pci group=13 reset=bus\n"
#define GIB    (UINT64_C(1) << 30)

static const char well[] =
	CPUS "online = 0-7\n" CPUS "present = 0-7\n" CPUS "isolated =\n"
	"proc/cpuinfo = vendor_id : GenuineIntel\\nmodel name : Made up\\nflags : fpu vmx\n"
	"proc/self/status = Cpus_allowed_list: 0-7\n"
	"proc/meminfo = MemTotal: 33554432 kB\\nMemFree: 25165824 kB\\nMemAvailable: 25165824 kB\\nSwapTotal: 0 kB\n"
	"sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages = 512\n"
	"sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages = 500\n"
	"sys/kernel/mm/transparent_hugepage/enabled = always [madvise] never\n"
	"sys/kernel/mm/ksm/run = 0\n"
	"proc/sys/kernel/osrelease = 6.1.0\n"
	"proc/cmdline = root=/dev/sda1 quiet\n"
	"etc/os-release = ID=debian\n"
	"sys/devices/system/clocksource/clocksource0/current_clocksource = tsc\n"
	"proc/interrupts = \\x20 CPU0\\n  1: 9 IR-IO-APIC 1-edge i8042\n"
	"proc/1/comm = systemd\n"
	"run/systemd/seats/\n" "run/dbus/system_bus_socket =\n"
	"dev/kvm =\n" "sys/module/kvm/\n"
	CGROUP "cgroup.controllers = cpuset cpu io memory\n" CGROUP "cgroup.subtree_control = cpu memory\n"
	CGROUP "cpuset.cpus.effective = 0-7\n"
	"sys/firmware/acpi/tables/DMAR =\n"
	MODULES TYPE1
	"usr/share/OVMF/OVMF_CODE_4M.fd =\n" "usr/share/OVMF/OVMF_VARS_4M.fd =\n"
	"pci 0000:00:00.0 8086:0158 060000 group=0\n"
	"pci 0000:00:02.0 8086:0412 030000 driver=i915 group=1 boot_vga=1\n"
	GPU;

static struct paths paths = {
	.run_base = (char *)"/run/vfiorun",
	.state_base = (char *)"/var/lib/vfiorun",
	.log_dir = (char *)"/var/log/vfiorun",
	.config_dir = (char *)"/etc/vfiorun",
	.cache_dir = (char *)"/var/cache/vfiorun",
};

struct judged {
	struct profile profile;
	struct facts facts;
	struct plan plan;
	struct diags diags;
	struct findings findings;
};

// All lines but those that begin so; NULL: all.
static char *lines_without(const char *text, const char *start)
{
	struct str out = { 0 };

	for (size_t n; *text; text += n) {
		n = strcspn(text, "\n");
		n += text[n] == '\n';
		if (!start || !str_starts(text, start))
			str_addn(&out, text, n);
	}
	return str_take(&out);
}

static void know_qemu(struct qemu_caps *caps)
{
	AUTO_STR struct str text = { 0 };

	assert_int_equal(io_read_file(AT_FDCWD, "tests/qemu/qemu-7.2.caps", &text, 1 << 20, NULL), 0);
	assert_int_equal(qemu_caps_parse(text.text, caps, NULL), 0);
	qemu_caps_drop(caps, "no-accel/");
	qemu_caps_add(caps, "accel/kvm/host");
	qemu_caps_sort(caps);
}

// As if it were this machine, and we its root.
static void live(struct facts *facts)
{
	facts->live = facts->openings.known = true;
	facts->vfiorun = (struct account){ mem_dup("vfiorun"), 990, 990, true };
	facts->self = (struct account){ mem_dup("root"), 0, 0, true };
	facts->memlock_hard = 8 << 20;
}

static void judged_finish(struct judged *j)
{
	findings_finish(&j->findings);
	plan_finish(&j->plan);
	diags_finish(&j->diags);
	facts_finish(&j->facts);
	profile_finish(&j->profile);
}

#define AUTO_JUDGED CLEANUP(judged_finish)

static void read_facts(const char *without, const char *more, struct judged *j)
{
	const struct facts_options options = { .paths = &paths, .everything = true };
	AUTO_FREE char *kept = lines_without(well, without), *manifest = mem_printf("%s%s", kept, more ? more : "");
	struct root root = ROOT_CLOSED;
	char dir[256];

	assert_int_equal(tree_make(manifest, dir, sizeof(dir)), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	assert_int_equal(facts_read(&root, &j->profile, &options, &j->facts, NULL), 0);
	root_finish(&root);
	tree_remove(dir);
	know_qemu(&j->facts.qemu);
}

// profile NULL: the host as such. `spoil` has the last word about the facts.
static void judge(const char *profile, const char *without, const char *more, void (*spoil)(struct facts *),
		  struct judged *j)
{
	const struct plan_options options = { 0 };
	struct check_input input = { .facts = &j->facts };

	profile_parse(&j->profile, "/g.conf", profile ? profile : "", &j->diags);
	if (profile)
		assert_int_equal(j->diags.count, 0);
	read_facts(without, more, j);
	if (spoil)
		spoil(&j->facts);
	if (profile) {
		plan_make(&j->profile, &j->facts, &options, &j->plan, &j->diags);
		input = (struct check_input){ &j->facts, &j->profile, &j->plan, &j->diags };
	}
	findings_make(&input, &j->findings);
}

static const struct finding *find(const struct judged *j, const char *code)
{
	for (size_t i = 0; i < j->findings.count; i++) {
		if (strcmp(j->findings.items[i].code, code) == 0)
			return &j->findings.items[i];
	}
	return NULL;
}

static void show(const struct judged *j)
{
	AUTO_STR struct str text = { 0 };

	findings_print_text(&j->findings, false, false, &text);
	fputs(text.text, stderr);
}

// Nothing but these codes is anything but well.
static void expect_others_well(const struct judged *j, const char *codes)
{
	AUTO_STRV struct strv list = { 0 };

	strv_split(&list, codes, " ");
	for (size_t i = 0; i < j->findings.count; i++) {
		const struct finding *finding = &j->findings.items[i];

		if (finding->severity != SEVERITY_OK && !strv_has(&list, finding->code)) {
			show(j);
			fail_msg("%s is %s", finding->code, severity_name(finding->severity));
		}
	}
}

static void expect(const struct judged *j, const char *code, enum severity severity, const char *evidence,
		   const char *remedy)
{
	const struct finding *finding = find(j, code);

	if (!finding || finding->severity != severity || !strstr(finding->evidence, evidence) ||
	    (remedy && (!finding->remedy || !strstr(finding->remedy, remedy)))) {
		show(j);
		fail_msg("%s is not %s with `%s` and `%s`", code, severity_name(severity), evidence,
			 remedy ? remedy : "");
	}
}

// --- the host as such

static void all_is_well(void **state)
{
	AUTO_JUDGED struct judged j = { 0 };
	const char *codes;

	(void)state;
	judge(NULL, NULL, NULL, live, &j);
	expect_others_well(&j, "");
	// a row each, but for the one that only a profile has, and what is for users
	for (size_t row = 0; (codes = check_codes(row)); row++) {
		bool there = false;

		for (size_t i = 0; i < j.findings.count; i++) {
			AUTO_STRV struct strv list = { 0 };

			strv_split(&list, codes, " ");
			there |= strv_has(&list, j.findings.items[i].code);
		}
		if (there == (str_eq(codes, "refused") || str_starts(codes, "vfio-")))
			fail_msg("%s: %s", codes, there ? "there" : "missing");
	}
}

static void as_user(struct facts *facts)
{
	live(facts);
	facts->root = facts->can_nice = facts->can_net = facts->can_vhost = false;
	mem_set(&facts->self.name, "ann");
	facts->self.uid = facts->self.gid = 1000;
}

static void without_kvm(struct facts *facts)
{
	live(facts);
	facts->openings.kvm = ENOENT;
}

static void without_kvm_module(struct facts *facts)
{
	without_kvm(facts);
	facts->system.kvm_present = false;
}

static void with_kvm_closed(struct facts *facts)
{
	as_user(facts);
	facts->openings.kvm = EACCES;
}

static void with_kvm_refused(struct facts *facts)
{
	live(facts);
	qemu_caps_drop(&facts->qemu, "accel/kvm/host");
	qemu_caps_add(&facts->qemu, "no-accel/kvm/host/Device or resource busy");
	qemu_caps_sort(&facts->qemu);
}

static void without_qemu(struct facts *facts)
{
	live(facts);
	qemu_caps_finish(&facts->qemu);
	facts->qemu_error = mem_dup("there is no qemu-system-x86_64 in /usr/bin");
	facts->qemu_hint = mem_dup("apt install qemu-system-x86");
}

static void without_qemu_vfio(struct facts *facts)
{
	live(facts);
	qemu_caps_drop(&facts->qemu, "device/vfio-pci");
}

static void with_stuck(struct facts *facts)
{
	live(facts);
	facts->pci.items[2].detail.stuck = true;
}

static void with_dead_guest(struct facts *facts)
{
	live(facts);
	strv_add(&facts->openings.dead, "win11");
}

static void with_orphan(struct facts *facts)
{
	live(facts);
	strv_add(&facts->openings.orphans, "win11");
}

static void without_uinput(struct facts *facts)
{
	live(facts);
	facts->uinput_error = ENOENT;
}

static void with_closed_input(struct facts *facts)
{
	live(facts);
	strv_add(&facts->openings.inputs, "/dev/input/event3 (keyboard)");
}

static void without_run_dir(struct facts *facts)
{
	live(facts);
	facts->openings.run_error = mem_dup("no directory for run state");
	facts->openings.run_hint = mem_dup("set XDG_RUNTIME_DIR");
}

static void without_vfiorun_user(struct facts *facts)
{
	live(facts);
	facts->vfiorun.found = false;
}

static void with_vfio_closed(struct facts *facts)
{
	as_user(facts);
	facts->openings.vfio = EACCES;
}

static void with_vfio_missing(struct facts *facts)
{
	as_user(facts);
	facts->openings.vfio = ENOENT;
}

// What an ordinary user is told on any host.
#define USER "not-root no-realtime no-partition memlock"

static const struct trouble {
	const char *code;
	enum severity severity;
	const char *evidence, *remedy;
	const char *without, *more;
	void (*spoil)(struct facts *facts);
	const char *others; // codes that come along
} troubles[] = {
	{ "iommu-off", SEVERITY_ERROR, "off, though the firmware describes one",
	  "intel_iommu=on iommu=pt` to GRUB_CMDLINE_LINUX_DEFAULT", "pci ",
	  "sys/kernel/iommu_groups/\npci 0000:00:02.0 8086:0412 030000 driver=i915\n"
	  "pci 0000:06:00.0 10de:13c2 030000 driver=vfio-pci\n", live, "" },
	{ "no-interrupt-remapping", SEVERITY_ERROR, "not remapped", "allow_unsafe_interrupts=1", "proc/interrupts",
	  "proc/interrupts = \\x20 CPU0\\n  1: 9 IO-APIC 1-edge i8042\n", live, "" },
	{ "no-interrupt-remapping", SEVERITY_WARNING, "allow_unsafe_interrupts is set", "", "proc/interrupts",
	  "proc/interrupts = \\x20 CPU0\\n  1: 9 IO-APIC 1-edge i8042\n"
	  "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts = Y\n", live, "" },
	{ "no-interrupt-remapping", SEVERITY_ERROR, "the kernel line turns that off", "take intremap=off",
	  "proc/interrupts", "proc/interrupts = \\x20 CPU0\\n  1: 9 IO-APIC 1-edge i8042\n"
			     "proc/cmdline = quiet intremap=off\n", live, "" },
	{ "no-interrupt-remapping", SEVERITY_UNKNOWN, "can't be seen", NULL, "proc/interrupts", NULL, live, "" },
	{ "acs-override", SEVERITY_WARNING, "pcie_acs_override=downstream is in force", "give no guest", NULL,
	  "proc/cmdline = pcie_acs_override=downstream\nproc/kallsyms = 0 t pcie_acs_override_setup\n", live, "" },
	{ "acs-override", SEVERITY_UNKNOWN, "can't be seen", NULL, "proc/cmdline", NULL, NULL,
	  "isolated-cpus" },
	{ "acs-override-unknown", SEVERITY_WARNING, "lacks the patch", "linux-zen", NULL,
	  "proc/cmdline = pcie_acs_override=downstream\nproc/kallsyms = 0 t other\n", live, "" },
	{ "no-vfio-pci", SEVERITY_ERROR, "this kernel (6.1.0) has no such module", "reboot", "pci 0000:06",
	  "pci 0000:06:00.0 10de:13c2 030000 group=13\n"
	  "lib/modules/6.1.0/modules.dep = kernel/drivers/vfio/vfio_iommu_type1.ko:\n", live, "only-gpu" },
	{ "no-vfio-iommu", SEVERITY_ERROR, "has no such module", "CONFIG_VFIO_IOMMU_TYPE1", "lib/modules",
	  MODULES "\n", live, "" },
	{ "vfio-container", SEVERITY_WARNING, "ann can't open /dev/vfio/vfio: Permission denied",
	  "chmod 666", NULL, NULL, with_vfio_closed, USER },
	{ "vfio-container", SEVERITY_WARNING, "No such file", "modprobe vfio-pci", NULL, NULL,
	  with_vfio_missing, USER },
	{ "vfio-container", SEVERITY_OK, "can be opened", NULL, NULL, NULL, as_user, USER },
	{ "memlock", SEVERITY_WARNING, "ann may lock 8M", "ann - memlock 9437184` into", NULL, NULL, as_user, USER },
	{ "pci-stuck", SEVERITY_ERROR, "blocks in the kernel", "vfiorun revert", NULL, NULL, with_stuck, "" },
	{ "pci-dead", SEVERITY_WARNING, "does not answer", "suspend", NULL,
	  "pci 0000:07:00.0 10de:13c2 030000 group=14 dead=1\n", live, "" },
	{ "only-gpu", SEVERITY_INFO, "the only graphics card", "single-gpu.conf", "pci 0000:06", NULL, live, "" },
	{ "no-gpu", SEVERITY_INFO, "none", NULL, "pci ", "pci 0000:00:00.0 8086:0158 060000 group=0\n", live,
	  "" },
	{ "kvm-unsupported", SEVERITY_ERROR, "neither vmx nor svm", "VT-x, SVM", "proc/cpuinfo",
	  "proc/cpuinfo = vendor_id : GenuineIntel\\nflags : fpu\n", without_kvm, "" },
	{ "kvm-unsupported", SEVERITY_ERROR, "neither vmx nor svm", "nested", "proc/cpuinfo",
	  "proc/cpuinfo = vendor_id : GenuineIntel\\nflags : fpu hypervisor\n", without_kvm, "" },
	{ "kvm-not-loaded", SEVERITY_ERROR, "there is no /dev/kvm", "modprobe kvm_intel", NULL, NULL, without_kvm, "" },
	{ "kvm-not-loaded", SEVERITY_ERROR, "kvm_amd is not loaded", "modprobe kvm_amd", "proc/cpuinfo",
	  "proc/cpuinfo = vendor_id : AuthenticAMD\\nflags : fpu svm\n", without_kvm_module, "" },
	{ "kvm-rights", SEVERITY_ERROR, "ann can't open /dev/kvm", "usermod -aG kvm ann", NULL, NULL, with_kvm_closed,
	  USER },
	{ "kvm-unusable", SEVERITY_ERROR, "Device or resource busy", "hypervisor", NULL, NULL, with_kvm_refused, "" },
	{ "no-qemu", SEVERITY_ERROR, "there is no qemu-system-x86_64", "apt install qemu-system-x86", NULL, NULL,
	  without_qemu, "" },
	{ "no-vfio", SEVERITY_ERROR, "without the device vfio-pci", "[vm] qemu", NULL, NULL, without_qemu_vfio, "" },
	{ "no-firmware", SEVERITY_WARNING, "no OVMF", "apt install ovmf", "usr/share/OVMF",
	  "usr/share/x =\n", live, "" },
	{ "no-partition", SEVERITY_WARNING, "not mounted as v2", "systemd.unified_cgroup_hierarchy=1` to GRUB", CGROUP,
	  "run/systemd/system/\n", live, "" },
	{ "no-partition", SEVERITY_WARNING, "a container", "the host itself", NULL,
	  CGROUP "cgroup.type = domain\n", live, "" },
	{ "no-partition", SEVERITY_WARNING, "cpuset controller is not", "cgroup_no_v1=cpuset", NULL,
	  CGROUP "cgroup.controllers = cpu\n", live, "" },
	{ "no-partition", SEVERITY_INFO, "takes root", "root", NULL, NULL, as_user, USER },
	{ "isolated-cpus", SEVERITY_INFO, "isolated: 2-5; without a tick: 4", NULL, NULL,
	  CPUS "isolated = 2-5\n" CPUS "nohz_full = 4\n", live, "" },
	{ "scheduler-foreign", SEVERITY_WARNING, "sched_ext (lavd)", "stop that scheduler", NULL,
	  "sys/kernel/sched_ext/state = enabled\nsys/kernel/sched_ext/root/ops = lavd\n", live, "" },
	{ "scheduler-foreign", SEVERITY_WARNING, "MuQSS", "boot a kernel", NULL,
	  "proc/sys/kernel/yield_type = 1\nproc/sys/kernel/interactive = 1\n", live, "" },
	{ "clock-slow", SEVERITY_WARNING, "hpet", "tsc=reliable", NULL,
	  "sys/devices/system/clocksource/clocksource0/current_clocksource = hpet\n", live, "" },
	{ "host-rival", SEVERITY_INFO, "process 700", "tuned-adm off", NULL, "proc/700/comm = tuned\n", live, "" },
	{ "host-rival", SEVERITY_INFO, "process 701", "powerprofilesctl", NULL,
	  "proc/701/comm = power-profiles-\n", live, "" },
	{ "host-rival", SEVERITY_UNKNOWN, "can't be seen", NULL, "proc/1/", NULL, live, "irqbalance" },
	{ "irqbalance", SEVERITY_UNKNOWN, "can't be seen", "as root", "proc/1/", NULL, as_user, USER " host-rival" },
	{ "irqbalance", SEVERITY_WARNING, "process 702", "systemctl stop irqbalance", NULL,
	  "proc/702/comm = irqbalance\n", live, "" },
	{ "irqbalance", SEVERITY_OK, "has a socket", NULL, NULL,
	  "proc/702/comm = irqbalance\nrun/irqbalance/irqbalance702.sock =\n", live, "" },
	{ "no-hugepages", SEVERITY_WARNING, "no pools", "CONFIG_HUGETLBFS", "sys/kernel/mm/hugepages", NULL, live, "" },
	{ "no-hugepages", SEVERITY_OK, "2M: 512, 500 free", NULL, NULL, NULL, live, "" },
	{ "thp-never", SEVERITY_WARNING, "never", "transparent_hugepage=madvise", NULL,
	  "sys/kernel/mm/transparent_hugepage/enabled = always madvise [never]\n", live, "" },
	{ "memory-ksm", SEVERITY_WARNING, "merges", "systemctl stop ksm", NULL,
	  "sys/kernel/mm/ksm/run = 1\n", live, "" },
	{ "memory-swap", SEVERITY_INFO, "8G", "lock = yes", "proc/meminfo",
	  "proc/meminfo = MemTotal: 33554432 kB\\nSwapTotal: 8388608 kB\n", live, "" },
	{ "not-root", SEVERITY_INFO, "ann is not root", "sudo", NULL, NULL, as_user, USER },
	{ "user-nobody", SEVERITY_WARNING, "no user `vfiorun`", "useradd", NULL, NULL, without_vfiorun_user, "" },
	{ "no-run-dir", SEVERITY_ERROR, "no directory", "XDG_RUNTIME_DIR", NULL, NULL, without_run_dir, "" },
	{ "no-realtime", SEVERITY_INFO, "ann may not", "rtprio", NULL, NULL, as_user, USER },
	{ "no-uinput", SEVERITY_WARNING, "No such file", "modprobe uinput", NULL, NULL, without_uinput, "" },
	{ "input-rights", SEVERITY_WARNING, "event3", "usermod -aG input", NULL, NULL, with_closed_input, "" },
	{ "no-logind", SEVERITY_INFO, "no logind", NULL, "run/", NULL, live, "" },
	{ "guest-dead", SEVERITY_WARNING, "not undone", "vfiorun revert win11", NULL, NULL, with_dead_guest, "" },
	{ "guest-orphan", SEVERITY_WARNING, "keeper died", "vfiorun adopt win11", NULL, NULL, with_orphan, "" },
};

static void each_trouble(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(troubles); i++) {
		const struct trouble *t = &troubles[i];
		AUTO_JUDGED struct judged j = { 0 };
		AUTO_FREE char *codes = mem_printf("%s %s", t->code, t->others);

		judge(NULL, t->without, t->more, t->spoil, &j);
		expect(&j, t->code, t->severity, t->evidence, t->remedy);
		expect_others_well(&j, codes);
	}
}

static void each_code_has_its_trouble(void **state)
{
	AUTO_STRV struct strv of_profiles = { 0 };
	const char *codes;

	(void)state;
	strv_split(&of_profiles, "refused guest-running vfio-rights", " ");
	for (size_t row = 0; (codes = check_codes(row)); row++) {
		AUTO_STRV struct strv list = { 0 };

		strv_split(&list, codes, " ");
		for (size_t i = 0; i < list.count; i++) {
			// these a profile has, below
			bool there = strv_has(&of_profiles, list.items[i]);

			for (size_t k = 0; k < ARRAY_SIZE(troubles); k++)
				there |= str_eq(troubles[k].code, list.items[i]) && troubles[k].severity != SEVERITY_OK;
			if (!there)
				fail_msg("nothing makes %s appear", list.items[i]);
		}
	}
}

// Of a machine that tells nothing nothing is claimed to be well that can't be known.
static void nothing_known(void **state)
{
	AUTO_JUDGED struct judged j = { 0 };

	(void)state;
	judge(NULL, "", CPUS "online = 0-1\n", NULL, &j);
	expect(&j, "iommu-off", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "no-vfio-pci", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "no-vfio-iommu", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "pci-stuck", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "only-gpu", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "kvm-unsupported", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "no-firmware", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "no-partition", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "clock-slow", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "host-rival", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "irqbalance", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "no-hugepages", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "thp-never", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "memory-ksm", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "memory-swap", SEVERITY_UNKNOWN, "", NULL);
	expect(&j, "isolated-cpus", SEVERITY_UNKNOWN, "", NULL);
	assert_int_equal(findings_count(&j.findings, SEVERITY_ERROR), 0);
	assert_null(find(&j, "memlock"));
	assert_null(find(&j, "guest-dead"));
}

// --- with a profile

#define GUEST  "[vm]\nname = g\nmemory = 2G\n[cpu]\nvcpus = 2\n"
#define PASSES GUEST "[pci \"06:00.0\"]\n"

static void guest_can_start(void **state)
{
	AUTO_JUDGED struct judged j = { 0 };

	(void)state;
	judge(PASSES, NULL, NULL, live, &j);
	expect(&j, "refused", SEVERITY_OK, "2 vCPUs, 2G, 1 device", NULL);
	expect(&j, "iommu-off", SEVERITY_OK, "", NULL);
	assert_int_equal(findings_count(&j.findings, SEVERITY_ERROR), 0);
}

// What the plan says has its place, and is not said twice.
static void plan_speaks_first(void **state)
{
	AUTO_JUDGED struct judged j = { 0 };
	size_t n = 0;

	(void)state;
	judge(PASSES, "pci ", "sys/kernel/iommu_groups/\npci 0000:00:02.0 8086:0412 030000 driver=i915\n"
			      "pci 0000:06:00.0 10de:13c2 030000 driver=vfio-pci\n", live, &j);
	expect(&j, "iommu-off", SEVERITY_ERROR, "the IOMMU is off", "intel_iommu=on");
	assert_string_equal(find(&j, "iommu-off")->subject, "/g.conf:6");
	for (size_t i = 0; i < j.findings.count; i++)
		n += str_eq(j.findings.items[i].code, "iommu-off");
	assert_int_equal(n, 1);
	assert_null(find(&j, "refused"));
}

// Who passes nothing has no need of an IOMMU, nor of rights to it.
static void only_what_matters(void **state)
{
	AUTO_JUDGED struct judged j = { 0 };

	(void)state;
	judge(GUEST "[vm]\naccel = tcg\n", "pci ", "sys/kernel/iommu_groups/\n", with_vfio_missing, &j);
	assert_int_equal(j.diags.count, 0);
	assert_null(find(&j, "iommu-off"));
	assert_null(find(&j, "vfio-container"));
	assert_null(find(&j, "memlock"));
	assert_null(find(&j, "no-uinput"));
	expect(&j, "refused", SEVERITY_OK, "0 devices", NULL);
}

// No plan knows of it, but nothing starts without.
static void host_warns_and_stops(void **state)
{
	AUTO_JUDGED struct judged j = { 0 }, k = { 0 };

	(void)state;
	judge(PASSES, "lib/modules", MODULES "\n", live, &j);
	expect(&j, "no-vfio-iommu", SEVERITY_WARNING, "has no such module", NULL);
	judge(GUEST, NULL, NULL, without_run_dir, &k);
	expect(&k, "no-run-dir", SEVERITY_ERROR, "no directory", NULL);
}

static void with_running(struct facts *facts)
{
	live(facts);
	strv_add(&facts->openings.running, "g");
}

static void guest_runs(void **state)
{
	AUTO_JUDGED struct judged j = { 0 }, host = { 0 };

	(void)state;
	judge(GUEST, NULL, NULL, with_running, &j);
	expect(&j, "guest-running", SEVERITY_WARNING, "runs already", "vfiorun stop g");
	judge(NULL, NULL, NULL, with_running, &host);
	expect(&host, "guest-dead", SEVERITY_OK, "none has left", NULL);
}

static void with_group(struct facts *facts)
{
	as_user(facts);
	facts->vfio.container = true;
	*MEM_PUSH(facts->vfio.groups, facts->vfio.n_groups) = (struct vfio_group){ 13, true };
	facts->memlock_hard = 4 * GIB;
}

static void with_closed_group(struct facts *facts)
{
	with_group(facts);
	facts->vfio.groups[0].usable = false;
	facts->memlock_hard = 3 * GIB - 1;
}

static void unbound(struct facts *facts)
{
	as_user(facts);
	facts->vfio.container = true;
	facts->memlock_hard = 3 * GIB;
	mem_set(&facts->pci.items[2].driver, "nouveau");
}

// Every right that a user lacks in one go: each with what grants it.
static void rights_of_a_user(void **state)
{
	AUTO_JUDGED struct judged had = { 0 }, lacking = { 0 }, early = { 0 }, own = { 0 };

	(void)state;
	judge(PASSES, NULL, NULL, with_group, &had);
	expect(&had, "memlock", SEVERITY_OK, "4096M may be locked, 3072M are needed", NULL);
	expect(&had, "vfio-rights", SEVERITY_OK, "", NULL);
	assert_int_equal(findings_count(&had.findings, SEVERITY_ERROR), 0);

	judge(PASSES, NULL, NULL, with_closed_group, &lacking);
	expect(&lacking, "memlock", SEVERITY_ERROR, "3072M is needed, yours is 3071M", "ann - memlock 3145728");
	expect(&lacking, "vfio-rights", SEVERITY_ERROR, "ann can't open /dev/vfio/13", "chown ann /dev/vfio/13;");

	judge(PASSES, NULL, NULL, unbound, &early);
	expect(&early, "pci-needs-root", SEVERITY_ERROR, "has the driver nouveau now", "ids=10de:13c2");
	expect(&early, "memlock", SEVERITY_OK, "", NULL);
	expect(&early, "vfio-container", SEVERITY_OK, "/dev/vfio/vfio", NULL);
	// of a node that is yet to come
	expect(&early, "vfio-rights", SEVERITY_WARNING, "/dev/vfio/13 comes with vfio-pci", "OWNER=\"ann\"");
	judge(PASSES "iommufd = yes\n", NULL, NULL, unbound, &own);
	expect(&own, "vfio-rights", SEVERITY_WARNING, "/dev/vfio/devices/vfioN comes with vfio-pci",
	       "SUBSYSTEM==\"vfio-dev\"");
}

static void container_stops(void **state)
{
	AUTO_JUDGED struct judged j = { 0 };

	(void)state;
	judge(PASSES, NULL, NULL, with_vfio_closed, &j);
	expect(&j, "vfio-container", SEVERITY_ERROR, "ann can't open /dev/vfio/vfio", "chmod 666");
}

// --- how it looks

static const struct finding two[] = {
	{ SEVERITY_OK, "iommu-off", (char *)"IOMMU", (char *)"on, with 9 groups", NULL, NULL },
	{ SEVERITY_WARNING, "clock-slow", (char *)"clock",
	  (char *)"the host tells the time by \x1bhpet, as its TSC was found wanting",
	  (char *)"each look at a clock is slow", (char *)"`dmesg | grep -i tsc` says why" },
};

static const struct findings few = { (struct finding *)two, ARRAY_SIZE(two) };

static void text(void **state)
{
	AUTO_STR struct str all = { 0 }, brief = { 0 }, colour = { 0 };

	(void)state;
	findings_print_text(&few, false, false, &all);
	assert_string_equal(all.text,
			    "ok       IOMMU: on, with 9 groups\n"
			    "warning  clock: the host tells the time by \\x1bhpet, as its TSC was found\n"
			    "         wanting [clock-slow]\n"
			    "         each look at a clock is slow\n"
			    "         -> `dmesg | grep -i tsc` says why\n"
			    "\n"
			    "0 errors, 1 warning, 1 as it should be\n");
	findings_print_text(&few, true, false, &brief);
	assert_true(str_starts(brief.text, "warning  clock:"));
	assert_null(strstr(brief.text, "as it should be"));
	findings_print_text(&few, true, true, &colour);
	assert_true(str_starts(colour.text, "\033[33mwarning\033[0m  clock: the host tells the time by \\x1bhpet, "
					    "as its TSC was found\n"));
}

static void json(void **state)
{
	struct json_object *value = findings_print_json(&few, false), *brief = findings_print_json(&few, true);

	(void)state;
	assert_string_equal(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN),
			    "{\"findings\":[{\"code\":\"iommu-off\",\"severity\":\"ok\",\"subject\":\"IOMMU\","
			    "\"evidence\":\"on, with 9 groups\",\"reason\":\"\",\"remedy\":\"\"},"
			    "{\"code\":\"clock-slow\",\"severity\":\"warning\",\"subject\":\"clock\","
			    "\"evidence\":\"the host tells the time by \\u001bhpet, as its TSC was found wanting\","
			    "\"reason\":\"each look at a clock is slow\","
			    "\"remedy\":\"`dmesg | grep -i tsc` says why\"}]}");
	assert_int_equal(json_object_array_length(json_object_object_get(brief, "findings")), 1);
	json_object_put(value);
	json_object_put(brief);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_well),
		cmocka_unit_test(each_trouble),
		cmocka_unit_test(each_code_has_its_trouble),
		cmocka_unit_test(nothing_known),
		cmocka_unit_test(guest_can_start),
		cmocka_unit_test(plan_speaks_first),
		cmocka_unit_test(only_what_matters),
		cmocka_unit_test(host_warns_and_stops),
		cmocka_unit_test(guest_runs),
		cmocka_unit_test(rights_of_a_user),
		cmocka_unit_test(container_stops),
		cmocka_unit_test(text),
		cmocka_unit_test(json),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
