// SPDX-License-Identifier: MIT
// Owns what the parts of placement share while one is made: the view of the host's CPUs and the small
// questions asked of it. For launcher/plan/ only; everybody else reads place.h.
#pragma once

#include "launcher/plan/place.h"
#include "launcher/profile/profile.h"

struct placing {
	const struct profile *profile;
	const struct cpu_facts *facts;
	const struct memory_facts *memory;
	struct cpuset usable;	 // online, and this process may run there
	struct place_near near;	 // node -1: none
	struct cpuset avoid;	 // usable ones that other guests hold
	struct cpuset host_core; // left to host and emulator where there is room
	struct cpuset taken;	 // what vCPUs are pinned to
	int *rows;		 // CPU number → index into facts->cpus, -1: no such CPU
	int n_rows;
	int n;			 // vCPUs
	struct placement *out;
	struct diags *diags;
};

// The row of a CPU, or NULL.
const struct cpu *placing_cpu(const struct placing *p, int cpu);
struct place placing_where(const struct placing *p, const char *key);

// What the CPUs of a set have in common: -1 where they differ or the kernel does not say.
int placing_common_core(const struct placing *p, const struct cpuset *cpus);
int placing_common_l3(const struct placing *p, const struct cpuset *cpus);
struct cpuset placing_nodes(const struct placing *p, const struct cpuset *cpus);
struct cpuset placing_l3s(const struct placing *p, const struct cpuset *cpus);
// Those CPUs of the set that are of this kind.
struct cpuset placing_of_kind(const struct placing *p, const struct cpuset *cpus, enum cpu_kind kind);

// place_auto.c. How vCPUs go onto SMT siblings.
enum spread {
	SPREAD_CORES,	 // fill whole cores
	SPREAD_NEAR,	 // one vCPU a core where one L3 has that many cores, else whole cores
	SPREAD_THREADS1, // one vCPU a core where the first choice of CPUs has that many cores, else whole cores
};
// Writes n different CPUs in guest order. n is at most the number of usable CPUs.
void place_auto_choose(const struct placing *p, int n, enum spread spread, int *cpus);
// How many vCPUs a profile gets that names no number.
int place_auto_count(const struct placing *p);

// place_list.c. Takes an explicit pin list over. False: it can't be had, the reasons are in diags.
bool place_list_take(struct placing *p);
// Reports what is absent, offline or not allowed in a set that `key` names. False: something was.
bool place_list_check(struct placing *p, const char *key, const struct cpuset *cpus, const char *hint);
// Warns about what hurts in the pins as they are, however they came about.
void place_list_warn(struct placing *p);
// "2,8,3,9", as a profile would have it; the caller frees.
char *place_list_text(const int *cpus, int n);

// topology.c. Settles sockets, dies, cores, threads for p->n vCPUs, after the pins are known.
void topology_settle(struct placing *p);
// The number of vCPUs that sockets, cores and threads ask for where vcpus is not written; 0: they don't say.
int topology_asked_vcpus(const struct profile *profile);
// Threads of a core that the profile asks for, by itself or by implication; 0: it leaves that open.
int topology_asked_threads(const struct placing *p);

// place_host.c. Emulator and iothreads, after the vCPUs.
void place_host_threads(struct placing *p, int n_iothreads);
