// SPDX-License-Identifier: MIT
// Owns what `status` says of a guest's memory: how much of it is in huge pages, and on which nodes.
#pragma once

#include <sys/types.h>

struct json_object;
struct plan;
struct str;

// Looks at the guest's QEMU now: {"bytes","present","huge","locked","nodes":[{"node","bytes"}],"planned_nodes"},
// or NULL where this user may not look. The caller puts it.
struct json_object *guest_memory_read(const struct plan *plan, pid_t pid);
void guest_memory_print(struct json_object *memory, struct str *out);
