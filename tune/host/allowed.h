// SPDX-License-Identifier: MIT
// Owns the question which CPUs this process, or the one that captured a tree, may run on. Refuses to
// ask a system call: a captured tree must answer for itself.
#pragma once

#include <stdbool.h>

struct cpuset;
struct root;

// Sources, the first that answers: Cpus_allowed_list of proc_pid_status(5), which has affinity and
// cgroup in it; the cgroup's cpuset (v2, then v1) or that of the nearest parent that has one; what a
// root cgroup says. CPUs isolated at boot (isolcpus=) are in no task's affinity from the start without
// anybody having meant a limit: of these the cpuset alone decides. False: nothing tells, *out is untouched.
bool allowed_read(struct root *root, const struct cpuset *isolated, struct cpuset *out);
