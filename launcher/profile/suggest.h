// SPDX-License-Identifier: MIT
// Owns the hints behind the reader's diagnostics: what the person probably meant.
#pragma once

#include <stddef.h>

struct diag;
struct profile_value;

void suggest_section(struct diag *diag, const char *name);
void suggest_key(struct diag *diag, const char *section, const char *key);
void suggest_first_section(struct diag *diag, const char *key);

// The two slips that other formats teach: quotes around a value, a comment behind it. Explains the
// last diagnostic if there is one since `before`; warns of a comment that was taken for a part of
// the value.
void suggest_plain_value(const struct profile_value *value, size_t before);
