// SPDX-License-Identifier: MIT
// Owns how watched threads look in a terminal: a line each, of no more columns than there are. Refuses to know
// the terminal.
#pragma once

#include "launcher/watch/watch.h"

struct str;
struct strv;

struct table {
	const char *guest;
	pid_t pid;
	const struct cpu_clock *clocks;
	size_t n_clocks;
	int width;  // columns; what does not fit is left out
	int height; // lines, 0: as many as it takes
	bool utf8, colour;
	const char *keys; // what leaves it, NULL: nothing to say
};

const struct cpu_clock *table_clock(const struct table *table, int cpu); // NULL: not known

// Appends the lines, without newlines.
void table_print(const struct table *table, const struct watch *watch, struct strv *lines);
