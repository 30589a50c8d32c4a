// SPDX-License-Identifier: MIT
// Owns the journal: what we changed on the host, written before the host is, and the walk back.
// Refuses to be clever about failures: a failure never stops the walk, and what could not be put
// back is named.
//
// The file is lines of tab-separated fields, escaped by str_add_escaped ("-" alone is NULL, a text
// that is "-" is written "\x2d"):
//   do    N TURN KIND PATH WAS WANT WHY   record, written before the host is
//   got   N VALUE      what the host answered; without it the write may not have happened
//   was   N VALUE      handed over by a guest that ended: this is now what to put back
//   undo  N            `was`, as it is now, is about to be put back or passed up; left out where nobody can
//                      hand another `was` over meanwhile, and the write is one
//   done  N HOW        settled: undone, already, foreign, handed NAME
// TURN is CLOCK_BOOTTIME in ns: it orders the changes of all guests, since each is made under the
// host-wide lock. A last line without a newline was never completed and is ignored. Nothing is synced: what
// the kernel has taken outlives every process of ours, and what the kernel itself does not outlive need not be
// undone, since the changes went with it (the boot id in the state file tells).
//
// Guests that change the same thing pile up on it: each one's `was` is what the one below had set.
// The topmost puts its `was` back; one below it passes its own `was` up to the next above, and
// writes nothing.
#pragma once

#include "base/str.h"
#include "tune/change/change.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct journal_record {
	unsigned number;
	uint64_t turn;
	struct change change; // `was` is what to put back; `kind` "unknown": of a newer version
	char *kind;	      // as recorded
	char *found;	      // what was there when we came
	bool has_got;
	char **undone; // each `was` that an undo began with, and may have put back or passed up
	size_t n_undone;
	char *done; // NULL while it stands
	bool noted; // that it is done is not in the file yet
};

struct journal {
	int fd;	    // O_APPEND, or -1
	off_t size; // read so far, in whole lines
	size_t lines;
	struct journal_record *records;
	size_t count;
	struct strv damaged; // lines that could not be understood, as messages
	struct str noted; // lines that are to be written with the next one
};

#define JOURNAL_CLOSED { .fd = -1 }

// Opens or creates dirfd/"journal" and reads what it holds. A file or directory that another user
// could write is refused. Returns 0 or -errno with a message.
int journal_open(struct journal *journal, int dirfd, struct err *err);
// Reads only; -ENOENT where there is none.
int journal_read(struct journal *journal, int dirfd, struct err *err);
void journal_finish(struct journal *journal);

// The newest standing change of this kind and path, or NULL.
struct journal_record *journal_find(const struct journal *journal, const char *kind, const char *path);

size_t journal_standing(const struct journal *journal); // records not settled

// What the shell lends. `runs` is the directory that holds every guest's run directory, ours too:
// each NAME/journal in it, of a living guest or a dead one that was not reverted yet, takes part in
// handing over. It is listed under the lock, since a guest may start at any time. `lock` must be
// open in no process that outlives us: it is a flock(2), which children share.
struct journal_world {
	struct change_host *host;
	int lock; // fd of the host-wide lock file
	int runs; // dirfd
};

// All calls below wait up to 30 s for the lock, and fail with -ETIMEDOUT.

// Records, writes, reads back, appends got. A change whose read-back is not what was asked for is
// undone at once and fails with -EIO and both values in the message. Returns 0 or -errno; what a
// failed change may have left is undone by journal_undo like all others. After the last of several:
// change_host_rest.
int journal_apply(struct journal *journal, struct journal_world *world, const struct change *change,
		  struct err *err);

// One outcome of undo that a person should read.
struct journal_left {
	struct change change; // path NULL: about the journal as a whole
	char *text; // what happened and what to do
	bool failed; // could not be put back (exit 4); false: somebody else's value was left alone
};

struct journal_report {
	struct journal_left *items;
	size_t count;
};
void journal_report_finish(struct journal_report *report);
bool journal_report_failed(const struct journal_report *report);

// Undoes every standing record, newest first: another guest changed it after us → our `was` passes
// to that one; still ours → `was` is written; already `was` → nothing; else somebody else changed
// it → said and left. Without `got` (we died between record and read-back) a value that is as we
// wanted it counts as ours, and of a pool each on the way there. Idempotent. Returns 0, or -EIO
// where an item failed (see report): those records still stand, and the run directory must stay.
int journal_undo(struct journal *journal, struct journal_world *world,
		 struct journal_report *report);

// The same for the newest standing change of this kind and path alone, where there is one: the guest needs it no more.
int journal_undo_one(struct journal *journal, struct journal_world *world, const char *kind, const char *path,
		     struct journal_report *report);

// Undoes those that were needed only until QEMU had mapped its memory (pool): to be called between that
// and the guest's first instruction. One that lies on another guest's, which may not have mapped yet, has
// to wait, since the kernel would free that one's pages first. Returns how many wait, to be asked again
// later; or as journal_undo, and the undo at the end tries again.
int journal_settle(struct journal *journal, struct journal_world *world,
		   struct journal_report *report);

// For an adopter: takes again what died with the last holder (hold). Returns 0 or the first error.
int journal_retake(struct journal *journal, struct journal_world *world, struct err *err);
