// SPDX-License-Identifier: MIT
#include "tune/host/cgroup.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/mask.h"
#include "tune/host/root.h"

#include <stdio.h>
#include <string.h>

#define CGROUP "sys/fs/cgroup"

static bool has_word(struct root *root, const char *path, const char *word)
{
	AUTO_STRV struct strv words = { 0 };
	char text[512];

	if (root_read(root, path, text, sizeof(text)) < 0)
		return false;
	strv_split(&words, text, " ");
	return strv_has(&words, word);
}

static bool is_since(const char *release, int major, int minor)
{
	int a, b;

	return sscanf(release, "%d.%d", &a, &b) == 2 && (a > major || (a == major && b >= minor));
}

static void read_hierarchy(struct root *root, const char *release, struct cgroup_facts *facts)
{
	facts->v2 = root_exists(root, CGROUP "/cgroup.controllers");
	// only the very root has no type
	facts->top = facts->v2 && !root_exists(root, CGROUP "/cgroup.type");
	facts->cpuset = has_word(root, CGROUP "/cgroup.controllers", "cpuset");
	facts->enabled = has_word(root, CGROUP "/cgroup.subtree_control", "cpuset");
	facts->remote = is_since(release, 6, 7);
	facts->systemd = root_exists(root, "run/systemd/system");
	if (root_read_cpulist(root, CGROUP "/cpuset.cpus.effective", &facts->cpus) < 0)
		root_read_cpulist(root, "sys/devices/system/cpu/online", &facts->cpus);
}

// What a run that was cut short left: its CPUs come back before the next start.
static void read_own(struct root *root, const char *guest, struct cgroup_facts *facts)
{
	static const char *const suffixes[] = { "", ".scope" };
	static const char *const files[] = { "cpuset.cpus", "cpuset.cpus.exclusive" };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		AUTO_FREE char *dir = mem_printf(CGROUP "/vfiorun-%s%s", guest, suffixes[i]);

		facts->own_left |= root_exists(root, dir);
		for (size_t k = 0; k < ARRAY_SIZE(files); k++) {
			AUTO_FREE char *path = mem_printf("%s/%s", dir, files[k]);
			struct cpuset cpus;

			if (root_read_cpulist(root, path, &cpus) == 0)
				cpuset_or(&facts->own, &cpus);
		}
	}
}

static void read_irq(struct root *root, const char *name, struct cgroup_facts *facts)
{
	AUTO_FREE char *actions_path = mem_printf("sys/kernel/irq/%s/actions", name);
	AUTO_FREE char *mask_path = mem_printf("proc/irq/%s/smp_affinity_list", name);
	char actions[256];
	struct irq_fact *irq;
	struct cpuset cpus;
	int number;

	// the boot timer's, 0, never moves (Linux, arch/x86/kernel/time.c: IRQF_NOBALANCING)
	if (!str_parse_int(name, &number) || number == 0 ||
	    root_read_head(root, actions_path, actions, sizeof(actions)) <= 0 ||
	    root_read_cpulist(root, mask_path, &cpus) < 0)
		return;
	irq = MEM_PUSH(facts->irqs, facts->n_irqs);
	*irq = (struct irq_fact){ .number = number, .cpus = cpus, .actions = mem_dup(actions) };
}

static bool read_hex(struct root *root, const char *path, struct cpuset *out)
{
	char text[CPUSET_MAX / 4 + CPUSET_MAX / 32 + 2];

	return root_read(root, path, text, sizeof(text)) > 0 && cpuset_parse_mask(out, text);
}

static void read_masks(struct root *root, struct cgroup_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	root_list(root, "proc/irq", &names);
	for (size_t i = 0; i < names.count; i++)
		read_irq(root, names.items[i], facts);
	facts->default_known = read_hex(root, "proc/irq/default_smp_affinity", &facts->irq_default);
	facts->workqueue_known = read_hex(root, "sys/devices/virtual/workqueue/cpumask", &facts->workqueue);
	facts->workqueue_follows = root_exists(root, "sys/devices/virtual/workqueue/cpumask_isolated");
}

// Its socket is named after its process, and one of a dead process may be left.
char *cgroup_find_irqbalance(struct root *root)
{
	AUTO_STRV struct strv names = { 0 };
	char comm[32], *found = NULL;

	root_list(root, "run/irqbalance", &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = NULL;
		int pid;

		if (sscanf(names.items[i], "irqbalance%d.sock", &pid) != 1)
			continue;
		path = mem_printf("proc/%d/comm", pid);
		if (root_read(root, path, comm, sizeof(comm)) <= 0 || !str_eq(comm, "irqbalance"))
			continue;
		free(found);
		found = mem_printf("/run/irqbalance/%s", names.items[i]);
	}
	return found;
}

void cgroup_facts_read(struct root *root, const char *guest, const char *release, bool isolated,
		       struct cgroup_facts *facts)
{
	*facts = (struct cgroup_facts){ .known = true };
	read_hierarchy(root, release, facts);
	read_own(root, guest, facts);
	if (!facts->v2 && !isolated)
		return;
	read_masks(root, facts);
	facts->irqbalance_socket = cgroup_find_irqbalance(root);
}

void cgroup_facts_finish(struct cgroup_facts *facts)
{
	for (size_t i = 0; i < facts->n_irqs; i++)
		free(facts->irqs[i].actions);
	free(facts->irqs);
	free(facts->irqbalance_socket);
	*facts = (struct cgroup_facts){ 0 };
}
