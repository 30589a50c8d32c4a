// SPDX-License-Identifier: MIT
// Owns the choice which host CPU each vCPU, iothread and the emulator runs on, and the guest topology that
// mirrors it. Pure. Refuses to guess siblings by arithmetic: only what the kernel says counts.
#pragma once

#include "base/cpuset.h"
#include "base/diag.h"
#include "tune/host/cpu.h"
#include "tune/host/memory.h"

struct profile;

// Where a passed device is, that the vCPUs should be near to.
struct place_near {
	int node;	   // -1: nothing to be near to
	const char *whose; // the device's address
};

struct place_vcpu {
	struct cpuset cpus; // empty: not pinned
	char *why;
};

struct placement {
	struct place_vcpu *vcpus; // in guest order: index i is QEMU's CPU i (threads of a core are neighbours)
	int n_vcpus;
	int sockets, dies, cores, threads; // their product is n_vcpus
	char *topology_why;
	struct cpuset emulator; // empty: wherever this process may run
	char *emulator_why;
	struct cpuset *iothreads;
	int n_iothreads;
	char *iothread_why;
	struct cpuset nodes; // memory nodes of the pinned CPUs; empty: unknown or unpinned
};

// The number of iothreads is decided by the caller (it depends on disks). `avoid`: CPUs that the vCPUs of
// other running guests are pinned to. Mistakes and impossible wishes go to diags with the profile's places; a
// warning where the wish is granted but hurts. `out` is whole even after an error. The rules, in order:
//  - vcpus unset: as many as the pin list has; else what sockets, cores and threads make; else all CPUs
//    isolated on the kernel line; else half the cores of the L3 that auto would choose, at most 8 vCPUs;
//  - an explicit pin list is honoured in its order; a CPU that is absent, offline or not allowed is an error;
//  - auto: CPUs that no other guest holds; on the nodes that [memory] names; isolated on the kernel line; on the
//    node of a passed device, if that has room for all; performance kinds before efficiency; core 0 last, unless
//    the host has E cores. Each is exhausted before
//    the next. Within these: whole cores, in one L3, else node, else socket, else few of them; the larger
//    cache, then one without another guest, then one without core 0, then the lowest number is preferred;
//  - siblings to siblings: guest threads=2 only if every vCPU pair sits on SMT siblings. An odd number gets a
//    core each where one L3 has them, threads=1 where the host has;
//  - dies=1 unless the vCPUs divide evenly over several L3s and the profile has no sockets or cores;
//  - emulator and iothreads: what is left, near the vCPUs, E cores and whole cores first, never isolated ones
//    while there are others; a core for each iothread if one more stays for the emulator;
//  - as many vCPUs as CPUs: all are used, said; more: no vCPU pins, said.
void place_cpus(const struct profile *profile, const struct cpu_facts *cpus,
		const struct memory_facts *memory, const struct cpuset *avoid,
		const struct place_near *near, int n_iothreads,
		struct placement *out, struct diags *diags);
void placement_finish(struct placement *placement);
