// SPDX-License-Identifier: MIT
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_message_is_built_outwards(void **state)
{
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(err_sys(&err, -ENOENT, "opening %s", "x"), -ENOENT);
	assert_int_equal(err_hint(&err, "make %s", "it"), -ENOENT);
	assert_int_equal(err_wrap(&err, "disk %d", 1), -ENOENT);
	assert_string_equal(err.text, "disk 1: opening x: No such file or directory");
	assert_string_equal(err.hint, "make it");
	// a new failure has nothing of the old one
	assert_int_equal(err_set(&err, -EIO, "b"), -EIO);
	assert_string_equal(err.text, "b");
	assert_string_equal(err.hint, "");
}

static void nobody_may_want_the_message(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, -EPERM, "x"), -EPERM);
	assert_int_equal(err_sys(NULL, -EPERM, "x"), -EPERM);
	assert_int_equal(err_wrap(NULL, "x"), -EIO);
	assert_int_equal(err_hint(NULL, "x"), -EIO);
}

static void expect_cut(const struct err *err)
{
	assert_int_equal(strlen(err->text), sizeof(err->text) - 1);
	assert_string_equal(err->text + sizeof(err->text) - 4, "...");
}

static void what_does_not_fit_ends_in_an_ellipsis(void **state)
{
	char longest[sizeof(((struct err *)0)->text)];
	struct err err = ERR_NONE;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	err_set(&err, -EIO, "%s", longest);
	assert_string_equal(err.text, longest);
	err_set(&err, -EIO, "%s!", longest);
	expect_cut(&err);
	err_sys(&err, -EIO, "%s", longest + 10);
	expect_cut(&err);
	err_set(&err, -EIO, "%s", longest);
	err_wrap(&err, "around");
	expect_cut(&err);
	assert_int_equal(strncmp(err.text, "around: xxx", 11), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_built_outwards),
		cmocka_unit_test(nobody_may_want_the_message),
		cmocka_unit_test(what_does_not_fit_ends_in_an_ellipsis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
