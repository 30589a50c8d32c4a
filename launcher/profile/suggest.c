// SPDX-License-Identifier: MIT
#include "launcher/profile/suggest.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/keys.h"
#include "launcher/profile/text.h"
#include "launcher/profile/types.h"

#include <string.h>

// The names of all sections, or of one section's keys; borrowed. The caller frees the array.
static const char **list_names(const char *section, size_t *count)
{
	size_t n_sections, n_keys;
	const struct profile_section *sections = profile_sections(&n_sections);
	const struct profile_key *keys = profile_keys(&n_keys);
	const char **names = mem_new(n_sections + n_keys + 1, sizeof(*names));

	*count = 0;
	for (size_t i = 0; !section && i < n_sections; i++)
		names[(*count)++] = sections[i].name;
	for (size_t i = 0; section && i < n_keys; i++) {
		if (str_eq(keys[i].section, section))
			names[(*count)++] = keys[i].key;
	}
	return names;
}

static void hint_names(struct diag *diag, const char *section, const char *word,
		       const char *all_are)
{
	size_t n;
	AUTO_FREE const char **names = list_names(section, &n);
	const char *near = str_nearest(word, names, n);
	AUTO_FREE char *all = value_words(names, "and");

	if (near)
		diag_hint(diag, section ? "did you mean `%s`?" : "did you mean [%s]?", near);
	else
		diag_hint(diag, "%s %s", all_are, all);
}

void suggest_section(struct diag *diag, const char *name)
{
	hint_names(diag, NULL, name, "the sections are");
}

// Every section with this key: "[disk] or [cdrom]"; NULL: none. The caller frees.
static char *homes_of(const char *key)
{
	AUTO_STRV struct strv homes = { 0 };
	size_t n;
	const struct profile_key *rows = profile_keys(&n);

	for (size_t i = 0; i < n; i++) {
		if (str_eq(rows[i].key, key))
			strv_addf(&homes, "[%s]", rows[i].section);
	}
	return homes.count ? value_words((const char *const *)homes.items, "or") : NULL;
}

void suggest_key(struct diag *diag, const char *section, const char *key)
{
	AUTO_FREE char *homes = homes_of(key);

	if (homes)
		diag_hint(diag, "did you mean section %s? `%s` belongs there", homes, key);
	else
		hint_names(diag, section, key, "its keys are");
}

void suggest_first_section(struct diag *diag, const char *key)
{
	AUTO_FREE char *homes = homes_of(key);

	diag_hint(diag, "write %s on a line above it", homes ? homes : "[vm]");
}

static bool has_comment(const char *text, const char *marks)
{
	for (const char *at = strpbrk(text, marks); at; at = strpbrk(at + 1, marks)) {
		if (at > text && (at[-1] == ' ' || at[-1] == '\t'))
			return true;
	}
	return false;
}

void suggest_plain_value(const struct profile_value *value, size_t before)
{
	struct diags *diags = value->diags;
	struct diag *last = diags->count > before ? &diags->items[diags->count - 1] : NULL;

	// What an include brought is not about this line.
	if (last && (last->line != value->line || !str_eq(last->file, value->file)))
		return;
	if (last && value_is_quoted(value->text)) {
		AUTO_FREE char *inner = mem_dupn(value->text + 1, strlen(value->text) - 2);
		AUTO_FREE char *shown = text_shown(inner);

		diag_hint(last, "write it without quotes: %s = %s", value->key, shown);
	} else if (last && has_comment(value->text, "#;")) {
		diag_hint(last,
			  "a comment has a line of its own; # and ; start none behind a value");
	} else if (!last && has_comment(value->text, "#")) {
		diag_hint(diag_add(diags, DIAG_WARNING, "inline-comment", value_place(value),
				   "[%s] %s: the # and what follows are part of the value",
				   value->section, value->key),
			  "a comment has a line of its own");
	}
}
