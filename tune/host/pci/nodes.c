// SPDX-License-Identifier: MIT
#include "tune/host/pci/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/host/root.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

// A SATA disk's partition is ten directories below its controller.
enum { DEPTH_MAX = 24, UEVENT_SIZE = 4 << 10, MINOR_SIZE = 4 << 10 };

struct walk {
	struct root *root;
	struct pci_detail *detail;
};

static bool is_skipped(const char *name)
{
	static const char *const names[] = { "power", "msi_irqs", "statistics", "queues", "integrity", "mq",
					     "trace", "link", "slaves", "holders", "wakeup", "cpufreq" };
	struct pci_device child;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (str_eq(name, names[i]))
			return true;
	}
	return pci_parse_address(name, &child); // a bridge's
}

// A class has a directory between a device and what its driver made of it: 0000:00:02.0/drm/card0.
static enum pci_node_kind kind_in(const char *directory, enum pci_node_kind outer)
{
	static const struct {
		const char *name;
		enum pci_node_kind kind;
	} rows[] = {
		{ "drm", PCI_NODE_DRM },     { "sound", PCI_NODE_SOUND }, { "block", PCI_NODE_BLOCK },
		{ "net", PCI_NODE_NET },     { "input", PCI_NODE_INPUT }, { "graphics", PCI_NODE_FB },
		{ "hidraw", PCI_NODE_OTHER }, { "i2c-dev", PCI_NODE_OTHER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (str_eq(directory, rows[i].name))
			return rows[i].kind;
	}
	return outer;
}

static struct pci_node *add_node(struct walk *walk, enum pci_node_kind kind, const char *name)
{
	struct pci_node *node = MEM_PUSH(walk->detail->nodes, walk->detail->n_nodes);

	node->kind = kind;
	node->name = mem_dup(name);
	return node;
}

// By where it is in /dev, which says more than where it is in sysfs: a sound card has input devices, too.
static enum pci_node_kind kind_of(const char *name, enum pci_node_kind otherwise)
{
	static const struct {
		const char *prefix;
		enum pci_node_kind kind;
	} rows[] = {
		{ "dri/", PCI_NODE_DRM }, { "snd/", PCI_NODE_SOUND }, { "input/", PCI_NODE_INPUT },
		{ "bus/usb/", PCI_NODE_USB },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (str_starts(name, rows[i].prefix))
			return rows[i].kind;
	}
	return otherwise;
}

// "MAJOR=226\nMINOR=0\nDEVNAME=dri/card0\nDEVTYPE=drm_minor"
static void add_device(struct walk *walk, const char *directory, const char *name, enum pci_node_kind kind)
{
	AUTO_FREE char *path = mem_printf("%s/uevent", directory);
	AUTO_STRV struct strv lines = { 0 };
	unsigned major = 0, minor = 0;
	const char *device = name;
	char text[UEVENT_SIZE];
	struct pci_node *node;

	if (root_read_head(walk->root, path, text, sizeof(text)) < 0)
		text[0] = '\0';
	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.count; i++) {
		const char *line = lines.items[i];

		sscanf(line, "MAJOR=%u", &major);
		sscanf(line, "MINOR=%u", &minor);
		if (str_starts(line, "DEVNAME="))
			device = line + strlen("DEVNAME=");
		else if (str_eq(line, "DEVTYPE=disk") || str_eq(line, "DEVTYPE=partition"))
			kind = PCI_NODE_BLOCK;
	}
	node = add_node(walk, kind_of(device, kind), name);
	node->path = mem_printf("/dev/%s", device);
	node->dev = makedev(major, minor);
}

static void walk_directory(struct walk *walk, const char *path, enum pci_node_kind kind, int depth);

// A drive with several controllers is one disk, which lies elsewhere: nvme0c1n1 is a way to nvme0n1 (Linux 6.1
// drivers/nvme/host/multipath.c, nvme_mpath_set_disk_name).
static void add_multipath(struct walk *walk, const char *name, int depth)
{
	AUTO_FREE char *path = NULL;
	int drive, controller, space, end = -1;

	if (sscanf(name, "nvme%dc%dn%d%n", &drive, &controller, &space, &end) != 3 || name[end])
		return;
	path = mem_printf("sys/class/block/nvme%dn%d", drive, space);
	walk_directory(walk, path, PCI_NODE_BLOCK, depth + 1);
}

// The directory of something, or of a class of things.
static void walk_directory(struct walk *walk, const char *path, enum pci_node_kind kind, int depth)
{
	const char *name = strrchr(path, '/') + 1;
	AUTO_STRV struct strv names = { 0 };

	if (depth > DEPTH_MAX || root_list_marked(walk->root, path, &names) < 0)
		return;
	if (depth && strv_has(&names, "dev"))
		add_device(walk, path, name, kind);
	else if (depth)
		add_multipath(walk, name, depth);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *child = NULL;
		size_t n = strlen(names.items[i]);

		if (names.items[i][n - 1] != '/')
			continue;
		names.items[i][n - 1] = '\0';
		if (is_skipped(names.items[i]))
			continue;
		child = mem_printf("%s/%s", path, names.items[i]);
		if (str_eq(name, "net"))
			add_node(walk, PCI_NODE_NET, names.items[i]);
		walk_directory(walk, child, kind_in(names.items[i], kind), depth + 1);
	}
}

static void add_path(struct walk *walk, const char *path)
{
	add_node(walk, PCI_NODE_OTHER, strrchr(path, '/') + 1)->path = mem_dup(path);
}

// The minor number of a card in nvidia's own words, -1: it does not say.
static int read_nvidia_minor(struct root *root, const struct pci_device *device)
{
	AUTO_FREE char *path = mem_printf("proc/driver/nvidia/gpus/%s/information", device->address);
	const char *at = NULL;
	char text[MINOR_SIZE];
	int minor;

	if (root_read_head(root, path, text, sizeof(text)) > 0)
		at = strstr(text, "Device Minor:");
	return at && sscanf(at, "Device Minor: %d", &minor) == 1 ? minor : -1;
}

// Its driver makes nodes that sysfs does not know: one for each card, and some that all cards share. Who has these
// open may mean another card.
static void add_nvidia(struct walk *walk, const struct pci_facts *facts, const struct pci_device *device)
{
	int own = read_nvidia_minor(walk->root, device);
	AUTO_STRV struct strv names = { 0 };
	bool alone = true;

	for (size_t i = 0; i < facts->count; i++)
		alone &= &facts->items[i] == device || !str_eq(facts->items[i].driver, "nvidia");
	root_list(walk->root, "dev", &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = mem_printf("/dev/%s", names.items[i]);
		int minor;

		if (!str_starts(names.items[i], "nvidia") || str_eq(names.items[i], "nvidia-caps"))
			continue;
		if (str_parse_int(names.items[i] + strlen("nvidia"), &minor) ? own < 0 || own == minor : alone)
			add_path(walk, path);
	}
}

void pci_read_nodes(struct root *root, const struct pci_facts *facts, struct pci_device *device)
{
	struct walk walk = { root, &device->detail };
	AUTO_FREE char *path = mem_printf("sys/bus/pci/devices/%s", device->address);
	AUTO_FREE char *group = mem_printf("/dev/vfio/%d", device->group);

	walk_directory(&walk, path, PCI_NODE_OTHER, 0);
	if (str_eq(device->driver, "nvidia"))
		add_nvidia(&walk, facts, device);
	if (device->group >= 0 && pci_driver_is_stub(device->driver) && !str_eq(device->driver, "pci-stub"))
		add_path(&walk, group);
}
