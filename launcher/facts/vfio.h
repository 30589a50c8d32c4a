// SPDX-License-Identifier: MIT
// Owns what this process may open of VFIO, and which devices other guests of ours have. Refuses to ask the
// device nodes anything.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct root;
struct state;

// A device that the plan of another guest names.
struct other_device {
	char *address, *guest;
	bool mdev;
	int group;  // -1: unknown
	bool alive; // false: that guest ended, and its host changes are not undone
};

struct vfio_group {
	int group;
	bool usable; // by us: its node can be opened for reading and writing
};

// A node of a device's own, below /dev/vfio/devices: of one that is bound to vfio-pci.
struct vfio_node {
	char *name, *address;
	bool usable;
};

struct vfio_facts {
	bool container; // /dev/vfio/vfio can be opened
	bool iommufd_usable; // and /dev/iommu
	struct vfio_node *nodes;
	size_t n_nodes;
	uint64_t others_locked; // what guests that reach devices by iommufd lock of their memory
	struct vfio_group *groups;
	size_t n_groups;
	struct other_device *others;
	size_t n_others;
};

// The nodes, of the live machine only: who may open them elsewhere is unknown.
void vfio_facts_read(struct root *root, struct vfio_facts *facts);
void vfio_facts_add_guest(struct vfio_facts *facts, const char *guest, const struct state *state, bool alive);
void vfio_facts_finish(struct vfio_facts *facts);
bool vfio_facts_may_open_group(const struct vfio_facts *facts, int group); // its node alone
bool vfio_facts_may_open(const struct vfio_facts *facts, int group); // and the container
// NULL: there is none
const struct vfio_node *vfio_facts_find_node(const struct vfio_facts *facts, const char *address);
