// SPDX-License-Identifier: MIT
#include "tune/host/pci/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// With the domain, which lspci leaves out where it is 0.
static bool parse_address(const char *text, struct pci_device *out)
{
	AUTO_FREE char *full = mem_printf("0:%s", text);

	return pci_parse_address(text, out) || pci_parse_address(full, out);
}

static const struct pci_device *find(const struct pci_facts *facts, const struct pci_device *key)
{
	return facts->count ? bsearch(key, facts->items, facts->count, sizeof(*key), pci_compare) : NULL;
}

const struct pci_device *pci_facts_find(const struct pci_facts *facts, const char *address)
{
	struct pci_device key;

	return parse_address(address, &key) ? find(facts, &key) : NULL;
}

const struct pci_device *pci_facts_next_in_group(const struct pci_facts *facts, int group, size_t from)
{
	for (size_t i = from; group >= 0 && i < facts->count; i++) {
		if (facts->items[i].group == group)
			return &facts->items[i];
	}
	return NULL;
}

static bool parse_ids(const char *text, unsigned *vendor, unsigned *device)
{
	return strlen(text) == 9 && strspn(text, "0123456789abcdefABCDEF:") == 9 && text[4] == ':' &&
	       sscanf(text, "%4x:%4x", vendor, device) == 2;
}

int pci_facts_match(const struct pci_facts *facts, const char *text, size_t *found, size_t room)
{
	unsigned vendor, device;
	struct pci_device key;
	size_t n = 0;

	if (parse_address(text, &key)) {
		const struct pci_device *one = find(facts, &key);

		if (one && room)
			found[0] = (size_t)(one - facts->items);
		return one != NULL;
	}
	if (!parse_ids(text, &vendor, &device))
		return -EINVAL;
	for (size_t i = 0; i < facts->count; i++) {
		if (facts->items[i].vendor != vendor || facts->items[i].device != device)
			continue;
		if (n < room)
			found[n] = i;
		n++;
	}
	return (int)n;
}

enum { BASE_CLASS_BRIDGE = 0x06, CLASS_HOST_BRIDGE = 0x0600, CLASS_ISA_BRIDGE = 0x0601 };

bool pci_bridge_blocks(const struct pci_device *device)
{
	return device->class >> 8 == CLASS_HOST_BRIDGE && device->driver && !pci_driver_is_stub(device->driver);
}

bool pci_is_isa_bridge(const struct pci_device *device)
{
	return device->class >> 8 == CLASS_ISA_BRIDGE;
}

bool pci_is_odd_bridge(const struct pci_device *device)
{
	return device->class >> 16 == BASE_CLASS_BRIDGE && !device->is_bridge;
}

bool pci_driver_is_stub(const char *driver)
{
	return driver && (str_eq(driver, "pci-stub") || str_ends(driver, "vfio-pci") ||
			  str_ends(driver, "vfio_pci"));
}

char *pci_device_name(const struct pci_device *device)
{
	return device->name ? mem_dup(device->name) :
			      mem_printf("device %04x:%04x", device->vendor, device->device);
}

char *pci_class_name(const struct pci_device *device)
{
	return device->class_name ? mem_dup(device->class_name) : mem_printf("class %04x", device->class >> 8);
}
