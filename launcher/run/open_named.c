// SPDX-License-Identifier: MIT
#include "launcher/run/open_named.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; // as the kernel has it

// Links that do not belong to root, until it is known whose file they lead to.
struct foreign_links {
	uid_t owners[LINKS_MAX];
	char first[NAME_MAX + 1];
	int count;
};

static int go_to(int *at, int from, const char *name, int flags)
{
	int next = openat(from, name, flags | O_PATH | O_CLOEXEC);

	if (next < 0)
		return -errno;
	close(*at);
	*at = next;
	return 0;
}

// What a link says takes the place of its name among those that are still to go.
static int follow(int *at, int link, struct strv *names)
{
	struct strv more = { 0 };
	char target[PATH_MAX];
	ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	strv_split(&more, target, "/");
	strv_copy(&more, names);
	strv_finish(names);
	*names = more;
	return target[0] == '/' ? go_to(at, AT_FDCWD, "/", O_DIRECTORY) : 0;
}

static char *take_first(struct strv *names)
{
	char *first = names->items[0];

	for (size_t i = 0; i < names->count; i++)
		names->items[i] = names->items[i + 1];
	names->count--;
	return first;
}

static void note_link(struct foreign_links *links, const char *name, const struct stat *st)
{
	if (st->st_uid == 0)
		return;
	if (!links->count)
		snprintf(links->first, sizeof(links->first), "%s", name);
	links->owners[links->count++] = st->st_uid;
}

// Name by name, so that nobody can change between the look and the step what was looked at.
static int walk(int *at, struct strv *names, struct foreign_links *links)
{
	int steps = 0;

	while (names->count) {
		AUTO_FREE char *name = take_first(names);
		AUTO_CLOSE int next = openat(*at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;
		int r;

		if (next < 0 || fstat(next, &st) < 0)
			return -errno;
		if (!S_ISLNK(st.st_mode)) {
			close(*at);
			*at = take_fd(&next);
			continue;
		}
		if (++steps > LINKS_MAX)
			return -ELOOP;
		note_link(links, name, &st);
		r = follow(at, next, names);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_links(int fd, const char *path, const struct foreign_links *links, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "opening %s", path);
	for (int i = 0; i < links->count; i++) {
		if (links->owners[i] == st.st_uid)
			continue;
		return err_set(err, -EACCES, "%s goes through the link `%s`, which user %u may point at any "
					     "file, to one of user %u: name the file itself",
			       path, links->first, links->owners[i], st.st_uid);
	}
	return 0;
}

static int open_as_root(const char *path, int flags, struct err *err)
{
	AUTO_CLOSE int at = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_STRV struct strv names = { 0 };
	struct foreign_links links = { 0 };
	char reopen[32];
	int r, fd;

	strv_split(&names, path, "/");
	r = at < 0 ? -errno : walk(&at, &names, &links);
	if (r < 0)
		return err_sys(err, r, "opening %s", path);
	r = check_links(at, path, &links, err);
	if (r < 0)
		return r;
	snprintf(reopen, sizeof(reopen), "/dev/fd/%d", at);
	fd = open(reopen, flags | O_CLOEXEC);
	return fd < 0 ? err_sys(err, -errno, "opening %s", path) : fd;
}

int open_named(const char *path, int flags, struct err *err)
{
	int fd;

	if (geteuid() == 0)
		return open_as_root(path, flags, err);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? err_sys(err, -errno, "opening %s", path) : fd;
}
