// SPDX-License-Identifier: MIT
// Owns the texts of masks: the kernel's hexadecimal words, and what a change of kind `mask` wants and finds.
// Refuses to read or write any.
#pragma once

#include "base/cpuset.h"

#include <stdbool.h>

struct str;

void mask_print_hex(const struct cpuset *cpus, struct str *out);

// The CPUs that "without 2-3 else 0-1" takes out, and those that stand in for them where they are all there is.
bool mask_parse_wanted(const char *want, struct cpuset *out, struct cpuset *instead);
// Those of them that were there: "with 2", "only 2-3"; none of "without 2-3".
bool mask_parse_found(const char *value, struct cpuset *present);
// The same with other CPUs; `all` stand in "without", where none is present. The caller frees.
char *mask_print_found(const char *like, const struct cpuset *present, const struct cpuset *all);
