// SPDX-License-Identifier: MIT
// Owns putting processes and threads into cgroups that are there, and reading back that they are in them. Refuses to
// make or remove any: these are changes of kind `cgroup`.
#pragma once

#include <sys/types.h>

struct err;

// `cgroup` is absolute, below /sys/fs/cgroup. Both do nothing where the task is there already. Return 0 or -errno
// with a message (-ESRCH: the task has ended). A thread can only go where its process is, or to a threaded cgroup
// below (Linux 6.1, Documentation/admin-guide/cgroup-v2.rst, Threads).
int cgroup_move_process(const char *cgroup, pid_t pid, struct err *err);
int cgroup_move_thread(const char *cgroup, pid_t tid, struct err *err);
