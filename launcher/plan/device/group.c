// SPDX-License-Identifier: MIT
// The rule of the IOMMU group: it goes to a guest as a whole, or nothing of it does. What the kernel calls
// viable (Linux 6.1 drivers/vfio/group and drivers/iommu/iommu.c, DMA ownership): each member has no driver, or
// one that does no DMA for the kernel: vfio's, pci-stub, pcieport's. An ISA bridge is no bridge in that: with lpc_ich
// it keeps a group from being passed, without a driver it does not.
#include "launcher/plan/device/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/change/names.h"

// The first choice of a group whose section takes the rest, or NULL.
static const struct choice *find_taker(const struct choosing *c, int group)
{
	for (size_t i = 0; i < c->n_choices; i++) {
		if (c->choices[i].device->group == group && c->choices[i].section->group == PCI_GROUP_AUTO)
			return &c->choices[i];
	}
	return NULL;
}

static bool is_first_of_group(const struct choosing *c, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (c->choices[i].device->group == c->choices[index].device->group)
			return false;
	}
	return true;
}

struct blockers {
	struct str texts;
	struct str sections; // of those that a section passes
	struct str bridges;  // what to do about those that auto leaves alone
	size_t count, passable;
};

// Unbound by hand it is one more without a driver, and is kept so while the guest has the rest.
static void add_bridge(struct blockers *b, const struct pci_device *device)
{
	AUTO_FREE char *unbind = change_name_unbind(device->driver, device->address);

	str_addf(&b->bridges,
		 "%s%s is a bridge, which auto leaves alone: %s (what %s made of it goes, such as a watchdog)",
		 b->bridges.len ? "; " : "", device->address, unbind, device->driver);
	if (!device->is_bridge)
		str_addf(&b->bridges, ", or [pci \"%s\"]%s", device->address,
			 pci_is_isa_bridge(device) ? " with force = yes" : "");
}

static void add_blocker(struct blockers *b, const struct pci_device *device)
{
	AUTO_FREE char *text = device_text(device);

	str_addf(&b->texts, "%s%s", b->count++ ? "; " : "", text);
	if (device->is_bridge || pci_is_odd_bridge(device))
		add_bridge(b, device);
	else
		str_addf(&b->sections, "%s[pci \"%s\"]", b->passable++ ? ", " : "", device->address);
}

// What there is to do about a group, by what it costs.
static void report_blockers(struct choosing *c, const struct choice *first, const struct blockers *b)
{
	struct diag *diag = choosing_report(c, DIAG_HOST_ERROR, "pci-group", first->section,
					    "%s can't be passed alone: its IOMMU group %d also holds %s",
					    first->device->address, first->device->group, b->texts.text);
	const char *them = b->count > 1 ? "them" : "it";
	AUTO_STR struct str first_of_all = { 0 };

	if (b->passable)
		str_addf(&first_of_all, "pass %s too: group = auto, or %s; ", b->passable > 1 ? "them" : "it",
			 b->sections.text);
	if (b->bridges.len)
		str_addf(&first_of_all, "%s; ", b->bridges.text);
	diag_hint(diag,
		  "%sif the host needs %s: put the card into another slot, look for ACS and for a separate group in "
		  "the firmware setup; last of all a kernel with the ACS override patch and "
		  "pcie_acs_override=downstream, which makes smaller groups by no longer keeping the devices apart: a "
		  "guest may then reach the host's memory through another device",
		  str_text(&first_of_all), them);
}

// Held ones are not passed, but no driver may take them while the guest has the rest.
static void take_member(struct choosing *c, const struct pci_device *device, const struct profile_pci *section,
			struct blockers *blockers)
{
	const struct choice *taker = find_taker(c, device->group);

	if ((device->is_bridge && !pci_bridge_blocks(device)) || choosing_find(c, device))
		return;
	if (taker && !device->dead && !device->is_bridge && !pci_is_odd_bridge(device))
		choosing_add(c, device, taker->section);
	else if (pci_driver_is_stub(device->driver))
		return;
	else if (!device->driver)
		choosing_add(c, device, section)->held = true;
	else
		add_blocker(blockers, device);
}

static void close_group(struct choosing *c, const struct choice *first)
{
	// what is added below moves the array
	const struct choice copy = *first;
	const struct pci_facts *pci = &c->facts->pci;
	struct blockers blockers = { 0 };
	const struct pci_device *device;

	for (size_t from = 0; (device = pci_facts_next_in_group(pci, copy.device->group, from));
	     from = (size_t)(device - pci->items) + 1)
		take_member(c, device, copy.section, &blockers);
	if (blockers.count)
		report_blockers(c, &copy, &blockers);
	str_finish(&blockers.texts);
	str_finish(&blockers.sections);
	str_finish(&blockers.bridges);
}

// What a group brought stands behind the section that took it.
static int by_section(const void *a, const void *b)
{
	const struct choice *one = a, *other = b;

	if (one->section != other->section)
		return one->section < other->section ? -1 : 1;
	if (one->named != other->named)
		return one->named ? -1 : 1;
	return one->device < other->device ? -1 : one->device > other->device;
}

void choosing_close_groups(struct choosing *c)
{
	size_t named = c->n_choices;

	for (size_t i = 0; i < named; i++) {
		if (c->choices[i].device->group >= 0 && is_first_of_group(c, i))
			close_group(c, &c->choices[i]);
	}
	if (c->n_choices)
		qsort(c->choices, c->n_choices, sizeof(*c->choices), by_section);
}
