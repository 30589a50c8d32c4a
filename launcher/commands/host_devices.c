// SPDX-License-Identifier: MIT
#include "launcher/commands/host.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/remedy.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_COLUMN = 16, USB_COLUMN = 12 };

// Foreign text, a word each.
static void add_words(struct strv *words, const char *text)
{
	AUTO_STR struct str escaped = { 0 };

	str_add_escaped(&escaped, text);
	strv_split(words, str_text(&escaped), " ");
}

__attribute__((format(printf, 3, 4)))
static void add_line(struct str *out, size_t indent, const char *fmt, ...)
{
	AUTO_STRV struct strv words = { 0 };
	AUTO_STR struct str text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	add_words(&words, str_text(&text));
	str_addf(out, "%*s", (int)indent, "");
	host_add_wrapped(out, &words, indent);
}

static void add_vfio(const struct iommu_facts *iommu, struct str *out)
{
	if (iommu->vfio_loaded == FACT_YES)
		str_add(out, ", vfio-pci is loaded");
	else if (iommu->vfio_available == FACT_NO)
		str_add(out, ", but this kernel has no vfio-pci");
}

static void add_override(const struct iommu_facts *iommu, struct str *out)
{
	if (!*iommu->acs_override)
		return;
	if (iommu->acs_patch == FACT_NO)
		add_line(out, 2, "pcie_acs_override=%s does nothing: this kernel lacks the patch", iommu->acs_override);
	else
		add_line(out, 2, "pcie_acs_override=%s: the groups are smaller than what the hardware keeps apart%s",
			 iommu->acs_override,
			 iommu->acs_patch == FACT_YES ? "" : ", if this kernel has the patch");
}

static size_t count_groups(const struct pci_device **sorted, size_t n)
{
	size_t groups = 0;

	for (size_t i = 0; i < n; i++)
		groups += sorted[i]->group >= 0 && (i == 0 || sorted[i]->group != sorted[i - 1]->group);
	return groups;
}

static void add_heading(const struct host_machine *machine, size_t groups, struct str *out)
{
	const struct iommu_facts *iommu = &machine->iommu;
	AUTO_FREE char *remedy = NULL;

	str_add(out, "\nIOMMU ");
	if (iommu->enabled == FACT_NO) {
		remedy = remedy_iommu_off(&machine->cpus, &machine->system, iommu);
		str_add(out, "is off, so that no device can be passed to a guest\n");
		add_line(out, 2, "to do: %s", remedy);
		return;
	}
	if (iommu->enabled == FACT_UNKNOWN && !groups)
		str_add(out, "unknown");
	else
		str_addf(out, "is on, %zu group%s", groups, groups == 1 ? "" : "s");
	add_vfio(iommu, out);
	str_addc(out, '\n');
	add_override(iommu, out);
}

static int compare_groups(const void *a, const void *b)
{
	const struct pci_device *x = *(const struct pci_device *const *)a, *y = *(const struct pci_device *const *)b;

	// those without one come last
	if (x->group != y->group)
		return (unsigned)x->group < (unsigned)y->group ? -1 : 1;
	return (x > y) - (x < y);
}

// Domain 0 goes without saying.
static const char *short_address(const char *address)
{
	return str_starts(address, "0000:") ? address + strlen("0000:") : address;
}

struct verdict {
	bool endpoints, blocked;
	struct strv drivers; // of the host
};

static void judge(const struct host_machine *machine, const struct pci_device **members, size_t n,
		  struct verdict *v)
{
	for (size_t i = 0; i < n; i++) {
		AUTO_STRV struct strv blockers = { 0 };
		const char *driver = members[i]->driver;

		if (members[i]->is_bridge && !pci_bridge_blocks(members[i]))
			continue;
		v->endpoints |= !members[i]->is_bridge;
		host_blockers(machine, members[i], &blockers);
		v->blocked |= blockers.count > 0;
		if (driver && !pci_driver_is_stub(driver) && !strv_has(&v->drivers, driver))
			strv_add(&v->drivers, driver);
	}
}

static void add_verdict(const struct host_machine *machine, const struct pci_device **members, size_t n,
			struct str *out)
{
	struct verdict v = { 0 };
	AUTO_STRV struct strv words = { 0 };

	str_addf(out, "\ngroup %d:", members[0]->group);
	judge(machine, members, n, &v);
	if (!v.endpoints)
		strv_split(&words, n == 1 ? "a bridge, which stays with the host" : "bridges, which stay with the host",
			   " ");
	else if (v.blocked)
		strv_split(&words, v.drivers.count ? "blocked (!), in use by" : "blocked (!)", " ");
	else
		strv_split(&words, v.drivers.count ? "in use by" : "free", " ");
	for (size_t i = 0; i < v.drivers.count; i++)
		strv_addf(&words, "%s%s", v.drivers.items[i], i + 1 < v.drivers.count ? "," : "");
	host_add_wrapped(out, &words, 2);
	strv_finish(&v.drivers);
}

static void add_name(const struct pci_device *device, struct str *out)
{
	AUTO_STRV struct strv words = { 0 };

	if (device->name)
		add_words(&words, device->name);
	strv_addf(&words, "[%04x:%04x]", device->vendor, device->device);
	if (device->revision)
		strv_addf(&words, "(rev %02x)", device->revision);
	str_addf(out, "%*s", TEXT_COLUMN, "");
	host_add_wrapped(out, &words, TEXT_COLUMN);
}

// "driver nouveau, reset by flr and bus, in D3hot"
static void add_state(const struct host_machine *machine, const struct pci_device *device, struct str *out)
{
	const struct pci_detail *detail = &device->detail;
	AUTO_STR struct str text = { 0 };

	str_addf(&text, "%s%s", device->driver ? "driver " : "no driver", device->driver ? device->driver : "");
	if (detail->override && !str_eq(detail->override, device->driver))
		str_addf(&text, ", kept for %s", detail->override);
	for (size_t i = 0; i < detail->resets.count; i++)
		str_addf(&text, "%s %s", i ? "," : ", reset by", detail->resets.items[i]);
	if (*detail->power && !str_eq(detail->power, "D0"))
		str_addf(&text, ", in %s", detail->power);
	if (detail->node >= 0 && machine->memory.n_nodes > 1)
		str_addf(&text, ", node %d", detail->node);
	if (detail->vfs_max)
		str_addf(&text, ", %d of %d virtual functions", detail->vfs, detail->vfs_max);
	if (detail->physical)
		str_addf(&text, ", a virtual function of %s", short_address(detail->physical));
	add_line(out, TEXT_COLUMN, "%s", text.text);
}

static void add_device(const struct host_machine *machine, const struct pci_device *device, struct str *out)
{
	AUTO_FREE char *class = pci_class_name(device);
	AUTO_STRV struct strv blockers = { 0 }, words = { 0 };

	str_addf(out, "%-8s%-8s", device->detail.resets.count ? "[RESET]" : "", short_address(device->address));
	add_words(&words, class);
	if (device->class_name)
		strv_addf(&words, "[%04x]", device->class >> 8);
	if (device->detail.boot_vga)
		strv_add(&words, "(boot VGA)");
	host_add_wrapped(out, &words, TEXT_COLUMN);
	add_name(device, out);
	add_state(machine, device, out);
	host_blockers(machine, device, &blockers);
	for (size_t i = 0; i < blockers.count; i++)
		add_line(out, TEXT_COLUMN, "! %s", blockers.items[i]);
}

static bool is_unsure(const struct pci_facts *pci)
{
	for (size_t i = 0; i < pci->count; i++) {
		if (pci->items[i].detail.users_unknown)
			return true;
	}
	return false;
}

void host_add_groups(const struct host_machine *machine, struct str *out)
{
	const struct pci_facts *pci = &machine->pci;
	AUTO_FREE const struct pci_device **sorted = mem_new(pci->count + 1, sizeof(*sorted));

	for (size_t i = 0; i < pci->count; i++)
		sorted[i] = &pci->items[i];
	qsort(sorted, pci->count, sizeof(*sorted), compare_groups);
	add_heading(machine, count_groups(sorted, pci->count), out);
	for (size_t i = 0, n; i < pci->count; i += n) {
		for (n = 1; i + n < pci->count && sorted[i + n]->group == sorted[i]->group;)
			n++;
		if (sorted[i]->group >= 0)
			add_verdict(machine, &sorted[i], n, out);
		else
			str_add(out, "\nin no group:\n");
		for (size_t j = i; j < i + n; j++)
			add_device(machine, sorted[j], out);
	}
	if (!pci->count)
		str_add(out, pci->known ? "no PCI devices\n" : "PCI devices unknown\n");
	if (!is_unsure(pci))
		return;
	str_addc(out, '\n');
	add_line(out, 0, machine->live ? "who has devices open is known in part: root may look into all processes" :
					 "who has devices open is not known of this captured machine");
}

static void add_usb_device(const struct usb_device *device, struct str *out)
{
	AUTO_STRV struct strv words = { 0 };
	const struct {
		bool is;
		const char *what;
	} roles[] = {
		{ device->hub, "(hub)" },
		{ device->keyboard, "(keyboard)" },
		{ device->mouse, "(mouse)" },
		{ device->storage, "(storage)" },
	};
	char ids[16];

	str_addf(out, "  %-10s", device->port);
	add_words(&words, device->name);
	snprintf(ids, sizeof(ids), "%04x:%04x", device->vendor, device->product);
	if (!str_ends(device->name, ids))
		strv_addf(&words, "[%s]", ids);
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		if (roles[i].is)
			strv_add(&words, roles[i].what);
	}
	host_add_wrapped(out, &words, USB_COLUMN);
	for (size_t i = 0; i < device->uses.count; i++)
		add_line(out, USB_COLUMN, "! %s", device->uses.items[i]);
}

void host_add_usb(const struct host_machine *machine, struct str *out)
{
	for (size_t i = 0; i < machine->usb.count; i++) {
		const struct usb_bus *bus = &machine->usb.buses[i];
		const struct pci_device *controller = pci_facts_find(&machine->pci, bus->controller);

		str_addf(out, "\nUSB bus %d", bus->bus);
		if (*bus->controller)
			str_addf(out, " of %s", short_address(bus->controller));
		if (controller && controller->group >= 0)
			str_addf(out, " in group %d", controller->group);
		str_add(out, bus->n_devices ? "\n" : ": nothing\n");
		for (size_t j = 0; j < bus->n_devices; j++)
			add_usb_device(&bus->devices[j], out);
	}
}
