// SPDX-License-Identifier: MIT
// Owns opening what QEMU inherits, as the plan's rows say. Refuses to choose numbers: the plan did.
#pragma once

#include "launcher/run/spawn.h"

#include <stddef.h>

struct err;
struct plan;

struct opened_fds {
	struct spawn_fd *fds;
	size_t count;
};

// Opens every row but the lock, which the child opens itself. `log` is the guest's log file; streams[i] is
// our end of helper i's socket pair, taken (and left -1) where a row asks for it; inputs[part] is the
// guest's device, which stays ours. Returns 0 or -errno with a message that names the row; what was opened
// must be closed either way.
int plan_fds_open(const struct plan *plan, int log, int *streams, const int *inputs,
		  struct opened_fds *out, struct err *err);
void opened_fds_finish(struct opened_fds *opened);
