// SPDX-License-Identifier: MIT
// Owns finding one CPU's cache of a level, whatever its index. Refuses to know which CPUs exist.
#pragma once

#include <stdint.h>

struct cpuset;
struct root;

// The N of cache/indexN that is of this level (2 or 3), or -1 where this CPU has none. Takes one or two
// reads: with both halves of L1 the index is the level, and a machine may lack or add one. Source:
// Linux Documentation/ABI/testing/sysfs-devices-system-cpu (6.1): indices ascend with the level.
int cache_find(struct root *root, int cpu, int level);

// The online CPUs that share it. Returns 0 or -errno.
int cache_read_cpus(struct root *root, int cpu, int index, struct cpuset *out);

uint64_t cache_read_bytes(struct root *root, int cpu, int index); // 0: unknown
