// SPDX-License-Identifier: MIT
#include "tune/host/root.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

// A list of every other CPU up to CPUSET_MAX is not 20 KiB long.
enum { CPULIST_SIZE = 24 << 10, NUMBER_SIZE = 64 };

// While anything on the machine is renamed or mounted the kernel cannot vouch for a "..", and says so.
enum { RACES_MAX = 64 };

enum { LINKS_MAX = 40 }; // as the kernel's MAXSYMLINKS

enum { ONE_PAGE = 4096 };

static int open_inside(int dirfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags,
		.resolve = RESOLVE_IN_ROOT,
	};
	long fd;

	for (int i = 0; i < RACES_MAX; i++) {
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

static void cut(struct str *s, size_t len)
{
	if (len < s->len) {
		s->len = len;
		s->text[len] = '\0';
	}
}

// What is left to walk after a link: its target's names, then the ones from `next` on.
static void follow(struct strv *names, size_t next, const char *target)
{
	struct strv more = { 0 };

	strv_split(&more, target, "/");
	for (size_t i = next; i < names->count; i++)
		strv_add(&more, names->items[i]);
	strv_finish(names);
	*names = more;
}

// Finds the path that has no link in it. With `keep_last` the last name may be one.
static int resolve(int dirfd, const char *path, bool keep_last, struct str *done)
{
	AUTO_STRV struct strv names = { 0 };
	int links = 0;

	strv_split(&names, path, "/");
	for (size_t i = 0; i < names.count; i++) {
		const char *slash = done->len ? strrchr(done->text, '/') : NULL;
		size_t parent = done->len;
		char target[PATH_MAX];
		ssize_t n;

		if (str_eq(names.items[i], "."))
			continue;
		if (str_eq(names.items[i], "..")) {
			cut(done, slash ? (size_t)(slash - done->text) : 0);
			continue;
		}
		str_addf(done, "%s%s", parent ? "/" : "", names.items[i]);
		if (keep_last && i + 1 == names.count)
			break;
		n = readlinkat(dirfd, done->text, target, sizeof(target) - 1);
		if (n < 0 && errno == EINVAL)
			continue;
		if (n < 0 || ++links > LINKS_MAX)
			return n < 0 ? -errno : -ELOOP;
		target[n] = '\0';
		cut(done, *target == '/' ? 0 : parent);
		follow(&names, i + 1, target);
		i = (size_t)-1;
	}
	return 0;
}

// Stands in for openat2: a captured tree lies still, so nothing moves between looking and opening.
static int walk_inside(int dirfd, const char *path, int flags)
{
	AUTO_STR struct str done = { 0 };
	int r = resolve(dirfd, path, flags & O_NOFOLLOW, &done);
	int fd;

	if (r < 0)
		return r;
	fd = openat(dirfd, done.len ? done.text : ".", flags | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static int open_path(struct root *root, const char *path, int flags)
{
	int fd;

	root->reads++;
	flags |= O_CLOEXEC;
	if (!root->plain)
		return open_inside(root->fd, path, flags);
	if (!root->live)
		return walk_inside(root->fd, path, flags);
	path += strspn(path, "/");
	fd = openat(root->fd, path, flags);
	return fd < 0 ? -errno : fd;
}

// Container runtimes answer EPERM for calls that their filter does not know.
static bool lacks_openat2(int dirfd)
{
	AUTO_CLOSE int fd = open_inside(dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd == -ENOSYS || fd == -EPERM;
}

int root_open(struct root *root, const char *dir, struct err *err)
{
	AUTO_CLOSE int fd = open(dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	*root = (struct root)ROOT_CLOSED;
	if (fd < 0)
		return err_sys(err, -errno, "opening %s", dir ? dir : "/");
	root->plain = lacks_openat2(fd);
	root->live = !dir;
	root->path = mem_dup(dir);
	root->fd = take_fd(&fd);
	return 0;
}

void root_finish(struct root *root)
{
	cleanup_close(&root->fd);
	free(root->path);
	*root = (struct root)ROOT_CLOSED;
}

static int open_file(struct root *root, const char *path)
{
	return open_path(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

// Linux gives an attribute of sysfs in one piece, or in pages where it is longer (fs/kernfs/file.c): less than a page
// is its end, and need not be asked for. Lists of cgroups and of debugfs come in any pieces.
static bool comes_in_one(const char *path)
{
	path += strspn(path, "/");
	return str_starts(path, "sys/") && !str_starts(path, "sys/fs/") && !str_starts(path, "sys/kernel/debug/");
}

// Fills buf up to size bytes; returns how many there were.
static ssize_t read_full(int fd, char *buf, size_t size, bool in_one)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, buf + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		have += (size_t)n;
		if (n == 0 || (in_one && have % ONE_PAGE != 0))
			break;
	}
	return (ssize_t)have;
}

static int read_text(int fd, char *buf, size_t size, bool in_one, bool whole)
{
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read_full(fd, buf, size, in_one);
	if (n < 0)
		return (int)n;
	if ((size_t)n == size) {
		if (whole)
			return -EFBIG;
		n--;
	}
	if (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return (int)n;
}

int root_read(struct root *root, const char *path, char *buf, size_t size)
{
	AUTO_CLOSE int fd = open_file(root, path);

	return read_text(fd, buf, size, comes_in_one(path), true);
}

int root_read_head(struct root *root, const char *path, char *buf, size_t size)
{
	AUTO_CLOSE int fd = open_file(root, path);

	return read_text(fd, buf, size, comes_in_one(path), false);
}

int root_read_head_in(struct root *root, int directory, const char *name, char *buf, size_t size)
{
	AUTO_CLOSE int fd = openat(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);

	root->reads++;
	return read_text(fd < 0 ? -errno : fd, buf, size, false, false);
}

int root_read_all(struct root *root, const char *path, struct str *out, size_t max)
{
	AUTO_CLOSE int fd = open_file(root, path);

	return fd < 0 ? fd : io_read_all(fd, out, max);
}

int root_read_u64(struct root *root, const char *path, uint64_t *out)
{
	char text[NUMBER_SIZE];
	int r = root_read(root, path, text, sizeof(text));

	if (r < 0)
		return r;
	return str_parse_u64(str_strip(text), out) ? 0 : -EINVAL;
}

int root_read_int(struct root *root, const char *path, int *out)
{
	char text[NUMBER_SIZE];
	int r = root_read(root, path, text, sizeof(text));

	if (r < 0)
		return r;
	return str_parse_int(str_strip(text), out) ? 0 : -EINVAL;
}

// The same set as a mask, all that very old kernels and some captures of machines have.
static int read_mask_beside(struct root *root, const char *path, struct cpuset *out)
{
	static const struct {
		const char *list, *mask;
	} names[] = { { "cpulist", "cpumap" }, { "shared_cpu_list", "shared_cpu_map" }, { "_list", "" } };
	char text[CPULIST_SIZE];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (str_ends(path, names[i].list)) {
			size_t stem = strlen(path) - strlen(names[i].list);
			AUTO_FREE char *mask = mem_printf("%.*s%s", (int)stem, path, names[i].mask);
			int r = root_read(root, mask, text, sizeof(text));

			return r < 0 ? r : cpuset_parse_mask(out, text) ? 0 : -EINVAL;
		}
	}
	return -ENOENT;
}

int root_read_cpulist(struct root *root, const char *path, struct cpuset *out)
{
	char text[CPULIST_SIZE];
	int r = root_read(root, path, text, sizeof(text));

	if (r == -ENOENT)
		return read_mask_beside(root, path, out);
	if (r < 0)
		return r;
	return cpuset_parse_list(out, text) ? 0 : -EINVAL;
}

static int read_target(int directory, const char *name, char *buf, size_t size)
{
	ssize_t n = readlinkat(directory, name, buf, size);

	if (n < 0)
		return -errno;
	if ((size_t)n == size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return (int)n;
}

int root_readlink(struct root *root, const char *path, char *buf, size_t size)
{
	AUTO_CLOSE int fd = open_path(root, path, O_PATH | O_NOFOLLOW);
	int n;

	if (fd < 0)
		return fd;
	n = read_target(fd, "", buf, size);
	// what an empty path of something that is no link gives
	return n == -ENOENT ? -EINVAL : n;
}

int root_readlink_in(struct root *root, int directory, const char *name, char *buf, size_t size)
{
	root->reads++;
	return read_target(directory, name, buf, size);
}

static int compare_names(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

int root_open_directory(struct root *root, const char *path)
{
	int fd = open_path(root, path, O_RDONLY | O_DIRECTORY);

	root->reads--; // what is read of it counts
	return fd;
}

static bool is_directory(DIR *dir, const struct dirent *entry)
{
	struct stat status;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(status.st_mode);
}

static int list(struct root *root, const char *path, bool mark, struct strv *names)
{
	AUTO_CLOSE int fd = root_open_directory(root, path);
	AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t first = names->count;
	const struct dirent *entry;

	root->reads++;
	if (fd < 0)
		return fd;
	if (!dir)
		return -errno;
	take_fd(&fd);
	while ((entry = readdir(dir))) {
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		if (mark && is_directory(dir, entry))
			strv_addf(names, "%s/", entry->d_name);
		else
			strv_add(names, entry->d_name);
	}
	if (names->count > first)
		qsort(names->items + first, names->count - first, sizeof(*names->items),
		      compare_names);
	return 0;
}

int root_list(struct root *root, const char *path, struct strv *names)
{
	return list(root, path, false, names);
}

int root_list_marked(struct root *root, const char *path, struct strv *names)
{
	return list(root, path, true, names);
}

int root_read_block(struct root *root, const char *path, dev_t *out)
{
	AUTO_CLOSE int fd = open_path(root, path, O_PATH);
	struct stat status;

	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISBLK(status.st_mode))
		return -ENOTBLK;
	*out = status.st_rdev;
	return 0;
}

bool root_exists(struct root *root, const char *path)
{
	AUTO_CLOSE int fd = open_path(root, path, O_PATH);

	return fd >= 0;
}

bool root_is_fixed(struct root *root, const char *path)
{
	AUTO_CLOSE int fd = open_path(root, path, O_PATH);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && !(st.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH));
}
