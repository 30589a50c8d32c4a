// SPDX-License-Identifier: MIT
// Owns the system calls for memory policies and for asking where pages lie (set_mempolicy(2),
// get_mempolicy(2), move_pages(2)). Refuses facts: which nodes there are is host/memory.h's to say.
// libnuma is not used: it reads the live /sys in a constructor, in every process that links it.
#pragma once

#include "base/cpuset.h"

#include <stddef.h>
#include <sys/types.h>

enum { NUMA_NODES_MAX = 1024 }; // MAX_NUMNODES of any x86 kernel

// A memory policy of this thread, to be put back.
struct numa_policy {
	int mode;
	unsigned long nodes[NUMA_NODES_MAX / (8 * sizeof(unsigned long))];
};

// Binds this thread's allocations to one node, strictly. Returns 0 or -errno (EINVAL: its cpuset has not
// this node; ENOSYS: a kernel without NUMA; EPERM in some containers).
int numa_bind(int node, struct numa_policy *before);
void numa_restore(const struct numa_policy *before);

// What this process and, over exec, its program allocate comes from these nodes as long as they have
// some: MPOL_PREFERRED_MANY, Linux 5.15; an older kernel prefers the first of them. Returns 0 or -errno.
int numa_prefer(const struct cpuset *nodes);

// Of each address in another process its node, or a negative errno (ENOENT: no page is there). Pages of
// another user's process need CAP_SYS_NICE (move_pages(2)). Returns 0 or -errno.
int numa_locate(pid_t pid, size_t n, void *const *addresses, int *nodes);
