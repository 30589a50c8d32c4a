// SPDX-License-Identifier: MIT
// Owns putting one thread on CPUs and into a scheduling class, and reading both back. Refuses to
// believe a call that returned 0: what the kernel did not take is an error.
#pragma once

#include "base/cpuset.h"

#include <stdbool.h>
#include <stddef.h>
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

// This process, which has one thread, leaves these CPUs to others, and so does what it forks; where it would have none
// left, it stays where it is. On a CPU that a vCPU is busy on, it would wait for as long as the scheduler lets one run
// at a time: milliseconds since Linux 6.6 (sysctl base_slice_ns). pin_stand_back, in it or in a child, undoes that.
void pin_stand_aside(const struct cpuset *cpus);
void pin_stand_back(void);

// Sets the nice value of a thread and reads it back. Returns 0 or -errno with a message.
int pin_nice(pid_t tid, int nice, struct err *err);

// The same for a process's session as a whole, where the kernel groups tasks by session and nice values count only
// within (sched(7), autogroup); does nothing where it does not.
void pin_autogroup(pid_t pid, int nice);

// Gives threads of one process a cookie in common, so that a core's siblings run only them at a time (Linux 5.14,
// Documentation/admin-guide/hw-vuln/core-scheduling.rst). Returns 0 or -errno with a message: -ENODEV where the
// kernel, or the CPU, has no core scheduling.
int pin_share_cores(const pid_t *tids, size_t count, struct err *err);

// What the kernel says now; batch and idle count as OTHER. Returns 0 or -errno (-ENOTSUP: a class
// that has no name here).
int pin_read(pid_t tid, struct cpuset *cpus, struct sched *sched);
