// SPDX-License-Identifier: MIT
// Owns the move of this process out of the login session that it was started in, so that it outlives that session's
// end. Refuses to decide when that is needed.
#pragma once

#include <stdbool.h>

struct err;

// Whether this process is in a control group that has this in its name: "/user.slice/", "gdm.service".
bool scope_is_in(const char *part);

// Into a scope of its own, vfiorun-keeper:NAME.scope below system.slice (org.freedesktop.systemd1(5),
// StartTransientUnit with PIDs), which needs root. Returns 0 once the kernel says that we are there, also where
// systemd does not run this host and nothing is to be left, or -errno with a message.
int scope_leave_session(const char *name, struct err *err);
