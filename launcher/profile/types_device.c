// SPDX-License-Identifier: MIT
// Serials, MAC addresses, interface names, port forwards.
#include "launcher/profile/types.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <string.h>

// How long it may be hangs on the bus: checks.c.
void value_parse_serial(const struct profile_key *row, const struct profile_value *value,
			void *field)
{
	(void)row;
	for (const char *c = value->text; *c; c++) {
		if (*c < ' ' || *c > '~' || *c == '"') {
			diag_hint(value_reject(value, "not plain ASCII"),
				  "write letters, digits, and - or _");
			return;
		}
	}
	mem_set(field, *value->text ? value->text : NULL);
}

static bool read_mac(const char *text, unsigned char *mac)
{
	if (strlen(text) != 17)
		return false;
	for (int i = 0; i < 6; i++) {
		const char *at = text + (ptrdiff_t)3 * i;
		char digits[3] = { at[0], at[1], '\0' };
		uint64_t byte;

		if (!isxdigit((unsigned char)at[0]) || !isxdigit((unsigned char)at[1]) ||
		    (i < 5 && at[2] != ':' && at[2] != '-') || !str_parse_hex(digits, &byte))
			return false;
		mac[i] = (unsigned char)byte;
	}
	return true;
}

void value_parse_mac(const struct profile_key *row, const struct profile_value *value, void *field)
{
	static const unsigned char none[6];
	unsigned char mac[6];
	char **out = field;

	(void)row;
	if (!*value->text) {
		mem_set(out, NULL);
	} else if (!read_mac(value->text, mac) || memcmp(mac, none, sizeof(mac)) == 0) {
		diag_hint(value_reject(value, "not a MAC address"),
			  "write six bytes such as 52:54:00:12:34:56, or leave it out: then it "
			  "follows from the names");
	} else if (mac[0] & 1) {
		// IEEE 802: the lowest bit of the first byte marks a group.
		diag_hint(value_reject(value, "a multicast address; no card can have it"),
			  "the first byte must be even: write %02x:%02x:%02x:%02x:%02x:%02x",
			  mac[0] & 0xfe, mac[1], mac[2], mac[3], mac[4], mac[5]);
	} else {
		free(*out);
		*out = mem_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
				  mac[4], mac[5]);
	}
}

// dev_valid_name (Linux, net/core/dev.c, 6.1); % would make the kernel number it.
void value_parse_ifname(const struct profile_key *row, const struct profile_value *value,
			void *field)
{
	const char *text = value->text;

	(void)row;
	if (!*text)
		mem_set(field, NULL);
	else if (strlen(text) >= IFNAMSIZ)
		diag_hint(value_reject(value, "%zu bytes; the kernel allows %d", strlen(text),
				       IFNAMSIZ - 1),
			  "write a shorter name");
	else if (str_eq(text, ".") || str_eq(text, "..") || strpbrk(text, "/:% \t\"'"))
		diag_hint(value_reject(value, "not a name of a network interface"),
			  "write one as `ip link` shows it: letters, digits, - and _");
	else
		mem_set(field, text);
}

// No leading zero: QEMU would read the number as octal.
static bool is_port(const char *text)
{
	int port;

	return text[0] != '0' && str_parse_int(text, &port) && port >= 1 && port <= 65535;
}

// PROTOCOL:[ADDRESS:]HOSTPORT:GUESTPORT
static bool is_forward(const char *text)
{
	AUTO_STRV struct strv parts = { 0 };
	struct in_addr address;
	size_t n;

	strv_split(&parts, text, ":");
	n = parts.count;
	// strv_split drops empty parts, which have no meaning here: count the colons too.
	for (const char *c = text; *c; c++)
		n -= *c == ':';
	if (n != 1 || (parts.count != 3 && parts.count != 4))
		return false;
	if (!str_eq(parts.items[0], "tcp") && !str_eq(parts.items[0], "udp"))
		return false;
	if (parts.count == 4 && inet_pton(AF_INET, parts.items[1], &address) != 1)
		return false;
	return is_port(parts.items[parts.count - 2]) && is_port(parts.items[parts.count - 1]);
}

static void add_forward(const struct profile_key *row, const struct profile_value *value,
			void *forwards)
{
	(void)row;
	if (!is_forward(value->text))
		diag_hint(value_reject(value, "not a forward"),
			  "write tcp:HOSTPORT:GUESTPORT or udp:ADDRESS:HOSTPORT:GUESTPORT; "
			  "tcp:2222:22 leads port 2222 of this host to the guest's 22");
	else if (!strv_has(forwards, value->text))
		strv_add(forwards, value->text);
}

void value_parse_forwards(const struct profile_key *row, const struct profile_value *value,
			  void *field)
{
	value_parse_items(row, value, field, add_forward);
}
