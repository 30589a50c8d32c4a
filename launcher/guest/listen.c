// SPDX-License-Identifier: MIT
#include "launcher/guest/listen.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"

#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

// sun_path holds 108 bytes and run directories can be longer: address the socket as /dev/fd/N/NAME, which
// the kernel resolves through the open directory. Returns that directory's descriptor or -errno.
static int make_address(const char *path, struct sockaddr_un *address, struct err *err)
{
	AUTO_FREE char *copy = mem_dup(path);
	AUTO_CLOSE int dir = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	int n;

	if (dir < 0)
		return err_sys(err, -errno, "%s", path);
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(address->sun_path, sizeof(address->sun_path), "/dev/fd/%d/%s", dir, name_of(path));
	if (n >= (int)sizeof(address->sun_path))
		return err_sys(err, -ENAMETOOLONG, "%s", path);
	return take_fd(&dir);
}

// Only a socket is stale; anything else of that name makes bind fail.
static void remove_stale(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
		unlinkat(dir, name, 0);
}

// The mode comes from the umask: a chmod after it would follow a link that somebody put there since.
static int bind_with_mode(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t before = umask(~mode & 0777);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(before);
	return r;
}

int listen_open(const char *path, mode_t mode, struct err *err)
{
	struct sockaddr_un address;
	AUTO_CLOSE int dir = make_address(path, &address, err);
	AUTO_CLOSE int fd = -1;
	int r;

	if (dir < 0)
		return dir;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, -errno, "a socket");
	remove_stale(dir, name_of(path));
	r = bind_with_mode(fd, &address, mode);
	if (r == 0 && listen(fd, 16) < 0)
		r = -errno;
	return r < 0 ? err_sys(err, r, "listening on %s", path) : take_fd(&fd);
}

int listen_connect(const char *path, int timeout_ms, struct err *err)
{
	long long end = io_now_ms() + timeout_ms;
	struct sockaddr_un address;
	AUTO_CLOSE int dir = make_address(path, &address, err);

	if (dir < 0)
		return dir;
	for (;;) {
		AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int r;

		if (fd < 0)
			return err_sys(err, -errno, "a socket");
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return take_fd(&fd);
		r = -errno;
		if ((r != -ENOENT && r != -ECONNREFUSED && r != -EAGAIN) || io_now_ms() >= end)
			return err_sys(err, r, "connecting to %s", path);
		poll(NULL, 0, 2);
	}
}

int listen_connect_now(const char *path, struct err *err)
{
	struct sockaddr_un address;
	AUTO_CLOSE int dir = make_address(path, &address, err);
	AUTO_CLOSE int fd = -1;

	if (dir < 0)
		return dir;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_sys(err, -errno, "connecting to %s", path);
	return take_fd(&fd);
}
