// SPDX-License-Identifier: MIT
// Owns which devices of the host are looked at closely: those that a profile names, with their IOMMU groups.
// Refuses to judge them.
#pragma once

#include <stdbool.h>

struct facts;
struct root;
struct strv;

// titles: as struct pci_facts matches them ("0000:06:00.0", "10de:13c2"); NULL: every device. Fills the facts' pci, usb
// and iommu.
// names: also from this machine's ID database.
void devices_read(struct root *root, const struct strv *titles, bool names, struct facts *facts);
void devices_finish(struct facts *facts);
