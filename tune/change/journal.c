// SPDX-License-Identifier: MIT
#include "tune/change/journal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "tune/change/journal_file.h"
#include "tune/change/kind.h"
#include "tune/change/tasks.h"
#include "tune/change/walk.h"

#include <assert.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

enum { LOCK_WAIT_MS = 30000, LOCK_POLL_MS = 10 };

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

static int refuse_anothers(struct walk *walk, const struct change_kind *kind, const char *path, struct err *err)
{
	const char *owner = kind->exclusive && !str_eq(path, kind->common) ? walk_find_owner(walk, kind, path) : NULL;

	if (!owner)
		return 0;
	return err_set(err, -EBUSY, "%s: guest %s has it; end that one first (or, if it is dead, `vfiorun revert "
				    "%s`)", path, owner, owner);
}

static int read_and_record(struct walk *walk, const struct change_kind *kind,
			   const struct change *change, struct err *err)
{
	struct change found = { .kind = kind->name, .path = change->path, .want = change->want,
				.why = change->why };
	AUTO_FREE char *was = NULL, *want = NULL;
	int r = refuse_anothers(walk, kind, change->path, err);

	if (r == 0)
		r = kind->read(walk->world->host, &found, &was, err);
	if (r < 0)
		return r;
	if (!was && !kind->creates)
		return err_set(err, -ENOENT, "%s does not exist", change->path);
	if (was && kind->creates && !(kind->shared && kind->answers(was, change->want)))
		return err_set(err, -EEXIST, "%s is there already (%s), wanted was %s: remove it",
			       change->path, was, change->want);
	found.was = was;
	r = kind->aim ? kind->aim(walk->world->host, &found, &want, err) : 0;
	if (r < 0)
		return r;
	found.want = want ? want : found.want;
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
		r = walk_write(walk, kind, change, change->want, err);
	if (r == 0)
		r = walk_read_back(walk, kind, change, change_answers, change->want, &now, err);
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
	CLEANUP(task_list_finish) struct task_list tasks = { 0 };
	struct walk walk = { .journal = journal, .world = world, .tasks = &tasks };
	struct journal_record *record;
	int r;

	assert(kind && change->want && journal->fd >= 0);
	r = change_check_path(kind, change->path, err);
	if (r == 0)
		r = lock_take(world->lock, err);
	if (r < 0)
		return r;
	tasks_forget(world->host);
	r = journal_file_catch_up(journal, true, err);
	if (r == 0 && kind->disturbs && kind->disturbs(change, change->want))
		r = walk_note_tasks(&walk, &tasks, read_turn(), err);
	change_host_keep(world->host, kind, change->path);
	if (r == 0)
		r = read_and_record(&walk, kind, change, err);
	if (r == 0) {
		record = &journal->records[journal->count - 1];
		r = write_and_confirm(&walk, kind, record, err);
		// newest of all under the lock: nobody is above it
		if (r < 0)
			walk_undo(&walk, record);
		walk_write_noted(&walk);
	}
	change_host_let_go(world->host);
	lock_drop(world->lock);
	walk_finish(&walk);
	return r;
}

static bool disturbs(const struct journal_record *record)
{
	const struct change_kind *kind = change_kind_find(record->change.kind);

	return kind && kind->disturbs && kind->disturbs(&record->change, record->change.was);
}

// By number, since what is noted on the way makes the list of records move.
static void undo_one(struct walk *walk, size_t i)
{
	struct err err = ERR_NONE;

	if (walk->journal->records[i].done)
		return;
	// One look serves the whole walk, which takes a moment. A full disk is no reason to leave the host as it
	// is: then only the living remember.
	if (disturbs(&walk->journal->records[i]) && !walk->noted) {
		walk->noted = true;
		if (walk_note_tasks(walk, walk->tasks, read_turn(), &err) < 0)
			walk_report(walk, NULL, false, mem_printf("affinities of the host's tasks: %s", err.text));
	}
	walk_undo(walk, &walk->journal->records[i]);
}

static bool is_file_in(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && path[len] == '/' && !strchr(path + len + 1, '/');
}

// Whether it is a file in a cgroup that is to be removed after it, and has no effect beyond that.
static bool goes_with_cgroup(const struct journal *journal, const struct journal_record *record)
{
	const struct change_kind *kind = change_kind_find(record->change.kind);

	if (record->done || !kind || !kind->goes_with_cgroup || disturbs(record))
		return false;
	for (const struct journal_record *older = journal->records; older < record; older++) {
		if (!older->done && str_eq(older->kind, change_kind_cgroup.name) &&
		    is_file_in(record->change.path, older->change.path))
			return true;
	}
	return false;
}

// Also where it was not there any more; not where it is somebody else's by now.
static bool is_removed(const struct journal_record *cgroup)
{
	return str_eq(cgroup->done, "undone") || str_eq(cgroup->done, "already");
}

// What was left to the removal of a cgroup, once that was tried: before anything older, to which it may matter.
static void undo_inside(struct walk *walk, size_t cgroup)
{
	const struct journal *journal = walk->journal;

	for (size_t i = journal->count; i-- > cgroup + 1;) {
		struct journal_record *record = &journal->records[i];
		const struct change_kind *kind = change_kind_find(record->change.kind);

		if (record->done || !kind || !kind->goes_with_cgroup ||
		    !is_file_in(record->change.path, journal->records[cgroup].change.path))
			continue;
		if (is_removed(&journal->records[cgroup]))
			walk_settle_gone(walk, record);
		else
			undo_one(walk, i);
	}
}

static void undo_or_leave(struct walk *walk, size_t i)
{
	const struct journal *journal = walk->journal;

	if (journal->records[i].done || goes_with_cgroup(journal, &journal->records[i]))
		return;
	undo_one(walk, i);
	if (str_eq(journal->records[i].kind, change_kind_cgroup.name))
		undo_inside(walk, i);
}

static void undo_all(struct walk *walk)
{
	CLEANUP(task_list_finish) struct task_list tasks = { 0 };
	struct journal *journal = walk->journal;
	size_t known = journal->count;

	walk->tasks = &tasks;
	for (size_t i = known; i-- > 0;)
		undo_or_leave(walk, i);
	// tasks whose affinities were noted while that went on
	for (size_t i = known; i < journal->count; i++)
		undo_one(walk, i);
	walk->tasks = NULL;
	for (size_t i = 0; i < journal->damaged.count; i++)
		walk_report(walk, NULL, true,
			    mem_printf("journal: %s: if it recorded a change, that was not undone; "
				       "put it back by hand, then delete the line",
				       journal->damaged.items[i]));
}

static bool is_passing(const struct journal_record *record)
{
	const struct change_kind *kind = change_kind_find(record->change.kind);

	return !record->done && kind && kind->passing;
}

static void undo_passing(struct walk *walk)
{
	struct journal *journal = walk->journal;

	for (size_t i = journal->count; i-- > 0;) {
		struct journal_record *record = &journal->records[i];

		if (is_passing(record) && !walk_lies_on_another(walk, record))
			walk_undo(walk, record);
	}
}

struct journal_record *journal_find(const struct journal *journal, const char *kind, const char *path)
{
	for (size_t i = journal->count; i-- > 0;) {
		struct journal_record *record = &journal->records[i];

		if (!record->done && str_eq(record->kind, kind) && str_eq(record->change.path, path))
			return record;
	}
	return NULL;
}

static void undo_only(struct walk *walk)
{
	struct journal_record *record = journal_find(walk->journal, walk->only->kind, walk->only->path);

	if (record)
		walk_undo(walk, record);
}

static int walk_back(struct journal *journal, struct journal_world *world, const struct change *only,
		     void (*undo)(struct walk *walk), struct journal_report *out)
{
	struct walk walk = { .journal = journal, .world = world, .report = out, .only = only };
	struct err err = ERR_NONE;
	int r;

	assert(journal->fd >= 0);
	*out = (struct journal_report){ 0 };
	r = lock_take(world->lock, &err);
	if (r < 0) {
		walk_report(&walk, NULL, true, mem_printf("nothing was undone: %s", err.text));
		return r;
	}
	tasks_forget(world->host);
	r = journal_file_catch_up(journal, true, &err);
	if (r < 0) {
		walk_report(&walk, NULL, true, mem_printf("nothing was undone: %s", err.text));
	} else {
		walk_find_neighbours(&walk);
		undo(&walk);
		walk_write_noted(&walk);
	}
	change_host_rest(world->host);
	lock_drop(world->lock);
	walk_finish(&walk);
	return journal_report_failed(out) ? -EIO : 0;
}

int journal_undo(struct journal *journal, struct journal_world *world, struct journal_report *out)
{
	return walk_back(journal, world, NULL, undo_all, out);
}

int journal_undo_one(struct journal *journal, struct journal_world *world, const char *kind, const char *path,
		     struct journal_report *out)
{
	const struct change only = { .kind = kind, .path = (char *)path };

	*out = (struct journal_report){ 0 };
	return journal_find(journal, kind, path) ? walk_back(journal, world, &only, undo_only, out) : 0;
}

static int count_passing(const struct journal *journal)
{
	int n = 0;

	for (size_t i = 0; i < journal->count; i++)
		n += is_passing(&journal->records[i]);
	return n;
}

int journal_settle(struct journal *journal, struct journal_world *world, struct journal_report *out)
{
	int r;

	*out = (struct journal_report){ 0 };
	// most guests have nothing of the kind, and wait for no lock then
	if (!count_passing(journal))
		return 0;
	r = walk_back(journal, world, NULL, undo_passing, out);
	return r < 0 ? r : count_passing(journal);
}

static int retake_record(struct walk *walk, const struct journal_record *record, struct err *err)
{
	const struct change_kind *kind = change_kind_find(record->change.kind);

	if (record->done || !kind || kind->survives_us)
		return 0;
	return walk_write(walk, kind, &record->change, record->change.want, err);
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
