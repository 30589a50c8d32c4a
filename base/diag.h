// SPDX-License-Identifier: MIT
// Owns diagnostics: what is wrong with what a person wrote, where, and what to write instead. All are
// collected and shown in one go. Refuses to print: a caller renders them.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct str;

enum diag_level {
	DIAG_WARNING,
	DIAG_HOST_ERROR, // this host cannot do what is asked: exit 3
	DIAG_ERROR,	 // the text itself is wrong: exit 2
};

struct diag {
	enum diag_level level;
	const char *code; // stable, static: "unknown-key", "cpu-offline", …
	char *file;	  // NULL: no place
	int line;
	char *text;
	char *hint; // or NULL
};

struct diags {
	struct diag *items;
	size_t count;
};

struct place {
	const char *file; // NULL: unknown
	int line;
};

// Appends one. `hint` may be NULL. All text is copied.
struct diag *diag_add(struct diags *diags, enum diag_level level, const char *code, struct place place,
		      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void diag_hint(struct diag *diag, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// 0, or the exit status that the worst one asks for (2 before 3).
int diags_exit_status(const struct diags *diags);

// "FILE:LINE: error: TEXT\n    hint: HINT\n"
void diag_print(const struct diag *diag, struct str *out);
void diags_finish(struct diags *diags);
