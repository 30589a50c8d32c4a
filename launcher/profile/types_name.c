// SPDX-License-Identifier: MIT
// Names of all kinds, and commands.
#include "launcher/profile/types.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS	"0123456789"

static bool only(const char *text, const char *allowed)
{
	return text[strspn(text, allowed)] == '\0';
}

static bool clears(const struct profile_value *value)
{
	return !*value->text || strcasecmp(value->text, "auto") == 0;
}

void value_parse_name(const struct profile_key *row, const struct profile_value *value, void *field)
{
	(void)row;
	if (!*value->text)
		mem_set(field, NULL);
	else if (str_is_name(value->text))
		mem_set(field, value->text);
	else
		diag_hint(value_reject(value, "not a name"),
			  "a name is a letter or digit, then at most 62 letters, digits, or any of "
			  "_ . -");
}

void value_parse_uuid(const struct profile_key *row, const struct profile_value *value, void *field)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	AUTO_FREE char *lower = mem_dup(value->text);
	char **out = field;

	(void)row;
	if (!*lower) {
		mem_set(out, NULL);
		return;
	}
	for (size_t i = 0; i < sizeof(shape); i++) {
		if (shape[i] == 'x' ? !isxdigit((unsigned char)lower[i]) : lower[i] != shape[i]) {
			diag_hint(value_reject(value, "not a UUID"),
				  "`uuidgen` prints one: 8-4-4-4-12 hex digits");
			return;
		}
		lower[i] = (char)tolower((unsigned char)lower[i]);
	}
	free(*out);
	*out = take(lower);
}

// What useradd and systemd accept in their lenient modes; a user name never becomes an option.
static bool is_user(const char *text)
{
	size_t n = strlen(text);

	if (n > 1 && text[n - 1] == '$')
		n--;
	return n >= 1 && n <= 32 && text[0] != '-' && strspn(text, LETTERS DIGITS "_.-") == n;
}

static bool check_user(const struct profile_value *value)
{
	if (is_user(value->text))
		return true;
	diag_hint(value_reject(value, "not a user name"),
		  "write the name of an account, as `id -un` prints it");
	return false;
}

void value_parse_user(const struct profile_key *row, const struct profile_value *value, void *field)
{
	(void)row;
	if (!*value->text)
		mem_set(field, NULL);
	else if (check_user(value))
		mem_set(field, value->text);
}

static void add_user(const struct profile_key *row, const struct profile_value *value, void *users)
{
	(void)row;
	if (check_user(value) && !strv_has(users, value->text))
		strv_add(users, value->text);
}

void value_parse_user_list(const struct profile_key *row, const struct profile_value *value,
			   void *field)
{
	value_parse_items(row, value, field, add_user);
}

// Versions are not only numbers: pc-q35-focal, pc-i440fx-rhel7.6.0.
static bool is_versioned(const char *text, const char *prefix)
{
	return str_starts(text, prefix) && text[strlen(prefix)] &&
	       only(text + strlen(prefix), LETTERS DIGITS "_.-");
}

void value_parse_machine(const struct profile_key *row, const struct profile_value *value,
			 void *field)
{
	(void)row;
	if (clears(value))
		mem_set(field, NULL);
	else if (str_eq(value->text, "q35") || str_eq(value->text, "pc") ||
		 is_versioned(value->text, "pc-q35-") || is_versioned(value->text, "pc-i440fx-"))
		mem_set(field, value->text);
	else
		diag_hint(value_reject(value, "not a machine for this program"),
			  "write q35, pc, or one of their versions (pc-q35-7.2) as "
			  "`qemu-system-x86_64 -machine help` lists them");
}

void value_parse_model(const struct profile_key *row, const struct profile_value *value,
		       void *field)
{
	struct diag *diag;

	(void)row;
	if (clears(value)) {
		mem_set(field, NULL);
	} else if (only(value->text, LETTERS DIGITS "_.-")) {
		mem_set(field, value->text);
	} else {
		diag = value_reject(value, "not a CPU model");
		if (strchr(value->text, ','))
			diag_hint(diag, "write the model alone (model = host); the rest belongs "
					"into `features`, one +name or -name each");
		else
			diag_hint(diag, "write host, max, or a name that `qemu-system-x86_64 -cpu "
					"help` lists");
	}
}

// cpufreq's governors and energy preferences: CPUFREQ_NAME_LEN is 16, the preferences are longer.
void value_parse_sysfs_word(const struct profile_key *row, const struct profile_value *value,
			    void *field)
{
	(void)row;
	if (clears(value))
		mem_set(field, NULL);
	else if (strlen(value->text) < 32 && only(value->text, LETTERS DIGITS "_-"))
		mem_set(field, value->text);
	else
		diag_hint(value_reject(value, "not one word"),
			  "write one word such as performance");
}

// One word of a command, blanks and quotes as in a shell, and nothing else of a shell. Returns what
// stops it.
static const char *read_word(const char **at, struct str *word)
{
	char quote = '\0';

	for (; **at && (quote || !strchr(" \t", **at)); (*at)++) {
		char c = **at;

		if (c == quote || (!quote && (c == '"' || c == '\''))) {
			quote = quote ? '\0' : c;
			str_add(word, "");
		} else if (c == '\\' && quote != '\'') {
			if (!(*at)[1])
				return "a backslash with nothing behind it";
			// Inside "…" a backslash protects only " and itself, as in a shell.
			if (quote && !strchr("\"\\", (*at)[1]))
				str_addc(word, c);
			else
				str_addc(word, *++*at);
		} else if (quote != '\'' && strchr("$`", c)) {
			return "a hook is not run by a shell, which alone knows $ and `";
		} else if (!quote && strchr("|&;<>", c)) {
			return "a hook is not run by a shell, which alone knows | & ; < and >";
		} else {
			str_addc(word, c);
		}
	}
	return quote ? "a quote is not closed" : NULL;
}

// The program itself: a path, taken from the profile's directory, or a bare name for $PATH.
static char *program(const struct profile_value *value, const char *word)
{
	return strchr(word, '/') ? path_join(value->base_dir, word) : mem_dup(word);
}

void value_parse_command(const struct profile_key *row, const struct profile_value *value,
			 void *field)
{
	AUTO_STRV struct strv argv = { 0 };
	struct strv *out = field;
	const char *at = value->text;

	(void)row;
	while (*(at += strspn(at, " \t"))) {
		AUTO_STR struct str word = { 0 };
		const char *wrong = read_word(&at, &word);

		if (wrong) {
			diag_hint(value_reject(value, "%s", wrong),
				  "write it in single quotes, or run a shell: /bin/sh -c '…'");
			return;
		}
		if (!argv.count && (!word.len || word.text[0] == '~')) {
			diag_hint(value_reject(value, "no program is named"),
				  "begin with the whole path of a program; ~ is not expanded");
			return;
		}
		strv_take(&argv, argv.count ? str_take(&word) : program(value, word.text));
	}
	strv_finish(out);
	*out = argv;
	argv = (struct strv){ 0 };
}
