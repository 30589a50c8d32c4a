// SPDX-License-Identifier: MIT
#include "tune/change/irqbalance.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/kind.h"
#include "tune/change/mask.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

// It answers from its main loop, which only now and then reads /proc.
enum { PATIENCE_S = 5, SCAN_MS = 15000, POLL_MS = 100, ANSWER_MAX = 64 << 10 };

bool irqbalance_is_socket(const char *path)
{
	return str_starts(path, "/run/irqbalance/");
}

// A socket has no openat: what the root's descriptor leads to is named through /proc.
static int connect_to(struct change_host *host, const char *path)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO_CLOSE int node = change_open(host, path, O_PATH, 0);
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

// "SLEEP 10 IRQ … BANNED 00000000,0000000c"
static int read_banned(struct change_host *host, const char *path, struct cpuset *banned)
{
	AUTO_STR struct str answer = { 0 };
	AUTO_STRV struct strv words = { 0 };
	int r = ask(host, path, "setup", &answer);

	if (r < 0)
		return r;
	strv_split(&words, str_text(&answer), " \n");
	for (size_t i = 0; i + 1 < words.count; i++) {
		if (strcmp(words.items[i], "BANNED") == 0)
			return cpuset_parse_mask(banned, words.items[i + 1]) ? 0 : -EPROTO;
	}
	return -EPROTO;
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

int irqbalance_write(struct change_host *host, const char *path, const struct cpuset *allowed, bool wait)
{
	struct cpuset banned = *allowed;
	AUTO_FREE char *list = NULL, *words = NULL;
	AUTO_STR struct str answer = { 0 };
	int r;

	invert(&banned);
	list = cpuset_text(&banned);
	words = mem_printf("settings cpus %s", *list ? list : "NULL");
	r = ask(host, path, words, &answer);
	return r == 0 && wait ? wait_until(host, path, &banned) : r;
}
