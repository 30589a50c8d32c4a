// SPDX-License-Identifier: MIT
#include "tune/host/route.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/root.h"

#include <stdio.h>
#include <string.h>

enum { TABLE_MAX = 4 << 20, DEPTH_MAX = 8 };

enum { ROUTE_UP = 0x1, ROUTE_REJECT = 0x200 }; // RTF_UP, RTF_REJECT of linux/route.h

// "eth0 00000000 0100A8C0 0003 0 0 100 00000000 0 0 0": interface, destination, gateway, flags, …, mask
static bool is_default_4(const struct strv *words, const char *interface)
{
	uint64_t destination, flags, mask;

	return words->count >= 8 && str_eq(words->items[0], interface) &&
	       str_parse_hex(words->items[1], &destination) && str_parse_hex(words->items[3], &flags) &&
	       str_parse_hex(words->items[7], &mask) && destination == 0 && mask == 0 &&
	       (flags & ROUTE_UP) && !(flags & ROUTE_REJECT);
}

// "DESTINATION LENGTH SOURCE LENGTH HOP METRIC REFERENCES USE FLAGS INTERFACE"
static bool is_default_6(const struct strv *words, const char *interface)
{
	uint64_t length, flags;

	return words->count >= 10 && str_eq(words->items[9], interface) &&
	       strspn(words->items[0], "0") == strlen(words->items[0]) &&
	       str_parse_hex(words->items[1], &length) && length == 0 &&
	       str_parse_hex(words->items[8], &flags) && (flags & ROUTE_UP) && !(flags & ROUTE_REJECT);
}

static bool has_route(struct root *root, const char *interface, const char *table,
		      bool (*is_default)(const struct strv *words, const char *interface))
{
	AUTO_STR struct str text = { 0 };
	AUTO_STRV struct strv lines = { 0 };

	if (root_read_all(root, table, &text, TABLE_MAX) < 0)
		return false;
	strv_split(&lines, str_text(&text), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		AUTO_STRV struct strv words = { 0 };

		strv_split(&words, lines.items[i], " \t");
		if (is_default(&words, interface))
			return true;
	}
	return false;
}

static bool has_default_route(struct root *root, const char *interface)
{
	return has_route(root, interface, "proc/net/route", is_default_4) ||
	       has_route(root, interface, "proc/net/ipv6_route", is_default_6);
}

// The first interface above that has the route; NULL: none.
static char *find_above(struct root *root, const char *interface, int depth)
{
	AUTO_FREE char *path = mem_printf("sys/class/net/%s", interface);
	AUTO_STRV struct strv names = { 0 };
	char *found = NULL;

	if (depth > DEPTH_MAX)
		return NULL;
	root_list(root, path, &names);
	for (size_t i = 0; i < names.count && !found; i++) {
		const char *upper = names.items[i] + strlen("upper_");

		if (!str_starts(names.items[i], "upper_"))
			continue;
		found = has_default_route(root, upper) ? mem_dup(upper) : find_above(root, upper, depth + 1);
	}
	return found;
}

void route_uses(struct root *root, const char *interface, struct strv *uses)
{
	AUTO_FREE char *above = NULL;

	if (has_default_route(root, interface)) {
		strv_addf(uses, "%s has the default route", interface);
		return;
	}
	above = find_above(root, interface, 0);
	if (above)
		strv_addf(uses, "%s carries %s, which has the default route", interface, above);
}
