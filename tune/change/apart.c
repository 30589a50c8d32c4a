// SPDX-License-Identifier: MIT
#include "tune/change/apart.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/process.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
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

enum { PARTS = 2 };

// Of both only as much is sent as there is text.
struct request {
	bool write;
	char device[16];
	size_t n_parts; // to read; of what is written there is one
	char paths[PARTS][PATH_SIZE];
	size_t max[PARTS]; // to read
	size_t size;
	char text[PAGE];
};

// The text of what was read first, and behind it the other's.
struct reply {
	int r[PARTS];
	size_t size[PARTS];
	char text[PARTS * PAGE];
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
	apart->patience_ms = 0;
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

// Returns how much was read, or -errno.
static ssize_t serve_read(int root, const char *path, char *out, size_t max)
{
	AUTO_CLOSE int fd = open_below(root, path, O_RDONLY);
	ssize_t n = fd < 0 ? fd : read(fd, out, max);

	return fd >= 0 && n < 0 ? -errno : n;
}

static void serve_reads(int root, const struct request *request, struct reply *reply)
{
	size_t used = 0;

	for (size_t i = 0; i < request->n_parts; i++) {
		ssize_t n = serve_read(root, request->paths[i], reply->text + used, request->max[i]);

		reply->r[i] = n < 0 ? (int)n : 0;
		reply->size[i] = n < 0 ? 0 : (size_t)n;
		used += reply->size[i];
	}
}

static int serve_write(int root, const struct request *request)
{
	// O_TRUNC as a shell's ">" has it: attributes ignore it, made-up trees need it
	AUTO_CLOSE int fd = open_below(root, request->paths[0], O_WRONLY | O_TRUNC);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, request->text, request->size);
	return n < 0 ? -errno : (size_t)n == request->size ? 0 : -EIO;
}

static size_t size_of(const struct reply *reply)
{
	return offsetof(struct reply, text) + reply->size[0] + reply->size[1];
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

// One of the two waits whenever the other one works, so a CPU is enough for both, and is not to be woken up for each
// word.
static void stay_on(int cpu)
{
	struct cpuset one = { 0 };

	if (cpu < 0 || cpu >= CPUSET_MAX)
		return;
	cpuset_add(&one, cpu);
	sched_setaffinity(0, sizeof(one.bits), (const cpu_set_t *)one.bits);
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
		memset(&reply, 0, offsetof(struct reply, text));
		go_by(request.device, name, &mark);
		if (request.write)
			reply.r[0] = serve_write(root, &request);
		else
			serve_reads(root, &request, &reply);
		if (send(fd, &reply, size_of(&reply), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static int start_child(struct apart *apart)
{
	pid_t parent = getpid(), pid;
	int pair[2], cpu = sched_getcpu();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		stay_on(cpu);
		serve(apart->root, pair[1], parent);
	}
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
	CLEANUP(kernel_threads_finish) struct kernel_threads kernel = { 0 };
	struct dirent *entry;

	if (dir)
		process_find_kernel_threads(dirfd(dir), &kernel);
	apart->n_stuck = 0;
	while (dir && (entry = readdir(dir))) {
		char comm[32];
		int pid;

		if (!str_parse_int(entry->d_name, &pid) || !process_may_have_program(dirfd(dir), pid, &kernel) ||
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

// The socket itself keeps the deadline: one system call an answer, where poll(2) would make it two.
static ssize_t receive(struct apart *apart, struct reply *reply, int timeout_ms)
{
	const struct timeval patience = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000L };
	ssize_t n;

	if (apart->patience_ms != timeout_ms &&
	    setsockopt(apart->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -1;
	apart->patience_ms = timeout_ms;
	// an interrupted one waits anew: signals are blocked while the host is changed, but for those that end us
	do
		n = recv(apart->fd, reply, sizeof(*reply), 0);
	while (n < 0 && errno == EINTR);
	return n;
}

static int wait_reply(struct apart *apart, const struct request *request, struct reply *reply, int timeout_ms,
		      struct err *err)
{
	ssize_t n = receive(apart, reply, timeout_ms);

	if (n < 0 && errno == EAGAIN) {
		pid_t pid = apart->pid;

		// it dies as soon as the kernel lets it
		kill(pid, SIGKILL);
		note_stuck(apart, request->device, pid);
		let_go(apart);
		return say_stuck(request->device, pid, err);
	}
	if (n < (ssize_t)offsetof(struct reply, text) || (size_t)n != size_of(reply)) {
		apart_finish(apart);
		return err_set(err, -EIO, "%s: the process that was to look at it has died", request->paths[0]);
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
		return err_sys(err, r, "a process that looks at %s", request->paths[0]);
	snprintf(apart->device, sizeof(apart->device), "%.12s", request->device);
	return wait_reply(apart, request, reply, timeout_ms, err);
}

static void make_request(struct request *request, const char *device)
{
	request->write = false;
	request->n_parts = 0;
	request->size = 0;
	snprintf(request->device, sizeof(request->device), "%s", device);
}

static int add_path(struct request *request, const char *path, size_t max)
{
	if (strlen(path) >= PATH_SIZE)
		return -ENAMETOOLONG;
	strcpy(request->paths[request->n_parts], path);
	request->max[request->n_parts++] = max < PAGE ? max : PAGE;
	return 0;
}

int apart_read_parts(struct apart *apart, const char *device, struct apart_part *parts, size_t count,
		     struct err *err)
{
	struct request request;
	struct reply reply = { 0 };
	const char *text = reply.text;
	int r = 0;

	make_request(&request, device);
	assert(count <= PARTS);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_path(&request, parts[i].path, parts[i].max);
	if (r < 0)
		return err_sys(err, r, "reading %s", parts[0].path);
	r = ask(apart, &request, &reply, APART_READ_MS, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		size_t n = reply.size[i];

		parts[i].r = reply.r[i];
		str_addn(parts[i].out, text, n && text[n - 1] == '\n' ? n - 1 : n);
		text += n;
	}
	return r;
}

int apart_read(struct apart *apart, const char *device, const char *path, size_t max, struct str *out,
	       struct err *err)
{
	struct apart_part part = { .path = path, .max = max, .out = out };
	int r = apart_read_parts(apart, device, &part, 1, err);

	if (r < 0)
		return r;
	return part.r < 0 ? err_sys(err, part.r, "reading %s", path) : 0;
}

int apart_write(struct apart *apart, const char *device, const char *path, const char *text, int timeout_ms,
		struct err *err)
{
	struct request request;
	struct reply reply = { 0 };
	int r;

	make_request(&request, device);
	request.write = true;
	request.size = strlen(text);
	r = request.size < sizeof(request.text) ? add_path(&request, path, 0) : -ENAMETOOLONG;
	if (r < 0)
		return err_sys(err, r, "writing %s", path);
	memcpy(request.text, text, request.size);
	r = ask(apart, &request, &reply, timeout_ms, err);
	if (r < 0)
		return r;
	return reply.r[0] < 0 ? err_sys(err, reply.r[0], "writing %s", path) : 0;
}
