// SPDX-License-Identifier: MIT
#include "launcher/guest/paths.h"

#include "base/err.h"
#include "tests/unit/tree.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SOMEBODY = 65534 };

static uid_t before;

// Only a user has paths of their own.
static int become_somebody(void **state)
{
	(void)state;
	before = geteuid();
	unsetenv("XDG_STATE_HOME");
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_CACHE_HOME");
	setenv("HOME", "/home/u", 1);
	return before == 0 ? seteuid(SOMEBODY) : 0;
}

static int become_again(void **state)
{
	(void)state;
	return seteuid(before);
}

static void expect_refused(int code, const char *part)
{
	struct paths paths;
	struct err err = ERR_NONE;

	assert_int_equal(paths_read(&paths, &err), code);
	if (!strstr(err.text, part))
		fail_msg("no `%s` in: %s", part, err.text);
	assert_non_null(strstr(err.hint, "XDG_RUNTIME_DIR"));
	paths_finish(&paths);
}

static void run_state_is_where_only_we_can_write(void **state)
{
	char dir[PATH_MAX];
	struct paths paths;

	(void)state;
	assert_int_equal(tree_make("", dir, sizeof(dir)), 0);
	setenv("XDG_RUNTIME_DIR", dir, 1);
	assert_int_equal(paths_read(&paths, NULL), 0);
	assert_true(strncmp(paths.run_base, dir, strlen(dir)) == 0);
	paths_finish(&paths);

	assert_int_equal(chmod(dir, 0777), 0);
	expect_refused(-EPERM, dir);
	setenv("XDG_RUNTIME_DIR", "/", 1);
	expect_refused(-EPERM, "/ is not");
	tree_remove(dir);
	// it is set: nobody is told that it is not
	setenv("XDG_RUNTIME_DIR", dir, 1);
	expect_refused(-ENOENT, "No such file");
}

static void a_relative_directory_counts_as_none(void **state)
{
	struct paths paths;
	struct err err = ERR_NONE;

	(void)state;
	setenv("XDG_RUNTIME_DIR", "here", 1);
	setenv("XDG_CACHE_HOME", "here", 1);
	assert_int_equal(paths_read_to_look(&paths, false, &err), 0);
	assert_true(strncmp(paths.run_base, "/run/user/", 10) == 0);
	assert_string_equal(paths.cache_dir, "/home/u/.cache/vfiorun");
	assert_string_equal(paths.log_dir, "/home/u/.local/state/vfiorun/log");
	assert_string_equal(paths.firmware_dir, "/home/u/.config/qemu/firmware");
	paths_finish(&paths);

	setenv("HOME", "here", 1);
	assert_int_equal(paths_read_to_look(&paths, false, &err), -ENOENT);
	assert_non_null(strstr(err.text, "HOME"));
	paths_finish(&paths);
}

static void a_captured_machine_has_roots_paths(void **state)
{
	struct paths paths;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(paths_read_to_look(&paths, true, &err), 0);
	assert_string_equal(paths.run_base, "/run/vfiorun");
	assert_string_equal(paths.config_dir, "/home/u/.config/vfiorun");
	assert_null(paths.firmware_dir);
	paths_finish(&paths);

	// where the user's are not to be had, nothing is wrong either
	unsetenv("HOME");
	assert_int_equal(paths_read_to_look(&paths, true, &err), 0);
	assert_string_equal(paths.config_dir, "/etc/vfiorun");
	assert_string_equal(err.text, "");
	paths_finish(&paths);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, become_somebody, become_again)
	const struct CMUnitTest tests[] = {
		TEST(run_state_is_where_only_we_can_write),
		TEST(a_relative_directory_counts_as_none),
		TEST(a_captured_machine_has_roots_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
