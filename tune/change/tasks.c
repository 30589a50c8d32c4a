// SPDX-License-Identifier: MIT
#include "tune/change/tasks.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/kind.h"
#include "tune/host/process.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

// What one look at the host's tasks remembers: most of them are in few cgroups.
struct look {
	struct change_host *host;
	char *cgroup; // whose CPUs `whole` are
	struct cpuset whole, root;
};

static void look_finish(struct look *look)
{
	free(look->cgroup);
}

static int get_affinity(struct change_host *host, pid_t tid, struct cpuset *cpus)
{
	cpuset_zero(cpus);
	if (host->get_affinity)
		return host->get_affinity(host->context, tid, cpus);
	return sched_getaffinity(tid, sizeof(cpus->bits), (cpu_set_t *)cpus->bits) < 0 ? -errno : 0;
}

static int set_affinity(struct change_host *host, pid_t tid, const struct cpuset *cpus)
{
	if (host->set_affinity)
		return host->set_affinity(host->context, tid, cpus);
	return sched_setaffinity(tid, sizeof(cpus->bits), (const cpu_set_t *)cpus->bits) < 0 ? -errno : 0;
}

static bool read_list(struct change_host *host, const char *path, struct cpuset *out)
{
	AUTO_FREE char *line = NULL;

	return change_read_line(host, path, &line) == 0 && *line && cpuset_parse_list(out, line);
}

// The nearest cgroup upwards that has CPUs to say; the machine's where cpusets are not in use.
static void read_whole(struct change_host *host, const char *cgroup, struct cpuset *out)
{
	AUTO_FREE char *path = mem_dup(cgroup);

	for (;;) {
		AUTO_FREE char *file = mem_printf("/sys/fs/cgroup%s/cpuset.cpus.effective",
						  strcmp(path, "/") == 0 ? "" : path);
		char *slash = strrchr(path, '/');

		if (read_list(host, file, out))
			return;
		if (!slash || strcmp(path, "/") == 0)
			break;
		slash[slash == path] = '\0';
	}
	if (!read_list(host, "/sys/devices/system/cpu/online", out))
		cpuset_zero(out);
}

// The line of the v2 hierarchy, "0::/path", is the last where there are others.
static char *read_cgroup(struct change_host *host, pid_t tid)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/cgroup", (int)tid), *line = NULL;

	if (change_read_line(host, path, &line) < 0 || !str_starts(line, "0::/"))
		return mem_dup("/");
	return mem_dup(line + 3);
}

static const struct cpuset *look_whole(struct look *look, pid_t tid)
{
	AUTO_FREE char *cgroup = read_cgroup(look->host, tid);

	if (!str_eq(look->cgroup, cgroup)) {
		free(look->cgroup);
		look->cgroup = take(cgroup);
		read_whole(look->host, look->cgroup, &look->whole);
	}
	return &look->whole;
}

static int read_stat(struct change_host *host, pid_t tid, struct process_stat *out)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/stat", (int)tid), *line = NULL;
	int r = change_read_line(host, path, &line);

	if (r == 0)
		r = process_parse_stat(line, out);
	if (r == 0 && (out->state == 'Z' || out->state == 'X'))
		r = -ESRCH;
	return r == -ENOENT ? -ESRCH : r;
}

static bool is_narrow(const struct cpuset *cpus, const struct cpuset *whole)
{
	return cpuset_contains(whole, cpus) && !cpuset_equal(whole, cpus);
}

static void consider(struct look *look, pid_t tid, struct task_list *out)
{
	struct process_stat stat = { 0 };
	struct cpuset cpus;

	// the first question is the cheap one, and settles nearly all of them
	if (get_affinity(look->host, tid, &cpus) < 0 || cpuset_equal(&cpus, &look->root))
		return;
	if (read_stat(look->host, tid, &stat) < 0 || stat.no_affinity || !is_narrow(&cpus, look_whole(look, tid)))
		return;
	*MEM_PUSH(out->items, out->count) = (struct task){ tid, stat.start, cpus };
}

// The directory of a process's threads has a link for each beside its own two (Linux, fs/proc/base.c,
// proc_task_getattr): to ask for that is a sixth of the work that listing it takes. Other file systems than proc
// may say 1.
static bool is_single(struct look *look, const char *path)
{
	struct stat st;

	return fstatat(look->host->root, path + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 3;
}

static void consider_threads(struct look *look, pid_t pid, struct task_list *out)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/task", (int)pid);
	AUTO_STRV struct strv tids = { 0 };
	int tid;

	if (is_single(look, path)) {
		consider(look, pid, out);
		return;
	}
	change_list(look->host, path, &tids);
	for (size_t i = 0; i < tids.count; i++) {
		if (str_parse_int(tids.items[i], &tid) && tid > 0)
			consider(look, tid, out);
	}
}

int tasks_list_narrow(struct change_host *host, struct task_list *out)
{
	CLEANUP(look_finish) struct look look = { .host = host };
	AUTO_STRV struct strv names = { 0 };
	int r = change_list_folders(host, "/proc", &names), pid;

	*out = (struct task_list){ 0 };
	if (r < 0)
		return r;
	read_whole(host, "/", &look.root);
	for (size_t i = 0; i < names.count; i++) {
		if (str_parse_int(names.items[i], &pid) && pid > 0)
			consider_threads(&look, pid, out);
	}
	return 0;
}

void task_list_finish(struct task_list *list)
{
	free(list->items);
	*list = (struct task_list){ 0 };
}

int task_read(struct change_host *host, pid_t tid, uint64_t start, struct cpuset *cpus)
{
	struct process_stat stat;
	int r = read_stat(host, tid, &stat);

	if (r == 0 && stat.start != start)
		r = -ESRCH;
	return r < 0 ? r : get_affinity(host, tid, cpus);
}

void task_read_whole(struct change_host *host, pid_t tid, struct cpuset *whole)
{
	CLEANUP(look_finish) struct look look = { .host = host };

	*whole = *look_whole(&look, tid);
}

bool task_has(struct change_host *host, pid_t tid, const struct cpuset *cpus)
{
	struct cpuset now;

	return get_affinity(host, tid, &now) == 0 && cpuset_equal(&now, cpus);
}

int task_write(struct change_host *host, pid_t tid, uint64_t start, const struct cpuset *cpus)
{
	struct process_stat stat;
	int r = read_stat(host, tid, &stat);

	if (r == 0 && stat.start != start)
		r = -ESRCH;
	return r < 0 ? r : set_affinity(host, tid, cpus);
}
