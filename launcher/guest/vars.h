// SPDX-License-Identifier: MIT
// Owns a guest's private copy of the firmware variables: makes it once from the template, and keeps
// beside it, in COPY.origin, which CODE it was made for. Refuses to overwrite either an old copy or
// anything else: what a guest stored there is as dear as its disk.
#pragma once

#include "launcher/facts/facts.h"
#include "launcher/plan/plan.h"

struct err;

// Makes plan_vars.path where `create` says so: directories (the last one 0700), a temporary file
// beside it, 0600, fsync, then its name. A copy that is there by now is left as it is and counts as
// made. On failure nothing is left. Returns 0 or -errno with a message.
int vars_create(const struct plan_vars *vars, struct err *err);

// What is beside the copy at `path`; found is false where nothing is, or not in this form.
void vars_origin_read(const char *path, struct vars_origin *out);
