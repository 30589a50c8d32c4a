// SPDX-License-Identifier: MIT
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// A message that does not fit ends in an ellipsis, so that nobody takes a part for the whole.
__attribute__((format(printf, 3, 0)))
static void add_args(char *out, size_t size, const char *fmt, va_list ap)
{
	size_t used = strlen(out);
	int n = vsnprintf(out + used, size - used, fmt, ap);

	if (n >= 0 && (size_t)n >= size - used)
		memcpy(out + size - 4, "...", 4);
}

static void __attribute__((format(printf, 3, 4))) add(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_args(out, size, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 3, 0)))
static void begin(struct err *err, int code, const char *fmt, va_list ap)
{
	*err = (struct err){ .code = code };
	add_args(err->text, sizeof(err->text), fmt, ap);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	begin(err, code, fmt, ap);
	va_end(ap);
	return code;
}

int err_sys(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	begin(err, code, fmt, ap);
	va_end(ap);
	add(err->text, sizeof(err->text), ": %s", strerror(-code));
	return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char tail[sizeof(err->text)];
	va_list ap;

	if (!err)
		return -EIO;
	memcpy(tail, err->text, sizeof(tail));
	err->text[0] = '\0';
	va_start(ap, fmt);
	add_args(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	add(err->text, sizeof(err->text), ": %s", tail);
	return err->code;
}

int err_hint(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -EIO;
	err->hint[0] = '\0';
	va_start(ap, fmt);
	add_args(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	return err->code;
}
