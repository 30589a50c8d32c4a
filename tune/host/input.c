// SPDX-License-Identifier: MIT
#include "tune/host/input.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/host/root.h"

#include <stdio.h>
#include <string.h>

enum { UDEV_MAX = 64 << 10, BITS_TEXT = 512 };

static int read_attribute(struct root *root, int number, const char *name, char *buf, size_t size)
{
	char path[96];
	int n;

	snprintf(path, sizeof(path), "sys/class/input/event%d/device/%s", number, name);
	buf[0] = '\0';
	n = root_read(root, path, buf, size);
	if (n < 0)
		buf[0] = '\0';
	return n;
}

static uint16_t read_id(struct root *root, int number, const char *name)
{
	char path[32], text[16];
	uint64_t value;

	snprintf(path, sizeof(path), "id/%s", name);
	if (read_attribute(root, number, path, text, sizeof(text)) < 0 || !str_parse_hex(text, &value))
		return 0;
	return (uint16_t)value;
}

// "2 0 ffffffff 1": words of a long, the highest first, leading zeros left out (input_bits_to_string).
static void read_bits(struct root *root, int number, const char *what, uint64_t *bits, size_t words)
{
	AUTO_STRV struct strv parts = { 0 };
	char path[32], text[BITS_TEXT];

	snprintf(path, sizeof(path), "capabilities/%s", what);
	if (read_attribute(root, number, path, text, sizeof(text)) < 0)
		return;
	strv_split(&parts, text, " ");
	for (size_t i = 0; i < parts.count && i < words; i++) {
		uint64_t value;

		if (str_parse_hex(parts.items[parts.count - 1 - i], &value))
			bits[i] = value;
	}
}

static bool has_key(const struct input_bits *bits, unsigned code)
{
	return bits->keys[code / 64] >> code % 64 & 1;
}

static bool has_keys_between(const struct input_bits *bits, unsigned from, unsigned below)
{
	for (unsigned code = from; code < below; code++) {
		if (has_key(bits, code))
			return true;
	}
	return false;
}

#define HAS(set, code) ((set) >> (code) & 1)

static unsigned pointer_classes(const struct input_bits *bits)
{
	bool xy = HAS(bits->abs, ABS_X) && HAS(bits->abs, ABS_Y);
	bool fingers = HAS(bits->abs, ABS_MT_POSITION_X) && HAS(bits->abs, ABS_MT_POSITION_Y);
	bool finger = has_key(bits, BTN_TOOL_FINGER) && !has_key(bits, BTN_TOOL_PEN);
	bool button = has_keys_between(bits, BTN_MOUSE, BTN_JOYSTICK);
	bool pad = has_keys_between(bits, BTN_JOYSTICK, BTN_DIGI);

	if (HAS(bits->types, EV_REL) && HAS(bits->rel, REL_X) && HAS(bits->rel, REL_Y) && button)
		return INPUT_CLASS_MOUSE;
	if (xy && (has_key(bits, BTN_STYLUS) || has_key(bits, BTN_TOOL_PEN)))
		return INPUT_CLASS_TABLET;
	if (xy && finger)
		return INPUT_CLASS_TOUCHPAD;
	if (xy && has_key(bits, BTN_MOUSE))
		return INPUT_CLASS_MOUSE; // it says where the pointer is
	if ((xy || fingers) && has_key(bits, BTN_TOUCH))
		return INPUT_CLASS_TOUCHSCREEN;
	return pad ? INPUT_CLASS_JOYSTICK : 0;
}

// A whole keyboard has Esc, the digits, and Q to D: KEY_ESC (1) to 31.
static unsigned key_classes(const struct input_bits *bits)
{
	enum { WHOLE = 0xfffffffe };

	if ((bits->keys[0] & WHOLE) == WHOLE)
		return INPUT_CLASS_KEYBOARD | INPUT_CLASS_KEY;
	return has_keys_between(bits, KEY_ESC, BTN_MISC) || has_keys_between(bits, KEY_OK, BTN_DPAD_UP) ?
		       INPUT_CLASS_KEY :
		       0;
}

static unsigned classes_by_bits(const struct input_bits *bits)
{
	unsigned classes = 0;

	if (HAS(bits->types, EV_KEY))
		classes |= key_classes(bits) | pointer_classes(bits);
	if (HAS(bits->types, EV_SW))
		classes |= INPUT_CLASS_SWITCH;
	return classes;
}

static const struct {
	const char *property, *word;
	unsigned class;
} class_rows[] = { // the most telling first
	{ "ID_INPUT_TOUCHPAD", "touchpad", INPUT_CLASS_TOUCHPAD },
	{ "ID_INPUT_TOUCHSCREEN", "touchscreen", INPUT_CLASS_TOUCHSCREEN },
	{ "ID_INPUT_TABLET", "tablet", INPUT_CLASS_TABLET },
	{ "ID_INPUT_MOUSE", "mouse", INPUT_CLASS_MOUSE },
	{ "ID_INPUT_KEYBOARD", "keyboard", INPUT_CLASS_KEYBOARD },
	{ "ID_INPUT_JOYSTICK", "gamepad", INPUT_CLASS_JOYSTICK },
	{ "ID_INPUT_SWITCH", "switch", INPUT_CLASS_SWITCH },
	{ "ID_INPUT_KEY", "keys", INPUT_CLASS_KEY },
};

const char *input_class_name(unsigned classes)
{
	for (size_t i = 0; i < ARRAY_SIZE(class_rows); i++) {
		if (classes & class_rows[i].class)
			return class_rows[i].word;
	}
	return "other";
}

static void take_link(struct input_device *device, const char *link)
{
	size_t most = ARRAY_SIZE(device->links), at = 0;

	if (!str_starts(link, "input/"))
		return;
	while (at < most && device->links[at][0])
		at++;
	if (at == most)
		return;
	// by-id names the device, by-path only the place where it is plugged in
	if (str_starts(link, "input/by-id/")) {
		for (; at > 0; at--)
			memcpy(device->links[at], device->links[at - 1], sizeof(device->links[at]));
	}
	snprintf(device->links[at], sizeof(device->links[at]), "/dev/%s", link);
}

const char *input_device_path(const struct input_device *device)
{
	return str_starts(device->links[0], "/dev/input/by-id/") ? device->links[0] : device->node;
}

static void take_property(struct input_device *device, const char *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(class_rows); i++) {
		const char *name = class_rows[i].property;

		if (str_starts(line, name) && strcmp(line + strlen(name), "=1") == 0)
			device->classes |= class_rows[i].class;
	}
}

// evdev's minors: 64 to 95, then whatever is free from 256 on (input_get_new_minor); so it is read.
static bool read_udev(struct root *root, struct input_device *device)
{
	AUTO_STR struct str text = { 0 };
	AUTO_STRV struct strv lines = { 0 };
	char path[64], number[32] = "";

	snprintf(path, sizeof(path), "sys/class/input/event%d/dev", device->number);
	if (root_read(root, path, number, sizeof(number)) < 0)
		return false;
	snprintf(path, sizeof(path), "run/udev/data/c%s", number);
	if (root_read_all(root, path, &text, UDEV_MAX) < 0)
		return false;
	strv_split(&lines, str_text(&text), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		if (str_starts(lines.items[i], "S:"))
			take_link(device, lines.items[i] + 2);
		else if (str_starts(lines.items[i], "E:"))
			take_property(device, lines.items[i] + 2);
	}
	return true;
}

int input_device_read(struct root *root, int number, struct input_device *device)
{
	int r;

	*device = (struct input_device){ .number = number };
	snprintf(device->node, sizeof(device->node), "/dev/input/event%d", number);
	r = read_attribute(root, number, "name", device->name, sizeof(device->name));
	if (r < 0 && r != -EFBIG)
		return r;
	read_attribute(root, number, "phys", device->phys, sizeof(device->phys));
	read_attribute(root, number, "uniq", device->uniq, sizeof(device->uniq));
	device->bus = read_id(root, number, "bustype");
	device->vendor = read_id(root, number, "vendor");
	device->product = read_id(root, number, "product");
	device->version = read_id(root, number, "version");
	read_bits(root, number, "ev", &device->bits.types, 1);
	read_bits(root, number, "key", device->bits.keys, ARRAY_SIZE(device->bits.keys));
	read_bits(root, number, "rel", &device->bits.rel, 1);
	read_bits(root, number, "abs", &device->bits.abs, 1);
	read_bits(root, number, "led", &device->bits.leds, 1);
	read_bits(root, number, "sw", &device->bits.switches, 1);
	device->udev = read_udev(root, device);
	if (!device->udev || !device->classes)
		device->classes = classes_by_bits(&device->bits);
	return 0;
}

static int event_number(const char *name)
{
	int number;

	return str_starts(name, "event") && str_parse_int(name + 5, &number) && number >= 0 ? number : -1;
}

void input_facts_read(struct root *root, struct input_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	*facts = (struct input_facts){ 0 };
	root_list(root, "sys/class/input", &names);
	for (size_t i = 0; i < names.count; i++) {
		int number = event_number(names.items[i]);
		struct input_device device;

		if (number >= 0 && input_device_read(root, number, &device) == 0)
			*MEM_PUSH(facts->devices, facts->count) = device;
	}
}

void input_facts_finish(struct input_facts *facts)
{
	free(facts->devices);
	*facts = (struct input_facts){ 0 };
}

// phys is the place ("usb-0000:03:00.0-1/input1"), of which the nodes of one device share all but the last
// part; Bluetooth's is the adapter, which others share, so uniq (the device's own address) counts too.
char *input_physical(const struct input_device *device)
{
	const char *slash = strrchr(device->phys, '/');

	if (!device->phys[0] || str_starts(device->phys, INPUT_PHYS_OURS))
		return mem_dup("");
	return mem_printf("%.*s %s", slash ? (int)(slash - device->phys) : (int)strlen(device->phys),
			  device->phys, device->uniq);
}

bool input_has_udev(struct root *root)
{
	return root_exists(root, "run/udev/control");
}
