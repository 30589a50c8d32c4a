// SPDX-License-Identifier: MIT
// Owns which host changes a profile's [host] section comes to. Pure.
#pragma once

#include "tune/host/daemons.h"

#include <stdbool.h>

struct diags;
struct facts;
struct plan;
struct profile;

// Needs the plan's pins. What the host lacks, or a value that it does not offer, is a diagnostic.
void plan_add_changes(const struct profile *profile, const struct facts *facts, struct plan *plan,
		      struct diags *diags);

// What a service does that sets the same by itself, and how to be rid of it meanwhile; false: this one does not.
bool plan_rival(enum daemon_kind daemon, const char **does, const char **remedy);
