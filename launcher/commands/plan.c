// SPDX-License-Identifier: MIT
// plan and argv: the plan as it would be carried out, printed.
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "launcher/plan/print.h"
#include "launcher/prepare.h"

#include <json-c/json.h>

static void print_plan(const struct plan *plan, bool json, struct str *out)
{
	struct json_object *value;

	if (!json) {
		plan_print_text(plan, out);
		return;
	}
	value = plan_print_json(plan);
	add_json_text(value, out);
	json_object_put(value);
}

static void print_argv(const struct plan *plan, bool json, struct str *out)
{
	struct json_object *array;

	if (!json) {
		plan_print_argv(plan, out);
		return;
	}
	array = json_object_new_array();
	for (size_t i = 0; i < plan->argv_paths.count; i++)
		json_object_array_add(array, json_object_new_string(plan->argv_paths.items[i]));
	add_json_text(array, out);
	json_object_put(array);
}

static int print_prepared(const struct command_line *line, const struct prepared *prepared,
			  void (*print)(const struct plan *, bool, struct str *))
{
	AUTO_STR struct str text = { 0 };

	print(prepared->plan, line->json, &text);
	return print_out(str_text(&text));
}

// The warnings are part of what is printed.
int plan_command(const struct command_line *line)
{
	struct prepared prepared;
	int status = prepare(line, false, &prepared);

	if (status == 0)
		status = print_prepared(line, &prepared, print_plan);
	prepared_finish(&prepared);
	return status;
}

int argv_command(const struct command_line *line)
{
	struct prepared prepared;
	int status = prepare(line, false, &prepared);

	if (status == 0) {
		prepared_show_warnings(&prepared);
		status = print_prepared(line, &prepared, print_argv);
	}
	prepared_finish(&prepared);
	return status;
}
