// SPDX-License-Identifier: MIT
#include "tune/cgroup.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>

#define MOUNT "/sys/fs/cgroup"

// The hierarchy's line is "0::/path"; /proc/TID is there for threads too.
static int read_cgroup(pid_t tid, struct str *out)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/cgroup", (int)tid);
	AUTO_STR struct str text = { 0 };
	const char *line;
	int r = io_read_file(AT_FDCWD, path, &text, 65536, NULL);

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	line = str_starts(str_text(&text), "0::") ? str_text(&text) : strstr(str_text(&text), "\n0::");
	if (!line)
		return -ENOENT;
	line = strchr(line, '/');
	str_addn(out, line, strcspn(line, "\n"));
	return 0;
}

static int is_in(const char *cgroup, pid_t tid)
{
	AUTO_STR struct str now = { 0 };
	int r = read_cgroup(tid, &now);

	return r < 0 ? r : str_eq(str_text(&now), cgroup + strlen(MOUNT));
}

static int write_number(const char *cgroup, const char *file, pid_t number)
{
	AUTO_FREE char *path = mem_printf("%s/%s", cgroup, file);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	return dprintf(fd, "%d\n", (int)number) < 0 ? -errno : 0;
}

static int move(const char *cgroup, const char *file, pid_t tid, struct err *err)
{
	int r = is_in(cgroup, tid);

	if (r > 0)
		return 0;
	if (r == 0)
		r = write_number(cgroup, file, tid);
	if (r == 0)
		r = is_in(cgroup, tid);
	if (r < 0)
		return err_sys(err, r, "moving task %d into %s", (int)tid, cgroup);
	return r ? 0 : err_set(err, -EIO, "task %d was moved into %s and is not there", (int)tid, cgroup);
}

int cgroup_move_process(const char *cgroup, pid_t pid, struct err *err)
{
	return move(cgroup, "cgroup.procs", pid, err);
}

int cgroup_move_thread(const char *cgroup, pid_t tid, struct err *err)
{
	return move(cgroup, "cgroup.threads", tid, err);
}
