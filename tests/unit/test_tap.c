// SPDX-License-Identifier: MIT
// In a network namespace of its own; skipped where there is none, or no /dev/net/tun.
#include "launcher/guest/tap.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cmocka.h>

static bool usable;

static int enter_namespace(void **state)
{
	AUTO_CLOSE int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC), sock = -1;

	(void)state;
	if (tun < 0 || (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0))
		return 0;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	usable = ioctl(sock, SIOCBRADDBR, "br0") == 0;
	return 0;
}

static short flags_of(const char *name)
{
	AUTO_CLOSE int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	assert_int_equal(ioctl(sock, SIOCGIFFLAGS, &request), 0);
	return request.ifr_flags;
}

static bool bridge_has(const char *name)
{
	AUTO_CLOSE int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "br0" };

	// Whoever is in it can't be added once more.
	request.ifr_ifindex = (int)if_nametoindex(name);
	return ioctl(sock, SIOCBRADDIF, &request) < 0 && errno == EBUSY;
}

static void test_named_by_the_kernel(void **state)
{
	char first[IFNAMSIZ], second[IFNAMSIZ];
	struct ifreq request = { 0 };
	int one, two;

	(void)state;
	if (!usable)
		skip();
	one = tap_open(NULL, NULL, false, first, NULL);
	two = tap_open(NULL, NULL, false, second, NULL);
	assert_true(one >= 0 && two >= 0);
	assert_string_not_equal(first, second);
	assert_int_equal(ioctl(one, TUNGETIFF, &request), 0);
	assert_int_equal(request.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR),
			 IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	assert_true(fcntl(one, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(one, F_GETFD) & FD_CLOEXEC);
	// Closing is the undo.
	close(one);
	close(two);
	assert_int_equal(if_nametoindex(first), 0);
	assert_int_equal(if_nametoindex(second), 0);
}

static void test_bridge_and_queues(void **state)
{
	char name[IFNAMSIZ], again[IFNAMSIZ];
	int one, two;

	(void)state;
	if (!usable)
		skip();
	one = tap_open("tap7", "br0", true, name, NULL);
	assert_true(one >= 0);
	assert_string_equal(name, "tap7");
	assert_true(bridge_has("tap7"));
	assert_true(flags_of("tap7") & IFF_UP);
	two = tap_open("tap7", "br0", true, again, NULL);
	assert_true(two >= 0);
	assert_string_equal(again, "tap7");
	close(one);
	assert_int_not_equal(if_nametoindex("tap7"), 0);
	close(two);
	assert_int_equal(if_nametoindex("tap7"), 0);
}

static void test_refusals(void **state)
{
	struct err err = ERR_NONE;
	char name[IFNAMSIZ];
	int fd;

	(void)state;
	if (!usable)
		skip();
	assert_int_equal(tap_open("tap8", "nobridge", false, name, &err), -ENODEV);
	assert_non_null(strstr(err.text, "nobridge"));
	assert_non_null(strstr(err.hint, "ip link add nobridge type bridge"));
	assert_int_equal(if_nametoindex("tap8"), 0); // and nothing is left

	fd = tap_open("tap9", NULL, false, name, NULL);
	assert_true(fd >= 0);
	assert_int_equal(tap_open("tap9", NULL, false, name, &err), -EBUSY);
	assert_non_null(strstr(err.text, "tap9"));
	assert_int_equal(tap_open("tap9", NULL, true, name, &err), -EINVAL);
	assert_non_null(strstr(err.hint, "queues = 1"));
	close(fd);
	assert_int_equal(tap_open("lo", NULL, false, name, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named_by_the_kernel),
		cmocka_unit_test(test_bridge_and_queues),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
