// SPDX-License-Identifier: MIT
// Owns the way from a command line to a plan: profile, facts, plan, and every complaint shown at once.
#pragma once

#include "launcher/facts/facts.h"
#include "launcher/guest/paths.h"
#include "launcher/plan/plan.h"
#include "launcher/profile/profile.h"

#include <stdbool.h>

struct command_line;

struct prepared {
	struct paths paths;
	struct plan *plan; // heap; NULL where it could not be made
	bool relay;	   // the guest's console belongs on our terminal
	int turn;	   // held where it is to run: until the plan is on disk (guest_turn_take()); else -1
};

// Returns 0, or an exit status after having said why. Must be finished either way. `to_run`: what running
// takes must be there. The warnings of a plan that can be carried out are left to the caller.
int prepare(const struct command_line *line, bool to_run, struct prepared *prepared);

// The same for who judges rather than acts: the whole host was read, and what stands against the plan is kept.
struct prepared_check {
	struct paths paths;
	struct profile profile; // of `check` without PROFILE one in which nothing is said
	struct facts facts;
	struct plan *plan; // heap; NULL without PROFILE
	struct diags diags;
};

// Returns 0, whatever stands against the plan, or an exit status after having said what is wrong with the profile, or
// why nothing can be read. Must be finished either way.
int prepare_check(const struct command_line *line, struct prepared_check *prepared);
void prepared_check_finish(struct prepared_check *prepared);
void prepared_show_warnings(const struct prepared *prepared);
void prepared_finish(struct prepared *prepared);
