// SPDX-License-Identifier: MIT
// Reads argv in one pass and judges it afterwards: what may stand there depends on the command,
// which need not come first.
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/guest/paths.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum trouble { NO_TROUBLE, UNKNOWN_OPTION, NO_VALUE, NEEDLESS_VALUE };

struct reading {
	struct command_line *line;
	const struct command_option *options;
	size_t n_options;
	bool *given;	   // by option
	const char **words; // operands, borrowed
	size_t n_words, next;
	char **rest; // behind "--", NULL-terminated
	enum trouble trouble; // the first one
	char *option;	      // that has it, as it was written
};

static void reading_init(struct reading *reading, int argc, struct command_line *line)
{
	*reading = (struct reading){ .line = line };
	reading->options = command_options(&reading->n_options);
	reading->given = mem_new(reading->n_options, sizeof(*reading->given));
	reading->words = mem_new((size_t)argc + 1, sizeof(*reading->words));
}

static void reading_finish(struct reading *reading)
{
	free(reading->given);
	free(reading->words);
	free(reading->option);
}

// What getopt returns for an option without a letter.
static int option_code(const struct reading *reading, size_t i)
{
	return reading->options[i].letter ? reading->options[i].letter : UCHAR_MAX + 1 + (int)i;
}

static const struct command_option *find_option(const struct reading *reading, int code)
{
	for (size_t i = 0; i < reading->n_options; i++) {
		if (option_code(reading, i) == code)
			return &reading->options[i];
	}
	return NULL;
}

// "-" makes getopt return operands in their order, so that those behind "--" can be told apart; ":"
// makes it tell a missing value from an unknown option.
static void fill_getopt(const struct reading *reading, struct option *longs, char *shorts)
{
	*shorts++ = '-';
	*shorts++ = ':';
	for (size_t i = 0; i < reading->n_options; i++) {
		const struct command_option *option = &reading->options[i];

		longs[i].name = option->name;
		longs[i].has_arg = option->value ? required_argument : no_argument;
		longs[i].val = option_code(reading, i);
		if (option->letter)
			*shorts++ = option->letter;
	}
}

static void set_option(struct command_line *line, const struct command_option *option,
		       const char *value)
{
	void *member = (char *)line + option->offset;

	switch (option->type) {
	case OPTION_FLAG:
		*(bool *)member = true;
		break;
	case OPTION_COUNT:
		++*(int *)member;
		break;
	case OPTION_TEXT:
		*(const char **)member = value;
		break;
	case OPTION_LIST:
		strv_add(member, value);
		break;
	}
}

static void note_trouble(struct reading *reading, enum trouble trouble, const char *argument)
{
	if (reading->trouble)
		return;
	reading->trouble = trouble;
	// of -fx only the x
	if (argument[0] == '-' && argument[1] != '-' && optopt)
		reading->option = mem_printf("-%c", optopt);
	else
		reading->option = mem_dupn(argument, strcspn(argument, "="));
}

static void read_option(struct reading *reading, int code, const char *argument)
{
	const struct command_option *option = find_option(reading, code == '?' ? optopt : code);

	if (code == ':' || (option && option->value && code != '?' && !*optarg)) {
		note_trouble(reading, NO_VALUE, argument);
	} else if (code == '?') {
		note_trouble(reading, option ? NEEDLESS_VALUE : UNKNOWN_OPTION, argument);
	} else {
		reading->given[option - reading->options] = true;
		set_option(reading->line, option, optarg);
	}
}

static void read_arguments(struct reading *reading, int argc, char **argv)
{
	AUTO_FREE struct option *longs = mem_new(reading->n_options + 1, sizeof(*longs));
	AUTO_FREE char *shorts = mem_new(reading->n_options + 3, 1);
	int code, at = 1;

	fill_getopt(reading, longs, shorts);
	opterr = 0;
	optind = 0; // glibc begins anew
	while ((code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (code == 1)
			reading->words[reading->n_words++] = optarg;
		else
			read_option(reading, code, argv[at]);
		at = optind;
	}
	reading->rest = argv + optind;
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

static bool is_file_below(const char *dir, const char *word)
{
	AUTO_FREE char *path = mem_printf("%s/%s.conf", dir, word);

	return access(path, F_OK) == 0;
}

// A profile may be called nearly as a command is.
static bool looks_like_profile(const char *word)
{
	struct paths paths;
	bool found;

	if (strchr(word, '/') || str_ends(word, ".conf") || access(word, F_OK) == 0)
		return true;
	if (paths_read(&paths, NULL) < 0)
		return false;
	found = is_file_below(paths.config_dir, word);
	paths_finish(&paths);
	return found;
}

// Takes the command's name from the words; what is none is run's profile.
static int choose_command(struct reading *reading)
{
	struct command_line *line = reading->line;
	const char *word = reading->words[0], *near;

	if (!word)
		return 0;
	line->command = command_find(word);
	if (line->command) {
		reading->next = 1;
		return 0;
	}
	near = command_nearest(word);
	if (near && !looks_like_profile(word))
		return wrong(line, "there is no command `%s`; did you mean `%s`?", word, near);
	line->command = command_find("run");
	return 0;
}

static int refuse_option(const struct reading *reading, const char *given)
{
	const struct command *command = reading->line->command;
	AUTO_FREE const char **names = mem_new(reading->n_options, sizeof(*names));
	AUTO_STR struct str text = { 0 };
	const char *near;
	size_t n = 0;

	for (size_t i = 0; i < reading->n_options; i++) {
		if (command_takes(command, reading->options[i].name))
			names[n++] = reading->options[i].name;
	}
	near = str_nearest(given + strspn(given, "-"), names, n);
	if (command)
		str_addf(&text, "`%s` takes no option %s", command->name, given);
	else
		str_addf(&text, "without a command there is no option %s", given);
	if (near && given[1] == '-')
		str_addf(&text, "; did you mean --%s?", near);
	return wrong(reading->line, "%s", text.text);
}

static int check_options(const struct reading *reading)
{
	const struct command_line *line = reading->line;

	for (size_t i = 0; i < reading->n_options; i++) {
		AUTO_FREE char *shown = mem_printf("--%s", reading->options[i].name);

		if (reading->given[i] && !command_takes(line->command, reading->options[i].name))
			return refuse_option(reading, shown);
	}
	switch (reading->trouble) {
	case UNKNOWN_OPTION:
		return refuse_option(reading, reading->option);
	case NO_VALUE:
		return wrong(line, "option %s needs a value", reading->option);
	case NEEDLESS_VALUE:
		return wrong(line, "option %s takes no value", reading->option);
	case NO_TROUBLE:
		break;
	}
	return 0;
}

// Guest names become parts of paths, so nothing else gets further than here.
static int check_name(const struct command_line *line)
{
	const struct command *command = line->command;

	if (command->operand == OPERAND_NONE || (!line->name && command->operand_optional))
		return 0;
	if (!line->name || !*line->name)
		return wrong(line, "`%s` needs %s", command->name,
			     command->operand == OPERAND_PROFILE ? "a profile" : "a guest's name");
	if (command->operand == OPERAND_PROFILE || str_is_name(line->name))
		return 0;
	return wrong(line, "`%s` is no guest's name: up to 63 of letters, digits, `_`, `.`, `-`, "
			   "beginning with a letter or digit", line->name);
}

static void drop_first(struct strv *words)
{
	free(words->items[0]);
	// the NULL behind the last one moves too
	memmove(words->items, words->items + 1, words->count * sizeof(*words->items));
	words->count--;
}

// The first of the operands is the verb, and as many as it needs follow.
static int take_verb(struct command_line *line)
{
	const struct command *command = line->command;
	const char *word = line->operands.count ? line->operands.items[0] : "";

	line->verb = command_verb_find(command, word);
	if (!line->verb)
		return wrong(line, "`%s` wants %s", command->name, command->synopsis);
	drop_first(&line->operands);
	if (line->operands.count == line->verb->operands)
		return 0;
	return wrong(line, "`%s %s` takes %zu word%s: %s", command->name, line->verb->name, line->verb->operands,
		     line->verb->operands == 1 ? "" : "s", command->synopsis);
}

// Behind "--" stand QEMU's arguments where there is a profile, else words that may begin with "-".
static int take_words(struct reading *reading)
{
	struct command_line *line = reading->line;
	const struct command *command = line->command;
	bool profile = command->operand == OPERAND_PROFILE;
	struct strv *rest = profile ? &line->qemu_args : &line->operands;
	int status;

	if (command->operand != OPERAND_NONE && reading->next < reading->n_words)
		line->name = reading->words[reading->next++];
	else if (command->operand == OPERAND_GUEST && *reading->rest)
		line->name = *reading->rest++;
	while (reading->next < reading->n_words)
		strv_add(&line->operands, reading->words[reading->next++]);
	while (*reading->rest)
		strv_add(rest, *reading->rest++);
	if (line->operands.count > command->more_operands)
		return wrong(line, "`%s` does not take `%s`%s", command->name,
			     line->operands.items[command->more_operands],
			     profile ? "; arguments for QEMU stand behind --" : "");
	status = check_name(line);
	return status == 0 && command_has_verbs(command) ? take_verb(line) : status;
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

static int miss_command(const struct reading *reading, int argc)
{
	AUTO_STR struct str text = { 0 };

	if (argc > 1)
		return wrong(reading->line, "a command or a profile is missing");
	commands_print_help(&text);
	log_diagnostic(LOG_LEVEL_ERROR, text.text);
	return 2;
}

static int judge(struct reading *reading, int argc)
{
	struct command_line *line = reading->line;
	int status = choose_command(reading);

	if (status == 0)
		status = check_options(reading);
	if (status)
		return status;
	if (line->help)
		return show_help(line->command);
	if (line->version)
		return print_out("vfiorun " VFIORUN_VERSION "\n") ? 1 : -1;
	return line->command ? take_words(reading) : miss_command(reading, argc);
}

static void set_log(const struct command_line *line)
{
	enum log_level level = line->quiet	  ? LOG_LEVEL_ERROR :
			       line->verbose == 0 ? LOG_LEVEL_NOTICE :
			       line->verbose == 1 ? LOG_LEVEL_INFO :
						    LOG_LEVEL_DEBUG;

	log_setup(level, !line->no_color && isatty(STDERR_FILENO) && !getenv("NO_COLOR"));
}

int command_line_parse(int argc, char **argv, struct command_line *line)
{
	CLEANUP(reading_finish) struct reading reading;

	*line = (struct command_line){ 0 };
	reading_init(&reading, argc, line);
	read_arguments(&reading, argc, argv);
	set_log(line);
	return judge(&reading, argc);
}

void command_line_finish(struct command_line *line)
{
	strv_finish(&line->operands);
	strv_finish(&line->sets);
	strv_finish(&line->qemu_args);
}
