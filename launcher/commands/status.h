// SPDX-License-Identifier: MIT
// Owns asking what a guest is, for the commands that show it. Refuses to show anything itself.
#pragma once

struct json_object;
struct paths;

// The object of `status --json`: from the guest's monitor, or where it can't be asked from its files. NULL: there is
// no such guest. The caller puts it.
struct json_object *status_read(const struct paths *paths, const char *name);
