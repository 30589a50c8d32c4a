// SPDX-License-Identifier: MIT
// Owns the facts about memory: nodes, distances, hugepage pools, totals. Refuses to decide anything.
#pragma once

#include "base/cpuset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct root;

struct memory_node {
	int node;	    // the kernel's number; may be sparse
	struct cpuset cpus; // online ones; empty for a memory-only node
	bool sized;	    // bytes and free are known; a node may well have 0
	uint64_t bytes, free;
	int *distances; // to each node that exists, in the order of nodes[]; NULL: unknown
	size_t n_distances;
};

struct hugepage_pool {
	int node;
	uint64_t size; // bytes of one page
	uint64_t total, free, surplus; // pages; those of total that are no surplus are persistent
	char *path; // absolute, of the attribute that sizes it
};

struct memory_facts {
	struct memory_node *nodes; // ascending; a machine without NUMA has one, node 0
	size_t n_nodes;
	struct hugepage_pool *pools; // by node, then size
	size_t n_pools;
	uint64_t total, available; // bytes, /proc/meminfo; 0: unknown
	char thp[16];		   // "always", "madvise", "never", "" unknown
	uint64_t min_free;	   // bytes that the kernel keeps for itself (vm.min_free_kbytes); 0: unknown
	uint64_t swap;		   // bytes of swap space
	bool ksm, ksm_known;	   // the kernel merges pages that are alike; a captured machine may not tell
	bool zfs;		   // the module is loaded: its cache and memory compaction do not go well together
};

// Reads what there is: a tree that lacks it all gives node 0 with nothing known. Sources: Linux
// Documentation/ABI/stable/sysfs-devices-node, Documentation/admin-guide/mm/hugetlbpage.rst and
// transhuge.rst, proc_meminfo(5) (6.1).
void memory_facts_read(struct root *root, struct memory_facts *facts);
void memory_facts_finish(struct memory_facts *facts);
const struct memory_node *memory_facts_find(const struct memory_facts *facts, int node);
