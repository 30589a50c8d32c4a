// SPDX-License-Identifier: MIT
// Addresses of PCI devices, UUIDs, systemd units and kernel modules.
#include "launcher/profile/types.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/profile.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

// A hexadecimal number of `least` to `most` digits at *at, below `limit`; moves on.
static bool read_hex(const char **at, size_t least, size_t most, unsigned limit)
{
	size_t n = strspn(*at, "0123456789abcdefABCDEF");
	AUTO_FREE char *digits = mem_dupn(*at, n);
	uint64_t value;

	if (n < least || n > most || !str_parse_hex(digits, &value) || value >= limit)
		return false;
	*at += n;
	return true;
}

static bool read_char(const char **at, char c)
{
	return *(*at)++ == c;
}

// "06:00.0": 256 buses of 32 slots of 8 functions.
static bool is_short_address(const char *text)
{
	return read_hex(&text, 2, 2, 256) && read_char(&text, ':') && read_hex(&text, 2, 2, 32) &&
	       read_char(&text, '.') && read_hex(&text, 1, 1, 8) && !*text;
}

// Domains have four digits, those behind Intel's VMD five (Linux, drivers/pci/controller/vmd.c).
static bool is_address(const char *text)
{
	return read_hex(&text, 4, 6, 1u << 24) && read_char(&text, ':') && is_short_address(text);
}

static bool is_pair_of_ids(const char *text)
{
	return read_hex(&text, 4, 4, 1u << 16) && read_char(&text, ':') &&
	       read_hex(&text, 4, 4, 1u << 16) && !*text;
}

bool title_is_pci(const char *title)
{
	return is_short_address(title) || is_address(title) || is_pair_of_ids(title);
}

static bool read_number(const char **text)
{
	size_t n = strspn(*text, "0123456789");

	*text += n;
	return n >= 1 && n <= 3;
}

// "1-2.3": the bus, then the port on each hub of the way (Linux 6.1, drivers/usb/core/usb.c, usb_alloc_dev).
static bool is_usb_port(const char *text)
{
	bool good = read_number(&text) && read_char(&text, '-') && read_number(&text);

	while (good && *text)
		good = read_char(&text, '.') && read_number(&text);
	return good;
}

bool title_is_usb(const char *title)
{
	return is_pair_of_ids(title) || (strlen(title) < 32 && is_usb_port(title));
}

bool title_is_uuid(const char *title)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; i < sizeof(shape); i++) {
		if (shape[i] == 'x' ? !isxdigit((unsigned char)title[i]) : title[i] != shape[i])
			return false;
	}
	return true;
}

// unit_name_is_valid (systemd, src/basic/unit-name.c): 255 bytes of these; a suffix is ours to add.
static bool is_unit(const char *text)
{
	return isalnum((unsigned char)text[0]) && strlen(text) <= 240 &&
	       !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  ":-_.\\@")];
}

static bool has_suffix(const char *text)
{
	static const char *const suffixes[] = { ".service", ".socket", ".target", ".timer", ".slice",
						".scope",   ".mount",  ".path",	  ".swap" };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (str_ends(text, suffixes[i]))
			return true;
	}
	return false;
}

// The unit on the heap; NULL: it is none, which was reported.
static char *read_unit(const struct profile_value *value)
{
	if (is_unit(value->text))
		return mem_printf("%s%s", value->text, has_suffix(value->text) ? "" : ".service");
	diag_hint(value_reject(value, "not a systemd unit"),
		  "write one as `systemctl list-units` shows it, such as gdm.service");
	return NULL;
}

void value_parse_unit(const struct profile_key *row, const struct profile_value *value, void *field)
{
	AUTO_FREE char *unit = NULL;
	char **out = field;

	(void)row;
	if (!*value->text || strcasecmp(value->text, "none") == 0) {
		mem_set(out, NULL);
		return;
	}
	unit = strcasecmp(value->text, "auto") == 0 ? mem_dup("auto") : read_unit(value);
	if (!unit)
		return;
	free(*out);
	*out = take(unit);
}

static void add_unit(const struct profile_key *row, const struct profile_value *value, void *units)
{
	AUTO_FREE char *unit = read_unit(value);

	(void)row;
	if (unit && !strv_has(units, unit))
		strv_add(units, unit);
}

void value_parse_units(const struct profile_key *row, const struct profile_value *value, void *field)
{
	value_parse_items(row, value, field, add_unit);
}

bool bar_size_parse(const char *text, int *bar, uint64_t *size)
{
	if (*text < '0' || *text > '5' || text[1] != ':' || !str_parse_size(text + 2, size) || *size < 1 << 20 ||
	    (*size & (*size - 1)))
		return false;
	*bar = *text - '0';
	return true;
}

static void add_bar_size(const struct profile_key *row, const struct profile_value *value, void *sizes)
{
	const struct strv *list = sizes;
	uint64_t size;
	int bar;

	(void)row;
	if (!bar_size_parse(value->text, &bar, &size)) {
		diag_hint(value_reject(value, "not a BAR and its size"),
			  "write the number of the BAR, 0 to 5, and a power of two of at least 1M: 1:16G");
		return;
	}
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i][0] == value->text[0]) {
			diag_hint(value_reject(value, "named twice"), "leave one of the sizes of BAR %d out", bar);
			return;
		}
	}
	strv_add(sizes, value->text);
}

void value_parse_bar_sizes(const struct profile_key *row, const struct profile_value *value, void *field)
{
	value_parse_items(row, value, field, add_bar_size);
}

// The kernel takes - and _ for the same and shows the latter; MODULE_NAME_LEN is 56 bytes.
static void add_module(const struct profile_key *row, const struct profile_value *value, void *modules)
{
	AUTO_FREE char *name = mem_dup(value->text);
	bool good = strlen(name) < 56;

	(void)row;
	for (char *c = name; *c; c++) {
		*c = *c == '-' ? '_' : *c;
		good &= isalnum((unsigned char)*c) || *c == '_';
	}
	if (!good)
		diag_hint(value_reject(value, "not a kernel module"),
			  "write names as `lsmod` shows them, those that use others first: "
			  "nvidia_drm nvidia_modeset nvidia");
	else if (!strv_has(modules, name))
		strv_add(modules, name);
}

void value_parse_modules(const struct profile_key *row, const struct profile_value *value, void *field)
{
	struct modules_request *out = field;
	bool none = strcasecmp(value->text, "none") == 0;

	if (none || !*value->text || strcasecmp(value->text, "auto") == 0) {
		strv_finish(&out->names);
		out->mode = none ? CPUS_NONE : CPUS_AUTO;
		return;
	}
	out->mode = CPUS_LIST;
	value_parse_items(row, value, &out->names, add_module);
}
