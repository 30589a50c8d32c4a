// SPDX-License-Identifier: MIT
// Owns a guest's life on disk: the state file with its phases, the locks that tell who lives, and the
// classification of what is found. Refuses to act on what it finds.
#pragma once

#include "base/str.h"
#include "tune/host/process.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct paths;
struct plan;

// Each is written before it begins. STOPPING begins when QEMU has ended or we are about to end it without
// asking the guest.
enum phase { PHASE_APPLYING, PHASE_STARTING, PHASE_RUNNING, PHASE_STOPPING };
const char *phase_name(enum phase phase);

struct state {
	char boot_id[40];
	enum phase phase;
	struct process_id keeper;
	struct process_id qemu; // pid 0: not started
	int64_t since;		// of the start, seconds since the epoch
	struct plan *plan;	// owned, heap; NULL: not known
	char *plan_text;	// owned: the plan as JSON, once it was written; a plan does not change
};

// Writes dirfd/"state" atomically. Returns 0 or -errno with a message.
int state_write(int dirfd, struct state *state, struct err *err);
// -ENOENT: none; -EPROTO: not ours or damaged. `state` must be released either way.
int state_read(int dirfd, struct state *state, struct err *err);
void state_finish(struct state *state);

// What a name turns out to be. Locks are beside NAME/ and never unlinked: ".lock-NAME" is held by the
// keeper, ".alive-NAME" by QEMU (inherited), ".host" around every host change, ".turn" from the look at the
// host until the plan made from it is on disk. Guest names never start with a dot, so no lock can be taken
// for a guest.
enum life {
	LIFE_NONE,    // no run directory, nothing lives
	LIFE_RUNNING, // a keeper holds it
	LIFE_ORPHAN,  // the keeper is dead, QEMU runs and had reached `running`: adopt
	LIFE_DEAD,    // the keeper is dead; whatever is left must be settled: revert
};

struct guest_dir {
	int base;  // dirfd of the run base
	int dir;   // dirfd of NAME/, -1 if there is none
	int lock;  // keeper's lock
	int alive; // QEMU's lock file, open to ask, never locked by us
	int host;  // host-wide lock file, open, not locked
};
#define GUEST_DIR_CLOSED { -1, -1, -1, -1, -1 }

// Opens the lock files (made if need be) and takes the keeper's lock without waiting; opens NAME/ if it is
// there. -EBUSY: a keeper lives. Returns 0 or -errno with a message.
int guest_dir_lock(struct guest_dir *dir, const struct paths *paths, const char *name, struct err *err);
// The turn to start: one guest at a time looks at the host and writes down what it takes of it, so that the next
// one sees that. Returns a descriptor that holds it; -EBUSY when somebody else has it for wait_ms; -errno. All with
// a message.
int guest_turn_take(const struct paths *paths, int wait_ms, struct err *err);
// Makes NAME/ for a start, readable for all and writable for us.
int guest_dir_create(struct guest_dir *dir, const char *name, struct err *err);
// A new descriptor that holds QEMU's lock: called in the child that becomes QEMU, so that nobody but
// QEMU holds it. -EBUSY: another QEMU does.
int guest_dir_open_alive(const struct guest_dir *dir, const char *name, struct err *err);
// Waits until no QEMU holds its lock. -ETIMEDOUT.
int guest_dir_wait_dead(const struct guest_dir *dir, int timeout_ms);
// Removes NAME/ with what is in it, not the locks.
int guest_dir_remove(struct guest_dir *dir, const char *name, struct err *err);
// Gives the keeper's lock back: somebody else may take the name.
void guest_dir_unlock(struct guest_dir *dir);
void guest_dir_close(struct guest_dir *dir);

// Looks, changes nothing. `state` may be NULL; else it is filled as far as it can be read, and must be
// released. A state of another boot counts as dead.
enum life guest_look(const struct paths *paths, const char *name, struct state *state);

// The same for who holds the keeper's lock: LIFE_NONE, LIFE_ORPHAN or LIFE_DEAD.
enum life guest_look_locked(const struct guest_dir *dir, struct state *state);

// Names that have a run directory, sorted, appended.
void guest_list(const struct paths *paths, struct strv *names);
