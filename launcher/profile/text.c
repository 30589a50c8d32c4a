// SPDX-License-Identifier: MIT
#include "launcher/profile/text.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/keys.h"

#include <string.h>

// C0 but tab, DEL, and C1 (U+0080 to U+009F), which UTF-8 writes in two bytes.
static bool is_control(const unsigned char *at)
{
	return (at[0] < 0x20 && at[0] != '\t') || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
}

const char *text_check(const char *text, size_t size)
{
	if (!str_is_utf8(text, size))
		return "this is not UTF-8";
	for (size_t i = 0; i < size; i++) {
		if (!text[i])
			return "a NUL byte is in this line";
		if (is_control((const unsigned char *)text + i))
			return "a control character is in this line";
	}
	return NULL;
}

const char *text_skip_mark(const char **text, size_t *size)
{
	if (*size >= 2 && (memcmp(*text, "\xff\xfe", 2) == 0 || memcmp(*text, "\xfe\xff", 2) == 0))
		return "the file is UTF-16";
	if (*size >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0) {
		*text += 3;
		*size -= 3;
	}
	return NULL;
}

char *text_shown(const char *text)
{
	enum { SHOWN_MAX = 60 };
	struct str shown = { 0 };
	size_t n = strnlen(text, SHOWN_MAX);
	AUTO_FREE char *part = NULL;

	while (text[n] && n && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	part = mem_dupn(text, n);
	str_add_escaped(&shown, part);
	if (text[n])
		str_add(&shown, "…");
	return str_take(&shown);
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

// Behind the opening quote; leaves *at behind the closing one.
static bool read_quoted(const char **at, struct str *title)
{
	for (; **at && **at != '"'; (*at)++) {
		if (**at == '\\' && !*++*at)
			return false;
		str_addc(title, **at);
	}
	return *(*at)++ == '"';
}

const char *text_split_header(const char *line, struct str *name, struct str *title, bool *titled)
{
	const char *at = skip_blanks(line + 1);
	size_t n = strcspn(at, " \t\"]");

	str_addn(name, at, n);
	at = skip_blanks(at + n);
	*titled = *at == '"';
	if (*titled) {
		at++;
		if (!read_quoted(&at, title))
			return "the title's quote is not closed";
		at = skip_blanks(at);
	}
	if (*at != ']')
		return *at && !*titled && strchr(at, ']') ? "a title stands in quotes"
							  : "the ] is missing";
	if (!n)
		return "the section has no name";
	return *skip_blanks(at + 1) ? "text stands behind the ]" : NULL;
}

// The dot that ends the title: a key of the section and "=" stand behind it. Failing that, the last
// one before the first "=", so that the key can be named in a message.
static const char *end_of_title(const char *section, const char *rest)
{
	const char *equals = strchr(rest, '=');

	for (const char *dot = strchr(rest, '.'); dot; dot = strchr(dot + 1, '.')) {
		AUTO_FREE char *key = mem_dupn(dot + 1, strcspn(dot + 1, "="));

		if (dot[1 + strlen(key)] == '=' && profile_key_find(section, key))
			return dot;
	}
	return equals ? memrchr(rest, '.', (size_t)(equals - rest)) : NULL;
}

const char *text_split_set(const char *set, struct str *section, struct str *title, struct str *key)
{
	size_t n = strcspn(set, ".:=");
	const char *dot = set + n, *equals;

	str_addn(section, set, n);
	if (*dot == ':') {
		const char *rest = dot + 1;

		dot = end_of_title(section->text, rest);
		if (!dot)
			return NULL;
		str_addn(title, rest, (size_t)(dot - rest));
	}
	if (*dot != '.')
		return NULL;
	equals = strchr(dot, '=');
	if (!equals || equals == dot + 1 || !section->len)
		return NULL;
	str_addn(key, dot + 1, (size_t)(equals - dot - 1));
	return equals + 1;
}

char *path_join(const char *dir, const char *text)
{
	struct str joined = { 0 };
	AUTO_STR struct str whole = { 0 };

	if (text[0] != '/' && dir[0])
		str_addf(&whole, "%s/", dir);
	str_add(&whole, text);
	if (whole.text[0] == '/')
		str_addc(&joined, '/');
	for (const char *at = whole.text + strspn(whole.text, "/"); *at;) {
		size_t n = strcspn(at, "/");

		if (n != 1 || at[0] != '.') {
			if (joined.len && joined.text[joined.len - 1] != '/')
				str_addc(&joined, '/');
			str_addn(&joined, at, n);
		}
		at += n + strspn(at + n, "/");
	}
	return str_take(&joined);
}

char *path_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_dup("");
	return mem_dupn(path, slash == path ? 1 : (size_t)(slash - path));
}
