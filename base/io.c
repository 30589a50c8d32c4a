// SPDX-License-Identifier: MIT
#include "base/io.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { CHUNK = 16384 };

int io_read_all(int fd, struct str *out, size_t max)
{
	size_t total = 0;

	for (;;) {
		// what there is already, or more
		size_t size = out->room > out->len + 1 ? 1 : CHUNK;
		char *room = str_room(out, &size);
		ssize_t n = read(fd, room, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		total += (size_t)n;
		if (total > max)
			return -EFBIG;
		str_wrote(out, (size_t)n);
	}
}

int io_read_file(int dirfd, const char *path, struct str *out, size_t max, struct err *err)
{
	AUTO_CLOSE int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "%s", path);
	r = io_read_all(fd, out, max);
	return r < 0 ? err_sys(err, r, "%s", path) : 0;
}

int io_write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

int io_replace_file(int dirfd, const char *name, const char *text, mode_t mode, struct err *err)
{
	return io_replace_bytes(dirfd, name, text, strlen(text), mode, err);
}

int io_replace_bytes(int dirfd, const char *name, const void *data, size_t size, mode_t mode, struct err *err)
{
	AUTO_STR struct str temporary = { 0 };
	AUTO_CLOSE int fd = -1;
	int r;

	// Ours alone, or of two that write the same name at once one would hand out the other's half.
	str_addf(&temporary, "%s.%d.new", name, (int)getpid());
	unlinkat(dirfd, temporary.text, 0); // left by a process of our number that was killed
	fd = openat(dirfd, temporary.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_sys(err, -errno, "creating %s", temporary.text);
	r = io_write_all(fd, data, size);
	if (r == 0 && renameat(dirfd, temporary.text, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, temporary.text, 0);
		return err_sys(err, r, "writing %s", name);
	}
	return 0;
}

int io_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0 ? -errno : 0;
}

static void close_between(int first, int last)
{
	if (first <= last)
		close_range((unsigned)first, (unsigned)last, 0);
}

void io_close_others(int first, int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	close_between(first, low - 1);
	close_between(low < first ? first : low + 1, high - 1);
	close_range((unsigned)(high < first ? first : high + 1), ~0U, 0);
}

long long io_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int io_make_directories(const char *path, mode_t mode, struct err *err)
{
	AUTO_STR struct str part = { 0 };

	for (const char *at = path; *at;) {
		size_t n = strspn(at, "/") + strcspn(at + strspn(at, "/"), "/");

		str_addn(&part, at, n);
		at += n;
		if (mkdir(part.text, mode) < 0 && errno != EEXIST)
			return err_sys(err, -errno, "making %s", part.text);
	}
	return 0;
}
