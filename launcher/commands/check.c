// SPDX-License-Identifier: MIT
// check: is this host ready, as such or for a profile?
#include "launcher/check/check.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "launcher/commands/check.h"
#include "launcher/commands/commands.h"
#include "launcher/prepare.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <unistd.h>

static bool has_colour(const struct command_line *line)
{
	return !line->no_color && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static int print(const struct command_line *line, const struct findings *findings)
{
	AUTO_STR struct str text = { 0 };

	if (line->json) {
		struct json_object *value = findings_print_json(findings, line->quiet);

		add_json_text(value, &text);
		json_object_put(value);
	} else {
		findings_print_text(findings, line->quiet, has_colour(line), &text);
	}
	return print_out(str_text(&text));
}

static int judge(const struct command_line *line, const struct prepared_check *prepared)
{
	const struct check_input input = {
		.facts = &prepared->facts,
		.profile = line->name ? &prepared->profile : NULL,
		.plan = prepared->plan,
		.diags = line->name ? &prepared->diags : NULL,
	};
	CLEANUP(findings_finish) struct findings findings = { 0 };
	int status;

	findings_make(&input, &findings);
	status = print(line, &findings);
	if (status == 0 && findings_count(&findings, SEVERITY_ERROR))
		status = 3;
	return status;
}

int check_command(const struct command_line *line)
{
	struct prepared_check prepared;
	int status;

	if (!line->name && (line->sets.count || line->headless || line->qemu_args.count)) {
		log_error("--set, --headless and QEMU's arguments are for a profile, and none is named");
		return 2;
	}
	status = prepare_check(line, &prepared);
	if (status == 0)
		status = judge(line, &prepared);
	prepared_check_finish(&prepared);
	return status;
}
