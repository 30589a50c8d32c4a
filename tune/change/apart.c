// SPDX-License-Identifier: MIT
#include "tune/change/apart.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/process.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

// An attribute of sysfs is at most a page (Linux, Documentation/filesystems/sysfs.rst).
enum { PAGE = 4096, PATH_SIZE = 512, STUCK_WAIT_MS = 1000, POLL_MS = 20,
       RACES_MAX = 64 };

// Of both only as much is sent as there is text.
struct request {
	bool write;
	size_t max; // to read
	char device[16];
	char path[PATH_SIZE];
	size_t size;
	char text[PAGE];
};

struct reply {
	int r;
	size_t size;
	char text[PAGE];
};

// "vr-0000:01:00.1" is just what fits into comm(5).
static void name_child(const char *device, char name[16])
{
	snprintf(name, 16, "vr-%.12s", device);
}

void apart_init(struct apart *apart, int root)
{
	*apart = (struct apart)APART_NONE;
	apart->root = root;
}

// A process that is about to become another program may still have a copy of the descriptor.
static void let_go(struct apart *apart)
{
	if (apart->fd >= 0) {
		shutdown(apart->fd, SHUT_RDWR);
		close(take_fd(&apart->fd));
	}
	apart->device[0] = '\0';
	apart->pid = -1;
}

void apart_finish(struct apart *apart)
{
	pid_t pid = apart->pid;

	let_go(apart);
	// it has nothing to do, so it ends at once
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(apart->stuck);
	apart_init(apart, apart->root);
}

// ---- the mark

// A socket that nobody talks to: its name is gone with the process that has it, however and whenever that ends, and is
// asked for by two system calls, where a look at all processes takes hundreds.
static socklen_t name_mark(const char *device, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "vfiorun-apart-%.12s", device);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address->sun_path + 1));
}

// Who can't be marked is found no more, which costs the next one a deadline.
static int put_mark(const char *device)
{
	struct sockaddr_un address;
	socklen_t size = name_mark(device, &address);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, size) < 0)
		close(take_fd(&fd));
	return fd;
}

// Anybody may have made it: it is a reason to look, and no more.
static bool is_marked(const char *device)
{
	struct sockaddr_un address;
	socklen_t size = name_mark(device, &address);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return connect(fd, (const struct sockaddr *)&address, size) == 0 || errno != ECONNREFUSED;
}

// ---- the child

static int open_below(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	// a rename anywhere on the machine may disturb the walk over a ".."
	for (int i = 0; i < RACES_MAX; i++) {
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

static void serve_read(int root, const struct request *request, struct reply *reply)
{
	AUTO_CLOSE int fd = open_below(root, request->path, O_RDONLY);
	ssize_t n;

	if (fd < 0) {
		reply->r = fd;
		return;
	}
	n = read(fd, reply->text, request->max);
	reply->r = n < 0 ? -errno : 0;
	reply->size = n < 0 ? 0 : (size_t)n;
}

static void serve_write(int root, const struct request *request, struct reply *reply)
{
	// O_TRUNC as a shell's ">" has it: attributes ignore it, made-up trees need it
	AUTO_CLOSE int fd = open_below(root, request->path, O_WRONLY | O_TRUNC);
	ssize_t n;

	reply->r = fd;
	if (fd < 0)
		return;
	n = write(fd, request->text, request->size);
	reply->r = n < 0 ? -errno : (size_t)n == request->size ? 0 : -EIO;
}

// It goes by the name of what it is about to touch.
static void go_by(const char *device, char name[16], int *mark)
{
	char wanted[16];

	name_child(device, wanted);
	if (str_eq(name, wanted))
		return;
	strcpy(name, wanted);
	prctl(PR_SET_NAME, name);
	if (*mark >= 0)
		close(*mark);
	*mark = put_mark(device);
}

static void serve(int root, int fd, pid_t parent)
{
	struct request request;
	struct reply reply;
	char name[16] = "";
	int mark = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	io_close_others(0, root, fd); // it may never end
	if (fchdir(root) < 0)
		_exit(1);
	while (recv(fd, &request, sizeof(request), 0) >= (ssize_t)offsetof(struct request, text)) {
		reply.r = 0;
		reply.size = 0;
		go_by(request.device, name, &mark);
		if (request.write)
			serve_write(root, &request, &reply);
		else
			serve_read(root, &request, &reply);
		if (send(fd, &reply, offsetof(struct reply, text) + reply.size, MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static int start_child(struct apart *apart)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		serve(apart->root, pair[1], parent);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -errno;
	}
	apart->pid = pid;
	apart->fd = pair[0];
	return 0;
}

// ---- those that hang

static bool is_child_of_old(pid_t pid, const char *name)
{
	struct process_id id;
	char comm[32], path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	// anybody may take such a name, so only root's and our own count; one that has ended and was not reaped
	// holds nothing
	return process_read_name(pid, comm, sizeof(comm)) == 0 && str_eq(comm, name) && stat(path, &st) == 0 &&
	       (st.st_uid == 0 || st.st_uid == geteuid()) && process_read_id(pid, &id) == 0;
}

static void note_stuck(struct apart *apart, const char *device, pid_t pid)
{
	struct apart_stuck *stuck = MEM_PUSH(apart->stuck, apart->n_stuck);

	snprintf(stuck->device, sizeof(stuck->device), "%.12s", device);
	stuck->pid = pid;
}

// A kernel thread, of which there are many, has no program and is none of ours.
static void look_for_stuck(struct apart *apart)
{
	AUTO_CLOSEDIR DIR *dir = opendir("/proc");
	pid_t kernel_thread = dir ? process_find_kernel_thread(dirfd(dir)) : 0;
	struct dirent *entry;

	apart->n_stuck = 0;
	while (dir && (entry = readdir(dir))) {
		char comm[32];
		int pid;

		if (!str_parse_int(entry->d_name, &pid) || !process_may_have_program(dirfd(dir), pid, kernel_thread) ||
		    process_read_name(pid, comm, sizeof(comm)) < 0)
			continue;
		if (str_starts(comm, "vr-") && pid != apart->pid && is_child_of_old(pid, comm))
			note_stuck(apart, comm + 3, pid);
	}
}

// The process that waits for this device, after a moment in which it may still come back; 0: none.
static pid_t who_is_stuck(struct apart *apart, const char *device)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	long long until = io_now_ms() + STUCK_WAIT_MS;
	char name[16];

	name_child(device, name);
	if (str_eq(apart->device, name + 3))
		return 0;
	if (is_marked(device))
		look_for_stuck(apart);
	for (size_t i = 0; i < apart->n_stuck; i++) {
		if (!str_eq(apart->stuck[i].device, name + 3))
			continue;
		while (is_child_of_old(apart->stuck[i].pid, name)) {
			if (io_now_ms() >= until)
				return apart->stuck[i].pid;
			nanosleep(&pause, NULL);
		}
	}
	return 0;
}

// ---- our side

static int say_stuck(const char *device, pid_t pid, struct err *err)
{
	return err_set(err, -ETIMEDOUT,
		       "%s hangs: its driver waits in the kernel, for whoever still uses the device as a rule "
		       "(process %d of ours waits with it): end what uses it; where that does not help, only a "
		       "reboot does", device, (int)pid);
}

static int wait_reply(struct apart *apart, const struct request *request, struct reply *reply, int timeout_ms,
		      struct err *err)
{
	struct pollfd wait = { .fd = apart->fd, .events = POLLIN };
	long long until = io_now_ms() + timeout_ms;
	int n;

	do {
		long long left = until - io_now_ms();

		n = poll(&wait, 1, left < 0 ? 0 : (int)left);
	} while (n < 0 && errno == EINTR);
	if (n == 0) {
		pid_t pid = apart->pid;

		// it dies as soon as the kernel lets it
		kill(pid, SIGKILL);
		note_stuck(apart, request->device, pid);
		let_go(apart);
		return say_stuck(request->device, pid, err);
	}
	if (n < 0 || recv(apart->fd, reply, sizeof(*reply), 0) < (ssize_t)offsetof(struct reply, text)) {
		apart_finish(apart);
		return err_set(err, -EIO, "%s: the process that was to look at it has died", request->path);
	}
	return 0;
}

static int ask(struct apart *apart, const struct request *request, struct reply *reply, int timeout_ms,
	       struct err *err)
{
	pid_t stuck = who_is_stuck(apart, request->device);
	int r = 0;

	if (stuck)
		return say_stuck(request->device, stuck, err);
	if (apart->fd < 0)
		r = start_child(apart);
	if (r == 0 && send(apart->fd, request, offsetof(struct request, text) + request->size, MSG_NOSIGNAL) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(err, r, "a process that looks at %s", request->path);
	snprintf(apart->device, sizeof(apart->device), "%.12s", request->device);
	return wait_reply(apart, request, reply, timeout_ms, err);
}

static int make_request(struct request *request, const char *device, const char *path, const char *text)
{
	if (strlen(path) >= sizeof(request->path) || strlen(text) >= sizeof(request->text))
		return -ENAMETOOLONG;
	request->write = false;
	request->max = 0;
	snprintf(request->device, sizeof(request->device), "%s", device);
	snprintf(request->path, sizeof(request->path), "%s", path);
	request->size = strlen(text);
	memcpy(request->text, text, request->size);
	return 0;
}

int apart_read(struct apart *apart, const char *device, const char *path, size_t max, struct str *out,
	       struct err *err)
{
	struct request request;
	struct reply reply = { 0 };
	int r = make_request(&request, device, path, "");

	if (r < 0)
		return err_sys(err, r, "reading %s", path);
	request.max = max < PAGE ? max : PAGE;
	r = ask(apart, &request, &reply, APART_READ_MS, err);
	if (r < 0)
		return r;
	if (reply.r < 0)
		return err_sys(err, reply.r, "reading %s", path);
	if (reply.size && reply.text[reply.size - 1] == '\n')
		reply.size--;
	str_addn(out, reply.text, reply.size);
	return 0;
}

int apart_write(struct apart *apart, const char *device, const char *path, const char *text, int timeout_ms,
		struct err *err)
{
	struct request request;
	struct reply reply = { 0 };
	int r = make_request(&request, device, path, text);

	if (r < 0)
		return err_sys(err, r, "writing %s", path);
	request.write = true;
	r = ask(apart, &request, &reply, timeout_ms, err);
	if (r < 0)
		return r;
	return reply.r < 0 ? err_sys(err, reply.r, "writing %s", path) : 0;
}
