// SPDX-License-Identifier: MIT
#include "tune/change/journal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "tune/change/journal_file.h"
#include "tune/change/kind.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum { LOCK_WAIT_MS = 30000, LOCK_POLL_MS = 10 };

// Another guest's journal while we hold the lock.
struct neighbour {
	char *name;
	struct journal journal;
};

// One apply or undo under the lock.
struct walk {
	struct journal *journal;
	struct journal_world *world;
	struct neighbour *others;
	size_t n_others;
	struct journal_report *report; // NULL: nobody reads it
};

// The guest that changed the same thing next after us.
struct above {
	struct neighbour *owner; // NULL: we ourselves
	struct journal_record *record;
};

static int lock_take(int fd, struct err *err)
{
	const struct timespec pause = { .tv_nsec = LOCK_POLL_MS * 1000000L };
	long long end = io_now_ms() + LOCK_WAIT_MS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(err, -errno, "locking the host");
		if (io_now_ms() >= end)
			return err_set(err, -ETIMEDOUT,
				       "another vfiorun has been changing the host for %d s: see "
				       "which with lslocks, and wait for it or end it",
				       LOCK_WAIT_MS / 1000);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void lock_drop(int fd)
{
	flock(fd, LOCK_UN);
}

static uint64_t read_turn(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void journal_report_finish(struct journal_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		change_finish(&report->items[i].change);
		free(report->items[i].text);
	}
	free(report->items);
	*report = (struct journal_report){ 0 };
}

bool journal_report_failed(const struct journal_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		if (report->items[i].failed)
			return true;
	}
	return false;
}

// Takes ownership of text.
static void report(struct walk *walk, const struct change *change, bool failed, char *text)
{
	struct journal_left *left;

	if (!walk->report) {
		free(text);
		return;
	}
	left = MEM_PUSH(walk->report->items, walk->report->count);
	left->text = text;
	left->failed = failed;
	if (change)
		change_copy(&left->change, change);
}

static void add_value(struct str *text, const char *value)
{
	if (!value)
		str_add(text, "nothing");
	else if (!*value)
		str_add(text, "empty");
	else
		str_add_escaped(text, value);
}

// "PATH: is now X, was W before, we had set G: MIDDLE; to restore: COMMAND"
static char *explain(const struct journal_record *record, const char *now, const char *middle)
{
	const struct change *change = &record->change;
	const struct change_kind *kind = change_kind_find(change->kind);
	struct str text = { 0 };

	str_add_escaped(&text, change->path);
	str_add(&text, ": is now ");
	add_value(&text, now);
	str_add(&text, ", was ");
	add_value(&text, change->was);
	str_add(&text, " before, we had set ");
	add_value(&text, record->has_got ? change->got : change->want);
	str_addf(&text, ": %s; to restore: ", middle);
	kind->remedy(change, &text);
	return str_take(&text);
}

// The values that the host may show because of this record, besides `was`.
static bool is_ours(const struct change_kind *kind, const struct journal_record *record,
		    const char *now)
{
	const struct change *change = &record->change;

	// an undo got this far and was not settled, and then we were handed another `was`
	for (size_t i = 0; i < record->n_undone; i++) {
		if (change_equal(kind, now, record->undone[i]))
			return true;
	}
	if (record->has_got)
		return change_equal(kind, now, change->got);
	// we died before the answer was written down: the write was made or not
	return change_equal(kind, now, record->found) || change_answers(kind, now, change->want);
}

static void consider(struct journal *journal, struct neighbour *owner,
		     const struct journal_record *record, struct above *above)
{
	for (size_t i = 0; i < journal->count; i++) {
		struct journal_record *other = &journal->records[i];

		if (other->done || other->turn <= record->turn ||
		    strcmp(other->change.kind, record->change.kind) != 0 ||
		    strcmp(other->change.path, record->change.path) != 0)
			continue;
		if (!above->record || other->turn < above->record->turn)
			*above = (struct above){ .owner = owner, .record = other };
	}
}

static struct above find_above(struct walk *walk, const struct journal_record *record)
{
	struct above above = { 0 };

	consider(walk->journal, NULL, record, &above);
	for (size_t i = 0; i < walk->n_others; i++)
		consider(&walk->others[i].journal, &walk->others[i], record, &above);
	return above;
}

// A journal that can't be written (disk full) must not keep the host from being put back: the
// record stands, and whoever looks again finds that nothing is left to do.
static void settle(struct walk *walk, struct journal_record *record, const char *how)
{
	struct err err = ERR_NONE;

	if (journal_add_done(walk->journal, walk->world->host, record->number, how, &err) == 0)
		return;
	report(walk, &record->change, false,
	       mem_printf("%s: settled (%s), but that could not be recorded: %s; run `vfiorun "
			  "revert` once that is mended", record->change.path, how, err.text));
}

static int pass_up(struct walk *walk, struct journal_record *record, const struct above *above)
{
	struct change_host *host = walk->world->host;
	const char *name = above->owner ? above->owner->name : "ourselves";
	AUTO_FREE char *how = mem_printf("handed %s", name);
	struct err err = ERR_NONE;
	int r;

	r = journal_add_undo(walk->journal, host, record->number, &err);
	if (r == 0)
		r = journal_add_was(above->owner ? &above->owner->journal : walk->journal, host,
				    above->record->number, record->change.was, &err);
	if (r < 0) {
		AUTO_FREE char *middle = mem_printf("guest %s still uses it and could not be told "
						    "what to put back (%s)", name, err.text);

		report(walk, &record->change, true,
		       explain(record, above->record->found, middle));
		return r;
	}
	settle(walk, record, how);
	return 0;
}

// Somebody changed it after us and will put back, or had put back, what we left.
static int undo_below(struct walk *walk, const struct change_kind *kind,
		      struct journal_record *record, const struct above *above)
{
	const char *theirs = above->record->change.was;

	if (change_equal(kind, theirs, record->change.was)) {
		settle(walk, record, "already");
		return 0;
	}
	if (is_ours(kind, record, theirs))
		return pass_up(walk, record, above);
	report(walk, &record->change, false,
	       explain(record, theirs,
		       "somebody else had changed it before another guest did: left alone"));
	settle(walk, record, "foreign");
	return 0;
}

static int write_host(struct walk *walk, const struct change_kind *kind,
		      const struct change *change, const char *value, struct err *err)
{
	struct change_host *host = walk->world->host;
	int r = change_host_before_write(host);

	if (r < 0)
		return err_sys(err, r, "writing %s", change->path);
	r = kind->write(host, change, value, err);
	if (r == 0)
		change_host_after_write(host);
	return r;
}

static int put_back(struct walk *walk, const struct change_kind *kind,
		    struct journal_record *record, const char *before)
{
	struct change_host *host = walk->world->host;
	const struct change *change = &record->change;
	AUTO_FREE char *now = NULL, *middle = NULL;
	struct err err = ERR_NONE;
	int r;

	// matters only if we die between this write and its `done`: no reason to stop
	journal_add_undo(walk->journal, host, record->number, NULL);
	r = write_host(walk, kind, change, change->was, &err);
	if (r == 0)
		r = kind->read(host, change, &now, &err);
	if (r == 0 && change_equal(kind, now, change->was)) {
		settle(walk, record, "undone");
		return 0;
	}
	middle = r < 0 ? mem_printf("could not be put back (%s)", err.text) :
			 mem_printf("was written and did not take effect");
	report(walk, change, true, explain(record, r < 0 && !now ? before : now, middle));
	return -EIO;
}

static int undo_top(struct walk *walk, const struct change_kind *kind,
		    struct journal_record *record)
{
	const struct change *change = &record->change;
	AUTO_FREE char *now = NULL;
	struct err err = ERR_NONE;
	int r = kind->read(walk->world->host, change, &now, &err);

	if (r < 0) {
		report(walk, change, true, explain(record, "not to be seen", err.text));
		return r;
	}
	if (change_equal(kind, now, change->was)) {
		settle(walk, record, "already");
		return 0;
	}
	if (is_ours(kind, record, now))
		return put_back(walk, kind, record, now);
	report(walk, change, false,
	       explain(record, now, "somebody else changed it: left alone"));
	settle(walk, record, "foreign");
	return 0;
}

static int undo_record(struct walk *walk, struct journal_record *record)
{
	const struct change_kind *kind = change_kind_find(record->change.kind);
	struct err err = ERR_NONE;
	struct above above;

	if (!kind) {
		report(walk, &record->change, true,
		       mem_printf("%s: this version can't undo a change of kind \"%s\": run the "
				  "revert of the version that made it", record->change.path,
				  record->kind));
		return -ENOTSUP;
	}
	if (change_check_path(kind, record->change.path, &err) < 0) {
		report(walk, &record->change, true,
		       mem_printf("%s: the journal was not written by vfiorun", err.text));
		return -EPERM;
	}
	above = kind->shared ? find_above(walk, record) : (struct above){ 0 };
	return above.record ? undo_below(walk, kind, record, &above) :
			      undo_top(walk, kind, record);
}

static bool is_same_file(int a, int b)
{
	struct stat st_a, st_b;

	return fstat(a, &st_a) == 0 && fstat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
	       st_a.st_ino == st_b.st_ino;
}

static void add_neighbour(struct walk *walk, const char *name)
{
	AUTO_CLOSE int dir = openat(walk->world->runs, name,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct journal journal = JOURNAL_CLOSED;
	struct neighbour *other;
	struct err err = ERR_NONE;
	int r = dir < 0 ? -ENOENT : journal_file_open(&journal, dir, false, true, &err);

	if (r == 0)
		r = journal_file_catch_up(&journal, true, &err);
	if (r == -ENOENT)
		return;
	if (r < 0)
		report(walk, NULL, false,
		       mem_printf("guest %s: %s; what it also changed may have been put back too "
				  "early", name, err.text));
	if (r < 0 || is_same_file(journal.fd, walk->journal->fd)) {
		journal_finish(&journal);
		return;
	}
	other = MEM_PUSH(walk->others, walk->n_others);
	*other = (struct neighbour){ .name = mem_dup(name), .journal = journal };
}

static void find_neighbours(struct walk *walk)
{
	int fd = openat(walk->world->runs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		report(walk, NULL, false,
		       mem_dup("the directory of all guests can't be read: what they also changed "
			       "may have been put back too early"));
		return;
	}
	while ((entry = readdir(dir))) {
		if (str_is_name(entry->d_name))
			add_neighbour(walk, entry->d_name);
	}
}

static void walk_finish(struct walk *walk)
{
	for (size_t i = 0; i < walk->n_others; i++) {
		journal_finish(&walk->others[i].journal);
		free(walk->others[i].name);
	}
	free(walk->others);
}

static int read_and_record(struct walk *walk, const struct change_kind *kind,
			   const struct change *change, struct err *err)
{
	struct change found = { .kind = kind->name, .path = change->path, .want = change->want,
				.why = change->why };
	AUTO_FREE char *was = NULL;
	int r = kind->read(walk->world->host, &found, &was, err);

	if (r < 0)
		return r;
	if (!was && !kind->creates)
		return err_set(err, -ENOENT, "%s does not exist", change->path);
	if (was && kind->creates && !(kind->shared && kind->answers(was, change->want)))
		return err_set(err, -EEXIST, "%s is there already (%s), wanted was %s: remove it",
			       change->path, was, change->want);
	found.was = was;
	return journal_add_do(walk->journal, walk->world->host, &found, read_turn(), err);
}

static int write_and_confirm(struct walk *walk, const struct change_kind *kind,
			     struct journal_record *record, struct err *err)
{
	struct change_host *host = walk->world->host;
	const struct change *change = &record->change;
	AUTO_FREE char *now = NULL;
	int r = 0;

	if (!change_answers(kind, change->was, change->want))
		r = write_host(walk, kind, change, change->want, err);
	if (r == 0)
		r = kind->read(host, change, &now, err);
	// written down whatever it is: an answer that was not asked for is ours to take back too
	if (r == 0)
		r = journal_add_got(walk->journal, host, record->number, now, err);
	if (r < 0)
		return r;
	if (!change_answers(kind, now, change->want))
		return err_set(err, -EIO, "%s: asked for %s, got %s", change->path, change->want,
			       now ? now : "nothing");
	return kind->commit ? kind->commit(host, change, err) : 0;
}

int journal_apply(struct journal *journal, struct journal_world *world, const struct change *change,
		  struct err *err)
{
	const struct change_kind *kind = change_kind_find(change->kind);
	struct walk walk = { .journal = journal, .world = world };
	struct journal_record *record;
	int r;

	assert(kind && change->want && journal->fd >= 0);
	r = change_check_path(kind, change->path, err);
	if (r == 0)
		r = lock_take(world->lock, err);
	if (r < 0)
		return r;
	r = journal_file_catch_up(journal, true, err);
	if (r == 0)
		r = read_and_record(&walk, kind, change, err);
	if (r == 0) {
		record = &journal->records[journal->count - 1];
		r = write_and_confirm(&walk, kind, record, err);
		// newest of all under the lock: nobody is above it
		if (r < 0)
			undo_record(&walk, record);
	}
	lock_drop(world->lock);
	return r;
}

static void undo_all(struct walk *walk)
{
	struct journal *journal = walk->journal;

	find_neighbours(walk);
	for (size_t i = journal->count; i-- > 0;) {
		if (!journal->records[i].done)
			undo_record(walk, &journal->records[i]);
	}
	for (size_t i = 0; i < journal->damaged.count; i++)
		report(walk, NULL, true,
		       mem_printf("journal: %s: if it recorded a change, that was not undone; put "
				  "it back by hand, then delete the line",
				  journal->damaged.items[i]));
}

int journal_undo(struct journal *journal, struct journal_world *world, struct journal_report *out)
{
	struct walk walk = { .journal = journal, .world = world, .report = out };
	struct err err = ERR_NONE;
	int r;

	assert(journal->fd >= 0);
	*out = (struct journal_report){ 0 };
	r = lock_take(world->lock, &err);
	if (r < 0) {
		report(&walk, NULL, true, mem_printf("nothing was undone: %s", err.text));
		return r;
	}
	r = journal_file_catch_up(journal, true, &err);
	if (r < 0)
		report(&walk, NULL, true, mem_printf("nothing was undone: %s", err.text));
	else
		undo_all(&walk);
	lock_drop(world->lock);
	walk_finish(&walk);
	return journal_report_failed(out) ? -EIO : 0;
}

static int retake_record(struct walk *walk, const struct journal_record *record, struct err *err)
{
	const struct change_kind *kind = change_kind_find(record->change.kind);

	if (record->done || !kind || kind->survives_us)
		return 0;
	return write_host(walk, kind, &record->change, record->change.want, err);
}

int journal_retake(struct journal *journal, struct journal_world *world, struct err *err)
{
	struct walk walk = { .journal = journal, .world = world };
	int first = lock_take(world->lock, err);

	if (first < 0)
		return first;
	first = journal_file_catch_up(journal, true, err);
	for (size_t i = 0; i < journal->count; i++) {
		int r = retake_record(&walk, &journal->records[i], first < 0 ? NULL : err);

		first = first < 0 ? first : r;
	}
	lock_drop(world->lock);
	return first;
}
