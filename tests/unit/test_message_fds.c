// SPDX-License-Identifier: MIT
// Messages between the keeper and its children: whole or not at all, and descriptors that go along.
#include "launcher/guest/message.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
	int ends[2];
};

static int set_up(void **state)
{
	static struct pair pair;

	*state = &pair;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.ends);
}

static int tear_down(void **state)
{
	struct pair *pair = *state;

	close(pair->ends[0]);
	if (pair->ends[1] >= 0)
		close(pair->ends[1]);
	return 0;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

static void test_descriptors_go_along(void **state)
{
	struct pair *pair = *state;
	struct message sent = { .type = INPUT_DEVICE, .row = 7, .text = "vfiorun/clone/x/7" }, got;
	int ends[2], fds[MESSAGE_FDS];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(message_send_fds(pair->ends[0], &sent, ends, 2), 0);
	assert_int_equal(message_receive_fds(pair->ends[1], &got, fds), 0);
	assert_memory_equal(&got, &sent, sizeof(got));
	for (int i = 0; i < 2; i++) {
		assert_true(fds[i] >= 0 && fds[i] != ends[i] && same_file(fds[i], ends[i]));
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		close(fds[i]);
		close(ends[i]);
	}
}

static void test_without_descriptors(void **state)
{
	struct pair *pair = *state;
	struct message sent = { .type = INPUT_COMMAND, .value = 2 }, got;
	int fds[MESSAGE_FDS];

	assert_int_equal(message_receive_fds(pair->ends[1], &got, fds), -EAGAIN);
	assert_int_equal(message_send(pair->ends[0], &sent), 0);
	assert_int_equal(message_receive_fds(pair->ends[1], &got, fds), 0);
	assert_int_equal(got.value, 2);
	assert_true(fds[0] == -1 && fds[1] == -1);
}

static void test_not_a_message(void **state)
{
	struct pair *pair = *state;
	char room[sizeof(struct message) + 1] = "";
	struct message got;
	int fds[MESSAGE_FDS];

	assert_int_equal(send(pair->ends[0], room, sizeof(room) - 2, 0), sizeof(room) - 2);
	assert_int_equal(message_receive_fds(pair->ends[1], &got, fds), -EPROTO);
	assert_int_equal(send(pair->ends[0], room, sizeof(room), 0), sizeof(room));
	assert_int_equal(message_receive_fds(pair->ends[1], &got, fds), -EPROTO);
	memset(room, 'x', sizeof(room));
	assert_int_equal(send(pair->ends[0], room, sizeof(struct message), 0), sizeof(struct message));
	assert_int_equal(message_receive_fds(pair->ends[1], &got, fds), 0);
	assert_int_equal(got.text[sizeof(got.text) - 1], 0);
}

static void test_the_other_side_is_gone(void **state)
{
	struct pair *pair = *state;
	struct message message = { .type = INPUT_READY };
	int fds[MESSAGE_FDS];

	close(take_fd(&pair->ends[1]));
	assert_int_equal(message_send_fds(pair->ends[0], &message, &pair->ends[0], 1), -EPIPE);
	assert_int_equal(message_receive_fds(pair->ends[0], &message, fds), -EPIPE);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_descriptors_go_along),
		TEST(test_without_descriptors),
		TEST(test_not_a_message),
		TEST(test_the_other_side_is_gone),
	};

	return cmocka_run_group_tests_name("message_fds", tests, NULL, NULL);
}
