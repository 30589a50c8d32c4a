// SPDX-License-Identifier: MIT
// Owns the question what of a guest's needs this user may not open, on the live machine, and which guests died and
// left something. Refuses to open anything: a device may act on that.
#pragma once

struct facts;
struct openings;
struct paths;

// Wants the facts' input devices.
void openings_read(const struct paths *paths, struct facts *facts);
void openings_finish(struct openings *openings);
