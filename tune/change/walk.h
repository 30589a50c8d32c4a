// SPDX-License-Identifier: MIT
// Owns one walk over a journal under the host-wide lock: who else is concerned, and how one record
// is undone. Refuses to lock, and callers outside of tune/change/.
#pragma once

#include "tune/change/journal.h"

#include <stdbool.h>
#include <stddef.h>

struct change_kind;
struct err;
struct task_list;

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
	bool sees_all; // who else is concerned, without a doubt
	struct journal_report *report; // NULL: nobody reads it
	struct task_list *tasks; // whose affinities a write that disturbs them gives back; NULL: none
	bool noted; // they are known already
	const struct change *only; // of an undo of one: which; NULL: of all
};

// Before a write that may cost tasks their affinities: lists these tasks, and records each that is not known
// yet, so that its record is older than that of the write, and undone after it. Pointers to records are void
// after it. `tasks` is filled even after an error.
int walk_note_tasks(struct walk *walk, struct task_list *tasks, uint64_t turn, struct err *err);

// Reads the journals of all other guests; what can't be read is reported.
void walk_find_neighbours(struct walk *walk);
// The other guest that has changed this and not put it back, or NULL.
const char *walk_find_owner(struct walk *walk, const struct change_kind *kind, const char *path);
void walk_finish(struct walk *walk);

// Adds to the report, if there is one. Takes ownership of text; `change` may be NULL.
void walk_report(struct walk *walk, const struct change *change, bool failed, char *text);

// The one place where the host is written: asks the kind to make it `value`, between the hooks.
int walk_write(struct walk *walk, const struct change_kind *kind, const struct change *change,
	       const char *value, struct err *err);

// Reads back until same(now, value), or the kind's patience is over. *now is the last answer, on the heap, or
// NULL for nothing there.
int walk_read_back(struct walk *walk, const struct change_kind *kind, const struct change *change,
		   bool (*same)(const struct change_kind *kind, const char *now, const char *value),
		   const char *value, char **now, struct err *err);

// Whether another guest's change of the same thing, which stands too, came before.
bool walk_lies_on_another(const struct walk *walk, const struct journal_record *record);

// Undoes one record that stands, and reports what a person should read.
void walk_undo(struct walk *walk, struct journal_record *record);
// One whose file went away with what another undo removed.
void walk_settle_gone(struct walk *walk, struct journal_record *record);
void walk_write_noted(struct walk *walk); // what was settled, before the lock is dropped
