// SPDX-License-Identifier: MIT
// Owns the report of a failure of the world: a negative errno and a message. Refuses heap memory:
// a struct err lives on the caller's stack and has nothing to release.
#pragma once

// `text` says what failed and what to do about it; `hint` is the remedy alone where it stands apart.
// A function that takes a struct err leaves it untouched on success. NULL is allowed everywhere.
struct err {
	int code; // negative errno, 0 while nothing failed
	char text[768];
	char hint[256];
};

#define ERR_NONE { .code = 0 }

// Sets the message and returns code (a negative errno), so `return err_set(err, -EINVAL, …)`.
int err_set(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

// As err_set, with ": strerror(-code)" behind the message.
int err_sys(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

// Puts "fmt: " before the message that is there. Returns err->code (or -EIO if err is NULL).
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Sets the remedy. Returns err->code (or -EIO if err is NULL).
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
