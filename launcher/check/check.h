// SPDX-License-Identifier: MIT
// Owns the answer to "is this host ready?": findings, each with a code, what was seen, why it matters and what
// mends it. Pure. Refuses to print: commands do, as text or JSON.
#pragma once

#include <stddef.h>

struct diags;
struct facts;
struct plan;
struct profile;

// Ascending by how much it matters. UNKNOWN: this user may not look, or a captured machine does not tell.
enum severity { SEVERITY_OK, SEVERITY_INFO, SEVERITY_UNKNOWN, SEVERITY_WARNING, SEVERITY_ERROR };
const char *severity_name(enum severity severity); // "ok", "info", …

struct finding {
	enum severity severity;
	const char *code; // stable, static; with OK: what was looked for and is not so
	char *subject;	  // "IOMMU", "0000:06:00.0", "win11.conf:12"
	char *evidence;	  // what was seen
	char *reason;	  // why it matters; NULL: the evidence says it
	char *remedy;	  // the command or setting that mends it; NULL: nothing is to be mended
};

struct findings {
	struct finding *items; // in the order of the table, what the plan says first
	size_t count;
};

// What is judged: facts that were read with everything in them. Of a guest, with a plan that was made of them, all
// four; without a profile the last three are NULL.
struct check_input {
	const struct facts *facts;
	const struct profile *profile;
	const struct plan *plan;
	const struct diags *diags; // what stands against the plan
};

// Appends. With a profile only what this guest has to do with is looked at; then the plan says what is an error:
// each diagnostic against it, and each of its warnings, is a finding with the same code and hint, and what else the
// host lacks is a warning at most.
void findings_make(const struct check_input *input, struct findings *out);
void findings_finish(struct findings *findings);
size_t findings_count(const struct findings *findings, enum severity severity);

// The codes that the checks may give, a blank between them, a row each, for the manual; beside them are those of
// the planner's diagnostics. NULL ends the list.
const char *check_codes(size_t row);
