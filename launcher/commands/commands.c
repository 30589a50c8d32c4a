// SPDX-License-Identifier: MIT
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/run.h"

#include <getopt.h>
#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

static const struct command table[] = {
	{ "run", "PROFILE [-- QEMU-ARG...]", "start a guest and stay with it until it ends",
	  "Plans, journals, applies, starts QEMU paused, pins every thread, lets the guest run, supervises,\n"
	  "and puts the host back. `vfiorun PROFILE` is short for this. On a terminal the guest's serial\n"
	  "console is relayed where it has no window: Ctrl-] leaves it. Elsewhere Ctrl-C asks for powerdown,\n"
	  "a second one quits, a third kills.\n",
	  run_command, "headless detach set", OPERAND_PROFILE, false, 0 },
	{ "plan", "PROFILE", "show all that run would do, and why; changes nothing", NULL, plan_command,
	  "json root set headless", OPERAND_PROFILE, false, 0 },
	{ "argv", "PROFILE", "show the QEMU command alone, ready to paste", NULL, argv_command,
	  "json root set headless", OPERAND_PROFILE, false, 0 },
	{ "host", "", "show the host as the planner sees it: CPUs, memory, hugepages", NULL, host_command,
	  "json root", OPERAND_NONE, false, 0 },
	{ "list", "", "list guests", NULL, list_command, "json", OPERAND_NONE, false, 0 },
	{ "status", "NAME", "one guest in detail: threads as the kernel has them, journal", NULL,
	  status_command, "json", OPERAND_GUEST, false, 0 },
	{ "stop", "NAME", "ask for powerdown, then quit, then TERM, then KILL",
	  "Returns once the guest has ended and the host is as it was. --force begins with quit.\n",
	  stop_command, "force", OPERAND_GUEST, false, 0 },
	{ "pause", "NAME", "stop the vCPUs", NULL, pause_command, "", OPERAND_GUEST, false, 0 },
	{ "resume", "NAME", "let the vCPUs go on", NULL, resume_command, "", OPERAND_GUEST, false, 0 },
	{ "reset", "NAME", "press the reset button", NULL, reset_command, "", OPERAND_GUEST, false, 0 },
	{ "wait", "NAME", "wait until the guest ends and return its exit status", NULL, wait_command, "",
	  OPERAND_GUEST, false, 0 },
	{ "console", "NAME", "the serial console; Ctrl-] leaves", NULL, console_command, "",
	  OPERAND_GUEST, false, 0 },
	{ "log", "NAME", "QEMU's and our own messages", NULL, log_command, "follow", OPERAND_GUEST, false,
	  0 },
	{ "qmp", "NAME [JSON]", "one QMP command, or a prompt",
	  "JSON is {\"execute\":\"query-status\"} or just query-status.\n", qmp_command, "",
	  OPERAND_GUEST, false, 1 },
	{ "adopt", "NAME", "take over a guest whose keeper died, and go on as run would", NULL,
	  adopt_command, "", OPERAND_GUEST, false, 0 },
	{ "revert", "[NAME]", "put back what a crash left behind",
	  "Idempotent; needs no profile. A guest that never ran is ended first; one that runs makes it\n"
	  "refuse with status 5. Without NAME: every guest that left something.\n",
	  revert_command, "if-dead", OPERAND_GUEST, true, 0 },
	{ "help", "[COMMAND]", "this, or one command in detail", NULL, help_command, "", OPERAND_NONE, false,
	  1 },
};

static const struct option_row {
	const char *name;
	char letter;
	bool value;
	const char *help; // "VALUE  text" where it takes one
} options[] = {
	{ "headless", 0, false, "no window; the serial console on this terminal" },
	{ "detach", 0, false, "return once the guest runs, pinned" },
	{ "set", 0, true, "SECTION[:TITLE].KEY=VALUE  one more line of the profile" },
	{ "json", 0, false, "machine-readable" },
	{ "root", 0, true, "DIR  read this captured machine in place of the live one" },
	{ "force", 0, false, "do not ask the guest: quit" },
	{ "follow", 'f', false, "go on as messages come" },
	{ "if-dead", 0, false, "say nothing and succeed where the guest runs" },
	{ "verbose", 'v', false, "say more (twice: everything)" },
	{ "quiet", 'q', false, "say only errors" },
	{ "no-color", 0, false, "no colours (NO_COLOR does the same)" },
	{ "help", 'h', false, "this text" },
	{ "version", 0, false, "the version" },
};

static const char everywhere[] = "verbose quiet no-color help version";

const struct command *commands(size_t *count)
{
	*count = ARRAY_SIZE(table);
	return table;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

static bool has_word(const char *words, const char *word)
{
	AUTO_STRV struct strv list = { 0 };

	strv_split(&list, words, " ");
	return strv_has(&list, word);
}

static bool takes(const struct command *command, const char *option)
{
	return has_word(everywhere, option) || (command && has_word(command->options, option));
}

static void print_option(const struct option_row *row, struct str *out)
{
	char letter[6] = "    ";
	const char *gap = row->value ? strstr(row->help, "  ") : NULL;
	int n = gap ? (int)(gap - row->help) : 0;
	AUTO_FREE char *shown = mem_printf("--%s%s%.*s", row->name, n ? " " : "", n, row->help);

	if (row->letter) {
		letter[0] = '-';
		letter[1] = row->letter;
		letter[2] = ',';
	}
	str_addf(out, "  %s%-*s  %s\n", letter, n > 10 ? 0 : 16, shown, gap ? gap + 2 : row->help);
}

void command_print_help(const struct command *command, struct str *out)
{
	str_addf(out, "usage: vfiorun %s [OPTION...]%s%s\n\n%s\n", command->name,
		 *command->synopsis ? " " : "", command->synopsis, command->summary);
	if (command->help)
		str_addf(out, "\n%s", command->help);
	str_add(out, "\noptions:\n");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (takes(command, options[i].name))
			print_option(&options[i], out);
	}
}

void commands_print_help(struct str *out)
{
	str_add(out, "usage: vfiorun PROFILE            start a guest (short for `run`)\n"
		     "       vfiorun COMMAND [ARG...]\n\ncommands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_FREE char *left = mem_printf("%s %s", table[i].name, table[i].synopsis);

		str_addf(out, "  %-28s %s\n", left, table[i].summary);
	}
	str_add(out, "\n`vfiorun help COMMAND` says more; vfiorun(1) and vfiorun.conf(5) say all.\n");
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
	str_addf(out, "%s\n", json_object_to_json_string_ext(value, JSON_C_TO_STRING_PRETTY |
									     JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void fill_getopt(struct option *longs, char *shorts)
{
	*shorts++ = ':';
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		longs[i] = (struct option){ options[i].name,
					    options[i].value ? required_argument : no_argument, NULL,
					    options[i].letter ? options[i].letter : (int)(256 + i) };
		if (options[i].letter)
			*shorts++ = options[i].letter;
	}
	*shorts = '\0';
	longs[ARRAY_SIZE(options)] = (struct option){ 0 };
}

static const struct option_row *find_row(int value)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (value == (int)(256 + i) || (options[i].letter && value == options[i].letter))
			return &options[i];
	}
	return NULL;
}

static void set_option(struct command_line *line, const char *name, const char *value)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = { { "headless", &line->headless }, { "detach", &line->detach },
		      { "json", &line->json },	       { "force", &line->force },
		      { "follow", &line->follow },     { "if-dead", &line->if_dead } };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strcmp(flags[i].name, name) == 0)
			*flags[i].flag = true;
	}
	if (strcmp(name, "set") == 0)
		strv_add(&line->sets, value);
	else if (strcmp(name, "root") == 0)
		line->root = value;
	else if (strcmp(name, "no-color") == 0)
		line->colour = false;
	else if (strcmp(name, "quiet") == 0)
		line->shown = LOG_LEVEL_ERROR;
	else if (strcmp(name, "verbose") == 0)
		line->shown = line->shown == LOG_LEVEL_INFO ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

static int show_help(const struct command *command)
{
	AUTO_STR struct str text = { 0 };

	if (command)
		command_print_help(command, &text);
	else
		commands_print_help(&text);
	return print_out(text.text) ? 1 : -1;
}

static int wrong(const struct command_line *line, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static int wrong(const struct command_line *line, const char *fmt, ...)
{
	AUTO_STR struct str text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	log_error("%s", text.text);
	log_notice("    hint: vfiorun help%s%s", line->command ? " " : "",
		   line->command ? line->command->name : "");
	return 2;
}

static int wrong_option(const struct command_line *line, const char *given)
{
	const char *names[ARRAY_SIZE(options)], *near;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (takes(line->command, options[i].name))
			names[n++] = options[i].name;
	}
	near = str_nearest(given + strspn(given, "-"), names, n);
	if (near)
		return wrong(line, "`%s` takes no option %s; did you mean --%s?", line->command->name,
			     given, near);
	return wrong(line, "`%s` takes no option %s", line->command->name, given);
}

static int parse_options(int argc, char **argv, struct command_line *line)
{
	struct option longs[ARRAY_SIZE(options) + 1];
	char shorts[ARRAY_SIZE(options) + 2];
	int found;

	fill_getopt(longs, shorts);
	opterr = 0;
	while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_row *row = find_row(found);

		if (found == ':')
			return wrong(line, "option %s needs a value", argv[optind - 1]);
		if (!row || !takes(line->command, row->name))
			return wrong_option(line, argv[optind - 1]);
		if (strcmp(row->name, "help") == 0)
			return show_help(line->command);
		if (strcmp(row->name, "version") == 0)
			return print_out("vfiorun " VFIORUN_VERSION "\n") ? 1 : -1;
		set_option(line, row->name, optarg);
	}
	return 0;
}

// Guest names become parts of paths, so nothing else gets further than here.
static int check_name(const struct command_line *line)
{
	if (line->command->operand != OPERAND_GUEST || !line->name || str_is_name(line->name))
		return 0;
	return wrong(line, "`%s` is no guest's name: up to 63 of letters, digits, `_`, `.`, `-`, beginning "
			   "with a letter or digit", line->name);
}

static int parse_operands(int argc, char **argv, int raw, struct command_line *line)
{
	const struct command *command = line->command;
	int at = optind;

	if (command->operand != OPERAND_NONE && at < raw)
		line->name = argv[at++];
	if (command->operand != OPERAND_NONE && !line->name && !command->operand_optional)
		return wrong(line, "`%s` needs %s", command->name,
			     command->operand == OPERAND_PROFILE ? "a profile" : "a guest's name");
	while (at < raw)
		strv_add(&line->operands, argv[at++]);
	if ((int)line->operands.count > command->more_operands)
		return wrong(line, "`%s` does not take `%s`%s", command->name,
			     line->operands.items[command->more_operands],
			     command->run == run_command ? "; arguments for QEMU stand behind --" : "");
	for (; at < argc; at++) {
		if (command->run != run_command)
			return wrong(line, "`%s` takes nothing behind --", command->name);
		strv_add(&line->qemu_args, argv[at]);
	}
	return check_name(line);
}

// How many arguments there are before "--" and after it; getopt has moved operands behind options.
static int count_raw(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			return argc - i - 1;
	}
	return 0;
}

static bool looks_like_profile(const char *word)
{
	return strchr(word, '/') || str_ends(word, ".conf") || access(word, F_OK) == 0;
}

static int choose_command(const char *word, struct command_line *line)
{
	const char *names[ARRAY_SIZE(table)], *near;

	line->command = command_find(word);
	if (line->command)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		names[i] = table[i].name;
	near = str_nearest(word, names, ARRAY_SIZE(table));
	if (near && !looks_like_profile(word) && word[0] != '-')
		return wrong(line, "there is no command `%s`; did you mean `%s`?", word, near);
	line->command = command_find("run");
	return 0;
}

int command_line_parse(int argc, char **argv, struct command_line *line)
{
	int first = 1, raw, status;

	*line = (struct command_line){ .shown = LOG_LEVEL_NOTICE,
				       .colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR") };
	if (argc < 2) {
		AUTO_STR struct str text = { 0 };

		commands_print_help(&text);
		io_write_all(STDERR_FILENO, text.text, text.len);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return show_help(NULL);
	status = choose_command(argv[1], line);
	if (status)
		return status;
	if (strcmp(argv[1], line->command->name) == 0)
		first = 2;
	argc -= first - 1;
	argv += first - 1;
	raw = count_raw(argc, argv);
	status = parse_options(argc, argv, line);
	log_setup(line->shown, line->colour);
	return status ? status : parse_operands(argc, argv, argc - raw, line);
}

void command_line_finish(struct command_line *line)
{
	strv_finish(&line->operands);
	strv_finish(&line->sets);
	strv_finish(&line->qemu_args);
}

int help_command(const struct command_line *line)
{
	const struct command *command = NULL;
	int status;

	if (line->operands.count) {
		command = command_find(line->operands.items[0]);
		if (!command)
			return wrong(line, "there is no command `%s`", line->operands.items[0]);
	}
	status = show_help(command);
	return status < 0 ? 0 : status;
}
