// SPDX-License-Identifier: MIT
#include "launcher/facts/devices.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/facts.h"

static void want_group(const struct pci_facts *pci, int group, bool *wanted)
{
	const struct pci_device *member = pci_facts_next_in_group(pci, group, 0);

	while (member) {
		size_t index = (size_t)(member - pci->items);

		wanted[index] = true;
		member = pci_facts_next_in_group(pci, group, index + 1);
	}
}

static void want(const struct pci_facts *pci, const char *title, bool *wanted)
{
	AUTO_FREE size_t *found = mem_new(pci->count + 1, sizeof(*found));
	int n = pci_facts_match(pci, title, found, pci->count);

	for (int i = 0; i < n; i++) {
		wanted[found[i]] = true;
		want_group(pci, pci->items[found[i]].group, wanted);
	}
}

void devices_read(struct root *root, const struct strv *titles, bool names, struct facts *facts)
{
	struct pci_facts *pci = &facts->pci;
	AUTO_FREE bool *wanted = NULL;
	AUTO_FREE size_t *indices = NULL;
	size_t n = 0;

	pci_facts_read(root, pci, titles);
	usb_facts_read(root, &facts->usb);
	iommu_facts_read(root, facts->system.kernel, facts->system.cmdline, &facts->iommu);
	wanted = mem_new(pci->count + 1, sizeof(*wanted));
	indices = mem_new(pci->count + 1, sizeof(*indices));
	for (size_t i = 0; titles && i < titles->count; i++)
		want(pci, titles->items[i], wanted);
	for (size_t i = 0; i < pci->count; i++) {
		if (!titles || wanted[i])
			indices[n++] = i;
	}
	pci_facts_read_details(root, pci, indices, n);
	if (names)
		pci_facts_read_names(pci, indices, n);
}

void devices_finish(struct facts *facts)
{
	pci_facts_finish(&facts->pci);
	usb_facts_finish(&facts->usb);
	iommu_facts_finish(&facts->iommu);
}
