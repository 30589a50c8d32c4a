// SPDX-License-Identifier: MIT
#include "tune/change/journal_file.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "tune/change/kind.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { JOURNAL_MAX = 16 << 20, FIELDS_MAX = 8, EXCERPT = 100 };

static void record_finish(struct journal_record *record)
{
	change_finish(&record->change);
	free(record->kind);
	free(record->found);
	for (size_t i = 0; i < record->n_undone; i++)
		free(record->undone[i]);
	free(record->undone);
	free(record->done);
}

void journal_finish(struct journal *journal)
{
	for (size_t i = 0; i < journal->count; i++)
		record_finish(&journal->records[i]);
	free(journal->records);
	strv_finish(&journal->damaged);
	str_finish(&journal->noted);
	if (journal->fd >= 0)
		close(journal->fd);
	*journal = (struct journal)JOURNAL_CLOSED;
}

size_t journal_standing(const struct journal *journal)
{
	size_t n = 0;

	for (size_t i = 0; i < journal->count; i++)
		n += !journal->records[i].done;
	return n;
}

static struct journal_record *find_record(struct journal *journal, unsigned number)
{
	// mostly the newest is meant
	for (size_t i = journal->count; i-- > 0;) {
		if (journal->records[i].number == number)
			return &journal->records[i];
	}
	return NULL;
}

// A field's text; *ok turns false on a broken escape.
static char *parse_field(const char *field, bool *ok)
{
	struct str text = { 0 };

	if (strcmp(field, "-") == 0)
		return NULL;
	if (!str_unescape(field, &text))
		*ok = false;
	return str_take(&text);
}

static bool parse_unsigned(const char *text, unsigned *out)
{
	uint64_t value;

	if (!str_parse_u64(text, &value) || value == 0 || value > UINT32_MAX)
		return false;
	*out = (unsigned)value;
	return true;
}

// Fields: TURN KIND PATH WAS WANT WHY
static bool accept_do(struct journal_record *record, char **fields)
{
	const struct change_kind *kind;
	struct change *change = &record->change;
	bool ok = true;

	record->kind = parse_field(fields[1], &ok);
	change->path = parse_field(fields[2], &ok);
	change->was = parse_field(fields[3], &ok);
	change->want = parse_field(fields[4], &ok);
	change->why = parse_field(fields[5], &ok);
	record->found = mem_dup(change->was);
	if (!ok || !str_parse_u64(fields[0], &record->turn) || !record->kind || !change->path ||
	    !change->want)
		return false;
	kind = change_kind_find(record->kind);
	change->kind = kind ? kind->name : "unknown";
	return true;
}

static bool accept_got(struct journal_record *record, char **fields)
{
	bool ok = true;
	AUTO_FREE char *value = parse_field(fields[0], &ok);

	if (!ok || record->has_got)
		return false;
	record->has_got = true;
	record->change.got = take(value);
	return true;
}

static bool accept_was(struct journal_record *record, char **fields)
{
	bool ok = true;
	AUTO_FREE char *value = parse_field(fields[0], &ok);

	if (ok)
		mem_set(&record->change.was, value);
	return ok;
}

static bool accept_undo(struct journal_record *record, char **fields)
{
	(void)fields;
	*MEM_PUSH(record->undone, record->n_undone) = mem_dup(record->change.was);
	return true;
}

static bool accept_done(struct journal_record *record, char **fields)
{
	bool ok = true;
	AUTO_FREE char *how = parse_field(fields[0], &ok);

	if (!ok || !how)
		return false;
	record->done = take(how);
	return true;
}

static const struct verb {
	const char *name;
	size_t n_fields; // behind the number
	bool (*accept)(struct journal_record *record, char **fields);
} verbs[] = {
	{ "do", 6, accept_do },	  { "got", 1, accept_got },   { "was", 1, accept_was },
	{ "undo", 0, accept_undo }, { "done", 1, accept_done },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static bool begin_record(struct journal *journal, unsigned number, char **fields)
{
	struct journal_record record = { .number = number };

	if ((journal->count && journal->records[journal->count - 1].number >= number) ||
	    !accept_do(&record, fields)) {
		record_finish(&record);
		return false;
	}
	*MEM_PUSH(journal->records, journal->count) = record;
	return true;
}

// Fields may be empty, so this is no case for strtok. Returns how many there are, at most
// FIELDS_MAX + 1.
static size_t split_fields(char *line, char *fields[FIELDS_MAX])
{
	size_t n = 0;

	do {
		char *tab = strchr(line, '\t');

		if (n == FIELDS_MAX)
			return n + 1;
		if (tab)
			*tab++ = '\0';
		fields[n++] = line;
		line = tab;
	} while (line);
	return n;
}

static bool accept_line(struct journal *journal, char *line)
{
	char *fields[FIELDS_MAX] = { NULL };
	size_t n = split_fields(line, fields);
	const struct verb *verb = find_verb(fields[0]);
	struct journal_record *record;
	unsigned number;

	if (!verb || n != verb->n_fields + 2 || !parse_unsigned(fields[1], &number))
		return false;
	if (verb->accept == accept_do)
		return begin_record(journal, number, fields + 2);
	record = find_record(journal, number);
	return record && !record->done && verb->accept(record, fields + 2);
}

static void note_damage(struct journal *journal, const char *line, size_t len)
{
	AUTO_STR struct str shown = { 0 };
	AUTO_FREE char *excerpt = mem_dupn(line, len < EXCERPT ? len : EXCERPT);

	str_add_escaped(&shown, excerpt);
	strv_addf(&journal->damaged, "line %zu is damaged (\"%s\")", journal->lines,
		  str_text(&shown));
}

size_t journal_parse(struct journal *journal, const char *text, size_t len)
{
	const char *at = text, *end = text + len, *newline;

	while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
		size_t n = (size_t)(newline - at);
		AUTO_FREE char *line = mem_dupn(at, n);

		journal->lines++;
		if (memchr(at, '\0', n) || !accept_line(journal, line))
			note_damage(journal, at, n);
		at = newline + 1;
	}
	return (size_t)(at - text);
}

int journal_file_catch_up(struct journal *journal, bool trim, struct err *err)
{
	AUTO_STR struct str text = { 0 };
	struct stat st;
	int r;

	if (fstat(journal->fd, &st) < 0)
		return err_sys(err, -errno, "the journal");
	if (st.st_size < journal->size)
		return err_set(err, -EIO, "the journal became shorter: somebody else cut it");
	if (st.st_size == journal->size)
		return 0;
	if (lseek(journal->fd, journal->size, SEEK_SET) < 0)
		return err_sys(err, -errno, "the journal");
	r = io_read_all(journal->fd, &text, JOURNAL_MAX);
	if (r < 0)
		return err_sys(err, r, "reading the journal");
	journal->size += (off_t)journal_parse(journal, str_text(&text), text.len);
	if (trim && ftruncate(journal->fd, journal->size) < 0)
		return err_sys(err, -errno, "the journal");
	return 0;
}

// Root does what a journal says: only those who could do it themselves may have written it.
static int check_owner(int fd, const char *what, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "%s", what);
	if (st.st_uid != geteuid() || (st.st_mode & 0022))
		return err_set(err, -EPERM, "%s belongs to somebody else or can be written by "
					    "others: it is not trusted; look at it, and remove it "
					    "by hand", what);
	return 0;
}

int journal_file_open(struct journal *journal, int dirfd, bool create, bool write, struct err *err)
{
	int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int r;

	*journal = (struct journal)JOURNAL_CLOSED;
	flags |= write ? O_RDWR | O_APPEND : O_RDONLY;
	r = check_owner(dirfd, "the run directory", err);
	if (r < 0)
		return r;
	journal->fd = openat(dirfd, "journal", create ? flags | O_CREAT : flags, 0644);
	if (journal->fd < 0)
		return err_sys(err, -errno, "opening the journal");
	r = check_owner(journal->fd, "the journal", err);
	if (r == 0)
		r = journal_file_catch_up(journal, false, err);
	if (r < 0)
		journal_finish(journal);
	return r;
}

int journal_open(struct journal *journal, int dirfd, struct err *err)
{
	return journal_file_open(journal, dirfd, true, true, err);
}

int journal_read(struct journal *journal, int dirfd, struct err *err)
{
	int r = journal_file_open(journal, dirfd, false, false, err);

	if (r == 0)
		close(take_fd(&journal->fd));
	return r;
}

static void forget_noted(struct journal *journal)
{
	for (size_t i = 0; i < journal->count && journal->noted.len; i++)
		journal->records[i].noted = false;
	str_finish(&journal->noted);
}

// Behind what is noted.
static int write_lines(struct journal *journal, struct change_host *host, const struct str *line, struct err *err)
{
	AUTO_STR struct str text = { 0 };
	int r = change_host_before_write(host);

	str_addn(&text, str_text(&journal->noted), journal->noted.len);
	str_addn(&text, str_text(line), line->len);
	if (r == 0)
		r = io_write_all(journal->fd, text.text, text.len);
	if (r < 0) {
		// a part may have been written; where even this fails the next one to catch up does
		// it
		if (ftruncate(journal->fd, journal->size) < 0)
			r = -errno;
		return err_sys(err, r, "writing the journal");
	}
	journal->size += (off_t)text.len;
	forget_noted(journal);
	change_host_after_write(host);
	return 0;
}

static int append(struct journal *journal, struct change_host *host, const struct str *line,
		  struct err *err)
{
	int r = write_lines(journal, host, line, err);

	if (r == 0)
		journal_parse(journal, line->text, line->len);
	return r;
}

int journal_write_noted(struct journal *journal, struct change_host *host, struct err *err)
{
	static const struct str nothing = { 0 };

	return journal->noted.len ? write_lines(journal, host, &nothing, err) : 0;
}

void journal_drop_noted(struct journal *journal)
{
	for (size_t i = 0; i < journal->count; i++) {
		if (!journal->records[i].noted)
			continue;
		free(take(journal->records[i].done));
		journal->lines--;
	}
	forget_noted(journal);
}

static void add_field(struct str *line, const char *value)
{
	str_addc(line, '\t');
	if (!value)
		str_addc(line, '-');
	else if (strcmp(value, "-") == 0)
		str_add(line, "\\x2d");
	else
		str_add_escaped(line, value);
}

int journal_add_do(struct journal *journal, struct change_host *host, const struct change *change,
		   uint64_t turn, struct err *err)
{
	AUTO_STR struct str line = { 0 };
	unsigned number = journal->count ? journal->records[journal->count - 1].number + 1 : 1;

	str_addf(&line, "do\t%u\t%" PRIu64, number, turn);
	add_field(&line, change->kind);
	add_field(&line, change->path);
	add_field(&line, change->was);
	add_field(&line, change->want);
	add_field(&line, change->why);
	str_addc(&line, '\n');
	return append(journal, host, &line, err);
}

static void print_value(struct str *line, const char *verb, unsigned number, const char *value)
{
	str_addf(line, "%s\t%u", verb, number);
	add_field(line, value);
	str_addc(line, '\n');
}

static int add_value(struct journal *journal, struct change_host *host, const char *verb,
		     unsigned number, const char *value, struct err *err)
{
	AUTO_STR struct str line = { 0 };

	print_value(&line, verb, number, value);
	return append(journal, host, &line, err);
}

int journal_add_got(struct journal *journal, struct change_host *host, unsigned number,
		    const char *value, struct err *err)
{
	return add_value(journal, host, "got", number, value, err);
}

int journal_add_was(struct journal *journal, struct change_host *host, unsigned number,
		    const char *value, struct err *err)
{
	return add_value(journal, host, "was", number, value, err);
}

int journal_add_done(struct journal *journal, struct change_host *host, unsigned number,
		     const char *how, struct err *err)
{
	return add_value(journal, host, "done", number, how, err);
}

int journal_add_undo(struct journal *journal, struct change_host *host, unsigned number,
		     struct err *err)
{
	AUTO_STR struct str line = { 0 };

	str_addf(&line, "undo\t%u\n", number);
	return append(journal, host, &line, err);
}

void journal_note_done(struct journal *journal, struct journal_record *record, const char *how)
{
	AUTO_STR struct str line = { 0 };

	print_value(&line, "done", record->number, how);
	journal_parse(journal, line.text, line.len);
	record->noted = true;
	str_addn(&journal->noted, line.text, line.len);
}
