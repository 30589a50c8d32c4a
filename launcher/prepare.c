// SPDX-License-Identifier: MIT
#include "launcher/prepare.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/commands/commands.h"
#include "launcher/guest/state.h"
#include "tune/host/root.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	INPUT_TIMEOUT_MAX = 86400,
	// To plan takes a fraction of a second, and a second or two where QEMU is asked for the first time.
	TURN_WAIT_MS = 10000,
};

static void show_diags(const struct diags *diags)
{
	for (size_t i = 0; i < diags->count; i++) {
		AUTO_STR struct str text = { 0 };

		diag_print(&diags->items[i], &text);
		log_diagnostic(diags->items[i].level == DIAG_WARNING ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR,
			       text.text);
	}
}

static int read_profile(const struct command_line *line, const struct paths *paths,
			struct profile *profile, struct diags *diags)
{
	const struct profile_options options = {
		.sets = &line->sets,
		.search_dir = paths->config_dir,
		.refuse_foreign = geteuid() == 0,
	};
	struct err err = ERR_NONE;

	if (profile_read(profile, line->name, &options, diags, &err) < 0) {
		report_error(&err);
		return 2;
	}
	return diags_exit_status(diags);
}

static int read_facts(const struct command_line *line, const struct profile *profile,
		      const struct facts_options *options, struct facts *facts)
{
	struct root root = ROOT_CLOSED;
	struct err err = ERR_NONE;
	int r = root_open(&root, line->root, &err);

	if (r == 0)
		r = facts_read(&root, profile, options, facts, &err);
	log_debug("%lu host reads", root.reads);
	root_finish(&root);
	if (r == 0)
		return 0;
	log_error("%s", err.text);
	return line->root ? 2 : 3; // what was named is no captured machine
}

// One that hangs, on a device that answers nothing, does not hold up all others.
static int take_turn(const struct paths *paths, int *turn)
{
	struct err err = ERR_NONE;

	*turn = guest_turn_take(paths, TURN_WAIT_MS, &err);
	if (*turn >= 0)
		return 0;
	if (*turn == -EBUSY) {
		log_warning("%s: not waiting for it, so both may plan for the same CPUs", err.text);
		return 0;
	}
	report_error(&err);
	return 3;
}

static int make_plan(const struct command_line *line, const struct profile *profile,
		     const struct facts *facts, struct plan **plan, struct diags *diags)
{
	struct plan_options options = {
		.headless = line->headless,
		.detach = line->detach,
		.qemu_args = &line->qemu_args,
	};

	if (line->input_timeout && (!str_parse_int(line->input_timeout, &options.input_timeout) ||
				    options.input_timeout < 1 || options.input_timeout > INPUT_TIMEOUT_MAX)) {
		log_error("--input-timeout takes seconds, from 1 to %d, not `%s`", INPUT_TIMEOUT_MAX,
			  line->input_timeout);
		return 2;
	}
	*plan = mem_new(1, sizeof(**plan));
	plan_make(profile, facts, &options, *plan, diags);
	return diags_exit_status(diags);
}

int prepare(const struct command_line *line, bool to_run, struct prepared *prepared)
{
	const struct facts_options options = { .paths = &prepared->paths };
	struct profile profile = { 0 };
	struct facts facts = { 0 };
	struct diags diags = { 0 };
	struct err err = ERR_NONE;
	int status;

	*prepared = (struct prepared){ .turn = -1 };
	if ((to_run ? paths_read(&prepared->paths, &err) :
		      paths_read_to_look(&prepared->paths, line->root, &err)) < 0) {
		log_error("%s", err.text);
		return 3;
	}
	status = read_profile(line, &prepared->paths, &profile, &diags);
	if (status == 0 && to_run)
		status = take_turn(&prepared->paths, &prepared->turn);
	if (status == 0)
		status = read_facts(line, &profile, &options, &facts);
	if (status == 0)
		status = make_plan(line, &profile, &facts, &prepared->plan, &diags);
	prepared->relay = prepared->plan && prepared->plan->console_on_stdio;
	if (status && prepared->plan)
		prepared_show_warnings(prepared);
	show_diags(&diags);
	diags_finish(&diags);
	facts_finish(&facts);
	profile_finish(&profile);
	return status;
}

// Nothing is wished for: the host as such.
static int read_no_profile(struct profile *profile, struct diags *diags)
{
	profile_parse(profile, "/-", "", diags);
	mem_set(&profile->vm.name, "-"); // no guest can be called that
	diags_finish(diags);
	return 0;
}

int prepare_check(const struct command_line *line, struct prepared_check *prepared)
{
	const struct facts_options options = { .paths = &prepared->paths, .everything = true };
	struct err err = ERR_NONE;
	int status;

	*prepared = (struct prepared_check){ 0 };
	if (paths_read_to_look(&prepared->paths, line->root, &err) < 0) {
		log_error("%s", err.text);
		return 3;
	}
	if (line->name)
		status = read_profile(line, &prepared->paths, &prepared->profile, &prepared->diags);
	else
		status = read_no_profile(&prepared->profile, &prepared->diags);
	if (status == 0)
		status = read_facts(line, &prepared->profile, &options, &prepared->facts);
	if (status == 0 && line->name &&
	    make_plan(line, &prepared->profile, &prepared->facts, &prepared->plan, &prepared->diags) == 2)
		status = 2; // what is wrong with the text itself
	if (status)
		show_diags(&prepared->diags);
	return status;
}

void prepared_check_finish(struct prepared_check *prepared)
{
	plan_free(prepared->plan);
	diags_finish(&prepared->diags);
	facts_finish(&prepared->facts);
	profile_finish(&prepared->profile);
	paths_finish(&prepared->paths);
}

void prepared_show_warnings(const struct prepared *prepared)
{
	show_diags(&prepared->plan->warnings);
}

void prepared_finish(struct prepared *prepared)
{
	plan_free(prepared->plan);
	paths_finish(&prepared->paths);
	if (prepared->turn >= 0)
		close(prepared->turn);
	*prepared = (struct prepared){ .turn = -1 };
}
