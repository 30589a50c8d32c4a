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

// sun_path holds 108 bytes and run directories can be longer: address the socket as /dev/fd/N/NAME, which
// the kernel resolves through the open directory. Returns that directory's descriptor or -errno.
static int make_address(const char *path, struct sockaddr_un *address, struct err *err)
{
	AUTO_FREE char *copy = mem_dup(path), *again = mem_dup(path);
	int dir = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, -errno, "%s", path);
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "/dev/fd/%d/%s", dir, basename(again));
	return dir;
}

int listen_open(const char *path, mode_t mode, struct err *err)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	AUTO_CLOSE int dir = make_address(path, &address, err);

	if (dir < 0)
		return dir;
	if (fd < 0)
		return err_sys(err, -errno, "a socket");
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, mode) < 0 ||
	    listen(fd, 16) < 0)
		return err_sys(err, -errno, "listening on %s", path);
	return take_fd(&fd);
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
