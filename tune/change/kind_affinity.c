// SPDX-License-Identifier: MIT
// The kind `affinity`: the CPUs of a task of the host, named by its id and start time. Either it is moved and put
// back ("CPUS"), or it is only remembered ("kept") because something else that we do makes the kernel forget it:
// enabling cpuset and changing a partition give every task of the cgroup all of its CPUs, for good before Linux
// 6.2 (kernel/cgroup/cpuset.c, update_tasks_cpumask), and for kernel threads in later ones too.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/tasks.h"

#include <string.h>

static const char gone[] = "gone", lost[] = "lost", kept[] = "kept";

// "TID.STARTTIME"
static bool parse_task(const char *path, pid_t *tid, uint64_t *start)
{
	const char *dot = strchr(path, '.');
	AUTO_FREE char *number = mem_dupn(path, dot ? (size_t)(dot - path) : 0);
	int value;

	if (!dot || !str_parse_int(number, &value) || value <= 0 || !str_parse_u64(dot + 1, start))
		return false;
	*tid = value;
	return true;
}

static bool is_kept(const struct change *change)
{
	return change->want && strcmp(change->want, kept) == 0;
}

// What a remembered task has today. Narrower than the kernel would make it, and with a CPU that it had not: its
// owner has chosen anew, and there is nothing of ours in it.
static char *judge(struct change_host *host, pid_t tid, const char *was, const struct cpuset *now)
{
	struct cpuset before, possible, whole;

	if (!was || !cpuset_parse_list(&before, was))
		return cpuset_text(now);
	if (cpuset_equal(now, &before))
		return mem_dup(was);
	if (task_has_all(host, now, &before))
		return mem_dup(lost);
	task_read_whole(host, tid, &whole);
	possible = before;
	cpuset_and(&possible, &whole);
	if (cpuset_equal(now, &possible))
		return mem_dup(was);
	if (cpuset_contains(now, &whole) || cpuset_contains(&before, now))
		return mem_dup(lost);
	return mem_dup(was);
}

// For one record it is asked only once who has the number: until somebody else could, all others had to be given away.
static int check_once(struct change_host *host, const struct change *change, pid_t tid, uint64_t start)
{
	bool kept_open = str_eq(host->kept.path, change->path);
	int r = kept_open && host->kept.seen ? 0 : task_check(host, tid, start);

	if (r == 0 && kept_open)
		mem_set(&host->kept.seen, "the same");
	return r;
}

static int affinity_read(struct change_host *host, const struct change *change, char **value,
			 struct err *err)
{
	struct cpuset now;
	uint64_t start;
	pid_t tid;
	int r;

	*value = NULL;
	if (!parse_task(change->path, &tid, &start))
		return err_set(err, -EINVAL, "%s: not a task", change->path);
	r = task_read(host, tid, &now);
	if (r == 0)
		*value = is_kept(change) ? judge(host, tid, change->was, &now) : cpuset_text(&now);
	// whose they are matters only where they are to be written
	if (r == 0 && !(is_kept(change) && str_eq(*value, change->was)))
		r = check_once(host, change, tid, start);
	if (r < 0 && r != -ESRCH)
		return err_sys(err, r, "looking at the affinity of task %d", (int)tid);
	if (r == -ESRCH)
		mem_set(value, gone);
	return 0;
}

static int affinity_write(struct change_host *host, const struct change *change, const char *value,
			  struct err *err)
{
	struct cpuset cpus;
	uint64_t start;
	pid_t tid;
	int r;

	if (!parse_task(change->path, &tid, &start) || !value || !cpuset_parse_list(&cpus, value))
		return err_set(err, -EINVAL, "%s: not a task or not CPUs: %s", change->path, value ?: "nothing");
	r = check_once(host, change, tid, start);
	if (r == 0)
		r = task_write(host, tid, &cpus);
	// -EINVAL: its cgroup has none of them any more, which is not for us to mend
	if (r < 0 && r != -ESRCH && !(r == -EINVAL && is_kept(change)))
		return err_sys(err, r, "giving task %d the CPUs %s", (int)tid, value);
	return 0;
}

static bool affinity_equal(const char *a, const char *b)
{
	return strcmp(a, gone) == 0 || strcmp(b, gone) == 0 || strcmp(a, b) == 0;
}

static bool affinity_answers(const char *got, const char *want)
{
	struct cpuset set_got, set_want;

	return strcmp(want, kept) == 0 || strcmp(got, gone) == 0 ||
	       (cpuset_parse_list(&set_got, got) && cpuset_parse_list(&set_want, want) &&
		cpuset_equal(&set_got, &set_want));
}

static void affinity_remedy(const struct change *change, struct str *out)
{
	str_addf(out, "taskset -pc %s %.*s", change->was ?: "?", (int)strcspn(change->path, "."), change->path);
}

const struct change_kind change_kind_affinity = {
	.name = "affinity",
	.help = "the CPUs of a task of the host, moved or only remembered",
	.read = affinity_read,
	.write = affinity_write,
	.equal = affinity_equal,
	.answers = affinity_answers,
	.remedy = affinity_remedy,
	.shared = true,
	.survives_us = true,
};
