// SPDX-License-Identifier: MIT
#include "launcher/run/fds.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/guest/listen.h"
#include "launcher/guest/tap.h"
#include "launcher/plan/plan.h"
#include "launcher/run/open_named.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

// What is being opened, with what earlier rows leave to later ones.
struct opening {
	const struct plan *plan;
	int *streams;
	const int *inputs;
	char tap[IFNAMSIZ]; // the tap that the next queue belongs to
};

static int open_file(struct opening *opening, const struct plan_fd *row, struct err *err)
{
	int flags = (row->write ? O_RDWR : O_RDONLY) | (row->direct ? O_DIRECT : 0);

	(void)opening;
	return open_named(row->path, flags | O_NOCTTY, err);
}

// A sealed copy that any user may open again through /dev/fd.
static int open_copy(struct opening *opening, const struct plan_fd *row, struct err *err)
{
	AUTO_CLOSE int from = open_named(row->path, O_RDONLY | O_NOCTTY, err);
	AUTO_CLOSE int to = memfd_create("vfiorun", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	off_t at = 0;

	(void)opening;
	if (from < 0)
		return from;
	if (fstat(from, &st) < 0)
		return err_sys(err, -errno, "looking at %s", row->path);
	if (to < 0)
		return err_sys(err, -errno, "a copy of %s", row->path);
	while (at < st.st_size) {
		ssize_t n = sendfile(to, from, &at, (size_t)(st.st_size - at));

		if (n <= 0)
			return err_sys(err, n < 0 ? -errno : -EIO, "copying %s", row->path);
	}
	fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	return take_fd(&to);
}

static int open_listener(struct opening *opening, const struct plan_fd *row, struct err *err)
{
	const struct plan *plan = opening->plan;
	int fd = listen_open(row->path, 0600, err);

	// the monitor connects as QEMU's user
	if (fd >= 0 && plan->user.change && chown(row->path, plan->user.uid, plan->user.gid) < 0) {
		int r = -errno;

		close(fd);
		return err_sys(err, r, "giving %s to %s", row->path, plan->user.name);
	}
	return fd;
}

// The first queue of a tap without a name finds one out; its other queues follow it and use that.
static int open_tap(struct opening *opening, const struct plan_fd *row, struct err *err)
{
	const char *name = row->ifname || !row->queue ? row->ifname : opening->tap;

	return tap_open(name, row->bridge, row->multi_queue, opening->tap, err);
}

static int take_stream(struct opening *opening, const struct plan_fd *row, struct err *err)
{
	if (opening->streams[row->helper] < 0)
		return err_set(err, -ENOTCONN, "its helper was not started");
	return take_fd(&opening->streams[row->helper]);
}

// QEMU has it open too, so that the guest's devices outlive us.
static int dup_input(struct opening *opening, const struct plan_fd *row, struct err *err)
{
	int fd = -1;

	for (int part = 0; part < GUEST_PARTS; part++) {
		if (opening->plan->input.fds[part] == row->fd)
			fd = fcntl(opening->inputs[part], F_DUPFD_CLOEXEC, 0);
	}
	return fd < 0 ? err_sys(err, -errno, "its descriptor") : fd;
}

// A row a kind; NULL is what somebody else provides.
static int (*const openers[])(struct opening *, const struct plan_fd *, struct err *) = {
	[PLAN_FD_FILE] = open_file,	  [PLAN_FD_COPY] = open_copy,
	[PLAN_FD_LISTEN] = open_listener, [PLAN_FD_TAP] = open_tap,
	[PLAN_FD_VHOST] = open_file,	  [PLAN_FD_ALIVE] = NULL,
	[PLAN_FD_STREAM] = take_stream,	  [PLAN_FD_UINPUT] = dup_input,
};

int plan_fds_open(const struct plan *plan, int log, int *streams, const int *inputs,
		  struct opened_fds *out, struct err *err)
{
	struct opening opening = { .plan = plan, .streams = streams, .inputs = inputs };

	*out = (struct opened_fds){ .fds = mem_new(plan->n_fds + 2, sizeof(*out->fds)) };
	out->fds[out->count++] = (struct spawn_fd){ 1, log };
	out->fds[out->count++] = (struct spawn_fd){ 2, log };
	for (size_t i = 0; i < plan->n_fds; i++) {
		const struct plan_fd *row = &plan->fds[i];
		int fd;

		if (!openers[row->kind])
			continue;
		fd = openers[row->kind](&opening, row, err);
		if (fd < 0)
			return err_wrap(err, "%s", row->what);
		out->fds[out->count++] = (struct spawn_fd){ row->fd, fd };
	}
	return 0;
}

void opened_fds_finish(struct opened_fds *opened)
{
	// the first two are the log, which stays
	for (size_t i = 2; i < opened->count; i++)
		close(opened->fds[i].fd);
	free(opened->fds);
	*opened = (struct opened_fds){ 0 };
}
