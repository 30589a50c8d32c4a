// SPDX-License-Identifier: MIT
// Owns a guest's life on disk: the state file with its phases, the locks that tell who lives, and the
// classification of what is found. Refuses to act on what it finds.
#pragma once

#include "tune/host/process.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct paths;
struct plan;

// Each is written before it begins.
enum phase { PHASE_APPLYING, PHASE_STARTING, PHASE_RUNNING, PHASE_STOPPING };

struct state {
	char boot_id[40];
	enum phase phase;
	struct process_id keeper;
	struct process_id qemu; // pid 0: not started
	int64_t since;		// CLOCK_REALTIME seconds of the start
	struct plan *plan;	// owned; heap
};

// What a name turns out to be. Locks are beside NAME/ and never unlinked: ".lock-NAME" is held by the
// keeper, ".alive-NAME" by QEMU (inherited), ".host" around every host change.
enum life {
	LIFE_NONE,    // no run directory, nothing lives
	LIFE_RUNNING, // a keeper holds it
	LIFE_ORPHAN,  // the keeper is dead, QEMU runs and had reached `running`: adopt
	LIFE_DEAD,    // the keeper is dead; whatever is left must be settled: revert
};

struct guest_dir {
	int base;  // dirfd of the run base
	int dir;   // dirfd of NAME/, -1 if there is none
	int lock;  // keeper's lock, held by us, or -1
	int alive; // QEMU's lock file, open; held once taken
	int host;  // host-wide lock file, open, not locked
};
#define GUEST_DIR_CLOSED { -1, -1, -1, -1, -1 }

// Opens base and lock files (made if need be), takes the keeper's lock without waiting. -EBUSY: a keeper
// lives. Returns 0 or -errno with a message.
int guest_dir_lock(struct guest_dir *dir, const struct paths *paths, const char *name, struct err *err);
// Makes NAME/ for a start. Fails with -EEXIST if it is there.
int guest_dir_create(struct guest_dir *dir, const char *name, struct err *err);
// Removes NAME/ with what is in it (not the locks).
int guest_dir_remove(struct guest_dir *dir, const char *name, struct err *err);
void guest_dir_close(struct guest_dir *dir);

// Looks, changes nothing. `state` may be NULL; filled when the file is there and whole.
enum life guest_look(const struct paths *paths, const char *name, struct state *state, struct err *err);

int state_write(int dirfd, const struct state *state, const char *name, struct err *err);
int state_read(int dirfd, struct state *state, struct err *err);
void state_finish(struct state *state);
const char *phase_name(enum phase phase);
