// SPDX-License-Identifier: MIT
#include "tune/host/usb.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "tests/unit/tree.h"
#include "tune/host/inputs.h"
#include "tune/host/root.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define XHCI "sys/devices/pci0000:00/0000:00:14.0/"
#define USB "sys/bus/usb/devices/"
#define LINK(name, path) USB name " -> ../../../devices/pci0000:00/0000:00:14.0/" path "\n"
#define IDS(path, vendor, product) \
	XHCI path "/idVendor = " vendor "\n" XHCI path "/idProduct = " product "\n" XHCI path "/devnum = 2\n"
#define INTERFACE(path, class, subclass, protocol)                  \
	XHCI path "/bInterfaceClass = " class "\n"                  \
	XHCI path "/bInterfaceSubClass = " subclass "\n"            \
	XHCI path "/bInterfaceProtocol = " protocol "\n"

// A hub with a keyboard, a wireless mouse that is no boot device, a network adapter and a drive, and twins. Bus 10
// sorts behind bus 2; its controller is no PCI device.
static const char machine[] =
	XHCI "usb1/busnum = 1\n" LINK("usb1", "usb1")
	IDS("usb1/1-2", "05e3", "0610") XHCI "usb1/1-2/bDeviceClass = 09\n" LINK("1-2", "usb1/1-2")
	IDS("usb1/1-2/1-2.1", "046d", "c31c") LINK("1-2.1", "usb1/1-2/1-2.1")
	XHCI "usb1/1-2/1-2.1/manufacturer = Logitech\n" XHCI "usb1/1-2/1-2.1/product = Logitech  Keyboard K120 \n"
	XHCI "usb1/1-2/1-2.1/serial = 1234\n"
	INTERFACE("usb1/1-2/1-2.1/1-2.1:1.0", "03", "01", "01") LINK("1-2.1:1.0", "usb1/1-2/1-2.1/1-2.1:1.0")
	IDS("usb1/1-2/1-2.2", "1532", "0084") XHCI "usb1/1-2/1-2.2/manufacturer = Razer\n"
	XHCI "usb1/1-2/1-2.2/product = DeathAdder\n" LINK("1-2.2", "usb1/1-2/1-2.2")
	INTERFACE("usb1/1-2/1-2.2/1-2.2:1.0", "03", "00", "00") LINK("1-2.2:1.0", "usb1/1-2/1-2.2/1-2.2:1.0")
	IDS("usb1/1-3", "0bda", "8153") LINK("1-3", "usb1/1-3")
	INTERFACE("usb1/1-3/1-3:1.0", "ff", "ff", "00") LINK("1-3:1.0", "usb1/1-3/1-3:1.0")
	IDS("usb1/1-4", "0781", "5581") LINK("1-4", "usb1/1-4") XHCI "usb1/1-4/product = Ultra\n"
	INTERFACE("usb1/1-4/1-4:1.0", "08", "06", "50") LINK("1-4:1.0", "usb1/1-4/1-4:1.0")
	IDS("usb1/1-5", "0781", "5581") LINK("1-5", "usb1/1-5")
	USB "usb2 -> ../../../devices/pci0000:00/0000:00:1d.0/usb2\n"
	USB "usb10 -> ../../../devices/platform/dwc2/usb10\n"
	"proc/net/route = Iface Destination Gateway Flags RefCnt Use Metric Mask\\n"
	"enx0 00000000 0100A8C0 0003 0 0 100 00000000\n"
	XHCI "usb1/1-3/1-3:1.0/net/enx0/mtu = 1500\n"
	"sys/class/net/enx0 -> ../../devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/net/enx0\n"
	XHCI "usb1/1-4/1-4:1.0/host6/block/sdb/dev = 8:16\n"
	XHCI "usb1/1-4/1-4:1.0/host6/block/sdb/uevent = DEVNAME=sdb\\nDEVTYPE=disk\n"
	"sys/block/sdb -> ../devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/host6/block/sdb\n"
	"sys/block/loop0 -> ../devices/virtual/block/loop0\n"
	"proc/self/mountinfo = 30 1 8:16 / /backup rw - ext4 /dev/sdb rw\n"
	"proc/bus/input/devices = "
	"I: Bus=0003 Vendor=046d Product=c31c Version=0110\\n"
	"N: Name=\"Logitech \"K120\"\"\\n"
	"S: Sysfs=/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2.1/1-2.1:1.0/0003:046D:C31C.0001/input/input5\\n"
	"B: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\\n\\n"
	"I: Bus=0003\\nN: Name=\"Razer\"\\n"
	"S: Sysfs=/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2.2/1-2.2:1.0/0003:1532:0084.0002/input/input6\\n"
	"B: KEY=1f0000 0 0 0 0\\nB: REL=903\\n\\n"
	"I: Bus=0011\\nN: Name=\"AT keyboard\"\\nS: Sysfs=/devices/platform/i8042/serio0/input/input0\\n"
	"B: KEY=402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe\\n\\n"
	"I: Bus=0019\\nN: Name=\"Power Button\"\\nS: Sysfs=/devices/LNXSYSTM:00/input/input1\\n"
	"B: KEY=10000000000000 0\\n\\n"
	"I: Bus=0003\\nN: Name=\"made\"\\nS: Sysfs=/devices/virtual/input/input9\\n"
	"B: KEY=1f0000 0 0 0 0\\nB: REL=3\\n\\n"
	"I: Bus=0005\\nN: Name=\"Bluetooth mouse\"\\n"
	"S: Sysfs=/devices/virtual/misc/uhid/0005:046D:B015.0003/input/input10\\n"
	"B: KEY=1f0000 0 0 0 0\\nB: REL=903\\n\\n"
	"I: Bus=0003\\nN: Name=\"tablet\"\\nS: Sysfs=/devices/x\\nB: KEY=70000 0 0 0 0\\nB: ABS=3\n";

struct fixture {
	char dir[PATH_MAX];
	struct root root;
	struct usb_facts usb;
};

static struct fixture f = { .root = ROOT_CLOSED };

static int release(void **state)
{
	(void)state;
	usb_facts_finish(&f.usb);
	root_finish(&f.root);
	tree_remove(f.dir);
	return 0;
}

static void read_tree(const char *manifest)
{
	assert_int_equal(tree_make(manifest, f.dir, sizeof(f.dir)), 0);
	assert_int_equal(root_open(&f.root, f.dir, NULL), 0);
	usb_facts_read(&f.root, &f.usb);
}

static const struct usb_device *find(const char *text)
{
	bool several;
	const struct usb_device *device = usb_facts_find(&f.usb, text, &several);

	assert_non_null(device);
	assert_false(several);
	return device;
}

static void test_buses(void **state)
{
	(void)state;
	read_tree(machine);
	assert_int_equal(f.usb.count, 3);
	assert_int_equal(f.usb.buses[0].bus, 1);
	assert_string_equal(f.usb.buses[0].controller, "0000:00:14.0");
	assert_int_equal(f.usb.buses[0].n_devices, 6);
	assert_string_equal(f.usb.buses[1].controller, "0000:00:1d.0");
	assert_int_equal(f.usb.buses[1].n_devices, 0);
	assert_int_equal(f.usb.buses[2].bus, 10);
	assert_string_equal(f.usb.buses[2].controller, "");
	assert_ptr_equal(usb_facts_bus(&f.usb, 10), &f.usb.buses[2]);
	assert_null(usb_facts_bus(&f.usb, 3));
}

static void test_names(void **state)
{
	(void)state;
	read_tree(machine);
	assert_string_equal(find("1-2.1")->name, "Logitech  Keyboard K120");
	assert_string_equal(find("1-2.2")->name, "Razer DeathAdder");
	assert_string_equal(find("1-4")->name, "Ultra");
	assert_string_equal(find("1-3")->name, "device 0bda:8153");
	assert_string_equal(find("1-2.1")->serial, "1234");
	assert_null(find("1-2.2")->serial);
	assert_int_equal(find("1-2.1")->number, 2);
}

static void test_kinds(void **state)
{
	(void)state;
	read_tree(machine);
	assert_true(find("1-2")->hub);
	assert_false(find("1-2")->keyboard);
	assert_true(find("1-2.1")->keyboard);
	assert_false(find("1-2.1")->mouse);
	assert_true(find("1-2.2")->mouse);
	assert_false(find("1-2.2")->keyboard);
	assert_true(find("1-4")->storage);
	assert_false(find("1-3")->storage);
}

// The Bluetooth mouse and the tablet, but neither the power button nor what a program made; PS/2's keyboard where it
// is sure to have keys.
static void test_inputs_elsewhere(void **state)
{
	(void)state;
	read_tree(machine);
	assert_int_equal(f.usb.other_keyboards, 0);
	assert_int_equal(f.usb.other_mice, 2);
	assert_int_equal(tree_add(f.dir, "sys/class/dmi/id/chassis_type = 3\n"), 0);
	usb_facts_finish(&f.usb);
	usb_facts_read(&f.root, &f.usb);
	assert_int_equal(f.usb.other_keyboards, 0);
	assert_int_equal(tree_add(f.dir, "sys/class/dmi/id/chassis_type = 10\n"), 0);
	usb_facts_finish(&f.usb);
	usb_facts_read(&f.root, &f.usb);
	assert_int_equal(f.usb.other_keyboards, 1);
	assert_int_equal(f.usb.other_mice, 2);
}

static void test_input_names(void **state)
{
	struct input_list inputs;

	(void)state;
	read_tree(machine);
	inputs_read(&f.root, &inputs);
	assert_int_equal(inputs.count, 7);
	assert_string_equal(inputs.items[0].name, "Logitech \"K120\"");
	assert_string_equal(inputs.items[3].name, "Power Button");
	assert_false(inputs.items[3].keyboard);
	assert_true(inputs.items[4].made);
	assert_false(inputs.items[5].made);
	inputs_finish(&inputs);
}

static void test_uses(void **state)
{
	(void)state;
	read_tree(machine);
	assert_int_equal(find("1-4")->uses.count, 1);
	assert_string_equal(find("1-4")->uses.items[0], "/dev/sdb is mounted on /backup");
	assert_int_equal(find("1-3")->uses.count, 1);
	assert_string_equal(find("1-3")->uses.items[0], "enx0 has the default route");
	assert_int_equal(find("1-2")->uses.count, 0);
}

static void test_find(void **state)
{
	bool several;

	(void)state;
	read_tree(machine);
	assert_ptr_equal(find("046d:c31c"), find("1-2.1"));
	assert_ptr_equal(find("046D:C31C"), find("1-2.1"));
	assert_null(usb_facts_find(&f.usb, "0781:5581", &several));
	assert_true(several);
	assert_null(usb_facts_find(&f.usb, "0781:5582", &several));
	assert_false(several);
	assert_null(usb_facts_find(&f.usb, "1-2.3", &several));
	assert_null(usb_facts_find(&f.usb, "1-2.", &several));
	assert_null(usb_facts_find(&f.usb, "7-1", &several));
	assert_null(usb_facts_find(&f.usb, "", &several));
}

static void test_no_usb(void **state)
{
	(void)state;
	read_tree("proc/bus/input/devices = junk\\n\\nS: Sysfs=\\n\n");
	assert_int_equal(f.usb.count, 0);
	assert_int_equal(f.usb.other_keyboards, 0);
}

#define TEST(function) cmocka_unit_test_teardown(function, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_buses), TEST(test_names),	  TEST(test_kinds), TEST(test_inputs_elsewhere),
		TEST(test_input_names), TEST(test_uses), TEST(test_find),  TEST(test_no_usb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
