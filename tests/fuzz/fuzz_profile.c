// SPDX-License-Identifier: MIT
// A profile of any bytes: read or refused, with diagnostics that a terminal survives. Input that
// begins with
// "-" is a --set. Includes find the input again, as far as the reader lets them.
#include "base/cleanup.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/profile.h"
#include "launcher/profile/reader.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const char *data;
	size_t size;
};

static int load(const void *context, const char *path, struct str *text, struct err *err)
{
	const struct input *input = context;

	(void)path;
	(void)err;
	str_addn(text, input->data, input->size);
	return 0;
}

// What was refused is shown to the person who wrote it, but never what a terminal would obey.
static void check_diags(const struct diags *diags)
{
	AUTO_STR struct str shown = { 0 };

	for (size_t i = 0; i < diags->count; i++)
		diag_print(&diags->items[i], &shown);
	for (size_t i = 0; i < shown.len; i++) {
		if ((unsigned char)shown.text[i] < ' ' && shown.text[i] != '\n' &&
		    shown.text[i] != '\t')
			abort();
	}
}

static void check_places(const struct profile *profile)
{
	for (size_t i = 0; i < profile->n_disks; i++) {
		if (!profile_has(profile, "disk", profile->disks[i].title, ""))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { (const char *)data, size };
	struct profile profile;
	struct diags diags = { 0 };
	struct profile_reader reader;

	reader_init(&reader, &profile, &diags);
	profile.path = mem_dup("/f/fuzz.conf");
	if (size && data[0] == '-') {
		AUTO_FREE char *set = mem_dupn(input.data + 1, size - 1);

		reader_read_set(&reader, set, 1, "/f");
	} else {
		reader.load = load;
		reader.context = &input;
		reader_read_text(&reader, "/f/fuzz.conf", "/f/fuzz.conf", input.data, size);
	}
	reader_finish(&reader);
	check_diags(&diags);
	check_places(&profile);
	profile_finish(&profile);
	diags_finish(&diags);
	return 0;
}
