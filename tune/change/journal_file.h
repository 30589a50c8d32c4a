// SPDX-License-Identifier: MIT
// Owns the journal's text: reading it piece by piece and appending to it. Refuses to touch the
// host.
#pragma once

#include "tune/change/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

// Takes in the whole lines of text and returns how many bytes they are. Any bytes are allowed.
size_t journal_parse(struct journal *journal, const char *text, size_t len);

// Opens dirfd/"journal" and reads it. -ENOENT where there is none and `create` is false.
int journal_file_open(struct journal *journal, int dirfd, bool create, bool write, struct err *err);

// Reads what was appended since. With `trim`, which needs the lock, cuts off a line that was never
// completed. Pointers to records are void after it.
int journal_file_catch_up(struct journal *journal, bool trim, struct err *err);

// Each appends one line and takes it into `journal` too; on failure neither has it. `host`
// is for its hooks. Needs the lock.
int journal_add_do(struct journal *journal, struct change_host *host, const struct change *change,
		   uint64_t turn, struct err *err); // becomes the last record
int journal_add_got(struct journal *journal, struct change_host *host, unsigned number,
		    const char *value, struct err *err);
int journal_add_was(struct journal *journal, struct change_host *host, unsigned number,
		    const char *value, struct err *err);
int journal_add_undo(struct journal *journal, struct change_host *host, unsigned number,
		     struct err *err);
int journal_add_done(struct journal *journal, struct change_host *host, unsigned number,
		     const char *how, struct err *err);

// As journal_add_done, but the line is written with the next one, or by journal_write_noted: for what is found to be as
// it was by whoever looks at it again.
void journal_note_done(struct journal *journal, struct journal_record *record, const char *how);
int journal_write_noted(struct journal *journal, struct change_host *host, struct err *err);
// Where they can't be written: those records stand again, as they do in the file.
void journal_drop_noted(struct journal *journal);
