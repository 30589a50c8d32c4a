// SPDX-License-Identifier: MIT
// Owns how findings look: for people, for scripts. Refuses to judge.
#pragma once

#include <stdbool.h>

struct findings;
struct json_object;
struct str;

// A finding begins a line with its severity; what does not fit, why it matters and, behind "->", what mends it
// stand below, indented. The last line counts. `brief`: errors and warnings alone.
void findings_print_text(const struct findings *findings, bool brief, bool colour, struct str *out);

// The object of `check --json`, as vfiorun(1) has it. The caller puts it.
struct json_object *findings_print_json(const struct findings *findings, bool brief);
