// SPDX-License-Identifier: MIT
// Owns how an event is shown to people. Refuses to be read back.
#pragma once

#include <stdint.h>

struct str;

// "leftctrl down", "REL_X +3", "ABS_X 120". Appends nothing, and returns 0, for what only carries the others:
// EV_SYN, EV_MSC.
int event_print(uint16_t type, uint16_t code, int32_t value, struct str *out);
