// SPDX-License-Identifier: MIT
// The kind `cgroup`: a directory of the cgroup v2 hierarchy that we make, or that systemd makes for us, and
// remove. Whoever is still in it is moved to its parent first.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/scope.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

// A process that has just died may count for a moment more; systemd cleans up after its scopes in its own time.
enum { SETTLE_MS = 2000, SYSTEMD_MS = 5000, EVICTIONS_MAX = 10000 };

static bool parse(const char *text, uint64_t *inode)
{
	const char *id = strstr(text, " id=");

	return id && str_parse_u64(id + 4, inode);
}

static bool is_scope(const struct change *change)
{
	return str_eq(change->want, "scope");
}

static int cgroup_read(struct change_host *host, const struct change *change, char **value,
		       struct err *err)
{
	AUTO_CLOSE int fd = change_open(host, change->path, O_PATH | O_DIRECTORY, 0);
	AUTO_FREE char *path = mem_printf("%s/cgroup.type", change->path);
	AUTO_FREE char *type = NULL;
	struct stat st;
	uint64_t inode;

	*value = NULL;
	if (fd == -ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, fd < 0 ? fd : -errno, "looking at %s", change->path);
	// no number is given twice in this file system, and a type does not change
	if (change->got && parse(change->got, &inode) && inode == st.st_ino) {
		*value = mem_dup(change->got);
		return 0;
	}
	change_read_line(host, path, &type);
	*value = mem_printf("%s id=%llu", str_eq(type, "threaded") ? "threaded" :
			    is_scope(change)		  ? "scope" :
							    "domain",
			    (unsigned long long)st.st_ino);
	return 0;
}

static void nap(void)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000000L };

	nanosleep(&pause, NULL);
}

static bool is_there(struct change_host *host, const char *path)
{
	AUTO_CLOSE int fd = change_open(host, path, O_PATH | O_DIRECTORY, 0);

	return fd >= 0;
}

static bool wait_gone(struct change_host *host, const char *path, int timeout_ms)
{
	long long until = io_now_ms() + timeout_ms;

	while (is_there(host, path)) {
		if (io_now_ms() >= until)
			return false;
		nap();
	}
	return true;
}

// The parent of a threaded cgroup takes threads, every other takes processes.
static int evict(struct change_host *host, const struct change *change, struct err *err)
{
	AUTO_FREE char *parent = mem_dupn(change->path, (size_t)(strrchr(change->path, '/') - change->path));
	AUTO_FREE char *type_path = mem_printf("%s/cgroup.type", change->path), *type = NULL;
	AUTO_FREE char *from = NULL, *to = NULL;
	const char *file;

	change_read_line(host, type_path, &type);
	file = str_eq(type, "threaded") ? "cgroup.threads" : "cgroup.procs";
	from = mem_printf("%s/%s", change->path, file);
	to = mem_printf("%s/%s", parent, file);
	for (int i = 0; i < EVICTIONS_MAX; i++) {
		AUTO_FREE char *member = NULL;
		int r = change_read_line(host, from, &member);

		if (r == -ENOENT || (r == 0 && !*member))
			return 0;
		if (r == 0)
			r = change_host_before_write(host);
		if (r == 0)
			r = change_write_line(host, to, member);
		if (r == 0)
			change_host_after_write(host);
		if (r < 0 && r != -ESRCH)
			return err_sys(err, r, "moving task %s out of %s", member ?: "?", change->path);
	}
	return err_set(err, -EBUSY, "%s: new members come faster than they can be moved out", change->path);
}

static int remove_directory(struct change_host *host, const char *path)
{
	AUTO_FREE char *parent = mem_dupn(path, (size_t)(strrchr(path, '/') - path));
	AUTO_CLOSE int dir = -1;

	if (host->remove_cgroup)
		return host->remove_cgroup(host->context, path);
	dir = change_open(host, parent, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	if (dir < 0)
		return dir;
	return unlinkat(dir, strrchr(path, '/') + 1, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int stop_scope(struct change_host *host, const struct change *change, struct err *err)
{
	int r;

	if (wait_gone(host, change->path, SETTLE_MS))
		return 0;
	r = scope_stop(change_name(change->path), err);
	if (r == 0)
		wait_gone(host, change->path, SYSTEMD_MS);
	return r;
}

// A process that has just died may count for a moment more.
static int remove_patiently(struct change_host *host, const struct change *change, struct err *err)
{
	long long until = io_now_ms() + SETTLE_MS;
	int r;

	while ((r = remove_directory(host, change->path)) == -EBUSY && io_now_ms() < until)
		nap();
	if (r == -EBUSY)
		return err_set(err, r, "%s can't be removed: it has cgroups of somebody else in it, or a task "
				       "that does not end", change->path);
	return r < 0 && r != -ENOENT ? err_sys(err, r, "removing %s", change->path) : 0;
}

// Who is in it is asked only where it can't just be removed.
static int remove_cgroup(struct change_host *host, const struct change *change, struct err *err)
{
	int r;

	if (!is_scope(change) && remove_directory(host, change->path) == 0)
		return 0;
	r = evict(host, change, err);
	if (r == 0 && is_scope(change))
		r = stop_scope(host, change, err);
	return r < 0 ? r : remove_patiently(host, change, err);
}

static bool is_in(struct change_host *host, pid_t pid, const char *unit)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/cgroup", (int)pid), *suffix = mem_printf("/%s", unit);
	AUTO_FREE char *line = NULL;

	return change_read_line(host, path, &line) == 0 && str_ends(line, suffix);
}

static int make_scope(struct change_host *host, const struct change *change, struct err *err)
{
	const char *unit = strrchr(change->path, '/') + 1;
	long long until = io_now_ms() + SYSTEMD_MS;
	int r;

	if (!host->member)
		return err_set(err, -ESRCH, "%s: systemd makes no scope without a process", unit);
	r = scope_start(unit, host->member, err);
	while (r == 0 && !(is_in(host, host->member, unit) && is_there(host, change->path))) {
		if (io_now_ms() >= until)
			r = err_set(err, -ETIMEDOUT, "systemd agreed to %s and did not make it", unit);
		nap();
	}
	return r;
}

static int make_directory(struct change_host *host, const struct change *change, bool threaded,
			  struct err *err)
{
	const char *slash = strrchr(change->path, '/');
	AUTO_FREE char *parent = mem_dupn(change->path, (size_t)(slash - change->path));
	AUTO_FREE char *type = mem_printf("%s/cgroup.type", change->path);
	AUTO_CLOSE int dir = change_open(host, parent, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	int r = dir < 0 ? dir : mkdirat(dir, slash + 1, 0755) < 0 ? -errno : 0;

	if (r < 0)
		return err_sys(err, r, "making the cgroup %s", change->path);
	if (!threaded)
		return 0;
	change_host_after_write(host);
	r = change_host_before_write(host);
	if (r == 0)
		r = change_write_line(host, type, "threaded");
	return r < 0 ? err_sys(err, r, "making %s threaded", change->path) : 0;
}

static int cgroup_write(struct change_host *host, const struct change *change, const char *value,
			struct err *err)
{
	if (!value)
		return remove_cgroup(host, change, err);
	return str_starts(value, "scope") ? make_scope(host, change, err) :
					    make_directory(host, change, str_starts(value, "threaded"), err);
}

static bool cgroup_equal(const char *a, const char *b)
{
	uint64_t inode_a, inode_b;

	return parse(a, &inode_a) && parse(b, &inode_b) && inode_a == inode_b;
}

// Of whatever type: what we died over while it was made is ours too.
static bool cgroup_answers(const char *got, const char *want)
{
	uint64_t inode;

	(void)want;
	return parse(got, &inode);
}

// systemd then enables controllers for it, and disables them.
static bool cgroup_disturbs(const struct change *change, const char *value)
{
	(void)value;
	return is_scope(change);
}

static void cgroup_remedy(const struct change *change, struct str *out)
{
	if (is_scope(change)) {
		str_add(out, "systemctl stop ");
		change_quote(strrchr(change->path, '/') + 1, out);
		return;
	}
	str_add(out, "rmdir ");
	change_quote(change->path, out);
}

static const char *const places[] = { "/sys/fs/cgroup/vfiorun-", NULL };

const struct change_kind change_kind_cgroup = {
	.name = "cgroup",
	.help = "a cgroup is made, and removed once nobody is in it",
	.places = places,
	.read = cgroup_read,
	.write = cgroup_write,
	.equal = cgroup_equal,
	.answers = cgroup_answers,
	.disturbs = cgroup_disturbs,
	.remedy = cgroup_remedy,
	.creates = true,
	.survives_us = true,
};
