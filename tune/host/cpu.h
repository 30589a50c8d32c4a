// SPDX-License-Identifier: MIT
// Owns the facts about CPUs: which exist, their cores, caches, nodes and kinds, and which of them this
// process may use. Refuses to decide anything.
#pragma once

#include "base/cpuset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct root;

enum cpu_kind { CPU_UNIFORM, CPU_PERFORMANCE, CPU_EFFICIENCY };

// -1 means unknown: an offline CPU has no topology. An online one always has a core.
struct cpu {
	int id;
	bool online;
	bool isolated; // isolcpus= on the kernel line (sys/devices/system/cpu/isolated)
	int core;      // unique over the machine, numbered by first appearance
	int socket;    // physical_package_id as the kernel says it
	int die;
	int node;      // 0 for all on a kernel without NUMA
	int l3;	       // unique over the machine, numbered by first appearance
	enum cpu_kind kind;
	long max_khz;  // 0: unknown
};

struct cpu_core {
	struct cpuset cpus; // SMT siblings, online ones
};

struct cpu_l3 {
	struct cpuset cpus;
	uint64_t bytes; // 0: unknown
};

struct cpu_facts {
	struct cpu *cpus; // ascending ids, online and offline (present) ones
	size_t count;
	struct cpu_core *cores; // index: cpu.core
	size_t n_cores;
	struct cpu_l3 *l3s; // index: cpu.l3
	size_t n_l3s;
	struct cpuset online;
	struct cpuset isolated;
	struct cpuset nohz_full;
	struct cpuset allowed; // online, and in this process's cgroup cpuset (Cpus_allowed_list of a captured host)
	char vendor[16];       // "GenuineIntel", "AuthenticAMD", "" unknown
	char model_name[128];
	bool vmx, svm, hypervisor; // flags of /proc/cpuinfo's first processor
	bool flags_known;
	int phys_bits; // 0: unknown
};

// Reads at most 6 files a CPU plus a constant and a few per node. Works on captured trees that lack any
// of the files. Sources: Linux Documentation/admin-guide/cputopology.rst and
// Documentation/ABI/testing/sysfs-devices-system-cpu (6.1). Returns 0 or -errno with a message only
// where no CPU can be found at all.
int cpu_facts_read(struct root *root, struct cpu_facts *facts, struct err *err);
void cpu_facts_finish(struct cpu_facts *facts);

const struct cpu *cpu_facts_find(const struct cpu_facts *facts, int id); // NULL: no such CPU
const char *cpu_kind_name(enum cpu_kind kind); // "uniform", "performance", "efficiency"
