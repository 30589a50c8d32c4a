// SPDX-License-Identifier: MIT
// Owns unix sockets by path, also where the path is longer than sun_path: through its directory.
#pragma once

#include <sys/types.h>

struct err;

// Binds (a stale socket is replaced, nothing else is), with this mode whatever the umask is, and listens.
// The descriptor is CLOEXEC, blocking. Returns it, or -errno with a message.
int listen_open(const char *path, mode_t mode, struct err *err);

// Connects; where nobody listens yet, tries until timeout_ms have passed. CLOEXEC, blocking. Returns the
// descriptor, or -errno with a message: -ENOENT or -ECONNREFUSED where nobody listens.
int listen_connect(const char *path, int timeout_ms, struct err *err);

// Connects if that is possible without waiting. CLOEXEC, nonblocking. Returns the descriptor or -errno.
int listen_connect_now(const char *path, struct err *err);
