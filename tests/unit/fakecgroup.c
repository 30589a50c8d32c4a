// SPDX-License-Identifier: MIT
#include "tests/unit/fakecgroup.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/tree.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#define CG "sys/fs/cgroup"

const char fakecgroup_manifest[] =
	"sys/devices/system/cpu/online = 0-3\n"
	CG "/cgroup.controllers = cpuset cpu\n"
	CG "/cgroup.subtree_control = cpu\n"
	CG "/cgroup.procs = 1\n"
	CG "/cgroup.threads = 100\\n101\\n102\\n300\n"
	CG "/cpuset.cpus.effective = 0-3\n"
	CG "/user.slice/cgroup.type = domain\n"
	CG "/user.slice/cgroup.procs = 200\n"
	CG "/user.slice/cgroup.threads = 200\n"
	CG "/user.slice/cgroup.subtree_control = \n"
	"proc/100/task/100/\n"
	"proc/100/stat = 100 (a (b) c) S 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 9100\n"
	"proc/100/cgroup = 0::/\n"
	"proc/100/mask = 1\n"
	"proc/101/task/101/\n"
	"proc/101/stat = 101 (b) S 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 9101\n"
	"proc/101/cgroup = 0::/\n"
	"proc/101/mask = 1,3\n"
	"proc/102/task/102/\n"
	"proc/102/stat = 102 (c) S 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 9102\n"
	"proc/102/cgroup = 0::/\n"
	"proc/102/mask = 0-3\n"
	"proc/200/task/200/\n"
	"proc/200/stat = 200 (d) S 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 9200\n"
	"proc/200/cgroup = 0::/user.slice\n"
	"proc/200/mask = 2-3\n"
	"proc/300/task/300/\n"
	"proc/300/stat = 300 (k) S 1 0 0 0 0 69238848 0 0 0 0 0 0 0 0 0 0 0 0 9300\n"
	"proc/300/cgroup = 0::/\n"
	"proc/300/mask = 2\n"
	"proc/irq/default_smp_affinity = f\n"
	"proc/irq/24/smp_affinity_list = 0-3\n"
	"proc/irq/25/smp_affinity_list = 2\n"
	"sys/devices/virtual/workqueue/cpumask = f\n";

static char *get(const char *tree, const char *path)
{
	char *text = tree_read(tree, path);

	if (text)
		text[strcspn(text, "\n")] = '\0';
	return text;
}

static void put(const char *tree, const char *path, const char *value)
{
	AUTO_FREE char *now = get(tree, path);

	if (!str_eq(now, value))
		tree_writef(tree, path, "%s\n", value);
}

static bool get_cpus(const char *tree, const char *path, struct cpuset *out)
{
	AUTO_FREE char *text = get(tree, path);

	cpuset_zero(out);
	return text && cpuset_parse_list(out, text);
}

static void put_cpus(const char *tree, const char *path, const struct cpuset *cpus)
{
	AUTO_FREE char *text = cpuset_text(cpus);

	put(tree, path, text);
}

// The directories in one, by name.
static void list_children(const char *tree, const char *path, struct strv *names)
{
	AUTO_FREE char *full = mem_printf("%s/%s", tree, path);
	AUTO_CLOSEDIR DIR *dir = opendir(full);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			strv_add(names, entry->d_name);
	}
}

static bool passes_cpuset(const char *tree, const char *cgroup)
{
	AUTO_FREE char *path = mem_printf("%s/cgroup.subtree_control", cgroup), *text = get(tree, path);

	return text && strstr(text, "cpuset");
}

static bool is_there(const char *tree, const char *cgroup, const char *file)
{
	AUTO_FREE char *path = mem_printf("%s/%s", cgroup, file), *text = get(tree, path);

	return text != NULL;
}

static void make_file(const char *tree, const char *cgroup, const char *file, const char *value)
{
	AUTO_FREE char *path = mem_printf("%s/%s", cgroup, file);

	put(tree, path, value);
}

static void remove_file(const char *tree, const char *cgroup, const char *file)
{
	AUTO_FREE char *path = mem_printf("%s/%s/%s", tree, cgroup, file);

	unlink(path);
}

// Every task of these has all CPUs of its cgroup from now on: what kernels before 6.2 do. Later ones know what a task
// asked for: where there is a file that says so, it has of that what it can.
static void widen_task(const char *tree, const char *pid, const struct cpuset *effective)
{
	AUTO_FREE char *mask = mem_printf("proc/%s/mask", pid), *asked_path = mem_printf("proc/%s/asked", pid);
	struct cpuset asked;

	if (get_cpus(tree, asked_path, &asked))
		cpuset_and(&asked, effective);
	put_cpus(tree, mask, cpuset_is_empty(&asked) ? effective : &asked);
}

static void widen_tasks(const char *tree, bool of_root, const struct cpuset *effective)
{
	static const char *const pids[] = { "100", "101", "102", "200" };

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		bool in_root = strcmp(pids[i], "200") != 0;

		if (in_root == of_root)
			widen_task(tree, pids[i], effective);
	}
}

static const char *const cpuset_files[] = { "cpuset.cpus", "cpuset.cpus.partition", "cpuset.cpus.effective" };

static void follow_control(const char *tree, const char *parent, const char *child)
{
	bool has = is_there(tree, child, "cpuset.cpus"), shall = passes_cpuset(tree, parent);
	struct cpuset effective;

	if (has == shall)
		return;
	get_cpus(tree, CG "/cpuset.cpus.effective", &effective);
	for (size_t i = 0; i < ARRAY_SIZE(cpuset_files); i++) {
		if (!shall)
			remove_file(tree, child, cpuset_files[i]);
		else
			make_file(tree, child, cpuset_files[i], i == 1 ? "member" : "");
	}
	if (strcmp(child, CG "/user.slice") == 0)
		widen_tasks(tree, false, &effective);
}

// "+cpuset" and "-cpuset" are what was written; the kernel answers with what there is.
static void obey_control(const char *tree, const char *cgroup)
{
	AUTO_FREE char *path = mem_printf("%s/cgroup.subtree_control", cgroup), *text = get(tree, path);
	bool root = strcmp(cgroup, CG) == 0;

	if (str_eq(text, "+cpuset"))
		put(tree, path, root ? "cpuset cpu" : "cpuset");
	else if (str_eq(text, "-cpuset"))
		put(tree, path, root ? "cpu" : "");
}

static void populate(const char *tree, const char *cgroup)
{
	static const char *const empty[] = { "cgroup.procs", "cgroup.threads", "cgroup.subtree_control" };

	if (is_there(tree, cgroup, "cgroup.procs"))
		return;
	make_file(tree, cgroup, "cgroup.type", "domain");
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++)
		make_file(tree, cgroup, empty[i], "");
}

// Judges what a partition was set to. Its CPUs are taken out of `left`, which must not become empty by that.
static bool judge_partition(const char *tree, const char *cgroup, struct cpuset *left)
{
	AUTO_FREE char *path = mem_printf("%s/cpuset.cpus.partition", cgroup), *text = get(tree, path);
	AUTO_FREE char *cpus_path = mem_printf("%s/cpuset.cpus", cgroup);
	AUTO_FREE char *word = text ? mem_dupn(text, strcspn(text, " ")) : NULL, *invalid = NULL;
	struct cpuset cpus, rest = *left;

	if (!text || strcmp(word, "member") == 0)
		return false;
	get_cpus(tree, cpus_path, &cpus);
	cpuset_minus(&rest, &cpus);
	if (!cpuset_is_empty(&cpus) && cpuset_contains(left, &cpus) && !cpuset_is_empty(&rest)) {
		put(tree, path, word);
		*left = rest;
		return true;
	}
	invalid = mem_printf("%s invalid (Cpu list in cpuset.cpus not exclusive)", word);
	put(tree, path, invalid);
	return false;
}

static void judge_children(const char *tree, const char *cgroup)
{
	AUTO_FREE char *cpus_path = mem_printf("%s/cpuset.cpus", cgroup);
	AUTO_STRV struct strv names = { 0 };
	struct cpuset cpus;

	get_cpus(tree, cpus_path, &cpus);
	cpuset_add(&cpus, CPUSET_MAX - 1); // a child may take all: here nobody is in the parent
	list_children(tree, cgroup, &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *child = mem_printf("%s/%s", cgroup, names.items[i]);

		populate(tree, child);
		follow_control(tree, cgroup, child);
		judge_partition(tree, child, &cpus);
	}
}

// Who was moved to the root leaves the cgroup that it was in.
static void move_members(const char *tree, const char *parent, const char *child, const char *file)
{
	AUTO_FREE char *to = mem_printf("%s/%s", parent, file), *from = mem_printf("%s/%s", child, file);
	AUTO_FREE char *moved = get(tree, to), *members = get(tree, from);

	if (moved && *moved && str_eq(moved, members))
		put(tree, from, "");
}

// Of a host without a guest's cgroups nothing changes by itself: what it was settled to, or NULL.
static char *settled;

static char *quiet_state(const char *tree, const struct strv *names)
{
	AUTO_FREE char *control = get(tree, CG "/cgroup.subtree_control");

	return names->count == 1 ? mem_printf("%s %s", tree, control) : NULL;
}

static bool is_settled(const char *tree, const struct strv *names)
{
	AUTO_FREE char *state = quiet_state(tree, names);

	return state && str_eq(state, settled);
}

void fakecgroup_settle(const char *tree)
{
	AUTO_STRV struct strv names = { 0 };
	struct cpuset left = { 0 }, before;

	cpuset_parse_list(&left, "0-3");
	list_children(tree, CG, &names);
	if (is_settled(tree, &names))
		return;
	free(take(settled));
	obey_control(tree, CG);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *child = mem_printf(CG "/%s", names.items[i]);

		populate(tree, child);
		obey_control(tree, child);
		follow_control(tree, CG, child);
		move_members(tree, CG, child, "cgroup.procs");
		judge_partition(tree, child, &left);
		judge_children(tree, child);
	}
	put(tree, CG "/cgroup.procs", "1");
	settled = quiet_state(tree, &names);
	get_cpus(tree, CG "/cpuset.cpus.effective", &before);
	if (cpuset_equal(&left, &before))
		return;
	put_cpus(tree, CG "/cpuset.cpus.effective", &left);
	widen_tasks(tree, true, &left);
	widen_tasks(tree, false, &left);
}

int fakecgroup_get_affinity(const char *tree, pid_t tid, struct cpuset *cpus)
{
	AUTO_FREE char *path = mem_printf("proc/%d/mask", tid);

	return get_cpus(tree, path, cpus) ? 0 : -ESRCH;
}

int fakecgroup_set_affinity(const char *tree, pid_t tid, const struct cpuset *cpus)
{
	AUTO_FREE char *path = mem_printf("proc/%d/mask", tid), *asked = mem_printf("proc/%d/asked", tid);
	struct cpuset effective, taken = *cpus, before;

	// the kernel keeps this one's to itself
	if (tid == 300)
		return -EINVAL;
	get_cpus(tree, CG "/cpuset.cpus.effective", &effective);
	cpuset_and(&taken, &effective);
	if (cpuset_is_empty(&taken))
		return -EINVAL;
	put_cpus(tree, path, &taken);
	if (get_cpus(tree, asked, &before))
		put_cpus(tree, asked, cpus);
	return 0;
}

int fakecgroup_remove(const char *tree, const char *path)
{
	static const char *const files[] = { "cgroup.type",	       "cgroup.procs",
					     "cgroup.threads",	       "cgroup.subtree_control",
					     "cpuset.cpus",	       "cpuset.cpus.partition",
					     "cpuset.cpus.effective" };
	AUTO_FREE char *full = mem_printf("%s%s", tree, path), *procs = NULL, *members = NULL;
	AUTO_STRV struct strv children = { 0 };

	list_children(tree, path + 1, &children);
	procs = mem_printf("%s/cgroup.procs", path + 1);
	members = get(tree, procs);
	if (!members)
		return -ENOENT;
	if (children.count || *members)
		return -EBUSY;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		remove_file(tree, path + 1, files[i]);
	return rmdir(full) < 0 ? -errno : 0;
}
