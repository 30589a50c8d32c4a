// SPDX-License-Identifier: MIT
// Owns made-up hosts with PCI devices, from words, and what a profile's devices come to on them.
#pragma once

#include "base/diag.h"
#include "launcher/facts/facts.h"
#include "launcher/plan/plan.h"
#include "launcher/profile/profile.h"

struct world {
	struct profile profile;
	struct facts facts;
	struct plan_options options;
	struct plan plan;
	struct diags diags;
};

// A live host whose IOMMU is on, seen by root; QEMU runs as joe (1000, 1000). A device a line, by address:
//
//	0000:06:00.0 030000 10de:13c2 group=13 driver=nouveau reset=flr,bus node=1 boot_vga override=NAME vfs=2
//	physical=ADDRESS parent=ADDRESS stuck dead bridge use=WORDS_WITH_UNDERLINES user=name:pid
//	bar1=e0000000-efffffff
//
// what is not said is: no group, no driver, reset by flr, node 0.
void world_make(struct world *world, const char *devices);
void world_finish(struct world *world);

// Reads the profile behind a head of [vm], chooses, and lays the changes out. May be called again.
void world_plan(struct world *world, const char *profile);

// What came out, a line each: "pass ADDRESS", "hold ADDRESS", "KIND PATH: WAS -> WANT", "error CODE",
// "warning CODE".
void world_check(struct world *world, const char *profile, const char *expected);
// A diagnostic with this code has each of these words (separated by "|") in its text or hint.
void world_expect(const struct world *world, const char *code, const char *words);

// Adds a USB bus with one device: what is "keyboard", "mouse", "both", or a use of a disk on it.
void world_add_usb(struct world *world, const char *controller, const char *what);
