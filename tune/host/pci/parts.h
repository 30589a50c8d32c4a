// SPDX-License-Identifier: MIT
// Owns what the files of this room tell each other. Refuses to be included from outside of it.
#pragma once

#include "tune/host/pci.h"

// "sys/bus/pci/devices/0000:06:00.0/driver"; the caller frees.
char *pci_path(const struct pci_device *device, const char *name);

// "dddd:bb:ss.f", with any longer domain, into address and numbers. False: something else.
bool pci_parse_address(const char *text, struct pci_device *out);
int pci_compare(const void *a, const void *b); // two devices, by address

// This device alone: class, driver and group.
void pci_read_only(struct root *root, const char *address, struct pci_facts *facts);

// The nodes that its driver made, from its directory in sysfs.
void pci_read_nodes(struct root *root, const struct pci_facts *facts, struct pci_device *device);

// Why the host needs it, from its nodes.
void pci_read_uses(struct root *root, struct pci_device *device);

// Who has a node of it open.
void pci_read_users(struct root *root, struct pci_facts *facts, struct pci_device *device);
void pci_holders_free(struct pci_holders *holders);
