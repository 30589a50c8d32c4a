// SPDX-License-Identifier: MIT
#include "tune/host/pci/parts.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/host/root.h"

#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

// What everybody may read, and all that is asked for: some devices take more of it badly.
enum { CONFIG_SIZE = 64, LINK_SIZE = 1024, TEXT_SIZE = 256 };

// More devices than a machine has drivers, some fifty: then the drivers' directories are the shorter way.
enum { MANY = 256 };

enum { HEADER_MASK = 0x7f, DEAD_HEADER = 0x7f, DEAD_VENDOR = 0xffff };

enum { CLASS_HOST_BRIDGE = 0x0600, CLASS_PCI_BRIDGE = 0x0604, CLASS_CARDBUS_BRIDGE = 0x0607 };

char *pci_path(const struct pci_device *device, const char *name)
{
	return mem_printf("sys/bus/pci/devices/%s/%s", device->address, name);
}

bool pci_parse_address(const char *text, struct pci_device *out)
{
	unsigned domain, bus, slot, function;
	int end = -1;

	if (strlen(text) >= sizeof(out->address) ||
	    strspn(text, "0123456789abcdefABCDEF:.") != strlen(text) ||
	    sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 || text[end] ||
	    slot > 0x1f || function > 7)
		return false;
	snprintf(out->address, sizeof(out->address), "%04x:%02x:%02x.%x", domain, bus, slot, function);
	out->domain = domain;
	out->bus = (uint8_t)bus;
	out->slot = (uint8_t)slot;
	out->function = (uint8_t)function;
	return true;
}

int pci_compare(const void *a, const void *b)
{
	const struct pci_device *x = a, *y = b;

	if (x->domain != y->domain)
		return x->domain < y->domain ? -1 : 1;
	return (x->bus << 8 | x->slot << 3 | x->function) - (y->bus << 8 | y->slot << 3 | y->function);
}

#define NOTHING_KNOWN { .group = -1, .parent = -1, .detail = { .node = -1 } }

// Names of equal length come sorted; a domain of more than four digits is another length.
static bool is_sorted(const struct pci_facts *facts)
{
	for (size_t i = 1; i < facts->count; i++) {
		if (pci_compare(&facts->items[i - 1], &facts->items[i]) > 0)
			return false;
	}
	return true;
}

static void list_devices(struct root *root, struct pci_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	facts->known = root_list(root, "sys/bus/pci/devices", &names) == 0;
	for (size_t i = 0; i < names.count; i++) {
		struct pci_device device = NOTHING_KNOWN;

		if (pci_parse_address(names.items[i], &device))
			*MEM_PUSH(facts->items, facts->count) = device;
	}
	if (!is_sorted(facts))
		qsort(facts->items, facts->count, sizeof(*facts->items), pci_compare);
}

static void parse_config(const uint8_t *config, struct pci_device *device)
{
	device->vendor = bytes_le16(config + PCI_VENDOR_ID);
	device->device = bytes_le16(config + PCI_DEVICE_ID);
	device->revision = config[PCI_REVISION_ID];
	device->class = bytes_le32(config + PCI_CLASS_REVISION) >> 8;
	device->header = config[PCI_HEADER_TYPE] & HEADER_MASK;
	if (device->header == PCI_HEADER_TYPE_NORMAL) {
		device->subsystem_vendor = bytes_le16(config + PCI_SUBSYSTEM_VENDOR_ID);
		device->subsystem = bytes_le16(config + PCI_SUBSYSTEM_ID);
	} else if (device->header == PCI_HEADER_TYPE_BRIDGE || device->header == PCI_HEADER_TYPE_CARDBUS) {
		device->bus_behind = config[PCI_SECONDARY_BUS];
		device->last_bus_behind = config[PCI_SUBORDINATE_BUS];
	}
}

// `directory`: the device's, or -1, where nothing else is read of it.
static int read_config(struct root *root, int directory, const struct pci_device *device, uint8_t *config)
{
	AUTO_FREE char *path = directory < 0 ? pci_path(device, "config") : NULL;

	return path ? root_read_head(root, path, (char *)config, CONFIG_SIZE) :
		      root_read_head_in(root, directory, "config", (char *)config, CONFIG_SIZE);
}

static bool read_id(struct root *root, const struct pci_device *device, const char *name, uint64_t *out)
{
	AUTO_FREE char *path = pci_path(device, name);
	char text[TEXT_SIZE];

	return root_read(root, path, text, sizeof(text)) > 0 && str_parse_hex(text, out);
}

// "pci:v000010DEd000013C2sv00001458sd00003679bc03sc00i00"
static bool read_modalias(struct root *root, struct pci_device *device)
{
	AUTO_FREE char *path = pci_path(device, "modalias");
	unsigned vendor, id, subsystem_vendor, subsystem, base, sub, interface;
	char text[TEXT_SIZE];

	if (root_read(root, path, text, sizeof(text)) <= 0 ||
	    sscanf(text, "pci:v%8xd%8xsv%8xsd%8xbc%2xsc%2xi%2x", &vendor, &id, &subsystem_vendor,
		   &subsystem, &base, &sub, &interface) != 7)
		return false;
	device->vendor = (uint16_t)vendor;
	device->device = (uint16_t)id;
	device->subsystem_vendor = (uint16_t)subsystem_vendor;
	device->subsystem = (uint16_t)subsystem;
	device->class = base << 16 | sub << 8 | interface;
	return true;
}

// What the kernel remembers of it, each in a file of its own.
static void read_remembered(struct root *root, struct pci_device *device)
{
	uint64_t value;

	if (read_modalias(root, device))
		return;
	if (read_id(root, device, "vendor", &value))
		device->vendor = (uint16_t)value;
	if (read_id(root, device, "device", &value))
		device->device = (uint16_t)value;
	if (read_id(root, device, "class", &value))
		device->class = (uint32_t)value;
}

// A virtual function shows neither vendor nor device in its configuration, a dead device nothing at all, and
// a captured tree may lack the file, which is no text.
static void read_identity(struct root *root, int directory, struct pci_device *device)
{
	uint8_t config[CONFIG_SIZE];
	int n = read_config(root, directory, device, config);
	bool known = n > PCI_SUBSYSTEM_ID + 1;
	uint64_t revision;

	if (known)
		parse_config(config, device);
	device->dead = known && device->header == DEAD_HEADER && device->vendor == DEAD_VENDOR;
	if (device->dead)
		device->revision = 0;
	if (!known || device->vendor == DEAD_VENDOR)
		read_remembered(root, device);
	if (!known && read_id(root, device, "revision", &revision))
		device->revision = (uint8_t)revision;
	if (!known && (device->class >> 8 == CLASS_PCI_BRIDGE || device->class >> 8 == CLASS_CARDBUS_BRIDGE))
		device->header = PCI_HEADER_TYPE_BRIDGE;
	device->is_bridge = device->class >> 8 == CLASS_HOST_BRIDGE ||
			    device->header == PCI_HEADER_TYPE_BRIDGE ||
			    device->header == PCI_HEADER_TYPE_CARDBUS ||
			    (device->dead && device->class >> 8 == CLASS_PCI_BRIDGE);
}

// The last part of a link's target; NULL: there is no link.
static char *read_link_name(struct root *root, int directory, const char *name)
{
	char target[LINK_SIZE];
	const char *slash;

	if (root_readlink_in(root, directory, name, target, sizeof(target)) <= 0)
		return NULL;
	slash = strrchr(target, '/');
	return mem_dup(slash ? slash + 1 : target);
}

static int read_group(struct root *root, int directory)
{
	AUTO_FREE char *name = read_link_name(root, directory, "iommu_group");
	int group;

	return name && str_parse_int(name, &group) && group >= 0 ? group : -1;
}

enum groups {
	GROUPS_NONE,   // an empty directory says that the IOMMU is off
	GROUPS_UNTOLD, // a captured tree may lack the directory, and have the links all the same
	GROUPS_LISTED,
};

static enum groups look_for_groups(struct root *root)
{
	AUTO_STRV struct strv groups = { 0 };

	if (root_list(root, "sys/kernel/iommu_groups", &groups) < 0)
		return GROUPS_UNTOLD;
	return groups.count ? GROUPS_LISTED : GROUPS_NONE;
}

// Bridges that lead somewhere, as indices, by domain and first bus.
struct bridges {
	size_t *items;
	size_t count;
};

static int compare_bridges(const void *a, const void *b, void *context)
{
	const struct pci_facts *facts = context;
	const struct pci_device *x = &facts->items[*(const size_t *)a], *y = &facts->items[*(const size_t *)b];

	if (x->domain != y->domain)
		return x->domain < y->domain ? -1 : 1;
	return x->bus_behind - y->bus_behind;
}

static void list_bridges(struct pci_facts *facts, struct bridges *out)
{
	for (size_t i = 0; i < facts->count; i++) {
		if (facts->items[i].bus_behind)
			*MEM_PUSH(out->items, out->count) = i;
	}
	if (out->count)
		qsort_r(out->items, out->count, sizeof(*out->items), compare_bridges, facts);
}

// The nearest of the bridges that lead to its bus: of those that begin at or before it, the last that goes so far. A
// virtual function may be on a bus that no bridge begins with, behind the one of its physical function.
static int find_bridge(const struct pci_facts *facts, const struct bridges *bridges, const struct pci_device *device)
{
	size_t low = 0, high = bridges->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct pci_device *at = &facts->items[bridges->items[middle]];

		if (at->domain < device->domain || (at->domain == device->domain && at->bus_behind <= device->bus))
			low = middle + 1;
		else
			high = middle;
	}
	for (; low > 0; low--) {
		const struct pci_device *at = &facts->items[bridges->items[low - 1]];

		if (at->domain != device->domain)
			break;
		if (device->bus <= at->last_bus_behind)
			return (int)bridges->items[low - 1];
	}
	return -1;
}

// "../../../devices/pci0000:00/0000:00:1c.0/0000:01:00.0", where no configuration tells of buses.
static int find_bridge_by_link(struct root *root, const struct pci_facts *facts,
			       const struct pci_device *device)
{
	AUTO_FREE char *path = mem_printf("sys/bus/pci/devices/%s", device->address);
	AUTO_STRV struct strv parts = { 0 };
	const struct pci_device *bridge;
	char target[LINK_SIZE];

	if (root_readlink(root, path, target, sizeof(target)) <= 0)
		return -1;
	strv_split(&parts, target, "/");
	bridge = parts.count < 2 ? NULL : pci_facts_find(facts, parts.items[parts.count - 2]);
	return bridge ? (int)(bridge - facts->items) : -1;
}

static void find_parents(struct root *root, struct pci_facts *facts)
{
	struct bridges bridges = { 0 };
	bool any = false;

	list_bridges(facts, &bridges);
	for (size_t i = 0; i < facts->count; i++)
		any |= facts->items[i].header != PCI_HEADER_TYPE_NORMAL;
	for (size_t i = 0; i < facts->count && any; i++) {
		struct pci_device *device = &facts->items[i];

		device->parent = bridges.count ? find_bridge(facts, &bridges, device) :
						 find_bridge_by_link(root, facts, device);
	}
	free(bridges.items);
}

static void read_drivers(struct root *root, struct pci_facts *facts)
{
	AUTO_STRV struct strv drivers = { 0 };

	root_list(root, "sys/bus/pci/drivers", &drivers);
	for (size_t i = 0; i < drivers.count; i++) {
		AUTO_FREE char *path = mem_printf("sys/bus/pci/drivers/%s", drivers.items[i]);
		AUTO_STRV struct strv names = { 0 };

		root_list(root, path, &names);
		for (size_t k = 0; k < names.count; k++) {
			struct pci_device key, *device;

			if (!pci_parse_address(names.items[k], &key))
				continue;
			device = bsearch(&key, facts->items, facts->count, sizeof(key), pci_compare);
			if (device && !device->driver)
				device->driver = mem_dup(drivers.items[i]);
		}
	}
}

static void read_one(struct root *root, struct pci_device *device, bool driver, bool group)
{
	AUTO_FREE char *path = mem_printf("sys/bus/pci/devices/%s", device->address);
	AUTO_CLOSE int directory = driver || group ? root_open_directory(root, path) : -1;

	read_identity(root, directory, device);
	if (driver)
		device->driver = read_link_name(root, directory, "driver");
	if (group)
		device->group = read_group(root, directory);
}

static bool take_members(struct root *root, struct pci_facts *facts, int group)
{
	AUTO_FREE char *path = mem_printf("sys/kernel/iommu_groups/%d/devices", group);
	AUTO_STRV struct strv names = { 0 };

	if (root_list(root, path, &names) < 0)
		return false;
	for (size_t i = 0; i < names.count; i++) {
		const struct pci_device *member = pci_facts_find(facts, names.items[i]);

		if (member)
			facts->items[member - facts->items].group = group;
	}
	return true;
}

// False: a captured tree that does not list its groups' members.
static bool read_groups_of(struct root *root, struct pci_facts *facts, const struct strv *titles)
{
	AUTO_FREE size_t *found = mem_new(facts->count + 1, sizeof(*found));

	for (size_t i = 0; i < titles->count; i++) {
		int n = pci_facts_match(facts, titles->items[i], found, facts->count);

		for (int k = 0; k < n; k++) {
			struct pci_device *device = &facts->items[found[k]];

			if (device->group >= 0)
				continue;
			read_one(root, device, false, true);
			if (device->group >= 0 && !take_members(root, facts, device->group))
				return false;
		}
	}
	return true;
}

void pci_facts_read(struct root *root, struct pci_facts *facts, const struct strv *titles)
{
	enum groups groups = look_for_groups(root);
	bool many, few_groups;

	*facts = (struct pci_facts){ 0 };
	list_devices(root, facts);
	many = facts->count > MANY;
	few_groups = facts->iommu = many && titles && groups == GROUPS_LISTED;
	for (size_t i = 0; i < facts->count; i++)
		read_one(root, &facts->items[i], !many, groups != GROUPS_NONE && !few_groups);
	if (many)
		read_drivers(root, facts);
	if (few_groups && !read_groups_of(root, facts, titles)) {
		for (size_t i = 0; i < facts->count; i++)
			read_one(root, &facts->items[i], false, true);
	}
	for (size_t i = 0; i < facts->count; i++)
		facts->iommu |= facts->items[i].group >= 0;
	find_parents(root, facts);
}

// Its class as the kernel remembers it: to read its configuration costs more than all else, and may wake it up.
void pci_read_only(struct root *root, const char *address, struct pci_facts *facts)
{
	struct pci_device device = NOTHING_KNOWN;
	AUTO_FREE char *path = mem_printf("sys/bus/pci/devices/%s", address);
	AUTO_CLOSE int directory = -1;
	char text[TEXT_SIZE];
	uint64_t class;

	*facts = (struct pci_facts){ 0 };
	if (!pci_parse_address(address, &device))
		return;
	directory = root_open_directory(root, path);
	if (root_read_head_in(root, directory, "class", text, sizeof(text)) > 0 && str_parse_hex(text, &class))
		device.class = (uint32_t)class;
	device.driver = read_link_name(root, directory, "driver");
	device.group = read_group(root, directory);
	*MEM_PUSH(facts->items, facts->count) = device;
}

static void finish_detail(struct pci_detail *detail)
{
	free(detail->modalias);
	free(detail->override);
	free(detail->physical);
	strv_finish(&detail->resets);
	strv_finish(&detail->uses);
	for (size_t i = 0; i < detail->n_nodes; i++) {
		free(detail->nodes[i].name);
		free(detail->nodes[i].path);
	}
	for (size_t i = 0; i < detail->n_users; i++)
		free(detail->users[i].path);
	free(detail->nodes);
	free(detail->users);
}

void pci_facts_finish(struct pci_facts *facts)
{
	for (size_t i = 0; i < facts->count; i++) {
		free(facts->items[i].driver);
		free(facts->items[i].name);
		free(facts->items[i].class_name);
		finish_detail(&facts->items[i].detail);
	}
	free(facts->items);
	pci_holders_free(facts->holders);
	*facts = (struct pci_facts){ 0 };
}
