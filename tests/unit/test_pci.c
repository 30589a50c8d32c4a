// SPDX-License-Identifier: MIT
#include "tune/host/pci.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

// What pci_facts_read may open: for each device, and once.
enum { PER_DEVICE = 3, CONSTANT = 2 };

// A desktop: the card of the guide in a group of two, a bridge and a network card that share another one, twins, a
// drive with a virtual function, and a card that has died. Not in the order of their addresses.
static const char machine[] =
	"pci 0000:00:00.0 8086:0150 060000 group=0\n"
	"pci 0000:00:1c.0 8086:1e10 060400 buses=06-06 driver=pcieport group=1 node=0\n"
	"pci 0000:00:0a.0 8086:1e12 060400 buses=07-09 driver=pcieport group=2\n"
	"pci 0000:06:00.1 10de:0fbb 040300 under=0000:00:1c.0 rev=a1 driver=snd_hda_intel group=13 node=0\n"
	"pci 0000:06:00.0 10de:13c2 030000 under=0000:00:1c.0 sub=1458:3679 rev=a1 driver=nouveau group=13 "
	"reset=flr,bus boot_vga=1 power=D3hot override=vfio-pci "
	"bar0=f6000000-f6ffffff:40200 bar1=e0000000-efffffff:14220c rom=f7000000-f707ffff:46200\n"
	"pci 0000:07:00.0 1b21:1080 060401 under=0000:00:0a.0 buses=08-08 group=2\n"
	"pci 0000:08:00.0 10ec:8139 020000 under=0000:07:00.0 driver=8139too group=2\n"
	"pci 0000:09:00.0 144d:a808 010802 under=0000:00:0a.0 driver=nvme group=5 vfs=1 vfs_max=4 reset=flr\n"
	"pci 0000:09:00.1 144d:a809 010802 under=0000:00:0a.0 physfn=0000:09:00.0 group=6 reset=\n"
	"pci 0000:0a:00.0 1002:67df 030000 rev=c7 group=7 dead=1\n"
	"pci 10000:e1:00.0 10ec:8139 020000\n"
	"sys/bus/pci/devices/0000:06:00.0/resource1_resize = 0000000000000ff0\n"
	"sys/bus/pci/devices/0000:08:00.0/reset = \n"
	"sys/kernel/iommu_groups/20/devices/INTC1056:00 -> /sys/devices/x\n";

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
	f.dir[0] = '\0';
	return 0;
}

static void read_tree(const char *manifest)
{
	assert_int_equal(tree_make(manifest, f.dir, sizeof(f.dir)), 0);
	assert_int_equal(root_open(&f.root, f.dir, NULL), 0);
	pci_facts_read(&f.root, &f.pci, NULL);
}

static void add(const char *manifest)
{
	assert_int_equal(tree_add(f.dir, manifest), 0);
}

static const struct pci_device *find(const char *address)
{
	const struct pci_device *device = pci_facts_find(&f.pci, address);

	assert_non_null(device);
	return device;
}

static const struct pci_detail *detail(const char *address)
{
	const struct pci_device *device = find(address);

	pci_facts_read_detail(&f.root, &f.pci, (size_t)(device - f.pci.items));
	assert_true(device->detail.known);
	assert_false(device->detail.stuck);
	return &device->detail;
}

static void assert_words(const struct strv *words, const char *want)
{
	AUTO_STR struct str text = { 0 };

	for (size_t i = 0; i < words->count; i++)
		str_addf(&text, "%s%s", i ? "|" : "", words->items[i]);
	assert_string_equal(str_text(&text), want);
}

static void test_devices_by_address(void **state)
{
	static const char *const addresses[] = {
		"0000:00:00.0", "0000:00:0a.0", "0000:00:1c.0", "0000:06:00.0", "0000:06:00.1", "0000:07:00.0",
		"0000:08:00.0", "0000:09:00.0", "0000:09:00.1", "0000:0a:00.0", "10000:e1:00.0",
	};

	(void)state;
	read_tree(machine);
	assert_true(f.pci.known);
	assert_true(f.pci.iommu);
	assert_int_equal(f.pci.count, ARRAY_SIZE(addresses));
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		assert_string_equal(f.pci.items[i].address, addresses[i]);
	assert_int_equal(f.pci.items[10].domain, 0x10000);
	assert_int_equal(f.pci.items[6].bus, 8);
	assert_int_equal(f.pci.items[2].slot, 0x1c);
	assert_int_equal(f.pci.items[4].function, 1);
}

static void test_card(void **state)
{
	const struct pci_device *card;

	(void)state;
	read_tree(machine);
	card = find("06:00.0");
	assert_int_equal(card->vendor, 0x10de);
	assert_int_equal(card->device, 0x13c2);
	assert_int_equal(card->subsystem_vendor, 0x1458);
	assert_int_equal(card->subsystem, 0x3679);
	assert_int_equal(card->class, 0x030000);
	assert_int_equal(card->revision, 0xa1);
	assert_int_equal(card->header, 0);
	assert_false(card->dead);
	assert_false(card->is_bridge);
	assert_string_equal(card->driver, "nouveau");
	assert_int_equal(card->group, 13);
	assert_false(card->detail.known);
	assert_null(find("00:00.0")->driver);
	assert_int_equal(find("10000:e1:00.0")->group, -1);
}

static void test_reads_stay_few(void **state)
{
	(void)state;
	read_tree("pci 0000:00:1c.0 8086:1e10 060400 buses=06-06 driver=pcieport group=1\n"
		  "pci 0000:06:00.0 10de:13c2 030000 under=0000:00:1c.0 driver=nouveau group=13\n"
		  "pci 0000:06:00.1 10de:0fbb 040300 under=0000:00:1c.0 group=13\n");
	assert_int_equal(f.pci.count, 3);
	assert_int_equal(f.root.reads, PER_DEVICE * 3 + CONSTANT);
	release(NULL);
	read_tree(machine);
	// one more for a virtual function and for a dead device each
	assert_int_equal(f.root.reads, PER_DEVICE * f.pci.count + CONSTANT + 2);
	release(NULL);
	// without an IOMMU no group is looked for
	read_tree("sys/kernel/iommu_groups/\npci 0000:00:02.0 8086:46a6 030000\npci 0000:00:03.0 8086:46a7 030000\n");
	assert_int_equal(f.root.reads, 2 * 2 + CONSTANT);
}

static void test_bridges_and_what_is_behind_them(void **state)
{
	(void)state;
	read_tree(machine);
	assert_true(find("00:00.0")->is_bridge); // a host bridge, by its class
	assert_true(find("00:1c.0")->is_bridge);
	assert_int_equal(find("00:1c.0")->header, 1);
	assert_int_equal(find("00:0a.0")->last_bus_behind, 9);
	assert_true(find("07:00.0")->is_bridge);
	assert_int_equal(find("00:1c.0")->parent, -1);
	assert_ptr_equal(&f.pci.items[find("06:00.1")->parent], find("00:1c.0"));
	assert_ptr_equal(&f.pci.items[find("08:00.0")->parent], find("07:00.0"));
	assert_ptr_equal(&f.pci.items[find("07:00.0")->parent], find("00:0a.0"));
	// on a bus that is no bridge's own
	assert_ptr_equal(&f.pci.items[find("09:00.1")->parent], find("00:0a.0"));
	assert_int_equal(find("10000:e1:00.0")->parent, -1);
}

static void test_groups(void **state)
{
	const struct pci_device *member;

	(void)state;
	read_tree(machine);
	member = pci_facts_next_in_group(&f.pci, 2, 0);
	assert_ptr_equal(member, find("00:0a.0"));
	member = pci_facts_next_in_group(&f.pci, 2, (size_t)(member - f.pci.items) + 1);
	assert_ptr_equal(member, find("07:00.0"));
	member = pci_facts_next_in_group(&f.pci, 2, (size_t)(member - f.pci.items) + 1);
	assert_ptr_equal(member, find("08:00.0"));
	assert_null(pci_facts_next_in_group(&f.pci, 2, (size_t)(member - f.pci.items) + 1));
	assert_null(pci_facts_next_in_group(&f.pci, -1, 0));
	assert_null(pci_facts_next_in_group(&f.pci, 99, 0));
}

static void test_virtual_function(void **state)
{
	const struct pci_device *function;

	(void)state;
	read_tree(machine);
	function = find("09:00.1");
	assert_int_equal(function->vendor, 0x144d);
	assert_int_equal(function->device, 0xa809);
	assert_int_equal(function->class, 0x010802);
	assert_false(function->dead);
	assert_string_equal(detail("09:00.1")->physical, "0000:09:00.0");
	assert_int_equal(detail("09:00.1")->vfs_max, 0);
	assert_int_equal(detail("09:00.0")->vfs, 1);
	assert_int_equal(detail("09:00.0")->vfs_max, 4);
	assert_null(detail("09:00.0")->physical);
}

static void test_dead_device(void **state)
{
	const struct pci_device *card;

	(void)state;
	read_tree(machine);
	card = find("0a:00.0");
	assert_true(card->dead);
	assert_false(card->is_bridge);
	assert_int_equal(card->header, 0x7f);
	assert_int_equal(card->vendor, 0x1002);
	assert_int_equal(card->device, 0x67df);
	assert_int_equal(card->class, 0x030000);
	assert_false(find("09:00.1")->dead);
}

static void test_detail(void **state)
{
	const struct pci_detail *d;

	(void)state;
	read_tree(machine);
	d = detail("06:00.0");
	assert_string_equal(d->modalias, "pci:v000010DEd000013C2sv00001458sd00003679bc03sc00i00");
	assert_string_equal(d->override, "vfio-pci");
	assert_words(&d->resets, "flr|bus");
	assert_true(d->boot_vga);
	assert_int_equal(d->node, -1);
	assert_string_equal(d->power, "D3hot");
	assert_int_equal(d->bars[1].start, 0xe0000000);
	assert_int_equal(d->bars[1].end, 0xefffffff);
	assert_int_equal(d->bars[1].flags, 0x14220c);
	assert_int_equal(d->bars[1].sizes, 0xff0);
	assert_int_equal(d->bars[0].sizes, 0);
	assert_int_equal(d->bars[2].end, 0);
	assert_int_equal(d->bars[PCI_BAR_ROM].start, 0xf7000000);
	d = detail("06:00.1");
	assert_null(d->override);
	assert_words(&d->resets, "");
	assert_false(d->boot_vga);
	assert_int_equal(d->node, 0);
	// a kernel before 5.15
	assert_words(&detail("08:00.0")->resets, "reset");
	assert_words(&detail("09:00.1")->resets, "");
}

static void test_one_detail_does_not_read_another(void **state)
{
	unsigned long before;

	(void)state;
	read_tree(machine);
	detail("06:00.0");
	assert_false(find("06:00.1")->detail.known);
	before = f.root.reads;
	detail("06:00.0");
	assert_int_equal(f.root.reads, before);
}

// "KIND NAME PATH", a line each
static void assert_nodes(const char *address, const char *want)
{
	static const char *const kinds[PCI_NODE_KINDS] = {
		[PCI_NODE_DRM] = "drm",	    [PCI_NODE_SOUND] = "sound", [PCI_NODE_BLOCK] = "block",
		[PCI_NODE_NET] = "net",	    [PCI_NODE_INPUT] = "input", [PCI_NODE_USB] = "usb",
		[PCI_NODE_FB] = "fb",	    [PCI_NODE_OTHER] = "other",
	};
	const struct pci_detail *d = detail(address);
	AUTO_STR struct str text = { 0 };

	for (size_t i = 0; i < d->n_nodes; i++)
		str_addf(&text, "%s %s %s\n", kinds[d->nodes[i].kind], d->nodes[i].name,
			 d->nodes[i].path ? d->nodes[i].path : "-");
	assert_string_equal(str_text(&text), want);
}

#define NODE(path, number, name, more)             \
	"sys/bus/pci/devices/" path "/dev = " number "\n" \
	"sys/bus/pci/devices/" path "/uevent = " name more "\n"

static void test_nodes(void **state)
{
	(void)state;
	read_tree(machine);
	add(NODE("0000:06:00.0/drm/card0", "226:0", "MAJOR=226\\nMINOR=0\\nDEVNAME=dri/card0", "\\nDEVTYPE=drm_minor")
	    NODE("0000:06:00.0/drm/renderD128", "226:128", "MAJOR=226\\nMINOR=128\\nDEVNAME=dri/renderD128", "")
	    NODE("0000:06:00.0/graphics/fb0", "29:0", "MAJOR=29\\nMINOR=0\\nDEVNAME=fb0", "")
	    NODE("0000:06:00.0/i2c-1/i2c-dev/i2c-1", "89:1", "MAJOR=89\\nMINOR=1\\nDEVNAME=i2c-1", "")
	    "sys/bus/pci/devices/0000:06:00.0/drm/card0/card0-DP-1/status = connected\n"
	    "sys/bus/pci/devices/0000:06:00.0/msi_irqs/30/dev = 1:1\n");
	assert_nodes("06:00.0", "drm card0 /dev/dri/card0\n"
				"drm renderD128 /dev/dri/renderD128\n"
				"fb fb0 /dev/fb0\n"
				"other i2c-1 /dev/i2c-1\n");
	assert_int_equal(detail("06:00.0")->nodes[1].dev, makedev(226, 128));
	add(NODE("0000:06:00.1/sound/card1/controlC1", "116:9", "MAJOR=116\\nMINOR=9\\nDEVNAME=snd/controlC1", "")
	    NODE("0000:06:00.1/sound/card1/input7/event7", "13:71", "MAJOR=13\\nMINOR=71\\nDEVNAME=input/event7", ""));
	assert_nodes("06:00.1", "sound controlC1 /dev/snd/controlC1\n"
				"input event7 /dev/input/event7\n");
	add("sys/bus/pci/devices/0000:08:00.0/net/eth0/mtu = 1500\n");
	assert_nodes("08:00.0", "net eth0 -\n");
}

static void test_bridge_has_no_nodes(void **state)
{
	(void)state;
	read_tree(machine);
	add(NODE("0000:06:00.0/drm/card0", "226:0", "MAJOR=226\\nMINOR=0\\nDEVNAME=dri/card0", ""));
	assert_nodes("00:1c.0", "");
}

#define TEST(function) cmocka_unit_test_teardown(function, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_devices_by_address),
		TEST(test_card),
		TEST(test_reads_stay_few),
		TEST(test_bridges_and_what_is_behind_them),
		TEST(test_groups),
		TEST(test_virtual_function),
		TEST(test_dead_device),
		TEST(test_detail),
		TEST(test_one_detail_does_not_read_another),
		TEST(test_nodes),
		TEST(test_bridge_has_no_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
