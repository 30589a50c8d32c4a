// SPDX-License-Identifier: MIT
// host: reads the machine, live or captured, and shows it as the planner sees it.
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "launcher/commands/host.h"
#include "tune/host/root.h"

#include <json-c/json.h>

static int read_machine(const char *dir, struct host_machine *machine, struct err *err)
{
	struct root root = ROOT_CLOSED;
	int r = root_open(&root, dir, err);

	if (r == 0)
		r = host_machine_read(&root, true, machine, err);
	root_finish(&root);
	return r;
}

static void print(const struct host_machine *machine, bool json, struct str *out)
{
	struct json_object *value;

	if (!json) {
		host_print_text(machine, out);
		return;
	}
	value = host_print_json(machine);
	add_json_text(value, out);
	json_object_put(value);
}

int host_command(const struct command_line *line)
{
	struct host_machine machine = { 0 };
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
	host_machine_finish(&machine);
	return status;
}
