// SPDX-License-Identifier: MIT
// Owns putting one thread on CPUs and into a scheduling class, and reading both back. Refuses to
// believe a call that returned 0: what the kernel did not take is an error.
#pragma once

#include "base/cpuset.h"

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct str;

enum sched_class { SCHED_CLASS_OTHER, SCHED_CLASS_RR, SCHED_CLASS_FIFO };

struct sched {
	enum sched_class class;
	int priority; // 1-99 for RR and FIFO, else 0
};

// "other", "rr:1", "fifo:2"
void sched_print(const struct sched *sched, struct str *out);
bool sched_parse(const char *text, struct sched *out);

// Sets affinity, then the class, with SCHED_RESET_ON_FORK for RR and FIFO (sched(7)), then reads
// both back. An empty set leaves the affinity alone; OTHER leaves a thread alone that is in no
// real-time class, its batch or idle policy and nice value included. Returns 0 or -errno with a
// message that names the thread: -EINVAL where its cgroup's cpuset excludes all of these CPUs, -EIO
// where it excludes some, -EPERM where the class needs a right that we lack, -ESRCH where the
// thread has ended.
int pin_apply(pid_t tid, const struct cpuset *cpus, const struct sched *sched, struct err *err);

// What the kernel says now; batch and idle count as OTHER. Returns 0 or -errno (-ENOTSUP: a class
// that has no name here).
int pin_read(pid_t tid, struct cpuset *cpus, struct sched *sched);
