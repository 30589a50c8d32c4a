// SPDX-License-Identifier: MIT
#include "tune/host/pci/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/host/block.h"
#include "tune/host/root.h"
#include "tune/host/route.h"

// A partition is in its disk's uses.
static bool is_partition(struct root *root, const struct pci_node *node)
{
	AUTO_FREE char *mark = mem_printf("sys/class/block/%s/partition", node->name);

	return root_exists(root, mark);
}

static void add_block(struct root *root, const struct pci_node *node, struct strv *uses)
{
	AUTO_FREE char *path = mem_printf("sys/class/block/%s", node->name);
	struct strv found = { 0 };

	if (is_partition(root, node) || block_uses_path(root, path, &found, NULL) < 0)
		return;
	// two disks of one RAID would both tell of it
	for (size_t i = 0; i < found.count; i++) {
		if (!strv_has(uses, found.items[i]))
			strv_add(uses, found.items[i]);
	}
	strv_finish(&found);
}

void pci_read_uses(struct root *root, struct pci_device *device)
{
	struct pci_detail *detail = &device->detail;

	for (size_t i = 0; i < detail->n_nodes; i++) {
		const struct pci_node *node = &detail->nodes[i];

		if (node->kind == PCI_NODE_BLOCK)
			add_block(root, node, &detail->uses);
		else if (node->kind == PCI_NODE_NET)
			route_uses(root, node->name, &detail->uses);
	}
}
