// SPDX-License-Identifier: MIT
// Owns the journal: what we changed on the host, written before the host is, and the walk back. Refuses
// to be clever about failures: a failure never stops the walk, and what could not be put back is named.
//
// The file is lines of tab-separated fields, escaped by str_add_escaped ("-" alone is NULL, a text that
// is "-" is written "\x2d"):
//   do    N KIND PATH WAS WANT WHY     record, synced before the host is written
//   got   N VALUE                      what the host answered; without it the write may not have happened
//   was   N VALUE                      handed over by a guest that ended: this is now what to put back
//   done  N HOW                        settled: undone, already, foreign, handed NAME
// A last line without a newline was never completed and is ignored. All appends happen under the
// host-wide lock.
#pragma once

#include "tune/change/change.h"

#include <stdbool.h>
#include <stddef.h>

struct err;

struct journal_record {
	unsigned number;
	struct change change;
	bool has_got;
	char *done; // NULL while it stands
};

struct journal {
	int fd; // O_APPEND, or -1 when only read
	struct journal_record *records;
	size_t count;
};

#define JOURNAL_CLOSED { .fd = -1 }

// Opens or creates dirfd/"journal" and reads what it holds. Returns 0 or -errno with a message.
int journal_open(struct journal *journal, int dirfd, struct err *err);
// Reads only; -ENOENT where there is none.
int journal_read(struct journal *journal, int dirfd, struct err *err);
void journal_finish(struct journal *journal);

size_t journal_standing(const struct journal *journal); // records not settled

// A live guest's run directory besides ours, for hand-over. `dirfd` is its directory.
struct journal_neighbour {
	const char *name;
	int dirfd;
};

// What the shell lends: the lock file of the host, and who else lives. All calls below take the lock.
struct journal_world {
	struct change_host *host;
	int lock; // fd of the host-wide lock file
	struct journal_neighbour *others;
	size_t n_others;
};

// Records, writes, reads back, appends got. A change whose read-back differs (by its kind's equality)
// is undone at once and fails with -EIO and both values in the message. Returns 0 or -errno.
int journal_apply(struct journal *journal, struct journal_world *world, const struct change *change,
		  struct err *err);

// One outcome of undo that a person should read.
struct journal_left {
	struct change change;
	char *text; // what happened and what to do
	bool failed; // could not be put back (exit 4); false: somebody else's value was left alone
};

struct journal_report {
	struct journal_left *items;
	size_t count;
};
void journal_report_finish(struct journal_report *report);
bool journal_report_failed(const struct journal_report *report);

// Undoes every standing record, newest first: still ours → `was` is written; already `was` → nothing;
// wanted by a living neighbour → our `was` passes to it; else somebody else changed it → said and left.
// Without `got` (we died between record and read-back) a value equal to want counts as ours.
// Idempotent. Returns 0, or -EIO where an item failed (see report).
int journal_undo(struct journal *journal, struct journal_world *world, struct journal_report *report);

// For an adopter: takes again what died with the last holder (hold). Returns 0 or -errno.
int journal_retake(struct journal *journal, struct journal_world *world, struct err *err);
