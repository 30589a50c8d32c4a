// SPDX-License-Identifier: MIT
// The command line, right and wrong; and that the manual and the completions know what the tables
// know, and nothing else.
#include "launcher/check/check.h"
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/profile/profile.h"

#include <dirent.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define MANUAL "man/vfiorun.1"
#define BASH   "completions/vfiorun.bash"
#define ZSH    "completions/_vfiorun"
#define FISH   "completions/vfiorun.fish"

// --- parsing

struct parsed {
	struct strv argv; // what `line` borrows from
	struct command_line line;
	int status;
	char *out, *messages;
};

static int divert(int fd, int *saved)
{
	int into = memfd_create("diverted", MFD_CLOEXEC);

	assert_true(into >= 0);
	*saved = dup(fd);
	dup2(into, fd);
	return into;
}

static char *give_back(int fd, int saved, int from)
{
	struct str text = { 0 };

	dup2(saved, fd);
	close(saved);
	lseek(from, 0, SEEK_SET);
	assert_int_equal(io_read_all(from, &text, 1 << 20), 0);
	close(from);
	return str_take(&text);
}

static void finish(struct parsed *parsed)
{
	command_line_finish(&parsed->line);
	strv_finish(&parsed->argv);
	free(parsed->out);
	free(parsed->messages);
}

#define AUTO_PARSED CLEANUP(finish)

// Words are separated by single blanks; '' is an empty one.
static struct parsed parse(const char *words)
{
	struct parsed parsed = { 0 };
	AUTO_STRV struct strv split = { 0 };
	int out, err, saved_out, saved_err;

	strv_split(&split, words, " ");
	strv_add(&parsed.argv, "vfiorun");
	for (size_t i = 0; i < split.count; i++)
		strv_add(&parsed.argv, strcmp(split.items[i], "''") ? split.items[i] : "");
	out = divert(STDOUT_FILENO, &saved_out);
	err = divert(STDERR_FILENO, &saved_err);
	parsed.status = command_line_parse((int)parsed.argv.count, parsed.argv.items, &parsed.line);
	parsed.messages = give_back(STDERR_FILENO, saved_err, err);
	parsed.out = give_back(STDOUT_FILENO, saved_out, out);
	return parsed;
}

static void join(const struct strv *list, char *out, size_t room)
{
	AUTO_STR struct str text = { 0 };

	for (size_t i = 0; i < list->count; i++)
		str_addf(&text, "%s%s", i ? "|" : "", list->items[i]);
	snprintf(out, room, "%s", str_text(&text));
}

static void test_right(void **state)
{
	static const struct {
		const char *words, *command, *name, *operands, *sets, *qemu_args;
	} rows[] = {
		{ "run win11", "run", "win11", "", "", "" },
		{ "win11.conf", "run", "win11.conf", "", "", "" },
		{ "./stat", "run", "./stat", "", "", "" },
		{ "win11", "run", "win11", "", "", "" },
		{ "run list", "run", "list", "", "", "" },
		{ "run a -- -device x", "run", "a", "", "", "-device|x" },
		{ "a.conf -- -- -x", "run", "a.conf", "", "", "--|-x" },
		{ "run a --", "run", "a", "", "", "" },
		{ "plan a -- -snapshot", "plan", "a", "", "", "-snapshot" },
		{ "run --set a.b=1 x --set=c:d.e=2", "run", "x", "", "a.b=1|c:d.e=2", "" },
		{ "run --set -- x -- y", "run", "x", "", "--", "y" },
		{ "--set a.b=1 plan x", "plan", "x", "", "a.b=1", "" },
		{ "status vm.1_a-b", "status", "vm.1_a-b", "", "", "" },
		{ "status -- vm", "status", "vm", "", "", "" },
		{ "qmp vm -- -x", "qmp", "vm", "-x", "", "" },
		{ "qmp vm stop", "qmp", "vm", "stop", "", "" },
		{ "revert", "revert", NULL, "", "", "" },
		{ "revert vm --if-dead", "revert", "vm", "", "", "" },
		{ "list --", "list", NULL, "", "", "" },
		{ "help plan", "help", NULL, "plan", "", "" },
		{ "rom info a.rom", "rom", NULL, "a.rom", "", "" },
		{ "rom --force dump 06:00.0 a.rom", "rom", NULL, "06:00.0|a.rom", "", "" },
		{ "rom info -- -x", "rom", NULL, "-x", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_PARSED struct parsed parsed = parse(rows[i].words);
		char text[200];

		if (parsed.status != 0 || *parsed.messages)
			fail_msg("%s: %d, %s", rows[i].words, parsed.status, parsed.messages);
		assert_string_equal(parsed.line.command->name, rows[i].command);
		if (!str_eq(parsed.line.name, rows[i].name))
			fail_msg("%s: name %s", rows[i].words, parsed.line.name);
		join(&parsed.line.operands, text, sizeof(text));
		assert_string_equal(text, rows[i].operands);
		join(&parsed.line.sets, text, sizeof(text));
		assert_string_equal(text, rows[i].sets);
		join(&parsed.line.qemu_args, text, sizeof(text));
		assert_string_equal(text, rows[i].qemu_args);
	}
}

static void test_options(void **state)
{
	AUTO_PARSED struct parsed run = parse("run x --headless --detach -vv");
	AUTO_PARSED struct parsed plan = parse("plan --json --root /r x --no-color");
	AUTO_PARSED struct parsed log = parse("log -fq x");
	AUTO_PARSED struct parsed stop = parse("stop x --force");
	AUTO_PARSED struct parsed revert = parse("revert --if-dead x");

	(void)state;
	assert_true(run.line.headless && run.line.detach && run.line.verbose == 2);
	assert_false(run.line.json || run.line.force || run.line.follow || run.line.quiet);
	assert_true(plan.line.json && plan.line.no_color && !plan.line.headless);
	assert_string_equal(plan.line.root, "/r");
	assert_true(log.line.follow && log.line.quiet && log.line.verbose == 0);
	assert_true(stop.line.force && !stop.line.if_dead);
	assert_true(revert.line.if_dead && !revert.line.force);
}

static void test_verb(void **state)
{
	AUTO_PARSED struct parsed info = parse("rom info x"), dump = parse("rom dump x y");
	AUTO_PARSED struct parsed list = parse("list");

	(void)state;
	assert_string_equal(info.line.verb->name, "info");
	assert_string_equal(dump.line.verb->name, "dump");
	assert_ptr_equal(dump.line.verb->run, rom_dump_command);
	assert_null(list.line.verb);
}

static void test_wrong(void **state)
{
	static const struct {
		const char *words, *said;
	} rows[] = {
		{ "", "usage: vfiorun PROFILE" },
		{ "-v", "a command or a profile is missing" },
		{ "-- x", "a command or a profile is missing" },
		{ "rnu", "there is no command `rnu`; did you mean `run`?" },
		{ "statsu vm", "there is no command `statsu`; did you mean `status`?" },
		{ "run", "`run` needs a profile" },
		{ "run ''", "`run` needs a profile" },
		{ "''", "`run` needs a profile" },
		{ "plan -- -snapshot", "`plan` needs a profile" },
		{ "status", "`status` needs a guest's name" },
		{ "stop ''", "`stop` needs a guest's name" },
		{ "status a/b", "`a/b` is no guest's name" },
		{ "status ..", "`..` is no guest's name" },
		{ "stop .lock-x", "`.lock-x` is no guest's name" },
		{ "revert ../x", "`../x` is no guest's name" },
		{ "adopt -- -x", "`-x` is no guest's name" },
		{ "list x", "`list` does not take `x`" },
		{ "list -- x", "`list` does not take `x`" },
		{ "qmp vm a b", "`qmp` does not take `b`" },
		{ "run a b", "`run` does not take `b`; arguments for QEMU stand behind --" },
		{ "a.conf b", "`run` does not take `b`" },
		{ "rom", "`rom` wants info FILE | dump ADDRESS FILE" },
		{ "rom show x", "`rom` wants info FILE | dump" },
		{ "rom info", "`rom info` takes 1 word: info FILE" },
		{ "rom info a b", "`rom info` takes 1 word: info FILE" },
		{ "rom dump 06:00.0", "`rom dump` takes 2 words" },
		{ "rom dump a b c", "`rom` does not take `c`" },
		{ "plan --jsno x", "`plan` takes no option --jsno; did you mean --json?" },
		{ "--jsno plan x", "`plan` takes no option --jsno; did you mean --json?" },
		{ "run --json x", "`run` takes no option --json" },
		{ "run --root /r x", "`run` takes no option --root" },
		{ "status --forec x", "`status` takes no option --forec" },
		{ "stop --frce x", "`stop` takes no option --frce; did you mean --force?" },
		{ "--vresion",
		  "without a command there is no option --vresion; did you mean --version?" },
		{ "--json", "without a command there is no option --json" },
		{ "plan -x a", "`plan` takes no option -x" },
		{ "log -fx a", "`log` takes no option -x" },
		{ "stop -f a", "`stop` takes no option --follow" },
		{ "plan x --root", "option --root needs a value" },
		{ "plan x --root=", "option --root needs a value" },
		{ "run x --set ''", "option --set needs a value" },
		{ "list --json=yes", "option --json takes no value" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_PARSED struct parsed parsed = parse(rows[i].words);

		if (parsed.status != 2 || !strstr(parsed.messages, rows[i].said) || *parsed.out)
			fail_msg("%s: %d, %s%s", rows[i].words, parsed.status, parsed.messages,
				 parsed.out);
		if (parsed.line.command && !strstr(parsed.messages, "hint: vfiorun help"))
			fail_msg("%s: no hint: %s", rows[i].words, parsed.messages);
	}
}

// What is not near to an option must not be guessed.
static void test_no_guess(void **state)
{
	AUTO_PARSED struct parsed parsed = parse("list --zzzzzz");

	(void)state;
	assert_null(strstr(parsed.messages, "did you mean"));
}

static void test_help(void **state)
{
	AUTO_PARSED struct parsed all = parse("--help");
	AUTO_PARSED struct parsed one = parse("stop -h");
	AUTO_PARSED struct parsed profile = parse("x.conf --help");
	AUTO_PARSED struct parsed version = parse("--version");
	size_t n;
	const struct command *rows = commands(&n);

	(void)state;
	assert_int_equal(all.status, -1);
	for (size_t i = 0; i < n; i++)
		assert_non_null(strstr(all.out, rows[i].summary));
	assert_int_equal(one.status, -1);
	assert_non_null(strstr(one.out, "usage: vfiorun stop [OPTION...] NAME"));
	assert_non_null(strstr(one.out, "--force"));
	assert_null(strstr(one.out, "--json"));
	assert_non_null(strstr(profile.out, "usage: vfiorun run "));
	assert_string_equal(version.out, "vfiorun " VFIORUN_VERSION "\n");
	assert_int_equal(version.status, -1);
}

static void test_help_is_narrow(void **state)
{
	AUTO_STR struct str text = { 0 };
	AUTO_STRV struct strv lines = { 0 };
	size_t n;
	const struct command *rows = commands(&n);

	(void)state;
	commands_print_help(&text);
	for (size_t i = 0; i < n; i++)
		command_print_help(&rows[i], &text);
	strv_split(&lines, text.text, "\n");
	for (size_t i = 0; i < lines.count; i++) {
		if (strlen(lines.items[i]) > 100)
			fail_msg("wider than 100 columns: %s", lines.items[i]);
	}
}

// --- the manual and the completions

static char *read_text(const char *path)
{
	struct str text = { 0 };
	struct err err = ERR_NONE;

	if (io_read_file(AT_FDCWD, path, &text, 1 << 20, &err) < 0)
		fail_msg("%s", err.text);
	return str_take(&text);
}

static void compile(regex_t *regex, const char *pattern)
{
	assert_int_equal(regcomp(regex, pattern, REG_EXTENDED | REG_NEWLINE), 0);
}

// The first group of every match, each once.
static void collect(const char *text, const char *pattern, struct strv *out)
{
	regex_t regex;
	regmatch_t match[2];

	compile(&regex, pattern);
	for (; regexec(&regex, text, 2, match, 0) == 0; text += match[0].rm_eo) {
		size_t size = (size_t)(match[1].rm_eo - match[1].rm_so);
		AUTO_FREE char *found = mem_dupn(text + match[1].rm_so, size);

		if (!strv_has(out, found))
			strv_add(out, found);
	}
	regfree(&regex);
}

static void expect_same(const char *where, const struct strv *there, const struct strv *wanted)
{
	for (size_t i = 0; i < wanted->count; i++) {
		if (!strv_has(there, wanted->items[i]))
			fail_msg("%s lacks %s", where, wanted->items[i]);
	}
	for (size_t i = 0; i < there->count; i++) {
		if (!strv_has(wanted, there->items[i]))
			fail_msg("%s has %s, which vfiorun has not", where, there->items[i]);
	}
}

static void list_commands(struct strv *out)
{
	size_t n;
	const struct command *rows = commands(&n);

	for (size_t i = 0; i < n; i++)
		strv_add(out, rows[i].name);
}

static void list_options(struct strv *out)
{
	size_t n;
	const struct command_option *rows = command_options(&n);

	for (size_t i = 0; i < n; i++)
		strv_add(out, rows[i].name);
}

static char *section(const char *manual, const char *name)
{
	AUTO_FREE char *head = mem_printf("\n.Sh %s\n", name);
	const char *start = strstr(manual, head), *end;

	if (!start)
		fail_msg("%s has no section %s", MANUAL, name);
	start += strlen(head);
	end = strstr(start, "\n.Sh ");
	assert_non_null(end);
	return mem_dupn(start, (size_t)(end - start));
}

static void test_manual_commands(void **state)
{
	AUTO_FREE char *manual = read_text(MANUAL), *part = section(manual, "COMMANDS");
	AUTO_STRV struct strv there = { 0 }, wanted = { 0 };

	(void)state;
	collect(part, "^\\.It Ic ([a-z]+)", &there);
	list_commands(&wanted);
	expect_same(MANUAL, &there, &wanted);
}

// "(run, plan)" below an option says which commands take it; without, all do.
static void expect_takers(const char *options, const struct command_option *option)
{
	AUTO_FREE char *item = mem_printf("-%s", option->name);
	AUTO_FREE char *pattern = mem_printf("^\\.It Fl ([a-z] , )?-%s( .*)?\n\\.Pq Ic (.*)$",
					     option->name);
	AUTO_STRV struct strv there = { 0 }, wanted = { 0 };
	regmatch_t match[4];
	regex_t regex;
	size_t n;
	const struct command *rows = commands(&n);

	compile(&regex, pattern);
	if (regexec(&regex, options, 4, match, 0) == 0) {
		AUTO_FREE char *names = mem_dupn(options + match[3].rm_so,
						 (size_t)(match[3].rm_eo - match[3].rm_so));

		strv_split(&there, names, " ,");
	} else {
		list_commands(&there);
	}
	regfree(&regex);
	for (size_t i = 0; i < n; i++) {
		if (command_takes(&rows[i], option->name))
			strv_add(&wanted, rows[i].name);
	}
	expect_same(item, &there, &wanted);
}

static void test_manual_options(void **state)
{
	AUTO_FREE char *manual = read_text(MANUAL), *part = section(manual, "OPTIONS");
	AUTO_STRV struct strv there = { 0 }, wanted = { 0 };
	size_t n;
	const struct command_option *rows = command_options(&n);

	(void)state;
	collect(part, "^\\.It Fl [a-z ,]*-([a-z-]+)", &there);
	list_options(&wanted);
	expect_same(MANUAL, &there, &wanted);
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *letter = mem_printf(".It Fl %c , -%s\n", rows[i].letter,
						    rows[i].name);

		if (rows[i].letter && !strstr(part, letter))
			fail_msg("%s lacks -%c", MANUAL, rows[i].letter);
		expect_takers(part, &rows[i]);
	}
}

// Options anywhere in the manuals, in examples too, are options of ours.
static void test_manual_options_exist(void **state)
{
	static const char *const files[] = { MANUAL, "man/vfiorun.conf.5", "README.md" };
	AUTO_STRV struct strv wanted = { 0 };

	(void)state;
	list_options(&wanted);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		AUTO_FREE char *text = read_text(files[i]);
		AUTO_STRV struct strv there = { 0 };

		collect(text, "vfiorun [^`]*--([a-z]+[a-z-]*)", &there);
		collect(text, "(^|[ (])Fl -([a-z]+[a-z-]*)", &there);
		for (size_t k = 0; k < there.count; k++) {
			if (*there.items[k] && !strchr(" (", *there.items[k]) &&
			    !strv_has(&wanted, there.items[k]))
				fail_msg("%s has --%s", files[i], there.items[k]);
		}
	}
}

static void list_taken(const struct command *command, const char *before, struct str *out)
{
	size_t n;
	const struct command_option *rows = command_options(&n);

	for (size_t i = 0; i < n; i++) {
		if (command_takes(command, rows[i].name) && !command_takes(NULL, rows[i].name))
			str_addf(out, "%s%s%s", out->len ? " " : "", before, rows[i].name);
	}
}

static const char *kind_word(const struct command *command)
{
	static const char *const words[] = { [OPERAND_PROFILE] = "profile",
					     [OPERAND_GUEST] = "guest" };

	if (command->operand != OPERAND_NONE)
		return words[command->operand];
	if (command_has_verbs(command))
		return command->name;
	return command->more_operands ? "command" : "none";
}

// bash and zsh have a line of the same form for each command.
static void expect_arms(const char *path, const char *text)
{
	AUTO_STRV struct strv there = { 0 }, wanted = { 0 };
	size_t n;
	const struct command *rows = commands(&n);

	collect(text, "^\t([a-z]+\\) options=.*)$", &there);
	for (size_t i = 0; i < n; i++) {
		AUTO_STR struct str options = { 0 };

		list_taken(&rows[i], "--", &options);
		strv_addf(&wanted, "%s) options='%s' kind=%s ;;", rows[i].name, str_text(&options),
			  kind_word(&rows[i]));
	}
	expect_same(path, &there, &wanted);
}

static void expect_known_options(const char *path, const char *text, const char *pattern)
{
	AUTO_STRV struct strv there = { 0 }, wanted = { 0 };

	collect(text, pattern, &there);
	list_options(&wanted);
	expect_same(path, &there, &wanted);
}

static void test_bash(void **state)
{
	AUTO_FREE char *text = read_text(BASH);
	AUTO_STRV struct strv there = { 0 }, wanted = { 0 };
	const char *list = strstr(text, "local commands='");

	(void)state;
	expect_arms(BASH, text);
	expect_known_options(BASH, text, "--([a-z]+[a-z-]*)");
	assert_non_null(list);
	list = strchr(list, '\'') + 1;
	{
		AUTO_FREE char *names = mem_dupn(list, strcspn(list, "'"));

		strv_split(&there, names, " \n\t");
	}
	list_commands(&wanted);
	expect_same(BASH, &there, &wanted);
}

static void test_zsh(void **state)
{
	AUTO_FREE char *text = read_text(ZSH);
	AUTO_STRV struct strv there = { 0 }, wanted = { 0 };
	size_t n;
	const struct command *rows = commands(&n);
	const struct command_option *options;

	(void)state;
	expect_arms(ZSH, text);
	expect_known_options(ZSH, text, "--([a-z]+[a-z-]*)");
	collect(text, "^\t\t\"([a-z]+:.*)\"$", &there);
	for (size_t i = 0; i < n; i++)
		strv_addf(&wanted, "%s:%s", rows[i].name, rows[i].summary);
	expect_same(ZSH, &there, &wanted);
	options = command_options(&n);
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *plain = mem_printf("--%s%s[%s]", options[i].name,
						   options[i].value ? "=" : "", options[i].help);
		AUTO_FREE char *lettered = mem_printf("{-%c,--%s}\"[%s]\"", options[i].letter,
						      options[i].name, options[i].help);

		if (!strstr(text, options[i].letter ? lettered : plain))
			fail_msg("%s lacks %s", ZSH, options[i].letter ? lettered : plain);
	}
}

// The commands that take the option, or "" where it may stand without any.
static void list_takers(const struct command_option *option, struct str *out)
{
	size_t n;
	const struct command *rows = commands(&n);

	for (size_t i = 0; i < n && !command_takes(NULL, option->name); i++) {
		if (command_takes(&rows[i], option->name))
			str_addf(out, "%s%s", out->len ? " " : "", rows[i].name);
	}
}

static void list_fish_options(struct strv *out)
{
	size_t n;
	const struct command_option *rows = command_options(&n);

	for (size_t i = 0; i < n; i++) {
		AUTO_STR struct str takers = { 0 }, line = { 0 };

		list_takers(&rows[i], &takers);
		str_add(&line, "complete -c vfiorun ");
		if (takers.len)
			str_addf(&line, "-n \"__fish_seen_subcommand_from %s\" ", takers.text);
		if (rows[i].letter)
			str_addf(&line, "-s %c ", rows[i].letter);
		str_addf(&line, "-l %s -d \"%s\"%s", rows[i].name, rows[i].help,
			 rows[i].value ? " -x" : "");
		strv_take(out, str_take(&line));
	}
}

static void test_fish(void **state)
{
	AUTO_FREE char *text = read_text(FISH);
	AUTO_STRV struct strv there = { 0 }, wanted = { 0 };
	AUTO_STRV struct strv options = { 0 }, wanted_options = { 0 };
	AUTO_STR struct str all = { 0 };
	size_t n;
	const struct command *rows = commands(&n);

	(void)state;
	collect(text, "^(complete .* -a [a-z]+ -d .*)$", &there);
	for (size_t i = 0; i < n; i++) {
		strv_addf(&wanted, "complete -c vfiorun -n __fish_use_subcommand -a %s -d \"%s\"",
			  rows[i].name, rows[i].summary);
		str_addf(&all, " %s", rows[i].name);
	}
	expect_same(FISH, &there, &wanted);
	collect(text, "^(complete .*-l [a-z-]+ -d \"[^\"]*\"( -x)?)", &options);
	list_fish_options(&wanted_options);
	expect_same(FISH, &options, &wanted_options);
	str_add(&all, "\n");
	if (!strstr(text, all.text))
		fail_msg("%s lacks `set -l commands%s`", FISH, all.text);
}

static void test_fish_operands(void **state)
{
	static const struct {
		const char *kind, *from;
	} kinds[] = { { "profile", "(__vfiorun_profiles)" },
		      { "guest", "(__vfiorun_guests)" },
		      { "command", "$commands" } };
	AUTO_FREE char *text = read_text(FISH);
	size_t n;
	const struct command *rows = commands(&n);

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		AUTO_STR struct str line = { 0 };

		str_add(&line, "complete -c vfiorun -n \"__fish_seen_subcommand_from");
		for (size_t i = 0; i < n; i++) {
			if (strcmp(kind_word(&rows[i]), kinds[k].kind) == 0)
				str_addf(&line, " %s", rows[i].name);
		}
		str_addf(&line, "\" -k -a \"%s\"\n", kinds[k].from);
		if (!strstr(text, line.text))
			fail_msg("%s lacks %s", FISH, line.text);
	}
}

// Indented text from the next [vm] on, up to what is not indented. NULL: no more; else on the heap.
static char *next_profile(const char **text)
{
	const char *line = strstr(*text, "\n    [vm]\n");
	struct str profile = { 0 };

	if (!line)
		return NULL;
	for (line++; str_starts(line, "    ") || *line == '\n'; line = *text) {
		size_t size = strcspn(line, "\n"), indent = size ? 4 : 0;

		str_addn(&profile, line + indent, size + 1 - indent);
		*text = line + size + 1;
	}
	return str_take(&profile);
}

static void test_readme_profiles(void **state)
{
	AUTO_FREE char *readme = read_text("README.md");
	const char *at = readme;
	char *text;
	int n = 0;

	(void)state;
	for (; (text = next_profile(&at)); n++) {
		AUTO_STR struct str said = { 0 };
		struct profile profile;
		struct diags diags = { 0 };

		profile_parse(&profile, "/p/readme.conf", text, &diags);
		for (size_t i = 0; i < diags.count; i++)
			diag_print(&diags.items[i], &said);
		if (said.len)
			fail_msg("README.md, profile %d:\n%s", n + 1, said.text);
		diags_finish(&diags);
		profile_finish(&profile);
		free(text);
	}
	assert_int_equal(n, 2);
}

// --- codes of diagnostics

static bool is_source(const struct dirent *entry)
{
	return str_ends(entry->d_name, ".c") || str_ends(entry->d_name, ".h");
}

static void add_sources(const char *dir, struct str *out)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;

	assert_non_null(stream);
	while ((entry = readdir(stream))) {
		if (is_source(entry)) {
			AUTO_FREE char *path = mem_printf("%s/%s", dir, entry->d_name);
			AUTO_FREE char *text = read_text(path);

			str_add(out, text);
		}
	}
	closedir(stream);
}

// A code is the first string of a call to diag_add, or to what has a parameter called `code`.
static void test_codes(void **state)
{
	static const char *const rooms[] = { "launcher/profile", "launcher/plan", "launcher/plan/device",
					     "launcher/argv" };
	AUTO_FREE char *manual = read_text(MANUAL), *part = section(manual, "DIAGNOSTICS");
	AUTO_STRV struct strv makers = { 0 }, wanted = { 0 }, there = { 0 };
	AUTO_STR struct str sources = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++)
		add_sources(rooms[i], &sources);
	// REG_NEWLINE would end a call at its line's end
	for (size_t i = 0; i < sources.len; i++) {
		if (sources.text[i] == '\n')
			sources.text[i] = ' ';
	}
	strv_add(&makers, "diag_add");
	collect(sources.text, "([a-zA-Z_]+)\\([^()]*const char \\*code[,)]", &makers);
	collect(sources.text, "#define ([a-zA-Z_]+)\\(level, code", &makers);
	for (size_t i = 0; i < makers.count; i++) {
		AUTO_FREE char *pattern = mem_printf("[^a-zA-Z_]%s\\([^\";]*\"([a-z0-9-]+)\",",
						     makers.items[i]);

		collect(sources.text, pattern, &wanted);
	}
	assert_true(wanted.count > 50);
	collect(part, "^\\.It Li ([a-z0-9-]+)$", &there);
	expect_same(MANUAL, &there, &wanted);
}

// The codes of `check` are those of its table.
static void test_finding_codes(void **state)
{
	AUTO_FREE char *manual = read_text(MANUAL), *part = section(manual, "FINDINGS");
	AUTO_STRV struct strv wanted = { 0 }, there = { 0 };
	const char *codes;

	(void)state;
	for (size_t row = 0; (codes = check_codes(row)); row++)
		strv_split(&wanted, codes, " ");
	assert_true(wanted.count > 30);
	collect(part, "^\\.It Li ([a-z0-9-]+)$", &there);
	expect_same(MANUAL, &there, &wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_verb),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_no_guess),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_help_is_narrow),
		cmocka_unit_test(test_manual_commands),
		cmocka_unit_test(test_manual_options),
		cmocka_unit_test(test_manual_options_exist),
		cmocka_unit_test(test_bash),
		cmocka_unit_test(test_zsh),
		cmocka_unit_test(test_fish),
		cmocka_unit_test(test_fish_operands),
		cmocka_unit_test(test_readme_profiles),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_finding_codes),
	};

	return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
