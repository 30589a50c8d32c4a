// SPDX-License-Identifier: MIT
#include "launcher/profile/reader.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/mem.h"
#include "launcher/profile/keys.h"
#include "launcher/profile/profile.h"
#include "launcher/profile/suggest.h"
#include "launcher/profile/text.h"
#include "launcher/profile/types.h"

#include <string.h>

enum {
	DEPTH_MAX = 8,
	FILES_MAX = 64,	   // includes that include twice would double at each depth
	DEVICES_MAX = 256, // titled sections
	MISTAKES_MAX = 100,
};

// Where the reader is in one file.
struct cursor {
	const char *file; // as messages name it
	const char *dir;  // absolute
	int line;
	const struct profile_section *section; // NULL: none, or one that does not count
	char *title;			       // NULL in plain ones
	bool ignoring; // the header's mistake was reported; the keys below say nothing new
};

static struct place here(const struct cursor *at)
{
	return (struct place){ at->file, at->line };
}

static struct diag *syntax_error(struct profile_reader *reader, const struct cursor *at,
				 const char *text)
{
	return diag_add(reader->diags, DIAG_ERROR, "syntax", here(at), "%s", text);
}

void reader_init(struct profile_reader *reader, struct profile *profile, struct diags *diags)
{
	*reader = (struct profile_reader){ .profile = profile,
					   .diags = diags,
					   .first = diags->count };
	profile_init(profile);
}

static void read_file(struct profile_reader *reader, const char *name, const char *path,
		      const char *text, size_t size);

static void reject_include(struct profile_reader *reader, const struct cursor *at, const char *path,
			   const char *what)
{
	AUTO_STR struct str chain = { 0 };

	for (size_t i = 0; i < reader->chain.count; i++)
		str_addf(&chain, "%s includes ", reader->chain.items[i]);
	diag_hint(diag_add(reader->diags, DIAG_ERROR, "include", here(at), "%s: %s%s", what,
			   str_text(&chain), path),
		  "take this line out, or one above it in the chain");
}

static void load_include(struct profile_reader *reader, const struct cursor *at, const char *path,
			 const char *text)
{
	AUTO_FREE char *parent = path_parent(at->file);
	AUTO_FREE char *name = path_join(parent, text);
	AUTO_STR struct str content = { 0 };
	struct err err = ERR_NONE;
	struct diag *diag;

	if (reader->load(reader->context, path, &content, &err) == 0) {
		read_file(reader, name, path, str_text(&content), content.len);
		return;
	}
	diag = diag_add(reader->diags, DIAG_ERROR, "include", here(at), "%s", err.text);
	if (err.hint[0])
		diag_hint(diag, "%s", err.hint);
}

static void include(struct profile_reader *reader, const struct cursor *at,
		    const struct profile_value *value)
{
	AUTO_FREE char *path = NULL;

	value_parse_path(NULL, value, &path);
	if (!path)
		return;
	if (!reader->load)
		reject_include(reader, at, path, "there are no files to include from here");
	else if (strv_has(&reader->chain, path))
		reject_include(reader, at, path, "the includes run in a circle");
	else if (reader->chain.count >= DEPTH_MAX)
		reject_include(reader, at, path, "the includes are nested too deep");
	else if (reader->files.count >= FILES_MAX)
		reject_include(reader, at, path, "too many includes");
	else
		load_include(reader, at, path, value->text);
}

static void *base_of(struct profile_reader *reader, const struct cursor *at)
{
	return at->section->find ? at->section->find(reader->profile, at->title) : reader->profile;
}

static void assign(struct profile_reader *reader, const struct cursor *at, const char *key,
		   const char *text)
{
	const struct profile_key *row = profile_key_find(at->section->name, key);
	size_t before = reader->diags->count;
	struct profile_value value = { .text = text,
				       .base_dir = at->dir,
				       .diags = reader->diags,
				       .file = at->file,
				       .line = at->line,
				       .section = at->section->name,
				       .key = key };

	if (!row) {
		AUTO_FREE char *shown = text_shown(key);

		suggest_key(diag_add(reader->diags, DIAG_ERROR, "unknown-key", here(at),
				     "[%s] has no key `%s`", at->section->name, shown),
			    at->section->name, key);
		return;
	}
	if (row->parse)
		row->parse(row, &value, (char *)base_of(reader, at) + row->offset);
	else
		include(reader, at, &value);
	suggest_plain_value(&value, before);
	if (*text)
		profile_set_origin(reader->profile, at->section->name, at->title, key, at->file,
				   at->line);
	else
		profile_drop_origin(reader->profile, at->section->name, at->title, key);
}

static bool add_element(struct profile_reader *reader, const struct cursor *at)
{
	struct profile *profile = reader->profile;

	if (at->section->find(profile, at->title))
		return true;
	if (profile->n_disks + profile->n_cdroms + profile->n_nets + profile->n_pcis + profile->n_usbs +
		    profile->n_mdevs >= DEVICES_MAX) {
		syntax_error(reader, at, "more devices than a machine has slots");
		return false;
	}
	profile_set_defaults(at->section->name, at->section->add(profile, at->title));
	return true;
}

static bool check_title(struct profile_reader *reader, const struct cursor *at,
			const struct profile_section *section, const char *title)
{
	const struct profile_titles *titles = profile_titles_find(section->name);
	AUTO_FREE char *shown = text_shown(title);

	if (titles ? titles->takes(title) : str_is_name(title))
		return true;
	diag_hint(diag_add(reader->diags, DIAG_ERROR, "bad-title", here(at), "[%s \"%s\"]: not %s",
			   section->name, shown, titles ? "a title of this section" : "a name"),
		  "a title is %s",
		  titles ? titles->hint :
			   "a letter or digit, then at most 62 letters, digits, or any of _ . -");
	return false;
}

// Makes `name` and `title` the current section. False: a mistake was reported.
static bool enter(struct profile_reader *reader, struct cursor *at, const char *name,
		  const char *title)
{
	const struct profile_section *section = profile_section_find(name);
	const struct profile_titles *titles = profile_titles_find(name);
	AUTO_FREE char *shown = text_shown(name);
	struct diag *diag;

	free(at->title);
	at->title = NULL;
	at->section = NULL;
	if (!section) {
		diag = diag_add(reader->diags, DIAG_ERROR, "unknown-section", here(at),
				"there is no section [%s]", shown);
		suggest_section(diag, name);
		return false;
	}
	if (section->find && !title) {
		diag = syntax_error(reader, at, "this section needs a title");
		if (titles)
			diag_hint(diag, "write [%s \"%s\"]: %s", name, titles->example,
				  titles->hint);
		else
			diag_hint(diag, "write [%s \"NAME\"], a name of your choice for each", name);
		return false;
	}
	if (!section->find && title) {
		diag_hint(syntax_error(reader, at, "this section has no title"), "write [%s]",
			  name);
		return false;
	}
	if (title && !check_title(reader, at, section, title))
		return false;
	at->section = section;
	at->title = mem_dup(title);
	if (title && !add_element(reader, at))
		return false;
	if (!profile_has(reader->profile, name, title, ""))
		profile_set_origin(reader->profile, name, title, "", at->file, at->line);
	return true;
}

static void read_header(struct profile_reader *reader, struct cursor *at, const char *line)
{
	AUTO_STR struct str name = { 0 }, title = { 0 };
	bool titled;
	const char *wrong = text_split_header(line, &name, &title, &titled);

	if (!wrong) {
		at->ignoring = !enter(reader, at, name.text, titled ? str_text(&title) : NULL);
		return;
	}
	diag_hint(syntax_error(reader, at, wrong),
		  "write [section] or [section \"title\"], and nothing else on its line");
	at->ignoring = true;
}

static void read_key(struct profile_reader *reader, struct cursor *at, char *line)
{
	char *equals = strchr(line, '=');
	const char *key, *text;
	struct diag *diag;

	if (!equals || equals == line) {
		AUTO_FREE char *shown = text_shown(line);

		diag = diag_add(reader->diags, DIAG_ERROR, "syntax", here(at), "%s: %s",
				equals ? "no key before =" : "neither [section] nor key = value",
				shown);
		diag_hint(diag,
			  "write key = value; a comment begins with # and has a line of its own");
		return;
	}
	*equals = '\0';
	key = str_strip(line);
	text = str_strip(equals + 1);
	if (at->ignoring)
		return;
	if (!at->section) {
		AUTO_FREE char *shown = text_shown(key);

		suggest_first_section(diag_add(reader->diags, DIAG_ERROR, "syntax", here(at),
					       "`%s` stands before any section", shown),
				      key);
		at->ignoring = true;
		return;
	}
	if (*text && text[strlen(text) - 1] == '\\') {
		diag_hint(
			syntax_error(reader, at,
				     "the value ends in a backslash, but lines are not continued"),
			"write the value on one line; keys that are lists may be repeated");
		return;
	}
	assign(reader, at, key, text);
}

static void read_line(struct profile_reader *reader, struct cursor *at, const char *text,
		      size_t size)
{
	const char *wrong =
		size > PROFILE_LINE_MAX ? "the line is longer than 64 KiB" : text_check(text, size);
	AUTO_FREE char *copy = NULL;
	char *line;

	if (wrong) {
		diag_hint(syntax_error(reader, at, wrong), "save the file as plain UTF-8 text");
		return;
	}
	copy = mem_dupn(text, size);
	line = str_strip(copy);
	if (*line == '[')
		read_header(reader, at, line);
	else if (*line && *line != '#' && *line != ';')
		read_key(reader, at, line);
}

static bool too_many_mistakes(struct profile_reader *reader, const struct cursor *at)
{
	if (!reader->gave_up && reader->diags->count - reader->first >= MISTAKES_MAX) {
		diag_hint(syntax_error(reader, at, "too many mistakes; reading ends here"),
			  "mend those above first; is this a profile at all?");
		reader->gave_up = true;
	}
	return reader->gave_up;
}

static void read_lines(struct profile_reader *reader, struct cursor *at, const char *text,
		       size_t size)
{
	const char *end = text + size;

	for (at->line = 1; text < end && !too_many_mistakes(reader, at); at->line++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline : end) - text);

		// Editors of Windows end lines in \r\n.
		read_line(reader, at, text, n && text[n - 1] == '\r' ? n - 1 : n);
		text += n + 1;
	}
}

static void read_file(struct profile_reader *reader, const char *name, const char *path,
		      const char *text, size_t size)
{
	AUTO_FREE char *dir = path_parent(path);
	struct cursor at = { .file = name, .dir = dir };
	const char *wrong = size > PROFILE_FILE_MAX ? "the file is longer than 1 MiB"
						    : text_skip_mark(&text, &size);

	strv_add(&reader->files, name);
	strv_add(&reader->chain, path);
	if (wrong)
		diag_hint(syntax_error(reader, &at, wrong), "save the file as plain UTF-8 text");
	else
		read_lines(reader, &at, text, size);
	free(at.title);
	free(reader->chain.items[--reader->chain.count]);
	reader->chain.items[reader->chain.count] = NULL;
}

void reader_read_text(struct profile_reader *reader, const char *name, const char *path,
		      const char *text, size_t size)
{
	read_file(reader, name, path, text, size);
}

static void read_set(struct profile_reader *reader, struct cursor *at, const char *set)
{
	AUTO_STR struct str section = { 0 }, title = { 0 }, key = { 0 };
	const char *value = text_split_set(set, &section, &title, &key);
	AUTO_FREE char *copy = NULL;
	bool titled = title.text != NULL;

	if (!value) {
		AUTO_FREE char *shown = text_shown(set);

		diag_hint(diag_add(reader->diags, DIAG_ERROR, "syntax", here(at),
				   "`%s` sets nothing", shown),
			  "write SECTION.KEY=VALUE or SECTION:TITLE.KEY=VALUE, as in --set "
			  "vm.memory=4G");
		return;
	}
	copy = mem_dup(value);
	if (enter(reader, at, section.text, titled ? title.text : NULL))
		assign(reader, at, str_strip(key.text), str_strip(copy));
}

void reader_read_set(struct profile_reader *reader, const char *set, int index, const char *dir)
{
	struct cursor at = { .file = "--set", .dir = dir, .line = index };
	const char *wrong = text_check(set, strlen(set));

	if (wrong)
		syntax_error(reader, &at, wrong);
	else
		read_set(reader, &at, set);
	free(at.title);
}

static size_t rank(const struct profile_reader *reader, const struct diag *diag)
{
	for (size_t i = 0; i < reader->files.count; i++) {
		if (str_eq(diag->file, reader->files.items[i]))
			return i;
	}
	return reader->files.count;
}

// Insertion keeps the order of those at the same place; there are never many.
static void sort_diags(const struct profile_reader *reader)
{
	struct diag *items = reader->diags->items;

	for (size_t i = reader->first + 1; i < reader->diags->count; i++) {
		struct diag moved = items[i];
		size_t moved_rank = rank(reader, &moved), j = i;

		for (; j > reader->first; j--) {
			size_t other = rank(reader, &items[j - 1]);

			if (other < moved_rank ||
			    (other == moved_rank && items[j - 1].line <= moved.line))
				break;
			items[j] = items[j - 1];
		}
		items[j] = moved;
	}
}

void reader_finish(struct profile_reader *reader)
{
	profile_settle(reader->profile);
	if (!reader->gave_up)
		profile_check(reader->profile, reader->diags);
	sort_diags(reader);
	strv_finish(&reader->chain);
	strv_finish(&reader->files);
}
