// SPDX-License-Identifier: MIT
// Owns what the kernel counts for a thread, and how fast a CPU is clocked now. Reading it stops nobody: these
// are files of /proc and /sys that any user may read. Refuses to remember: see launcher/watch/.
#pragma once

#include "base/cpuset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct root;

// Sources: Linux 6.1 Documentation/filesystems/proc.rst and Documentation/scheduler/sched-stats.rst.
struct thread_counts {
	pid_t pid, tid; // a thread of the kernel's own is its own process
	char name[16];	    // bytes that are no printable ASCII are `?`: whose program it is chose them
	char policy[16];    // "other", "batch", "idle", "rr:1", "fifo:2", "deadline"
	int cpu;	    // it ran there last
	uint64_t run_ns;    // on a CPU
	uint64_t wait_ns;   // runnable, and waiting for one
	uint64_t turns;	    // how often it was put on a CPU
	uint64_t involuntary; // how often it was taken from one that it would have kept
	uint64_t migrations;
	bool migrations_known; // the kernel counts them (CONFIG_SCHED_DEBUG)
};

// Where it runs and its three times, from two files. Returns 0, -ESRCH where there is no such thread, -ENOTSUP
// where the kernel keeps no times (CONFIG_SCHED_INFO), or another -errno. The other members stay as they are.
int thread_read_times(struct root *root, pid_t pid, pid_t tid, struct thread_counts *counts);
// All of it.
int thread_read_counts(struct root *root, pid_t pid, pid_t tid, struct thread_counts *counts);

struct cpu_clock {
	int cpu;
	long khz, max_khz; // 0: unknown
};

// The clock of each of these CPUs, in their order; the caller frees. cpufreq's word where there is one: from
// Linux 5.18 on it interrupts no CPU (arch/x86/kernel/cpu/aperfmperf.c), before that none of nohz_full=. Else
// what /proc/cpuinfo says.
struct cpu_clock *cpu_clocks_read(struct root *root, const struct cpuset *cpus, size_t *count);
