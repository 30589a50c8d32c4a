// SPDX-License-Identifier: MIT
// Owns text as text: is it clean UTF-8, where does a header or a --set split, how do paths join.
// Refuses to know what it means.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct str;

// What is wrong with a line: bytes that are no UTF-8, NUL or another control character; or NULL.
// Messages go to terminals, so nothing that a terminal obeys gets past here.
const char *text_check(const char *text, size_t size);

// Steps over UTF-8's byte order mark. Returns what is wrong where the mark is UTF-16's, else NULL.
const char *text_skip_mark(const char **text, size_t *size);

// Foreign text as a message shows it: on one line, not too long, no half of a character. The caller
// frees.
char *text_shown(const char *text);

// `[name]` or `[name "title"]`, with \" and \\ inside the quotes. Returns what is wrong, or NULL.
const char *text_split_header(const char *line, struct str *name, struct str *title, bool *titled);

// SECTION[:TITLE].KEY=VALUE; returns VALUE, or NULL where it is not of this form. A title may
// contain dots: the first dot with a key of that section and "=" behind it ends it. `title` stays
// zeroed without a colon.
const char *text_split_set(const char *set, struct str *section, struct str *title,
			   struct str *key);

// `text` below `dir` unless it is absolute; "//" and "/./" are folded, ".." stays, since what lies
// there may be a link. An empty dir adds nothing. The caller frees.
char *path_join(const char *dir, const char *text);

// All before the last "/", "/" itself for what lies there, "" without one. The caller frees.
char *path_parent(const char *path);
