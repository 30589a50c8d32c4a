// SPDX-License-Identifier: MIT
// Owns the terminal while something is drawn on all of it: another screen, keys that come at once, signals as
// something to read, and all as it was at the end. Refuses to know what is drawn.
#pragma once

#include <stdbool.h>
#include <termios.h>

struct strv;

struct screen {
	bool open;
	bool raw, keys; // standard input is a terminal, and somebody may type there
	int signals;	// a signalfd(2)
	struct termios saved;
};

#define SCREEN_CLOSED { .signals = -1 }

enum screen_event { SCREEN_TIMEOUT, SCREEN_REDRAW, SCREEN_LEAVE, SCREEN_READY };

// Whether standard output is a terminal that can be drawn on.
bool screen_is_possible(void);
// Whether signs beyond ASCII are known to it: the locale's word (LC_ALL, LC_CTYPE, LANG).
bool screen_has_utf8(void);

int screen_open(struct screen *screen); // 0 or -errno
// Puts the terminal back. A signal that asked to end the program, other than Ctrl-C, then does so.
void screen_close(struct screen *screen);

void screen_size(int *columns, int *lines);

// Draws the lines from the top; what was there before is gone, and what is too long is cut by the terminal.
// Returns 0 or -errno.
int screen_draw(const struct strv *lines);

// Waits for a key or a signal, or until `fd` (-1: none) is readable: SCREEN_READY. Ctrl-Z is served in here.
enum screen_event screen_wait(struct screen *screen, int fd, int timeout_ms);
