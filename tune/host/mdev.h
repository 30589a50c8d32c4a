// SPDX-License-Identifier: MIT
// Owns the facts about mediated devices: shares of a device that its driver makes. Refuses to make one.
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct root;

struct mdev_fact {
	char *uuid; // lower case
	int group;  // -1: none
	char *parent; // PCI address of what it is a share of; NULL: unknown
	char *type;   // "i915-GVTg_V5_4"; NULL: unknown
	bool vfio;    // a driver of VFIO has it (vfio_mdev, intel_vgpu_mdev, …)
};

struct mdev_facts {
	struct mdev_fact *items;
	size_t count;
	struct strv parents; // PCI addresses of what can be shared
};

// Sources: Linux 6.1 Documentation/driver-api/vfio-mediated-device.rst.
void mdev_facts_read(struct root *root, struct mdev_facts *facts);
void mdev_facts_finish(struct mdev_facts *facts);
const struct mdev_fact *mdev_facts_find(const struct mdev_facts *facts, const char *uuid);
