// SPDX-License-Identifier: MIT
#include "input/keyname.h"

#include "base/str.h"
#include "input/codename.h"

#include <ctype.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>

// Ends of the range, not keys.
static bool is_key(int code)
{
	return code > KEY_RESERVED && code < KEY_MAX;
}

static int parse_upper(const char *prefix, const char *name)
{
	char full[KEYNAME_ROOM + 8];
	int code;

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	code = codename_find(EV_KEY, full);
	return is_key(code) ? code : -1;
}

int keyname_parse(const char *name)
{
	char upper[KEYNAME_ROOM];
	size_t len = strlen(name);
	int code;

	if (len == 0 || len >= sizeof(upper))
		return -1;
	for (size_t i = 0; i <= len; i++)
		upper[i] = (char)toupper((unsigned char)name[i]);
	if (str_starts(upper, "KEY_") && str_parse_int(upper + 4, &code) && is_key(code) &&
	    !codename_of(EV_KEY, (unsigned)code))
		return code;
	code = parse_upper("KEY_", upper);
	return code < 0 ? parse_upper("", upper) : code;
}

const char *keyname_print(unsigned code, char out[KEYNAME_ROOM])
{
	const char *name = codename_of(EV_KEY, code);

	if (!name)
		snprintf(out, KEYNAME_ROOM, "key_%u", code);
	else
		snprintf(out, KEYNAME_ROOM, "%s", str_starts(name, "KEY_") ? name + 4 : name);
	for (char *c = out; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return out;
}

const char *keyname_nearest(const char *name, char out[KEYNAME_ROOM])
{
	static char names[KEY_MAX][KEYNAME_ROOM];
	const char *candidates[KEY_MAX], *nearest;
	size_t count = 0;

	for (unsigned code = KEY_RESERVED + 1; code < KEY_MAX; code++)
		if (codename_of(EV_KEY, code))
			candidates[count++] = keyname_print(code, names[code]);
	nearest = str_nearest(name, candidates, count);
	if (!nearest)
		return NULL;
	snprintf(out, KEYNAME_ROOM, "%s", nearest);
	return out;
}
