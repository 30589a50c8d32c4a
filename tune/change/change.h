// SPDX-License-Identifier: MIT
// Owns one reversible host change as data, and the table of kinds that know how to read, write and
// compare. Refuses to know why anybody wants it, or to keep a record: see journal.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct str;

// `was` and `got` are NULL for "nothing there" (a file that did not exist, a process not started).
struct change {
	const char *kind; // name of a row of the table: "set", "file", "process", "hold"
	char *path;	  // what is changed; for a process its name
	char *was;	  // before us; filled in by the planner when it knows, and again when recorded
	char *want;	  // what we ask for
	char *got;	  // what the host answered when read back
	char *why;	  // one sentence for people
};

void change_finish(struct change *change);
void change_copy(struct change *to, const struct change *from);

struct change_list {
	struct change *items;
	size_t count;
};

struct change *change_add(struct change_list *list, const char *kind, const char *path,
			  const char *was, const char *want, const char *why_fmt, ...)
	__attribute__((format(printf, 6, 7)));
void change_list_finish(struct change_list *list);

// The host as changes see it: `root` is the directory that /sys, /proc, /dev and /run are taken from
// (tests give a made-up tree; the program always "/"). What must stay open (hold) or is started
// (process) lives in here until change_host_finish.
struct change_host {
	int root; // directory fd
	struct change_held *held;
	size_t n_held;
	// Called before every host write with its number, from 1; non-zero makes that write fail with it.
	// Tests inject failures and deaths here; NULL in the program.
	int (*before_write)(void *context, unsigned long number);
	// Called after every host write; tests die here.
	void (*after_write)(void *context, unsigned long number);
	void *context;
	unsigned long writes;
	// What a `process` change starts: finds the argv and environment for a name. The keeper supplies it.
	int (*start)(void *context, const char *name, int *pidfd, char **identity, struct err *err);
};

int change_host_open(struct change_host *host, const char *root, struct err *err);
void change_host_finish(struct change_host *host); // closes what is held; ends no process

// A kind. Each row has its own notion of equality: the kernel answers in its own words.
struct change_kind {
	const char *name;
	const char *help; // one line for the manual
	// Today's value on the heap, or NULL for nothing there. Returns 0 or -errno.
	int (*read)(struct change_host *host, const char *path, char **value, struct err *err);
	// Makes it so; `value` NULL: takes it away. `got` is what read then answers.
	int (*write)(struct change_host *host, const char *path, const char *value, struct err *err);
	bool (*equal)(const char *a, const char *b); // both non-NULL
	bool survives_us; // the effect outlives this process (false for hold)
};

const struct change_kind *change_kind_find(const char *name); // NULL: no such kind
const struct change_kind *change_kinds(size_t *count);

bool change_equal(const struct change_kind *kind, const char *a, const char *b); // NULL-safe

// Paths a kind may touch: /sys, /proc/sys, /proc/irq for set; /run, /dev/shm for file; /dev for hold.
// "..", "//" and relative parts are refused. Returns 0 or -EPERM with a message.
int change_check_path(const struct change_kind *kind, const char *path, struct err *err);

// "set /sys/… performance -> powersave (why)", one line, for people
void change_print(const struct change *change, struct str *out);
