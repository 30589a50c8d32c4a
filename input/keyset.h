// SPDX-License-Identifier: MIT
// Owns the set of keys and buttons (KEY_* and BTN_* codes), copied by assignment. Refuses to know
// what a key is called or does.
#pragma once

#include <linux/input-event-codes.h>
#include <stdbool.h>
#include <stdint.h>

// On a little-endian machine this is what EVIOCGKEY and EVIOCGBIT(EV_KEY) fill in: bit n is code n.
struct keyset {
	uint64_t bits[KEY_CNT / 64];
};

_Static_assert(KEY_CNT % 64 == 0, "the last word of a keyset is whole");

static inline bool keyset_has(const struct keyset *set, unsigned code)
{
	return code < KEY_CNT && (set->bits[code / 64] >> code % 64 & 1);
}

static inline void keyset_add(struct keyset *set, unsigned code)
{
	set->bits[code / 64] |= UINT64_C(1) << code % 64;
}

static inline void keyset_remove(struct keyset *set, unsigned code)
{
	set->bits[code / 64] &= ~(UINT64_C(1) << code % 64);
}

static inline bool keyset_is_empty(const struct keyset *set)
{
	for (unsigned i = 0; i < KEY_CNT / 64; i++)
		if (set->bits[i])
			return false;
	return true;
}

// What is in a and not in b.
static inline struct keyset keyset_without(struct keyset a, const struct keyset *b)
{
	for (unsigned i = 0; i < KEY_CNT / 64; i++)
		a.bits[i] &= ~b->bits[i];
	return a;
}

// The first code > after, or -1.
static inline int keyset_next(const struct keyset *set, int after)
{
	for (unsigned code = (unsigned)(after + 1); code < KEY_CNT; code = (code / 64 + 1) * 64) {
		uint64_t rest = set->bits[code / 64] >> code % 64;

		if (rest)
			return (int)code + __builtin_ctzll(rest);
	}
	return -1;
}

// The set may lose the code that it is at.
#define KEYSET_FOREACH(code, set) \
	for (int code = keyset_next((set), -1); code >= 0; code = keyset_next((set), code))
