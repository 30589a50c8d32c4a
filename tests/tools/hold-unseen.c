// SPDX-License-Identifier: MIT
// hold-unseen NODE: keeps NODE open where /proc does not show it: a descriptor on its way through a socket that
// nobody reads. Descriptor 3 is there once it is. Ends with a signal.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec byte = { (char[]){ 0 }, 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1,
				  .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	return sendmsg(socket, &message, 0) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	enum { SIGN = 3, PAIR = 10 };
	int pair[2], fd, r;

	close(SIGN);
	if (argc != 2 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 2;
	for (int i = 0; i < 2; i++) {
		if (dup2(pair[i], PAIR + i) < 0)
			return 1;
		close(pair[i]);
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : send_fd(PAIR, fd);
	if (r < 0) {
		fprintf(stderr, "hold-unseen: %s: %s\n", argv[1], strerror(-r));
		return 1;
	}
	close(fd);
	if (dup2(PAIR, SIGN) < 0)
		return 1;
	for (;;)
		pause();
}
