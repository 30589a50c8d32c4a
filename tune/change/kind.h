// SPDX-License-Identifier: MIT
// Owns what the kinds share: opening below the host's root, and the list of what is held. Refuses
// callers outside of tune/change/.
#pragma once

#include "tune/change/change.h"

#include <stdint.h>
#include <sys/types.h>

struct strv;

extern const struct change_kind change_kind_set, change_kind_file, change_kind_process,
	change_kind_hold, change_kind_inhibit, change_kind_shm, change_kind_aside, change_kind_bind,
	change_kind_owner, change_kind_module, change_kind_unit, change_kind_console,
	change_kind_cgroup, change_kind_cpuset, change_kind_token, change_kind_mask, change_kind_affinity,
	change_kind_usb, change_kind_resize;

// What the kinds that are about files share (kind_file.c). The directory that the path is in, without following
// any link, since users write to /dev/shm; `name` points into the path. Returns a descriptor or -errno.
int change_file_open_parent(struct change_host *host, const char *path, const char **name);
// "id=DEV:INODE:BIRTH size=… mode=… uid=… gid=…" on the heap, or NULL. Returns 0 or -errno with a message.
int change_file_describe(struct change_host *host, const char *path, char **value, struct err *err);
bool change_file_is_same(const char *a, const char *b); // the very same inode

// Opens an absolute path below the root, whose links can't lead out of it. `resolve` adds RESOLVE_*
// flags of openat2(2). Returns a close-on-exec descriptor or -errno.
int change_open(struct change_host *host, const char *path, int flags, uint64_t resolve);

// From here to change_host_let_go one record is looked at. Where its path is an attribute, what is read from and
// written to it goes through one descriptor, as the way there costs more than the rest.
void change_host_keep(struct change_host *host, const struct change_kind *kind, const char *path);
void change_host_let_go(struct change_host *host);

// All of a small file, which gives what it has in one read, appended. -ENOENT also where a directory on the way is
// missing, -EFBIG where there is more than `max`.
int change_read_text(struct change_host *host, const char *path, struct str *out, size_t max);
// The first line of a small file, on the heap, without its newline. -ENOENT also where a directory on the
// way is missing.
int change_read_line(struct change_host *host, const char *path, char **line);
// Writes the text and a newline, as echo does.
int change_write_line(struct change_host *host, const char *path, const char *text);
// Names in a directory, "." and ".." left out.
int change_list(struct change_host *host, const char *path, struct strv *names);
// Only of directories, as far as the file system tells without being asked for each.
int change_list_folders(struct change_host *host, const char *path, struct strv *names);

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

extern const struct change_kind change_kind_pool;
// Between two writes of one kind->write, as if each were a write of its own. Returns 0 or -errno.
int change_host_next_write(struct change_host *host);

// The child that does what may hang; lives until change_host_rest.
struct apart *change_host_apart(struct change_host *host);

// The last part of a path.
const char *change_name(const char *path);

// Text as a shell takes it for one word.
void change_quote(const char *text, struct str *out);
