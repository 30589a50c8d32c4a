// SPDX-License-Identifier: MIT
#include "tests/unit/guest.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BIOS "[firmware]\ntype = seabios\n"
enum { FIRST = GUEST_LINE(3) };

static void test_no_section_no_network(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS);
	guest_make(&guest);
	assert_null(argv_fixture_value(&guest.fx, "-netdev", 0));
	guest_finish(&guest);

	guest_init(&guest, BIOS "[net \"a\"]\ntype = none\n");
	guest_make(&guest);
	assert_null(argv_fixture_value(&guest.fx, "-netdev", 0));
	assert_null(argv_fixture_value(&guest.fx, "-device", 0));
	guest_finish(&guest);
}

static void test_user(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[net \"a\"]\nmac = 52:54:00:12:34:56\nforward = tcp:2222:22\n"
				"forward = udp:127.0.0.1:53:5353\n");
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-netdev",
			 "user,id=net0,hostfwd=tcp::2222-:22,hostfwd=udp:127.0.0.1:53-:5353");
	guest_assert_has(&guest, "-device",
			 "virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:12:34:56,romfile=");
	guest_finish(&guest);
}

static void test_user_that_this_qemu_lacks(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[net \"a\"]\n");
	argv_fixture_add_caps(&guest.fx, "machine/q35 device/virtio-net-pci");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "net-user", 0, "net \"a\"", "type = passt");
	guest_finish(&guest);

	guest_init(&guest, BIOS "[net \"a\"]\nmodel = rtl8139\n");
	argv_fixture_add_caps(&guest.fx, "machine/q35 netdev/user device/virtio-net-pci");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "net-model", FIRST + 1, "rtl8139",
			  "leave model away");
	guest_finish(&guest);
}

static char *mac_of(const char *name, const char *title)
{
	AUTO_FREE char *text = mem_printf(BIOS "[vm]\nname = %s\n[net \"%s\"]\n", name, title);
	const char *device;
	struct guest guest;
	char *mac;

	guest_init(&guest, text);
	guest_make(&guest);
	device = argv_fixture_value(&guest.fx, "-device", 0);
	mac = mem_dupn(strstr(device, "mac=") + 4, 17);
	guest_finish(&guest);
	return mac;
}

static void test_mac_follows_from_the_names(void **state)
{
	AUTO_FREE char *one = mac_of("a", "x"), *again = mac_of("a", "x");
	AUTO_FREE char *other_name = mac_of("b", "x"), *other_title = mac_of("a", "y");

	(void)state;
	assert_string_equal(one, again);
	assert_int_equal(strncmp(one, "52:54:00:", 9), 0);
	assert_string_not_equal(one, other_name);
	assert_string_not_equal(one, other_title);
	assert_string_not_equal(other_name, other_title);
}

static void test_models_and_boot(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS
		   "[boot]\norder = net\n[net \"a\"]\nmodel = e1000e\nmac = 52:54:00:00:00:01\n"
		   "[net \"b\"]\nmodel = rtl8139\nmac = 52:54:00:00:00:02\n");
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-device",
			 "e1000e,id=nic0,netdev=net0,mac=52:54:00:00:00:01,bootindex=1");
	guest_assert_has(&guest, "-device",
			 "rtl8139,id=nic1,netdev=net1,mac=52:54:00:00:00:02,bootindex=2");
	guest_finish(&guest);
}

static void allow_taps(struct guest *guest)
{
	guest->fx.facts.can_net = true;
	guest->fx.facts.can_vhost = true;
}

// Under emulation there is no vhost, and one queue is enough.
static void test_bridge_under_tcg(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest,
		   BIOS "[net \"a\"]\ntype = bridge\nbridge = br0\nmac = 52:54:00:00:00:01\n");
	allow_taps(&guest);
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-netdev", "tap,id=net0,fd=10");
	guest_assert_pasted(&guest, "-netdev", "bridge,id=net0,br=br0");
	assert_int_equal(guest.fx.plan.n_fds, 1);
	assert_int_equal(guest.fx.plan.fds[0].kind, PLAN_FD_TAP);
	assert_string_equal(guest.fx.plan.fds[0].bridge, "br0");
	assert_null(guest.fx.plan.fds[0].ifname);
	assert_false(guest.fx.plan.fds[0].multi_queue);
	guest_finish(&guest);
}

static void test_vhost_queues(void **state)
{
	static const struct {
		int vcpus, queues;
		const char *netdev, *device;
	} rows[] = {
		{ 1, 0, "tap,id=net0,fd=10,vhost=on,vhostfd=11", "" },
		{ 2, 0, "tap,id=net0,fds=10:11,vhost=on,vhostfds=12:13", ",mq=on,vectors=6" },
		{ 16, 0, "tap,id=net0,fds=10:11:12:13,vhost=on,vhostfds=14:15:16:17",
		  ",mq=on,vectors=10" },
		{ 16, 1, "tap,id=net0,fd=10,vhost=on,vhostfd=11", "" },
		{ 1, 2, "tap,id=net0,fds=10:11,vhost=on,vhostfds=12:13", ",mq=on,vectors=6" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *queues =
			mem_printf(rows[i].queues ? "queues = %d\n" : "", rows[i].queues);
		AUTO_FREE char *text = mem_printf(
			BIOS "[vm]\naccel = kvm\n[net \"a\"]\ntype = bridge\nbridge = br0\n"
			     "mac = 52:54:00:00:00:01\n%s",
			queues);
		AUTO_FREE char *device = mem_printf(
			"virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:00:00:01%s,romfile=",
			rows[i].device);
		struct guest guest;

		guest_init(&guest, text);
		guest.fx.facts.system.kvm_present = true;
		allow_taps(&guest);
		argv_fixture_place(&guest.fx, 1, rows[i].vcpus, 1, NULL);
		guest_make(&guest);
		guest_assert_fine(&guest);
		guest_assert_has(&guest, "-netdev", rows[i].netdev);
		guest_assert_has(&guest, "-device", device);
		assert_int_equal(guest.fx.plan.fds[0].multi_queue, rows[i].device[0] != '\0');
		assert_int_equal(guest.fx.plan.fds[guest.fx.plan.n_fds - 1].kind, PLAN_FD_VHOST);
		guest_finish(&guest);
	}
}

static void test_tap_that_is_there(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS
		   "[vm]\naccel = kvm\n[net \"a\"]\ntype = tap\nifname = tap,7\nmodel = e1000\n");
	guest.fx.facts.system.kvm_present = true;
	guest.fx.facts.can_vhost = true; // not for this model
	guest_make(&guest);		 // without the capability: it may be this user's own
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-netdev", "tap,id=net0,fd=10");
	guest_assert_pasted(&guest, "-netdev",
			    "tap,id=net0,script=no,downscript=no,vhost=off,ifname=tap,,7");
	assert_string_equal(guest.fx.plan.fds[0].ifname, "tap,7");
	assert_null(guest.fx.plan.fds[0].bridge);
	guest_finish(&guest);
}

static void test_tap_without_the_right(void **state)
{
	static const char *const texts[] = { "type = bridge\nbridge = br0\n", "type = tap\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO_FREE char *text = mem_printf(BIOS "[net \"a\"]\n%s", texts[i]);
		struct guest guest;

		guest_init(&guest, text);
		guest_make(&guest);
		guest_assert_diag(&guest, DIAG_HOST_ERROR, "net-privilege", FIRST + 1,
				  "CAP_NET_ADMIN", "ip tuntap add");
		assert_int_equal(guest.fx.plan.n_fds, 0);
		guest_finish(&guest);

		guest_init(&guest, text);
		guest.fx.facts.live = false; // nobody knows what a captured machine's user may do
		guest_make(&guest);
		guest_assert_fine(&guest);
		guest_finish(&guest);
	}
}

static void test_queues_where_there_is_one(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[net \"a\"]\ntype = tap\nmodel = e1000e\nqueues = 2\n");
	allow_taps(&guest);
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_ERROR, "net-queues", FIRST + 3, "e1000e", "model = virtio");
	guest_finish(&guest);

	guest_init(&guest, BIOS "[net \"a\"]\nqueues = 2\n");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_ERROR, "net-queues", FIRST + 1, "several queues",
			  "type = bridge");
	guest_finish(&guest);
}

static void test_passt(void **state)
{
	struct guest guest;
	const struct plan_helper *helper;

	(void)state;
	guest_init(&guest, BIOS "[net \"a\"]\ntype = passt\nforward = tcp:2222:22\nforward = "
				"udp:127.0.0.1:53:5353\n");
	guest.fx.facts.passt = mem_dup("/usr/bin/passt");
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-netdev", "stream,id=net0,server=off,addr.type=fd,addr.str=10");
	assert_int_equal(guest.fx.plan.n_helpers, 1);
	helper = &guest.fx.plan.helpers[0];
	assert_string_equal(helper->name, "passt0");
	assert_null(helper->socket);
	assert_string_equal(helper->argv.items[0], "/usr/bin/passt");
	assert_true(strv_has(&helper->argv, "2222:22"));
	assert_true(strv_has(&helper->argv, "127.0.0.1/53:5353"));
	assert_int_equal(guest.fx.plan.fds[0].kind, PLAN_FD_STREAM);
	assert_int_equal(guest.fx.plan.fds[0].helper, 0);
	guest_finish(&guest);
}

static void test_passt_with_an_older_qemu_or_none(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[net \"a\"]\ntype = passt\n");
	guest.fx.facts.passt = mem_dup("/usr/bin/passt");
	argv_fixture_add_caps(&guest.fx, "machine/q35 device/virtio-net-pci netdev/socket");
	guest_make(&guest);
	guest_assert_has(&guest, "-netdev", "socket,id=net0,fd=10");
	guest_finish(&guest);

	guest_init(&guest, BIOS "[net \"a\"]\ntype = passt\n");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "net-passt", FIRST + 1, "not installed",
			  "type = user");
	guest_finish(&guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_section_no_network),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_user_that_this_qemu_lacks),
		cmocka_unit_test(test_mac_follows_from_the_names),
		cmocka_unit_test(test_models_and_boot),
		cmocka_unit_test(test_bridge_under_tcg),
		cmocka_unit_test(test_vhost_queues),
		cmocka_unit_test(test_tap_that_is_there),
		cmocka_unit_test(test_tap_without_the_right),
		cmocka_unit_test(test_queues_where_there_is_one),
		cmocka_unit_test(test_passt),
		cmocka_unit_test(test_passt_with_an_older_qemu_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
