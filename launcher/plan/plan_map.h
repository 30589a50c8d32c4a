// SPDX-License-Identifier: MIT
// Owns the plan's map: which of its threads runs where on this machine, and what else does. Pure.
#pragma once

struct facts;
struct plan;

// Fills plan->map, once the pins are known.
void plan_draw_map(const struct facts *facts, struct plan *plan);
