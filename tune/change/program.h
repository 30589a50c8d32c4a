// SPDX-License-Identifier: MIT
// Owns the programs by which a kind changes the host: found in the system's folders, without a shell, with a
// time limit. Refuses to know what they do.
#pragma once

struct change_host;
struct err;
struct str;

// Runs argv to its end and appends what it wrote to standard output, which a failure is told by too. Returns
// its exit status, or -errno with a message (-ENOENT: no such program; -ETIMEDOUT: killed). `host` may have a
// `run` of its own.
int program_run(struct change_host *host, const char *const argv[], struct str *out, int timeout_ms,
		struct err *err);
