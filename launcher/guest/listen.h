// SPDX-License-Identifier: MIT
// Owns unix sockets by path, also where the path is longer than sun_path: through its directory.
#pragma once

#include <sys/types.h>

struct err;

// Binds (a stale socket is replaced), sets the mode, listens. The descriptor is CLOEXEC, blocking.
int listen_open(const char *path, mode_t mode, struct err *err);

// Connects; where nobody listens yet, tries until timeout_ms have passed. CLOEXEC, blocking.
int listen_connect(const char *path, int timeout_ms, struct err *err);
