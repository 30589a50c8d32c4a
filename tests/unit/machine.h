// SPDX-License-Identifier: MIT
// Owns made-up machines as CPU and memory facts, for tests of what is decided from facts alone.
#pragma once

#include "tune/host/cpu.h"
#include "tune/host/memory.h"

struct machine {
	struct cpu_facts cpus;
	struct memory_facts memory;
};

// From words: sockets= nodes= (a socket) l3= (a node) cores= (an L3) threads= (a core), each 1 if absent;
// far: siblings are numbered after all cores (0,6), else side by side (0,1);
// stride=N: CPU numbers are multiples of N; no-l3: caches are unknown;
// efficiency=N: N more cores without SMT in the last L3, the others are performance cores;
// cache=96M,32M: bytes by L3, the last for all the rest; bytes=4G,8G: memory by node,
// likewise;
// offline= isolated= allowed=: lists. Fails the test where the words are wrong.
void machine_make(struct machine *machine, const char *words);
void machine_finish(struct machine *machine);
