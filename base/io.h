// SPDX-License-Identifier: MIT
// Owns whole reads and writes on descriptors and files. Refuses host paths: it takes what it is given.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;
struct str;

// Reads all of fd up to `max` bytes into out. -EFBIG where there is more. Returns 0 or -errno.
int io_read_all(int fd, struct str *out, size_t max);

// Reads a whole file below dirfd (AT_FDCWD allowed). Returns 0 or -errno with a message.
int io_read_file(int dirfd, const char *path, struct str *out, size_t max, struct err *err);

// Writes all bytes, retries EINTR and short writes. Returns 0 or -errno.
int io_write_all(int fd, const void *data, size_t size);

// Replaces dirfd/name atomically: a temporary name of this process beside it, rename; for files that need
// survive no power cut (run state, caches), so nothing is synced. `mode` is less the umask. On failure
// the old file stays as it was and the temporary is gone. Returns 0 or -errno with a message.
int io_replace_file(int dirfd, const char *name, const char *text, mode_t mode, struct err *err);
int io_replace_bytes(int dirfd, const char *name, const void *data, size_t size, mode_t mode, struct err *err);

// O_NONBLOCK on or off. Returns 0 or -errno.
int io_set_nonblock(int fd, bool on);

// Closes every descriptor from `first` on but a and b: what a child has of its parent's locks, pipes and sockets it
// would hold open for as long as it lives.
void io_close_others(int first, int a, int b);

// CLOCK_MONOTONIC in milliseconds.
long long io_now_ms(void);

// mkdir -p with this mode for what is made. Returns 0 or -errno with a message.
int io_make_directories(const char *path, mode_t mode, struct err *err);
