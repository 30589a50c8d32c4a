// SPDX-License-Identifier: MIT
// Runs tests/input/*.script, a case a file: what is done to the switch, and, in the lines with ">"
// below each statement, all that comes of it.
//
//	hold 200ms | forever		these four before the first device; without, the defaults
//	limit 500ms
//	keep all | KEY...
//	chord host|guest|toggle|letgo|NUMBER KEYS	none given: toggle leftctrl+rightctrl
//	---				ends the setup, whose results are not compared
//	dev NAME [held=KEY,...] [leds=LED,...] [lit=LED,...] [touch]
//	NAME EVENT... [; EVENT...]	reports: +KEY down, -KEY up, =KEY repeat, rel_x=5 and the like
//	part NAME EVENT...		a report that does not end yet
//	drop NAME			SYN_DROPPED
//	sync NAME [KEY...]		and what is down then
//	unplug NAME
//	grab NAME busy | ok | sees KEY...	what the next grabs find; sees: once
//	led host NAME LED on|off	led guest LED on|off
//	guest ready | gone		ready at first
//	cmd host | guest | toggle | letgo
//	wait 200ms
//	tick				both times
//	deadline 200ms | never		from now; compared
//
// Each script runs twice: with switch_tick called when it is due, and with it never called, where the
// results must be the same, if later. Then again and again, with each command before each event of it: nothing
// goes down or comes up twice on a side, and nothing stays down.
//
// SCRIPTS=GLOB tries others instead, such as recorded keys, of which only that must hold: they say no results.
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "input/chord.h"
#include "input/keyname.h"
#include "input/switch.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libevdev/libevdev.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DEVICES_MAX = 8, WORDS_MAX = 64 };

struct device {
	char *name;
	int grab_result;
	struct keyset seen, down; // by the next grab; on its clone
};

enum { NOWHERE = -1, NEVER = INT_MAX }; // the latter: results are not compared

struct script {
	const char *path;
	int line;
	bool in_setup, ticks;
	struct switch_config config;
	struct chords chords;
	struct switch_engine *engine;
	uint64_t now;
	struct device devices[DEVICES_MAX];
	struct keyset guest_down;
	struct str got, report; // since the last statement; the report that is being written

	int insert_at, n_steps; // before which event or statement a command is given; how many there were
	enum switch_command insert;
};

static void __attribute__((format(printf, 2, 3), noreturn))
give_up(const struct script *script, const char *fmt, ...)
{
	AUTO_STR struct str text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	fail_msg("%s:%d: %s", script->path, script->line, str_text(&text));
	abort();
}

/* What comes out */

static void add_event(struct str *out, const struct switch_event *event)
{
	const char *name = libevdev_event_code_get_name(event->type, event->code);
	char room[KEYNAME_ROOM];

	if (event->type == EV_KEY) {
		str_addf(out, " %c%s", "-+="[event->value], keyname_print(event->code, room));
		return;
	}
	str_addc(out, ' ');
	for (; name && *name; name++)
		str_addc(out, (char)tolower((unsigned char)*name));
	str_addf(out, "=%d", event->value);
}

static void collect(struct script *script, const char *to, int device, const struct switch_event *event)
{
	AUTO_STR struct str head = { 0 };

	str_addf(&head, "%s %s", to, script->devices[device].name);
	if (!script->report.len)
		str_add(&script->report, str_text(&head));
	if (!str_starts(str_text(&script->report), str_text(&head)))
		give_up(script, "reports are mixed: %s, %s", str_text(&script->report), str_text(&head));
	if (event->type != EV_SYN) {
		add_event(&script->report, event);
		return;
	}
	str_addf(&script->got, "%s\n", str_text(&script->report));
	str_finish(&script->report);
}

static void track(struct script *script, enum switch_side side, int device, const struct switch_event *event)
{
	struct keyset *down = side == SWITCH_HOST ? &script->devices[device].down : &script->guest_down;
	char name[KEYNAME_ROOM];

	if (event->type != EV_KEY)
		return;
	if (keyset_has(down, event->code) != (event->value != 1))
		give_up(script, "command %d at step %d: %s %d, which is so already on side %d", script->insert,
			script->insert_at, keyname_print(event->code, name), event->value, side);
	if (event->value == 1)
		keyset_add(down, event->code);
	else if (event->value == 0)
		keyset_remove(down, event->code);
}

static void on_event(void *context, enum switch_side side, int device, const struct switch_event *event)
{
	track(context, side, device, event);
	collect(context, side == SWITCH_HOST ? "host" : "guest", device, event);
}

static void on_write_back(void *context, int device, const struct switch_event *event)
{
	collect(context, "dev", device, event);
}

static int on_grab(void *context, int device, bool on, struct keyset *held)
{
	struct script *script = context;
	struct device *it = &script->devices[device];
	int r = on ? it->grab_result : 0;

	str_addf(&script->got, "%s %s%s\n", on ? "grab" : "ungrab", it->name, r ? " fails" : "");
	if (r == -EAGAIN) {
		*held = it->seen;
		it->grab_result = 0;
	}
	return r;
}

static void on_notice(void *context, const struct switch_notice *notice)
{
	struct script *script = context;
	char name[KEYNAME_ROOM];

	switch (notice->kind) {
	case SWITCH_NOTICE_SIDE:
		assert_int_equal(notice->side, switch_get_side(script->engine));
		str_addf(&script->got, "side %s\n", notice->side == SWITCH_HOST ? "host" : "guest");
		break;
	case SWITCH_NOTICE_LET_GO:
		str_add(&script->got, "let go\n");
		break;
	case SWITCH_NOTICE_STUCK:
		str_addf(&script->got, "stuck %s %s\n", script->devices[notice->device].name,
			 keyname_print(notice->key, name));
		break;
	case SWITCH_NOTICE_REFUSED:
		str_add(&script->got, "refused\n");
		break;
	case SWITCH_NOTICE_ACTION:
		str_addf(&script->got, "action %d\n", notice->action);
		break;
	}
}

/* What goes in */

static unsigned parse_key(const struct script *script, const char *name)
{
	int code = keyname_parse(name);

	if (code < 0)
		give_up(script, "no key %s", name);
	return (unsigned)code;
}

static uint64_t parse_time(const struct script *script, const char *text)
{
	AUTO_FREE char *number = mem_dup(text);
	uint64_t value;

	if (str_eq(text, "forever") || str_eq(text, "never"))
		return SWITCH_NEVER;
	if (str_ends(number, "ms"))
		number[strlen(number) - 2] = '\0';
	if (!str_parse_u64(number, &value))
		give_up(script, "no time: %s", text);
	return value * 1000;
}

static uint16_t parse_leds(const struct script *script, const char *list)
{
	AUTO_STRV struct strv names = { 0 };
	uint16_t leds = 0;

	strv_split(&names, list, ",");
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *name = mem_printf("LED_%s", names.items[i]);
		int code;

		for (char *c = name; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		code = libevdev_event_code_from_name(EV_LED, name);
		if (code < 0)
			give_up(script, "no LED %s", name);
		leds |= (uint16_t)(1u << code);
	}
	return leds;
}

static struct keyset parse_keys(const struct script *script, char **names)
{
	struct keyset keys = { 0 };

	for (; *names; names++)
		keyset_add(&keys, parse_key(script, *names));
	return keys;
}

static struct switch_event parse_event(const struct script *script, char *word)
{
	static const char signs[] = "-+=";
	const char *sign = strchr(signs, word[0]);
	char *value = strchr(word, '=');
	int type, code, number;

	if (sign)
		return (struct switch_event){ EV_KEY, (uint16_t)parse_key(script, word + 1),
					      (int32_t)(sign - signs) };
	if (!value || !str_parse_int(value + 1, &number))
		give_up(script, "no event: %s", word);
	*value = '\0';
	for (char *c = word; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	type = libevdev_event_type_from_code_name(word);
	code = libevdev_event_code_from_code_name(word);
	if (type < 0 || code < 0)
		give_up(script, "no event: %s", word);
	return (struct switch_event){ (uint16_t)type, (uint16_t)code, number };
}

static int find_device(const struct script *script, const char *name)
{
	for (int i = 0; i < DEVICES_MAX; i++)
		if (name && str_eq(script->devices[i].name, name))
			return i;
	give_up(script, "no device and no statement: %s", name ? name : "(nothing)");
}

// A place where a command may come.
static void step(struct script *script)
{
	if (script->engine && script->n_steps++ == script->insert_at)
		switch_command(script->engine, script->now, script->insert);
}

static void feed(struct script *script, int device, uint16_t type, uint16_t code, int32_t value)
{
	step(script);
	switch_feed(script->engine, script->now, device, &(struct switch_event){ type, code, value });
}

static void feed_words(struct script *script, int device, char **words, bool whole)
{
	for (; *words; words++) {
		struct switch_event event;

		if (str_eq(*words, ";")) {
			feed(script, device, EV_SYN, SYN_REPORT, 0);
			continue;
		}
		event = parse_event(script, *words);
		feed(script, device, event.type, event.code, event.value);
	}
	if (whole)
		feed(script, device, EV_SYN, SYN_REPORT, 0);
}

static int parse_action(const struct script *script, const char *word)
{
	static const char *const names[] = { "host", "guest", "toggle", "letgo" };
	int action;

	for (int i = 0; i < (int)ARRAY_SIZE(names); i++)
		if (str_eq(word, names[i]))
			return i;
	if (!word || !str_parse_int(word, &action))
		give_up(script, "no action: %s", word ? word : "(nothing)");
	return action;
}

/* Statements; words end in NULL, words[0] is the statement */

static void do_hold(struct script *script, char **words)
{
	script->config.hold_us = parse_time(script, words[1]);
}

static void do_limit(struct script *script, char **words)
{
	script->config.wait_us = parse_time(script, words[1]);
}

static void do_keep(struct script *script, char **words)
{
	if (str_eq(words[1], "all"))
		memset(&script->config.keep_held, 0xff, sizeof(script->config.keep_held));
	else
		script->config.keep_held = parse_keys(script, words + 1);
}

static void do_chord(struct script *script, char **words)
{
	struct err err = ERR_NONE;

	if (chords_add(&script->chords, words[2], parse_action(script, words[1]), &err) < 0)
		give_up(script, "%s", err.text);
}

static void do_dev(struct script *script, char **words)
{
	struct switch_device what = { 0 };
	int id = 0, r;

	while (id < DEVICES_MAX && script->devices[id].name &&
	       !str_eq(script->devices[id].name, words[1]))
		id++;
	if (id == DEVICES_MAX || !words[1])
		give_up(script, "no room for a device, or no name");
	mem_set(&script->devices[id].name, words[1]);
	for (char **word = words + 2; *word; word++) {
		AUTO_STRV struct strv keys = { 0 };

		if (str_starts(*word, "held=")) {
			strv_split(&keys, *word + 5, ",");
			what.held = parse_keys(script, keys.items);
		} else if (str_starts(*word, "leds=")) {
			what.has_leds = parse_leds(script, *word + 5);
		} else if (str_starts(*word, "lit=")) {
			what.lit_leds = parse_leds(script, *word + 4);
		} else if (str_eq(*word, "touch")) {
			what.is_multitouch = true;
		} else {
			give_up(script, "no property: %s", *word);
		}
	}
	r = switch_add(script->engine, script->now, id, &what);
	if (r < 0)
		str_addf(&script->got, "add %s fails: %s\n", words[1], strerrorname_np(-r));
}

static void do_part(struct script *script, char **words)
{
	feed_words(script, find_device(script, words[1]), words + 2, false);
}

static void do_drop(struct script *script, char **words)
{
	feed(script, find_device(script, words[1]), EV_SYN, SYN_DROPPED, 0);
}

static void do_sync(struct script *script, char **words)
{
	struct keyset held = parse_keys(script, words + 2);

	switch_sync(script->engine, script->now, find_device(script, words[1]), &held);
}

static void do_unplug(struct script *script, char **words)
{
	switch_remove(script->engine, script->now, find_device(script, words[1]));
}

static void do_grab(struct script *script, char **words)
{
	struct device *device = &script->devices[find_device(script, words[1])];

	if (str_eq(words[2], "busy")) {
		device->grab_result = -EBUSY;
	} else if (str_eq(words[2], "ok")) {
		device->grab_result = 0;
	} else {
		device->grab_result = -EAGAIN;
		device->seen = parse_keys(script, words + 3);
	}
}

static void do_led(struct script *script, char **words)
{
	bool host = str_eq(words[1], "host");
	char **rest = words + (host ? 3 : 2);

	switch_set_led(script->engine, script->now, host ? SWITCH_HOST : SWITCH_GUEST,
		       host ? find_device(script, words[2]) : -1,
		       (unsigned)__builtin_ctz(parse_leds(script, rest[0])), str_eq(rest[1], "on"));
}

static void do_guest(struct script *script, char **words)
{
	switch_set_guest_ready(script->engine, script->now, str_eq(words[1], "ready"));
}

static void do_cmd(struct script *script, char **words)
{
	switch_command(script->engine, script->now,
		       (enum switch_command)parse_action(script, words[1]));
}

static void do_wait(struct script *script, char **words)
{
	uint64_t end = script->now + parse_time(script, words[1]), due;

	bool ticks = script->ticks || script->in_setup;

	for (int i = 0; ticks && (due = switch_deadline(script->engine)) <= end; i++) {
		if (i == 1000)
			give_up(script, "the switch does not rest");
		script->now = due;
		switch_tick(script->engine, due);
	}
	script->now = end;
}

static void do_tick(struct script *script, char **words)
{
	(void)words;
	switch_tick(script->engine, script->now);
}

static void do_deadline(struct script *script, char **words)
{
	uint64_t want = parse_time(script, words[1]), due = switch_deadline(script->engine);

	if (script->ticks && script->insert_at == NOWHERE && want != (due == SWITCH_NEVER ? due : due - script->now))
		give_up(script, "the deadline is in %lld µs", (long long)(due - script->now));
}

static const struct statement {
	const char *word;
	void (*run)(struct script *script, char **words);
	bool is_setup; // before there is an engine
} statements[] = {
	{ "hold", do_hold, true },
	{ "limit", do_limit, true },
	{ "keep", do_keep, true },
	{ "chord", do_chord, true },
	{ "dev", do_dev, false },
	{ "part", do_part, false },
	{ "drop", do_drop, false },
	{ "sync", do_sync, false },
	{ "unplug", do_unplug, false },
	{ "grab", do_grab, false },
	{ "led", do_led, false },
	{ "guest", do_guest, false },
	{ "cmd", do_cmd, false },
	{ "wait", do_wait, false },
	{ "tick", do_tick, false },
	{ "deadline", do_deadline, false },
};

/* The script as a whole */

static void make_engine(struct script *script)
{
	struct switch_sink sink = { script, on_event, on_write_back, on_grab, on_notice };

	if (!script->chords.count)
		chords_add(&script->chords, "leftctrl+rightctrl", SWITCH_TOGGLE, NULL);
	script->engine = switch_new(&script->config, &script->chords, &sink);
	switch_set_guest_ready(script->engine, script->now, true);
}

static void run_statement(struct script *script, const char *line)
{
	AUTO_STRV struct strv words = { 0 };

	strv_split(&words, line, " \t");
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		if (!str_eq(words.items[0], statements[i].word))
			continue;
		if (!statements[i].is_setup && !script->engine)
			make_engine(script);
		statements[i].run(script, words.items);
		return;
	}
	feed_words(script, find_device(script, words.items[0]), words.items + 1, true);
}

static void compare(struct script *script, const struct str *want)
{
	if (script->insert_at == NOWHERE && strcmp(str_text(&script->got), str_text(want)) != 0)
		give_up(script, "before this line\nwanted:\n%sgot:\n%s", str_text(want),
			str_text(&script->got));
}

// With ticks the results are compared statement by statement, without them at the end.
static void run_lines(struct script *script, const struct strv *lines)
{
	AUTO_STR struct str want = { 0 };

	script->in_setup = true;
	for (size_t i = 0; i < lines->count; i++) {
		const char *line = lines->items[i];

		script->line = (int)i + 1;
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (str_starts(line, "> ")) {
			str_addf(&want, "%s\n", line + 2);
			continue;
		}
		if (script->in_setup || script->ticks) {
			if (!script->in_setup)
				compare(script, &want);
			str_finish(&script->got);
			str_finish(&want);
		}
		if (strcmp(line, "---") == 0)
			script->in_setup = false;
		else
			run_statement(script, line);
		step(script);
	}
	if (script->in_setup)
		give_up(script, "no line with ---");
	switch_tick(script->engine, script->now);
	compare(script, &want);
}

static void split_lines(const char *text, struct strv *lines)
{
	for (const char *at = text, *end; *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, '\n');
		strv_take(lines, mem_dupn(at, (size_t)(end - at)));
	}
}

static bool is_side_clean(const struct script *script, enum switch_side side)
{
	bool clean = side == SWITCH_HOST || keyset_is_empty(&script->guest_down);

	for (int i = 0; side == SWITCH_HOST && i < DEVICES_MAX; i++)
		clean &= keyset_is_empty(&script->devices[i].down);
	return clean;
}

// Time passes, then every device is unplugged.
static void end_all(struct script *script)
{
	script->now += 10000000;
	switch_tick(script->engine, script->now);
	if (!is_side_clean(script, !switch_get_side(script->engine)))
		give_up(script, "command %d at step %d: a key stays down on the side that was left", script->insert,
			script->insert_at);
	for (int i = 0; i < DEVICES_MAX; i++)
		switch_remove(script->engine, script->now, i);
	if (!is_side_clean(script, SWITCH_HOST) || !is_side_clean(script, SWITCH_GUEST))
		give_up(script, "command %d at step %d: a key stays down", script->insert, script->insert_at);
}

// Returns how many places for a command there are.
static int run_script(const char *path, const struct strv *lines, bool ticks, int insert_at, enum switch_command insert)
{
	struct script script = { .path = path, .ticks = ticks, .config = SWITCH_CONFIG_DEFAULT,
				 .insert_at = insert_at, .insert = insert };

	run_lines(&script, lines);
	end_all(&script);
	switch_free(script.engine);
	chords_finish(&script.chords);
	for (int i = 0; i < DEVICES_MAX; i++)
		free(script.devices[i].name);
	str_finish(&script.got);
	str_finish(&script.report);
	return script.n_steps;
}

static void test_script(void **state)
{
	AUTO_STRV struct strv lines = { 0 };
	AUTO_STR struct str text = { 0 };
	int steps;

	assert_int_equal(io_read_file(AT_FDCWD, *state, &text, 1 << 16, NULL), 0);
	split_lines(str_text(&text), &lines);
	if (!getenv("SCRIPTS"))
		run_script(*state, &lines, false, NOWHERE, SWITCH_TOGGLE);
	steps = run_script(*state, &lines, true, getenv("SCRIPTS") ? NEVER : NOWHERE, SWITCH_TOGGLE);
	assert_true(steps > 0);
	for (int at = 0; at < steps; at++) {
		for (int command = 0; command < SWITCH_COMMANDS; command++)
			run_script(*state, &lines, true, at, (enum switch_command)command);
	}
}

int main(void)
{
	AUTO_FREE struct CMUnitTest *tests = NULL;
	glob_t found;
	int failed;

	if (glob(getenv("SCRIPTS") ?: "tests/input/*.script", 0, NULL, &found) != 0)
		return 1;
	tests = mem_new(found.gl_pathc, sizeof(*tests));
	for (size_t i = 0; i < found.gl_pathc; i++)
		tests[i] = (struct CMUnitTest){ .name = found.gl_pathv[i], .test_func = test_script,
						.initial_state = found.gl_pathv[i] };
	failed = _cmocka_run_group_tests("switch scripts", tests, found.gl_pathc, NULL, NULL);
	globfree(&found);
	return failed;
}
