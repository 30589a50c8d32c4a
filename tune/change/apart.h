// SPDX-License-Identifier: MIT
// Owns reads and writes of attributes that may block in the kernel for ever: a child makes them, and nobody
// waits for it longer than a deadline. Refuses to know what the attributes mean.
//
// A driver that waits for the last user of its device does so with the device locked, and immune to
// SIGKILL; its `driver` link is gone by then, and reading driver_override waits as well (Linux 6.1,
// drivers/base/dd.c: device_release_driver_internal, drivers/pci/pci-sysfs.c: driver_override_show).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;
struct str;

// What hangs already, and whose process waits there.
struct apart_stuck {
	char device[16];
	pid_t pid;
};

struct apart {
	int root; // borrowed: a directory that paths are taken from, "/sys/…" and "sys/…" alike
	pid_t pid; // our child, -1: none yet
	int fd;
	int patience_ms; // how long its socket waits for an answer, 0: not said yet
	char device[16]; // what our child was asked for last
	struct apart_stuck *stuck;
	size_t n_stuck;
};

#define APART_NONE { .root = -1, .pid = -1, .fd = -1 }

enum { APART_READ_MS = 5000 };

void apart_init(struct apart *apart, int root);
// Lets the child end. Starting over with it is allowed.
void apart_finish(struct apart *apart);

// Reads an attribute's first `max` bytes, at most a page, without a final newline, appended. `device` is what
// would be blocked, by its PCI address: the child goes by that name while it works, and who finds such a child
// of an earlier time that has not come back waits for that one rather than hanging a second. Returns 0 or
// -errno with a message; -ETIMEDOUT: it hangs.
int apart_read(struct apart *apart, const char *device, const char *path, size_t max, struct str *out,
	       struct err *err);

// Up to two at once, in their order: what each of them came to is in its `r`, 0 or -errno, and `out` has what was read.
// Returns 0, or -errno with a message where nothing was.
struct apart_part {
	const char *path;
	size_t max;
	struct str *out;
	int r;
};
int apart_read_parts(struct apart *apart, const char *device, struct apart_part *parts, size_t count,
		     struct err *err);

// Writes a text as it stands, in one write(2).
int apart_write(struct apart *apart, const char *device, const char *path, const char *text, int timeout_ms,
		struct err *err);
