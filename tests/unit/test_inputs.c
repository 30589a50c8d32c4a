// SPDX-License-Identifier: MIT
// Input devices from the kernel's files to the plan: what each is, which are shared, what QEMU is given, and
// profiles that would lock a person out.
#include "launcher/plan/inputs.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "input/chord.h"
#include "input/guest.h"
#include "input/hotkey.h"
#include "input/selector.h"
#include "input/uinput.h"
#include "launcher/facts/facts.h"
#include "launcher/guest/paths.h"
#include "launcher/plan/plan.h"
#include "launcher/plan/print.h"
#include "tests/unit/tree.h"
#include "tune/host/input.h"
#include "tune/host/root.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DEVICE(n, name, phys, id_vendor, id_product, ev, key, rel, abs, led)                                \
	WITH_UNIQ(n, name, phys, "", id_vendor, id_product, ev, key, rel, abs, led)
#define WITH_UNIQ(n, name, phys, uniq, id_vendor, id_product, ev, key, rel, abs, led)                       \
	"sys/class/input/event" n "/device/name = " name "\n"                                               \
	"sys/class/input/event" n "/device/phys = " phys "\n"                                               \
	"sys/class/input/event" n "/device/uniq = " uniq "\n"                                              \
	"sys/class/input/event" n "/device/id/bustype = 0003\n"                                             \
	"sys/class/input/event" n "/device/id/vendor = " id_vendor "\n"                                     \
	"sys/class/input/event" n "/device/id/product = " id_product "\n"                                   \
	"sys/class/input/event" n "/device/id/version = 0111\n"                                             \
	"sys/class/input/event" n "/device/capabilities/ev = " ev "\n"                                      \
	"sys/class/input/event" n "/device/capabilities/key = " key "\n"                                    \
	"sys/class/input/event" n "/device/capabilities/rel = " rel "\n"                                    \
	"sys/class/input/event" n "/device/capabilities/abs = " abs "\n"                                    \
	"sys/class/input/event" n "/device/capabilities/led = " led "\n"                                    \
	"sys/class/input/event" n "/device/capabilities/sw = 0\n"                                           \
	"sys/class/input/event" n "/dev = 13:" n "\n"

// As a kernel shows them: a keyboard with a second node for media keys, a mouse, a power button, a touchpad, a
// gamepad, a pointer that says where it is, and one of ours.
#define KEYBOARD_KEYS "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe"
#define KEYBOARD DEVICE("2", "Cherry Board", "usb-0000:00:14.0-1/input0", "046a", "0001", "120013", KEYBOARD_KEYS, \
			"0", "0", "7")
#define MEDIA DEVICE("3", "Cherry Board Consumer", "usb-0000:00:14.0-1/input1", "046a", "0001", "13",          \
		     "c000000000 0", "0", "0", "0")
#define MOUSE DEVICE("4", "Logi Mouse", "usb-0000:00:14.0-2/input0", "046d", "c08b", "17",                     \
		     "ffff0000 0 0 0 0", "1943", "0", "0")
#define POWER DEVICE("5", "Power Button", "LNXPWRBN/button/input0", "0000", "0001", "3",                       \
		     "10000000000000 0", "0", "0", "0")
#define TOUCHPAD DEVICE("6", "Pad", "i2c-PAD", "06cb", "1234", "b", "e520 10000 0 0 0 0", "0",                 \
			"2e0800000000003", "0")
#define GAMEPAD DEVICE("7", "Gamepad", "usb-0000:00:14.0-3/input0", "045e", "028e", "20000b",                  \
		       "7cdb000000000000 0 0 0 0", "0", "3003f", "0")
#define POINTER DEVICE("8", "Tablet", "usb-0000:00:14.0-4/input0", "0627", "0001", "1f", "70000 0 0 0 0",      \
		       "100", "3", "0")
#define OURS DEVICE("9", "Cherry Board", "vfiorun/clone/other/2", "046a", "0001", "120013", KEYBOARD_KEYS,     \
		    "0", "0", "7")
// The receiver of a wireless keyboard and mouse, and two devices on one Bluetooth adapter, of which one has two nodes.
#define RECEIVER DEVICE("10", "Receiver", "usb-0000:00:14.0-5/input0", "046d", "c52b", "120013", KEYBOARD_KEYS,  \
			"0", "0", "1f")                                                                         \
		 DEVICE("11", "Receiver Mouse", "usb-0000:00:14.0-5/input1", "046d", "c52b", "17",                \
			"ffff0000 0 0 0 0", "1943", "0", "0")
#define BLUETOOTH WITH_UNIQ("12", "Blue Keys", "00:1a:7d:da:71:13", "dc:2c:26:00:00:01", "05ac", "0256",         \
			    "120013", KEYBOARD_KEYS, "0", "0", "1f")                                              \
		  WITH_UNIQ("13", "Blue Keys Consumer", "00:1a:7d:da:71:13", "dc:2c:26:00:00:01", "05ac", "0256", \
			    "13", "c000000000 0", "0", "0", "0")                                                  \
		  WITH_UNIQ("14", "Blue Mouse", "00:1a:7d:da:71:13", "dc:2c:26:00:00:02", "046d", "b012", "17",    \
			    "ffff0000 0 0 0 0", "1943", "0", "0")
#define ALL KEYBOARD MEDIA MOUSE POWER TOUCHPAD GAMEPAD OURS

struct fixture {
	char dir[256];
	struct profile profile;
	struct facts facts;
	struct plan_options options;
	struct plan plan;
	struct diags diags;
};

static struct paths paths = {
	.run_base = (char *)"/run/vfiorun",
	.state_base = (char *)"/var/lib/vfiorun",
	.log_dir = (char *)"/var/log/vfiorun",
	.cache_dir = (char *)"/var/cache/vfiorun",
};

static void read_text(const char *path, struct str *text)
{
	assert_int_equal(io_read_file(AT_FDCWD, path, text, 1 << 20, NULL), 0);
}

static void finish(struct fixture *fx)
{
	plan_finish(&fx->plan);
	facts_finish(&fx->facts);
	profile_finish(&fx->profile);
	diags_finish(&fx->diags);
	tree_remove(fx->dir);
	*fx = (struct fixture){ 0 };
}

// The section [input] with these lines, on a machine that also has these devices.
static void make(struct fixture *fx, const char *lines, const char *devices)
{
	const struct facts_options options = { .paths = &paths };
	AUTO_FREE char *text = mem_printf("[vm]\nname = demo\nmemory = 64M\n[firmware]\ntype = seabios\n"
					  "[display]\ntype = none\n[input]\n%s", lines);
	AUTO_STR struct str manifest = { 0 }, caps = { 0 };
	struct root root = ROOT_CLOSED;

	finish(fx);
	read_text("tests/hosts/six-cores.host", &manifest);
	str_add(&manifest, devices);
	assert_int_equal(tree_make(str_text(&manifest), fx->dir, sizeof(fx->dir)), 0);
	profile_parse(&fx->profile, "demo.conf", text, &fx->diags);
	assert_int_equal(root_open(&root, fx->dir, NULL), 0);
	assert_int_equal(facts_read(&root, &fx->profile, &options, &fx->facts, NULL), 0);
	root_finish(&root);
	read_text("tests/qemu/qemu-7.2.caps", &caps);
	assert_int_equal(qemu_caps_parse(str_text(&caps), &fx->facts.qemu, NULL), 0);
	fx->facts.live = true;
	fx->facts.vfiorun = (struct account){ mem_dup("vfiorun"), 900, 900, true };
	if (!fx->diags.count)
		plan_make(&fx->profile, &fx->facts, &fx->options, &fx->plan, &fx->diags);
}

static int set_up(void **state)
{
	*state = mem_new(1, sizeof(struct fixture));
	return 0;
}

static int tear_down(void **state)
{
	finish(*state);
	free(*state);
	return 0;
}

static const struct diag *find(const struct fixture *fx, const char *code)
{
	const struct diags *lists[] = { &fx->diags, &fx->plan.warnings };

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		for (size_t i = 0; i < lists[k]->count; i++) {
			if (str_eq(lists[k]->items[i].code, code))
				return &lists[k]->items[i];
		}
	}
	return NULL;
}

static void shared(const struct fixture *fx, struct str *out)
{
	for (size_t i = 0; i < fx->plan.n_inputs; i++)
		str_addf(out, "%s%s", i ? "," : "", fx->plan.inputs[i].name);
}

static void assert_shared(const struct fixture *fx, const char *want)
{
	AUTO_STR struct str text = { 0 };

	shared(fx, &text);
	assert_string_equal(str_text(&text), want);
}

static bool has_argument(const struct fixture *fx, const char *part)
{
	for (size_t i = 0; i < fx->plan.argv.count; i++) {
		if (strstr(fx->plan.argv.items[i], part))
			return true;
	}
	return false;
}

static void test_classes(void **state)
{
	static const char *const want[] = { "keyboard", "keys", "mouse", "keys", "touchpad", "gamepad", "mouse" };
	struct fixture *fx = *state;

	make(fx, "", KEYBOARD MEDIA MOUSE POWER TOUCHPAD GAMEPAD POINTER);
	assert_int_equal(fx->facts.input.count, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_string_equal(input_class_name(fx->facts.input.devices[i].classes), want[i]);
}

static void test_udev_has_the_last_word(void **state)
{
	struct fixture *fx = *state;
	const struct input_device *device;

	// as the hardware database has it for a mouse that claims all keys of a keyboard
	make(fx, "", KEYBOARD "run/udev/data/c13:2 = S:input/by-path/pci-1-event-kbd\\nS:input/by-id/usb-Odd\\n"
			      "E:ID_INPUT=1\\nE:ID_INPUT_MOUSE=1\\nE:ID_INPUT_KEYBOARD=0\n");
	device = &fx->facts.input.devices[0];
	assert_true(device->udev);
	assert_int_equal(device->classes, INPUT_CLASS_MOUSE);
	assert_string_equal(device->links[0], "/dev/input/by-id/usb-Odd");
	assert_string_equal(device->links[1], "/dev/input/by-path/pci-1-event-kbd");
	assert_string_equal(input_device_path(device), "/dev/input/by-id/usb-Odd");
}

static void test_auto_takes_whole_devices_and_nothing_of_ours(void **state)
{
	struct fixture *fx = *state;

	make(fx, "", ALL);
	assert_int_equal(fx->diags.count, 0);
	assert_shared(fx, "Cherry Board,Cherry Board Consumer,Logi Mouse");
	assert_string_equal(fx->plan.inputs[0].role, "keyboard");
	assert_string_equal(fx->plan.inputs[0].lost, "LEDs");
	assert_string_equal(fx->plan.inputs[2].lost,
			    "high-resolution wheel, horizontal wheel, "
			    "buttons but left, right, middle, side and extra");
	make(fx, "transport = virtio-host\n", ALL);
	for (size_t i = 0; i < fx->plan.n_inputs; i++)
		assert_null(fx->plan.inputs[i].lost);
}

static void test_by_name(void **state)
{
	static const struct {
		const char *lines, *want;
	} rows[] = {
		{ "mouse = none\n", "Cherry Board,Cherry Board Consumer" },
		{ "keyboard = none\n", "Logi Mouse" },
		{ "keyboard = 046a:0001\nmouse = none\n", "Cherry Board,Cherry Board Consumer" },
		{ "keyboard = none\nmouse = name:Logi*\n", "Logi Mouse" },
		{ "keyboard = none\nmouse = none\ndevice = /dev/input/event4\n", "Logi Mouse" },
		{ "keyboard = phys:usb-0000:00:14.0-1/input1\nmouse = none\n",
		  "Cherry Board,Cherry Board Consumer" },
		{ "keyboard = none\nmouse = none\ndevice = name:Power Button\n", "Power Button" },
		{ "keyboard = name:Cherry\nmouse = none\n", "" },
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		make(fx, rows[i].lines, ALL);
		assert_shared(fx, rows[i].want);
	}
	assert_non_null(find(fx, "input-absent"));
	make(fx, "device = name:Gamepad\n", ALL);
	assert_non_null(find(fx, "input-unfit"));
	make(fx, "device = /dev/input/event4\n", ALL);
	assert_non_null(find(fx, "input-number"));
}

// What belongs together goes together, and only that.
static void test_several_nodes(void **state)
{
	static const struct {
		const char *lines, *want;
	} rows[] = {
		{ "keyboard = name:Receiver\nmouse = none\n", "Receiver,Receiver Mouse" },
		{ "keyboard = none\nmouse = name:Receiver Mouse\n", "Receiver,Receiver Mouse" },
		{ "keyboard = uniq:dc:2c:26:00:00:01\nmouse = none\n", "Blue Keys,Blue Keys Consumer" },
		{ "keyboard = none\nmouse = uniq:dc:2c:26*\n", "Blue Keys,Blue Keys Consumer,Blue Mouse" },
		{ "keyboard = none\nmouse = 046d:b012\n", "Blue Mouse" },
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		make(fx, rows[i].lines, KEYBOARD RECEIVER BLUETOOTH);
		assert_shared(fx, rows[i].want);
	}
}

static void test_qemu(void **state)
{
	struct fixture *fx = *state;

	make(fx, "", ALL);
	assert_true(has_argument(fx, "input-linux,id=input-keyboard,evdev=/run/vfiorun/demo/input-keyboard,repeat=on,"
				     "grab-toggle=ctrl-scrolllock"));
	// with ctrl-scrolllock QEMU would keep the only key that it has
	assert_true(has_argument(fx, "input-linux,id=input-toggle,evdev=/run/vfiorun/demo/input-toggle,repeat=on,"
				     "grab-toggle=ctrl-ctrl"));
	assert_false(has_argument(fx, "tablet"));
	assert_int_equal(fx->plan.input.fds[GUEST_TABLET], 0);
	assert_true(fx->plan.input.fds[GUEST_KEYBOARD] >= 10);
	assert_false(has_argument(fx, "sink-"));
	assert_true(fx->plan.input.ps2);

	make(fx, "sink = virtio\n", ALL);
	assert_false(fx->plan.input.ps2);
	assert_true(has_argument(fx, "virtio-keyboard-pci") && has_argument(fx, "virtio-mouse-pci"));
	make(fx, "sink = usb\n", ALL POINTER);
	assert_true(has_argument(fx, "usb-kbd") && has_argument(fx, "usb-tablet,id=sink-tablet"));
	assert_true(has_argument(fx, "input-linux,id=input-tablet"));
	make(fx, "transport = virtio-host\n", ALL);
	assert_true(has_argument(fx, "virtio-input-host-pci,id=input-mouse,evdev=/run/vfiorun/demo/input-mouse"));
	assert_false(has_argument(fx, "toggle"));
	assert_false(fx->plan.input.ps2);
}

static void test_no_scan_codes_for_guests(void **state)
{
	(void)state;
	for (int part = 0; part < GUEST_PARTS; part++) {
		for (int virtio_host = 0; virtio_host < 2; virtio_host++) {
			struct input_kind kind;

			guest_part_describe((enum guest_part)part, virtio_host, "demo", &kind);
			if (kind.msc)
				fail_msg("the %s has some", guest_part_words[part]);
		}
	}
}

static void test_no_section_no_input(void **state)
{
	struct fixture *fx = *state;
	size_t n;

	make(fx, "", ALL);
	assert_true(fx->plan.input.used);
	n = fx->profile.n_origins;
	fx->profile.n_origins = 0;
	plan_finish(&fx->plan);
	plan_make(&fx->profile, &fx->facts, &fx->options, &fx->plan, &fx->diags);
	fx->profile.n_origins = n;
	assert_false(fx->plan.input.used);
	assert_false(has_argument(fx, "input"));
}

static void test_way_back(void **state)
{
	static const struct {
		const char *lines, *devices;
		int status;
	} rows[] = {
		{ "", ALL, 0 },
		{ "hotkey = f12 guest\n", ALL, 0 }, // the panic chord
		{ "hotkey = f12 guest\npanic = none\n", ALL, 2 },
		{ "hotkey = f12 guest\nhotkey = f11 run true\npanic = none\n", ALL, 2 },
		{ "hotkey = f12 next\npanic = none\n", ALL, 0 },
		// no such button anywhere: with the one keyboard taken there is no way back, but for panic
		{ "hotkey = btn_trigger\n", ALL, 0 },
		{ "hotkey = btn_trigger\npanic = none\n", ALL, 3 },
		{ "hotkey = btn_trigger\npanic = none\nkeyboard = none\n", ALL, 0 },
		{ "hotkey = btn_side\npanic = none\n", ALL, 0 },
		{ "hotkey = btn_side\npanic = none\nmouse = none\n", ALL, 3 },
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		make(fx, rows[i].lines, rows[i].devices);
		if (diags_exit_status(&fx->diags) != rows[i].status)
			fail_msg("%s: %d", rows[i].lines, diags_exit_status(&fx->diags));
		assert_int_equal(rows[i].status != 0, find(fx, "no-way-back") != NULL);
	}
	// the default panic chord gives way to a hotkey that it contains, and that is said
	make(fx, "hotkey = leftctrl+leftalt\n", ALL);
	assert_int_equal(fx->diags.count, 0);
	assert_null(fx->plan.input.panic);
	assert_non_null(find(fx, "no-panic"));
}

static void test_host(void **state)
{
	struct fixture *fx = *state;

	make(fx, "", "");
	assert_non_null(find(fx, "no-input"));
	fx->facts.uinput_error = ENOENT;
	plan_finish(&fx->plan);
	plan_make(&fx->profile, &fx->facts, &fx->options, &fx->plan, &fx->diags);
	assert_int_equal(diags_exit_status(&fx->diags), 3);
	assert_string_equal(find(fx, "no-uinput")->hint, "modprobe uinput");

	make(fx, "", "");
	fx->facts.uinput_error = EACCES;
	mem_set(&fx->facts.self.name, "ann");
	plan_finish(&fx->plan);
	plan_make(&fx->profile, &fx->facts, &fx->options, &fx->plan, &fx->diags);
	assert_non_null(strstr(find(fx, "no-uinput")->hint, "usermod -aG input ann"));
}

static void test_wrong(void **state)
{
	static const char *const rows[] = {
		"keyboard = keybord\n", "keyboard = 046a:00\n", "keyboard = /dev/input/\n",
		"keyboard = /dev/sda\n", "keyboard = name:\n", "keyboard = /dev/input/../sda\n",
		"hotkey = leftctlr\n", "hotkey = f1 hots\n", "hotkey = f1 usb attach\n", "hotkey = f1 usb take 1-2\n",
		"hotkey = f1 run\n", "hotkey = f1 run bin/x\n", "hotkey = f1 run 'x\n", "hotkey = f1 host host\n",
		"hotkey = leftctrl+a\nhotkey = leftctrl\n", "panic = f1\nhotkey = f1\n", "panic = maybe\n",
		"keep_held = shft\n", "start = gast\n", "transport = usb\n", "sink = ps/2\n",
		"transport = virtio-host\nsink = usb\n", "keyboard = none\nmouse = none\n",
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		make(fx, rows[i], ALL);
		if (diags_exit_status(&fx->diags) != 2)
			fail_msg("%s is taken", rows[i]);
	}
}

static void test_hotkey_words(void **state)
{
	static const struct {
		const char *text, *chord;
		int action;
		const char *words;
	} rows[] = {
		{ "leftctrl+rightctrl", "leftctrl+rightctrl", SWITCH_TOGGLE, "" },
		{ " leftctrl + rightctrl ", "leftctrl + rightctrl", SWITCH_TOGGLE, "" },
		{ "f1  host", "f1", SWITCH_TO_HOST, "" },
		{ "meta+ f1 guest", "meta+ f1", SWITCH_TO_GUEST, "" },
		{ "meta +f1 let-go", "meta +f1", SWITCH_LET_GO, "" },
		{ "f1 next", "f1", HOTKEY_NEXT, "" },
		{ "f1 usb attach 046d:c52b", "f1", HOTKEY_USB, "attach|046d:c52b|" },
		{ "f1 run /bin/echo 'a b'c \"\" d", "f1", HOTKEY_RUN, "/bin/echo|a bc||d|" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hotkey hotkey;
		AUTO_STR struct str words = { 0 };

		assert_int_equal(hotkey_parse(rows[i].text, &hotkey, NULL), 0);
		assert_string_equal(hotkey.chord, rows[i].chord);
		assert_int_equal(hotkey.action, rows[i].action);
		for (size_t k = 0; k < hotkey.words.count; k++)
			str_addf(&words, "%s|", hotkey.words.items[k]);
		assert_string_equal(str_text(&words), rows[i].words);
		hotkey_finish(&hotkey);
	}
}

static void test_plan_survives_being_written(void **state)
{
	struct fixture *fx = *state;
	struct json_object *json, *again;
	struct plan plan;
	struct chords chords = { 0 };

	make(fx, "hotkey = leftmeta+f1 host\nhotkey = f12 run true\nkeep_held = leftshift w\n"
		 "on_switch_guest = ddcutil 1 '2 3'\nstart = guest\n", ALL POINTER);
	json = plan_print_json(&fx->plan);
	assert_int_equal(plan_parse_json(json, &plan, NULL), 0);
	assert_true(plan.input.used && plan.input.start_guest && plan.input.tablet);
	assert_memory_equal(plan.input.fds, fx->plan.input.fds, sizeof(plan.input.fds));
	plan_input_chords(&plan, &chords);
	assert_int_equal(chords.count, 3);
	assert_int_equal(chords.items[1].action, HOTKEY_COMMANDS + 1);
	chords_finish(&chords);
	again = plan_print_json(&plan);
	assert_string_equal(json_object_to_json_string(json_object_object_get(json, "input")),
			    json_object_to_json_string(json_object_object_get(again, "input")));
	json_object_put(again);
	json_object_put(json);
	plan_finish(&plan);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_classes),
		TEST(test_udev_has_the_last_word),
		TEST(test_auto_takes_whole_devices_and_nothing_of_ours),
		TEST(test_by_name),
		TEST(test_several_nodes),
		TEST(test_qemu),
		TEST(test_no_scan_codes_for_guests),
		TEST(test_no_section_no_input),
		TEST(test_way_back),
		TEST(test_host),
		TEST(test_wrong),
		TEST(test_hotkey_words),
		TEST(test_plan_survives_being_written),
	};

	return cmocka_run_group_tests_name("inputs", tests, NULL, NULL);
}
