// SPDX-License-Identifier: MIT
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/run.h"

#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

static const struct command table[] = {
	{ "run", "PROFILE [-- QEMU-ARG...]", "start a guest and stay with it until it ends",
	  "Plans, journals, applies, starts QEMU paused, pins every thread, lets the guest run,\n"
	  "supervises, and puts the host back. `vfiorun PROFILE` is short for this. On a terminal\n"
	  "the guest's serial console is relayed where it has no window: Ctrl-] leaves it.\n"
	  "Elsewhere Ctrl-C asks for powerdown, a second one quits, a third kills.\n",
	  run_command, "headless detach set input-timeout", OPERAND_PROFILE, false, 0 },
	{ "plan", "PROFILE [-- QEMU-ARG...]",
	  "show all that run would do, and why; changes nothing",
	  NULL, plan_command, "json root set headless", OPERAND_PROFILE, false, 0 },
	{ "argv", "PROFILE [-- QEMU-ARG...]", "show the QEMU command alone, ready to paste",
	  NULL, argv_command, "json root set headless", OPERAND_PROFILE, false, 0 },
	{ "check", "[PROFILE]", "say whether the host is ready, and what mends what is not",
	  "Without PROFILE the host as such; with one, arguments for QEMU may stand behind --.\n"
	  "The status is 3 where a finding is an error. -q leaves errors and warnings. Changes nothing\n"
	  "and needs no privilege: where this user may not look, it says so.\n",
	  check_command, "json root set headless", OPERAND_PROFILE, true, 0 },
	{ "host", "", "show the host as the planner sees it: CPUs, memory, devices",
	  "--input shows the input devices instead, and on a live machine goes on with what each of\n"
	  "them sends, until Ctrl-C.\n", host_command, "json root input", OPERAND_NONE, false, 0 },
	{ "list", "", "list guests",
	  NULL, list_command, "json", OPERAND_NONE, false, 0 },
	{ "status", "NAME", "one guest in detail: threads as the kernel has them, journal",
	  NULL, status_command, "json", OPERAND_GUEST, false, 0 },
	{ "top", "NAME", "live: what the host's scheduler does to the guest's threads",
	  "`taken` counts how often a thread lost a CPU that it would have kept, `moved` how often it\n"
	  "changed the CPU, `worst` is its longest wait for one; all since top began. q leaves.\n",
	  top_command, "once json interval", OPERAND_GUEST, false, 0 },
	{ "stop", "NAME", "ask for powerdown, then quit, then TERM, then KILL",
	  "Returns once the guest has ended and the host is as it was. --force begins with quit.\n",
	  stop_command, "force", OPERAND_GUEST, false, 0 },
	{ "pause", "NAME", "stop the vCPUs",
	  NULL, pause_command, "", OPERAND_GUEST, false, 0 },
	{ "resume", "NAME", "let the vCPUs go on",
	  NULL, resume_command, "", OPERAND_GUEST, false, 0 },
	{ "reset", "NAME", "press the reset button",
	  NULL, reset_command, "", OPERAND_GUEST, false, 0 },
	{ "wait", "NAME", "wait until the guest ends and return its exit status",
	  NULL, wait_command, "", OPERAND_GUEST, false, 0 },
	{ "console", "NAME", "the serial console; Ctrl-] leaves",
	  NULL, console_command, "", OPERAND_GUEST, false, 0 },
	{ "log", "NAME", "QEMU's and our own messages",
	  NULL, log_command, "follow", OPERAND_GUEST, false, 0 },
	{ "switch", "NAME [TARGET]", "move keyboard and mouse to the host or the guest",
	  "TARGET is host, guest, toggle (if not given), next (the next guest, after the last the\n"
	  "host) or let-go (every device is given back until a switch is commanded).\n",
	  switch_input_command, "", OPERAND_GUEST, false, 1 },
	{ "qmp", "NAME [JSON]", "one QMP command, or a prompt",
	  "JSON is {\"execute\":\"query-status\"} or just query-status.\n",
	  qmp_command, "", OPERAND_GUEST, false, 1 },
	{ "adopt", "NAME", "take over a guest whose keeper died, and go on as run would",
	  NULL, adopt_command, "", OPERAND_GUEST, false, 0 },
	{ "revert", "[NAME]", "put back what a crash left behind",
	  "Idempotent; needs no profile. A guest that never ran is ended first; one that runs\n"
	  "makes it refuse with status 5. Without NAME: every guest that left something.\n",
	  revert_command, "if-dead", OPERAND_GUEST, true, 0 },
	{ "usb", "NAME attach|detach DEVICE", "plug a USB device of the host into a guest",
	  "DEVICE is 046d:c52b, as lsusb prints it, or a socket: 1-2.3. What the host needs, such as its\n"
	  "last keyboard or a mounted disk, is refused; --force plugs it in all the same.\n",
	  verb_command, "force", OPERAND_GUEST, false, 2 },
	{ "rom", "info FILE | dump ADDRESS FILE", "a graphics card's video BIOS",
	  "info shows what images are in FILE, and whether UEFI can use one. dump reads the card's\n"
	  "into FILE, as root; --force overwrites FILE, and takes what seems to be of no use.\n",
	  verb_command, "json force", OPERAND_NONE, false, 3 },
	{ "help", "[COMMAND]", "show the commands, or one in detail",
	  NULL, help_command, "", OPERAND_NONE, false, 1 },
};

static const struct command_verb verbs[] = {
	{ "usb", "attach", 1, usb_attach_command },
	{ "usb", "detach", 1, usb_detach_command },
	{ "rom", "info", 1, rom_info_command },
	{ "rom", "dump", 2, rom_dump_command },
};

#define OPTION(name, letter, type, member, value, help) \
	{ name, letter, type, offsetof(struct command_line, member), value, help }

static const struct command_option options[] = {
	OPTION("headless", 0, OPTION_FLAG, headless, NULL,
	       "no window; the serial console on this terminal"),
	OPTION("detach", 0, OPTION_FLAG, detach, NULL, "return once the guest runs, pinned"),
	OPTION("input-timeout", 0, OPTION_TEXT, input_timeout, "SECONDS",
	       "give keyboard and mouse back after that time"),
	OPTION("set", 0, OPTION_LIST, sets, "SECTION[:TITLE].KEY=VALUE",
	       "one more line of the profile"),
	OPTION("json", 0, OPTION_FLAG, json, NULL, "for scripts: JSON"),
	OPTION("root", 0, OPTION_TEXT, root, "DIR",
	       "read this captured machine in place of the live one"),
	OPTION("input", 0, OPTION_FLAG, input, NULL, "input devices, and what they send"),
	OPTION("force", 0, OPTION_FLAG, force, NULL, "do it without asking, or in spite of a doubt"),
	OPTION("follow", 'f', OPTION_FLAG, follow, NULL, "go on as messages come"),
	OPTION("if-dead", 0, OPTION_FLAG, if_dead, NULL,
	       "say nothing and succeed where the guest runs"),
	OPTION("once", 0, OPTION_FLAG, once, NULL, "one interval, then end"),
	OPTION("interval", 0, OPTION_TEXT, interval, "SECONDS", "how often, 1 if not given"),
	OPTION("verbose", 'v', OPTION_COUNT, verbose, NULL, "say more (twice: everything)"),
	OPTION("quiet", 'q', OPTION_FLAG, quiet, NULL, "say only errors"),
	OPTION("no-color", 0, OPTION_FLAG, no_color, NULL, "no colours (NO_COLOR does the same)"),
	OPTION("help", 'h', OPTION_FLAG, help, NULL, "show this text"),
	OPTION("version", 0, OPTION_FLAG, version, NULL, "show the version"),
};

static const char everywhere[] = "verbose quiet no-color help version";

const struct command *commands(size_t *count)
{
	*count = ARRAY_SIZE(table);
	return table;
}

const struct command_option *command_options(size_t *count)
{
	*count = ARRAY_SIZE(options);
	return options;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

bool command_has_verbs(const struct command *command)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].command, command->name) == 0)
			return true;
	}
	return false;
}

const struct command_verb *command_verb_find(const struct command *command, const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].command, command->name) == 0 && strcmp(verbs[i].name, word) == 0)
			return &verbs[i];
	}
	return NULL;
}

int verb_command(const struct command_line *line)
{
	return line->verb->run(line);
}

const char *command_nearest(const char *word)
{
	const char *names[ARRAY_SIZE(table)];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		names[i] = table[i].name;
	return str_nearest(word, names, ARRAY_SIZE(table));
}

static bool has_word(const char *words, const char *word)
{
	AUTO_STRV struct strv list = { 0 };

	strv_split(&list, words, " ");
	return strv_has(&list, word);
}

bool command_takes(const struct command *command, const char *option)
{
	return has_word(everywhere, option) || (command && has_word(command->options, option));
}

static void print_option(const struct command_option *option, struct str *out)
{
	AUTO_FREE char *left = mem_printf("--%s%s%s", option->name, option->value ? " " : "",
					  option->value ? option->value : "");

	if (option->letter)
		str_addf(out, "  -%c, ", option->letter);
	else
		str_add(out, "      ");
	// what is too long for its column has a line of its own
	if (strlen(left) > 16)
		str_addf(out, "%s\n%24s%s\n", left, "", option->help);
	else
		str_addf(out, "%-16s  %s\n", left, option->help);
}

void command_print_help(const struct command *command, struct str *out)
{
	str_addf(out, "usage: vfiorun %s [OPTION...]%s%s\n\n%s\n", command->name,
		 *command->synopsis ? " " : "", command->synopsis, command->summary);
	if (command->help)
		str_addf(out, "\n%s", command->help);
	str_add(out, "\noptions:\n");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (command_takes(command, options[i].name))
			print_option(&options[i], out);
	}
}

void commands_print_help(struct str *out)
{
	str_add(out, "usage: vfiorun PROFILE            start a guest (short for `run`)\n"
		     "       vfiorun COMMAND [ARG...]\n\ncommands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_FREE char *left = mem_printf("%s %s", table[i].name, table[i].synopsis);

		// one that is too long has its line to itself
		str_addf(out, "  %-29s", left);
		str_addf(out, strlen(left) > 29 ? "\n%32s%s\n" : "%1s%s\n", "", table[i].summary);
	}
	str_add(out, "\n`vfiorun help COMMAND` says more; "
		     "vfiorun(1) and vfiorun.conf(5) say all.\n");
}

int help_command(const struct command_line *line)
{
	AUTO_STR struct str text = { 0 };
	const char *word = line->operands.count ? line->operands.items[0] : NULL;
	const struct command *command = word ? command_find(word) : NULL;
	const char *near;

	if (word && !command) {
		near = command_nearest(word);
		log_error("there is no command `%s`%s%s%s", word, near ? "; did you mean `" : "",
			  near ? near : "", near ? "`?" : "");
		log_notice("    hint: vfiorun help");
		return 2;
	}
	if (command)
		command_print_help(command, &text);
	else
		commands_print_help(&text);
	return print_out(text.text);
}

int print_out(const char *text)
{
	if (io_write_all(STDOUT_FILENO, text, strlen(text)) == 0)
		return 0;
	log_error("can't write to standard output: %m");
	return 1;
}

int report_error(const struct err *err)
{
	log_error("%s", err->text);
	if (err->hint[0])
		log_notice("    hint: %s", err->hint);
	return 1;
}

void add_json_text(struct json_object *value, struct str *out)
{
	const int form = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE;

	// A path may be any bytes, JSON may not.
	str_add_utf8(out, json_object_to_json_string_ext(value, form));
	str_addc(out, '\n');
}
