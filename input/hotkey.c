// SPDX-License-Identifier: MIT
#include "input/hotkey.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "input/chord.h"

#include <string.h>

static const struct action {
	const char *word;
	int action;
	size_t least, most; // words behind it
	const char *usage;
} actions[] = {
	{ "toggle", SWITCH_TOGGLE, 0, 0, "toggle" },
	{ "host", SWITCH_TO_HOST, 0, 0, "host" },
	{ "guest", SWITCH_TO_GUEST, 0, 0, "guest" },
	{ "next", HOTKEY_NEXT, 0, 0, "next" },
	{ "let-go", SWITCH_LET_GO, 0, 0, "let-go" },
	{ "usb", HOTKEY_USB, 2, 2, "usb attach DEVICE or usb detach DEVICE" },
	{ "run", HOTKEY_RUN, 1, 64, "run /WHOLE/PATH ARGUMENT…" },
};

static const char blanks[] = " \t";

// How much of the text is the chord: blanks belong to it where a "+" is before or behind them.
static size_t chord_length(const char *text)
{
	size_t n = 0, end, next;

	for (;;) {
		end = n + strcspn(text + n, blanks);
		next = end + strspn(text + end, blanks);
		if (!text[next] || (text[next] != '+' && (end == 0 || text[end - 1] != '+')))
			return end;
		n = text[next] == '+' ? next + 1 : next;
		n += strspn(text + n, blanks);
	}
}

// Words between blanks; quotes, of either kind, keep blanks in a word. NULL, or what is wrong.
static const char *split(const char *at, struct strv *words)
{
	while (*(at += strspn(at, blanks))) {
		struct str word = { 0 };

		while (*at && !strchr(blanks, *at)) {
			size_t n = *at == '"' || *at == '\'' ? 1 + strcspn(at + 1, *at == '"' ? "\"" : "'") : 0;

			if (n && !at[n]) {
				str_finish(&word);
				return "a quote is not closed";
			}
			str_addn(&word, n ? at + 1 : at, n ? n - 1 : 1);
			at += n ? n + 1 : 1;
		}
		strv_take(words, str_take(&word));
	}
	return NULL;
}

static const struct action *find_action(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (str_eq(actions[i].word, word))
			return &actions[i];
	}
	return NULL;
}

static int refuse_action(const char *word, struct err *err)
{
	const char *names[ARRAY_SIZE(actions)], *near;

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		names[i] = actions[i].word;
	near = str_nearest(word, names, ARRAY_SIZE(actions));
	err_set(err, -EINVAL, "no hotkey does `%s`", word);
	if (near)
		return err_hint(err, "did you mean %s?", near);
	return err_hint(err, "behind the keys stands toggle, host, guest, next, let-go, usb … or run …");
}

// A program is found by its path, or by its name in $PATH: nobody knows which directory we are in.
static bool is_whole(int action, const struct strv *words)
{
	if (!words->count)
		return true;
	if (action == HOTKEY_USB)
		return str_eq(words->items[0], "attach") || str_eq(words->items[0], "detach");
	return action != HOTKEY_RUN || words->items[0][0] == '/' ||
	       (words->items[0][0] && !strchr(words->items[0], '/'));
}

static int parse_action(struct strv *words, struct hotkey *out, struct err *err)
{
	const struct action *action = words->count ? find_action(words->items[0]) : &actions[0];

	if (!action)
		return refuse_action(words->items[0], err);
	for (size_t i = 1; i < words->count; i++)
		strv_add(&out->words, words->items[i]);
	out->action = action->action;
	if (out->words.count >= action->least && out->words.count <= action->most &&
	    is_whole(action->action, &out->words))
		return 0;
	err_set(err, -EINVAL, "`%s` stands with other words", action->word);
	return err_hint(err, "write the keys and %s", action->usage);
}

int hotkey_parse(const char *text, struct hotkey *out, struct err *err)
{
	AUTO_STRV struct strv words = { 0 };
	struct chords chords = { 0 };
	const char *wrong;
	int r;

	*out = (struct hotkey){ 0 };
	text += strspn(text, blanks);
	out->chord = mem_dupn(text, chord_length(text));
	r = chords_add(&chords, out->chord, 0, err);
	chords_finish(&chords);
	wrong = r == 0 ? split(text + strlen(out->chord), &words) : NULL;
	if (wrong)
		r = err_set(err, -EINVAL, "%s", wrong);
	if (r == 0)
		r = parse_action(&words, out, err);
	if (r < 0)
		hotkey_finish(out);
	return r;
}

void hotkey_finish(struct hotkey *hotkey)
{
	free(hotkey->chord);
	strv_finish(&hotkey->words);
	*hotkey = (struct hotkey){ 0 };
}

static int add_one(struct chords *chords, const char *text, size_t i, struct err *err)
{
	struct hotkey hotkey;
	int r = hotkey_parse(text, &hotkey, err);

	if (r < 0)
		return r;
	if (hotkey.action == HOTKEY_USB || hotkey.action == HOTKEY_RUN)
		hotkey.action = HOTKEY_COMMANDS + (int)i;
	r = chords_add(chords, hotkey.chord, hotkey.action, err);
	hotkey_finish(&hotkey);
	return r;
}

int hotkeys_add(struct chords *chords, const struct strv *texts, const char *panic, size_t *index,
		struct err *err)
{
	int r = 0;
	size_t i = 0;

	for (; r == 0 && i < texts->count; i++)
		r = add_one(chords, texts->items[i], i, err);
	if (r == 0 && panic) {
		i++;
		r = chords_add(chords, panic, SWITCH_LET_GO, err);
	}
	if (index)
		*index = i ? i - 1 : 0;
	return r;
}
