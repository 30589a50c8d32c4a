// SPDX-License-Identifier: MIT
#include "tune/change/tasks.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/apart.h"
#include "tune/change/kind.h"
#include "tune/host/process.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define CGROUPS "/sys/fs/cgroup"
enum { THREADS_MAX_BYTES = 64 << 20 };

static int get_affinity(struct change_host *host, pid_t tid, struct cpuset *cpus)
{
	if (host->get_affinity)
		return host->get_affinity(host->context, tid, cpus);
	// what the kernel has nothing to say of, the C library fills with zeros
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
		AUTO_FREE char *file = mem_printf(CGROUPS "%s/cpuset.cpus.effective",
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
	return !cpuset_equal(whole, cpus) && cpuset_contains(whole, cpus);
}

// What one look works with.
struct look {
	struct change_host *host;
	struct kernel_threads kernel; // that there are now
	size_t known;		      // how many of the host's fixed ones are from earlier looks
	struct task_list *out;
};

static void look_begin(struct look *look)
{
	AUTO_CLOSE int proc = -1;

	// a made-up host has tasks of its own
	if (!look->host->live || look->host->get_affinity)
		return;
	proc = change_open(look->host, "/proc", O_RDONLY | O_DIRECTORY, 0);
	if (proc >= 0)
		process_find_kernel_threads(proc, &look->kernel);
}

static void look_finish(struct look *look)
{
	pids_sort(look->host->fixed, look->host->n_fixed);
	kernel_threads_finish(&look->kernel);
}

// Our own child stays on a CPU as long as it is there. And a kernel thread that could not be moved when it was seen
// first can't be now: at most another one has got its number.
static bool is_passed_over(const struct look *look, pid_t tid)
{
	const struct change_host *host = look->host;

	return (host->apart && host->apart->pid == tid) ||
	       (pids_have(host->fixed, look->known, tid) && pids_have(look->kernel.pids, look->kernel.count, tid));
}

static void note_fixed(struct look *look, pid_t tid)
{
	if (pids_have(look->kernel.pids, look->kernel.count, tid) && !pids_have(look->host->fixed, look->known, tid))
		*MEM_PUSH(look->host->fixed, look->host->n_fixed) = tid;
}

// The CPUs come first: that question is the cheap one, and settles nearly all of them. Others who are not to be moved
// are most often on CPUs that their cgroup has not, for a kernel thread of a CPU is where the CPU is.
static void consider(struct look *look, pid_t tid, const struct cpuset *whole)
{
	struct process_stat stat = { 0 };
	struct cpuset cpus;

	if (is_passed_over(look, tid) || get_affinity(look->host, tid, &cpus) < 0 || !is_narrow(&cpus, whole) ||
	    read_stat(look->host, tid, &stat) < 0)
		return;
	if (stat.no_affinity)
		note_fixed(look, tid);
	else
		*MEM_PUSH(look->out->items, look->out->count) = (struct task){ tid, stat.start, cpus };
}

// A cgroup that is to be looked at, and the CPUs of the nearest one upwards that has some to say.
struct place {
	char *path; // in the file system
	struct cpuset whole;
};

struct places {
	struct place *items;
	size_t count;
};

static void place_finish(struct place *place)
{
	free(place->path);
}

static void places_finish(struct places *places)
{
	while (places->count)
		place_finish(&places->items[--places->count]);
	free(places->items);
}

static void add_children(struct change_host *host, const struct place *place, const struct strv *but,
			 struct places *out)
{
	AUTO_STRV struct strv names = { 0 };

	change_list_folders(host, place->path, &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", place->path, names.items[i]);

		if (!strv_has(but, path))
			*MEM_PUSH(out->items, out->count) = (struct place){ take(path), place->whole };
	}
}

// Not change_read_text: of a long list a read gives only as much as the kernel has room for at once.
static int read_threads(struct change_host *host, const char *cgroup, struct str *out)
{
	AUTO_FREE char *path = mem_printf("%s/cgroup.threads", cgroup);
	AUTO_CLOSE int fd = change_open(host, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);

	return fd < 0 ? fd : io_read_all(fd, out, THREADS_MAX_BYTES);
}

static int look_at(struct look *look, struct place *place)
{
	struct change_host *host = look->host;
	AUTO_FREE char *file = mem_printf("%s/cpuset.cpus.effective", place->path);
	AUTO_STR struct str text = { 0 };
	int r = read_threads(host, place->path, &text);
	const char *at = str_text(&text);
	char *end;

	if (r < 0)
		return r;
	if (!read_list(host, file, &place->whole) && cpuset_is_empty(&place->whole))
		read_list(host, "/sys/devices/system/cpu/online", &place->whole);
	for (long tid = strtol(at, &end, 10); end != at; tid = strtol(at, &end, 10)) {
		// 0: one outside of our PID namespace, whom nobody here could name
		if (tid > 0)
			consider(look, (pid_t)tid, &place->whole);
		at = end;
	}
	return 0;
}

// By cgroups and not by way of /proc, where each process costs much more to be named: each thread is in just one, and
// the kernel's own are all in the root (Linux, Documentation/admin-guide/cgroup-v2.rst, "Processes" and "Threads").
int tasks_list_narrow(struct change_host *host, const struct strv *but, struct task_list *out)
{
	CLEANUP(look_finish) struct look look = { .host = host, .known = host->n_fixed, .out = out };
	CLEANUP(places_finish) struct places places = { 0 };
	int r;

	*out = (struct task_list){ 0 };
	look_begin(&look);
	*MEM_PUSH(places.items, places.count) = (struct place){ .path = mem_dup(CGROUPS) };
	for (bool first = true; places.count; first = false) {
		CLEANUP(place_finish) struct place place = places.items[--places.count];

		// one that is gone by now has none
		r = look_at(&look, &place);
		if (r < 0 && first)
			return r;
		if (r == 0)
			add_children(host, &place, but, &places);
	}
	return 0;
}

void task_list_finish(struct task_list *list)
{
	free(list->items);
	*list = (struct task_list){ 0 };
}

int task_check(struct change_host *host, pid_t tid, uint64_t start)
{
	struct process_stat stat;
	int r = read_stat(host, tid, &stat);

	return r == 0 && stat.start != start ? -ESRCH : r;
}

int task_read(struct change_host *host, pid_t tid, struct cpuset *cpus)
{
	return get_affinity(host, tid, cpus);
}

bool task_has_all(struct change_host *host, const struct cpuset *cpus, const struct cpuset *before)
{
	struct cpuset *all = host->root_cpus;

	if (!all) {
		all = host->root_cpus = mem_new(1, sizeof(*all));
		if (!read_list(host, CGROUPS "/cpuset.cpus.effective", all))
			cpuset_zero(all);
	}
	return !cpuset_is_empty(all) && cpuset_contains(cpus, all) && !cpuset_contains(before, all);
}

void tasks_forget(struct change_host *host)
{
	free(take(host->root_cpus));
}

void task_read_whole(struct change_host *host, pid_t tid, struct cpuset *whole)
{
	AUTO_FREE char *cgroup = read_cgroup(host, tid);

	read_whole(host, cgroup, whole);
}

bool task_is_served(struct change_host *host, pid_t tid, const struct cpuset *cpus)
{
	struct cpuset now, whole, possible = *cpus;

	if (get_affinity(host, tid, &now) < 0)
		return false;
	if (cpuset_equal(&now, cpus))
		return true;
	if (task_has_all(host, &now, cpus) || !(cpuset_contains(&now, cpus) || cpuset_contains(cpus, &now)))
		return false;
	task_read_whole(host, tid, &whole);
	cpuset_and(&possible, &whole);
	return cpuset_equal(&now, &possible) || (cpuset_contains(&now, cpus) && is_narrow(&now, &whole));
}

int task_write(struct change_host *host, pid_t tid, const struct cpuset *cpus)
{
	return set_affinity(host, tid, cpus);
}
