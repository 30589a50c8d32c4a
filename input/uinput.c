// SPDX-License-Identifier: MIT
#include "input/uinput.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <linux/uinput.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

// The capability bits that are copied one by one. EV_FF needs somebody who plays effects, EV_REP would make
// the kernel repeat what is repeated already, EV_SND is the speaker's.
static const struct {
	unsigned long set; // UI_SET_…BIT
	size_t offset;
	unsigned type, count;
} simple[] = {
	{ UI_SET_RELBIT, offsetof(struct input_kind, rel), EV_REL, REL_CNT },
	{ UI_SET_ABSBIT, offsetof(struct input_kind, abs), EV_ABS, ABS_CNT },
	{ UI_SET_LEDBIT, offsetof(struct input_kind, leds), EV_LED, LED_CNT },
	{ UI_SET_MSCBIT, offsetof(struct input_kind, msc), EV_MSC, MSC_CNT },
	{ UI_SET_SWBIT, offsetof(struct input_kind, switches), EV_SW, SW_CNT },
};

int input_kind_read(int evdev, struct input_kind *kind)
{
	*kind = (struct input_kind){ 0 };
	if (ioctl(evdev, EVIOCGID, &kind->id) < 0)
		return -errno;
	ioctl(evdev, EVIOCGNAME(sizeof(kind->name) - 1), kind->name);
	ioctl(evdev, EVIOCGPROP(sizeof(kind->props)), &kind->props);
	ioctl(evdev, EVIOCGBIT(EV_KEY, sizeof(kind->keys.bits)), kind->keys.bits);
	for (size_t i = 0; i < ARRAY_SIZE(simple); i++)
		ioctl(evdev, EVIOCGBIT(simple[i].type, sizeof(uint64_t)), (char *)kind + simple[i].offset);
	for (unsigned code = 0; code < ABS_CNT; code++) {
		if ((kind->abs >> code & 1) && ioctl(evdev, EVIOCGABS(code), &kind->axes[code]) < 0)
			return -errno;
	}
	return 0;
}

static int set_bits(int uinput, const struct input_kind *kind)
{
	if (!keyset_is_empty(&kind->keys) && ioctl(uinput, UI_SET_EVBIT, EV_KEY) < 0)
		return -errno;
	KEYSET_FOREACH(code, &kind->keys) {
		if (ioctl(uinput, UI_SET_KEYBIT, code) < 0)
			return -errno;
	}
	for (size_t i = 0; i < ARRAY_SIZE(simple); i++) {
		uint64_t bits = *(const uint64_t *)(const void *)((const char *)kind + simple[i].offset);

		if (bits && ioctl(uinput, UI_SET_EVBIT, simple[i].type) < 0)
			return -errno;
		for (unsigned code = 0; code < simple[i].count; code++) {
			if ((bits >> code & 1) && ioctl(uinput, simple[i].set, code) < 0)
				return -errno;
		}
	}
	for (unsigned code = 0; code < INPUT_PROP_CNT; code++) {
		if ((kind->props >> code & 1) && ioctl(uinput, UI_SET_PROPBIT, code) < 0)
			return -errno;
	}
	return 0;
}

static int set_axes(int uinput, const struct input_kind *kind)
{
	for (uint16_t code = 0; code < ABS_CNT; code++) {
		struct uinput_abs_setup setup = { .code = code, .absinfo = kind->axes[code] };

		if ((kind->abs >> code & 1) && ioctl(uinput, UI_ABS_SETUP, &setup) < 0)
			return -errno;
	}
	return 0;
}

int input_kind_make(int uinput, const struct input_kind *kind, struct err *err)
{
	struct uinput_setup setup = { .id = kind->id };
	int r = set_bits(uinput, kind);

	if (r == 0)
		r = set_axes(uinput, kind);
	memcpy(setup.name, kind->name, sizeof(setup.name));
	setup.name[sizeof(setup.name) - 1] = '\0';
	if (!setup.name[0])
		memcpy(setup.name, "(no name)", sizeof("(no name)")); // the kernel takes no empty one
	if (r == 0 && ioctl(uinput, UI_SET_PHYS, kind->phys) < 0)
		r = -errno;
	if (r == 0 && (ioctl(uinput, UI_DEV_SETUP, &setup) < 0 || ioctl(uinput, UI_DEV_CREATE) < 0))
		r = -errno;
	return r < 0 ? err_sys(err, r, "making the input device %s", setup.name) : 0;
}
