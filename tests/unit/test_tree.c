// SPDX-License-Identifier: MIT
#include "tests/unit/tree.h"

#include "base/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void assert_file(const char *dir, const char *path, const char *want)
{
	AUTO_FREE char *text = tree_read(dir, path);

	assert_non_null(text);
	assert_string_equal(text, want);
}

static void test_files_links_directories(void **state)
{
	char dir[PATH_MAX], full[PATH_MAX + 64], target[64] = { 0 };
	struct stat status;

	(void)state;
	assert_int_equal(tree_make("# a comment\n"
				   "\n"
				   "sys/a/b = one two \n"
				   "\tsys/lines = 1\\n2\\\\040\n"
				   "sys/empty =\n"
				   "sys/deep/link -> ../a/b\n"
				   "sys/dir/",
				   dir, sizeof(dir)),
			 0);
	assert_file(dir, "sys/a/b", "one two \n");
	assert_file(dir, "sys/lines", "1\n2\\040\n");
	assert_file(dir, "sys/empty", "\n");
	assert_file(dir, "sys/deep/link", "one two \n");
	snprintf(full, sizeof(full), "%s/sys/deep/link", dir);
	assert_int_equal(readlink(full, target, sizeof(target) - 1), 6);
	assert_string_equal(target, "../a/b");
	snprintf(full, sizeof(full), "%s/sys/dir", dir);
	assert_int_equal(stat(full, &status), 0);
	assert_true(S_ISDIR(status.st_mode));
	tree_remove(dir);
	assert_int_equal(stat(dir, &status), -1);
}

static void test_later_entries_replace(void **state)
{
	char dir[PATH_MAX];

	(void)state;
	assert_int_equal(tree_make("a = long text\nl -> x\n", dir, sizeof(dir)), 0);
	assert_int_equal(tree_add(dir, "a = 1\nl -> a\n"), 0);
	assert_file(dir, "l", "1\n");
	assert_int_equal(tree_writef(dir, "new/deep/file", "%d", 7), 0);
	assert_file(dir, "new/deep/file", "7");
	assert_null(tree_read(dir, "absent"));
	tree_remove(dir);
}

static void test_bad_lines_leave_nothing(void **state)
{
	static const char *const bad[] = { "a", "a 1", "a =1", "a = \\q", "a = 1\na/b = 2" };
	char dir[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(tree_make(bad[i], dir, sizeof(dir)) < 0);
		assert_string_equal(dir, "");
	}
	assert_int_equal(tree_make("", dir, 4), -ENAMETOOLONG);
}

static void test_remove_follows_no_link(void **state)
{
	char dir[PATH_MAX], other[PATH_MAX];

	(void)state;
	assert_int_equal(tree_make("kept = 1\n", other, sizeof(other)), 0);
	assert_int_equal(tree_make("", dir, sizeof(dir)), 0);
	assert_int_equal(tree_link(dir, "away", other), 0);
	tree_remove(dir);
	assert_file(other, "kept", "1\n");
	tree_remove(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_links_directories),
		cmocka_unit_test(test_later_entries_replace),
		cmocka_unit_test(test_bad_lines_leave_nothing),
		cmocka_unit_test(test_remove_follows_no_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
