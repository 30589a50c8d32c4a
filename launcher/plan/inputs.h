// SPDX-License-Identifier: MIT
// Owns which input devices a guest shares with its host, and what each loses on the way. Pure; asked by
// the planner for those at hand, and by the keeper for each that is plugged in later.
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct argv_build;
struct chords;
struct input_device;
struct input_facts;
struct plan;

// What a guest is told apart by: the selectors of its profile, of which an empty list is the default.
struct input_wish {
	const struct strv *keyboard, *mouse, *device;
};

enum input_choice {
	INPUT_NOT_ASKED, // by no selector
	INPUT_UNFIT,	 // asked for by name, but it can't be shared: touchpads, gamepads
	INPUT_NAMED,	 // asked for by name, or with what was
	INPUT_BY_KIND,	 // auto
};

// Whether the device with this index is shared: it is asked for, or is another node of a device that is.
enum input_choice input_choose(const struct input_wish *wish, const struct input_facts *facts, size_t index);

// It tells where its pointer is (ABS_X): the guest needs a tablet for it.
bool input_is_absolute(const struct input_device *device);

// What does not get through, for people; NULL: nothing. Heap.
char *input_losses(const struct input_device *device, bool virtio_host);

// Fills plan->input and plan->inputs. argv/input.c adds QEMU's side.
void plan_add_inputs(struct argv_build *b);

#define INPUT_DEFAULT_HOTKEY "leftctrl+rightctrl toggle"
#define INPUT_DEFAULT_PANIC  "leftctrl+leftalt+leftshift+esc"

// The plan's hotkeys and its panic as chords; they were checked. `chords` must be finished.
void plan_input_chords(const struct plan *plan, struct chords *chords);
