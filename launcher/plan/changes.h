// SPDX-License-Identifier: MIT
// Owns which host changes a profile's [host] section comes to. Pure.
#pragma once

struct diags;
struct facts;
struct plan;
struct profile;

// Needs the plan's pins. What the host lacks, or a value that it does not offer, is a diagnostic.
void plan_add_changes(const struct profile *profile, const struct facts *facts, struct plan *plan,
		      struct diags *diags);
