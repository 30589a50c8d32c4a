// SPDX-License-Identifier: MIT
// Turns a plan into the same QEMU without vfiorun: reads `vfiorun plan --json` on stdin and prints the words
// that make qmp-bare start that argv with that environment and those descriptors, each after a tab.
#include "base/cleanup.h"
#include "base/str.h"
#include "qmp/json.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

static void add_word(struct str *words, const char *word)
{
	// the reader splits at tabs and line ends and knows no escapes
	if (strpbrk(word, "\t\n"))
		errx(1, "a word has a tab or a line end in it: %s", word);
	str_addc(words, '\t');
	str_add(words, word);
}

static void add_environment(struct str *words, struct json_object *environment)
{
	json_object_object_foreach(environment, name, value) {
		AUTO_STR struct str variable = { 0 };

		str_addf(&variable, "%s=%s", name, json_object_get_string(value));
		add_word(words, "--environment");
		add_word(words, str_text(&variable));
	}
}

static void add_fd(struct str *words, struct json_object *row)
{
	struct json_object *number = json_member(row, "fd", json_type_int);
	const char *kind = json_text(row, "kind"), *what = json_text(row, "what");
	AUTO_STR struct str value = { 0 };

	if (!number || !kind)
		errx(1, "a row of fds has no number or no kind");
	str_addf(&value, "%d", json_object_get_int(number));
	if (str_eq(kind, "alive") || str_eq(kind, "file")) {
		add_word(words, "--file");
		str_addf(&value, "=%s", json_text(row, "path"));
	} else if (!str_eq(kind, "listen")) {
		errx(1, "fd %s is of kind %s, which has no bare equal", value.text, kind);
	} else if (str_eq(what, "QMP")) {
		add_word(words, "--listen");
		add_word(words, "--fd");
	} else {
		add_word(words, "--socket");
	}
	add_word(words, value.text);
}

static void add_pins(struct str *words, struct json_object *pins)
{
	AUTO_STR struct str list = { 0 };

	for (size_t i = 0; i < json_length(pins); i++) {
		struct json_object *pin = json_object_array_get_idx(pins, i);
		const char *thread = json_text(pin, "thread"), *cpus = json_text(pin, "cpus");
		int cpu;

		if (!thread || !cpus || !str_starts(thread, "vcpu"))
			continue;
		if (!str_parse_int(cpus, &cpu))
			errx(1, "%s is on CPUs %s: only one CPU has a bare equal", thread, cpus);
		str_addf(&list, "%s%d", list.len ? "," : "", cpu);
	}
	if (!list.len)
		return;
	add_word(words, "--pin");
	add_word(words, list.text);
}

int main(void)
{
	AUTO_JSON struct json_object *plan = json_object_from_fd(STDIN_FILENO);
	struct json_object *fds = json_member(plan, "fds", json_type_array);
	struct json_object *argv = json_member(plan, "argv", json_type_array);
	AUTO_STR struct str words = { 0 };

	if (!fds || !argv || !json_member(plan, "environment", json_type_object))
		errx(1, "this is no plan");
	add_environment(&words, json_member(plan, "environment", json_type_object));
	for (size_t i = 0; i < json_length(fds); i++)
		add_fd(&words, json_object_array_get_idx(fds, i));
	add_pins(&words, json_member(plan, "pins", json_type_array));
	add_word(&words, "--");
	for (size_t i = 0; i < json_length(argv); i++)
		add_word(&words, json_object_get_string(json_object_array_get_idx(argv, i)));
	puts(words.text);
	return 0;
}
