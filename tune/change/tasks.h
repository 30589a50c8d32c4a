// SPDX-License-Identifier: MIT
// Owns the affinities of the host's tasks, processes, threads and kernel threads alike: which are narrower than
// what the task's cgroup has, and giving one back. Refuses tasks whose affinity the kernel keeps for itself.
#pragma once

#include "base/cpuset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct change_host;

struct task {
	pid_t tid;
	uint64_t start;
	struct cpuset cpus;
};

struct task_list {
	struct task *items;
	size_t count;
};

// All with an affinity narrower than the CPUs that their cgroup has now. Tasks that end meanwhile are left out.
// Returns 0 or -errno where there is no list at all.
int tasks_list_narrow(struct change_host *host, struct task_list *out);
void task_list_finish(struct task_list *list);

// The task's affinity. -ESRCH: it is gone, or another one by now.
int task_read(struct change_host *host, pid_t tid, uint64_t start, struct cpuset *cpus);
// All CPUs of its cgroup.
void task_read_whole(struct change_host *host, pid_t tid, struct cpuset *whole);
// Whether whoever has this number has just these, so that there is nothing to give back.
bool task_has(struct change_host *host, pid_t tid, const struct cpuset *cpus);
// As much of `cpus` as its cgroup has. -EINVAL: nothing of it; -ESRCH: gone.
int task_write(struct change_host *host, pid_t tid, uint64_t start, const struct cpuset *cpus);
