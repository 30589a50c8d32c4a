// SPDX-License-Identifier: MIT
#include "input/guest.h"

#include "base/cleanup.h"
#include "input/uinput.h"

#include <stdio.h>

const char *const guest_part_words[GUEST_PARTS] = {
	[GUEST_KEYBOARD] = "keyboard",
	[GUEST_MOUSE] = "mouse",
	[GUEST_TABLET] = "tablet",
	[GUEST_TOGGLE] = "toggle",
};

#define BIT(n) (UINT64_C(1) << (n))

static void add_keys(struct keyset *set, unsigned from, unsigned to)
{
	for (unsigned code = from; code <= to; code++)
		keyset_add(set, code);
}

// As QEMU tells buttons from keys (linux_is_button, ui/input-linux.c, 7.2), less the D-pad's, which would make
// a gamepad of the keyboard.
static bool is_button(uint16_t code)
{
	return code >= BTN_MISC && (code < KEY_OK || code >= BTN_TRIGGER_HAPPY);
}

static void describe_keyboard(bool virtio_host, struct input_kind *kind)
{
	add_keys(&kind->keys, KEY_ESC, BTN_MISC - 1);
	add_keys(&kind->keys, KEY_OK, BTN_DPAD_UP - 1);
	add_keys(&kind->keys, BTN_DPAD_RIGHT + 1, BTN_TRIGGER_HAPPY - 1);
	if (virtio_host)
		kind->leds = BIT(LED_NUML) | BIT(LED_CAPSL) | BIT(LED_SCROLLL);
	else
		keyset_remove(&kind->keys, KEY_SCROLLLOCK);
}

// The buttons of a gear are how a wheel is turned with input-linux.
static void describe_mouse(bool virtio_host, struct input_kind *kind)
{
	add_keys(&kind->keys, BTN_0, BTN_9);
	add_keys(&kind->keys, BTN_LEFT, BTN_TASK);
	if (!virtio_host)
		add_keys(&kind->keys, BTN_GEAR_DOWN, BTN_GEAR_UP);
	kind->rel = BIT(REL_X) | BIT(REL_Y) | BIT(REL_WHEEL) | BIT(REL_HWHEEL) | BIT(REL_WHEEL_HI_RES) |
		    BIT(REL_HWHEEL_HI_RES);
}

// A pointer only counts as one with a button (udev's rules and QEMU's): it has one, and never presses it.
static void describe_tablet(struct input_kind *kind)
{
	keyset_add(&kind->keys, BTN_LEFT);
	kind->abs |= BIT(ABS_X) | BIT(ABS_Y);
	kind->axes[ABS_X].maximum = kind->axes[ABS_Y].maximum = GUEST_AXIS_MAX;
}

// QEMU's input-linux does not notice that the kernel dropped events while its main loop stood still (SYN_DROPPED,
// ui/input-linux.c, 7.2): a key whose release is among them stays down in the guest. How many are kept goes by the
// events that a report may have: eight reports of them, and no less than 64 (evdev_compute_buffer_size,
// drivers/input/evdev.c, and input_estimate_events_per_packet, input.c, Linux 6.1). With ten axes of 32 fingers each,
// which never move and QEMU does not ask for, that is 4096. None tells where a finger is: nobody takes this for a touch
// device.
static void make_room(struct input_kind *kind)
{
	static const uint16_t axes[] = { ABS_MT_TOUCH_MAJOR, ABS_MT_TOUCH_MINOR, ABS_MT_WIDTH_MAJOR, ABS_MT_WIDTH_MINOR,
					 ABS_MT_ORIENTATION, ABS_MT_TOOL_TYPE,	 ABS_MT_BLOB_ID,     ABS_MT_TRACKING_ID,
					 ABS_MT_PRESSURE,    ABS_MT_DISTANCE };

	for (size_t i = 0; i < ARRAY_SIZE(axes); i++) {
		kind->abs |= BIT(axes[i]);
		kind->axes[axes[i]].maximum = 31;
	}
}

// None tells scan codes (EV_MSC). QEMU's input-linux has no use for them, and with virtio-host they would come round:
// Linux's driver in the guest sends back whatever comes as EV_MSC (virtinput_status, drivers/virtio/virtio_input.c),
// QEMU writes that to our device, and reads it there again. Each report would have one more than the last, until none
// fits into the 64 events that QEMU and the guest have room for, and whole reports, keys and all, were lost.
void guest_part_describe(enum guest_part part, bool virtio_host, const char *guest, struct input_kind *kind)
{
	*kind = (struct input_kind){ .id = { .bustype = BUS_VIRTUAL, .product = (uint16_t)(part + 1) } };
	snprintf(kind->name, sizeof(kind->name), "vfiorun %s of %.50s", guest_part_words[part], guest);
	snprintf(kind->phys, sizeof(kind->phys), "vfiorun/guest/%s/%s", guest, guest_part_words[part]);
	if (!virtio_host)
		make_room(kind);
	switch (part) {
	case GUEST_KEYBOARD:
		describe_keyboard(virtio_host, kind);
		break;
	case GUEST_MOUSE:
		describe_mouse(virtio_host, kind);
		break;
	case GUEST_TABLET:
		describe_tablet(kind);
		break;
	case GUEST_TOGGLE:
		keyset_add(&kind->keys, KEY_SCROLLLOCK);
		break;
	case GUEST_PARTS:
		break;
	}
}

enum guest_part guest_part_of(uint16_t type, uint16_t code, bool toggle)
{
	switch (type) {
	case EV_KEY:
		if (code == KEY_SCROLLLOCK && toggle)
			return GUEST_TOGGLE;
		return is_button(code) ? GUEST_MOUSE : GUEST_KEYBOARD;
	case EV_REL:
		return GUEST_MOUSE;
	case EV_ABS:
		return code == ABS_X || code == ABS_Y ? GUEST_TABLET : GUEST_PARTS;
	default:
		return GUEST_PARTS;
	}
}
