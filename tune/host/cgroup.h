// SPDX-License-Identifier: MIT
// Owns the facts that isolating CPUs needs: the cgroup hierarchy, interrupts with their masks, the workqueues' mask,
// and who else moves interrupts. Refuses to decide anything, and to look at tasks: who has which affinity is
// known only when it matters (tune/change/tasks.h).
#pragma once

#include "base/cpuset.h"

#include <stdbool.h>
#include <stddef.h>

struct root;

struct irq_fact {
	int number;
	struct cpuset cpus; // where it may go
	char *actions;	    // who listens, "nvme0q1,nvme0q2"
};

struct cgroup_facts {
	bool known;	     // asked for
	bool v2;	     // /sys/fs/cgroup is the v2 hierarchy
	bool top;	     // and its root, not the part of it that a container sees
	bool cpuset;	     // which has the cpuset controller
	bool enabled;	     // and passes it on to its children
	bool remote;	     // partitions below what is none (Linux 6.7, cpuset.cpus.exclusive)
	bool systemd;	     // systemd is process 1 and manages it
	bool own_left;	     // a cgroup of this guest's name is there
	struct cpuset cpus;  // the root's: without those that other partitions took
	struct cpuset own;   // the CPUs of own_left
	struct irq_fact *irqs; // those that somebody listens to, ascending
	size_t n_irqs;
	bool default_known, workqueue_known;
	struct cpuset irq_default, workqueue;
	bool workqueue_follows; // the kernel takes what a partition isolates out of that mask itself (Linux 6.7)
	char *irqbalance_socket; // absolute; NULL: it does not run, or has none
};

// Sources: Linux 6.1 Documentation/admin-guide/cgroup-v2.rst (Cpuset), Documentation/core-api/irq/irq-affinity.rst,
// Documentation/ABI/testing/sysfs-kernel-irq, Documentation/core-api/workqueue.rst, sd_booted(3). What cannot be
// read stays unknown. `guest`: whose leftovers are ours; `release`: the kernel's; `isolated`: it has isolated CPUs
// since its start. Where neither they nor a partition can be had nothing is steered, and no interrupt is looked at.
void cgroup_facts_read(struct root *root, const char *guest, const char *release, bool isolated,
		       struct cgroup_facts *facts);
void cgroup_facts_finish(struct cgroup_facts *facts);

// The irqbalance_socket of the moment, on the heap, or NULL.
char *cgroup_find_irqbalance(struct root *root);
