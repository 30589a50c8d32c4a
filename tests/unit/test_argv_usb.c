// SPDX-License-Identifier: MIT
// What [usb] comes to, who may have which device, and what the kernel says when one comes or goes.
#include "tests/unit/argv_fixture.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/usb.h"
#include "launcher/profile/reader.h"
#include "launcher/profile/types.h"
#include "tune/host/input.h"
#include "tune/usb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct usb_device *add_device(struct argv_fixture *fx, const char *port, uint16_t vendor, uint16_t product)
{
	struct usb_facts *facts = &fx->facts.usb;
	struct usb_device *device;

	if (!facts->count)
		MEM_PUSH(facts->buses, facts->count)->bus = 1;
	device = MEM_PUSH(facts->buses[0].devices, facts->buses[0].n_devices);
	*device = (struct usb_device){ .bus = 1, .number = 4, .vendor = vendor, .product = product,
				       .name = mem_dup("Thing") };
	strcpy(device->port, port);
	return device;
}

static struct profile_usb *want(struct argv_fixture *fx, const char *title)
{
	struct profile_usb *usb = MEM_PUSH(fx->profile.usbs, fx->profile.n_usbs);

	usb->title = mem_dup(title);
	return usb;
}

static void expect_objection(struct argv_fixture *fx, size_t index, bool force, const char *words)
{
	AUTO_FREE char *text = usb_objection(&fx->facts.usb, &fx->facts.usb.buses[0].devices[index], force);

	if (!words)
		assert_null(text);
	else if (!text || !strstr(text, words))
		fail_msg("'%s' does not say '%s'", text, words);
}

static void test_rules(void **state)
{
	struct argv_fixture *fx = *state;

	add_device(fx, "1-1", 1, 1)->keyboard = true;
	add_device(fx, "1-2", 1, 2)->mouse = true;
	strv_add(&add_device(fx, "1-3", 1, 3)->uses, "/dev/sdb1 is mounted on /mnt");
	add_device(fx, "1-4", 1, 4)->hub = true;
	add_device(fx, "1-5", 1, 5);
	expect_objection(fx, 0, false, "last keyboard");
	expect_objection(fx, 1, false, "last mouse");
	expect_objection(fx, 2, false, "mounted on /mnt");
	expect_objection(fx, 3, false, "hub");
	expect_objection(fx, 4, false, NULL);
	for (size_t i = 0; i < 3; i++)
		expect_objection(fx, i, true, NULL);
	expect_objection(fx, 3, true, "hub"); // what can't work is no matter of force

	fx->facts.usb.other_keyboards = 1; // a laptop's own
	expect_objection(fx, 0, false, NULL);
	expect_objection(fx, 1, false, "last mouse");
	add_device(fx, "1-6", 1, 6)->mouse = true;
	expect_objection(fx, 1, false, NULL);
}

static void test_controller(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_make(fx);
	assert_false(fx->plan.usb); // a plain guest is spared it
	add_device(fx, "1-5", 0x46d, 0xc52b);
	want(fx, "046d:c52b")->hotplug = true;
	argv_fixture_make(fx);
	assert_true(fx->plan.usb);
	assert_true(argv_fixture_has(fx, "-device", "qemu-xhci,id=usb"));
	assert_int_equal(fx->diags.count, 0);
	assert_string_equal(fx->plan.usb_devices.items[0], "046d:c52b hotplug");
	assert_non_null(strstr(fx->plan.usb_why.items[0], "Thing in 1-5"));

	fx->profile.display.type = DISPLAY_VNC; // its tablet has one already
	argv_fixture_make(fx);
	assert_true(fx->plan.usb);
	for (int n = 0, seen = 0; argv_fixture_value(fx, "-device", n); n++) {
		seen += str_starts(argv_fixture_value(fx, "-device", n), "qemu-xhci");
		assert_true(seen <= 1);
	}
}

static void test_refused(void **state)
{
	struct argv_fixture *fx = *state;
	struct profile_usb *usb = want(fx, "1-2");

	fx->facts.live = true;
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "usb-missing"));
	usb->hotplug = true;
	argv_fixture_make(fx);
	assert_null(argv_fixture_diag(fx, "usb-missing"));

	add_device(fx, "1-2", 1, 2)->mouse = true;
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "usb-needed"));
	usb->force = true;
	argv_fixture_make(fx);
	assert_null(argv_fixture_diag(fx, "usb-needed"));
	assert_string_equal(fx->plan.usb_devices.items[0], "1-2 hotplug force");

	add_device(fx, "1-3", 1, 2);
	mem_set(&usb->title, "0001:0002");
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "usb-several"));
	argv_fixture_add_caps(fx, "machine/q35");
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "usb-qemu"));
}

// What [input] moves between host and guest can't be plugged into it, by force or not.
static void test_shared(void **state)
{
	struct argv_fixture *fx = *state;
	struct input_device *input = MEM_PUSH(fx->facts.input.devices, fx->facts.input.count);
	struct profile_usb *usb = want(fx, "1-2.3");

	add_device(fx, "1-2.3", 1, 2)->keyboard = true;
	strcpy(fx->facts.usb.buses[0].controller, "0000:03:00.0");
	usb->force = true;
	*input = (struct input_device){ .node = "/dev/input/event3", .name = "Typer",
					.phys = "usb-0000:03:00.0-2.3/input0", .classes = INPUT_CLASS_KEYBOARD };
	argv_fixture_make(fx);
	assert_int_equal(fx->diags.count, 0);
	profile_set_origin(&fx->profile, "input", NULL, "", "demo.conf", 1);
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "usb-shared"));
	strcpy(input->phys, "usb-0000:03:00.0-2/input0");
	argv_fixture_make(fx);
	assert_null(argv_fixture_diag(fx, "usb-shared"));
}

static void test_titles(void **state)
{
	static const char *const good[] = { "046d:c52b", "1-2", "1-2.3", "10-1.2.3.4" };
	static const char *const bad[] = { "", "1", "1-", "-1", "1-2.", "1-.2", "1-2:1.0", "46d:c52b", "usb1", "1-2/..",
					   "046d:c52b ", "1234-1", "1-1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (!title_is_usb(good[i]))
			fail_msg("%s", good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (title_is_usb(bad[i]))
			fail_msg("%s", bad[i]);
	}
}

#define EVENT(text) text, sizeof(text)

static void test_events(void **state)
{
	struct usb_event event;

	(void)state;
	assert_true(usb_event_parse(EVENT("add@/devices/pci0000:00/0000:03:00.0/usb1/1-2\0ACTION=add\0"
					  "DEVPATH=/devices/pci0000:00/0000:03:00.0/usb1/1-2\0SUBSYSTEM=usb\0"
					  "DEVTYPE=usb_device\0SEQNUM=7"), &event));
	assert_true(event.added);
	assert_string_equal(event.port, "1-2");
	assert_true(usb_event_parse(EVENT("remove@/x\0ACTION=remove\0DEVPATH=/x/usb1/1-2/1-2.4\0DEVTYPE=usb_device"),
				    &event));
	assert_false(event.added);
	assert_string_equal(event.port, "1-2.4");

	assert_false(usb_event_parse(EVENT("x\0ACTION=add\0DEVPATH=/x/1-2:1.0\0DEVTYPE=usb_interface"), &event));
	assert_false(usb_event_parse(EVENT("x\0ACTION=bind\0DEVPATH=/x/1-2\0DEVTYPE=usb_device"), &event));
	assert_false(usb_event_parse(EVENT("x\0ACTION=add\0DEVTYPE=usb_device"), &event));
	assert_false(usb_event_parse(EVENT("x\0ACTION=add\0DEVPATH=\0DEVTYPE=usb_device"), &event));
	assert_false(usb_event_parse("", 0, &event));
	// a last value that no NUL ends is none
	assert_false(usb_event_parse("ACTION=add\0DEVTYPE=usb_device\0DEVPATH=/x/1-2", 44, &event));
	assert_false(usb_event_parse(EVENT("ACTION=add\0DEVTYPE=usb_device\0"
					   "DEVPATH=/x/1-2222222222222222222222222222222222222222"), &event));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARGV_TEST(test_rules),	ARGV_TEST(test_controller), ARGV_TEST(test_refused),
		ARGV_TEST(test_shared), ARGV_TEST(test_titles),	    ARGV_TEST(test_events),
	};

	return cmocka_run_group_tests_name("argv_usb", tests, NULL, NULL);
}
