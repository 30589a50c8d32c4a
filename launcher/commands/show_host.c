// SPDX-License-Identifier: MIT
// host: reads the machine, live or captured, and shows it as the planner sees it.
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "launcher/commands/host.h"
#include "tune/host/cpu.h"
#include "tune/host/memory.h"
#include "tune/host/root.h"
#include "tune/host/system.h"

#include <json-c/json.h>

struct machine {
	struct cpu_facts cpus;
	struct memory_facts memory;
	struct system_facts system;
};

static int read_machine(const char *dir, struct machine *machine, struct err *err)
{
	struct root root = ROOT_CLOSED;
	int r = root_open(&root, dir, err);

	if (r == 0)
		r = cpu_facts_read(&root, &machine->cpus, err);
	if (r == 0) {
		memory_facts_read(&root, &machine->memory);
		system_facts_read(&root, &machine->system);
	}
	root_finish(&root);
	return r;
}

static void print(const struct machine *machine, bool json, struct str *out)
{
	struct json_object *value;

	if (!json) {
		host_print_text(&machine->cpus, &machine->memory, &machine->system, out);
		return;
	}
	value = host_print_json(&machine->cpus, &machine->memory);
	add_json_text(value, out);
	json_object_put(value);
}

int host_command(const struct command_line *line)
{
	struct machine machine = { 0 };
	AUTO_STR struct str text = { 0 };
	struct err err = ERR_NONE;
	int status;

	if (read_machine(line->root, &machine, &err) < 0) {
		report_error(&err);
		status = line->root ? 2 : 3; // what was named is no captured machine
	} else {
		print(&machine, line->json, &text);
		status = print_out(str_text(&text));
	}
	cpu_facts_finish(&machine.cpus);
	memory_facts_finish(&machine.memory);
	system_facts_finish(&machine.system);
	return status;
}
