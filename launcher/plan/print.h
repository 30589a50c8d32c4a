// SPDX-License-Identifier: MIT
// Owns the plan's two outside forms: text for people and JSON for scripts and for the state file.
#pragma once

struct err;
struct json_object;
struct plan;
struct str;

void plan_print_text(const struct plan *plan, struct str *out);

// The paste-able command, quoted for sh, an option a line.
void plan_print_argv(const struct plan *plan, struct str *out);

struct json_object *plan_print_json(const struct plan *plan); // the caller puts it

// What whoever supervises or adopts the guest needs, read back from that JSON: all but changes (the
// journal has them), fds, vars and the whys of parts that are not pins. 0, or -EPROTO with a message and
// an empty plan. The caller finishes the plan.
int plan_parse_json(struct json_object *json, struct plan *plan, struct err *err);
