// SPDX-License-Identifier: MIT
// Owns the part of the made-up host that has cgroups, tasks with affinities and masks of interrupts, with all that
// the kernel does to them of itself. Refuses to be anything but files: whoever dies leaves it as it is.
//
//   /sys/fs/cgroup	v2, with CPUs 0-3, and a cgroup user.slice that is there before
//   /proc/100, 101	processes of its root with the affinities 1 and 1,3; 102 has all; 300 is a kernel
//			thread on CPU 2 that nobody moves
//   /proc/200		a process of user.slice on 2-3
//   /proc/irq, /sys/devices/virtual/workqueue/cpumask	masks; interrupt 25 goes to CPU 2 alone
#pragma once

#include <sys/types.h>

struct cpuset;

extern const char fakecgroup_manifest[];

// What the kernel makes of what was written since. `tree` is the root of the host.
void fakecgroup_settle(const char *tree);

// As struct change_host wants them.
int fakecgroup_get_affinity(const char *tree, pid_t tid, struct cpuset *cpus);
int fakecgroup_set_affinity(const char *tree, pid_t tid, const struct cpuset *cpus);
int fakecgroup_remove(const char *tree, const char *path);
