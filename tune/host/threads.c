// SPDX-License-Identifier: MIT
#include "tune/host/threads.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/root.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 96, TEXT_SIZE = 8192, CPUINFO_MAX = 8 << 20 };

// Fields of proc_pid_stat(5); the first behind the name is 3.
enum { FIELD_FIRST = 3, FIELD_CPU = 39, FIELD_PRIORITY = 40, FIELD_POLICY = 41 };

static int read_task(struct root *root, pid_t pid, pid_t tid, const char *file, char *text, size_t size)
{
	char path[PATH_SIZE];
	int r;

	snprintf(path, sizeof(path), "proc/%d/task/%d/%s", (int)pid, (int)tid, file);
	r = root_read_head(root, path, text, size);
	return r == -ENOENT ? -ESRCH : r;
}

static void copy_name(const char *from, size_t n, char *to, size_t size)
{
	size_t i;

	for (i = 0; i < n && i + 1 < size; i++)
		to[i] = from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?';
	to[i] = '\0';
}

static void print_policy(int policy, int priority, struct thread_counts *counts)
{
	static const char *const names[] = {
		[SCHED_OTHER] = "other", [SCHED_FIFO] = "fifo", [SCHED_RR] = "rr",
		[SCHED_BATCH] = "batch", [SCHED_IDLE] = "idle", [6] = "deadline", [7] = "ext",
	};
	const char *name = policy >= 0 && (size_t)policy < ARRAY_SIZE(names) ? names[policy] : NULL;

	if (policy == SCHED_FIFO || policy == SCHED_RR)
		snprintf(counts->policy, sizeof(counts->policy), "%s:%d", name, priority);
	else
		snprintf(counts->policy, sizeof(counts->policy), "%s", name ? name : "?");
}

// A name may hold blanks and parentheses, so the last parenthesis ends it.
static int parse_stat(const char *text, struct thread_counts *counts)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	AUTO_STRV struct strv fields = { 0 };
	int cpu, policy, priority;

	if (!open || !close || close < open)
		return -EINVAL;
	strv_split(&fields, close + 1, " \n");
	if (fields.count <= FIELD_POLICY - FIELD_FIRST ||
	    !str_parse_int(fields.items[FIELD_CPU - FIELD_FIRST], &cpu) ||
	    !str_parse_int(fields.items[FIELD_PRIORITY - FIELD_FIRST], &priority) ||
	    !str_parse_int(fields.items[FIELD_POLICY - FIELD_FIRST], &policy) || cpu < 0 || cpu >= CPUSET_MAX)
		return -EINVAL;
	copy_name(open + 1, (size_t)(close - open - 1), counts->name, sizeof(counts->name));
	print_policy(policy, priority, counts);
	counts->cpu = cpu;
	return 0;
}

static int parse_schedstat(const char *text, struct thread_counts *counts)
{
	AUTO_STRV struct strv fields = { 0 };
	uint64_t run, wait, turns;

	strv_split(&fields, text, " \n");
	if (fields.count < 3 || !str_parse_u64(fields.items[0], &run) ||
	    !str_parse_u64(fields.items[1], &wait) || !str_parse_u64(fields.items[2], &turns))
		return -EINVAL;
	counts->run_ns = run;
	counts->wait_ns = wait;
	counts->turns = turns;
	return 0;
}

int thread_read_times(struct root *root, pid_t pid, pid_t tid, struct thread_counts *counts)
{
	char text[TEXT_SIZE];
	int r = read_task(root, pid, tid, "stat", text, sizeof(text));

	if (r >= 0)
		r = parse_stat(text, counts);
	if (r < 0)
		return r;
	counts->pid = pid;
	counts->tid = tid;
	r = read_task(root, pid, tid, "schedstat", text, sizeof(text));
	// the thread was there just now: it has ended, or no thread has this file
	if (r == -ESRCH && read_task(root, pid, tid, "stat", text, sizeof(text)) >= 0)
		return -ENOTSUP;
	return r < 0 ? r : parse_schedstat(text, counts);
}

// "nr_involuntary_switches   :    15", "nonvoluntary_ctxt_switches:\t15": the number behind the name and a colon.
static bool find_number(const char *text, const char *name, uint64_t *out)
{
	const char *at = strstr(text, name);
	char number[24];
	size_t n;

	if (!at || (at != text && at[-1] != '\n'))
		return false;
	at += strlen(name);
	at += strspn(at, " \t");
	if (*at != ':')
		return false;
	at += 1 + strspn(at + 1, " \t");
	n = strcspn(at, "\n");
	if (n >= sizeof(number))
		return false;
	memcpy(number, at, n);
	number[n] = '\0';
	return str_parse_u64(number, out);
}

int thread_read_counts(struct root *root, pid_t pid, pid_t tid, struct thread_counts *counts)
{
	char text[TEXT_SIZE];
	int r = thread_read_times(root, pid, tid, counts);

	if (r < 0)
		return r;
	counts->migrations_known = read_task(root, pid, tid, "sched", text, sizeof(text)) >= 0 &&
				   find_number(text, "se.nr_migrations", &counts->migrations);
	if (counts->migrations_known && find_number(text, "nr_involuntary_switches", &counts->involuntary))
		return 0;
	r = read_task(root, pid, tid, "status", text, sizeof(text));
	if (r < 0)
		return r;
	return find_number(text, "nonvoluntary_ctxt_switches", &counts->involuntary) ? 0 : -EINVAL;
}

static long read_khz(struct root *root, int cpu, const char *file)
{
	char path[PATH_SIZE];
	uint64_t khz;

	snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cpufreq/%s", cpu, file);
	return root_read_u64(root, path, &khz) == 0 ? (long)khz : 0;
}

// "processor	: 3" begins what is said of CPU 3; "cpu MHz		: 2096.006" is in it.
static long find_cpuinfo_khz(const char *text, int cpu)
{
	bool here = false;
	double mhz;
	int number;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "processor : %d", &number) == 1)
			here = number == cpu;
		else if (here && sscanf(line, "cpu MHz : %lf", &mhz) == 1)
			return mhz > 0 && mhz < 1e6 ? (long)(mhz * 1000) : 0;
	}
	return 0;
}

struct cpu_clock *cpu_clocks_read(struct root *root, const struct cpuset *cpus, size_t *count)
{
	AUTO_STR struct str cpuinfo = { 0 };
	struct cpu_clock *clocks = NULL;

	*count = 0;
	CPUSET_FOREACH(cpu, cpus) {
		struct cpu_clock *clock = MEM_PUSH(clocks, *count);

		clock->cpu = cpu;
		clock->khz = read_khz(root, cpu, "scaling_cur_freq");
		clock->max_khz = read_khz(root, cpu, "cpuinfo_max_freq");
		if (clock->khz)
			continue;
		if (!cpuinfo.text && root_read_all(root, "proc/cpuinfo", &cpuinfo, CPUINFO_MAX) < 0)
			str_add(&cpuinfo, "");
		clock->khz = find_cpuinfo_khz(str_text(&cpuinfo), cpu);
	}
	return clocks;
}
