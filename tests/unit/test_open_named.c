// SPDX-License-Identifier: MIT
#include "launcher/run/open_named.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "tests/unit/tree.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { USER = 1234, OTHER = 1235 };

static char dir[PATH_MAX];

static int make(void **state)
{
	(void)state;
	return tree_make("roots/file = root's\n"
			 "users/file = user's\n"
			 "users/to-own -> file\n"
			 "users/to-roots -> ../roots/file\n"
			 "users/up -> ../roots\n"
			 "users/loop -> loop\n"
			 "links/by-name -> ../users/file\n"
			 "links/far -> ../users/to-roots\n", dir, sizeof(dir));
}

static int clean(void **state)
{
	(void)state;
	tree_remove(dir);
	return 0;
}

static void give(const char *name, uid_t uid)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, name);

	assert_int_equal(lchown(path, uid, (gid_t)-1), 0);
}

static void need_root(void)
{
	static const char *const users[] = { "users", "users/file", "users/to-own", "users/to-roots",
					     "users/up" };

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(users) / sizeof(*users); i++)
		give(users[i], USER);
}

// What is read through the path, or the error.
static const char *read_through(const char *name, struct err *err)
{
	static char text[64];
	AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
	AUTO_CLOSE int fd = open_named(path, O_RDONLY, err);
	ssize_t n;

	if (fd < 0)
		return NULL;
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n - 1] = '\0';
	return text;
}

static void assert_opens(const char *name, const char *text)
{
	struct err err = ERR_NONE;
	const char *got = read_through(name, &err);

	if (!got)
		fail_msg("%s: %s", name, err.text);
	assert_string_equal(got, text);
}

static void assert_refused(const char *name, int code, const char *says)
{
	struct err err = ERR_NONE;

	assert_null(read_through(name, &err));
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, says));
}

static void test_files_and_good_links(void **state)
{
	(void)state;
	need_root();
	assert_opens("roots/file", "root's");
	assert_opens("users/file", "user's");
	assert_opens("users/../users/./file", "user's");
	assert_opens("users/to-own", "user's");  // a user's link to the user's file
	assert_opens("links/by-name", "user's"); // root's link to it
}

static void test_links_that_a_user_could_turn(void **state)
{
	(void)state;
	need_root();
	assert_refused("users/to-roots", -EACCES, "link `to-roots`, which user 1234");
	assert_refused("users/up/file", -EACCES, "link `up`");
	assert_refused("links/far", -EACCES, "link `to-roots`"); // behind one of root's
	give("users/to-own", OTHER);
	assert_refused("users/to-own", -EACCES, "user 1235");
}

static void test_what_is_not_there(void **state)
{
	(void)state;
	assert_refused("users/none", -ENOENT, "users/none");
	assert_refused("users/loop", -ELOOP, "users/loop");
	assert_refused("users/file/more", -ENOTDIR, "opening");
}

static void test_flags_are_kept(void **state)
{
	AUTO_FREE char *path = mem_printf("%s/users/file", dir);
	struct err err = ERR_NONE;
	AUTO_CLOSE int fd = open_named(path, O_RDWR, &err);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files_and_good_links, make, clean),
		cmocka_unit_test_setup_teardown(test_links_that_a_user_could_turn, make, clean),
		cmocka_unit_test_setup_teardown(test_what_is_not_there, make, clean),
		cmocka_unit_test_setup_teardown(test_flags_are_kept, make, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
