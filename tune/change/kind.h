// SPDX-License-Identifier: MIT
// Owns what the kinds share: opening below the host's root, and the list of what is held. Refuses
// callers outside of tune/change/.
#pragma once

#include "tune/change/change.h"

#include <stdint.h>
#include <sys/types.h>

extern const struct change_kind change_kind_set, change_kind_file, change_kind_process,
	change_kind_hold, change_kind_inhibit;

// Opens an absolute path below the root, whose links can't lead out of it. `resolve` adds RESOLVE_*
// flags of openat2(2). Returns a close-on-exec descriptor or -errno.
int change_open(struct change_host *host, const char *path, int flags, uint64_t resolve);

// An open descriptor and what it means: a held device with its value, or a helper that waits (its
// identity, and the pipe that lets it go).
struct change_held {
	const struct change_kind *kind;
	char *path, *value;
	int fd;
};

struct change_held *change_held_find(struct change_host *host, const struct change_kind *kind,
				     const char *path);
// Takes ownership of value and fd.
void change_held_add(struct change_host *host, const struct change_kind *kind, const char *path,
		     char *value, int fd);
void change_held_drop(struct change_host *host, struct change_held *held); // closes its descriptor

// Around everything that must be safe to die at: counts, and calls the hooks.
int change_host_before_write(struct change_host *host);
void change_host_after_write(struct change_host *host);

// Text as a shell takes it for one word.
void change_quote(const char *text, struct str *out);
