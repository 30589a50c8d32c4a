// SPDX-License-Identifier: MIT
// Owns the reading of query-qmp-schema: which members the arguments of the commands that vfiorun
// uses have, and which values. Refuses names of types: QEMU gives numbers
// (docs/devel/qapi-code-gen.rst, "Client JSON Protocol introspection"), so all words start from a
// command.
#pragma once

struct json_object;
struct qemu_caps;

// Adds the words arg/… of caps.h. What has another shape than expected adds nothing.
void schema_add_words(struct json_object *schema, struct qemu_caps *caps);
