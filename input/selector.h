// SPDX-License-Identifier: MIT
// Owns the grammar by which a profile names input devices. Refuses to know which devices there are.
//
//	selector = "auto"		all of the kind that the key is for
//		 | "none"
//		 | "/dev/input/…"	a link of by-id or by-path, or a node
//		 | VVVV:PPPP		vendor and product, hexadecimal
//		 | "name:" TEXT | "phys:" TEXT | "uniq:" TEXT	as `vfiorun host --input` shows them;
//			a "*" at the end stands for any rest
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;

enum selector_kind {
	SELECTOR_AUTO,
	SELECTOR_NONE,
	SELECTOR_PATH,
	SELECTOR_ID,
	SELECTOR_NAME,
	SELECTOR_PHYS,
	SELECTOR_UNIQ,
};

struct selector {
	enum selector_kind kind;
	const char *text; // borrowed: what stands behind the word, or the path
	uint16_t vendor, product;
};

// `text` must live as long as the result. Returns 0 or -EINVAL with a message that says what to write.
int selector_parse(const char *text, struct selector *out, struct err *err);

// SELECTOR_NAME and its like: whether the value is what the selector says.
bool selector_takes_text(const struct selector *selector, const char *value);
