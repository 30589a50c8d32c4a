// SPDX-License-Identifier: MIT
// Owns text: a growing string, a list of strings, strict parsing of numbers, sizes and booleans,
// and one escape for text that must stay on one line. Refuses locales.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A growing string. Zeroed is empty; `text` is NULL until something was added.
struct str {
	char *text;
	size_t len, room;
};

void str_finish(struct str *s);
void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const char *text, size_t n);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_addv(struct str *s, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
// For who writes behind the text: room of at least *size bytes, which becomes what there is; then how many were used.
char *str_room(struct str *s, size_t *size);
void str_wrote(struct str *s, size_t n);
const char *str_text(const struct str *s); // never NULL
char *str_take(struct str *s);             // never NULL; the caller frees; s is empty after

#define AUTO_STR CLEANUP(str_finish)

// A list of strings, owned. `items` is NULL-terminated once something was added, else NULL.
struct strv {
	char **items;
	size_t count;
};

void strv_finish(struct strv *v);
void strv_add(struct strv *v, const char *text);
void strv_addf(struct strv *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strv_take(struct strv *v, char *text); // takes ownership of text
void strv_copy(struct strv *v, const struct strv *from); // appends copies
bool strv_has(const struct strv *v, const char *text);

#define AUTO_STRV CLEANUP(strv_finish)

// Splits at any of `seps`, drops empty parts and surrounding blanks, appends to v.
void strv_split(struct strv *v, const char *text, const char *seps);

// Whole-string parsers: true and *out on success; false leaves *out alone. No sign, no blanks.
bool str_parse_u64(const char *text, uint64_t *out);
bool str_parse_int(const char *text, int *out);    // decimal, a leading '-' allowed
bool str_parse_hex(const char *text, uint64_t *out); // with or without 0x
bool str_parse_bool(const char *text, bool *out);  // yes no on off true false, any case
bool str_parse_size(const char *text, uint64_t *out); // bytes; K M G T are binary, "512M", "1.5G"

bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);
bool str_eq(const char *a, const char *b); // NULL equals NULL only
char *str_strip(char *text); // trims blanks and newlines in place, returns the new start

// The candidate nearest to `word`, case aside, by edits (insert, delete, replace, swap of neighbours), or
// NULL where none is near enough to be what was meant.
const char *str_nearest(const char *word, const char *const *candidates, size_t count);

// One-line form: \t \n \r \\ and every other control byte (as \xHH) are escaped; the rest is kept.
void str_add_escaped(struct str *s, const char *text);
bool str_unescape(const char *text, struct str *out); // false: a broken escape

// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
bool str_is_utf8(const char *text, size_t size);
// Appends text; each byte that belongs to no UTF-8 sequence becomes U+FFFD.
void str_add_utf8(struct str *s, const char *text);

// One word of a sh command line; quoted only where it must be.
void str_add_shell_quoted(struct str *s, const char *text);

// Guest names: [A-Za-z0-9][A-Za-z0-9_.-]{0,62}
bool str_is_name(const char *text);

// Bytes as a person writes them: 512M, 8G, 1536K; exact, never rounded.
void str_add_size(struct str *s, uint64_t bytes);

// FNV-1a, for stable derived values (MAC addresses, UUIDs, cache names); not for security.
uint64_t str_hash(const char *text, uint64_t seed);
