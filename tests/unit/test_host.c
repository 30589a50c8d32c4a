// SPDX-License-Identifier: MIT
#include "launcher/commands/host.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <json-c/json.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CPUS "sys/devices/system/cpu/"
#define NODE "sys/devices/system/node/node"

// Two sockets with an L3 each, siblings on the first, one CPU off, one isolated, a node of memory alone.
static const char two_sockets[] =
	CPUS "online = 0-5\n" CPUS "present = 0-6\n" CPUS "isolated = 3\n"
	CPUS "cpu0/topology/core_cpus_list = 0,2\n" CPUS "cpu1/topology/core_cpus_list = 1,3\n"
	CPUS "cpu0/topology/physical_package_id = 0\n" CPUS "cpu1/topology/physical_package_id = 0\n"
	CPUS "cpu4/topology/physical_package_id = 1\n" CPUS "cpu5/topology/physical_package_id = 1\n"
	CPUS "cpu0/cache/index3/level = 3\n" CPUS "cpu0/cache/index3/shared_cpu_list = 0-3\n"
	CPUS "cpu0/cache/index3/size = 8192K\n"
	CPUS "cpu4/cpufreq/cpuinfo_max_freq = 3600000\n"
	NODE "0/cpulist = 0-3\n" NODE "1/cpulist = 4-5\n" NODE "4/cpulist =\n"
	NODE "0/meminfo = Node 0 MemTotal: 8388608 kB\\nNode 0 MemFree: 1024 kB\n"
	NODE "4/meminfo = Node 4 MemTotal: 0 kB\\nNode 4 MemFree: 0 kB\n"
	NODE "0/distance = 10 20 30\n" NODE "1/distance = 20 10 30\n"
	NODE "0/hugepages/hugepages-2048kB/nr_hugepages = 512\n"
	NODE "0/hugepages/hugepages-2048kB/free_hugepages = 500\n"
	NODE "0/hugepages/hugepages-2048kB/surplus_hugepages = 12\n"
	"sys/kernel/mm/transparent_hugepage/enabled = [always] madvise never\n"
	"proc/meminfo = MemTotal: 8388608 kB\\nMemAvailable: 6291456 kB\n"
	"proc/cpuinfo = vendor_id : GenuineIntel\\nmodel name : Made\\x1bup\\nflags : fpu vmx\n"
	"proc/sys/kernel/osrelease = 6.1.0\n"
	"proc/self/status = Cpus_allowed_list: 0-4\n";

static void read_machine(const char *manifest, struct host_machine *machine)
{
	char dir[PATH_MAX];
	struct root root;

	assert_int_equal(tree_make(manifest, dir, sizeof(dir)), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	assert_int_equal(host_machine_read(&root, false, machine, NULL), 0);
	root_finish(&root);
	tree_remove(dir);
}

static void test_text(void **state)
{
	CLEANUP(host_machine_finish) struct host_machine host = { 0 };
	AUTO_STR struct str out = { 0 };

	(void)state;
	read_machine(two_sockets, &host);
	host_print_text(&host, &out);
	assert_string_equal(out.text,
			    "Made\\x1bup, VMX\n"
			    "Linux 6.1.0, no sign of KVM\n"
			    "7 CPUs in 4 cores\n"
			    "\n"
			    "socket 0, node 0\n"
			    "  L3 0, 8M\n"
			    "    cores                 0,2 1,3*\n"
			    "\n"
			    "socket 1, node 1\n"
			    "  no L3\n"
			    "    cores 3.60 GHz        4\n"
			    "    cores                 5\n"
			    "\n"
			    "online       0-5\n"
			    "offline      6\n"
			    "isolated (*) 3\n"
			    "not for us   5\n"
			    "\n"
			    "memory 8.0G, 6.0G available\n"
			    "  node 0     8.0G, 1.0M free, distances 10 20 30\n"
			    "  node 1     size unknown, distances 20 10 30\n"
			    "  node 4     0.0M, 0.0M free, no CPUs\n"
			    "hugepages, transparent ones: always\n"
			    "  node 0     512 of 2M, 500 free, 12 of them surplus\n"
			    "\n"
			    "IOMMU unknown\n"
			    "PCI devices unknown\n");
}

static void test_json(void **state)
{
	CLEANUP(host_machine_finish) struct host_machine host = { 0 };
	struct json_object *json;

	(void)state;
	read_machine(two_sockets, &host);
	json = host_print_json(&host);
	assert_string_equal(
		json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN),
		"{\"cpus\":["
		"{\"cpu\":0,\"online\":true,\"core\":0,\"socket\":0,\"node\":0,\"l3\":0,"
		"\"siblings\":\"0,2\",\"kind\":\"uniform\",\"max_khz\":null,\"isolated\":false},"
		"{\"cpu\":1,\"online\":true,\"core\":1,\"socket\":0,\"node\":0,\"l3\":0,"
		"\"siblings\":\"1,3\",\"kind\":\"uniform\",\"max_khz\":null,\"isolated\":false},"
		"{\"cpu\":2,\"online\":true,\"core\":0,\"socket\":0,\"node\":0,\"l3\":0,"
		"\"siblings\":\"0,2\",\"kind\":\"uniform\",\"max_khz\":null,\"isolated\":false},"
		"{\"cpu\":3,\"online\":true,\"core\":1,\"socket\":0,\"node\":0,\"l3\":0,"
		"\"siblings\":\"1,3\",\"kind\":\"uniform\",\"max_khz\":null,\"isolated\":true},"
		"{\"cpu\":4,\"online\":true,\"core\":2,\"socket\":1,\"node\":1,\"l3\":null,"
		"\"siblings\":\"4\",\"kind\":\"uniform\",\"max_khz\":3600000,\"isolated\":false},"
		"{\"cpu\":5,\"online\":true,\"core\":3,\"socket\":1,\"node\":1,\"l3\":null,"
		"\"siblings\":\"5\",\"kind\":\"uniform\",\"max_khz\":null,\"isolated\":false},"
		"{\"cpu\":6,\"online\":false,\"core\":null,\"socket\":null,\"node\":null,\"l3\":null,"
		"\"siblings\":null,\"kind\":null,\"max_khz\":null,\"isolated\":false}],"
		"\"nodes\":["
		"{\"node\":0,\"cpus\":\"0-3\",\"bytes\":8589934592,\"free\":1048576,"
		"\"distances\":[10,20,30]},"
		"{\"node\":1,\"cpus\":\"4-5\",\"bytes\":null,\"free\":null,"
		"\"distances\":[20,10,30]},"
		"{\"node\":4,\"cpus\":\"\",\"bytes\":0,\"free\":0,\"distances\":null}],"
		"\"hugepages\":[{\"node\":0,\"size\":2097152,\"total\":512,\"free\":500}],"
		"\"iommu\":{\"enabled\":null,\"remedy\":null,\"vfio_pci\":null,\"acs_override\":null,"
		"\"groups\":[]},\"pci\":[],\"usb\":[]}");
	json_object_put(json);
}

static void test_nothing_known(void **state)
{
	CLEANUP(host_machine_finish) struct host_machine host = { 0 };
	AUTO_STR struct str out = { 0 };

	(void)state;
	read_machine(CPUS "online = 0\n", &host);
	host_print_text(&host, &out);
	assert_string_equal(out.text, "unknown processor\n"
				      "Linux of unknown release, no sign of KVM\n"
				      "1 CPU in 1 core\n"
				      "\n"
				      "socket unknown, node 0\n"
				      "  no L3\n"
				      "    cores                 0\n"
				      "\n"
				      "online       0\n"
				      "\n"
				      "memory\n"
				      "  node 0     size unknown\n"
				      "hugepages\n"
				      "  no pools\n"
				      "\n"
				      "IOMMU unknown\n"
				      "PCI devices unknown\n");
}

// Every other CPU is online, so that no list gets short.
static void test_lines_stay_within_80_columns(void **state)
{
	CLEANUP(host_machine_finish) struct host_machine host = { 0 };
	AUTO_STR struct str manifest = { 0 }, out = { 0 };
	AUTO_STRV struct strv lines = { 0 };

	(void)state;
	str_add(&manifest, CPUS "present = 0-999\n" CPUS "online = 0-998:1/2\n");
	for (int node = 0; node < 40; node++) {
		str_addf(&manifest, NODE "%d/distance =", node);
		for (int i = 0; i < 40; i++)
			str_addf(&manifest, " %d", i == node ? 10 : 255);
		str_addc(&manifest, '\n');
	}
	read_machine(manifest.text, &host);
	host_print_text(&host, &out);
	strv_split(&lines, out.text, "\n");
	assert_true(lines.count > 100);
	for (size_t i = 0; i < lines.count; i++)
		assert_true(strlen(lines.items[i]) <= 80);
	assert_non_null(strstr(out.text, "992,"));
	assert_non_null(strstr(out.text, " 998\n"));
}

// A desktop with one screen, whose keyboard and mouse hang on one controller, and whose root is on an NVMe drive.
static const char desktop[] =
	CPUS "online = 0\n"
	"proc/sys/kernel/osrelease = 6.1.0\n"
	"sys/bus/pci/drivers/vfio-pci/uevent = \n"
	"pci 0000:00:01.0 8086:0151 060400 rev=9 buses=01-01 driver=pcieport group=1\n"
	"pci 0000:00:14.0 8086:1e31 0c0330 rev=4 driver=xhci_hcd group=2\n"
	"pci 0000:01:00.0 10de:13c2 030000 under=0000:00:01.0 rev=a1 driver=nouveau group=1 reset=bus boot_vga=1\n"
	"pci 0000:01:00.1 10de:0fbb 040300 under=0000:00:01.0 rev=a1 driver=snd_hda_intel group=1\n"
	"pci 0000:02:00.0 144d:a808 010802 driver=nvme group=4 reset=flr,bus power=D3hot override=vfio-pci\n"
	"pci 0000:03:00.0 10ec:8168 020000 driver=vfio-pci group=5 reset=pm\n"
	"pci 0000:04:00.0 1002:67df 030000 dead=1\n"
	"sys/bus/pci/devices/0000:01:00.0/drm/card0/dev = 226:0\n"
	"sys/bus/pci/devices/0000:01:00.0/drm/card0/uevent = MAJOR=226\\nMINOR=0\\nDEVNAME=dri/card0\n"
	"sys/bus/pci/devices/0000:01:00.0/drm/renderD128/dev = 226:128\n"
	"sys/bus/pci/devices/0000:01:00.0/drm/renderD128/uevent = MAJOR=226\\nMINOR=128\\nDEVNAME=dri/renderD128\n"
	"sys/bus/pci/devices/0000:02:00.0/nvme/nvme0/nvme0n1/dev = 259:0\n"
	"sys/bus/pci/devices/0000:02:00.0/nvme/nvme0/nvme0n1/uevent = "
	"MAJOR=259\\nMINOR=0\\nDEVNAME=nvme0n1\\nDEVTYPE=disk\n"
	"sys/class/block/nvme0n1 -> ../../bus/pci/devices/0000:02:00.0/nvme/nvme0/nvme0n1\n"
	"proc/self/mountinfo = 22 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n"
	"proc/1/comm = Xorg\n"
	"proc/1/fd/3 -> /dev/dri/card0\n"
	"proc/1/fd/4 -> /dev/dri/card0\n"
	"proc/1/fd/5 -> /dev/dri/renderD128\n"
	"proc/77/comm = qemu-system-x86\n"
	"proc/77/fd/9 -> /dev/vfio/5\n"
	"sys/devices/pci0000:00/0000:00:14.0/usb1/busnum = 1\n"
	"sys/bus/usb/devices/usb1 -> ../../../devices/pci0000:00/0000:00:14.0/usb1\n"
	"sys/bus/usb/devices/usb2 -> ../../../devices/pci0000:00/0000:00:14.0/usb2\n"
	"sys/bus/usb/devices/1-2/idVendor = 046d\n"
	"sys/bus/usb/devices/1-2/idProduct = c52b\n"
	"sys/bus/usb/devices/1-2/product = Made\\x1bup Receiver\n"
	"sys/bus/usb/devices/1-2/devnum = 3\n"
	"sys/bus/usb/devices/1-2:1.0/bInterfaceClass = 03\n"
	"sys/bus/usb/devices/1-2:1.0/bInterfaceSubClass = 01\n"
	"sys/bus/usb/devices/1-2:1.0/bInterfaceProtocol = 01\n"
	"sys/bus/usb/devices/1-2:1.1/bInterfaceClass = 03\n"
	"sys/bus/usb/devices/1-2:1.1/bInterfaceSubClass = 01\n"
	"sys/bus/usb/devices/1-2:1.1/bInterfaceProtocol = 02\n";

static void test_devices(void **state)
{
	CLEANUP(host_machine_finish) struct host_machine host = { 0 };
	AUTO_STR struct str out = { 0 };

	(void)state;
	read_machine(desktop, &host);
	host_add_groups(&host, &out);
	host_add_usb(&host, &out);
	assert_string_equal(out.text,
			    "\n"
			    "IOMMU is on, 4 groups, vfio-pci is loaded\n"
			    "\n"
			    "group 1: blocked (!), in use by nouveau, snd_hda_intel\n"
			    "        00:01.0 class 0604\n"
			    "                [8086:0151] (rev 09)\n"
			    "                driver pcieport\n"
			    "[RESET] 01:00.0 class 0300 (boot VGA)\n"
			    "                [10de:13c2] (rev a1)\n"
			    "                driver nouveau, reset by bus\n"
			    "                ! it is the host's only graphics card\n"
			    "                ! Xorg (1) has /dev/dri/card0 and 1 more open\n"
			    "        01:00.1 class 0403\n"
			    "                [10de:0fbb] (rev a1)\n"
			    "                driver snd_hda_intel\n"
			    "\n"
			    "group 2: blocked (!), in use by xhci_hcd\n"
			    "        00:14.0 class 0c03\n"
			    "                [8086:1e31] (rev 04)\n"
			    "                driver xhci_hcd\n"
			    "                ! the host's last keyboard hangs on it: Made\\x1bup Receiver\n"
			    "                ! the host's last mouse hangs on it: Made\\x1bup Receiver\n"
			    "\n"
			    "group 4: blocked (!), in use by nvme\n"
			    "[RESET] 02:00.0 class 0108\n"
			    "                [144d:a808]\n"
			    "                driver nvme, kept for vfio-pci, reset by flr, bus, in D3hot\n"
			    "                ! /dev/nvme0n1 is mounted on /\n"
			    "\n"
			    "group 5: blocked (!)\n"
			    "[RESET] 03:00.0 class 0200\n"
			    "                [10ec:8168]\n"
			    "                driver vfio-pci, reset by pm\n"
			    "                ! qemu-system-x86 (77) has /dev/vfio/5 open\n"
			    "\n"
			    "in no group:\n"
			    "        04:00.0 class 0300\n"
			    "                [1002:67df]\n"
			    "                no driver\n"
			    "                ! the IOMMU has no group for it: it can't be passed\n"
			    "                ! it does not answer: its configuration reads as ones\n"
			    "\n"
			    "USB bus 1 of 00:14.0 in group 2\n"
			    "  1-2       Made\\x1bup Receiver [046d:c52b] (keyboard) (mouse)\n"
			    "\n"
			    "USB bus 2 of 00:14.0 in group 2: nothing\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_lines_stay_within_80_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
