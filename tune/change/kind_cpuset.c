// SPDX-License-Identifier: MIT
// The kind `cpuset`: an attribute of the cpuset controller in a cgroup of ours. With that cgroup it is gone, and
// nothing is left to put back.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>

static const char gone[] = "gone";

static bool is_gone(struct change_host *host, const char *path)
{
	AUTO_FREE char *dir = mem_dupn(path, (size_t)(strrchr(path, '/') - path));
	AUTO_CLOSE int fd = change_open(host, dir, O_PATH | O_DIRECTORY, 0);

	return fd == -ENOENT;
}

static int cpuset_kind_read(struct change_host *host, const struct change *change, char **value,
			    struct err *err)
{
	int r = change_read_line(host, change->path, value);

	// ENODEV: removed between open and read
	if (r == -ENOENT || r == -ENODEV) {
		if (is_gone(host, change->path))
			*value = mem_dup(gone);
		return 0;
	}
	return r < 0 ? err_sys(err, r, "reading %s", change->path) : 0;
}

static int cpuset_kind_write(struct change_host *host, const struct change *change, const char *value,
			     struct err *err)
{
	int r = value ? change_write_line(host, change->path, value) : -EINVAL;

	return r < 0 ? err_sys(err, r, "writing %s to %s", value ?: "nothing", change->path) : 0;
}

static bool cpuset_kind_equal(const char *a, const char *b)
{
	return strcmp(a, gone) == 0 || strcmp(b, gone) == 0 || strcmp(a, b) == 0;
}

// A partition that is not valid answers "isolated invalid (reason)".
static bool cpuset_kind_answers(const char *got, const char *want)
{
	struct cpuset set_got, set_want;

	return strcmp(got, want) == 0 || (cpuset_parse_list(&set_got, got) && cpuset_parse_list(&set_want, want) &&
					  cpuset_equal(&set_got, &set_want));
}

// Every value does: an exclusive set, too, takes CPUs from others, and giving one back gives them all of it
// (Linux, kernel/cgroup/cpuset.c, update_tasks_cpumask).
static bool cpuset_kind_disturbs(const struct change *change, const char *value)
{
	(void)value;
	return str_ends(change->path, "/cpuset.cpus.partition");
}

static void cpuset_kind_remedy(const struct change *change, struct str *out)
{
	change_kind_set.remedy(change, out);
}

static const char *const places[] = { "/sys/fs/cgroup/vfiorun-", NULL };

const struct change_kind change_kind_cpuset = {
	.name = "cpuset",
	.help = "the CPUs of a cgroup of ours, and whether they are its own",
	.places = places,
	.read = cpuset_kind_read,
	.write = cpuset_kind_write,
	.equal = cpuset_kind_equal,
	.answers = cpuset_kind_answers,
	.disturbs = cpuset_kind_disturbs,
	.remedy = cpuset_kind_remedy,
	.survives_us = true,
	.one_file = true,
	.goes_with_cgroup = true,
};
