// SPDX-License-Identifier: MIT
// Owns the tables of commands and options, and the reading of the command line by them. Refuses to
// act: main dispatches.
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct command;
struct err;
struct json_object;

struct command_line {
	const struct command *command;
	const struct command_verb *verb; // of a command that has verbs
	const char *name; // PROFILE or NAME, NULL: not given
	const char *root; // --root
	const char *input_timeout;
	const char *interval; // --interval
	struct strv operands; // behind the name and the verb
	struct strv sets, qemu_args;
	bool input, headless, detach, json, force, follow, if_dead, once;
	bool quiet, no_color, help, version;
	int verbose; // how often
};

// What a command does is the next word's to say where it has verbs: `info` of `rom`.
struct command_verb {
	const char *command, *name;
	size_t operands; // that many must follow
	int (*run)(const struct command_line *line);
};

enum operand_kind { OPERAND_NONE, OPERAND_PROFILE, OPERAND_GUEST };

struct command {
	const char *name;
	const char *synopsis; // what stands behind the name
	const char *summary;  // one line
	const char *help;     // what `help COMMAND` says beside the options
	int (*run)(const struct command_line *line);
	const char *options; // names of the long options it takes, blank-separated
	enum operand_kind operand;
	bool operand_optional;
	size_t more_operands; // how many may follow it
};

enum option_type { OPTION_FLAG, OPTION_COUNT, OPTION_TEXT, OPTION_LIST };

struct command_option {
	const char *name;
	char letter; // 0: none
	enum option_type type;
	size_t offset;	   // in struct command_line
	const char *value; // what it is called, NULL: it takes none
	const char *help;
};

const struct command *commands(size_t *count);
const struct command *command_find(const char *name);
bool command_has_verbs(const struct command *command);
const struct command_verb *command_verb_find(const struct command *command, const char *word); // NULL: no such
// The command that was perhaps meant, or NULL.
const char *command_nearest(const char *word);

const struct command_option *command_options(size_t *count);
// Whether it may stand with the command; NULL: without any.
bool command_takes(const struct command *command, const char *option);

// Reads argv and sets up logging. Returns 0, or 2 after having said what is wrong; or -1 where help
// or the version was shown, 1 where it could not be. `line` borrows from argv and must be finished
// either way.
int command_line_parse(int argc, char **argv, struct command_line *line);
void command_line_finish(struct command_line *line);

void command_print_help(const struct command *command, struct str *out);
void commands_print_help(struct str *out);

// One row of the table each.
int plan_command(const struct command_line *line);
int argv_command(const struct command_line *line);
int check_command(const struct command_line *line);
int host_command(const struct command_line *line);
int list_command(const struct command_line *line);
int status_command(const struct command_line *line);
int top_command(const struct command_line *line);
int stop_command(const struct command_line *line);
int pause_command(const struct command_line *line);
int resume_command(const struct command_line *line);
int reset_command(const struct command_line *line);
int wait_command(const struct command_line *line);
int console_command(const struct command_line *line);
int log_command(const struct command_line *line);
int switch_input_command(const struct command_line *line);
int qmp_command(const struct command_line *line);
int verb_command(const struct command_line *line);
int usb_attach_command(const struct command_line *line);
int usb_detach_command(const struct command_line *line);
int rom_info_command(const struct command_line *line);
int rom_dump_command(const struct command_line *line);
int help_command(const struct command_line *line);

// Shows a failure with its hint. Returns 1.
int report_error(const struct err *err);

// Appends the value as indented JSON with a final newline. Borrows it.
void add_json_text(struct json_object *value, struct str *out);

// Writes to stdout. Returns 0, or 1 after having said that it can't be written.
int print_out(const char *text);
