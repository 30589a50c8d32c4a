// SPDX-License-Identifier: MIT
// Owns where messages go: stderr and, once a guest has one, its log file. Only launcher's shell logs;
// libraries return errors.
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

// Shows messages up to this level on stderr; the default is NOTICE. Colour only where asked.
void log_setup(enum log_level shown, bool colour);

// Every message, down to INFO, also goes to this descriptor (borrowed, -1: none), with a time.
void log_to_file(int fd);

// Messages on stderr end in "\r\n" while a console has put the terminal in raw mode.
void log_set_raw_terminal(bool raw);

// Control bytes but newline and tab become `?`. Keeps errno.
void log_message(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// A diagnostic as diag_print made it, whole lines, without our name before them.
void log_diagnostic(enum log_level level, const char *text);

#define log_error(...)	 log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_message(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)
