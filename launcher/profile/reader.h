// SPDX-License-Identifier: MIT
// Owns the profile's syntax: lines, sections, `include`, --set. Turns text into calls of the key
// table's parsers. Refuses to open files: a loader hands it the text of includes.
#pragma once

#include "base/str.h"

#include <stddef.h>

struct diags;
struct err;
struct profile;

enum {
	PROFILE_FILE_MAX = 1 << 20, // bytes
	PROFILE_LINE_MAX = 1 << 16,
};

struct profile_reader {
	struct profile *profile;
	struct diags *diags;
	// Reads an include; NULL: there are no files here. Returns 0 or -errno with a message.
	int (*load)(const void *context, const char *path, struct str *text, struct err *err);
	const void *context;
	// The rest is the reader's own; zeroed at the start.
	struct strv chain; // absolute paths of the files that are being read, outermost first
	struct strv files; // every file's name, in the order of reading
	size_t first;	   // our first diagnostic
	bool gave_up;
};

void reader_init(struct profile_reader *reader, struct profile *profile, struct diags *diags);

// One whole file. `name` stands in messages; `path` is absolute: relative paths start in its
// directory.
void reader_read_text(struct profile_reader *reader, const char *name, const char *path,
		      const char *text, size_t size);

// One --set, the index-th (from 1); relative paths start in `dir`.
void reader_read_set(struct profile_reader *reader, const char *set, int index, const char *dir);

// Fills in what follows from the rest, checks what concerns several keys, sorts the diagnostics by
// place and releases what the reader holds.
void reader_finish(struct profile_reader *reader);

// profile.c, for the reader: the last writer of a key; the key "" is the section's first header.
void profile_set_origin(struct profile *profile, const char *section, const char *title,
			const char *key, const char *file, int line);
void profile_drop_origin(struct profile *profile, const char *section, const char *title,
			 const char *key);

// profile.c: what follows from the rest without a mistake being possible.
void profile_settle(struct profile *profile);

// profile.c: every plain key at its default. The other: those of a titled section's new element.
void profile_init(struct profile *profile);
void profile_set_defaults(const char *section, void *base);

// checks.c: what needs more than one key and no host.
void profile_check(const struct profile *profile, struct diags *diags);
