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
struct strv;

struct task {
	pid_t tid;
	uint64_t start;
	struct cpuset cpus;
};

struct task_list {
	struct task *items;
	size_t count;
};

// All with an affinity narrower than the CPUs that their cgroup has now. Tasks that end meanwhile are left out, and so
// are those below the cgroups `but`. What `host` has seen of kernel threads before is not asked again, and they are
// most of those that are narrow at all. Returns 0 or -errno where there is no list at all.
int tasks_list_narrow(struct change_host *host, const struct strv *but, struct task_list *out);
void task_list_finish(struct task_list *list);

// Whether the number is still this task's: a task is known by when it began, too. -ESRCH: it is gone, or another one's
// by now.
int task_check(struct change_host *host, pid_t tid, uint64_t start);
// The affinity of whoever has this number. -ESRCH: nobody.
int task_read(struct change_host *host, pid_t tid, struct cpuset *cpus);
// All CPUs of its cgroup.
void task_read_whole(struct change_host *host, pid_t tid, struct cpuset *whole);
// Whether who has `cpus`, and had `before`, has all that its cgroup can give, as far as that is sure without asking
// which one it is: none has more than the root, or it is a partition and has nothing of the root's (Linux,
// Documentation/admin-guide/cgroup-v2.rst, "Cpuset Interface Files"). What the root has is asked once, up to
// tasks_forget.
bool task_has_all(struct change_host *host, const struct cpuset *cpus, const struct cpuset *before);
void tasks_forget(struct change_host *host);
// Whether whoever has this number needs none of `cpus` given back: it has just these, or as much of them as there is
// now; or these and more, but not all of its cgroup's. Then the kernel remembered what the task once asked for, which
// to give less would make it forget (Linux 6.2, kernel/sched/core.c, __set_cpus_allowed_ptr: user_cpus_ptr).
bool task_is_served(struct change_host *host, pid_t tid, const struct cpuset *cpus);
// As much of `cpus` as its cgroup has. -EINVAL: nothing of it; -ESRCH: gone.
int task_write(struct change_host *host, pid_t tid, const struct cpuset *cpus);
