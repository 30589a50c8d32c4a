// SPDX-License-Identifier: MIT
// Owns the table of profile keys: one row carries section, key, type, place in the struct, allowed words
// and help. The reader, the manual's check and the completions all read these rows.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct diags;
struct profile;

struct profile_value {
	const char *text;	 // stripped; "" clears
	const char *base_dir;	 // relative paths are taken from here
	struct diags *diags;
	const char *file;
	int line;
	const char *section, *key;
};

struct profile_key {
	const char *section, *key;
	// Parses into `field`, reports into value->diags. "" resets to the default.
	void (*parse)(const struct profile_key *row, const struct profile_value *value, void *field);
	size_t offset;		  // in struct profile, or in the titled section's struct
	const char *const *words; // enumerations: words by value, NULL-terminated
	long min, max;		  // integers
	const char *help;	  // one line: what it is, unit, default
};

struct profile_section {
	const char *name;
	bool titled;
	// Titled: the element of this title, made if need be. Plain: NULL (offsets are in the profile).
	void *(*element)(struct profile *profile, const char *title);
	const char *help;
};

const struct profile_key *profile_keys(size_t *count);
const struct profile_section *profile_sections(size_t *count);
