// SPDX-License-Identifier: MIT
// Owns the names of event codes, as <linux/input-event-codes.h> has them. They are libevdev's, which is loaded when
// the first one is asked for: most guests share no keyboard. Without it there are no names, which is logged once.
#pragma once

const char *codename_of(unsigned type, unsigned code); // NULL: none
int codename_find(unsigned type, const char *name);    // the code, or -1
