// SPDX-License-Identifier: MIT
// Owns running a profile's hooks: argv, never a shell, with a time limit.
#pragma once

#include <sys/types.h>

struct err;
struct plan;
struct strv;

// Runs one and waits; past its limit it is killed. Returns 0, or -errno with a message: not found, ended
// with another status than 0, took too long.
int hook_run(const struct plan *plan, const char *event, const struct strv *argv, struct err *err);

// Starts one and returns its pid, or -errno with a message; the caller reaps it.
pid_t hook_start(const struct plan *plan, const char *event, const struct strv *argv, struct err *err);
