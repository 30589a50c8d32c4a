// SPDX-License-Identifier: MIT
// Owns the look at where a process's memory came to lie: in huge pages or not, and on which nodes. Refuses to do
// it by itself: smaps walks the page tables of the whole process, so somebody must have asked.
#pragma once

#include "tune/numa.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct landing {
	uint64_t bytes;	  // of the mappings that were found
	uint64_t present; // of these in memory now
	uint64_t huge;	  // of these in huge pages, transparent ones or a pool's
	uint64_t locked;
	uint64_t by_node[NUMA_NODES_MAX]; // of `present`; where there are many pages, by a sample of them
};

// Looks for one mapping of each of these sizes, which may be alike. What is not found is not counted. Sources:
// Linux Documentation/filesystems/proc.rst (smaps), move_pages(2). Returns 0, or -errno with a message where
// this user may not look (EACCES, EPERM) or the process is gone.
int landing_read(pid_t pid, const uint64_t *sizes, size_t n, struct landing *landing, struct err *err);

// The same from the text of an smaps file; the mappings that were found go to `found` (n of them at most), by
// start and end. For tests.
struct landing_range {
	uint64_t start, end, page, present;
};
size_t landing_parse(const char *smaps, const uint64_t *sizes, size_t n, struct landing *landing,
		     struct landing_range *found);
