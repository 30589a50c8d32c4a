// SPDX-License-Identifier: MIT
// Owns the choice which host CPU each vCPU, iothread and the emulator runs on, and the guest topology that
// mirrors it. Pure. Refuses to guess siblings by arithmetic: only what the kernel says counts.
#pragma once

#include "base/cpuset.h"
#include "base/diag.h"
#include "tune/host/cpu.h"
#include "tune/host/memory.h"

struct profile;

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

// The number of iothreads is decided by the caller (it depends on disks). `avoid`: CPUs that other running
// guests hold. Mistakes and impossible wishes go to diags with the profile's places; a warning where the
// wish is granted but hurts. The rules, in order:
//  - an explicit pin list is honoured in its order; a CPU that is absent, offline or not allowed is an error;
//  - auto: CPUs isolated on the kernel line first; performance kinds before efficiency; whole cores; one L3
//    and node where it fits, the larger cache preferred; core 0 (or the E cores) left to host and emulator;
//    siblings to siblings (guest threads=2 only if every vCPU pair sits on SMT siblings);
//  - as many vCPUs as CPUs: all are used, said; more: no vCPU pins, said.
void place_cpus(const struct profile *profile, const struct cpu_facts *cpus,
		const struct memory_facts *memory, const struct cpuset *avoid, int n_iothreads,
		struct placement *out, struct diags *diags);
void placement_finish(struct placement *placement);
