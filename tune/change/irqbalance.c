// SPDX-License-Identifier: MIT
#include "tune/change/irqbalance.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/kind.h"
#include "tune/change/mask.h"
#include "tune/host/cgroup.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

// It answers from its main loop, which only now and then reads /proc.
// Of a list of interrupts, 1.9 reads what fits into 500 bytes and its newest versions into 255, and take a number that
// is cut for a whole one.
enum { PATIENCE_S = 5, SCAN_MS = 15000, POLL_MS = 100, ANSWER_MAX = 64 << 10, IRQS_MAX = 255 };

static const char irqs_suffix[] = "/irqs";

static const char run[] = "/run", directory[] = "/run/irqbalance";

bool irqbalance_owns(const char *path)
{
	return str_starts(path, "/run/irqbalance/");
}

static bool is_about_irqs(const char *path)
{
	return irqbalance_owns(path) && str_ends(path, irqs_suffix);
}

bool irqbalance_is_late(const char *path)
{
	return irqbalance_owns(path) && !is_about_irqs(path);
}

// A socket has no openat: what the root's descriptor leads to is named through /proc.
static int connect_to(struct change_host *host, const char *path)
{
	size_t suffix = is_about_irqs(path) ? strlen(irqs_suffix) : 0;
	AUTO_FREE char *name = mem_dupn(path, strlen(path) - suffix);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO_CLOSE int node = change_open(host, name, O_PATH, 0);
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (fd < 0 || node < 0)
		return node < 0 ? node : -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", node);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

// It wants our credentials beside the words, and root's at that.
static int say(int fd, const char *words)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control = { 0 };
	const struct ucred self = { getpid(), geteuid(), getegid() };
	struct iovec part = { (char *)words, strlen(words) + 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(self)),
					   .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_CREDENTIALS };
	memcpy(CMSG_DATA(&control.header), &self, sizeof(self));
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

// Until it closes the connection, which it does after each question.
static int hear(int fd, struct str *answer)
{
	char part[512];
	ssize_t n;

	while ((n = recv(fd, part, sizeof(part), 0)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ECONNRESET ? 0 : -errno;
		str_addn(answer, part, (size_t)n);
		if (answer->len > ANSWER_MAX)
			return -EMSGSIZE;
	}
	return 0;
}

static int ask(struct change_host *host, const char *path, const char *words, struct str *answer)
{
	AUTO_CLOSE int fd = connect_to(host, path);
	int r = fd < 0 ? fd : say(fd, words);

	return r < 0 ? r : hear(fd, answer);
}

// "SLEEP 10 IRQ 35 LOAD 0 DIFF 0 CLASS 2 IRQ … BANNED 00000000,0000000c". A number that no set of ours can hold is
// not remembered: it is dropped from the list with the next word.
static int parse_banned(const struct strv *words, bool irqs, struct cpuset *banned)
{
	bool whole = false;
	int number;

	cpuset_zero(banned);
	for (size_t i = 0; i + 1 < words->count; i++) {
		const char *word = words->items[i], *value = words->items[i + 1];

		if (irqs && strcmp(word, "IRQ") == 0 && str_parse_int(value, &number) && number >= 0 &&
		    number < CPUSET_MAX)
			cpuset_add(banned, number);
		if (strcmp(word, "BANNED") == 0)
			whole = irqs || cpuset_parse_mask(banned, value);
	}
	return whole ? 0 : -EPROTO;
}

static int read_banned(struct change_host *host, const char *path, struct cpuset *banned)
{
	AUTO_STR struct str answer = { 0 };
	AUTO_STRV struct strv words = { 0 };
	int r = ask(host, path, "setup", &answer);

	if (r < 0)
		return r;
	strv_split(&words, str_text(&answer), " \n");
	return parse_banned(&words, is_about_irqs(path), banned);
}

static void invert(struct cpuset *set)
{
	for (size_t i = 0; i < ARRAY_SIZE(set->bits); i++)
		set->bits[i] = ~set->bits[i];
}

int irqbalance_read(struct change_host *host, const char *path, struct cpuset *allowed)
{
	int r = read_banned(host, path, allowed);

	if (r == 0)
		invert(allowed);
	return r;
}

static int wait_until(struct change_host *host, const char *path, const struct cpuset *banned)
{
	long long until = io_now_ms() + SCAN_MS;
	struct cpuset now;
	int r;

	while ((r = read_banned(host, path, &now)) == 0 && !cpuset_equal(&now, banned)) {
		if (io_now_ms() >= until)
			return -ETIMEDOUT;
		poll(NULL, 0, POLL_MS);
	}
	return r;
}

// It forgets those that it was told before: each time all of them are named. 0 ends its list; that is the timer,
// which it does not move.
static int tell_irqs(struct change_host *host, const char *path, const struct cpuset *banned)
{
	AUTO_STR struct str list = { 0 }, answer = { 0 };
	AUTO_FREE char *words = NULL;

	CPUSET_FOREACH(irq, banned) {
		if (irq)
			str_addf(&list, "%s%d", list.len ? " " : "", irq);
	}
	if (list.len > IRQS_MAX)
		return -E2BIG;
	words = mem_printf("settings ban irqs %s", list.len ? list.text : "NONE");
	return ask(host, path, words, &answer);
}

static int tell_cpus(struct change_host *host, const char *path, const struct cpuset *banned)
{
	AUTO_FREE char *list = cpuset_text(banned), *words = mem_printf("settings cpus %s", *list ? list : "NULL");
	AUTO_STR struct str answer = { 0 };

	return ask(host, path, words, &answer);
}

int irqbalance_write(struct change_host *host, const char *path, const struct cpuset *allowed, bool wait)
{
	struct cpuset banned = *allowed;
	int r;

	invert(&banned);
	if (is_about_irqs(path))
		return tell_irqs(host, path, &banned);
	r = tell_cpus(host, path, &banned);
	return r == 0 && wait ? wait_until(host, path, &banned) : r;
}

char *irqbalance_find(struct change_host *host)
{
	struct root root = { .fd = host->root, .live = host->live };

	return cgroup_find_irqbalance(&root);
}

// inotify has no openat either.
static int watch_directory(struct change_host *host, int inotify, const char *path, uint32_t events)
{
	AUTO_CLOSE int node = change_open(host, path, O_PATH | O_DIRECTORY, 0);
	char name[40];
	int watch;

	if (node < 0)
		return node;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", node);
	watch = inotify_add_watch(inotify, name, events);
	return watch < 0 ? -errno : watch;
}

int irqbalance_watch(struct change_host *host, int inotify, int *above)
{
	const uint32_t in_it = IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_ONLYDIR,
		       above_it = IN_CREATE | IN_MOVED_TO | IN_ONLYDIR;
	int r = watch_directory(host, inotify, directory, in_it);

	if (r == -ENOENT && *above < 0) {
		*above = watch_directory(host, inotify, run, above_it);
		if (*above < 0)
			return *above;
		r = watch_directory(host, inotify, directory, in_it); // made meanwhile
	}
	if (r >= 0 && *above >= 0) {
		inotify_rm_watch(inotify, *above);
		*above = -1;
	}
	return r == -ENOENT || r >= 0 ? 0 : r;
}

// What is made in the directory above mostly is something else's.
static bool is_about_it(const struct inotify_event *event)
{
	if (event->mask & (IN_DELETE_SELF | IN_Q_OVERFLOW))
		return true;
	return event->len && str_starts(event->name, "irqbalance");
}

bool irqbalance_stirred(int inotify)
{
	union {
		struct inotify_event event;
		char bytes[4096];
	} room;
	bool stirred = false;
	ssize_t n;

	while ((n = read(inotify, &room, sizeof(room))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(room.bytes + at);

			at += (ssize_t)(sizeof(*event) + event->len);
			stirred |= is_about_it(event);
		}
	}
	return stirred;
}
