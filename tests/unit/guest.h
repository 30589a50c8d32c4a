// SPDX-License-Identifier: MIT
// Owns a guest made of a profile's text and made-up file facts, for tests of disks, networks and
// firmware.
#pragma once

#include "tests/unit/argv_fixture.h"

struct guest {
	struct argv_fixture fx;
	struct profile profile; // what fx.build uses
};

// A guest "demo" on q35 under TCG with two vCPUs, its state in /state/demo; `text` is the rest of
// its profile, and sections may come again. Fails the test where the text is wrong.
void guest_init(struct guest *guest, const char *text);
void guest_finish(struct guest *guest);

// The fact of a file that is there and may be read and written; a .qcow2 has the magic. To be
// changed at will.
struct file_fact *guest_add_file(struct guest *guest, const char *path);

// Choices first, then the parts for firmware, disks and networks.
void guest_make(struct guest *guest);

// "-option" is there with exactly this value.
void guest_assert_has(const struct guest *guest, const char *option, const char *value);
void guest_assert_pasted(const struct guest *guest, const char *option, const char *value);
// The diagnostic or warning with this code stands at this line (0: nowhere), and text and hint
// contain the words.
void guest_assert_diag(const struct guest *guest, enum diag_level level, const char *code, int line,
		       const char *text, const char *hint);
void guest_assert_fine(const struct guest *guest); // neither error nor warning

// GUEST_LINE(1) is the first line of guest_init's text, as diagnostics count.
#define GUEST_LINE(n) ((n) + 8)
