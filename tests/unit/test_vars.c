// SPDX-License-Identifier: MIT
#include "launcher/guest/vars.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "tests/unit/tree.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
	char dir[PATH_MAX];
	struct plan_vars vars;
};

static int setup(void **state)
{
	struct fixture *f = mem_new(1, sizeof(*f));

	*state = f;
	if (tree_make("template = empty variables\ncode = the code", f->dir, sizeof(f->dir)) != 0)
		return -1;
	f->vars = (struct plan_vars){
		.used = true,
		.create = true,
		.path = mem_printf("%s/state/win/win_VARS.fd", f->dir),
		.template = mem_printf("%s/template", f->dir),
		.code = mem_printf("%s/co\nde", f->dir),
		.code_size = 9,
		.code_hash = 0x0123456789abcdef,
		.secure_boot = true,
	};
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tree_remove(f->dir);
	free(f->vars.path);
	free(f->vars.template);
	free(f->vars.code);
	free(f);
	return 0;
}

static int count_entries(const char *dir, const char *below)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, below);
	AUTO_CLOSEDIR DIR *list = opendir(path);
	int n = 0;

	for (const struct dirent *e; list && (e = readdir(list));)
		n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
	return n;
}

static void assert_mode(const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void test_copy_and_origin(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *text = NULL, *dir = mem_printf("%s/state/win", f->dir);
	struct vars_origin origin;

	assert_int_equal(vars_create(&f->vars, NULL), 0);
	text = tree_read(f->dir, "state/win/win_VARS.fd");
	assert_string_equal(text, "empty variables\n");
	assert_mode(f->vars.path, 0600);
	assert_mode(dir, 0700);
	assert_int_equal(count_entries(f->dir, "state/win"), 2);

	vars_origin_read(f->vars.path, &origin);
	assert_true(origin.found);
	assert_string_equal(origin.path, f->vars.path);
	assert_string_equal(origin.code, f->vars.code);
	assert_int_equal(origin.code_size, 9);
	assert_true(origin.code_hash == 0x0123456789abcdef);
	assert_true(origin.secure_boot);
	free(origin.path);
	free(origin.code);
}

static void test_never_overwrites(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *text = NULL;

	assert_int_equal(tree_write(f->dir, "state/win/win_VARS.fd", "dear"), 0);
	assert_int_equal(vars_create(&f->vars, NULL), 0);
	text = tree_read(f->dir, "state/win/win_VARS.fd");
	assert_string_equal(text, "dear");
	assert_int_equal(count_entries(f->dir, "state/win"), 1);
}

static void test_unused_makes_nothing(void **state)
{
	struct fixture *f = *state;

	f->vars.create = false;
	assert_int_equal(vars_create(&f->vars, NULL), 0);
	assert_int_equal(count_entries(f->dir, "."), 2);
}

static void test_missing_template(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *path = mem_printf("%s/template", f->dir);
	struct err err = ERR_NONE;

	assert_int_equal(unlink(path), 0);
	assert_int_equal(vars_create(&f->vars, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(count_entries(f->dir, "state/win"), 0);
}

// As a full disk: writes past 8 bytes fail.
static void test_nothing_left_when_full(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, small;
	struct err err = ERR_NONE;
	int r;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	for (rlim_t bytes = 0; bytes < 400; bytes++) {
		small = limit;
		small.rlim_cur = bytes;
		setrlimit(RLIMIT_FSIZE, &small);
		r = vars_create(&f->vars, &err);
		setrlimit(RLIMIT_FSIZE, &limit);
		if (r == 0)
			break;
		assert_int_equal(r, -EFBIG);
		assert_int_equal(count_entries(f->dir, "state/win"), 0);
	}
	assert_int_equal(r, 0);
	assert_int_equal(err.code, -EFBIG); // it did fail before
	assert_int_equal(count_entries(f->dir, "state/win"), 2);
}

static void test_origin_of_nonsense(void **state)
{
	static const char *const texts[] = {
		"",
		"code=/x\n",
		"size=3\nhash=1\nsecure_boot=no\n",
		"code=/x\nsize=three\n",
		"code=/x\nsize=3\nwhat=1\n",
		"code=\\q\nsize=3\n",
		"no equals sign\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct vars_origin origin;

		assert_int_equal(tree_write(f->dir, "state/win/win_VARS.fd.origin", texts[i]), 0);
		vars_origin_read(f->vars.path, &origin);
		assert_false(origin.found);
		assert_null(origin.path);
		assert_null(origin.code);
	}
}

// A process of our number (in a container they are few) was killed while it wrote.
static void test_leftovers_of_a_killed_process(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *copy = mem_printf("state/win/.win_VARS.fd.%d", (int)getpid());
	AUTO_FREE char *origin = mem_printf("state/win/win_VARS.fd.origin.%d.new", (int)getpid());
	AUTO_FREE char *text = NULL;

	assert_int_equal(tree_write(f->dir, copy, "half"), 0);
	assert_int_equal(tree_write(f->dir, origin, "half"), 0);
	assert_int_equal(vars_create(&f->vars, NULL), 0);
	text = tree_read(f->dir, "state/win/win_VARS.fd");
	assert_non_null(text);
	assert_string_equal(text, "empty variables\n");
	assert_int_equal(count_entries(f->dir, "state/win"), 2);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_copy_and_origin),	   TEST(test_never_overwrites),
		TEST(test_unused_makes_nothing),   TEST(test_missing_template),
		TEST(test_nothing_left_when_full), TEST(test_origin_of_nonsense),
		TEST(test_leftovers_of_a_killed_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
