// SPDX-License-Identifier: MIT
// Owns made-up machines of any size, written out as the kernel would show them. Refuses odd shapes:
// those are manifests (see tree.h).
#pragma once

#include <stdbool.h>

struct big_host {
	int cpus, threads; // all CPUs; those of one core
	bool apart;	   // siblings are half a machine apart (0,512), not neighbours (0,1)
	int sockets, nodes;
	int l3_cores; // cores that share an L3; 0: there is no L3
	int pci;      // PCI devices, each in an IOMMU group of its own
};

// Writes the machine below an existing directory. Returns 0 or -errno; -EINVAL where the numbers do not
// divide: CPUs into threads, cores into sockets, nodes and L3s, nodes into sockets.
int big_host_make(const char *dir, const struct big_host *host);
