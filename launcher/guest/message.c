// SPDX-License-Identifier: MIT
#include "launcher/guest/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int message_send(int fd, const struct message *message)
{
	ssize_t n = send(fd, message, sizeof(*message), MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 ? -errno : 0;
}

int message_receive(int fd, struct message *message)
{
	ssize_t n = recv(fd, message, sizeof(*message), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	if (n != sizeof(*message))
		return -EPROTO;
	message->text[sizeof(message->text) - 1] = '\0';
	return 0;
}

union passed_fds {
	struct cmsghdr align;
	char room[CMSG_SPACE(MESSAGE_FDS * sizeof(int))];
};

int message_send_fds(int fd, const struct message *message, const int *fds, size_t count)
{
	struct iovec part = { (void *)message, sizeof(*message) };
	union passed_fds control = { 0 };
	struct msghdr whole = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room,
				.msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&whole);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	return sendmsg(fd, &whole, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void take_fds(struct msghdr *whole, int fds[MESSAGE_FDS])
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(whole); header; header = CMSG_NXTHDR(whole, header)) {
		size_t size = header->cmsg_len - CMSG_LEN(0);

		if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(header), size);
	}
}

int message_receive_fds(int fd, struct message *message, int fds[MESSAGE_FDS])
{
	struct iovec part = { message, sizeof(*message) };
	union passed_fds control = { 0 };
	struct msghdr whole = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room,
				.msg_controllen = sizeof(control.room) };
	ssize_t n;

	for (int i = 0; i < MESSAGE_FDS; i++)
		fds[i] = -1;
	n = recvmsg(fd, &whole, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	take_fds(&whole, fds);
	message->text[sizeof(message->text) - 1] = '\0';
	return n == sizeof(*message) && !(whole.msg_flags & MSG_TRUNC) ? 0 : -EPROTO;
}

int message_send_fd(int fd, const struct message *message, int pass)
{
	return message_send_fds(fd, message, &pass, 1);
}

int message_receive_fd(int fd, struct message *message, int *passed)
{
	int fds[MESSAGE_FDS], r = message_receive_fds(fd, message, fds);

	*passed = fds[0];
	for (int i = 1; i < MESSAGE_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return r;
}
