// SPDX-License-Identifier: MIT
// The kind `inhibit`: a lock of systemd-logind (or elogind) that keeps the host awake for as long as its descriptor
// is open, so it ends whatever dies (systemd, man/org.freedesktop.login1.xml, Inhibit). A child speaks to the bus: no
// byte of it is read in this process, libsystemd is loaded only there, and a bus that hangs costs a deadline. The
// connection is made by this process, whose lock it is: the bus takes its word for who asks from the socket.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { DEADLINE_S = 5, TEXT_SIZE = 256 };

// What was asked for, and what came of it.
static const char BLOCK[] = "block", TRY[] = "try", NONE[] = "none";

// Of libsystemd (sd-bus.h, sd_bus_call_method(3)), which is not there when this is compiled.
struct sd_bus;
struct sd_bus_message;
struct bus_error {
	const char *name, *message;
	int need_free;
};
struct bus_calls {
	int (*new)(struct sd_bus **bus);
	int (*set_fd)(struct sd_bus *bus, int in, int out);
	int (*set_bus_client)(struct sd_bus *bus, int yes);
	int (*start)(struct sd_bus *bus);
	int (*call_method)(struct sd_bus *bus, const char *destination, const char *path, const char *interface,
			   const char *member, struct bus_error *error, struct sd_bus_message **reply,
			   const char *types, ...);
	int (*message_read)(struct sd_bus_message *message, const char *types, ...);
};

// --- the child

static bool load(struct bus_calls *calls)
{
	void *library = dlopen("libsystemd.so.0", RTLD_NOW);
	const struct {
		void *to;
		const char *name;
	} rows[] = {
		{ &calls->new, "sd_bus_new" },
		{ &calls->set_fd, "sd_bus_set_fd" },
		{ &calls->set_bus_client, "sd_bus_set_bus_client" },
		{ &calls->start, "sd_bus_start" },
		{ &calls->call_method, "sd_bus_call_method" },
		{ &calls->message_read, "sd_bus_message_read" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		void *found = library ? dlsym(library, rows[i].name) : NULL;

		if (!found)
			return false;
		memcpy(rows[i].to, &found, sizeof(found)); // ISO C has no cast for it
	}
	return true;
}

// Returns the lock, or -errno with a text.
static int ask_logind(int connection, const char *what, const char *why, char *text, size_t size)
{
	struct bus_error error = { 0 };
	struct sd_bus_message *reply = NULL;
	struct sd_bus *bus = NULL;
	struct bus_calls calls;
	int r, fd = -1;

	if (!load(&calls)) {
		snprintf(text, size, "libsystemd.so.0 is not installed, by which logind is asked");
		return -ENOENT;
	}
	r = calls.new(&bus);
	if (r >= 0)
		r = calls.set_fd(bus, connection, connection);
	if (r >= 0)
		r = calls.set_bus_client(bus, true);
	if (r >= 0)
		r = calls.start(bus);
	if (r >= 0)
		r = calls.call_method(bus, "org.freedesktop.login1", "/org/freedesktop/login1",
				      "org.freedesktop.login1.Manager", "Inhibit", &error, &reply, "ssss", what,
				      "vfiorun", why, "block");
	if (r >= 0)
		r = calls.message_read(reply, "h", &fd);
	if (r < 0)
		snprintf(text, size, "%s", error.message ? error.message : strerror(-r));
	return r < 0 ? r : fd;
}

static void send_answer(int to, int fd, const char *text)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec bytes = { .iov_base = (void *)text, .iov_len = strlen(text) + 1 };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
						   .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	sendmsg(to, &message, MSG_NOSIGNAL);
}

__attribute__((noreturn)) static void be_child(int to, int connection, const struct change *change)
{
	char text[TEXT_SIZE] = "";
	sigset_t none;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	alarm(DEADLINE_S);
	fd = ask_logind(connection, change->path, change->why ? change->why : "a guest runs", text, sizeof(text));
	send_answer(to, fd, text);
	_exit(0);
}

// --- the parent

// The descriptor, or -errno with the child's text.
static int receive_answer(int from, char *text, size_t size)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec bytes = { .iov_base = text, .iov_len = size - 1 };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n;
	int fd;

	do
		n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	text[n > 0 ? n : 0] = '\0';
	if (n <= 0) {
		snprintf(text, size, "no answer within %d s", DEADLINE_S);
		return -ETIMEDOUT;
	}
	if (message.msg_controllen < CMSG_LEN(sizeof(int)) || control.header.cmsg_type != SCM_RIGHTS)
		return -EACCES;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

static int connect_bus(const struct change_host *host, char *text, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/run/dbus/system_bus_socket",
		 host->root);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return take_fd(&fd);
	r = -errno;
	snprintf(text, size, "the system bus: %s", strerror(-r));
	return r;
}

static int take_lock(struct change_host *host, const struct change *change, char *text, size_t size)
{
	AUTO_CLOSE int connection = connect_bus(host, text, size), ours = -1;
	int pair[2], fd;
	pid_t pid;

	if (connection < 0)
		return connection;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	pid = fork();
	if (pid == 0)
		be_child(pair[1], connection, change);
	close(pair[1]);
	if (pid < 0)
		return -errno;
	// its end closes with it at the latest, which has a deadline
	fd = receive_answer(ours, text, size);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

// Only what we hold ourselves: the lock ends with the descriptor, so nothing is left of a dead one.
static int inhibit_read(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	const struct change_held *held = change_held_find(host, &change_kind_inhibit, change->path);

	(void)err;
	*value = held ? mem_dup(held->value) : NULL;
	return 0;
}

static int inhibit_write(struct change_host *host, const struct change *change, const char *value, struct err *err)
{
	struct change_held *held = change_held_find(host, &change_kind_inhibit, change->path);
	char text[TEXT_SIZE] = "";
	int fd;

	if (held)
		change_held_drop(host, held);
	if (!value)
		return 0;
	fd = take_lock(host, change, text, sizeof(text));
	if (fd < 0 && strcmp(value, TRY) != 0) {
		if (!*text)
			return err_sys(err, fd, "asking logind to keep the host awake");
		err_set(err, fd, "logind does not keep the host awake: %s", text);
		return err_hint(err, "inhibit_sleep = no in [host], or auto, which goes on without");
	}
	change_held_add(host, &change_kind_inhibit, change->path, mem_dup(fd < 0 ? NONE : BLOCK), fd);
	return 0;
}

static bool inhibit_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool inhibit_answers(const char *got, const char *want)
{
	return strcmp(got, BLOCK) == 0 || (strcmp(got, NONE) == 0 && strcmp(want, TRY) == 0);
}

static void inhibit_remedy(const struct change *change, struct str *out)
{
	(void)change;
	str_add(out, "end the process that holds it: systemd-inhibit --list");
}

const struct change_kind change_kind_inhibit = {
	.name = "inhibit",
	.help = "systemd-logind keeps the host from sleeping, until the lock is closed",
	.read = inhibit_read,
	.write = inhibit_write,
	.equal = inhibit_equal,
	.answers = inhibit_answers,
	.remedy = inhibit_remedy,
	.creates = true,
};
