// SPDX-License-Identifier: MIT
#include "launcher/plan/inputs.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "input/chord.h"
#include "input/hotkey.h"
#include "input/keyset.h"
#include "input/selector.h"
#include "launcher/argv/argv.h"
#include "tune/host/input.h"

#include <string.h>

/* Which */

static bool is_ours(const struct input_device *device)
{
	return str_starts(device->phys, INPUT_PHYS_OURS);
}

// The host keeps what has no meaning as keys and motion, and a gamepad goes as a whole (by [usb]).
static bool is_unfit(const struct input_device *device)
{
	const unsigned kept = INPUT_CLASS_TOUCHPAD | INPUT_CLASS_TOUCHSCREEN | INPUT_CLASS_TABLET |
			      INPUT_CLASS_JOYSTICK;

	return (device->classes & kept) ||
	       !(device->classes & (INPUT_CLASS_KEYBOARD | INPUT_CLASS_KEY | INPUT_CLASS_MOUSE));
}

static bool is_at(const struct input_device *device, const char *path)
{
	if (str_eq(device->node, path))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(device->links); i++) {
		if (device->links[i][0] && str_eq(device->links[i], path))
			return true;
	}
	return false;
}

static bool is_named(const struct selector *selector, const struct input_device *device)
{
	switch (selector->kind) {
	case SELECTOR_PATH:
		return is_at(device, selector->text);
	case SELECTOR_ID:
		return device->vendor == selector->vendor && device->product == selector->product;
	case SELECTOR_NAME:
		return selector_takes_text(selector, device->name);
	case SELECTOR_PHYS:
		return selector_takes_text(selector, device->phys);
	case SELECTOR_UNIQ:
		return selector_takes_text(selector, device->uniq);
	case SELECTOR_AUTO:
	case SELECTOR_NONE:
		break;
	}
	return false;
}

static enum input_choice ask_list(const struct strv *list, unsigned class, const struct input_device *device)
{
	bool by_kind = !list->count && class;

	for (size_t i = 0; i < list->count; i++) {
		struct selector selector;

		if (selector_parse(list->items[i], &selector, NULL) < 0)
			continue;
		if (is_named(&selector, device))
			return INPUT_NAMED;
		by_kind |= selector.kind == SELECTOR_AUTO;
	}
	return by_kind && (device->classes & class) ? INPUT_BY_KIND : INPUT_NOT_ASKED;
}

static enum input_choice ask_for_node(const struct input_wish *wish, const struct input_device *device)
{
	const struct {
		const struct strv *list;
		unsigned class;
	} lists[] = { { wish->keyboard, INPUT_CLASS_KEYBOARD },
		      { wish->mouse, INPUT_CLASS_MOUSE },
		      { wish->device, 0 } };
	enum input_choice best = INPUT_NOT_ASKED;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		enum input_choice choice = ask_list(lists[i].list, lists[i].class, device);

		if (choice == INPUT_NAMED)
			return choice;
		if (choice != INPUT_NOT_ASKED)
			best = choice;
	}
	return best;
}

static enum input_choice ask_for_device(const struct input_wish *wish, const struct input_facts *facts,
					const struct input_device *device)
{
	AUTO_FREE char *physical = input_physical(device);
	enum input_choice best = ask_for_node(wish, device);

	for (size_t i = 0; *physical && best != INPUT_NAMED && i < facts->count; i++) {
		const struct input_device *other = &facts->devices[i];
		AUTO_FREE char *place = input_physical(other);
		enum input_choice choice;

		if (other == device || is_ours(other) || is_unfit(other) || !str_eq(place, physical))
			continue;
		choice = ask_for_node(wish, other);
		if (choice != INPUT_NOT_ASKED)
			best = choice;
	}
	return best;
}

enum input_choice input_choose(const struct input_wish *wish, const struct input_facts *facts, size_t index)
{
	const struct input_device *device = &facts->devices[index];

	if (is_ours(device))
		return INPUT_NOT_ASKED;
	if (is_unfit(device))
		return ask_for_node(wish, device) == INPUT_NAMED ? INPUT_UNFIT : INPUT_NOT_ASKED;
	return ask_for_device(wish, facts, device);
}

bool input_is_absolute(const struct input_device *device)
{
	return (device->classes & INPUT_CLASS_MOUSE) && (device->bits.abs >> ABS_X & 1);
}

/* What gets lost */

static bool has_other_buttons(const struct input_device *device)
{
	for (unsigned code = BTN_MISC; code < BTN_JOYSTICK; code++) {
		if ((code < BTN_LEFT || code > BTN_EXTRA) && (device->bits.keys[code / 64] >> code % 64 & 1))
			return true;
	}
	return false;
}

// ui/input-linux.c, QEMU 7.2: REL_X, REL_Y, REL_WHEEL, ABS_X, ABS_Y; BTN_LEFT to BTN_EXTRA and the two of
// a gear; LEDs are not written. Our device for virtio-host has them all, but two axes only.
char *input_losses(const struct input_device *device, bool virtio_host)
{
	const uint64_t axes = device->bits.abs & ~(UINT64_C(1) << ABS_X | UINT64_C(1) << ABS_Y);
	const uint64_t fine = UINT64_C(1) << REL_WHEEL_HI_RES | UINT64_C(1) << REL_HWHEEL_HI_RES;
	const struct {
		bool lost;
		const char *what;
	} rows[] = {
		{ !virtio_host && device->bits.leds, "LEDs" },
		{ !virtio_host && (device->bits.rel & fine), "high-resolution wheel" },
		{ !virtio_host && (device->bits.rel >> REL_HWHEEL & 1), "horizontal wheel" },
		{ !virtio_host && has_other_buttons(device), "buttons but left, right, middle, side and extra" },
		{ (device->classes & INPUT_CLASS_MOUSE) && axes, "axes other than X and Y" },
	};
	struct str text = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].lost)
			str_addf(&text, "%s%s", text.len ? ", " : "", rows[i].what);
	}
	return text.len ? str_take(&text) : NULL;
}

/* The plan */

static void fill_wishes(const struct profile *profile, struct plan *plan)
{
	plan->input.used = true;
	plan->input.virtio_host = profile->input.transport == TRANSPORT_VIRTIO_HOST;
	plan->input.ps2 = !plan->input.virtio_host && profile->input.sink == SINK_PS2;
	plan->input.start_guest = profile->input.start == INPUT_START_GUEST;
	strv_copy(&plan->input.keyboard, &profile->input.keyboard);
	strv_copy(&plan->input.mouse, &profile->input.mouse);
	strv_copy(&plan->input.device, &profile->input.device);
	strv_copy(&plan->input.hotkeys, &profile->input.hotkey);
	if (!plan->input.hotkeys.count)
		strv_add(&plan->input.hotkeys, INPUT_DEFAULT_HOTKEY);
	strv_copy(&plan->input.keep_held, &profile->input.keep_held);
	strv_copy(&plan->input.on_host, &profile->input.on_switch_host);
	strv_copy(&plan->input.on_guest, &profile->input.on_switch_guest);
}

// The default gives way to a hotkey of the profile's that it contains.
static void choose_panic(struct argv_build *b)
{
	const char *panic = b->profile->input.panic ?: INPUT_DEFAULT_PANIC;
	struct plan *plan = b->plan;
	struct chords chords = { 0 };

	if (!str_eq(panic, "none") && hotkeys_add(&chords, &plan->input.hotkeys, panic, NULL, NULL) == 0)
		plan->input.panic = mem_dup(panic);
	else if (!b->profile->input.panic)
		diag_hint(argv_warn(b, "no-panic", "input", "hotkey",
				    "a hotkey takes the keys of " INPUT_DEFAULT_PANIC
				    ": nothing gives all devices back in any state of the guest"),
			  "write panic = KEYS");
	chords_finish(&chords);
}

void plan_input_chords(const struct plan *plan, struct chords *chords)
{
	hotkeys_add(chords, &plan->input.hotkeys, plan->input.panic, NULL, NULL);
}

static bool leads_back(const struct chord *chord)
{
	return chord->action == SWITCH_TO_HOST || chord->action == SWITCH_TOGGLE ||
	       chord->action == SWITCH_LET_GO || chord->action == HOTKEY_NEXT;
}

static bool can_be_typed(const struct chord *chord, const struct keyset *keys)
{
	for (unsigned i = 0; i < chord->count; i++) {
		if (!keyset_has(keys, chord->keys[i]))
			return false;
	}
	return true;
}

enum way { WAY_NONE, WAY_UNTYPED, WAY_BACK };

static enum way find_way(const struct plan *plan, const struct keyset *keys)
{
	struct chords chords = { 0 };
	enum way way = WAY_NONE;

	plan_input_chords(plan, &chords);
	for (size_t i = 0; i < chords.count && way != WAY_BACK; i++) {
		if (leads_back(&chords.items[i]))
			way = can_be_typed(&chords.items[i], keys) ? WAY_BACK : WAY_UNTYPED;
	}
	chords_finish(&chords);
	return way;
}

// What the devices at hand come to.
struct at_hand {
	struct keyset keys;   // of all that are shared
	bool shares_keyboard; // one of them is
	bool host_keeps_keyboard;
};

static void check_way_back(struct argv_build *b, const struct at_hand *at_hand)
{
	enum way way = find_way(b->plan, &at_hand->keys);

	if (way == WAY_NONE)
		diag_hint(argv_error(b, "no-way-back", "input", "hotkey",
				     "no hotkey leads from the guest back to the host, and panic is none"),
			  "add one that does, such as hotkey = leftctrl+rightctrl, or leave panic out");
	else if (way == WAY_UNTYPED && at_hand->shares_keyboard && !at_hand->host_keeps_keyboard)
		diag_hint(argv_host_error(b, "no-way-back", "input", "hotkey",
					  "the devices at hand lack keys of each hotkey that leads back to the "
					  "host, and no keyboard stays with it"),
			  "write a hotkey of keys that they have; `vfiorun host --input` shows what a key "
			  "is called");
}

static void say_unfit(struct argv_build *b, const struct input_device *device)
{
	diag_hint(argv_warn(b, "input-unfit", "input", "device", "%s (%s) stays the host's: it is a %s",
			    device->name, device->node, input_class_name(device->classes)),
		  "a gamepad is passed by [usb]; a touchpad can't be shared");
}

static void add_device(struct plan *plan, const struct input_device *device)
{
	struct plan_input *input = MEM_PUSH(plan->inputs, plan->n_inputs);

	*input = (struct plan_input){ .device = mem_dup(input_device_path(device)),
				      .name = mem_dup(device->name),
				      .role = mem_dup(input_class_name(device->classes)),
				      .lost = input_losses(device, plan->input.virtio_host) };
	plan->input.tablet |= input_is_absolute(device);
}

static void look_at(struct argv_build *b, size_t i, struct at_hand *at_hand)
{
	const struct input_wish wish = { &b->plan->input.keyboard, &b->plan->input.mouse,
					 &b->plan->input.device };
	const struct input_device *device = &b->facts->input.devices[i];
	bool keyboard = device->classes & INPUT_CLASS_KEYBOARD;
	enum input_choice choice = input_choose(&wish, &b->facts->input, i);

	if (choice == INPUT_UNFIT)
		say_unfit(b, device);
	if (choice == INPUT_NOT_ASKED || choice == INPUT_UNFIT) {
		at_hand->host_keeps_keyboard |= keyboard && !is_ours(device);
		return;
	}
	add_device(b->plan, device);
	at_hand->shares_keyboard |= keyboard;
	for (size_t k = 0; k < ARRAY_SIZE(at_hand->keys.bits); k++)
		at_hand->keys.bits[k] |= device->bits.keys[k];
}

static void check_named(struct argv_build *b, const char *key, const struct strv *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct selector selector;
		bool found = false;

		selector_parse(list->items[i], &selector, NULL);
		if (selector.kind == SELECTOR_AUTO || selector.kind == SELECTOR_NONE)
			continue;
		for (size_t k = 0; k < b->facts->input.count; k++)
			found |= is_named(&selector, &b->facts->input.devices[k]);
		if (!found)
			diag_hint(argv_warn(b, "input-absent", "input", key, "%s is not there now",
					    list->items[i]),
				  "it is taken when it is plugged in; `vfiorun host --input` shows what is "
				  "there");
		else if (selector.kind == SELECTOR_PATH && strstr(selector.text, "/event") &&
			 !strstr(selector.text, "/by-"))
			diag_hint(argv_warn(b, "input-number", "input", key,
					    "%s is another device after the next boot or plug", list->items[i]),
				  "name it by a link of /dev/input/by-id/ or by name:");
	}
}

static void mend_uinput(const struct argv_build *b, struct diag *diag)
{
	if (b->facts->uinput_error == ENOENT)
		diag_hint(diag, "modprobe uinput");
	else
		diag_hint(diag, "run as root; or KERNEL==\"uinput\", GROUP=\"input\", MODE=\"0660\" in a file of "
				"/etc/udev/rules.d, and usermod -aG input %s",
			  b->facts->self.name ? b->facts->self.name : "USER");
}

static void check_host(struct argv_build *b)
{
	if (!b->facts->live)
		return;
	if (b->facts->uinput_error)
		mend_uinput(b, argv_host_error(b, "no-uinput", "input", "transport", "/dev/uinput can't be used: %s",
					       strerror(b->facts->uinput_error)));
	if (!b->plan->n_inputs)
		diag_hint(argv_warn(b, "no-input", "input", "keyboard", "no keyboard or mouse is there to share"),
			  "those that are plugged in later are taken");
}

void plan_add_inputs(struct argv_build *b)
{
	struct at_hand at_hand = { 0 };

	if (!profile_has_section(b->profile, "input"))
		return;
	fill_wishes(b->profile, b->plan);
	b->plan->input.timeout = b->options->input_timeout;
	choose_panic(b);
	for (size_t i = 0; i < b->facts->input.count; i++)
		look_at(b, i, &at_hand);
	if (b->facts->live) {
		check_named(b, "keyboard", &b->plan->input.keyboard);
		check_named(b, "mouse", &b->plan->input.mouse);
		check_named(b, "device", &b->plan->input.device);
	}
	check_host(b);
	check_way_back(b, &at_hand);
}
