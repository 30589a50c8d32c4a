// SPDX-License-Identifier: MIT
// Owns the plan's two outside forms: text for people and JSON for scripts and for the state file.
#pragma once

struct err;
struct json_object;
struct plan;
struct str;

void plan_print_text(const struct plan *plan, struct str *out);
struct json_object *plan_print_json(const struct plan *plan); // the caller puts it
// What an adopter needs, read back from the JSON in the state file. 0 or -EPROTO with a message.
int plan_parse_json(struct json_object *json, struct plan *plan, struct err *err);
