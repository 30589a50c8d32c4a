// SPDX-License-Identifier: MIT
// Owns the decision where each input event goes: to the host or to the guest, so that no key is lost,
// repeated, or left down on the side that no longer has the keyboard. Pure: events and time in; routed
// events, grabs and hotkeys out. Refuses descriptors, clocks, libevdev, and to know what a guest is.
//
// The two sides. A real device is grabbed (EVIOCGRAB) all the time that the switch is in charge of it,
// also while the host has the input; the host then reads a uinput clone of that device, and the guest
// reads uinput devices that live as long as it does. The other design, to grab only while the guest has
// the input, costs the host no hop, but cannot keep the promises: the host would see a hotkey's keys
// before it can be known that they make one, and a grab that begins between two events of a key leaves
// that key down in whoever read the device (EVIOCGRAB tells the other readers nothing: drivers/input/
// evdev.c, Linux 6.1). What the choice costs: one read and one write per report for the host too, and
// the clones must carry name, bus, vendor, product and version of the original, so that the desktop's
// settings for it still apply. Multitouch devices are refused: touchpads stay the host's.
//
// What goes where
//  - A report (the events up to SYN_REPORT) is taken as a whole and never split between the sides.
//  - To the host, each device's events go to its own clone. The guest has one keyboard: a key that is
//    down on two devices goes down once and up when the last is released.
//  - EV_SW (lid, tablet mode) always goes to the host. EV_LED, EV_SND and EV_REP of a device are what
//    somebody told it, and go nowhere.
//  - Auto-repeat (value 2) follows its key, so clones must have no EV_REP of their own.
//  - An absolute axis that changed while the other side had the device is sent when a side gets it.
//
// Switching. Keys that are down on the side that is left may be released there first: the switch waits
// for it at most wait_us, and ends at once with the next press, which is meant for the other side. What
// is then still down is released there, and pressed on the new side where keep_held has it. All else
// that stays physically down is dead until it is pressed anew.
//
// Hotkeys. The press that completes a chord is never seen by anyone, nor is anything of its keys until
// each was released and pressed again. For the keys pressed before it there is a choice, hold_us:
//  - Until it is clear whether they belong to a chord they are held back: at most hold_us, and no
//    longer than until one of them is released, a key that no chord wants next is pressed, or a wheel
//    turned. They are then delivered, in order, or, if the chord completes, never. So a chord that
//    begins from rest with a modifier and is complete within hold_us is never seen by anyone.
//  - A key is held back only from rest, that is while the side has no key down: who runs with W held
//    waits for no Ctrl, and a stuck key delays nothing. And only a modifier begins a chord that has
//    one: with leftmeta+u as a hotkey no u is late. (Pressed before the Meta, it is seen.)
//  - Keys that a side has seen already (hold_us passed, not held back, or hold_us is 0) are released on
//    that side before the hotkey does anything: it sees whole presses, though of a part of the chord.
// The cost is that a key which begins a chord, pressed alone from rest, comes up to hold_us late.
//
// Letting go: SWITCH_LET_GO, for panic and for the end, releases everything on the side that has it and
// ungrabs every device, in whatever state things are. Devices are observed from then on, no hotkey
// works, and only another command takes them again.
#pragma once

#include "input/keyset.h"

#include <stddef.h>

struct chords;
struct switch_engine;

enum switch_side { SWITCH_HOST, SWITCH_GUEST };

struct switch_event {
	uint16_t type, code; // <linux/input-event-codes.h>
	int32_t value;
};

// Commands, and the actions of chords with these numbers; a chord's other actions are the caller's.
enum switch_command {
	SWITCH_TO_HOST,
	SWITCH_TO_GUEST,
	SWITCH_TOGGLE,
	SWITCH_LET_GO,
	SWITCH_COMMANDS, // the first number that is free for actions
};

enum switch_notice_kind {
	SWITCH_NOTICE_SIDE,    // `side` has the input now
	SWITCH_NOTICE_LET_GO,  // no device is grabbed any more: the host has them all
	SWITCH_NOTICE_STUCK,   // `key` of `device` was released by us after the time limit
	SWITCH_NOTICE_REFUSED, // the guest was asked for and is not ready
	SWITCH_NOTICE_ACTION,  // a chord with this `action` (≥ SWITCH_COMMANDS) was pressed
};

struct switch_notice {
	enum switch_notice_kind kind;
	enum switch_side side;
	int device;
	unsigned key;
	int action;
};

// Where results go. No function here may call the engine. Events come in whole reports: those of one
// side and device up to SYN_REPORT, with no other event between.
struct switch_sink {
	void *context;

	void (*event)(void *context, enum switch_side side, int device,
		      const struct switch_event *event);

	// Writes into the real device: LEDs, and key-ups. A key-up written to an evdev node clears the
	// key in the kernel, tells whoever reads the device, and makes the true release that follows
	// silent (input_handle_event, drivers/input/input.c): before a grab it releases what the host
	// saw go down, before an ungrab it spares the host a release of what it never saw.
	void (*write_back)(void *context, int device, const struct switch_event *event);

	// EVIOCGRAB on or off. On: after the grab, EVIOCGKEY is read, which also empties the queue of
	// key events from before the grab (evdev_handle_get_val), and the rest of the queue, and what
	// was read and not fed yet, is dropped: the host had it. Is a key down, whose press the host
	// may have seen, the grab is undone, `held` filled and -EAGAIN returned: the device is grabbed
	// once it is up, or after wait_us. Returns 0 or another -errno; then it is tried again after
	// SWITCH_RETRY_US, and whenever the last key of the device comes up. Off: `held` is NULL and
	// what is returned does not matter.
	int (*grab)(void *context, int device, bool on, struct keyset *held);

	void (*notice)(void *context, const struct switch_notice *notice);
};

#define SWITCH_RETRY_US 1000000
#define SWITCH_NEVER	UINT64_MAX

struct switch_config {
	uint64_t hold_us; // 0: never hold back; SWITCH_NEVER: as long as it is undecided
	uint64_t wait_us; // how long a switch, or a first grab, waits for keys to be released
	struct keyset keep_held;
};

// Long enough for fingers that mean a chord, short for one that meant Ctrl.
#define SWITCH_CONFIG_DEFAULT { .hold_us = 200000, .wait_us = 500000 }

// In charge, the host has the input, the guest is not ready, no devices. `chords` is borrowed. The
// caller frees with switch_free, which sends nothing: SWITCH_LET_GO comes before it.
struct switch_engine *switch_new(const struct switch_config *config, const struct chords *chords,
				 const struct switch_sink *sink);
void switch_free(struct switch_engine *engine);

// All below take the time in µs of a clock that does not jump; a time before the last one counts as
// the last one. What was due by then is done first, so that late calls of switch_tick change nothing,
// but that a device whose first grab is due is the host's until then.

struct switch_device {
	struct keyset held; // down now (EVIOCGKEY)
	uint16_t has_leds, lit_leds; // bit n is LED code n
	bool is_multitouch; // has ABS_MT_SLOT
};

// A device appeared; `device` is any number that no present device has. It is grabbed as soon as all
// its keys are up, or wait_us passed: then they are released for the host and it is grabbed all the
// same. Returns 0, -EEXIST, or -ENOTSUP: multitouch.
int switch_add(struct switch_engine *engine, uint64_t now, int device,
	       const struct switch_device *what);

// A device is gone: what it holds down is released. A report that was begun is dropped. A device that
// is not there is none too many.
void switch_remove(struct switch_engine *engine, uint64_t now, int device);

// The next event of a device, SYN_REPORT included. After SYN_DROPPED all events are ignored until
// switch_sync. A report of more than SWITCH_REPORT_MAX events counts as two.
enum { SWITCH_REPORT_MAX = 1024 };
void switch_feed(struct switch_engine *engine, uint64_t now, int device,
		 const struct switch_event *event);

// What EVIOCGKEY says after SYN_DROPPED: what was released is released, then what was pressed is
// pressed, in the order of codes, and may complete a chord. Absolute axes and switches are fed as a
// report afterwards.
void switch_sync(struct switch_engine *engine, uint64_t now, int device, const struct keyset *held);

// A side lit or put out a LED: the host on the clone of this device, the guest on its only keyboard
// (`device` is not looked at). The device shows what the side says that has the input; where a guest
// never said anything of a LED, what the host says. What is lit natively while a device is not grabbed
// is learnt from its own events.
void switch_set_led(struct switch_engine *engine, uint64_t now, enum switch_side side, int device,
		    unsigned led, bool on);

// Whether the guest reads its devices (QEMU holds its grab). Nothing goes to it before. A guest that is
// lost loses the input to the host at once, and its LEDs are forgotten.
void switch_set_guest_ready(struct switch_engine *engine, uint64_t now, bool ready);

void switch_command(struct switch_engine *engine, uint64_t now, enum switch_command command);

// Does what is due. switch_deadline says when that will next be, SWITCH_NEVER: not before an event.
void switch_tick(struct switch_engine *engine, uint64_t now);
uint64_t switch_deadline(const struct switch_engine *engine);

// A switch is asked for and not made yet.
bool switch_is_waiting(const struct switch_engine *engine);
enum switch_side switch_get_side(const struct switch_engine *engine);
