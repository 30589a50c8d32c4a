// SPDX-License-Identifier: MIT
// Who uses a PCI device: file systems, routes, processes.
#include "tune/host/pci.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PCI "sys/bus/pci/devices/"
#define NODE(path, number, event) PCI path "/dev = " number "\n" PCI path "/uevent = " event "\n"

static const char machine[] =
	"pci 0000:01:00.0 10de:13c2 030000 driver=nvidia group=1\n"
	"pci 0000:01:00.1 10de:0fbb 040300 driver=snd_hda_intel group=1\n"
	"pci 0000:02:00.0 144d:a808 010802 driver=nvme group=2\n"
	"pci 0000:03:00.0 8086:1533 020000 driver=igb group=3\n"
	"pci 0000:04:00.0 10ec:8168 020000 driver=vfio-pci group=4\n"
	"pci 0000:05:00.0 8086:1533 020000 driver=pci-stub group=5\n";

struct fixture {
	char dir[PATH_MAX];
	struct root root;
	struct pci_facts pci;
};

static struct fixture f = { .root = ROOT_CLOSED };

static int release(void **state)
{
	(void)state;
	pci_facts_finish(&f.pci);
	root_finish(&f.root);
	tree_remove(f.dir);
	return 0;
}

static void read_tree(const char *more)
{
	assert_int_equal(tree_make(machine, f.dir, sizeof(f.dir)), 0);
	assert_int_equal(tree_add(f.dir, more), 0);
	assert_int_equal(root_open(&f.root, f.dir, NULL), 0);
	pci_facts_read(&f.root, &f.pci, NULL);
}

static const struct pci_detail *detail(const char *address)
{
	const struct pci_device *device = pci_facts_find(&f.pci, address);

	assert_non_null(device);
	pci_facts_read_detail(&f.root, &f.pci, (size_t)(device - f.pci.items));
	return &device->detail;
}

// A line each
static void assert_uses(const char *address, const char *want)
{
	const struct pci_detail *d = detail(address);
	AUTO_STR struct str text = { 0 };

	for (size_t i = 0; i < d->uses.count; i++)
		str_addf(&text, "%s\n", d->uses.items[i]);
	assert_string_equal(str_text(&text), want);
}

static void assert_detail_users(const struct pci_detail *d, const char *want)
{
	AUTO_STR struct str text = { 0 };

	for (size_t i = 0; i < d->n_users; i++)
		str_addf(&text, "%d %s %s\n", (int)d->users[i].pid, d->users[i].name, d->users[i].path);
	assert_string_equal(str_text(&text), want);
}

static void assert_users(const char *address, const char *want)
{
	assert_detail_users(detail(address), want);
}

// As it is asked before a device is taken. Returns what was read for it.
static unsigned long assert_users_now(const char *address, const char *want)
{
	unsigned long before = f.root.reads;
	const struct pci_device *device;
	struct pci_facts facts;

	device = pci_facts_read_users(&f.root, address, &facts);
	assert_non_null(device);
	assert_string_equal(device->address, address);
	assert_detail_users(&device->detail, want);
	pci_facts_finish(&facts);
	return f.root.reads - before;
}

#define DISK NODE("0000:02:00.0/nvme/nvme0/nvme0n1", "259:0", "MAJOR=259\\nMINOR=0\\nDEVNAME=nvme0n1\\nDEVTYPE=disk") \
	NODE("0000:02:00.0/nvme/nvme0/nvme0n1/nvme0n1p1", "259:1",                                                 \
	     "MAJOR=259\\nMINOR=1\\nDEVNAME=nvme0n1p1\\nDEVTYPE=partition")                                         \
	PCI "0000:02:00.0/nvme/nvme0/nvme0n1/nvme0n1p1/partition = 1\n"                                             \
	"sys/class/block/nvme0n1 -> ../../bus/pci/devices/0000:02:00.0/nvme/nvme0/nvme0n1\n"                        \
	"sys/class/block/nvme0n1p1 -> ../../bus/pci/devices/0000:02:00.0/nvme/nvme0/nvme0n1/nvme0n1p1\n"

static void test_file_systems(void **state)
{
	(void)state;
	read_tree(DISK "proc/self/mountinfo = 22 1 259:1 / /home rw - ext4 /dev/nvme0n1p1 rw\n");
	assert_uses("02:00.0", "/dev/nvme0n1p1 is mounted on /home\n");
	assert_int_equal(detail("02:00.0")->n_nodes, 2);
	assert_uses("01:00.0", "");
}

static void test_swap_and_raid(void **state)
{
	(void)state;
	read_tree(DISK "proc/self/mountinfo = \n"
		       "proc/swaps = Filename Type Size Used Priority\\n/dev/nvme0n1p1 partition 1 0 -2\n"
		       PCI "0000:02:00.0/nvme/nvme0/nvme0n1/holders/md0 -> /sys/devices/virtual/block/md0\n"
		       "sys/devices/virtual/block/md0/dev = 9:0\n");
	assert_uses("02:00.0", "/dev/nvme0n1 is part of the RAID md0\n/dev/nvme0n1p1 is used for swapping\n");
}

// The controller has a way to the disk only; the disk itself is nobody's child.
static void test_multipath(void **state)
{
	(void)state;
	read_tree(PCI "0000:02:00.0/nvme/nvme0/nvme3c0n1/hidden = 1\n"
		  "sys/devices/virtual/nvme-subsystem/nvme-subsys3/nvme3n1/dev = 259:4\n"
		  "sys/devices/virtual/nvme-subsystem/nvme-subsys3/nvme3n1/uevent = "
		  "MAJOR=259\\nMINOR=4\\nDEVNAME=nvme3n1\\nDEVTYPE=disk\n"
		  "sys/class/block/nvme3n1 -> ../../devices/virtual/nvme-subsystem/nvme-subsys3/nvme3n1\n"
		  "proc/self/mountinfo = 22 1 259:4 / /srv rw - ext4 /dev/nvme3n1 rw\n");
	assert_uses("02:00.0", "/dev/nvme3n1 is mounted on /srv\n");
	assert_string_equal(detail("02:00.0")->nodes[0].path, "/dev/nvme3n1");
}

#define NET "sys/class/net/eth0 -> ../../bus/pci/devices/0000:03:00.0/net/eth0\n" \
	PCI "0000:03:00.0/net/eth0/mtu = 1500\n"

static void test_default_route(void **state)
{
	(void)state;
	read_tree(NET "proc/net/route = Iface Destination Gateway Flags RefCnt Use Metric Mask\\n"
		      "eth0 00000000 0100A8C0 0003 0 0 100 00000000\\n"
		      "eth0 0000A8C0 00000000 0001 0 0 100 00FFFFFF\n");
	assert_uses("03:00.0", "eth0 has the default route\n");
}

static void test_other_routes(void **state)
{
	(void)state;
	read_tree(NET "proc/net/route = Iface Destination Gateway Flags RefCnt Use Metric Mask\\n"
		      "eth1 00000000 0100A8C0 0003 0 0 100 00000000\\n"
		      "eth0 00000000 00000000 0201 0 0 100 00000000\\n" // unreachable
		      "eth0 0000A8C0 00000000 0001 0 0 100 00FFFFFF\n"
		      "proc/net/ipv6_route = 00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		      "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\\n"
		      "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 "
		      "00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\n");
	assert_uses("03:00.0", "");
}

static void test_default_route_6_above(void **state)
{
	(void)state;
	read_tree(NET PCI "0000:03:00.0/net/eth0/upper_bond0 -> ../../../x\n"
		  "sys/class/net/bond0/upper_br0 -> ../br0\n"
		  "sys/class/net/br0/mtu = 1500\n"
		  "proc/net/ipv6_route = 00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		  "fe800000000000000000000000000001 00000400 00000001 00000000 00000003 br0\n");
	assert_uses("03:00.0", "eth0 carries br0, which has the default route\n");
}

static void test_users(void **state)
{
	(void)state;
	read_tree(NODE("0000:01:00.1/sound/card0/controlC0", "116:2", "MAJOR=116\\nMINOR=2\\nDEVNAME=snd/controlC0")
		  "proc/1/fd/0 -> /dev/null\n"
		  "proc/1200/comm = pipewire\n"
		  "proc/1200/fd/9 -> /dev/snd/controlC0\n"
		  "proc/1200/fd/10 -> /dev/snd/controlC0\n"
		  "proc/1200/fd/3 -> /home/snd/controlC0\n"
		  "proc/30/comm = a-name-of-15-chr\n"
		  "proc/30/fd/4 -> /dev/snd/controlC0\n"
		  "proc/31/fd/4 -> /dev/snd/controlC1\n"
		  "proc/self/fd/4 -> /dev/snd/controlC0\n");
	assert_users("01:00.1", "30 a-name-of-15-ch /dev/snd/controlC0\n1200 pipewire /dev/snd/controlC0\n");
	assert_false(detail("01:00.1")->users_unknown);
	assert_users("01:00.0", "");
	assert_users_now("0000:01:00.1", "30 a-name-of-15-ch /dev/snd/controlC0\n1200 pipewire /dev/snd/controlC0\n");
	assert_users_now("0000:01:00.0", "");
}

// What else the machine has, and what else is to be known of the device, is not read.
static void test_users_now_cost_little(void **state)
{
	struct pci_facts facts;
	unsigned long few;

	(void)state;
	read_tree(NODE("0000:01:00.1/sound/card0/controlC0", "116:2", "DEVNAME=snd/controlC0")
		  "proc/1/comm = init\nproc/1200/comm = pipewire\nproc/1200/fd/9 -> /dev/snd/controlC0\n");
	few = assert_users_now("0000:01:00.1", "1200 pipewire /dev/snd/controlC0\n");
	for (int i = 0; i < 32; i++) {
		char row[64];

		snprintf(row, sizeof(row), "pci 0000:40:%02x.0 8086:1533 020000 driver=igb group=%d\n", i, i + 20);
		assert_int_equal(tree_add(f.dir, row), 0);
	}
	assert_int_equal(assert_users_now("0000:01:00.1", "1200 pipewire /dev/snd/controlC0\n"), few);
	assert_null(pci_facts_read_users(&f.root, "no address", &facts));
	pci_facts_finish(&facts);
}

static void test_not_everybody_is_seen(void **state)
{
	(void)state;
	read_tree(NODE("0000:01:00.1/sound/card0/controlC0", "116:2", "MAJOR=116\\nMINOR=2\\nDEVNAME=snd/controlC0")
		  "proc/1200/fd/9 -> /dev/snd/controlC0\n");
	assert_true(detail("01:00.1")->users_unknown);
	assert_users("01:00.1", "1200  /dev/snd/controlC0\n");
}

// The processes are looked into once for all devices.
static void test_one_scan(void **state)
{
	unsigned long first, second;

	(void)state;
	read_tree(NODE("0000:01:00.1/sound/card0/controlC0", "116:2", "DEVNAME=snd/controlC0")
		  NODE("0000:03:00.0/ptp/ptp0", "248:0", "DEVNAME=ptp0")
		  "proc/1/fd/0 -> /dev/null\nproc/2/fd/0 -> /dev/null\nproc/3/fd/0 -> /dev/null\n"
		  "proc/4/fd/0 -> /dev/null\nproc/5/fd/0 -> /dev/ptp0\nproc/6/fd/0 -> /dev/null\n");
	first = f.root.reads;
	detail("01:00.1");
	second = f.root.reads;
	first = second - first;
	assert_users("03:00.0", "5  /dev/ptp0\n");
	second = f.root.reads - second;
	assert_true(second + 6 <= first);
}

static void test_vfio(void **state)
{
	(void)state;
	read_tree("proc/1/comm = qemu\nproc/1/fd/7 -> /dev/vfio/4\nproc/1/fd/8 -> /dev/vfio/vfio\n");
	assert_users("04:00.0", "1 qemu /dev/vfio/4\n");
	assert_users_now("0000:04:00.0", "1 qemu /dev/vfio/4\n");
	assert_int_equal(detail("05:00.0")->n_nodes, 0);
}

// Nodes that are in no sysfs: the card's own, and what all cards of that driver share.
static void test_nvidia(void **state)
{
	static const char nodes[] =
		"dev/nvidia0 =\ndev/nvidia1 =\ndev/nvidiactl =\ndev/nvidia-uvm =\ndev/nvidia-caps/nvidia-cap1 =\n"
		"proc/driver/nvidia/gpus/0000:01:00.0/information = Model: x\\nDevice Minor: \\t 1\n"
		"proc/1/comm = X\nproc/1/fd/3 -> /dev/nvidia1\nproc/1/fd/4 -> /dev/nvidia0\n"
		"proc/1/fd/5 -> /dev/nvidiactl\n";

	(void)state;
	read_tree(nodes);
	assert_users("01:00.0", "1 X /dev/nvidia1\n1 X /dev/nvidiactl\n");
	assert_users_now("0000:01:00.0", "1 X /dev/nvidia1\n1 X /dev/nvidiactl\n");
	release(NULL);
	read_tree(nodes);
	assert_int_equal(tree_add(f.dir, "pci 0000:06:00.0 10de:13c2 030000 driver=nvidia group=6\n"), 0);
	pci_facts_finish(&f.pci);
	pci_facts_read(&f.root, &f.pci, NULL);
	assert_users("01:00.0", "1 X /dev/nvidia1\n");
	assert_users_now("0000:01:00.0", "1 X /dev/nvidia1\n");
	// which of the two is not said: it could be either
	assert_users("06:00.0", "1 X /dev/nvidia0\n1 X /dev/nvidia1\n");
}

#define TEST(function) cmocka_unit_test_teardown(function, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_file_systems), TEST(test_swap_and_raid),	   TEST(test_multipath),
		TEST(test_default_route), TEST(test_other_routes),	   TEST(test_default_route_6_above),
		TEST(test_users),	 TEST(test_not_everybody_is_seen), TEST(test_one_scan),
		TEST(test_vfio),	 TEST(test_nvidia),		   TEST(test_users_now_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
