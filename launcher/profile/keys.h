// SPDX-License-Identifier: MIT
// Owns the table of profile keys: one row carries section, key, type, place in the struct, default,
// allowed words and help. The reader, the manual's check and the completions all read these rows.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct diags;
struct profile;
struct profile_key;

// More than any machine takes; how many a given one does is the planner's question.
enum { PROFILE_VCPUS_MAX = 1024 };

struct profile_value {
	const char *text;     // stripped, valid UTF-8; "" clears
	const char *base_dir; // absolute; relative paths are taken from here
	struct diags *diags;
	const char *file;
	int line;
	const char *section, *key;
};

// Parses into `field`, reports into value->diags. "" resets to the default.
typedef void profile_parser(const struct profile_key *row, const struct profile_value *value,
			    void *field);

struct profile_key {
	const char *section, *key;
	profile_parser *parse;	  // NULL: `include`, which the reader itself obeys
	size_t offset;		  // in struct profile, or in the titled section's struct
	const char *const *words; // enumerations: words by value, NULL-terminated
	long min, max;		  // numbers
	long fallback;		  // numbers and enumerations: the default
	const char *help;	  // one line: what it is, unit, default
};

struct profile_section {
	const char *name;
	// Titled: the element of this title, NULL if there is none. Plain: NULL (offsets are in the
	// profile).
	void *(*find)(struct profile *profile, const char *title);
	void *(*add)(struct profile *profile, const char *title); // a zeroed one
	const char *help;
};

// What the titles of a section are, where they are no names.
struct profile_titles {
	const char *section;
	bool (*takes)(const char *title);
	const char *hint;    // what a title is
	const char *example; // one that is taken
};

const struct profile_key *profile_keys(size_t *count);
const struct profile_section *profile_sections(size_t *count);

// NULL where there is none of that name.
const struct profile_section *profile_section_find(const char *name);
const struct profile_key *profile_key_find(const char *section, const char *key);
const struct profile_titles *profile_titles_find(const char *section);
