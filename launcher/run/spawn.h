// SPDX-License-Identifier: MIT
// Owns becoming another program: a child described as data, that waits until it is told to go on. Refuses
// to leave an unrecorded process behind: until spawn_release the child exits when we do.
#pragma once

#include "base/cpuset.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct spawn_fd {
	int target; // the child's number
	int fd;	    // ours; stays ours
};

struct spawn {
	const struct strv *argv; // argv[0] is the path of the program
	const struct strv *environment; // NULL: ours
	const struct spawn_fd *fds;	// all others are closed, 0-2 without a row are /dev/null
	size_t n_fds;
	bool change_user; // to the following, with the user's groups; needs root
	const char *user;
	uid_t uid;
	gid_t gid;
	uint64_t memlock;	       // bytes of RLIMIT_MEMLOCK; 0: left alone
	const struct cpuset *affinity; // NULL or empty: left alone
	const struct cpuset *nodes; // where its memory comes from, while there is some; NULL or empty: anywhere
	bool kvm_node; // the user must be able to open /dev/kvm (qmp/probe/kvm_node.h)
	// Opens a descriptor inside the child (a lock that nobody else may hold), -1 with a message on failure.
	int (*open_in_child)(void *context, struct err *err);
	void *context;
	int open_target;
	// Whoever sends `go` does not wait for exec: the child gets a copy of our memory, which costs more.
	bool released_elsewhere;
};

struct child {
	pid_t pid;
	int pidfd;
	int go;	    // a stream socket; one byte: exec; closed: exit
	int report; // what went wrong before exec; end of file: nothing
	void *stack;  // of one that shares our memory until it execs or ends; else NULL
	int dumpable; // ours, before it did
};
#define CHILD_NONE { .pidfd = -1, .go = -1, .report = -1 }

// Starts it and waits until it waits, all but exec done. The child has a session of its own, default signals, no
// privileges to gain. To be called by a process without threads. The rows and texts of `spawn`, itself included, are
// the child's until it is released or abandoned. Returns 0 or -errno.
int spawn_prepare(const struct spawn *spawn, struct child *child, struct err *err);

// Lets it exec and waits for that. On failure the child is reaped. Returns 0 or -errno with a message that
// says which step failed. `go` and `report` are closed after.
int spawn_release(struct child *child, struct err *err);

// Ends a child that was prepared but not released, and reaps it.
void spawn_abandon(struct child *child);
void child_close(struct child *child); // descriptors only
