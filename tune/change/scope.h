// SPDX-License-Identifier: MIT
// Owns the conversation with systemd about a transient scope, the only cgroup that it leaves alone once it is
// process 1 (https://systemd.io/CGROUP_DELEGATION). Refuses to keep its library in memory: each call is a child
// that loads libsystemd, asks over systemd's private socket as systemctl(1) does, and ends.
#pragma once

#include <sys/types.h>

struct err;

// Starts UNIT with the process `pid` in it, delegated, in the root slice; returns once systemd has agreed to,
// which is before the process is there. 0 or -errno with a message.
int scope_start(const char *unit, pid_t pid, struct err *err);
// The same among the system's services, and systemd's own in all else: for a process that is to outlive the session
// that it was started in.
int scope_start_plain(const char *unit, pid_t pid, struct err *err);
int scope_stop(const char *unit, struct err *err);
