// SPDX-License-Identifier: MIT
#include "tune/change/walk.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "tune/change/journal_file.h"
#include "tune/change/kind.h"
#include "tune/change/mask.h"
#include "tune/change/tasks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The guest that changed the same thing next after us.
struct above {
	struct neighbour *owner; // NULL: we ourselves
	struct journal_record *record;
};

void walk_report(struct walk *walk, const struct change *change, bool failed, char *text)
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

static bool is_between(const struct change_kind *kind, const char *now, const char *from, const char *to)
{
	return kind->between && now && from && to && kind->between(now, from, to);
}

// The values that the host may show because of this record, besides `was`.
static bool is_ours(const struct change_kind *kind, const struct journal_record *record,
		    const char *now)
{
	const struct change *change = &record->change;

	// each of these CPUs is still out, which is our doing, or back already
	if (kind->divides)
		return !str_starts(now, "other ");
	// an undo got this far and was not settled, and then we were handed another `was`
	for (size_t i = 0; i < record->n_undone; i++) {
		if (change_equal(kind, now, record->undone[i]) ||
		    is_between(kind, now, record->undone[i], record->has_got ? change->got : change->want))
			return true;
	}
	if (record->has_got)
		return change_equal(kind, now, change->got);
	// we died before the answer was written down: the write was made or not, or in part
	return change_equal(kind, now, record->found) || change_answers(kind, now, change->want) ||
	       is_between(kind, now, record->found, change->want);
}

static bool is_of_same(const struct journal_record *a, const struct journal_record *b)
{
	return strcmp(a->change.kind, b->change.kind) == 0 && strcmp(a->change.path, b->change.path) == 0;
}

static void consider(struct journal *journal, struct neighbour *owner,
		     const struct journal_record *record, struct above *above)
{
	for (size_t i = 0; i < journal->count; i++) {
		struct journal_record *other = &journal->records[i];

		if (other->done || other->turn <= record->turn || !is_of_same(other, record))
			continue;
		if (!above->record || other->turn < above->record->turn)
			*above = (struct above){ .owner = owner, .record = other };
	}
}

static bool has_below(const struct journal *journal, const struct journal_record *record)
{
	for (size_t i = 0; i < journal->count; i++) {
		const struct journal_record *other = &journal->records[i];

		if (!other->done && other->turn < record->turn && is_of_same(other, record))
			return true;
	}
	return false;
}

bool walk_lies_on_another(const struct walk *walk, const struct journal_record *record)
{
	for (size_t i = 0; i < walk->n_others; i++) {
		if (has_below(&walk->others[i].journal, record))
			return true;
	}
	return false;
}

// Whether this may yet be handed another `was`: only by who changed the same thing before, and where all who did are
// known, nobody comes to be among them any more.
static bool may_be_handed(const struct walk *walk, const struct journal_record *record)
{
	return !walk->sees_all || walk->journal->damaged.count || has_below(walk->journal, record) ||
	       walk_lies_on_another(walk, record);
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
static void say_unrecorded(struct walk *walk, const struct journal_record *record, const char *how,
			   const struct err *err)
{
	walk_report(walk, &record->change, false,
		    mem_printf("%s: settled (%s), but that could not be recorded: %s; run "
			       "`vfiorun revert` once that is mended", record->change.path, how,
			       err->text));
}

// Whoever finds the record standing, should we die first, sees only that its `was` is there, unless another value of
// the same thing was given back in the meantime.
static void settle(struct walk *walk, struct journal_record *record, const char *how)
{
	const struct change_kind *kind = change_kind_find(record->change.kind);
	struct err err = ERR_NONE;

	if (kind && !kind->between && !may_be_handed(walk, record))
		journal_note_done(walk->journal, record, how);
	else if (journal_add_done(walk->journal, walk->world->host, record->number, how, &err) < 0)
		say_unrecorded(walk, record, how, &err);
}

void walk_settle_gone(struct walk *walk, struct journal_record *record)
{
	settle(walk, record, "gone");
}

void walk_write_noted(struct walk *walk)
{
	struct journal *journal = walk->journal;
	struct err err = ERR_NONE;

	if (journal_write_noted(journal, walk->world->host, &err) == 0)
		return;
	for (size_t i = 0; i < journal->count; i++) {
		if (journal->records[i].noted)
			say_unrecorded(walk, &journal->records[i], journal->records[i].done, &err);
	}
	journal_drop_noted(journal);
}

static void pass_up(struct walk *walk, struct journal_record *record, const struct above *above)
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

		walk_report(walk, &record->change, true,
			    explain(record, above->record->found, middle));
		return;
	}
	settle(walk, record, how);
}

// Somebody changed it after us and will put back, or had put back, what we left.
static void undo_below(struct walk *walk, const struct change_kind *kind,
		      struct journal_record *record, const struct above *above)
{
	const char *theirs = above->record->change.was;

	if (change_equal(kind, theirs, record->change.was)) {
		settle(walk, record, "already");
	} else if (is_ours(kind, record, theirs)) {
		pass_up(walk, record, above);
	} else {
		walk_report(walk, &record->change, false,
			    explain(record, theirs, "somebody else had changed it before another "
						    "guest did: left alone"));
		settle(walk, record, "foreign");
	}
}

static bool is_known(const struct journal *journal, const char *path)
{
	for (size_t i = journal->count; i-- > 0;) {
		const struct journal_record *record = &journal->records[i];

		if (!record->done && strcmp(record->change.kind, change_kind_affinity.name) == 0 &&
		    strcmp(record->change.path, path) == 0)
			return true;
	}
	return false;
}

static int note_task(struct walk *walk, const struct task *task, uint64_t turn, struct err *err)
{
	AUTO_FREE char *path = mem_printf("%d.%" PRIu64, (int)task->tid, task->start);
	AUTO_FREE char *cpus = cpuset_text(&task->cpus);
	const struct change change = { .kind = change_kind_affinity.name,
				       .path = path,
				       .was = cpus,
				       .want = (char *)"kept",
				       .why = (char *)"the kernel forgets it when cpusets change" };

	return is_known(walk->journal, path) ?
		       0 :
		       journal_add_do(walk->journal, walk->world->host, &change, turn, err);
}

// Cgroups of ours have no tasks but QEMU's, whose pins are set after all that.
static void list_our_cgroups(const struct journal *journal, struct strv *out)
{
	for (size_t i = 0; i < journal->count; i++) {
		const struct journal_record *record = &journal->records[i];

		if (!record->done && str_eq(record->kind, change_kind_cgroup.name))
			strv_add(out, record->change.path);
	}
}

int walk_note_tasks(struct walk *walk, struct task_list *tasks, uint64_t turn, struct err *err)
{
	AUTO_STRV struct strv ours = { 0 };
	int r;

	list_our_cgroups(walk->journal, &ours);
	r = tasks_list_narrow(walk->world->host, &ours, tasks);

	if (r < 0)
		return err_sys(err, r, "listing the host's tasks");
	for (size_t i = 0; r == 0 && i < tasks->count; i++)
		r = note_task(walk, &tasks->items[i], turn, err);
	return r;
}

// As much of each affinity as there is to be had now; the rest comes with the undo.
static void give_tasks_back(struct walk *walk)
{
	struct change_host *host = walk->world->host;

	for (size_t i = 0; walk->tasks && i < walk->tasks->count; i++) {
		const struct task *task = &walk->tasks->items[i];

		if (!task_is_served(host, task->tid, &task->cpus) && task_check(host, task->tid, task->start) == 0 &&
		    change_host_before_write(host) == 0 && task_write(host, task->tid, &task->cpus) == 0)
			change_host_after_write(host);
	}
}

int walk_write(struct walk *walk, const struct change_kind *kind, const struct change *change,
	       const char *value, struct err *err)
{
	struct change_host *host = walk->world->host;
	int r = change_host_before_write(host);

	if (r < 0)
		return err_sys(err, r, "writing %s", change->path);
	r = kind->write(host, change, value, err);
	if (r == 0)
		change_host_after_write(host);
	// a write that failed half-way may have moved them, too
	if (kind->disturbs)
		tasks_forget(host);
	if (kind->disturbs && kind->disturbs(change, value))
		give_tasks_back(walk);
	return r;
}

int walk_read_back(struct walk *walk, const struct change_kind *kind, const struct change *change,
		   bool (*same)(const struct change_kind *kind, const char *now, const char *value),
		   const char *value, char **now, struct err *err)
{
	long long until = io_now_ms() + kind->patience_ms;

	for (useconds_t wait_us = 200;; wait_us = wait_us < 20000 ? wait_us * 2 : wait_us) {
		int r = kind->read(walk->world->host, change, now, err);

		if (r < 0 || same(kind, *now, value) || io_now_ms() >= until)
			return r;
		free(*now);
		*now = NULL;
		usleep(wait_us);
	}
}

// What we could not put back may be what keeps it in use.
static bool newer_stands(const struct journal *journal, const struct journal_record *record)
{
	for (size_t i = 0; i < journal->count; i++) {
		if (journal->records[i].number > record->number && !journal->records[i].done)
			return true;
	}
	return false;
}

static void put_back(struct walk *walk, const struct change_kind *kind,
		    struct journal_record *record, const char *before)
{
	struct change_host *host = walk->world->host;
	const struct change *change = &record->change;
	AUTO_FREE char *now = NULL, *middle = NULL;
	struct err err = ERR_NONE;
	int r;

	// matters only if no `done` gets to follow: no reason to leave the host as it is
	if (kind->between || may_be_handed(walk, record))
		journal_add_undo(walk->journal, host, record->number, NULL);
	r = walk_write(walk, kind, change, change->was, &err);
	if (r == -EBUSY && kind->yields && !newer_stands(walk->journal, record)) {
		middle = mem_printf("in use by now (%s), so it was left alone", err.text);
		walk_report(walk, change, false, explain(record, before, middle));
		settle(walk, record, "foreign");
		return;
	}
	if (r == 0)
		r = walk_read_back(walk, kind, change, change_equal, change->was, &now, &err);
	if (r == 0 && change_equal(kind, now, change->was)) {
		settle(walk, record, "undone");
		return;
	}
	middle = r < 0 ? mem_printf("could not be put back (%s)", err.text) :
			 mem_printf("was written and did not take effect");
	walk_report(walk, change, true, explain(record, r < 0 && !now ? before : now, middle));
}

static void undo_top(struct walk *walk, const struct change_kind *kind,
		    struct journal_record *record)
{
	const struct change *change = &record->change;
	AUTO_FREE char *now = NULL;
	struct err err = ERR_NONE;
	int r = kind->read(walk->world->host, change, &now, &err);

	if (r < 0) {
		walk_report(walk, change, true, explain(record, "not to be seen", err.text));
	} else if (!now && kind->gone) {
		if (*kind->gone)
			walk_report(walk, change, false, mem_printf("%s: %s", change->path, kind->gone));
		settle(walk, record, "gone");
	} else if (change_equal(kind, now, change->was)) {
		settle(walk, record, "already");
	} else if (record->has_got && kind->keeps && kind->keeps(change)) {
		settle(walk, record, "kept");
	} else if (is_ours(kind, record, now)) {
		put_back(walk, kind, record, now);
	} else {
		walk_report(walk, change, false,
			    explain(record, now, "somebody else changed it: left alone"));
		settle(walk, record, "foreign");
	}
}

// What both masks of a pair of records come to once ours is undone: CPUs that the other also wants out stay out
// and become the other's to put back; those that only stood in for ours, which the other found, were never the
// mask's own. False: nothing changes.
static bool share_masks(const struct journal_record *record, const struct journal_record *theirs, char **our_was,
			char **their_was)
{
	struct cpuset ours, our_all, our_instead, found, their_all, their_instead, shared, before;

	if (!record->change.was || !theirs->change.was || !mask_parse_found(record->change.was, &ours) ||
	    !mask_parse_wanted(record->change.want, &our_all, &our_instead) ||
	    !mask_parse_wanted(theirs->change.want, &their_all, &their_instead) ||
	    !mask_parse_found(theirs->change.was, &found))
		return false;
	shared = ours;
	cpuset_and(&shared, &their_all);
	before = found;
	if (str_starts(record->change.was, "only ") && theirs->turn > record->turn)
		cpuset_minus(&found, &our_instead);
	cpuset_or(&found, &shared);
	cpuset_minus(&ours, &shared);
	*their_was = mask_print_found(theirs->change.was, &found, &their_all);
	*our_was = mask_print_found(record->change.was, &ours, &our_all);
	return !cpuset_is_empty(&shared) || !cpuset_equal(&found, &before);
}

static bool hand_part(struct walk *walk, struct journal_record *record, struct neighbour *other,
		      struct journal_record *theirs)
{
	AUTO_FREE char *their_was = NULL, *our_was = NULL;
	struct change_host *host = walk->world->host;
	struct err err = ERR_NONE;
	int r;

	if (!share_masks(record, theirs, &our_was, &their_was))
		return true;
	// theirs first: to die in between makes both put it back
	r = journal_add_was(&other->journal, host, theirs->number, their_was, &err);
	if (r == 0)
		r = journal_add_was(walk->journal, host, record->number, our_was, &err);
	if (r < 0)
		walk_report(walk, &record->change, true,
			    mem_printf("%s: guest %s still wants CPUs out of it and could not be told: %s",
				       record->change.path, other->name, err.text));
	return r == 0;
}

static bool divide(struct walk *walk, struct journal_record *record)
{
	for (size_t i = 0; i < walk->n_others; i++) {
		struct neighbour *other = &walk->others[i];

		for (size_t j = 0; j < other->journal.count; j++) {
			struct journal_record *theirs = &other->journal.records[j];

			if (!theirs->done && strcmp(theirs->change.kind, record->change.kind) == 0 &&
			    strcmp(theirs->change.path, record->change.path) == 0 &&
			    !hand_part(walk, record, other, theirs))
				return false;
		}
	}
	return true;
}

void walk_undo(struct walk *walk, struct journal_record *record)
{
	const struct change_kind *kind = change_kind_find(record->change.kind);
	struct err err = ERR_NONE;
	struct above above;

	if (!kind) {
		walk_report(walk, &record->change, true,
			    mem_printf("%s: this version can't undo a change of kind \"%s\": run "
				       "the revert of the version that made it",
				       record->change.path, record->kind));
		return;
	}
	if (change_check_path(kind, record->change.path, &err) < 0) {
		walk_report(walk, &record->change, true,
			    mem_printf("%s: vfiorun would not have changed that: look at the "
				       "journal, and settle it by hand", err.text));
		return;
	}
	if (kind->divides && !divide(walk, record))
		return;
	above = kind->shared ? find_above(walk, record) : (struct above){ 0 };
	change_host_keep(walk->world->host, kind, record->change.path);
	if (above.record)
		undo_below(walk, kind, record, &above);
	else
		undo_top(walk, kind, record);
	change_host_let_go(walk->world->host);
}

// Ours is known already.
static bool is_of_walk(const struct walk *walk, int dir)
{
	struct stat its, ours;

	return fstatat(dir, "journal", &its, AT_SYMLINK_NOFOLLOW) == 0 && fstat(walk->journal->fd, &ours) == 0 &&
	       its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
}

static void add_neighbour(struct walk *walk, const char *name)
{
	AUTO_CLOSE int dir = openat(walk->world->runs, name,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct journal journal = JOURNAL_CLOSED;
	struct neighbour *other;
	struct err err = ERR_NONE;
	int r;

	if (dir < 0 || is_of_walk(walk, dir))
		return;
	r = journal_file_open(&journal, dir, false, true, &err);
	if (r == 0)
		r = journal_file_catch_up(&journal, true, &err);
	if (r == -ENOENT)
		return;
	if (r < 0)
		walk_report(walk, NULL, false,
			    mem_printf("guest %s: %s; what it also changed may have been put back "
				       "too early", name, err.text));
	if (r < 0 || journal.damaged.count)
		walk->sees_all = false;
	if (r < 0) {
		journal_finish(&journal);
		return;
	}
	other = MEM_PUSH(walk->others, walk->n_others);
	*other = (struct neighbour){ .name = mem_dup(name), .journal = journal };
}

const char *walk_find_owner(struct walk *walk, const struct change_kind *kind, const char *path)
{
	walk_find_neighbours(walk);
	for (size_t i = 0; i < walk->n_others; i++) {
		const struct journal *journal = &walk->others[i].journal;

		for (size_t j = 0; j < journal->count; j++) {
			if (!journal->records[j].done && str_eq(journal->records[j].kind, kind->name) &&
			    str_eq(journal->records[j].change.path, path))
				return walk->others[i].name;
		}
	}
	return NULL;
}

void walk_find_neighbours(struct walk *walk)
{
	int fd = openat(walk->world->runs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		walk_report(walk, NULL, false,
			    mem_dup("the directory of all guests can't be read: what they also "
				    "changed may have been put back too early"));
		return;
	}
	walk->sees_all = true;
	while ((entry = readdir(dir))) {
		if (str_is_name(entry->d_name))
			add_neighbour(walk, entry->d_name);
	}
}

void walk_finish(struct walk *walk)
{
	for (size_t i = 0; i < walk->n_others; i++) {
		journal_finish(&walk->others[i].journal);
		free(walk->others[i].name);
	}
	free(walk->others);
}
