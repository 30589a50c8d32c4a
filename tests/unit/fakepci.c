// SPDX-License-Identifier: MIT
#include "tests/unit/fakepci.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/tree.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define GPU "sys/devices/pci0000:00/0000:06:00.0"
#define SOUND "sys/devices/pci0000:00/0000:06:00.1"
#define SPARE "sys/devices/pci0000:00/0000:07:00.0"
#define BUS "sys/bus/pci/"

#define DEVICE(path, address, group)                                        \
	path "/driver_override = (null)\n"                                  \
	path "/config = \\x02\\x10\\x46\\x50\n"                             \
	path "/iommu_group -> ../../../kernel/iommu_groups/" group "\n"     \
	BUS "devices/" address " -> ../../../devices/pci0000:00/" address "\n" \
	"sys/kernel/iommu_groups/" group "/devices/" address " -> ../../../../devices/pci0000:00/" address "\n"

// 256M, and up to 2G
#define SIZES "0000000000000f00"
#define BAR_OF(last) "0x0000000000000000 0x00000000" last " 0x0000000000040200"

#define DRIVER(name) BUS "drivers/" name "/unbind = \n"
#define MODULE(name) "sys/module/" name "/initstate = live\nsys/module/" name "/refcnt = 0\n"

const char fakepci_manifest[] =
	DEVICE(GPU, "0000:06:00.0", "13")
	DEVICE(SOUND, "0000:06:00.1", "13")
	DEVICE(SPARE, "0000:07:00.0", "14")
	SPARE "/resource = " BAR_OF("0fffffff") "\n"
	SPARE "/resource0_resize = " SIZES "\n"
	DRIVER("radeon")
	DRIVER("snd_hda_intel")
	GPU "/driver -> ../../../bus/pci/drivers/radeon\n"
	SOUND "/driver -> ../../../bus/pci/drivers/snd_hda_intel\n"
	BUS "drivers/radeon/0000:06:00.0 -> ../../../../devices/pci0000:00/0000:06:00.0\n"
	BUS "drivers/snd_hda_intel/0000:06:00.1 -> ../../../../devices/pci0000:00/0000:06:00.1\n"
	BUS "drivers_probe = \n"
	MODULE("radeon")
	MODULE("ttm")
	"proc/sys/kernel/osrelease = 6.1.0-test\n"
	"lib/modules/6.1.0-test/modules.dep = "
	"kernel/gpu/radeon.ko.xz: kernel/gpu/ttm.ko.xz\\n"
	"kernel/gpu/ttm.ko.xz:\\n"
	"kernel/vfio/pci/vfio-pci.ko: kernel/vfio/vfio.ko\\n"
	"kernel/vfio/vfio_iommu_type1.ko: kernel/vfio/vfio.ko\\n"
	"kernel/vfio/vfio.ko:\n"
	"lib/modules/6.1.0-test/modules.softdep = softdep vfio post: vfio_iommu_type1 vfio_iommu_spapr_tce\n"
	"sys/class/vtconsole/vtcon1/bind = 1\n"
	"sys/devices/platform/simple-framebuffer.0/driver -> ../../../bus/platform/drivers/simple-framebuffer\n"
	"sys/bus/platform/devices/simple-framebuffer.0 -> ../../../devices/platform/simple-framebuffer.0\n"
	"sys/bus/platform/drivers/simple-framebuffer/unbind = \n"
	"sys/bus/platform/drivers/simple-framebuffer/bind = \n"
	"dev/vfio/vfio = \n"
	"sys/bus/usb/drivers_probe = \n"
	"sys/bus/usb/drivers/usbhid/unbind = \n"
	"sys/bus/usb/devices/1-2/busnum = 1\n"
	"sys/bus/usb/devices/1-2:1.0/driver -> ../../drivers/usbhid\n"
	"sys/bus/usb/devices/1-2:1.1/driver -> ../../drivers/usbhid\n"
	"sys/bus/usb/devices/1-2:1.2/bInterfaceClass = ff\n"
	"units/display.service = active\n";

static const struct {
	const char *address, *path, *own, *group;
} devices[] = {
	{ "0000:06:00.0", GPU, "radeon", "13" },
	{ "0000:06:00.1", SOUND, "snd_hda_intel", "13" },
	{ "0000:07:00.0", SPARE, "nobody", "14" },
};

static char *get(const char *tree, const char *path)
{
	char *text = tree_read(tree, path), *value = NULL;

	if (text)
		value = mem_dup(str_strip(text));
	free(text);
	return value;
}

static bool is_there(const char *tree, const char *path)
{
	AUTO_FREE char *full = mem_printf("%s/%s", tree, path);

	return access(full, F_OK) == 0;
}

// What was written to a file that keeps nothing; the caller frees. NULL: nothing.
static char *swallow(const char *tree, const char *path)
{
	AUTO_FREE char *text = get(tree, path);

	if (!text || !*text)
		return NULL;
	tree_write(tree, path, "\n");
	return take(text);
}

static void remove_link(const char *tree, const char *path)
{
	AUTO_FREE char *full = mem_printf("%s/%s", tree, path);

	assert(unlink(full) == 0);
}

static bool has_driver(const char *tree, size_t i, const char *name)
{
	AUTO_FREE char *full = mem_printf("%s/%s/driver", tree, devices[i].path);
	char target[256];
	ssize_t n = readlink(full, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	return !name || str_eq(strrchr(target, '/') + 1, name);
}

static void unbind(const char *tree, const char *driver)
{
	AUTO_FREE char *path = mem_printf(BUS "drivers/%s/unbind", driver), *address = swallow(tree, path);

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		AUTO_FREE char *link = mem_printf("%s/driver", devices[i].path);

		if (str_eq(devices[i].address, address) && has_driver(tree, i, driver)) {
			AUTO_FREE char *back = mem_printf(BUS "drivers/%s/%s", driver, address);

			remove_link(tree, link);
			remove_link(tree, back);
		}
	}
}

static void probe(const char *tree)
{
	AUTO_FREE char *address = swallow(tree, BUS "drivers_probe");

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		AUTO_FREE char *path = mem_printf("%s/driver_override", devices[i].path);
		AUTO_FREE char *override = get(tree, path), *directory = NULL, *target = NULL, *link = NULL;
		const char *driver = str_eq(override, "(null)") ? devices[i].own : override;

		if (!override || !str_eq(devices[i].address, address) || has_driver(tree, i, NULL))
			continue;
		directory = mem_printf(BUS "drivers/%s", driver);
		target = mem_printf("../../../bus/pci/drivers/%s", driver);
		link = mem_printf("%s/driver", devices[i].path);
		if (is_there(tree, directory)) {
			AUTO_FREE char *back = mem_printf("%s/%s", directory, address);
			AUTO_FREE char *device = mem_printf("../../../../devices/pci0000:00/%s", address);

			tree_link(tree, link, target);
			tree_link(tree, back, device);
		}
	}
}

static void answer_overrides(const char *tree)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		AUTO_FREE char *path = mem_printf("%s/driver_override", devices[i].path);
		AUTO_FREE char *override = get(tree, path);

		if (override && !*override)
			tree_write(tree, path, "(null)\n");
	}
}

static void make_nodes(const char *tree)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		AUTO_FREE char *node = mem_printf("%s/dev/vfio/%s", tree, devices[i].group);
		bool wanted = false;

		for (size_t j = 0; j < ARRAY_SIZE(devices); j++)
			wanted |= str_eq(devices[i].group, devices[j].group) && has_driver(tree, j, "vfio-pci");
		if (wanted && mkfifo(node, 0600) < 0)
			assert(errno == EEXIST);
		if (!wanted && unlink(node) < 0)
			assert(errno == ENOENT);
	}
}

static void move_framebuffer(const char *tree)
{
	static const char link[] = "sys/devices/platform/simple-framebuffer.0/driver";
	AUTO_FREE char *away = swallow(tree, "sys/bus/platform/drivers/simple-framebuffer/unbind");
	AUTO_FREE char *back = swallow(tree, "sys/bus/platform/drivers/simple-framebuffer/bind");

	if (away)
		remove_link(tree, link);
	if (back)
		tree_link(tree, link, "../../../bus/platform/drivers/simple-framebuffer");
}

static void resize(const char *tree)
{
	AUTO_FREE char *order = get(tree, SPARE "/resource0_resize");
	int bit;

	if (str_eq(order, SIZES))
		return;
	tree_write(tree, SPARE "/resource0_resize", SIZES "\n");
	if (!has_driver(tree, 2, NULL) && str_parse_int(order, &bit) && bit >= 8 && bit <= 11)
		tree_writef(tree, SPARE "/resource", "0x0000000000000000 0x%016llx 0x0000000000040200\n",
			    (1ULL << (20 + bit)) - 1);
}

// Nobody wants 1-2:1.2.
static void move_usb(const char *tree)
{
	AUTO_FREE char *away = swallow(tree, "sys/bus/usb/drivers/usbhid/unbind");
	AUTO_FREE char *back = swallow(tree, "sys/bus/usb/drivers_probe");
	AUTO_FREE char *link = mem_printf("sys/bus/usb/devices/%s/driver", away ? away : back);

	if (away)
		remove_link(tree, link);
	else if (back && !str_ends(back, ":1.2"))
		tree_link(tree, link, "../../drivers/usbhid");
}

void fakepci_kernel(const char *tree)
{
	static const char *const drivers[] = { "radeon", "snd_hda_intel", "vfio-pci" };

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		unbind(tree, drivers[i]);
	answer_overrides(tree);
	probe(tree);
	make_nodes(tree);
	move_framebuffer(tree);
	move_usb(tree);
	resize(tree);
}

// ---- programs

static void add_module(const char *tree, const char *name)
{
	AUTO_FREE char *state = mem_printf("sys/module/%s/initstate", name);
	AUTO_FREE char *count = mem_printf("sys/module/%s/refcnt", name);

	tree_write(tree, state, "live\n");
	tree_write(tree, count, "0\n");
}

static void remove_directory(const char *tree, const char *path)
{
	AUTO_FREE char *full = mem_printf("%s/%s", tree, path);

	tree_remove(full);
}

static int modprobe(const char *tree, const char *name, struct str *out)
{
	if (str_eq(name, "vfio_pci")) {
		tree_write(tree, BUS "drivers/vfio-pci/unbind", "\n");
		tree_link(tree, "sys/module/vfio_pci/drivers/pci:vfio-pci", "../../../bus/pci/drivers/vfio-pci");
		add_module(tree, "vfio");
		add_module(tree, "vfio_iommu_type1");
		tree_link(tree, "sys/module/vfio/holders/vfio_pci", "../../vfio_pci");
		tree_link(tree, "sys/module/vfio/holders/vfio_iommu_type1", "../../vfio_iommu_type1");
	} else if (!str_eq(name, "radeon")) {
		str_addf(out, "FATAL: Module %s not found.\n", name);
		return 1;
	}
	add_module(tree, name);
	return 0;
}

// vfio is needed by the two others.
static int rmmod(const char *tree, const char *name, struct str *out)
{
	AUTO_FREE char *path = mem_printf("sys/module/%s", name);
	AUTO_FREE char *holder = mem_printf("%s/sys/module/vfio/holders/%s", tree, name);

	if (!is_there(tree, path) ||
	    (str_eq(name, "vfio") &&
	     (is_there(tree, "sys/module/vfio_pci") || is_there(tree, "sys/module/vfio_iommu_type1")))) {
		str_addf(out, "rmmod: ERROR: Module %s is in use\n", name);
		return 1;
	}
	unlink(holder);
	if (str_eq(name, "vfio_pci"))
		remove_directory(tree, BUS "drivers/vfio-pci");
	remove_directory(tree, path);
	return 0;
}

static int systemctl(const char *tree, const char *const argv[], struct str *out)
{
	const char *unit = argv[4];
	AUTO_FREE char *path = mem_printf("units/%s", unit), *state = get(tree, path);

	assert(str_eq(argv[3], "--"));
	if (str_eq(argv[1], "show")) {
		str_addf(out, "LoadState=%s\nActiveState=%s\n", state ? "loaded" : "not-found",
			 state ? state : "inactive");
		return 0;
	}
	if (!state)
		return 5;
	tree_writef(tree, path, "%s\n", str_eq(argv[1], "start") ? "active" : "inactive");
	return 0;
}

int fakepci_run(const char *tree, const char *const argv[], struct str *out, struct err *err)
{
	if (str_eq(argv[0], "modprobe"))
		return modprobe(tree, argv[2], out);
	if (str_eq(argv[0], "rmmod"))
		return rmmod(tree, argv[2], out);
	if (str_eq(argv[0], "systemctl"))
		return systemctl(tree, argv, out);
	return err_set(err, -ENOENT, "%s is not installed", argv[0]);
}
