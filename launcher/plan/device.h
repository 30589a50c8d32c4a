// SPDX-License-Identifier: MIT
// Owns the choice which devices of the host a guest gets, by the rules of IOMMU groups, and every reason
// against it, named before anything is touched. Pure. Refuses to say how QEMU is told: that is argv/pci.c.
#pragma once

#include "base/diag.h"

#include <stdbool.h>
#include <stddef.h>

struct facts;
struct pci_device;
struct place_near;
struct plan;
struct plan_options;
struct profile;

// Fills plan->devices from [pci] and [mdev]; what stands against it goes to diags, what only hurts becomes a
// warning of the plan. The rules:
//  - a title means one device, and a device is named once; bridges and devices that do not answer stay;
//  - of its IOMMU group everything else is named too, has a stub driver, is a bridge, or has no driver (then it
//    is kept away from drivers meanwhile), or is taken by group = auto, which takes no ISA bridge nor its like;
//  - without force: nothing that the host needs (file systems, swap, the default route), not its only GPU, not
//    its last keyboard or mouse, not its ISA bridge;
//  - never: what another guest has.
void plan_devices(const struct profile *profile, const struct facts *facts, const struct plan_options *options,
		  struct plan *plan, struct diags *diags);

// The changes of the host that these devices ask for, in their order.
void plan_add_device_changes(const struct profile *profile, const struct facts *facts, struct plan *plan,
			     struct diags *diags);

// The node that the guest's CPUs should be on, by its first GPU, else by its first device; false: none is known.
bool plan_device_node(const struct facts *facts, const struct plan *plan, struct place_near *near);

// The first passed GPU, or NULL.
const struct pci_device *plan_passed_gpu(const struct facts *facts, const struct plan *plan);
