// SPDX-License-Identifier: MIT
// Owns the map of a machine: its nodes, caches and cores with what runs on each CPU, as text of 80 columns.
// Pure. Refuses to know what a label stands for.
#pragma once

#include "base/str.h"
#include "tune/host/cpu.h"
#include "tune/host/memory.h"

// What runs on each CPU. Zeroed is nothing anywhere.
struct map {
	char **labels; // by CPU number; NULL: none
	int count;
};

void map_finish(struct map *map);

// Puts a short label ("v0") on these CPUs, beside what stands there.
void map_add(struct map *map, const struct cpuset *cpus, const char *label);

// Appends it, with two blanks before each line: a line or more for each L3, where a cell is a core: its CPUs,
// a star where they are isolated on the kernel line, and what runs on them, said once where it is the same on
// all. CPUs without a label show "-". Offline ones come last.
void map_draw(const struct map *map, const struct cpu_facts *cpus, const struct memory_facts *memory,
	      struct str *out);
