// SPDX-License-Identifier: MIT
// From titles of the profile to devices of the host.
#include "launcher/plan/device/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <string.h>

enum { ALIKE_MAX = 16 };

static void add_list_item(struct str *out, const char *item)
{
	str_addf(out, "%s%s", out->len ? ", " : "", item);
}

// Those of one kind are what somebody looks for who mistyped an address: graphics first, and no bridges.
static void list_devices(const struct pci_facts *pci, bool gpus, size_t most, struct str *out)
{
	size_t n = 0;

	for (size_t i = 0; i < pci->count && n < most; i++) {
		const struct pci_device *device = &pci->items[i];
		AUTO_FREE char *text = NULL;

		if (device->is_bridge || device_is_gpu(device) != gpus)
			continue;
		text = device_short_text(device);
		add_list_item(out, text);
		n++;
	}
}

static const char *nearest_address(const struct pci_facts *pci, const char *title)
{
	AUTO_FREE const char **names = mem_new(pci->count + 1, sizeof(*names));
	bool shorted = strlen(title) == strlen("00:00.0");
	size_t n = 0;

	for (size_t i = 0; i < pci->count; i++) {
		const char *address = pci->items[i].address;

		if (!pci->items[i].is_bridge)
			names[n++] = shorted && str_starts(address, "0000:") ? address + 5 : address;
	}
	return str_nearest(title, names, n);
}

// What is there of the same maker, for ids that nothing has.
static void list_vendor(const struct pci_facts *pci, const char *title, struct str *out)
{
	for (size_t i = 0; i < pci->count; i++) {
		const struct pci_device *device = &pci->items[i];
		AUTO_FREE char *vendor = mem_printf("%04x:", device->vendor);
		AUTO_FREE char *item =
			mem_printf("%04x:%04x at %s", device->vendor, device->device, device->address);

		if (!device->is_bridge && strncasecmp(title, vendor, 5) == 0)
			add_list_item(out, item);
	}
}

static void hint_missing(struct diag *diag, const struct pci_facts *pci, const char *title)
{
	const char *near = strchr(title, '.') ? nearest_address(pci, title) : NULL;
	AUTO_STR struct str there = { 0 };

	if (near) {
		const struct pci_device *device = pci_facts_find(pci, near);
		AUTO_FREE char *text = device ? device_short_text(device) : mem_dup(near);

		diag_hint(diag, "did you mean %s? Addresses change when cards are added or moved", text);
		return;
	}
	if (!strchr(title, '.'))
		list_vendor(pci, title, &there);
	if (!there.len)
		list_devices(pci, true, 8, &there);
	if (!there.len)
		list_devices(pci, false, 8, &there);
	diag_hint(diag,
		  there.len ? "there are %s; `vfiorun host` lists all" : "there is no device that can be passed",
		  str_text(&there));
}

static void report_missing(struct choosing *c, const struct profile_pci *section)
{
	struct diag *diag;

	if (section->optional) {
		choosing_report(c, DIAG_WARNING, "pci-optional", section,
				"pci \"%s\" is not there: the guest starts without it", section->title);
		return;
	}
	diag = choosing_report(c, DIAG_HOST_ERROR, "pci-missing", section, "there is no device %s on this host",
			       section->title);
	hint_missing(diag, &c->facts->pci, section->title);
}

static void report_alike(struct choosing *c, const struct profile_pci *section, const size_t *found, size_t n)
{
	AUTO_STR struct str all = { 0 };
	struct diag *diag;

	for (size_t i = 0; i < n; i++)
		add_list_item(&all, c->facts->pci.items[found[i]].address);
	diag = choosing_report(c, DIAG_HOST_ERROR, "pci-ambiguous", section,
			       "%zu devices of this host are %s: %s", n, section->title, str_text(&all));
	diag_hint(diag, "write the address of the one that is meant: [pci \"%s\"]",
		  c->facts->pci.items[found[0]].address);
}

static bool check_once(struct choosing *c, const struct profile_pci *section, const struct pci_device *device)
{
	const struct choice *before = choosing_find(c, device);

	if (!before)
		return true;
	diag_hint(choosing_report(c, DIAG_ERROR, "pci-twice", section,
				  "pci \"%s\" and pci \"%s\" are the same device, %s", before->section->title,
				  section->title, device->address),
		  "leave one of the sections out");
	return false;
}

static bool check_kind(struct choosing *c, const struct profile_pci *section, const struct pci_device *device)
{
	AUTO_FREE char *text = device_short_text(device);

	if (device->is_bridge)
		diag_hint(choosing_report(c, DIAG_HOST_ERROR, "pci-bridge", section,
					  "%s is a bridge: it stays with the host", text),
			  "name the devices behind it");
	else if (device->dead)
		diag_hint(choosing_report(
				  c, DIAG_HOST_ERROR, "pci-dead", section,
				  "%s does not answer: its configuration space reads as ones (header type 7f)",
				  text),
			  "it did not come back from a reset or a sleep state; suspend the host and wake it, "
			  "or switch it off and on again");
	else
		return true;
	return false;
}

static void resolve(struct choosing *c, const struct profile_pci *section)
{
	const struct pci_facts *pci = &c->facts->pci;
	size_t found[ALIKE_MAX] = { 0 };
	int n = pci_facts_match(pci, section->title, found, ALIKE_MAX);
	const struct pci_device *device;

	if (n <= 0) {
		report_missing(c, section);
		return;
	}
	if (n > 1) {
		report_alike(c, section, found, n < ALIKE_MAX ? (size_t)n : ALIKE_MAX);
		return;
	}
	device = &pci->items[found[0]];
	if (check_once(c, section, device) && check_kind(c, section, device))
		choosing_add(c, device, section)->named = true;
}

void choosing_resolve(struct choosing *c)
{
	for (size_t i = 0; i < c->profile->n_pcis; i++)
		resolve(c, &c->profile->pcis[i]);
}
