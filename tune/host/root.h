// SPDX-License-Identifier: MIT
// Owns the one door through which the host is read: the live machine, or a captured tree. Paths are
// relative ("sys/devices/…"); every link is resolved inside the root (openat2(2), RESOLVE_IN_ROOT, Linux
// 5.6; without it link by link), so a captured tree cannot reach the live one. Refuses to write.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cpuset;
struct err;
struct str;
struct strv;

struct root {
	int fd;
	bool live;
	bool plain;	     // without openat2: an older kernel, a container's filter, valgrind
	char *path;	     // as given, NULL for the live machine
	unsigned long reads; // files, links and lists of names read or tried so far, for tests and benchmarks
};

#define ROOT_CLOSED { .fd = -1 }

// dir NULL: the live machine. Returns 0 or -errno with a message.
int root_open(struct root *root, const char *dir, struct err *err);
void root_finish(struct root *root);

// Reads a small attribute into buf, NUL-terminated, without its final newline. Returns the length, or
// -errno (-EFBIG where it does not fit). Never blocks on a FIFO or terminal.
int root_read(struct root *root, const char *path, char *buf, size_t size);

// The beginning of a file that may be much longer: as root_read, but what does not fit is left out.
int root_read_head(struct root *root, const char *path, char *buf, size_t size);

// Reads a whole file of at most max bytes, appended to out. Returns 0 or -errno.
int root_read_all(struct root *root, const char *path, struct str *out, size_t max);

// Typed reads. Return 0, -errno, or -EINVAL where the text is not of the type; *out is then untouched.
int root_read_u64(struct root *root, const char *path, uint64_t *out);
int root_read_int(struct root *root, const char *path, int *out);
int root_read_cpulist(struct root *root, const char *path, struct cpuset *out);

// The target of a link as it stands. Returns its length or -errno.
int root_readlink(struct root *root, const char *path, char *buf, size_t size);

// Names in a directory without "." and "..", in natural order (cpu2 before cpu10), appended.
int root_list(struct root *root, const char *path, struct strv *names);

// The same, and each name of a directory (a link to one is none) ends in a slash.
int root_list_marked(struct root *root, const char *path, struct strv *names);

// For looking at much in one directory. Returns a descriptor, which the caller closes, or -errno.
int root_open_directory(struct root *root, const char *path);

// root_read_head and root_readlink of a name in a directory that is open, where the way to it would cost more than
// the thing itself. A link in place of the file is not followed: -ELOOP. -EBADF where the directory is -errno.
int root_read_head_in(struct root *root, int directory, const char *name, char *buf, size_t size);
int root_readlink_in(struct root *root, int directory, const char *name, char *buf, size_t size);

// The number of the block device that the path leads to. Returns 0 or -errno (-ENOTBLK: something else).
int root_read_block(struct root *root, const char *path, dev_t *out);

bool root_exists(struct root *root, const char *path);

// It is there and its mode lets nobody write it: a sysfs attribute like that has no way to be set.
bool root_is_fixed(struct root *root, const char *path);
