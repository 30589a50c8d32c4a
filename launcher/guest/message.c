// SPDX-License-Identifier: MIT
#include "launcher/guest/message.h"

#include <errno.h>
#include <sys/socket.h>

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
