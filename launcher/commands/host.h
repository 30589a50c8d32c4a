// SPDX-License-Identifier: MIT
// Owns how `vfiorun host` shows the machine: a map for people, JSON for scripts. Refuses to read it.
#pragma once

struct cpu_facts;
struct json_object;
struct memory_facts;
struct str;
struct system_facts;

// Appends a map of at most 80 columns, as far as one CPU list or model name is not longer.
void host_print_text(const struct cpu_facts *cpus, const struct memory_facts *memory,
		     const struct system_facts *system, struct str *out);

// {"cpus":[…], "nodes":[…], "hugepages":[…]}; what is unknown is null. The caller puts it.
struct json_object *host_print_json(const struct cpu_facts *cpus, const struct memory_facts *memory);
