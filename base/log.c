// SPDX-License-Identifier: MIT
#include "base/log.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"

#include <string.h>
#include <time.h>

static struct {
	enum log_level shown;
	bool colour, raw;
	int fd;
} out = { .shown = LOG_LEVEL_NOTICE, .fd = -1 };

static const struct {
	const char *word, *colour;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error: ", "\033[31m" },	[LOG_LEVEL_WARNING] = { "warning: ", "\033[33m" },
	[LOG_LEVEL_NOTICE] = { "", "" },		[LOG_LEVEL_INFO] = { "", "" },
	[LOG_LEVEL_DEBUG] = { "debug: ", "\033[2m" },
};

void log_setup(enum log_level shown, bool colour)
{
	out.shown = shown;
	out.colour = colour;
}

void log_to_file(int fd)
{
	out.fd = fd;
}

void log_set_raw_terminal(bool raw)
{
	out.raw = raw;
}

static void to_stderr(enum log_level level, const char *text)
{
	AUTO_STR struct str line = { 0 };
	bool colour = out.colour && levels[level].colour[0];

	str_addf(&line, "vfiorun: %s%s%s%s%s", colour ? levels[level].colour : "", levels[level].word,
		 colour ? "\033[0m" : "", text, out.raw ? "\r\n" : "\n");
	io_write_all(STDERR_FILENO, line.text, line.len);
}

static void to_file(enum log_level level, const char *text)
{
	AUTO_STR struct str line = { 0 };
	struct timespec now;
	struct tm tm;
	char stamp[40];

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	str_addf(&line, "%s.%03ld vfiorun: %s%s\n", stamp, now.tv_nsec / 1000000, levels[level].word,
		 text);
	io_write_all(out.fd, line.text, line.len);
}

// What is told may quote a guest or its QEMU, and no word of theirs is to command a terminal.
static void disarm(char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			*text = '?';
	}
}

void log_message(enum log_level level, const char *fmt, ...)
{
	AUTO_STR struct str text = { 0 };
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	disarm(text.text);
	if (level <= out.shown)
		to_stderr(level, str_text(&text));
	if (out.fd >= 0 && level <= LOG_LEVEL_INFO)
		to_file(level, str_text(&text));
	errno = saved;
}

void log_diagnostic(enum log_level level, const char *text)
{
	if (level <= out.shown)
		io_write_all(STDERR_FILENO, text, strlen(text));
}
