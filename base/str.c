// SPDX-License-Identifier: MIT
#include "base/str.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void str_finish(struct str *s)
{
	free(s->text);
	*s = (struct str){ 0 };
}

static void reserve(struct str *s, size_t more)
{
	size_t need = s->len + more + 1, twice = s->room ? s->room * 2 : 64;

	if (need <= s->room)
		return;
	s->room = need < twice ? twice : need;
	s->text = mem_resize(s->text, s->room, 1);
}

char *str_room(struct str *s, size_t *size)
{
	if (s->room < s->len + 1 + *size)
		reserve(s, *size);
	s->text[s->len] = '\0';
	*size = s->room - s->len - 1;
	return s->text + s->len;
}

void str_wrote(struct str *s, size_t n)
{
	s->len += n;
	s->text[s->len] = '\0';
}

void str_addn(struct str *s, const char *text, size_t n)
{
	reserve(s, n);
	if (n)
		memcpy(s->text + s->len, text, n);
	s->len += n;
	s->text[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
	str_addn(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
	str_addn(s, &c, 1);
}

void str_addv(struct str *s, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n <= 0) {
		reserve(s, 0);
		s->text[s->len] = '\0';
		return;
	}
	reserve(s, (size_t)n);
	vsnprintf(s->text + s->len, (size_t)n + 1, fmt, ap);
	s->len += (size_t)n;
}

void str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str_addv(s, fmt, ap);
	va_end(ap);
}

const char *str_text(const struct str *s)
{
	return s->text ? s->text : "";
}

char *str_take(struct str *s)
{
	char *text = s->text ? s->text : mem_dup("");

	*s = (struct str){ 0 };
	return text;
}

void strv_finish(struct strv *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct strv){ 0 };
}

void strv_take(struct strv *v, char *text)
{
	// one more for the NULL at the end
	if ((v->count & (v->count + 1)) == 0)
		v->items = mem_resize(v->items, (v->count + 1) * 2, sizeof(*v->items));
	v->items[v->count++] = text;
	v->items[v->count] = NULL;
}

void strv_add(struct strv *v, const char *text)
{
	strv_take(v, mem_dup(text));
}

void strv_addf(struct strv *v, const char *fmt, ...)
{
	struct str s = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&s, fmt, ap);
	va_end(ap);
	strv_take(v, str_take(&s));
}

void strv_copy(struct strv *v, const struct strv *from)
{
	for (size_t i = 0; i < from->count; i++)
		strv_add(v, from->items[i]);
}

bool strv_has(const struct strv *v, const char *text)
{
	for (size_t i = 0; i < v->count; i++) {
		if (strcmp(v->items[i], text) == 0)
			return true;
	}
	return false;
}

void strv_split(struct strv *v, const char *text, const char *seps)
{
	while (*text) {
		size_t n = strcspn(text, seps);
		AUTO_FREE char *part = mem_dupn(text, n);
		const char *kept = str_strip(part);

		if (*kept)
			strv_add(v, kept);
		text += n;
		if (*text)
			text++;
	}
}

bool str_parse_u64(const char *text, uint64_t *out)
{
	uint64_t value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return false;
	}
	*out = value;
	return true;
}

bool str_parse_int(const char *text, int *out)
{
	bool negative = *text == '-';
	uint64_t value;

	if (!str_parse_u64(text + negative, &value) || value > INT_MAX)
		return false;
	*out = negative ? -(int)value : (int)value;
	return true;
}

bool str_parse_hex(const char *text, uint64_t *out)
{
	uint64_t value = 0;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	if (!*text || strlen(text) > 16)
		return false;
	for (; *text; text++) {
		int c = tolower((unsigned char)*text);

		if (!isxdigit(c))
			return false;
		value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*out = value;
	return true;
}

bool str_parse_bool(const char *text, bool *out)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = { { "yes", true }, { "on", true },	 { "true", true },
		      { "no", false }, { "off", false }, { "false", false } };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(text, words[i].word) == 0) {
			*out = words[i].value;
			return true;
		}
	}
	return false;
}

static unsigned size_shift(char unit)
{
	switch (toupper((unsigned char)unit)) {
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	case 'T':
		return 40;
	default:
		return 0;
	}
}

// Up to three decimals, since "1.5G" is what people write. Kilobytes must come to whole bytes; of larger
// units the fraction of a byte is dropped.
bool str_parse_size(const char *text, uint64_t *out)
{
	size_t n = strlen(text);
	unsigned shift = n ? size_shift(text[n - 1]) : 0;
	AUTO_FREE char *number = mem_dupn(text, shift ? n - 1 : n);
	char *dot = strchr(number, '.');
	uint64_t whole, fraction = 0, scale = 1, part;

	if (dot) {
		*dot++ = '\0';
		if (!shift || strlen(dot) > 3 || !str_parse_u64(dot, &fraction))
			return false;
		for (size_t i = 0; i < strlen(dot); i++)
			scale *= 10;
	}
	if (!str_parse_u64(number, &whole) || (shift && whole >> (64 - shift)))
		return false;
	part = fraction << shift;
	if (part % scale && shift == 10)
		return false;
	*out = (whole << shift) + part / scale;
	return true;
}

bool str_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);

	return n >= m && strcmp(text + n - m, suffix) == 0;
}

bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

char *str_strip(char *text)
{
	size_t n;

	text += strspn(text, " \t\r\n");
	n = strlen(text);
	while (n && strchr(" \t\r\n", text[n - 1]))
		n--;
	text[n] = '\0';
	return text;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

enum { WORD_MAX = 63 };

static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 2];
	size_t n = strlen(a), m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = rows[i % 3], *up = rows[(i + 2) % 3], *upup = rows[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			now[j] = min3(up[j] + 1, now[j - 1] + 1,
				      up[j - 1] + (tolower((unsigned char)a[i - 1]) !=
						   tolower((unsigned char)b[j - 1])));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    upup[j - 2] + 1 < now[j])
				now[j] = upup[j - 2] + 1;
		}
	}
	return rows[n % 3][m];
}

const char *str_nearest(const char *word, const char *const *candidates, size_t count)
{
	const char *best = NULL;
	unsigned least = (unsigned)strlen(word) / 3 + 1;

	for (size_t i = 0; i < count; i++) {
		unsigned d = distance(word, candidates[i]);

		if (d < least || (d == least && !best)) {
			least = d;
			best = candidates[i];
		}
	}
	return best;
}

void str_add_escaped(struct str *s, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\t')
			str_add(s, "\\t");
		else if (c == '\n')
			str_add(s, "\\n");
		else if (c == '\r')
			str_add(s, "\\r");
		else if (c == '\\')
			str_add(s, "\\\\");
		else if (c < 0x20 || c == 0x7f)
			str_addf(s, "\\x%02x", c);
		else
			str_addc(s, (char)c);
	}
}

static bool unescape_hex(const char *text, struct str *out)
{
	char digits[3] = { text[0], text[0] ? text[1] : '\0', '\0' };
	uint64_t value;

	if (strlen(digits) != 2 || !isxdigit((unsigned char)digits[0]) ||
	    !isxdigit((unsigned char)digits[1]) || !str_parse_hex(digits, &value) || !value)
		return false;
	str_addc(out, (char)value);
	return true;
}

bool str_unescape(const char *text, struct str *out)
{
	for (; *text; text++) {
		if (*text != '\\') {
			str_addc(out, *text);
			continue;
		}
		switch (*++text) {
		case 't':
			str_addc(out, '\t');
			break;
		case 'n':
			str_addc(out, '\n');
			break;
		case 'r':
			str_addc(out, '\r');
			break;
		case '\\':
			str_addc(out, '\\');
			break;
		case 'x':
			if (!unescape_hex(text + 1, out))
				return false;
			text += 2;
			break;
		default:
			return false;
		}
	}
	return true;
}

// The length of the sequence at p (RFC 3629, section 4), 0 where there is none.
static size_t utf8_length(const unsigned char *p, size_t size)
{
	unsigned char least = 0x80, most = 0xbf;
	size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (p[0] > 0xf4 || length > size)
		return 0;
	if (p[0] == 0xe0)
		least = 0xa0;
	else if (p[0] == 0xf0)
		least = 0x90;
	else if (p[0] == 0xed)
		most = 0x9f;
	else if (p[0] == 0xf4)
		most = 0x8f;
	for (size_t i = 1; i < length; i++) {
		if (p[i] < least || p[i] > most)
			return 0;
		least = 0x80;
		most = 0xbf;
	}
	return length;
}

bool str_is_utf8(const char *text, size_t size)
{
	for (size_t at = 0, length; at < size; at += length) {
		length = utf8_length((const unsigned char *)text + at, size - at);
		if (!length)
			return false;
	}
	return true;
}

void str_add_utf8(struct str *s, const char *text)
{
	size_t size = strlen(text);

	for (size_t at = 0; at < size;) {
		size_t length = utf8_length((const unsigned char *)text + at, size - at);

		if (length)
			str_addn(s, text + at, length);
		else
			str_add(s, "\xef\xbf\xbd");
		at += length ? length : 1;
	}
}

void str_add_shell_quoted(struct str *s, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_-+=.,:/@%";

	if (*text && !text[strspn(text, plain)]) {
		str_add(s, text);
		return;
	}
	str_addc(s, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			str_add(s, "'\\''");
		else
			str_addc(s, *text);
	}
	str_addc(s, '\'');
}

bool str_is_name(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.-";
	size_t n = strlen(text);

	return n >= 1 && n <= 63 && strspn(text, allowed) == n && !strchr("_.-", text[0]);
}

void str_add_size(struct str *s, uint64_t bytes)
{
	static const char units[] = "TGMK";

	for (unsigned i = 0; i < 4; i++) {
		unsigned shift = 40 - 10 * i;

		if (bytes && bytes % (UINT64_C(1) << shift) == 0) {
			str_addf(s, "%llu%c", (unsigned long long)(bytes >> shift), units[i]);
			return;
		}
	}
	str_addf(s, "%llu", (unsigned long long)bytes);
}

uint64_t str_hash(const char *text, uint64_t seed)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}
