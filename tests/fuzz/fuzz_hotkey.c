// SPDX-License-Identifier: MIT
// Device selectors and hotkeys with their actions, one a line: what is refused says why, what is accepted is
// whole, and all of it together makes chords or says which of them clash.
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "input/chord.h"
#include "input/hotkey.h"
#include "input/selector.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_selector(const char *line)
{
	struct err err = ERR_NONE;
	struct selector selector;
	int r = selector_parse(line, &selector, &err);

	if ((r < 0) != (err.text[0] != '\0') || (r < 0 && r != -EINVAL))
		abort();
	if (r < 0)
		return;
	if (selector.kind == SELECTOR_PATH && strncmp(line, "/dev/input/", 11) != 0)
		abort();
	// what it names by itself it takes
	if (selector.kind >= SELECTOR_NAME && !selector_takes_text(&selector, selector.text))
		abort();
}

static void check_hotkey(const char *line, struct strv *good)
{
	struct err err = ERR_NONE;
	struct hotkey hotkey;
	struct chords chords = { 0 };
	int r = hotkey_parse(line, &hotkey, &err);

	if ((r < 0) != (err.text[0] != '\0') || (r < 0 && r != -EINVAL && r != -EEXIST))
		abort();
	if (r < 0)
		return;
	if (hotkey.action < 0 || hotkey.action >= HOTKEY_COMMANDS || chords_add(&chords, hotkey.chord, 0, NULL) < 0)
		abort();
	if ((hotkey.words.count != 0) != (hotkey.action == HOTKEY_USB || hotkey.action == HOTKEY_RUN))
		abort();
	chords_finish(&chords);
	hotkey_finish(&hotkey);
	strv_add(good, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_STR struct str text = { 0 };
	AUTO_STRV struct strv lines = { 0 }, good = { 0 };
	struct chords chords = { 0 };
	struct err err = ERR_NONE;
	size_t index;

	str_addn(&text, (const char *)data, size);
	strv_split(&lines, str_text(&text), "\n");
	for (size_t i = 0; i < lines.count && i < 4; i++) {
		check_selector(lines.items[i]);
		check_hotkey(lines.items[i], &good);
	}
	if (hotkeys_add(&chords, &good, "leftctrl+leftalt+leftshift+esc", &index, &err) < 0 &&
	    (index > good.count || !err.text[0]))
		abort();
	chords_finish(&chords);
	return 0;
}
