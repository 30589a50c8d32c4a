// SPDX-License-Identifier: MIT
// What a right profile becomes: typed values, defaults, places, --set.
#include "launcher/profile/profile.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/profile/keys.h"
#include "launcher/profile/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "[vm]\nname = x\nmemory = 1G\n"

static void expect_silence(const struct diags *diags)
{
	AUTO_STR struct str all = { 0 };

	for (size_t i = 0; i < diags->count; i++)
		diag_print(&diags->items[i], &all);
	if (all.len)
		fail_msg("\n%s", all.text);
}

// A profile from text that must please in every way.
static void parse(struct profile *profile, const char *text)
{
	struct diags diags = { 0 };

	profile_parse(profile, "/p/x.conf", text, &diags);
	expect_silence(&diags);
	diags_finish(&diags);
}

static void parse_sets(struct profile *profile, struct diags *diags, const char *text,
		       const char *const *sets)
{
	struct profile_reader reader;

	reader_init(&reader, profile, diags);
	profile->path = mem_dup("/p/x.conf");
	reader_read_text(&reader, "/p/x.conf", "/p/x.conf", text, strlen(text));
	for (int i = 0; sets[i]; i++)
		reader_read_set(&reader, sets[i], i + 1, "/cwd");
	reader_finish(&reader);
}

static void expect_list(const struct strv *list, const char *joined)
{
	AUTO_STR struct str all = { 0 };

	for (size_t i = 0; i < list->count; i++)
		str_addf(&all, "%s%s", i ? "|" : "", list->items[i]);
	assert_string_equal(str_text(&all), joined);
}

static void expect_set(const struct cpuset *set, const char *list)
{
	AUTO_FREE char *text = cpuset_text(set);

	assert_string_equal(text, list);
}

static void expect_defaults(const struct profile *profile)
{
	assert_null(profile->vm.machine);
	assert_int_equal(profile->vm.accel, ACCEL_AUTO);
	assert_int_equal(profile->vm.os, OS_OTHER);
	assert_int_equal(profile->vm.shutdown_timeout, 60);
	assert_int_equal(profile->vm.operators.count, 0);
	assert_int_equal(profile->firmware.type, FIRMWARE_OVMF);
	assert_false(profile->firmware.type_set);
	assert_int_equal(profile->cpu.vcpus, 0);
	assert_int_equal(profile->cpu.iothreads, -1);
	assert_int_equal(profile->cpu.pin.mode, CPUS_AUTO);
	assert_null(profile->cpu.pin.vcpus);
	assert_int_equal(profile->cpu.emulator.mode, CPUS_AUTO);
	assert_int_equal(profile->cpu.hyperv.mode, HYPERV_AUTO);
	assert_false(profile->cpu.scheduler.set);
	assert_int_equal(profile->memory.nodes.mode, CPUS_AUTO);
	assert_int_equal(profile->host.min_freq, -1);
	assert_int_equal(profile->host.latency, -1);
	assert_int_equal(profile->host.halt_poll_ns, -1);
	assert_int_equal(profile->display.type, DISPLAY_AUTO);
	assert_int_equal(profile->hooks.timeout, 30);
}

static void test_minimal(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile, "[vm]\nname = demo\nmemory = 512M\n\n[cpu]\nvcpus = 2\n");
	assert_string_equal(profile.vm.name, "demo");
	assert_int_equal(profile.vm.memory, 512 << 20);
	assert_int_equal(profile.cpu.vcpus, 2);
	profile.cpu.vcpus = 0;
	expect_defaults(&profile);
	assert_int_equal(profile.n_disks + profile.n_cdroms + profile.n_nets, 0);
	profile_finish(&profile);
}

// What a key's default is stands in one place; an empty value leads back to it.
static void test_empty_clears(void **state)
{
	struct profile profile;
	size_t n;
	const struct profile_key *rows = profile_keys(&n);
	AUTO_STR struct str text = { 0 };

	(void)state;
	str_add(&text,
		"[vm]\nname = y\nmemory = 1G\nmachine = pc\naccel = tcg\nos = linux\nshutdown_timeout = 5\n"
		"operators = joe\n[firmware]\ntype = seabios\n[cpu]\nvcpus = 3\niothreads = 3\npin = 1,2,3\n"
		"emulator = 0\nhyperv = relaxed\nscheduler = rr:1\nfeatures = +a\n[memory]\nnodes = 0\n"
		"[host]\nmin_freq = 2GHz\nlatency = 5\nhalt_poll_ns = 7\n[display]\ntype = vnc\n"
		"[hooks]\nbefore = /bin/true a\ntimeout = 3\n[qemu]\narg = -S\n");
	for (size_t i = 0; i < n; i++) {
		if (!profile_section_find(rows[i].section)->find)
			str_addf(&text, "[%s]\n%s =\n", rows[i].section, rows[i].key);
	}
	str_add(&text, "[vm]\nmemory = 1G\n");
	parse(&profile, text.text);
	expect_defaults(&profile);
	assert_string_equal(profile.vm.name, "x");
	assert_int_equal(profile.cpu.features.count, 0);
	assert_int_equal(profile.hooks.before.count, 0);
	assert_int_equal(profile.qemu.args.count, 0);
	assert_false(profile_has(&profile, "cpu", NULL, "pin"));
	assert_true(profile_has(&profile, "vm", NULL, "memory"));
	profile_finish(&profile);
}

static void test_layout(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile,
	      "\xef\xbb\xbf# a mark, Windows line ends, blanks, a missing last newline\r\n"
	      "  [vm]\t\r\nname=x\r\n\tmemory\t=  1.5G  \r\n; another comment\r\n\r\n"
	      "  # indented\r\n[ net   \"lan\" ]\r\nmodel = E1000E\r\n[boot]\r\nkernel = a=b\r\ncmdline = a=b  c#d;e");
	assert_int_equal(profile.vm.memory, 1536 << 20);
	assert_string_equal(profile.nets[0].title, "lan");
	assert_string_equal(profile.nets[0].model, "e1000e");
	assert_string_equal(profile.boot.kernel, "/p/a=b");
	assert_string_equal(profile.boot.cmdline, "a=b  c#d;e");
	profile_finish(&profile);
}

static void test_sections_merge(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile,
	      "[disk \"a\"]\nfile = 1\n[vm]\nname = x\n[disk \"b\"]\nfile = 2\n[vm]\nmemory = 1G\n"
	      "[disk \"a\"]\nbus = scsi\nfile = 3\n");
	assert_int_equal(profile.n_disks, 2);
	assert_string_equal(profile.disks[0].title, "a");
	assert_string_equal(profile.disks[0].file, "/p/3");
	assert_int_equal(profile.disks[0].bus, DISK_SCSI);
	assert_string_equal(profile.disks[1].file, "/p/2");
	assert_int_equal(profile.disks[1].bus, DISK_VIRTIO);
	profile_finish(&profile);
}

static void test_name_from_file(void **state)
{
	struct profile profile;
	struct diags diags = { 0 };

	(void)state;
	profile_parse(&profile, "dir/win-11.conf", "[vm]\nmemory = 1G\n", &diags);
	expect_silence(&diags);
	assert_string_equal(profile.vm.name, "win-11");
	profile_finish(&profile);
	profile_parse(&profile, "dir/my guest.conf", "[vm]\nmemory = 1G\n", &diags);
	assert_int_equal(diags.count, 1);
	assert_null(profile.vm.name);
	assert_non_null(strstr(diags.items[0].text, "no name"));
	profile_finish(&profile);
	diags_finish(&diags);
}

static void test_vm(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile,
	      HEAD "machine = pc-q35-rhel9.2.0\naccel = KVM\nos = windows\nqemu = /opt//q/./qemu\n"
		   "uuid = 01234567-89AB-cdef-0123-456789abcdef\nuser = joe\noperators = a, b\n"
		   "operators = c a\nshutdown_timeout = 120\n");
	assert_string_equal(profile.vm.machine, "pc-q35-rhel9.2.0");
	assert_int_equal(profile.vm.accel, ACCEL_KVM);
	assert_int_equal(profile.vm.os, OS_WINDOWS);
	assert_string_equal(profile.vm.qemu, "/opt/q/qemu");
	assert_string_equal(profile.vm.uuid, "01234567-89ab-cdef-0123-456789abcdef");
	assert_string_equal(profile.vm.user, "joe");
	expect_list(&profile.vm.operators, "a|b|c");
	assert_int_equal(profile.vm.shutdown_timeout, 120);
	profile_finish(&profile);
}

static void test_firmware_and_boot(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile, HEAD
	      "[firmware]\ntype = ovmf-secureboot\ncode = c.fd\nvars = ../v.fd\ntemplate = /t.fd\n"
	      "[boot]\nkernel = ./k\ninitrd = i\ncmdline = console=ttyS0 x=\"a b\"\norder = cdrom disk, net\n");
	assert_int_equal(profile.firmware.type, FIRMWARE_OVMF_SECUREBOOT);
	assert_true(profile.firmware.type_set);
	assert_string_equal(profile.firmware.code, "/p/c.fd");
	assert_string_equal(profile.firmware.vars, "/p/../v.fd");
	assert_string_equal(profile.firmware.template, "/t.fd");
	assert_string_equal(profile.boot.kernel, "/p/k");
	assert_string_equal(profile.boot.cmdline, "console=ttyS0 x=\"a b\"");
	expect_list(&profile.boot.order, "cdrom|disk|net");
	profile_finish(&profile);
}

static void test_cpu(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile, HEAD
	      "[cpu]\nvcpus = 8\nsockets = 1\ncores = 4\nthreads = 2\nmodel = Skylake-Client-v1\n"
	      "features = topoext, -svm\nfeatures = +sse4.2 l3-cache=on\nemulator = 0-1,6\niothreads = 2\n"
	      "iothread_pin = none\nscheduler = fifo:3\nvendor_id = a b\nhide_kvm = on\nirqchip = split\n");
	assert_int_equal(profile.cpu.vcpus, 8);
	assert_string_equal(profile.cpu.model, "Skylake-Client-v1");
	expect_list(&profile.cpu.features, "+topoext|-svm|+sse4.2|l3-cache=on");
	assert_int_equal(profile.cpu.emulator.mode, CPUS_LIST);
	expect_set(&profile.cpu.emulator.cpus, "0-1,6");
	assert_int_equal(profile.cpu.iothread_pin.mode, CPUS_NONE);
	assert_int_equal(profile.cpu.iothreads, 2);
	assert_true(profile.cpu.scheduler.set);
	assert_int_equal(profile.cpu.scheduler.sched.class, SCHED_CLASS_FIFO);
	assert_int_equal(profile.cpu.scheduler.sched.priority, 3);
	assert_string_equal(profile.cpu.vendor_id, "a b");
	assert_int_equal(profile.cpu.hide_kvm, TRI_YES);
	assert_int_equal(profile.cpu.irqchip, IRQCHIP_SPLIT);
	profile_finish(&profile);
}

static void test_pci(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile, HEAD
	      "[host]\ndisplay_manager = gdm\nstop = nvidia-persistenced.service a@b\nunbind_console = no\n"
	      "unload = nvidia-drm, nvidia_modeset nvidia\n"
	      "[pci \"0000:06:00.0\"]\ngroup = auto\nforce = yes\nrebind = no\nromfile = ./a.rom\n"
	      "rombar = on\nmultifunction = off\nx_vga = yes\niommufd = on\noptional = yes\n"
	      "[pci \"0A:1f.7\"]\n[pci \"10de:13C2\"]\n[pci \"10000:e1:00.0\"]\n"
	      "[mdev \"c9f5b2ad-3D1e-4a1e-9d2f-6f6d1a1f3c55\"]\noptional = yes\n");
	assert_string_equal(profile.host.display_manager, "gdm.service");
	expect_list(&profile.host.stop, "nvidia-persistenced.service|a@b.service");
	assert_int_equal(profile.host.unbind_console, TRI_NO);
	assert_int_equal(profile.host.unload.mode, CPUS_LIST);
	expect_list(&profile.host.unload.names, "nvidia_drm|nvidia_modeset|nvidia");
	assert_int_equal(profile.n_pcis, 4);
	assert_string_equal(profile.pcis[0].title, "0000:06:00.0");
	assert_int_equal(profile.pcis[0].group, PCI_GROUP_AUTO);
	assert_true(profile.pcis[0].force && !profile.pcis[0].rebind && profile.pcis[0].optional);
	assert_string_equal(profile.pcis[0].romfile, "/p/a.rom");
	assert_int_equal(profile.pcis[0].rombar, TRI_YES);
	assert_int_equal(profile.pcis[0].multifunction, TRI_NO);
	assert_int_equal(profile.pcis[0].x_vga, TRI_YES);
	assert_int_equal(profile.pcis[0].iommufd, TRI_YES);
	assert_string_equal(profile.pcis[1].title, "0A:1f.7");
	assert_int_equal(profile.pcis[1].group, PCI_GROUP_NONE);
	assert_true(!profile.pcis[1].force && profile.pcis[1].rebind && !profile.pcis[1].optional);
	assert_int_equal(profile.pcis[1].rombar, TRI_AUTO);
	assert_int_equal(profile.n_mdevs, 1);
	assert_true(profile.mdevs[0].optional);
	profile_finish(&profile);
	parse(&profile, HEAD "[host]\ndisplay_manager = auto\ndisplay_manager = none\nunload = x\nunload = none\n"
			     "[pci \"06:00.0\"]\nrebind = no\nrebind =\n");
	assert_null(profile.host.display_manager);
	assert_int_equal(profile.host.unload.mode, CPUS_NONE);
	assert_int_equal(profile.host.unload.names.count, 0);
	assert_true(profile.pcis[0].rebind);
	profile_finish(&profile);
}

// The order is the guest's: it is never sorted.
static void test_pins(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile, HEAD "[cpu]\npin = 9, 2-4 ,0+6, 0+6,8191\n");
	assert_int_equal(profile.cpu.pin.mode, CPUS_LIST);
	assert_int_equal(profile.cpu.pin.count, 7);
	expect_set(&profile.cpu.pin.vcpus[0], "9");
	expect_set(&profile.cpu.pin.vcpus[1], "2");
	expect_set(&profile.cpu.pin.vcpus[3], "4");
	expect_set(&profile.cpu.pin.vcpus[4], "0,6");
	expect_set(&profile.cpu.pin.vcpus[5], "0,6");
	expect_set(&profile.cpu.pin.vcpus[6], "8191");
	profile_finish(&profile);
	parse(&profile, HEAD "[cpu]\npin = 1,2\npin = none\n");
	assert_int_equal(profile.cpu.pin.mode, CPUS_NONE);
	assert_int_equal(profile.cpu.pin.count, 0);
	profile_finish(&profile);
}

static void test_hyperv(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile,
	      HEAD "[cpu]\nhyperv = hv_relaxed, hv-vapic spinlocks,stimer_direct,spinlocks=4096\n");
	assert_int_equal(profile.cpu.hyperv.mode, HYPERV_LIST);
	expect_list(&profile.cpu.hyperv.features,
		    "relaxed|vapic|spinlocks=0x1fff|stimer-direct|spinlocks=4096");
	profile_finish(&profile);
	parse(&profile, HEAD "[cpu]\nhyperv = relaxed\nhyperv = no\n");
	assert_int_equal(profile.cpu.hyperv.mode, HYPERV_OFF);
	assert_int_equal(profile.cpu.hyperv.features.count, 0);
	profile_finish(&profile);
}

static void test_memory_and_host(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile, HEAD
	      "[memory]\nhugepages = 1g\nprealloc = yes\nnodes = 0,2\nlock = off\nshare = TRUE\n"
	      "[host]\ngovernor = performance\nepp = balance_performance\nboost = no\nmin_freq = 2.4GHz\n"
	      "latency = 0\nhalt_poll_ns = 200000\nignore_msrs = on\n"
	      "report_ignored_msrs = off\ncpu_pm = yes\ninhibit_sleep = no\n");
	assert_int_equal(profile.memory.hugepages, HUGEPAGES_1G);
	assert_int_equal(profile.memory.prealloc, TRI_YES);
	expect_set(&profile.memory.nodes.nodes, "0,2");
	assert_int_equal(profile.memory.lock, TRI_NO);
	assert_int_equal(profile.memory.share, TRI_YES);
	assert_string_equal(profile.host.governor, "performance");
	assert_int_equal(profile.host.boost, TRI_NO);
	assert_int_equal(profile.host.min_freq, 2400000);
	assert_int_equal(profile.host.latency, 0);
	assert_int_equal(profile.host.halt_poll_ns, 200000);
	assert_int_equal(profile.host.report_ignored_msrs, TRI_NO);
	assert_true(profile.host.cpu_pm);
	assert_int_equal(profile.host.inhibit_sleep, TRI_NO);
	profile_finish(&profile);
}

static void test_frequencies(void **state)
{
	static const struct {
		const char *text;
		int khz;
	} good[] = { { "800MHz", 800000 },
		     { "2400000", 2400000 },
		     { "2400000 kHz", 2400000 },
		     { "3.75 ghz", 3750000 },
		     { "1.000001GHz", 1000001 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		AUTO_FREE char *text = mem_printf(HEAD "[host]\nmin_freq = %s\n", good[i].text);
		struct profile profile;

		parse(&profile, text);
		assert_int_equal(profile.host.min_freq, good[i].khz);
		profile_finish(&profile);
	}
}

static void test_devices(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile, HEAD
	      "[disk \"sys\"]\nfile = a.qcow2\nformat = qcow2\nbus = nvme\ncache = none\naio = io_uring\n"
	      "discard = yes\nreadonly = no\niothread = no\nserial = A-1\nboot_index = 2\nforce = yes\n"
	      "[cdrom \"empty\"]\n[cdrom \"iso\"]\nfile = /i.iso\nboot_index = 1\n"
	      "[net \"lan\"]\ntype = bridge\nbridge = br0\nifname = vm0\nmac = 52-54-00-AB-cd-ef\nqueues = 4\n"
	      "[net \"out\"]\nforward = tcp:2222:22, udp:127.0.0.1:53:5353\nforward = tcp:80:8080 tcp:2222:22\n");
	assert_string_equal(profile.disks[0].file, "/p/a.qcow2");
	assert_int_equal(profile.disks[0].bus, DISK_NVME);
	assert_int_equal(profile.disks[0].aio, AIO_IO_URING);
	assert_int_equal(profile.disks[0].boot_index, 2);
	assert_true(profile.disks[0].force);
	assert_int_equal(profile.n_cdroms, 2);
	assert_null(profile.cdroms[0].file);
	assert_string_equal(profile.cdroms[1].file, "/i.iso");
	assert_int_equal(profile.nets[0].type, NET_BRIDGE);
	assert_string_equal(profile.nets[0].mac, "52:54:00:ab:cd:ef");
	assert_int_equal(profile.nets[0].queues, 4);
	assert_int_equal(profile.nets[1].type, NET_USER);
	assert_int_equal(profile.nets[1].queues, 0);
	assert_null(profile.nets[1].model);
	expect_list(&profile.nets[1].forward, "tcp:2222:22|udp:127.0.0.1:53:5353|tcp:80:8080");
	profile_finish(&profile);
}

static void test_hooks(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile, HEAD
	      "[hooks]\nbefore = bin/it 'a b' \"c \\\"d\\\\ \\e\" f\\ g '' h'i'\"j\"\n"
	      "started = notify 'x $HOME | `y` ; z'\nstopped = /bin/first\nstopped = /bin/second\n");
	expect_list(&profile.hooks.before, "/p/bin/it|a b|c \"d\\ \\e|f g||hij");
	expect_list(&profile.hooks.started, "notify|x $HOME | `y` ; z");
	expect_list(&profile.hooks.stopped, "/bin/second");
	profile_finish(&profile);
}

static void test_raw_arguments(void **state)
{
	struct profile profile;

	(void)state;
	parse(&profile,
	      HEAD "[qemu]\narg = -device\narg = virtio-rng-pci,id=r,x=\"a b\"\narg = -S\n");
	expect_list(&profile.qemu.args, "-device|virtio-rng-pci,id=r,x=\"a b\"|-S");
	profile_finish(&profile);
}

static void expect_place(const struct profile *profile, const char *section, const char *title,
			 const char *key, const char *file, int line)
{
	struct place place = profile_where(profile, section, title, key);

	assert_int_equal(place.line, line);
	assert_true(str_eq(place.file, file));
}

static void test_places(void **state)
{
	static const char *const sets[] = { "cpu.vcpus=2", "disk:a.b=c.serial=x.y", NULL };
	struct diags diags = { 0 };
	struct profile profile;

	(void)state;
	parse_sets(&profile, &diags,
		   HEAD
		   "[disk \"a\"]\nfile = x\nfile = y\n[cpu]\nvcpus = 4\nmodel = host\nmodel =\n",
		   sets);
	expect_place(&profile, "vm", NULL, "memory", "/p/x.conf", 3);
	expect_place(&profile, "disk", "a", "file", "/p/x.conf", 6);
	expect_place(&profile, "disk", "a", "", "/p/x.conf", 4);
	expect_place(&profile, "cpu", NULL, "", "/p/x.conf", 7);
	expect_place(&profile, "cpu", NULL, "vcpus", "--set", 1);
	expect_place(&profile, "cpu", NULL, "model", NULL, 0);
	expect_place(&profile, "disk", NULL, "file", NULL, 0);
	expect_place(&profile, "disk", "a", "bus", NULL, 0);
	expect_place(&profile, "nothing", NULL, "", NULL, 0);
	profile_finish(&profile);
	diags_finish(&diags);
}

static void test_sets(void **state)
{
	static const char *const sets[] = { "vm.memory = 2G ",	    "disk:a.file.file=rel.img",
					    "disk:a.serial=1.2=3",  "boot.kernel=k",
					    "boot.cmdline=a.b=c d", "net:wan.type=none",
					    "vm.operators=joe",	    "qemu.arg=-S",
					    "cpu.model=",	    "pci:0000:06:00.0.romfile=r",
					    NULL };
	struct diags diags = { 0 };
	struct profile profile;

	(void)state;
	parse_sets(&profile, &diags,
		   HEAD "operators = eve\n[disk \"a\"]\nfile = x\n[cpu]\nmodel = max\n", sets);
	expect_silence(&diags);
	assert_int_equal(profile.vm.memory, UINT64_C(2) << 30);
	assert_int_equal(profile.n_disks, 2);
	assert_string_equal(profile.disks[1].title, "a.file");
	assert_string_equal(profile.disks[1].file, "/cwd/rel.img");
	assert_string_equal(profile.disks[0].serial, "1.2=3");
	assert_string_equal(profile.boot.kernel, "/cwd/k");
	assert_string_equal(profile.boot.cmdline, "a.b=c d");
	assert_int_equal(profile.nets[0].type, NET_NONE);
	expect_list(&profile.vm.operators, "eve|joe");
	expect_list(&profile.qemu.args, "-S");
	assert_null(profile.cpu.model);
	assert_string_equal(profile.pcis[0].title, "0000:06:00.0");
	assert_string_equal(profile.pcis[0].romfile, "/cwd/r");
	profile_finish(&profile);
}

static void test_wrong_sets(void **state)
{
	static const struct {
		const char *set, *says;
	} wrong[] = {
		{ "", "sets nothing" },
		{ "vm", "sets nothing" },
		{ "vm.memory", "sets nothing" },
		{ "vm=1", "sets nothing" },
		{ "vm.=1", "sets nothing" },
		{ ".memory=1G", "sets nothing" },
		{ "disk:a=1", "sets nothing" },
		{ "disk:", "sets nothing" },
		{ "wm.memory=1G", "no section [wm]" },
		{ "wm:a.b=1G", "no section [wm]" },
		{ "vm.memry=1G", "no key `memry`" },
		{ "vm:x.memory=1G", "no title" },
		{ "disk.file=1G", "needs a title" },
		{ "disk:.file=x", "not a name" },
		{ "pci:gpu.force=x", "not a title" },
		{ "disk:a.b.flie=x", "no key `flie`" },
		{ "vm.memory=8", "too little" },
		{ "vm.name=\x1b[2J", "control character" },
		{ "vm.name=\xff", "not UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const char *const sets[] = { "cpu.vcpus=1", wrong[i].set, NULL };
		struct diags diags = { 0 };
		struct profile profile;

		parse_sets(&profile, &diags, HEAD, sets);
		assert_true(diags.count >= 1);
		if (!strstr(diags.items[0].text, wrong[i].says))
			fail_msg("%s: %s", wrong[i].set, diags.items[0].text);
		assert_string_equal(diags.items[0].file, "--set");
		assert_int_equal(diags.items[0].line, 2);
		assert_int_equal(diags_exit_status(&diags), 2);
		profile_finish(&profile);
		diags_finish(&diags);
	}
}

// A profile that breaks off anywhere is read or refused, never more; valgrind and ASan watch.
static void test_every_prefix(void **state)
{
	static const char text[] = HEAD
		"[disk \"a\\\"b\"]\nfile = x\n[cpu]\npin = 0+6,2-4\nhyperv = spinlocks=0x1fff\n"
		"features = +a,b=c\n[net \"n\"]\nforward = tcp:1.2.3.4:1:2\nmac = 52:54:00:00:00:01\n"
		"[hooks]\nbefore = a 'b' \"c\" \\d\n[host]\nmin_freq = 2.4GHz\n\xef\xbb\xbf";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		AUTO_FREE char *part = mem_dupn(text, n);
		struct diags diags = { 0 };
		struct profile profile;

		profile_parse(&profile, "x.conf", part, &diags);
		assert_true(diags.count == 0 || diags.items[diags.count - 1].text[0]);
		profile_finish(&profile);
		diags_finish(&diags);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minimal),
		cmocka_unit_test(test_empty_clears),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_sections_merge),
		cmocka_unit_test(test_name_from_file),
		cmocka_unit_test(test_vm),
		cmocka_unit_test(test_firmware_and_boot),
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_pci),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_hyperv),
		cmocka_unit_test(test_memory_and_host),
		cmocka_unit_test(test_frequencies),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_raw_arguments),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_wrong_sets),
		cmocka_unit_test(test_every_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
