// SPDX-License-Identifier: MIT
// Wrong profiles: each case has one mistake, and the diagnostic names the line, the text and the
// remedy.
#include "base/cleanup.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/keys.h"
#include "launcher/profile/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct wrong {
	const char *text; // put behind three good lines
	int line;	  // 0: no place but the file
	const char *says; // part of the message
	const char *hint; // part of the hint
};

static void check_wrong(const struct wrong *wrong, const char *head, enum diag_level level)
{
	AUTO_FREE char *text = mem_printf("%s%s", head, wrong->text);
	struct diags diags = { 0 };
	struct profile profile;
	AUTO_STR struct str all = { 0 };

	profile_parse(&profile, "/p/x.conf", text, &diags);
	for (size_t i = 0; i < diags.count; i++)
		diag_print(&diags.items[i], &all);
	if (diags.count != 1 || diags.items[0].level != level ||
	    diags.items[0].line != wrong->line || !strstr(diags.items[0].text, wrong->says) ||
	    !diags.items[0].hint || !strstr(diags.items[0].hint, wrong->hint))
		fail_msg("\n%s\n--- wanted one at line %d: %s / %s; got %zu:\n%s", text,
			 wrong->line, wrong->says, wrong->hint, diags.count, str_text(&all));
	assert_string_equal(diags.items[0].file, "/p/x.conf");
	profile_finish(&profile);
	diags_finish(&diags);
}

#define CHECK_ALL(table, head, level)                                                              \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(table); i_++)                                  \
			check_wrong(&(table)[i_], (head), (level));                                \
	} while (0)

#define HEAD "[vm]\nname = x\nmemory = 1G\n"

static void test_syntax(void **state)
{
	static const struct wrong wrong[] = {
		{ "[cpu\nvcpus = 2\n", 4, "] is missing", "[section]" },
		{ "[cpu]]\n", 4, "behind the ]", "nothing else on its line" },
		{ "[cpu] # mine\n", 4, "behind the ]", "nothing else on its line" },
		{ "[]\n", 4, "no name", "[section]" },
		{ "[disk system]\n", 4, "stands in quotes", "[section \"title\"]" },
		{ "[disk \"system]\n", 4, "quote is not closed", "[section \"title\"]" },
		{ "[disk \"system\\\"]\n", 4, "quote is not closed", "[section \"title\"]" },
		{ "[disk \"system\\", 4, "quote is not closed", "[section \"title\"]" },
		{ "[disk]\nfile = x\n", 4, "needs a title", "[disk \"NAME\"]" },
		{ "[cpu \"main\"]\nvcpus = 2\n", 4, "no title", "[cpu]" },
		{ "[disk \"../x\"]\nfile = x\n", 4, "not a name", "letter or digit" },
		{ "[disk \"\"]\nfile = x\n", 4, "not a name", "letter or digit" },
		{ "[cpus]\nvcpus = 2\n", 4, "no section [cpus]", "did you mean [cpu]?" },
		{ "[CPU]\n", 4, "no section [CPU]", "did you mean [cpu]?" },
		{ "[graphics]\n", 4, "no section [graphics]", "the sections are vm, firmware" },
		{ "readonly\n", 4, "neither [section] nor key = value: readonly", "key = value" },
		{ "= 5\n", 4, "no key before =", "key = value" },
		{ "user = a \\\n", 4, "ends in a backslash", "on one line" },
		{ "user = \x1b[31m\n", 4, "control character", "UTF-8" },
		{ "user = \xc2\x9b\n", 4, "control character", "UTF-8" },
		{ "user = a\rb\n", 4, "control character", "UTF-8" },
		{ "# caf\xe9\n", 4, "not UTF-8", "UTF-8" },
		{ "# \xc0\xaf\n", 4, "not UTF-8", "UTF-8" },
		{ "# \xed\xa0\x80\n", 4, "not UTF-8", "UTF-8" },
		{ "# \xf4\x90\x80\x80\n", 4, "not UTF-8", "UTF-8" },
		{ "# \xe2\x82", 4, "not UTF-8", "UTF-8" },
		{ "include = other.conf\n", 4, "no files to include", "take this line out" },
	};

	(void)state;
	CHECK_ALL(wrong, HEAD, DIAG_ERROR);
}

static void test_unknown_keys(void **state)
{
	static const struct wrong wrong[] = {
		{ "memry = 1G\n", 4, "[vm] has no key `memry`", "did you mean `memory`?" },
		{ "pin = 2,3\n", 4, "[vm] has no key `pin`",
		  "did you mean section [cpu]? `pin` belongs there" },
		{ "bridge = br0\n", 4, "no key `bridge`", "section [net]?" },
		{ "boot_index = 1\n", 4, "no key `boot_index`", "section [disk] or [cdrom]?" },
		{ "[boot]\nsplash = 1\n", 5, "[boot] has no key `splash`",
		  "its keys are kernel, initrd, cmdline and order" },
		{ "Memory = 1G\n", 4, "no key `Memory`", "did you mean `memory`?" },
	};

	(void)state;
	CHECK_ALL(wrong, HEAD, DIAG_ERROR);
}

static void test_vm_values(void **state)
{
	static const struct wrong wrong[] = {
		{ "memory = 8192\n", 4, "[vm] memory = 8192: too little", "write 8192M" },
		{ "memory = 8\n", 4, "too little", "write 8G" },
		{ "memory = 8GB\n", 4, "not a size", "write 8G" },
		{ "memory = 8GiB\n", 4, "not a size", "write 8G" },
		{ "memory = lots\n", 4, "not a size", "512M or 8G" },
		{ "memory = -1G\n", 4, "not a size", "512M or 8G" },
		{ "memory = 512K\n", 4, "too little", "512M or 8G" },
		{ "memory = 1025K\n", 4, "not a whole number of MiB", "write 2M" },
		{ "memory = 5000T\n", 4, "more than", "512M or 8G" },
		{ "[scream]\nsize = 512K\n", 5, "[scream] size = 512K: too little", "from 1M to 1G" },
		{ "[scream]\nsize = 2G\n", 5, "[scream] size = 2G: too much", "from 1M to 1G" },
		{ "memory = 99999999999999999999G\n", 4, "not a size", "512M or 8G" },
		{ "memory = \"1G\"\n", 4, "not a size", "without quotes: memory = 1G" },
		{ "memory = 1G # eight\n", 4, "not a size", "a comment has a line of its own" },
		{ "memory = 1G ; eight\n", 4, "not a size", "a comment has a line of its own" },
		{ "name = a/b\n", 4, "[vm] name = a/b: not a name", "letter or digit" },
		{ "name = .hidden\n", 4, "not a name", "letter or digit" },
		{ "name = a234567890123456789012345678901234567890123456789012345678901234\n", 4,
		  "not a name", "at most 62" },
		{ "name = win 11\n", 4, "not a name", "letter or digit" },
		{ "machine = microvm\n", 4, "machine = microvm", "pc-q35-7.2" },
		{ "machine = pc-q35-\n", 4, "not a machine", "pc-q35-7.2" },
		{ "accel = kmv\n", 4, "accel = kmv",
		  "did you mean kvm? Allowed: auto, kvm or tcg" },
		{ "accel = yes\n", 4, "accel = yes", "auto, kvm or tcg" },
		{ "os = win11\n", 4, "os = win11", "other, windows or linux" },
		{ "uuid = 123\n", 4, "not a UUID", "uuidgen" },
		{ "uuid = 0123456789ab-cdef-0123-4567-89abcdef\n", 4, "not a UUID", "uuidgen" },
		{ "uuid = 01234567-89ab-cdef-0123-456789abcdef0\n", 4, "not a UUID", "uuidgen" },
		{ "user = -x\n", 4, "not a user name", "id -un" },
		{ "operators = joe, -x\n", 4, "operators = -x", "id -un" },
		{ "shutdown_timeout = 0\n", 4, "too small", "from 1 to 3600" },
		{ "shutdown_timeout = auto\n", 4, "not a whole number", "from 1 to 3600" },
		{ "shutdown_timeout = 1m\n", 4, "not a whole number", "from 1 to 3600" },
		{ "qemu = ~/qemu\n", 4, "~ is not expanded", "whole path" },
		{ "qemu = \"/usr/bin/qemu\"\n", 4, "quotes would be part",
		  "without quotes: qemu = /usr/bin/qemu" },
	};

	(void)state;
	CHECK_ALL(wrong, HEAD, DIAG_ERROR);
}

static void test_boot_values(void **state)
{
	static const struct wrong wrong[] = {
		{ "[firmware]\ntype = uefi\n", 5, "type = uefi",
		  "write ovmf, ovmf-secureboot, seabios or none" },
		{ "[firmware]\ntype = omvf\n", 5, "type = omvf", "did you mean ovmf?" },
		{ "[firmware]\ntype = seabios\ncode = x.fd\n", 5, "UEFI's", "type = ovmf" },
		{ "[boot]\norder = disk, usb\n", 5, "order = usb", "disk, cdrom or net" },
		{ "[boot]\norder = disk, cdrom, disk\n", 5, "named twice", "leave" },
		{ "[boot]\ninitrd = x\n", 5, "initrd without a kernel", "kernel = PATH" },
		{ "[boot]\ncmdline = x\n", 5, "cmdline without a kernel", "kernel = PATH" },
		{ "[boot]\nkernel = k\ncmdline = \"a b\"\n", 6, "quotes would be part",
		  "cmdline = a b" },
	};

	(void)state;
	CHECK_ALL(wrong, HEAD, DIAG_ERROR);
}

static void test_cpu_values(void **state)
{
	static const struct wrong wrong[] = {
		{ "vcpus = 0\n", 5, "too small", "from 1 to 1024" },
		{ "vcpus = 1025\n", 5, "too big", "from 1 to 1024" },
		{ "vcpus = four\n", 5, "not a whole number", "from 1 to 1024" },
		{ "vcpus = 99999999999999999999\n", 5, "not a whole number", "from 1 to 1024" },
		{ "iothreads = -1\n", 5, "too small", "from 0 to 64, or auto" },
		{ "vcpus = 6\nsockets = 1\ncores = 2\nthreads = 2\n", 5, "6 vCPUs", "vcpus = 4" },
		{ "vcpus = 6\ncores = 4\n", 5, "comes in steps of 4", "vcpus = 4" },
		{ "sockets = 64\ncores = 64\n", 6, "is 4096", "at most 1024" },
		{ "vcpus = 4\npin = 2,8,3\n", 6, "pin is for 3 vCPUs, but vcpus = 4", "vcpus = 3" },
		{ "pin = 0-2\nthreads = 2\n", 5, "3 vCPUs", "vcpus = 2" },
		{ "pin = 2,,3\n", 5, "an empty item", "auto, none" },
		{ "pin = ,\n", 5, "an empty item", "auto, none" },
		{ "pin = 2;3\n", 5, "no CPU number", "2,8,3,9" },
		{ "pin = 2-\n", 5, "no CPU number", "2,8,3,9" },
		{ "pin = 5-2\n", 5, "counts a range down", "2,8,3,9" },
		{ "pin = 0-3+8\n", 5, "mixes - and +", "0+6" },
		{ "pin = 0+3-8\n", 5, "mixes - and +", "0+6" },
		{ "pin = 0+\n", 5, "no CPU number", "0+6" },
		{ "pin = 8192\n", 5, "no CPU number", "0+6" },
		{ "pin = 0-1024\n", 5, "more vCPUs than any machine", "0+6" },
		{ "emulator = 0-\n", 5, "not a list", "auto, none, or a list" },
		{ "iothread_pin = 9999\n", 5, "below 8192", "auto, none, or a list" },
		{ "scheduler = rr\n", 5, "scheduling class", "rr:1" },
		{ "scheduler = rr:0\n", 5, "scheduling class", "rr:1" },
		{ "scheduler = fifo:100\n", 5, "scheduling class", "1 to 99" },
		{ "scheduler = batch\n", 5, "scheduling class", "rr:1" },
		{ "hyperv = relaxed,vapci\n", 5, "hyperv = vapci", "did you mean vapic?" },
		{ "hyperv = vendor_id=x\n", 5, "not a Hyper-V", "vendor_id = …" },
		{ "hyperv = relaxed=on\n", 5, "takes no value", "write relaxed" },
		{ "hyperv = spinlocks=lots\n", 5, "not the value", "spinlocks=NUMBER" },
		{ "hyperv = version-id-major\n", 5, "not the value", "version-id-major=NUMBER" },
		{ "hyperv = no-nonarch-coresharing=maybe\n", 5, "not the value", "on|off|auto" },
		{ "vendor_id = AuthenticAMDX\n", 5, "13 characters", "1 to 12 characters" },
		{ "vendor_id = a,b\n", 5, "a comma", "1 to 12 characters" },
		{ "vendor_id = é\n", 5, "not plain ASCII", "1 to 12 characters" },
		{ "vendor_id = Vfio\nhyperv = off\n", 5, "does nothing", "hyperv = on" },
		{ "model = host,-svm\n", 5, "not a CPU model", "`features`" },
		{ "model = my cpu\n", 5, "not a CPU model", "-cpu help" },
		{ "features = +a;b\n", 5, "not a CPU feature", "+name" },
		{ "features = +a=b\n", 5, "not a CPU feature", "name=value" },
		{ "features = a=\n", 5, "not a CPU feature", "name=value" },
		{ "features = ++\n", 5, "not a CPU feature", "+name" },
		{ "features = kvm=off\n", 5, "key of its own", "hide_kvm" },
		{ "features = -kvm\n", 5, "key of its own", "hide_kvm" },
		{ "features = +hv_relaxed\n", 5, "key of its own", "hyperv" },
		{ "features = hv-vendor-id=x\n", 5, "key of its own", "vendor_id" },
		{ "hide_kvm = maybe\n", 5, "neither auto, yes nor no", "auto, yes or no" },
		{ "irqchip = none\n", 5, "irqchip = none", "auto, on, split or off" },
	};

	(void)state;
	CHECK_ALL(wrong, HEAD "[cpu]\n", DIAG_ERROR);
}

static void test_memory_and_host_values(void **state)
{
	static const struct wrong wrong[] = {
		{ "[memory]\nhugepages = 4M\n", 5, "hugepages = 4M", "2M" },
		{ "[memory]\nnodes = none\n", 5, "not a list", "auto, or a list" },
		{ "[memory]\nlock = 1\n", 5, "neither auto, yes nor no", "yes or no" },
		{ "[host]\nmin_freq = 2400\n", 5, "no CPU runs", "2.4GHz" },
		{ "[host]\nmin_freq = 99GHz\n", 5, "no CPU runs", "2.4GHz" },
		{ "[host]\nmin_freq = fast\n", 5, "not a frequency", "2.4GHz" },
		{ "[host]\nmin_freq = 2.4.1GHz\n", 5, "not a frequency", "2.4GHz" },
		{ "[host]\nmin_freq = .5GHz\n", 5, "not a frequency", "2.4GHz" },
		{ "[host]\nmin_freq = 18446744073709551615GHz\n", 5, "not a frequency", "2.4GHz" },
		{ "[host]\ngovernor = ../x\n", 5, "not one word", "performance" },
		{ "[host]\nlatency = -5\n", 5, "too small", "from 0" },
		{ "[host]\nhalt_poll_ns = 1ms\n", 5, "not a whole number", "from 0" },
	};

	(void)state;
	CHECK_ALL(wrong, HEAD, DIAG_ERROR);
}

static void test_disk_values(void **state)
{
	static const struct wrong wrong[] = {
		{ "[disk \"a\"]\n", 4, "disk \"a\" has no file", "file = PATH" },
		{ "[disk \"a\"]\nfile =\n", 4, "disk \"a\" has no file", "file = PATH" },
		{ "[disk \"a\"]\nfile = ~/x\n", 5, "~ is not expanded", "whole path" },
		{ "[disk \"a\"]\nfile = x\nbus = ide\n", 6, "bus = ide",
		  "virtio, scsi, nvme or sata" },
		{ "[disk \"a\"]\nfile = x\nforce = auto\n", 6, "neither yes nor no", "yes or no" },
		{ "[disk \"a\"]\nfile = x\nboot_index = 0\n", 6, "too small", "from 1" },
		{ "[disk \"a\"]\nfile = x\nserial = 123456789012345678901\n", 6,
		  "21 bytes; this bus carries 20", "bus = scsi" },
		{ "[disk \"a\"]\nfile = x\nbus = scsi\nserial = 1234567890123456789012345678901234567\n",
		  7, "37 bytes; this bus carries 36", "shorter" },
		{ "[disk \"a\"]\nfile = x\nserial = é\n", 6, "not plain ASCII", "letters" },
		{ "[disk \"a\"]\nfile = x\n[disk \"b\"]\nfile = ./x\n", 7,
		  "\"a\" and \"b\" are the same file", "readonly" },
		{ "[disk \"a\"]\nfile = x\nboot_index = 1\n[cdrom \"c\"]\nboot_index = 1\n", 8,
		  "boot_index 1 is that of [disk \"a\"]", "only once" },
		{ "[cdrom \"a\"]\nbus = sata\n", 5, "[cdrom] has no key `bus`", "section [disk]" },
	};

	(void)state;
	CHECK_ALL(wrong, HEAD, DIAG_ERROR);
}

static void test_net_values(void **state)
{
	static const struct wrong wrong[] = {
		{ "[net \"a\"]\ntype = nat\n", 5, "type = nat",
		  "user, bridge, tap, passt or none" },
		{ "[net \"a\"]\nmac = 01:00:5e:00:00:01\n", 5, "multicast",
		  "write 00:00:5e:00:00:01" },
		{ "[net \"a\"]\nmac = ff:ff:ff:ff:ff:ff\n", 5, "multicast", "write fe:ff" },
		{ "[net \"a\"]\nmac = 00:00:00:00:00:00\n", 5, "not a MAC", "52:54:00" },
		{ "[net \"a\"]\nmac = 52:54:00:12:34\n", 5, "not a MAC", "52:54:00" },
		{ "[net \"a\"]\nmac = 52:54:00:12:34:5g\n", 5, "not a MAC", "52:54:00" },
		{ "[net \"a\"]\nmac = 52:54:00:12:34:+5\n", 5, "not a MAC", "52:54:00" },
		{ "[net \"a\"]\nmodel = virtoi\n", 5, "model = virtoi", "did you mean virtio?" },
		{ "[net \"a\"]\nqueues = 0\n", 5, "too small", "from 1 to 256, or auto" },
		{ "[net \"a\"]\ntype = bridge\n", 5, "does not say which bridge", "bridge = br0" },
		{ "[net \"a\"]\nbridge = br0\n", 5, "bridge means nothing", "type = bridge" },
		{ "[net \"a\"]\nifname = tap0\n", 5, "ifname means nothing", "type = tap" },
		{ "[net \"a\"]\ntype = tap\nifname = abcdefghijklmnop\n", 6, "16 bytes",
		  "shorter" },
		{ "[net \"a\"]\ntype = tap\nifname = a/b\n", 6, "not a name of a network",
		  "ip link" },
		{ "[net \"a\"]\ntype = tap\nifname = tap%d\n", 6, "not a name of a network",
		  "ip link" },
		{ "[net \"a\"]\ntype = tap\nifname = ..\n", 6, "not a name of a network",
		  "ip link" },
		{ "[net \"a\"]\nforward = 2222:22\n", 5, "not a forward",
		  "tcp:HOSTPORT:GUESTPORT" },
		{ "[net \"a\"]\nforward = tcp:2222\n", 5, "not a forward", "tcp:2222:22" },
		{ "[net \"a\"]\nforward = tcp:0:22\n", 5, "not a forward", "tcp:2222:22" },
		{ "[net \"a\"]\nforward = tcp:65536:22\n", 5, "not a forward", "tcp:2222:22" },
		{ "[net \"a\"]\nforward = tcp:::22\n", 5, "not a forward", "tcp:2222:22" },
		{ "[net \"a\"]\nforward = tcp:2222:22:\n", 5, "not a forward", "tcp:2222:22" },
		{ "[net \"a\"]\nforward = tcp:0022:22\n", 5, "not a forward", "tcp:2222:22" },
		{ "[net \"a\"]\nforward = tcp:1:2\n[net \"b\"]\nforward = tcp:1:3\n", 7,
		  "tcp:1:2 and tcp:1:3", "use another" },
		{ "[net \"a\"]\nforward = tcp:1:2 udp:1:2 tcp:1:3\n", 5, "tcp:1:2 and tcp:1:3",
		  "use another" },
		{ "[net \"a\"]\nforward = icmp:1:1\n", 5, "not a forward", "udp" },
		{ "[net \"a\"]\nforward = tcp:1.2.3:2222:22\n", 5, "not a forward", "ADDRESS" },
		{ "[net \"a\"]\nforward = tcp:1:2 tcp:3\n", 5, "forward = tcp:3: not a forward",
		  "tcp" },
		{ "[net \"a\"]\ntype = tap\nforward = tcp:2222:22\n", 6, "forward means nothing",
		  "type = user" },
		{ "[net \"a\"]\nmac = 52:54:00:00:00:0A\n[net \"b\"]\nmac = 52-54-00-00-00-0a\n", 7,
		  "\"a\" and \"b\" have the same MAC", "last byte" },
		{ "[net \"a\"]\ntype = tap\nifname = t0\n[net \"b\"]\ntype = tap\nifname = t0\n", 9,
		  "the same ifname", "its own" },
	};

	(void)state;
	CHECK_ALL(wrong, HEAD, DIAG_ERROR);
}

static void test_pci_values(void **state)
{
	static const struct wrong wrong[] = {
		{ "[pci]\ngroup = auto\n", 4, "needs a title", "[pci \"0000:06:00.0\"]: an address" },
		{ "[pci \"gpu\"]\n", 4, "not a title of this section", "lspci -D" },
		{ "[pci \"06:00\"]\n", 4, "not a title", "06:00.0" },
		{ "[pci \"06:00.8\"]\n", 4, "not a title", "06:00.0" },
		{ "[pci \"06:20.0\"]\n", 4, "not a title", "06:00.0" },
		{ "[pci \"006:00.0\"]\n", 4, "not a title", "06:00.0" },
		{ "[pci \"0000:06:00.0 \"]\n", 4, "not a title", "06:00.0" },
		{ "[pci \"0000:06:00.00\"]\n", 4, "not a title", "06:00.0" },
		{ "[pci \"000:06:00.0\"]\n", 4, "not a title", "06:00.0" },
		{ "[pci \"0000000:06:00.0\"]\n", 4, "not a title", "06:00.0" },
		{ "[pci \"10de:13c\"]\n", 4, "not a title", "10de:13c2" },
		{ "[pci \"10de:13c21\"]\n", 4, "not a title", "10de:13c2" },
		{ "[pci \"10dg:13c2\"]\n", 4, "not a title", "10de:13c2" },
		{ "[pci \"../06:00.0\"]\n", 4, "not a title", "06:00.0" },
		{ "[pci \"\"]\n", 4, "not a title", "06:00.0" },
		{ "[pci \"06:00.0\"]\ngroup = all\n", 5, "group = all", "none or auto" },
		{ "[pci \"06:00.0\"]\nforce = auto\n", 5, "neither yes nor no", "yes or no" },
		{ "[pci \"06:00.0\"]\nrebind = maybe\n", 5, "neither yes nor no", "yes or no" },
		{ "[pci \"06:00.0\"]\nbar_size = 1:16G\nrebind = no\n", 5, "only while no driver has the device",
		  "leave one of them out" },
		{ "[pci \"06:00.0\"]\nromfile = x.rom\nrombar = off\n", 5, "hides the ROM",
		  "leave one of them out" },
		{ "[mdev \"igpu\"]\n", 4, "not a title", "UUID" },
		{ "[mdev \"c9f5b2ad-3d1e-4a1e-9d2f-6f6d1a1f3c5\"]\n", 4, "not a title", "UUID" },
		{ "[pci \"06:00.0\"]\n[host]\ndisplay_manager = a/b\n", 6, "not a systemd unit", "systemctl" },
		{ "[host]\nstop = x, -y\n", 5, "stop = -y", "systemctl" },
		{ "[pci \"06:00.0\"]\n[host]\nunload = nvidia, ../x\n", 6, "unload = ../x", "lsmod" },
		{ "[host]\ndisplay_manager = auto\n", 5, "no device is passed", "[pci \"ADDRESS\"]" },
		{ "[host]\nunload = nvidia\n", 5, "no device is passed", "[pci \"ADDRESS\"]" },
	};

	(void)state;
	CHECK_ALL(wrong, HEAD, DIAG_ERROR);
}

static void test_hooks(void **state)
{
	static const struct wrong wrong[] = {
		{ "before = echo $HOME\n", 5, "not run by a shell", "/bin/sh -c" },
		{ "before = echo \"$HOME\"\n", 5, "not run by a shell", "single quotes" },
		{ "before = echo `id`\n", 5, "not run by a shell", "/bin/sh -c" },
		{ "before = a | b\n", 5, "not run by a shell", "/bin/sh -c" },
		{ "before = a > b\n", 5, "not run by a shell", "/bin/sh -c" },
		{ "before = a && b\n", 5, "not run by a shell", "/bin/sh -c" },
		{ "before = a; b\n", 5, "not run by a shell", "/bin/sh -c" },
		{ "before = a 'b\n", 5, "a quote is not closed", "single quotes" },
		{ "before = a \"b\n", 5, "a quote is not closed", "single quotes" },
		{ "before = '' b\n", 5, "no program", "whole path" },
		{ "before = ~/x\n", 5, "no program", "~ is not expanded" },
		{ "timeout = 0\n", 5, "too small", "from 1 to 3600" },
	};

	(void)state;
	CHECK_ALL(wrong, HEAD "[hooks]\n", DIAG_ERROR);
}

static void test_required(void **state)
{
	static const struct wrong wrong[] = {
		{ "[vm]\nname = x\n", 1, "the guest has no memory", "memory = 8G" },
		{ "", 0, "the guest has no memory", "memory = 8G" },
		{ "[vm]\nmemory = 1G\nmemory =\n", 1, "the guest has no memory", "memory = 8G" },
		{ "[vm]\nname = x\nmemory = much\n", 3, "not a size", "512M" },
	};

	(void)state;
	CHECK_ALL(wrong, "", DIAG_ERROR);
}

static void test_warnings(void **state)
{
	static const struct wrong wrong[] = {
		{ "[cpu]\npin = 2,2\n", 5, "CPU 2 gets more than one vCPU", "of its own" },
		{ "os = linux\n[cpu]\nhide_kvm = yes\n", 6, "kvmclock", "leave it out" },
		{ "[disk \"a\"]\nfile = a\nserial = 1\n[disk \"b\"]\nfile = b\nserial = 1\n", 9,
		  "the same serial", "each its own" },
		{ "[disk \"a\"]\nfile = a # mine\n", 5, "part of the value", "line of its own" },
		{ "[qemu]\narg = -device virtio-rng-pci\n", 5, "one argument",
		  "arg = -device, then" },
	};

	(void)state;
	CHECK_ALL(wrong, HEAD, DIAG_WARNING);
}

// All in one go, in the order of the lines, though some are found only once everything was read.
static void test_all_at_once(void **state)
{
	static const int lines[] = { 1, 3, 5, 6, 8 };
	struct diags diags = { 0 };
	struct profile profile;

	(void)state;
	profile_parse(
		&profile, "x.conf",
		"user = 1\n[vm]\nname = a/b\nmemory = 1G\nmemry = 2G\n[disk \"a\"]\n[cpu]\nvcpus = no\n",
		&diags);
	assert_int_equal(diags.count, ARRAY_SIZE(lines));
	for (size_t i = 0; i < diags.count; i++)
		assert_int_equal(diags.items[i].line, lines[i]);
	assert_int_equal(diags_exit_status(&diags), 2);
	profile_finish(&profile);
	diags_finish(&diags);
}

static void test_earlier_diagnostics_stay(void **state)
{
	struct diags diags = { 0 };
	struct profile profile;

	(void)state;
	diag_add(&diags, DIAG_WARNING, "other", (struct place){ "z.conf", 99 }, "other");
	profile_parse(&profile, "x.conf", "[vm]\nnmae = x\n", &diags);
	assert_int_equal(diags.count, 3);
	assert_string_equal(diags.items[0].text, "other");
	profile_finish(&profile);
	diags_finish(&diags);
}

static void test_gives_up(void **state)
{
	AUTO_STR struct str text = { 0 };
	struct diags diags = { 0 };
	struct profile profile;

	(void)state;
	str_add(&text, "[vm]\n");
	for (int i = 0; i < 5000; i++)
		str_addf(&text, "key%d = 1\n", i);
	profile_parse(&profile, "x.conf", text.text, &diags);
	assert_true(diags.count <= 102);
	assert_non_null(strstr(diags.items[diags.count - 1].text, "too many mistakes"));
	profile_finish(&profile);
	diags_finish(&diags);
}

static void test_bounds(void **state)
{
	AUTO_STR struct str text = { 0 };
	struct diags diags = { 0 };
	struct profile profile;

	(void)state;
	str_add(&text, HEAD "# ");
	for (int i = 0; i < 1 << 16; i++)
		str_addc(&text, 'x');
	profile_parse(&profile, "x.conf", text.text, &diags);
	assert_int_equal(diags.count, 1);
	assert_int_equal(diags.items[0].line, 4);
	assert_non_null(strstr(diags.items[0].text, "longer than 64 KiB"));
	profile_finish(&profile);
	diags_finish(&diags);
	str_addc(&text, '\n');
	while (text.len <= 1 << 20)
		str_add(&text, "# line\n");
	profile_parse(&profile, "x.conf", text.text, &diags);
	assert_non_null(strstr(diags.items[0].text, "longer than 1 MiB"));
	profile_finish(&profile);
	diags_finish(&diags);
}

static void test_too_many_devices(void **state)
{
	AUTO_STR struct str text = { 0 };
	struct diags diags = { 0 };
	struct profile profile;

	(void)state;
	str_add(&text, HEAD);
	for (int i = 0; i < 300; i++)
		str_addf(&text, "[cdrom \"c%d\"]\n", i);
	profile_parse(&profile, "x.conf", text.text, &diags);
	assert_int_equal(profile.n_cdroms, 256);
	assert_int_equal(diags.count, 44);
	assert_int_equal(diags.items[0].line, 4 + 256);
	profile_finish(&profile);
	diags_finish(&diags);
}

// What a person wrote is shown, but not all of a line of 60 KiB, and no half of a character.
static void test_long_text(void **state)
{
	static const char *const before[] = {
		"", "[", "[vm]\n", "[disk \"", "[vm]\nname = ", "[cpu]\nhyperv = "
	};
	static const char *const behind[] = { " = 1", "]", "=1", "\"]", "", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
		AUTO_STR struct str text = { 0 };
		struct diags diags = { 0 };
		struct profile profile;

		str_addf(&text, "%sx", before[i]);
		for (int n = 0; n < 20000; n++)
			str_add(&text, "€");
		str_add(&text, behind[i]);
		profile_parse(&profile, "x.conf", text.text, &diags);
		assert_true(diags.count >= 1);
		for (size_t j = 0; j < diags.count; j++)
			assert_true(strlen(diags.items[j].text) < 200);
		assert_non_null(strstr(diags.items[diags.count - 1].text, "€…"));
		profile_finish(&profile);
		diags_finish(&diags);
	}
}

static void test_utf16(void **state)
{
	struct diags diags = { 0 };
	struct profile profile;

	(void)state;
	profile_parse(&profile, "x.conf", "\xff\xfe[", &diags);
	assert_non_null(strstr(diags.items[0].text, "UTF-16"));
	profile_finish(&profile);
	diags_finish(&diags);
}

// Whatever the type: nonsense is refused with a hint and never taken.
static void test_every_key_refuses_nonsense(void **state)
{
	static const char *const free_text[] = { "serial", "cmdline", "arg",
						 "before", "started", "stopped",
						 "on_switch_host", "on_switch_guest" };
	size_t n;
	const struct profile_key *rows = profile_keys(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const struct profile_titles *titles = profile_titles_find(rows[i].section);
		AUTO_FREE char *title = !profile_section_find(rows[i].section)->find ?
						mem_dup("") :
						mem_printf(" \"%s\"", titles ? titles->example : "t");
		AUTO_FREE char *text = mem_printf("[%s%s]\n%s = \"\t{}\xc2\xa7 \x7e\"\n",
						  rows[i].section, title, rows[i].key);
		struct diags diags = { 0 };
		struct profile profile;
		bool refused = false, verbatim = false;

		for (size_t j = 0; j < ARRAY_SIZE(free_text); j++)
			verbatim |= str_eq(rows[i].key, free_text[j]);
		profile_parse(&profile, "x.conf", text, &diags);
		for (size_t j = 0; j < diags.count; j++) {
			assert_non_null(diags.items[j].hint);
			refused |= diags.items[j].line == 2 && diags.items[j].level == DIAG_ERROR;
		}
		if (!refused && !verbatim)
			fail_msg("[%s] %s takes nonsense", rows[i].section, rows[i].key);
		profile_finish(&profile);
		diags_finish(&diags);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_vm_values),
		cmocka_unit_test(test_boot_values),
		cmocka_unit_test(test_cpu_values),
		cmocka_unit_test(test_memory_and_host_values),
		cmocka_unit_test(test_disk_values),
		cmocka_unit_test(test_net_values),
		cmocka_unit_test(test_pci_values),
		cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_earlier_diagnostics_stay),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_too_many_devices),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_utf16),
		cmocka_unit_test(test_every_key_refuses_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
