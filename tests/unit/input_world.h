// SPDX-License-Identifier: MIT
// A world for the input switch: keyboards and a mouse that are really pressed, plugged and unplugged, a
// kernel that filters, grabs and drops as evdev does, a host and a guest that note what reaches them,
// and processes that die. After each step it checks what must always hold, and aborts with a message
// where it does not. It draws every choice from the caller: random numbers, or a fuzzer's bytes.
#pragma once

#include <stdint.h>

struct world;

// 0 … n - 1
typedef unsigned world_choose(void *context, unsigned n);

struct world *world_new(world_choose *choose, void *context);
void world_free(struct world *world);

// One thing happens, or one thing and what it leads to.
void world_step(struct world *world);

// Everybody lets go of all keys, and time passes: then nothing may be down anywhere.
void world_rest(struct world *world);

struct world_counts {
	uint64_t steps, switches, chords, unplugs, drops, deaths, let_gos, unseen_chords;
};
const struct world_counts *world_get_counts(const struct world *world);
