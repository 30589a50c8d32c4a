// SPDX-License-Identifier: MIT
#include "tune/numa.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORD_BITS = 8 * sizeof(unsigned long) };

// The kernel takes one bit less than it is told (get_nodes, Linux 6.1, mm/mempolicy.c).
enum { MASK_BITS = NUMA_NODES_MAX + 1 };

static bool add_node(struct numa_policy *policy, int node)
{
	if (node < 0 || node >= NUMA_NODES_MAX)
		return false;
	policy->nodes[node / (int)WORD_BITS] |= 1UL << (unsigned)node % WORD_BITS;
	return true;
}

static int set_policy(const struct numa_policy *policy)
{
	// the default one takes no nodes
	const unsigned long *nodes = policy->mode == MPOL_DEFAULT ? NULL : policy->nodes;

	return syscall(SYS_set_mempolicy, policy->mode, nodes, nodes ? MASK_BITS : 0) < 0 ? -errno : 0;
}

int numa_bind(int node, struct numa_policy *before)
{
	struct numa_policy bound = { .mode = MPOL_BIND };

	*before = (struct numa_policy){ .mode = MPOL_DEFAULT };
	if (!add_node(&bound, node))
		return -EINVAL;
	if (syscall(SYS_get_mempolicy, &before->mode, before->nodes, NUMA_NODES_MAX, NULL, 0) < 0)
		return -errno;
	return set_policy(&bound);
}

void numa_restore(const struct numa_policy *before)
{
	set_policy(before);
}

int numa_prefer(const struct cpuset *nodes)
{
	struct numa_policy policy = { .mode = MPOL_PREFERRED_MANY };
	int r;

	CPUSET_FOREACH(node, nodes) {
		if (!add_node(&policy, node))
			return -EINVAL;
	}
	r = set_policy(&policy);
	if (r != -EINVAL)
		return r;
	policy = (struct numa_policy){ .mode = MPOL_PREFERRED };
	add_node(&policy, cpuset_next(nodes, -1));
	return set_policy(&policy);
}

int numa_locate(pid_t pid, size_t n, void *const *addresses, int *nodes)
{
	// without a list of nodes to go to, nothing is moved
	return syscall(SYS_move_pages, pid, n, addresses, NULL, nodes, 0) < 0 ? -errno : 0;
}
