// SPDX-License-Identifier: MIT
#include "input/selector.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

static const struct {
	const char *prefix;
	enum selector_kind kind;
	bool whole; // nothing follows
} words[] = {
	{ "auto", SELECTOR_AUTO, true },   { "none", SELECTOR_NONE, true },
	{ "name:", SELECTOR_NAME, false }, { "phys:", SELECTOR_PHYS, false },
	{ "uniq:", SELECTOR_UNIQ, false },
};

static bool parse_word(const char *text, struct selector *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i].prefix);

		if (strncmp(text, words[i].prefix, n) != 0 || (text[n] == '\0') != words[i].whole)
			continue;
		out->kind = words[i].kind;
		out->text = text + n;
		return true;
	}
	return false;
}

static bool parse_hex16(const char *text, uint16_t *out)
{
	uint64_t value;
	char digits[5];

	for (int i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)text[i]))
			return false;
		digits[i] = text[i];
	}
	digits[4] = '\0';
	if (!str_parse_hex(digits, &value))
		return false;
	*out = (uint16_t)value;
	return true;
}

static bool parse_id(const char *text, struct selector *out)
{
	if (strlen(text) != 9 || text[4] != ':' || !parse_hex16(text, &out->vendor) ||
	    !parse_hex16(text + 5, &out->product))
		return false;
	out->kind = SELECTOR_ID;
	return true;
}

static bool parse_path(const char *text, struct selector *out)
{
	if (!str_starts(text, "/dev/input/") || strstr(text, "/../") || str_ends(text, "/"))
		return false;
	out->kind = SELECTOR_PATH;
	return true;
}

int selector_parse(const char *text, struct selector *out, struct err *err)
{
	*out = (struct selector){ .text = text };
	if (parse_word(text, out) || parse_id(text, out) || parse_path(text, out))
		return 0;
	err_set(err, -EINVAL, "names no input device");
	return err_hint(err, "write auto, none, a link of /dev/input/by-id/, VVVV:PPPP, or name:, phys: or "
			     "uniq: and its text; `vfiorun host --input` shows them");
}

bool selector_takes_text(const struct selector *selector, const char *value)
{
	size_t n = strlen(selector->text);

	if (n && selector->text[n - 1] == '*')
		return strncmp(selector->text, value, n - 1) == 0;
	return strcmp(selector->text, value) == 0;
}
