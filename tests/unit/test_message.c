// SPDX-License-Identifier: MIT
// Descriptors on their way: from the keeper to the monitor, and on to QEMU.
#include "launcher/guest/message.h"

#include "base/cleanup.h"
#include "qmp/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

static void expect_same_file(int a, int b)
{
	struct stat st_a, st_b;

	assert_int_equal(fstat(a, &st_a), 0);
	assert_int_equal(fstat(b, &st_b), 0);
	assert_true(st_a.st_ino == st_b.st_ino && st_a.st_dev == st_b.st_dev);
}

static void test_with_and_without(void **state)
{
	struct message sent = { .type = MSG_USB_ATTACH, .row = 7, .value = 1004, .text = "1-2.3" }, came;
	AUTO_CLOSE int file = memfd_create("node", MFD_CLOEXEC);
	int ends[2], fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(message_receive_fd(ends[1], &came, &fd), -EAGAIN);
	assert_int_equal(fd, -1);
	assert_int_equal(message_send_fd(ends[0], &sent, file), 0);
	assert_int_equal(message_receive_fd(ends[1], &came, &fd), 0);
	assert_memory_equal(&sent, &came, sizeof(sent));
	assert_true(fd >= 0 && fd != file);
	expect_same_file(fd, file);
	close(fd);

	assert_int_equal(message_send(ends[0], &sent), 0);
	assert_int_equal(message_receive_fd(ends[1], &came, &fd), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(send(ends[0], "short", 5, 0), 5);
	assert_int_equal(message_receive_fd(ends[1], &came, &fd), -EPROTO);
	close(ends[0]);
	assert_int_equal(message_receive_fd(ends[1], &came, &fd), -EPIPE);
	close(ends[1]);
}

// One that nobody asked for is closed by the kernel, not kept.
static void test_not_wanted(void **state)
{
	struct message sent = { .type = MSG_QUIT }, came;
	AUTO_CLOSE int file = memfd_create("node", MFD_CLOEXEC);
	int ends[2], before, after;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	before = dup(file);
	close(before);
	assert_int_equal(message_send_fd(ends[0], &sent, file), 0);
	assert_int_equal(message_receive(ends[1], &came), 0);
	after = dup(file);
	assert_int_equal(after, before);
	close(after);
	close(ends[0]);
	close(ends[1]);
}

static void test_to_qemu(void **state)
{
	static const struct qmp_handlers none;
	AUTO_CLOSE int file = memfd_create("node", MFD_CLOEXEC);
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte = 0;
	struct iovec io = { &byte, 1 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct qmp_client *client;
	int ends[2], fd = -1;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	client = qmp_client_new(ends[1], 1000, &none);
	assert_int_equal(qmp_client_give_fd(client, file), 0);
	assert_int_equal(recvmsg(ends[0], &message, MSG_CMSG_CLOEXEC), 1);
	assert_int_equal(byte, ' '); // means nothing between two commands
	assert_non_null(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	expect_same_file(fd, file);
	close(fd);
	close(ends[0]);
	qmp_client_process(client);
	assert_int_equal(qmp_client_give_fd(client, file), -ENOTCONN);
	qmp_client_free(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with_and_without),
		cmocka_unit_test(test_not_wanted),
		cmocka_unit_test(test_to_qemu),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
