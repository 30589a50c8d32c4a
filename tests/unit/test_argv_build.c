// SPDX-License-Identifier: MIT
#include "tests/unit/argv_fixture.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_escaped(const char *value, const char *expected)
{
	AUTO_FREE char *escaped = argv_escape(value);

	assert_string_equal(escaped, expected);
}

static void test_only_commas_are_escaped(void **state)
{
	(void)state;
	assert_escaped("", "");
	assert_escaped("plain", "plain");
	assert_escaped("a,b", "a,,b");
	assert_escaped(",", ",,");
	assert_escaped(",,a,", ",,,,a,,");
	assert_escaped("key=value with blanks", "key=value with blanks");
	assert_escaped("\"quoted\" 'too' \\", "\"quoted\" 'too' \\");
	assert_escaped("grün/日本,語", "grün/日本,,語");
	assert_escaped("\xff\xfe,", "\xff\xfe,,");
}

static void test_value_is_appended(void **state)
{
	AUTO_STR struct str out = { 0 };

	(void)state;
	str_add(&out, "file=");
	argv_add_value(&out, "a,b");
	argv_add_value(&out, "c");
	assert_string_equal(str_text(&out), "file=a,,bc");
}

static void test_both_forms_grow_together(void **state)
{
	struct argv_fixture *fx = *state;
	struct plan *plan = &fx->plan;

	argv_add_flag(&fx->build, "-S");
	argv_add(&fx->build, "-m", "size=%dM", 64);
	argv_add_pair(&fx->build, "-chardev", "socket,fd=10", "socket,path=/run/x");
	assert_int_equal(plan->argv.count, 5);
	assert_int_equal(plan->argv_paths.count, 5);
	assert_string_equal(plan->argv.items[2], "size=64M");
	assert_string_equal(plan->argv_paths.items[2], "size=64M");
	assert_string_equal(plan->argv.items[4], "socket,fd=10");
	assert_string_equal(plan->argv_paths.items[4], "socket,path=/run/x");
}

// sun_path takes 107 bytes and the NUL.
static void test_socket_path_is_measured(void **state)
{
	struct argv_fixture *fx = *state;
	char dir[103];

	memset(dir, 'd', sizeof(dir));
	dir[0] = '/';
	dir[102] = '\0';
	mem_set(&fx->facts.run_dir, dir);
	free(argv_socket_path(&fx->build, "1234"));
	assert_int_equal(fx->diags.count, 0);
	free(argv_socket_path(&fx->build, "12345"));
	assert_int_equal(diags_exit_status(&fx->diags), 3);
	assert_non_null(argv_fixture_diag(fx, "socket-path"));
}

static void test_levels_go_where_they_belong(void **state)
{
	struct argv_fixture *fx = *state;

	argv_warn(&fx->build, "w", "vm", "name", "warned %d", 1);
	assert_int_equal(fx->diags.count, 0);
	assert_int_equal(fx->plan.warnings.count, 1);
	assert_string_equal(fx->plan.warnings.items[0].text, "warned 1");
	argv_host_error(&fx->build, "h", "vm", "name", "%s", "100% full");
	assert_int_equal(diags_exit_status(&fx->diags), 3);
	assert_string_equal(fx->diags.items[0].text, "100% full");
	argv_error(&fx->build, "e", "vm", "name", "wrong");
	assert_int_equal(diags_exit_status(&fx->diags), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARGV_TEST(test_only_commas_are_escaped),
		ARGV_TEST(test_value_is_appended),
		ARGV_TEST(test_both_forms_grow_together),
		ARGV_TEST(test_socket_path_is_measured),
		ARGV_TEST(test_levels_go_where_they_belong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
