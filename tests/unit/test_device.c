// SPDX-License-Identifier: MIT
// Which devices a guest gets, what else is done for them, and each reason against it.
#include "tests/unit/world.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/device.h"
#include "tune/host/input.h"
#include "launcher/plan/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

// A card with its audio function behind a port, another GPU that the host shows its desktop on, an NVMe drive,
// two USB controllers.
#define HOST                                                                                     \
	"0000:00:01.0 060400 8086:1901 group=1 driver=pcieport bridge\n"                         \
	"0000:00:02.0 030000 8086:3e92 group=2 driver=i915 boot_vga\n"                           \
	"0000:00:14.0 0c0330 8086:a36d group=4 driver=xhci_hcd\n"                                \
	"0000:06:00.0 030000 10de:13c2 group=13 driver=nouveau reset=bus node=1\n"               \
	"0000:06:00.1 040300 10de:0fbb group=13 driver=snd_hda_intel node=1\n"                 \
	"0000:07:00.0 010802 144d:a808 group=14 driver=nvme\n"                                   \
	"0000:08:00.0 0c0330 1b21:2142 group=15 driver=xhci_hcd"

#define BOTH "[pci \"0000:06:00.0\"]\n[pci \"06:00.1\"]\n"

static const char card_and_audio[] =
	"pass 0000:06:00.0\npass 0000:06:00.1\n"
	"bind 0000:06:00.0: nouveau -> vfio-pci override=vfio-pci\n"
	"bind 0000:06:00.1: snd_hda_intel -> vfio-pci override=vfio-pci\n"
	"owner 13: ? -> uid=1000 gid=1000 mode=0600\n"
	"warning live-gpu\n";

static void whole_group_by_name(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world_check(&world, BOTH, card_and_audio);
	assert_int_equal(world.plan.memlock, UINT64_C(5) << 30);
	assert_int_equal(world.plan.devices[0].group, 13);
	assert_string_equal(world.plan.devices[1].driver, "snd_hda_intel");
	world_expect(&world, "live-gpu", "nouveau|ids=10de:13c2");
	world_finish(&world);
}

static void whole_group_by_auto(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world_check(&world, "[pci \"10de:13c2\"]\ngroup = auto\n", card_and_audio);
	assert_non_null(strstr(world.plan.devices[1].why, "takes whole"));
	world_finish(&world);
}

static void half_a_group_is_refused(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world_plan(&world, "[pci \"06:00.0\"]\n");
	world_expect(&world, "pci-group",
		     "IOMMU group 13|0000:06:00.1|snd_hda_intel|group = auto|[pci \"0000:06:00.1\"]|"
		     "another slot|firmware setup|pcie_acs_override=downstream");
	assert_int_equal(diags_exit_status(&world.diags), 3);
	world_finish(&world);
}

// Every blocker in one go: three functions, one of them without a driver, one on a stub, and a bridge.
static void groups_of_all_kinds(void **state)
{
	static const char rest[] = "0000:00:02.0 030000 8086:3e92 group=2 driver=i915 boot_vga\n";
	struct world world;
	AUTO_FREE char *devices = mem_printf(
		"%s0000:01:00.0 060400 8086:1901 group=7 driver=pcieport bridge\n"
		"0000:02:00.0 030000 10de:1e84 group=7 driver=vfio-pci\n"
		"0000:02:00.1 040300 10de:10f8 group=7\n"
		"0000:02:00.2 0c0330 10de:1ad8 group=7 driver=xhci_hcd user=Xorg:70\n"
		"0000:02:00.3 0c8000 10de:1ad9 group=7 driver=nvidia-gpu\n"
		"0000:03:00.0 020000 8086:1533 group=7 driver=pci-stub",
		rest);

	(void)state;
	world_make(&world, devices);
	world_plan(&world, "[pci \"02:00.0\"]\n");
	assert_int_equal(world.diags.count, 1);
	world_expect(&world, "pci-group", "0000:02:00.2|xhci_hcd|Xorg (pid 70)|0000:02:00.3|nvidia-gpu|pass them too");
	assert_null(strstr(world.diags.items[0].text, "0000:02:00.1"));
	assert_null(strstr(world.diags.items[0].text, "0000:03:00.0"));
	assert_null(strstr(world.diags.items[0].text, "0000:01:00.0"));
	// a function without a driver is held while the rest is passed; the stub is left alone
	world_check(&world, "[pci \"02:00.0\"]\n[pci \"02:00.2\"]\n[pci \"02:00.3\"]\n",
		    "pass 0000:02:00.0\nhold 0000:02:00.1\npass 0000:02:00.2\npass 0000:02:00.3\n"
		    "bind 0000:02:00.1: none -> none override=vfio-pci\n"
		    "bind 0000:02:00.2: xhci_hcd -> vfio-pci override=vfio-pci\n"
		    "bind 0000:02:00.3: nvidia-gpu -> vfio-pci override=vfio-pci\n"
		    "owner 7: ? -> uid=1000 gid=1000 mode=0600\n");
	// auto takes it along, too
	world_check(&world, "[pci \"02:00.0\"]\ngroup = auto\n",
		    "pass 0000:02:00.0\npass 0000:02:00.1\npass 0000:02:00.2\npass 0000:02:00.3\n"
		    "pass 0000:03:00.0\nbind 0000:02:00.1: none -> vfio-pci override=vfio-pci\n"
		    "bind 0000:02:00.2: xhci_hcd -> vfio-pci override=vfio-pci\n"
		    "bind 0000:02:00.3: nvidia-gpu -> vfio-pci override=vfio-pci\n"
		    "bind 0000:03:00.0: pci-stub -> vfio-pci override=vfio-pci\n"
		    "owner 7: ? -> uid=1000 gid=1000 mode=0600\n");
	world_finish(&world);
}

// What the board's function 1f looks like: an ISA bridge, sound, SMBus. The bridge is in the way while it has a driver,
// and no `auto` takes it then; without one it stays, and gets none meanwhile.
static void isa_bridge_in_the_group(void **state)
{
	static const char driven[] = "0000:00:1f.0 060100 8086:a30c group=9 driver=lpc_ich\n"
				     "0000:00:1f.3 040300 8086:a348 group=9 driver=snd_hda_intel\n"
				     "0000:00:1f.4 0c0500 8086:a323 group=9 driver=i801_smbus",
			  idle[] = "0000:00:1f.0 060100 8086:a30c group=9\n"
				   "0000:00:1f.3 040300 8086:a348 group=9 driver=snd_hda_intel\n"
				   "0000:00:1f.4 0c0500 8086:a323 group=9 driver=i801_smbus",
			  stubbed[] = "0000:00:1f.0 060100 8086:a30c group=9 driver=vfio-pci\n"
				      "0000:00:1f.3 040300 8086:a348 group=9 driver=snd_hda_intel";
	struct world world;

	(void)state;
	world_make(&world, driven);
	world_plan(&world, "[pci \"00:1f.3\"]\n");
	world_expect(&world, "pci-group", "0000:00:1f.0|lpc_ich|0000:00:1f.4|pass it too: group = auto, or "
					  "[pci \"0000:00:1f.4\"];|/lpc_ich/unbind|if the host needs them");
	world_plan(&world, "[pci \"00:1f.3\"]\ngroup = auto\n");
	world_expect(&world, "pci-group", "0000:00:1f.0|lpc_ich|[pci \"0000:00:1f.0\"] with force = yes|another slot");
	assert_null(strstr(world.diags.items[0].text, "0000:00:1f.4"));
	assert_null(strstr(world.diags.items[0].hint, "pass it too"));
	world_plan(&world, "[pci \"00:1f.3\"]\ngroup = auto\n[pci \"00:1f.0\"]\n");
	world_expect(&world, "pci-isa-bridge", "x.conf:6|force = yes");
	world_check(&world, "[pci \"00:1f.3\"]\ngroup = auto\n[pci \"00:1f.0\"]\nforce = yes\n",
		    "pass 0000:00:1f.3\npass 0000:00:1f.4\npass 0000:00:1f.0\n"
		    "bind 0000:00:1f.3: snd_hda_intel -> vfio-pci override=vfio-pci\n"
		    "bind 0000:00:1f.4: i801_smbus -> vfio-pci override=vfio-pci\n"
		    "bind 0000:00:1f.0: lpc_ich -> vfio-pci override=vfio-pci\n"
		    "owner 9: ? -> uid=1000 gid=1000 mode=0600\n"
		    "warning pci-forced\n");
	world_finish(&world);

	world_make(&world, idle);
	world_check(&world, "[pci \"00:1f.3\"]\ngroup = auto\n",
		    "pass 0000:00:1f.3\nhold 0000:00:1f.0\npass 0000:00:1f.4\n"
		    "bind 0000:00:1f.3: snd_hda_intel -> vfio-pci override=vfio-pci\n"
		    "bind 0000:00:1f.0: none -> none override=vfio-pci\n"
		    "bind 0000:00:1f.4: i801_smbus -> vfio-pci override=vfio-pci\n"
		    "owner 9: ? -> uid=1000 gid=1000 mode=0600\n");
	world_plan(&world, "[pci \"00:1f.3\"]\n");
	assert_null(strstr(world.diags.items[0].text, "0000:00:1f.0"));
	world_finish(&world);

	world_make(&world, stubbed);
	world_check(&world, "[pci \"00:1f.3\"]\ngroup = auto\n",
		    "pass 0000:00:1f.3\n"
		    "bind 0000:00:1f.3: snd_hda_intel -> vfio-pci override=vfio-pci\n"
		    "owner 9: ? -> uid=1000 gid=1000 mode=0600\n");
	world_finish(&world);
}

// A host bridge is never passed, but the kernel counts its driver like anybody's; a port's it does not.
static void host_bridge_in_the_group(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, "0000:00:08.0 060000 1022:1632 group=5 driver=k10temp bridge\n"
			   "0000:00:08.1 060400 1022:1635 group=5 driver=pcieport bridge\n"
			   "0000:04:00.6 040300 1022:15e3 group=5 driver=snd_hda_intel");
	world_plan(&world, "[pci \"04:00.6\"]\ngroup = auto\n");
	world_expect(&world, "pci-group", "0000:00:08.0|k10temp|/k10temp/unbind");
	assert_null(strstr(world.diags.items[0].text, "0000:00:08.1"));
	assert_null(strstr(world.diags.items[0].hint, "[pci"));
	world_finish(&world);

	world_make(&world, "0000:00:08.0 060000 1022:1632 group=5 bridge\n"
			   "0000:00:08.1 060400 1022:1635 group=5 driver=pcieport bridge\n"
			   "0000:04:00.6 040300 1022:15e3 group=5 driver=snd_hda_intel");
	world_check(&world, "[pci \"04:00.6\"]\ngroup = auto\n",
		    "pass 0000:04:00.6\n"
		    "bind 0000:04:00.6: snd_hda_intel -> vfio-pci override=vfio-pci\n"
		    "owner 5: ? -> uid=1000 gid=1000 mode=0600\n");
	world_finish(&world);
}

static void titles(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST "\n0000:09:00.0 030000 10de:13c2 group=16 driver=nouveau");
	world_check(&world, "[pci \"10de:13c2\"]\n", "error pci-ambiguous\n");
	world_expect(&world, "pci-ambiguous", "0000:06:00.0, 0000:09:00.0|[pci \"0000:06:00.0\"]");
	world_check(&world, "[pci \"0000:06:01.0\"]\n", "error pci-missing\n");
	world_expect(&world, "pci-missing", "x.conf:4|0000:06:01.0|did you mean 0000:06:00.0");
	world_check(&world, "[pci \"06:00.2\"]\n", "error pci-missing\n");
	world_expect(&world, "pci-missing", "did you mean 0000:06:00.");
	world_check(&world, "[pci \"10de:1b06\"]\n", "error pci-missing\n");
	world_expect(&world, "pci-missing", "10de:13c2 at 0000:06:00.0");
	world_check(&world, "[pci \"dead:beef\"]\n", "error pci-missing\n");
	world_expect(&world, "pci-missing", "there are 0000:00:02.0|vfiorun host");
	world_check(&world, "[pci \"dead:beef\"]\noptional = yes\n", "warning pci-optional\n");
	world_check(&world, "[pci \"00:01.0\"]\n", "error pci-bridge\n");
	world_plan(&world, "[pci \"06:00.0\"]\ngroup = auto\n[pci \"0000:06:00.0\"]\n");
	world_expect(&world, "pci-twice", "06:00.0|the same device, 0000:06:00.0");
	assert_int_equal(diags_exit_status(&world.diags), 2);
	world_finish(&world);
}

static void what_is_bound_stays_bound(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, "0000:00:02.0 030000 8086:3e92 group=2 driver=i915 boot_vga\n"
			   "0000:06:00.0 030000 10de:13c2 group=13 driver=vfio-pci\n"
			   "0000:06:00.1 040300 10de:0fbb group=13 driver=pci-stub override=pci-stub");
	world.facts.iommu.vfio_loaded = FACT_NO;
	world_check(&world, BOTH,
		    "pass 0000:06:00.0\npass 0000:06:00.1\nmodule vfio-pci: unloaded -> loaded\n"
		    "bind 0000:06:00.1: pci-stub override=pci-stub -> vfio-pci override=vfio-pci\n"
		    "owner 13: ? -> uid=1000 gid=1000 mode=0600\n");
	world_finish(&world);
}

static void rebind_no(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world_check(&world, "[pci \"07:00.0\"]\nrebind = no\n",
		    "pass 0000:07:00.0\nbind 0000:07:00.0: nvme -> vfio-pci override=vfio-pci rebind=no\n"
		    "owner 14: ? -> uid=1000 gid=1000 mode=0600\n");
	world_finish(&world);
}

// While a BAR is resized no driver has the device. One that has its size already is as any other.
static void bars_of_another_size(void **state)
{
	static const char cards[] =
		"0000:06:00.0 120000 1002:6798 group=13 driver=amdgpu bar1=e0000000-efffffff sizes1=f00\n"
		"0000:07:00.0 120000 1002:6798 group=14 driver=vfio-pci override=vfio-pci "
		"bar1=d0000000-dfffffff sizes1=300";
	struct world world;

	(void)state;
	world_make(&world, cards);
	world_check(&world, "[pci \"06:00.0\"]\nbar_size = 1:1G\n",
		    "pass 0000:06:00.0\n"
		    "bind 0000:06:00.0: amdgpu -> none override=vfio-pci\n"
		    "resize resource1_resize: 256M -> 1G\n"
		    "bind 0000:06:00.0: none override=vfio-pci -> vfio-pci override=vfio-pci\n"
		    "owner 13: ? -> uid=1000 gid=1000 mode=0600\n");
	world_check(&world, "[pci \"07:00.0\"]\nbar_size = 1:512M\n",
		    "pass 0000:07:00.0\n"
		    "bind 0000:07:00.0: vfio-pci override=vfio-pci -> none override=vfio-pci\n"
		    "resize resource1_resize: 256M -> 512M\n"
		    "bind 0000:07:00.0: none override=vfio-pci -> vfio-pci override=vfio-pci\n"
		    "owner 14: ? -> uid=1000 gid=1000 mode=0600\n");
	world_check(&world, "[pci \"06:00.0\"]\nbar_size = 1:256M\n",
		    "pass 0000:06:00.0\n"
		    "bind 0000:06:00.0: amdgpu -> vfio-pci override=vfio-pci\n"
		    "owner 13: ? -> uid=1000 gid=1000 mode=0600\n");
	world_plan(&world, "[pci \"06:00.0\"]\nbar_size = 1:4G\n");
	world_expect(&world, "bar-size", "BAR 1 of 0000:06:00.0 can't be 4G: it can be 256M, 512M, 1G, 2G");
	world_plan(&world, "[pci \"06:00.0\"]\nbar_size = 0:1G\n");
	world_expect(&world, "bar-size", "BAR 0 of 0000:06:00.0|the kernel offers no other size|Linux 6.1");
	world_finish(&world);
}

static void what_the_host_needs(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, "0000:00:02.0 030000 8086:3e92 group=2 driver=i915 boot_vga\n"
			   "0000:07:00.0 010802 144d:a808 group=14 driver=nvme use=/home_is_mounted_from_nvme0n1p2 "
			   "use=swap_on_nvme0n1p3\n"
			   "0000:09:00.0 020000 8086:1533 group=17 driver=igb use=the_default_route_goes_over_eth0");
	world_check(&world, "[pci \"07:00.0\"]\n[pci \"09:00.0\"]\n",
		    "pass 0000:07:00.0\npass 0000:09:00.0\n"
		    "bind 0000:07:00.0: nvme -> vfio-pci override=vfio-pci\n"
		    "bind 0000:09:00.0: igb -> vfio-pci override=vfio-pci\n"
		    "owner 14: ? -> uid=1000 gid=1000 mode=0600\nowner 17: ? -> uid=1000 gid=1000 mode=0600\n"
		    "error pci-in-use\nerror pci-in-use\n");
	world_expect(&world, "pci-in-use", "/home is mounted from nvme0n1p2; swap on nvme0n1p3|force = yes");
	world_check(&world, "[pci \"07:00.0\"]\nforce = yes\n",
		    "pass 0000:07:00.0\nbind 0000:07:00.0: nvme -> vfio-pci override=vfio-pci\n"
		    "owner 14: ? -> uid=1000 gid=1000 mode=0600\nwarning pci-forced\n");
	world_finish(&world);
}

static void the_only_gpu(void **state)
{
	static const char only[] = "0000:01:00.0 030000 10de:13c2 group=1 driver=nvidia boot_vga\n"
				   "0000:02:00.0 030000 1002:6798 group=2 driver=vfio-pci";
	struct world world;

	(void)state;
	world_make(&world, only);
	// another one that guests use already does not show the host's screen
	world_plan(&world, "[pci \"01:00.0\"]\n");
	world_expect(&world, "pci-only-gpu", "started on|force = yes|display_manager");
	assert_int_equal(diags_exit_status(&world.diags), 3);
	world_plan(&world, "[pci \"01:00.0\"]\nforce = yes\n");
	assert_int_equal(world.diags.count, 0);
	world_plan(&world, "[pci \"02:00.0\"]\n");
	assert_int_equal(world.diags.count, 0);
	world_finish(&world);
	world_make(&world, HOST);
	world_plan(&world, "[pci \"00:02.0\"]\n[pci \"06:00.0\"]\ngroup = auto\n");
	assert_int_equal(world.diags.count, 2);
	world_expect(&world, "pci-only-gpu", "0000:00:02.0");
	world_finish(&world);
}

static void the_last_keyboard(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world_add_usb(&world, "0000:08:00.0", "keyboard");
	world_add_usb(&world, "0000:08:00.0", "mouse");
	world_add_usb(&world, "0000:00:14.0", "mouse");
	world_plan(&world, "[pci \"08:00.0\"]\n");
	world_expect(&world, "pci-last-input", "last keyboard is");
	world_plan(&world, "[pci \"00:14.0\"]\n");
	assert_int_equal(world.diags.count, 0);
	world_plan(&world, "[pci \"00:14.0\"]\n[pci \"08:00.0\"]\nforce = yes\n");
	assert_int_equal(world.diags.count, 1);
	world_expect(&world, "pci-last-input", "0000:00:14.0|last mouse");
	world_expect(&world, "pci-forced", "0000:08:00.0|keyboard and mouse");
	world_add_usb(&world, "0000:00:14.0", "both");
	world_plan(&world, "[pci \"08:00.0\"]\n");
	assert_int_equal(world.diags.count, 0);
	world_add_usb(&world, "0000:08:00.0", "/mnt is mounted from sdb1");
	world_plan(&world, "[pci \"08:00.0\"]\n");
	world_expect(&world, "pci-in-use", "/mnt is mounted from sdb1");
	world_finish(&world);
	// the controller and its bus both tell of the disk
	world_make(&world, HOST "\n0000:09:00.0 0c0330 1b21:2142 group=16 driver=xhci_hcd use=sdb1_is_mounted_on_/mnt");
	world_add_usb(&world, "0000:09:00.0", "sdb1 is mounted on /mnt");
	world_plan(&world, "[pci \"09:00.0\"]\n");
	world_expect(&world, "pci-in-use", "0000:09:00.0 (device 1b21:2142): sdb1 is mounted on /mnt");
	assert_null(strchr(world.diags.items[0].text, ';'));
	world_finish(&world);
}

// What [input] moves between host and guest can't go with its controller.
static void a_shared_keyboard(void **state)
{
	struct input_device *device;
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world_add_usb(&world, "0000:08:00.0", "keyboard");
	world_add_usb(&world, "0000:00:14.0", "keyboard");
	device = MEM_PUSH(world.facts.input.devices, world.facts.input.count);
	*device = (struct input_device){ .node = "/dev/input/event3", .name = "Typer",
					 .phys = "usb-0000:08:00.0-/input0", .classes = INPUT_CLASS_KEYBOARD };
	world_plan(&world, "[pci \"08:00.0\"]\n");
	assert_int_equal(world.diags.count, 0);
	world_plan(&world, "[pci \"08:00.0\"]\n[input]\nkeyboard = auto\n");
	world_expect(&world, "pci-shared-input", "0000:08:00.0|shares Typer|force = yes");
	world_plan(&world, "[pci \"00:14.0\"]\n[input]\nkeyboard = auto\n");
	assert_int_equal(world.diags.count, 0);
	world_plan(&world, "[pci \"08:00.0\"]\n[input]\nkeyboard = 046d:c31c\n");
	assert_int_equal(world.diags.count, 0);
	world_finish(&world);
}

static void add_other(struct world *world, const char *address, int group, bool alive)
{
	struct vfio_facts *vfio = &world->facts.vfio;

	*MEM_PUSH(vfio->others, vfio->n_others) = (struct other_device){
		.address = mem_dup(address), .guest = mem_dup("games"), .group = group, .alive = alive
	};
}

static void somebody_has_it_open(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, "0000:00:02.0 030000 8086:3e92 group=2 driver=i915\n"
			   "0000:06:00.1 040300 10de:0fbb group=13 driver=snd_hda_intel user=pipewire:812 user=x:9\n"
			   "0000:07:00.0 0c0330 1b21:2142 group=15 driver=xhci_hcd user=Xorg:70\n"
			   "0000:08:00.0 010802 144d:a808 group=16 driver=vfio-pci user=qemu-system-x86:71");
	world_plan(&world, "[pci \"06:00.1\"]\nforce = yes\n");
	assert_int_equal(world.diags.count, 1);
	world_expect(&world, "pci-open", "snd_hda_intel|pipewire (pid 812), x (pid 9)|[host] stop");
	// they end with the desktop, and are looked for again when it is bound
	world_plan(&world, "[host]\nstop = pipewire\n[pci \"06:00.1\"]\n");
	assert_int_equal(world.diags.count, 0);
	world_expect(&world, "pci-open", "pipewire (pid 812), x (pid 9)|must end with the units");
	world_plan(&world, "[pci \"07:00.0\"]\n");
	assert_int_equal(world.diags.count, 0);
	world_plan(&world, "[host]\nstop = pipewire\n[pci \"08:00.0\"]\n");
	world_expect(&world, "pci-open", "qemu-system-x86 (pid 71)|end that program");
	world_finish(&world);
	// nobody comes back for what else is in the way
	world_make(&world, "0000:01:00.0 030000 10de:13c2 group=1 driver=nouveau boot_vga user=Xorg:70");
	world_plan(&world, "[pci \"01:00.0\"]\n");
	assert_int_equal(world.diags.count, 2);
	world_expect(&world, "pci-open", "Xorg (pid 70)");
	world_expect(&world, "pci-only-gpu", "started on");
	world_finish(&world);
}

// As an NVMe drive behind Intel's VMD, whose buses are a domain of their own.
static void no_group(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST "\n0000:09:00.0 020000 8086:1533 driver=igb"
			   "\n10000:e1:00.0 010802 8086:0a54 driver=nvme");
	world_plan(&world, "[pci \"09:00.0\"]\n");
	world_expect(&world, "pci-no-group", "0000:09:00.0|no IOMMU group|another slot");
	assert_int_equal(diags_exit_status(&world.diags), 3);
	world_plan(&world, "[pci \"10000:e1:00.0\"]\nforce = yes\n");
	world_expect(&world, "pci-no-group", "10000:e1:00.0|VMD");
	assert_int_equal(diags_exit_status(&world.diags), 3);
	// where it is off, no device has one, which is said once
	world.facts.iommu.enabled = FACT_NO;
	world_plan(&world, "[pci \"09:00.0\"]\n");
	assert_int_equal(world.diags.count, 1);
	world_expect(&world, "iommu-off", "off");
	world_finish(&world);
}

static void another_guest_has_it(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world.facts.iommu.vfio_loaded = FACT_YES;
	world_plan(&world, "[pci \"08:00.0\"]\n");
	assert_string_equal(world.plan.changes.items[0].kind, "bind");
	add_other(&world, "0000:06:00.1", 13, true);
	add_other(&world, "0000:07:00.0", 14, false);
	// who ends last of those that need the driver takes it out
	world_plan(&world, "[pci \"08:00.0\"]\n");
	assert_string_equal(world.plan.changes.items[0].kind, "module");
	assert_string_equal(world.plan.changes.items[0].was, "loaded");
	world_plan(&world, BOTH "[pci \"08:00.0\"]\n");
	assert_int_equal(world.diags.count, 2);
	world_expect(&world, "pci-held", "games has 0000:06:00.1|IOMMU group 13|vfiorun stop games");
	world_plan(&world, "[pci \"07:00.0\"]\nforce = yes\n");
	world_expect(&world, "pci-held", "0000:07:00.0|vfiorun revert games");
	world_finish(&world);
}

static void devices_that_do_not_answer(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, "0000:00:02.0 030000 8086:3e92 group=2 driver=i915\n"
			   "0000:06:00.0 030000 10de:13c2 group=13 driver=vfio-pci dead\n"
			   "0000:07:00.0 010802 144d:a808 group=14 driver=nvme stuck");
	world_check(&world, "[pci \"06:00.0\"]\nforce = yes\n", "error pci-dead\n");
	world_expect(&world, "pci-dead", "header type 7f");
	world_plan(&world, "[pci \"07:00.0\"]\nforce = yes\n");
	world_expect(&world, "pci-stuck", "blocks in the kernel");
	world_finish(&world);
}

static void resets(void **state)
{
	static const struct {
		const char *device, *code;
	} cases[] = {
		{ "0000:03:00.0 030000 1002:67df group=3 driver=vfio-pci reset=bus", "reset-bug" },
		{ "0000:03:00.0 030000 1002:687f group=3 driver=vfio-pci reset=bus", "reset-bug" },
		{ "0000:03:00.0 030000 1002:731f group=3 driver=vfio-pci reset=bus", "reset-bug" },
		{ "0000:03:00.0 030000 1002:67df group=3 driver=vfio-pci reset=device_specific,bus", NULL },
		{ "0000:03:00.0 030000 1002:744c group=3 driver=vfio-pci reset=bus", NULL },
		{ "0000:03:00.0 030000 10de:67df group=3 driver=vfio-pci reset=bus", NULL },
		{ "0000:03:00.0 040300 1002:67df group=3 driver=vfio-pci reset=bus", NULL },
		{ "0000:03:00.0 030000 10de:13c2 group=3 driver=vfio-pci reset=", "no-reset" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world world;

		world_make(&world, cases[i].device);
		world_plan(&world, "[pci \"03:00.0\"]\n");
		assert_int_equal(world.diags.count, 0);
		assert_int_equal(world.plan.warnings.count, cases[i].code != NULL);
		if (cases[i].code)
			assert_string_equal(world.plan.warnings.items[0].code, cases[i].code);
		world_finish(&world);
	}
}

static void virtual_functions(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, "0000:04:00.0 020000 8086:1572 group=20 driver=i40e vfs=2\n"
			   "0000:04:02.0 020000 8086:154c group=21 driver=iavf physical=0000:04:00.0\n"
			   "0000:04:02.1 020000 8086:154c group=22 physical=0000:04:00.0");
	world_check(&world, "[pci \"04:02.0\"]\n[pci \"04:02.1\"]\n",
		    "pass 0000:04:02.0\npass 0000:04:02.1\n"
		    "bind 0000:04:02.0: iavf -> vfio-pci override=vfio-pci\n"
		    "bind 0000:04:02.1: none -> vfio-pci override=vfio-pci\n"
		    "owner 21: ? -> uid=1000 gid=1000 mode=0600\nowner 22: ? -> uid=1000 gid=1000 mode=0600\n");
	world_plan(&world, "[pci \"04:00.0\"]\n");
	world_expect(&world, "pci-parted", "2 virtual functions|pass one of them instead");
	mem_set(&world.facts.pci.items[0].driver, "vfio-pci");
	world_plan(&world, "[pci \"04:02.0\"]\n");
	world_expect(&world, "pci-vf-token", "0000:04:00.0");
	world_finish(&world);
}

// What to do where the IOMMU is off, by CPU, kernel line, firmware and distribution.
static void iommu_off(void **state)
{
	static const struct {
		const char *vendor, *distro, *family;
		struct iommu_facts iommu;
		const char *says;
	} cases[] = {
		{ "GenuineIntel", "debian", "", { .dmar = FACT_YES }, "intel_iommu=on iommu=pt|update-grub" },
		{ "GenuineIntel", "linuxmint", "ubuntu debian", { .dmar = FACT_YES }, "update-grub" },
		{ "GenuineIntel", "fedora", "", { .dmar = FACT_YES },
		  "grubby --update-kernel=ALL --args='intel_iommu=on" },
		{ "GenuineIntel", "arch", "", { .dmar = FACT_YES }, "grub-mkconfig|systemd-boot" },
		{ "GenuineIntel", "slackware", "", { .dmar = FACT_YES }, "kernel line in the boot loader's" },
		{ "GenuineIntel", "arch", "", { .dmar = FACT_YES, .intel_default = FACT_YES }, "enable VT-d" },
		{ "GenuineIntel", "debian", "", { .dmar = FACT_NO }, "enable VT-d|no DMAR" },
		{ "GenuineIntel", "debian", "", { .dmar = FACT_YES, .intel_on = true }, "dmesg" },
		{ "GenuineIntel", "debian", "", { .dmar = FACT_YES, .intel_off = true }, "take intel_iommu=off off" },
		{ "GenuineIntel", "debian", "", { .off = true }, "take iommu=off off" },
		{ "AuthenticAMD", "debian", "", { .ivrs = FACT_NO }, "AMD-Vi|no IVRS" },
		{ "AuthenticAMD", "debian", "", { .amd_on = true },
		  "AMD-Vi|amd_iommu=on on the kernel line means nothing" },
		{ "AuthenticAMD", "debian", "", { .amd_off = true }, "take amd_iommu=off off" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world world;

		world_make(&world, "0000:07:00.0 010802 144d:a808 driver=vfio-pci");
		world.facts.iommu = cases[i].iommu;
		world.facts.iommu.enabled = FACT_NO;
		strcpy(world.facts.cpus.vendor, cases[i].vendor);
		strcpy(world.facts.system.distro, cases[i].distro);
		strcpy(world.facts.system.family, cases[i].family);
		world_plan(&world, "[pci \"07:00.0\"]\n");
		world_expect(&world, "iommu-off", cases[i].says);
		if (str_eq(cases[i].vendor, "AuthenticAMD") && !cases[i].iommu.amd_on)
			assert_null(strstr(world.diags.items[0].hint, "amd_iommu=on"));
		world_finish(&world);
	}
}

static void vfio_and_overrides(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, "0000:07:00.0 010802 144d:a808 group=1 driver=vfio-pci");
	world.facts.iommu.vfio_available = FACT_NO;
	world_plan(&world, "[pci \"07:00.0\"]\n");
	world_expect(&world, "no-vfio-pci", "reboot");
	world.facts.iommu.vfio_available = FACT_YES;
	strcpy(world.facts.iommu.acs_override, "downstream");
	world.facts.iommu.acs_patch = FACT_YES;
	world_plan(&world, "[pci \"07:00.0\"]\n");
	assert_int_equal(world.diags.count, 0);
	world_expect(&world, "acs-override", "pcie_acs_override=downstream is in force|smaller");
	world.facts.iommu.acs_patch = FACT_NO;
	world_plan(&world, "[pci \"07:00.0\"]\n");
	world_expect(&world, "acs-override-unknown", "lacks the patch");
	world_finish(&world);
}

static void add_framebuffer(struct world *world, uint64_t start, uint64_t end)
{
	struct iommu_facts *iommu = &world->facts.iommu;

	*MEM_PUSH(iommu->framebuffers, iommu->n_framebuffers) =
		(struct iommu_framebuffer){ .owner = "BOOTFB", .start = start, .end = end };
}

static void boot_framebuffer(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, "0000:00:01.0 060400 8086:1901 group=1 driver=pcieport bridge\n"
			   "0000:00:02.0 030000 8086:3e92 group=2 driver=i915\n"
			   "0000:06:00.0 030000 10de:13c2 group=13 driver=vfio-pci parent=0000:00:01.0 "
			   "bar1=e0000000-efffffff\n"
			   "0000:07:00.0 020000 8086:1533 group=14 driver=igb");
	add_framebuffer(&world, 0xd0000000, 0xd02fffff);
	world_check(&world, "[pci \"06:00.0\"]\n",
		    "pass 0000:06:00.0\nowner 13: ? -> uid=1000 gid=1000 mode=0600\n");
	add_framebuffer(&world, 0xe0000000, 0xe02fffff);
	strv_add(&world.facts.desktop.framebuffers, "/sys/bus/platform/devices/efi-framebuffer.0");
	world_check(&world, "[pci \"06:00.0\"]\n",
		    "pass 0000:06:00.0\nconsole efi-framebuffer.0: bound -> unbound\n"
		    "owner 13: ? -> uid=1000 gid=1000 mode=0600\nwarning boot-framebuffer\n");
	world_expect(&world, "boot-framebuffer",
		     "BOOTFB at e0000000-e02fffff in BAR 1 (e0000000-efffffff)|initcall_blacklist=sysfb_init|"
		     "devices/0000:00:01.0/remove");
	// somebody else on the bridge would be removed with it
	world.facts.pci.items[3].parent = 0;
	world_plan(&world, "[pci \"06:00.0\"]\n");
	world_expect(&world, "boot-framebuffer", "other devices hang on the same bridge");
	assert_null(strstr(world.plan.warnings.items[0].hint, "remove;"));
	world_finish(&world);
}

static void add_console(struct world *world, const char *path, bool framebuffer, bool bound)
{
	struct desktop_facts *desktop = &world->facts.desktop;

	*MEM_PUSH(desktop->consoles, desktop->n_consoles) =
		(struct desktop_console){ mem_dup(path), bound, framebuffer };
}

#define SINGLE                                                                       \
	"0000:01:00.0 030000 10de:13c2 group=1 driver=nvidia boot_vga user=Xorg:70\n" \
	"0000:01:00.1 040300 10de:0fbb group=1 driver=snd_hda_intel"

static void make_single(struct world *world)
{
	static const char *const modules[] = { "nvidia_drm", "nvidia_modeset", "nvidia", "snd" };

	world_make(world, SINGLE);
	world->facts.iommu.vfio_loaded = FACT_NO;
	add_console(world, "/sys/class/vtconsole/vtcon0", false, false);
	add_console(world, "/sys/class/vtconsole/vtcon1", true, true);
	strv_add(&world->facts.desktop.framebuffers, "/sys/bus/platform/devices/efi-framebuffer.0");
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		strv_add(&world->facts.desktop.modules, modules[i]);
	world->facts.desktop.display_manager = mem_dup("gdm.service");
	strv_add(&world->facts.desktop.active, "gdm.service");
	strv_add(&world->facts.desktop.active, "nvidia-persistenced.service");
}

static void single_gpu(void **state)
{
	struct world world;

	(void)state;
	make_single(&world);
	world_check(&world,
		    "[host]\ndisplay_manager = auto\nstop = nvidia-persistenced not-there\n"
		    "[pci \"01:00.0\"]\ngroup = auto\nforce = yes\n",
		    "pass 0000:01:00.0\npass 0000:01:00.1\n"
		    "unit nvidia-persistenced.service: active -> inactive\nunit gdm.service: active -> inactive\n"
		    "console vtcon1: bound -> unbound\nconsole efi-framebuffer.0: bound -> unbound\n"
		    "module nvidia_drm: loaded -> unloaded\nmodule nvidia_modeset: loaded -> unloaded\n"
		    "module nvidia: loaded -> unloaded\nmodule vfio-pci: unloaded -> loaded\n"
		    "bind 0000:01:00.0: nvidia -> vfio-pci override=vfio-pci\n"
		    "bind 0000:01:00.1: snd_hda_intel -> vfio-pci override=vfio-pci\n"
		    "owner 1: ? -> uid=1000 gid=1000 mode=0600\nwarning pci-open\nwarning pci-forced\n"
		    "warning live-gpu\n"
		    "warning ends-desktop\n");
	world_expect(&world, "ends-desktop", "gdm.service is stopped|systemctl start vfiorun@x");
	world_finish(&world);
}

static void single_gpu_by_choice(void **state)
{
	struct world world;

	(void)state;
	make_single(&world);
	world_check(&world,
		    "[host]\ndisplay_manager = gdm\nunbind_console = no\nunload = none\n"
		    "[pci \"01:00.0\"]\ngroup = auto\nforce = yes\n",
		    "pass 0000:01:00.0\npass 0000:01:00.1\nunit gdm.service: active -> inactive\n"
		    "module vfio-pci: unloaded -> loaded\n"
		    "bind 0000:01:00.0: nvidia -> vfio-pci override=vfio-pci\n"
		    "bind 0000:01:00.1: snd_hda_intel -> vfio-pci override=vfio-pci\n"
		    "owner 1: ? -> uid=1000 gid=1000 mode=0600\nwarning pci-open\nwarning pci-forced\n"
		    "warning live-gpu\n"
		    "warning ends-desktop\n");
	mem_set(&world.facts.desktop.display_manager, NULL);
	world_plan(&world, "[host]\ndisplay_manager = auto\n[pci \"01:00.0\"]\ngroup = auto\nforce = yes\n");
	world_expect(&world, "no-display-manager", "gdm.service");
	world.facts.desktop.systemd = false;
	world_plan(&world, "[host]\nstop = x\n[pci \"01:00.0\"]\ngroup = auto\nforce = yes\n");
	world_expect(&world, "no-systemd", "[hooks] before");
	world_finish(&world);
}

// A module that another card of the host needs stays.
static void unloads_only_what_is_free(void **state)
{
	struct world world;

	(void)state;
	make_single(&world);
	world_plan(&world, "[host]\ndisplay_manager = auto\n[pci \"01:00.0\"]\ngroup = auto\nforce = yes\n");
	assert_string_equal(world.plan.changes.items[3].kind, "module");
	mem_set(&world.facts.pci.items[1].driver, "nvidia");
	world_plan(&world, "[host]\ndisplay_manager = auto\nunload = snd\n[pci \"01:00.0\"]\nforce = yes\n");
	for (size_t i = 0; i < world.plan.changes.count; i++)
		assert_string_not_equal(world.plan.changes.items[i].path, "nvidia");
	assert_string_equal(world.plan.changes.items[3].path, "snd");
	world_finish(&world);
}

static void as_a_user(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world.facts.root = false;
	world.facts.memlock_hard = 8 << 20;
	world_check(&world, "[pci \"07:00.0\"]\n", "pass 0000:07:00.0\nerror memlock\nerror pci-needs-root\n");
	world_expect(&world, "memlock", "5120M|yours is 8M|`joe - memlock 5242880`|LimitMEMLOCK=5368709120");
	world_expect(&world, "pci-needs-root", "the driver nvme|ids=144d:a808");
	mem_set(&world.facts.pci.items[5].driver, "vfio-pci");
	world.facts.memlock_hard = UINT64_C(5) << 30;
	world_check(&world, "[pci \"07:00.0\"]\n", "pass 0000:07:00.0\nerror vfio-rights\n");
	world_expect(&world, "vfio-rights", "joe can't open /dev/vfio/14|chown joe /dev/vfio/14");
	*MEM_PUSH(world.facts.vfio.groups, world.facts.vfio.n_groups) = (struct vfio_group){ 14, true };
	world_check(&world, "[pci \"07:00.0\"]\n", "pass 0000:07:00.0\nerror vfio-rights\n");
	world_expect(&world, "vfio-rights", "joe can't open /dev/vfio/vfio|chmod 666 /dev/vfio/vfio");
	world.facts.vfio.container = true;
	world_check(&world, "[pci \"07:00.0\"]\n", "pass 0000:07:00.0\n");
	world_finish(&world);
}

static void by_iommufd(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world.facts.vfio.others_locked = UINT64_C(2) << 30;
	world_check(&world, "[pci \"07:00.0\"]\niommufd = yes\n[pci \"08:00.0\"]\n",
		    "pass 0000:07:00.0\npass 0000:08:00.0\n"
		    "bind 0000:07:00.0: nvme -> vfio-pci override=vfio-pci\n"
		    "bind 0000:08:00.0: xhci_hcd -> vfio-pci override=vfio-pci\n"
		    "owner vfio-dev: ? -> uid=1000 gid=1000 mode=0600\n"
		    "owner 15: ? -> uid=1000 gid=1000 mode=0600\n"
		    "owner iommu: ? -> uid=1000 gid=1000 mode=0600\n");
	assert_string_equal(world.plan.changes.items[2].path, "/sys/bus/pci/devices/0000:07:00.0/vfio-dev");
	// iommufd counts what all guests of the user lock
	assert_int_equal(world.plan.memlock, UINT64_C(7) << 30);
	world_plan(&world, "[pci \"06:00.0\"]\niommufd = yes\n[pci \"06:00.1\"]\n");
	world_expect(&world, "iommufd-mixed", "0000:06:00.1|iommufd = yes in [pci \"06:00.1\"]");
	world_plan(&world, "[pci \"06:00.0\"]\niommufd = yes\ngroup = auto\n");
	assert_int_equal(world.diags.count, 0);
	world_finish(&world);
}

static void by_iommufd_as_a_user(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world.facts.root = false;
	world.facts.memlock_hard = UINT64_C(5) << 30;
	mem_set(&world.facts.pci.items[5].driver, "vfio-pci");
	world_check(&world, "[pci \"07:00.0\"]\niommufd = yes\n",
		    "pass 0000:07:00.0\nerror vfio-rights\nerror vfio-rights\n");
	*MEM_PUSH(world.facts.vfio.nodes, world.facts.vfio.n_nodes) = (struct vfio_node){
		mem_dup("vfio3"), mem_dup("0000:07:00.0"), false
	};
	world.facts.vfio.iommufd_usable = true;
	world_check(&world, "[pci \"07:00.0\"]\niommufd = yes\n", "pass 0000:07:00.0\nerror vfio-rights\n");
	world_expect(&world, "vfio-rights", "joe can't open /dev/vfio/devices/vfio3|chown joe /dev/vfio/devices/vfio3");
	world.facts.vfio.nodes[0].usable = true;
	world_check(&world, "[pci \"07:00.0\"]\niommufd = yes\n", "pass 0000:07:00.0\n");
	world_finish(&world);
}

static void memlock_grows_with_a_viommu_only(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world_plan(&world, BOTH "[qemu]\narg = -device\narg = intel-iommu,intremap=on\n");
	assert_int_equal(world.plan.memlock, UINT64_C(9) << 30);
	world_plan(&world, "[disk \"a\"]\nfile = /a\n");
	assert_int_equal(world.plan.memlock, 0);
	world_finish(&world);
}

static void near_the_gpu(void **state)
{
	struct world world;
	struct place_near near;

	(void)state;
	world_make(&world, HOST);
	world_plan(&world, "[pci \"07:00.0\"]\n[pci \"06:00.0\"]\ngroup = auto\n");
	assert_true(plan_device_node(&world.facts, &world.plan, &near));
	assert_int_equal(near.node, 1);
	assert_string_equal(near.whose, "0000:06:00.0");
	assert_string_equal(plan_passed_gpu(&world.facts, &world.plan)->address, "0000:06:00.0");
	world_plan(&world, "[pci \"07:00.0\"]\n");
	assert_true(plan_device_node(&world.facts, &world.plan, &near));
	assert_int_equal(near.node, 0);
	assert_null(plan_passed_gpu(&world.facts, &world.plan));
	world_plan(&world, "");
	assert_false(plan_device_node(&world.facts, &world.plan, &near));
	world_finish(&world);
}

#define UUID "c9f5b2ad-3d1e-4a1e-9d2f-6f6d1a1f3c55"

static void mediated(void **state)
{
	struct world world;
	struct mdev_facts *mdevs = &world.facts.mdevs;

	(void)state;
	world_make(&world, HOST);
	world_check(&world, "[mdev \"" UUID "\"]\n", "error mdev-missing\n");
	world_expect(&world, "mdev-missing", "kvmgt");
	world_check(&world, "[mdev \"" UUID "\"]\noptional = yes\n", "warning mdev-optional\n");
	strv_add(&mdevs->parents, "0000:00:02.0");
	world_plan(&world, "[mdev \"" UUID "\"]\n");
	world_expect(&world, "mdev-missing", "mdevctl start -u " UUID " -p 0000:00:02.0");
	*MEM_PUSH(mdevs->items, mdevs->count) = (struct mdev_fact){
		.uuid = mem_dup(UUID), .group = 30, .parent = mem_dup("0000:00:02.0"), .type = mem_dup("i915-GVTg_V5_4")
	};
	world_check(&world, "[mdev \"C9F5B2AD-3d1e-4a1e-9d2f-6f6d1a1f3c55\"]\n",
		    "pass " UUID "\nowner 30: ? -> uid=1000 gid=1000 mode=0600\n");
	assert_non_null(strstr(world.plan.devices[0].name, "i915-GVTg_V5_4 of 0000:00:02.0"));
	*MEM_PUSH(world.facts.vfio.others, world.facts.vfio.n_others) =
		(struct other_device){ mem_dup(UUID), mem_dup("games"), true, 30, true };
	world_check(&world, "[mdev \"" UUID "\"]\n", "error pci-held\n");
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_group_by_name),
		cmocka_unit_test(whole_group_by_auto),
		cmocka_unit_test(half_a_group_is_refused),
		cmocka_unit_test(groups_of_all_kinds),
		cmocka_unit_test(isa_bridge_in_the_group),
		cmocka_unit_test(host_bridge_in_the_group),
		cmocka_unit_test(titles),
		cmocka_unit_test(what_is_bound_stays_bound),
		cmocka_unit_test(rebind_no),
		cmocka_unit_test(bars_of_another_size),
		cmocka_unit_test(what_the_host_needs),
		cmocka_unit_test(the_only_gpu),
		cmocka_unit_test(the_last_keyboard),
		cmocka_unit_test(a_shared_keyboard),
		cmocka_unit_test(somebody_has_it_open),
		cmocka_unit_test(no_group),
		cmocka_unit_test(another_guest_has_it),
		cmocka_unit_test(devices_that_do_not_answer),
		cmocka_unit_test(resets),
		cmocka_unit_test(virtual_functions),
		cmocka_unit_test(iommu_off),
		cmocka_unit_test(vfio_and_overrides),
		cmocka_unit_test(boot_framebuffer),
		cmocka_unit_test(single_gpu),
		cmocka_unit_test(single_gpu_by_choice),
		cmocka_unit_test(unloads_only_what_is_free),
		cmocka_unit_test(as_a_user),
		cmocka_unit_test(by_iommufd),
		cmocka_unit_test(by_iommufd_as_a_user),
		cmocka_unit_test(memlock_grows_with_a_viommu_only),
		cmocka_unit_test(near_the_gpu),
		cmocka_unit_test(mediated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
