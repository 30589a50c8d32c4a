// SPDX-License-Identifier: MIT
#include "input/eventname.h"

#include "base/str.h"
#include "input/codename.h"
#include "input/keyname.h"

#include <linux/input-event-codes.h>

static const char *key_word(int32_t value)
{
	return value == 0 ? "up" : value == 1 ? "down" : "repeats";
}

int event_print(uint16_t type, uint16_t code, int32_t value, struct str *out)
{
	const char *name = codename_of(type, code);
	char room[KEYNAME_ROOM];

	if (type == EV_SYN || type == EV_MSC)
		return 0;
	if (type == EV_KEY)
		str_addf(out, "%s %s", keyname_print(code, room), key_word(value));
	else if (name)
		str_addf(out, type == EV_REL ? "%s %+d" : "%s %d", name, value);
	else
		str_addf(out, "type %u code %u value %d", type, code, value);
	return 1;
}
