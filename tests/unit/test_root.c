// SPDX-License-Identifier: MIT
#include "tune/host/root.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/str.h"
#include "tests/unit/tree.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
	char dir[PATH_MAX];
	struct root root;
};

static int open_tree(void **state)
{
	static struct fixture fixture;

	*state = &fixture;
	if (tree_make("plain = one\n"
		      "lines = one\\ntwo\n"
		      "empty =\n"
		      "number = 42\n"
		      "negative = -1\n"
		      "huge = 18446744073709551616\n"
		      "list = 0-3,8\n"
		      "none = (null)\n"
		      "old/core_cpus = 00000000,0000000c\nold/cpumap = 1,00000000\n"
		      "old/shared_cpu_map = 0x\nold/shared_cpu_list = 5\n"
		      "etc/hostname = inside\n"
		      "absolute -> /etc/hostname\n"
		      "climbing -> ../../../../../../../../etc/hostname\n"
		      "deep/up -> ../../../plain\n"
		      "dir -> deep/../etc\n"
		      "etc/alias -> hostname\n"
		      "chain -> /absolute\n"
		      "dangling -> nowhere\n"
		      "loop -> loop\n"
		      "sys/\n"
		      "names/cpu10/\nnames/cpu2/\nnames/cpu1/\nnames/.hidden = 1\n",
		      fixture.dir, sizeof(fixture.dir)) < 0)
		return -1;
	return root_open(&fixture.root, fixture.dir, NULL);
}

static int close_tree(void **state)
{
	struct fixture *f = *state;

	root_finish(&f->root);
	tree_remove(f->dir);
	return 0;
}

static void test_read(void **state)
{
	struct fixture *f = *state;
	char buf[8];

	assert_int_equal(root_read(&f->root, "plain", buf, sizeof(buf)), 3);
	assert_string_equal(buf, "one");
	assert_int_equal(root_read(&f->root, "/plain", buf, sizeof(buf)), 3);
	assert_int_equal(root_read(&f->root, "lines", buf, sizeof(buf)), -EFBIG);
	assert_int_equal(root_read(&f->root, "empty", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	assert_int_equal(root_read(&f->root, "absent", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(root_read(&f->root, "names", buf, sizeof(buf)), -EISDIR);
	assert_int_equal(root_read(&f->root, "plain/x", buf, sizeof(buf)), -ENOTDIR);
	// the newline has to fit as well
	assert_int_equal(root_read(&f->root, "plain", buf, 4), -EFBIG);
	assert_int_equal(root_read(&f->root, "plain", buf, 5), 3);
}

static void test_read_head(void **state)
{
	struct fixture *f = *state;
	char buf[16];

	assert_int_equal(root_read_head(&f->root, "lines", buf, 6), 5);
	assert_string_equal(buf, "one\nt");
	assert_int_equal(root_read_head(&f->root, "lines", buf, sizeof(buf)), 7);
	assert_string_equal(buf, "one\ntwo");
}

static void test_read_all(void **state)
{
	struct fixture *f = *state;
	AUTO_STR struct str text = { 0 };

	assert_int_equal(root_read_all(&f->root, "lines", &text, 100), 0);
	assert_string_equal(str_text(&text), "one\ntwo\n");
	assert_int_equal(root_read_all(&f->root, "lines", &text, 3), -EFBIG);
	assert_int_equal(root_read_all(&f->root, "absent", &text, 3), -ENOENT);
}

// An attribute is read until a piece that is no whole page.
static void test_long_attributes(void **state)
{
	static const size_t sizes[] = { 1, 4095, 4096, 4097, 8192, 12288, 12289 };
	struct fixture *f = *state;
	char buf[16384], path[PATH_MAX + 32];

	assert_true(snprintf(path, sizeof(path), "%s/sys/long", f->dir) > 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		for (size_t n = 0; n < sizes[i]; n++)
			fputc('a' + (int)(n % 26), file);
		assert_int_equal(fclose(file), 0);
		assert_int_equal(root_read(&f->root, "sys/long", buf, sizeof(buf)), sizes[i]);
		assert_int_equal(buf[sizes[i] - 1], 'a' + (int)((sizes[i] - 1) % 26));
		assert_int_equal(root_read(&f->root, "/sys/long", buf, sizes[i]), -EFBIG);
		assert_int_equal(root_read_head(&f->root, "sys/long", buf, sizes[i]), sizes[i] - 1);
	}
}

static void test_typed_reads_leave_out_alone(void **state)
{
	struct fixture *f = *state;
	struct cpuset set = { 0 };
	uint64_t u = 7;
	int i = 7;

	assert_int_equal(root_read_u64(&f->root, "negative", &u), -EINVAL);
	assert_int_equal(root_read_u64(&f->root, "huge", &u), -EINVAL);
	assert_int_equal(root_read_u64(&f->root, "empty", &u), -EINVAL);
	assert_int_equal(root_read_u64(&f->root, "absent", &u), -ENOENT);
	assert_true(u == 7);
	assert_int_equal(root_read_u64(&f->root, "number", &u), 0);
	assert_true(u == 42);
	assert_int_equal(root_read_int(&f->root, "list", &i), -EINVAL);
	assert_int_equal(i, 7);
	assert_int_equal(root_read_int(&f->root, "negative", &i), 0);
	assert_int_equal(i, -1);
	assert_int_equal(root_read_cpulist(&f->root, "list", &set), 0);
	assert_int_equal(cpuset_count(&set), 5);
	assert_int_equal(root_read_cpulist(&f->root, "none", &set), -EINVAL);
	assert_int_equal(cpuset_count(&set), 5);
	assert_int_equal(root_read_cpulist(&f->root, "empty", &set), 0);
	assert_true(cpuset_is_empty(&set));
}

static void check_links(struct root *root)
{
	static const char *const paths[] = {
		"absolute", "climbing", "../../etc/hostname", "dir/./hostname", "chain", "/dir//hostname",
	};
	char buf[64];

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_int_equal(root_read(root, paths[i], buf, sizeof(buf)), 6);
		assert_string_equal(buf, "inside");
	}
	assert_int_equal(root_read(root, "deep/up", buf, sizeof(buf)), 3);
	assert_int_equal(root_read(root, "dangling", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(root_read(root, "loop", buf, sizeof(buf)), -ELOOP);
	assert_int_equal(root_read(root, "plain/x", buf, sizeof(buf)), -ENOTDIR);
	assert_int_equal(root_read(root, "/", buf, sizeof(buf)), -EISDIR);
	assert_int_equal(root_readlink(root, "chain", buf, sizeof(buf)), 9);
	assert_string_equal(buf, "/absolute");
	assert_int_equal(root_readlink(root, "dir/alias", buf, sizeof(buf)), 8);
	assert_string_equal(buf, "hostname");
}

static void test_masks_stand_in_for_lists(void **state)
{
	struct fixture *f = *state;
	struct cpuset cpus = { 0 };
	AUTO_FREE char *text = NULL;

	assert_int_equal(root_read_cpulist(&f->root, "old/core_cpus_list", &cpus), 0);
	text = cpuset_text(&cpus);
	assert_string_equal(text, "2-3");
	assert_int_equal(root_read_cpulist(&f->root, "old/cpulist", &cpus), 0);
	assert_true(cpuset_has(&cpus, 32) && cpuset_count(&cpus) == 1);
	assert_int_equal(root_read_cpulist(&f->root, "old/shared_cpu_list", &cpus), 0);
	assert_true(cpuset_has(&cpus, 5) && cpuset_count(&cpus) == 1);
	assert_int_equal(root_read_cpulist(&f->root, "old/die_cpus_list", &cpus), -ENOENT);
	assert_int_equal(root_read_cpulist(&f->root, "old/online", &cpus), -ENOENT);
}

static void test_links_stay_inside(void **state)
{
	struct fixture *f = *state;
	bool plain = f->root.plain;

	check_links(&f->root);
	// where openat2 is missing the answers are the same
	f->root.plain = true;
	check_links(&f->root);
	f->root.plain = plain;
}

static void test_readlink(void **state)
{
	struct fixture *f = *state;
	char buf[32];

	assert_int_equal(root_readlink(&f->root, "absolute", buf, sizeof(buf)), 13);
	assert_string_equal(buf, "/etc/hostname");
	assert_int_equal(root_readlink(&f->root, "dangling", buf, sizeof(buf)), 7);
	assert_int_equal(root_readlink(&f->root, "absolute", buf, 13), -ENAMETOOLONG);
	assert_int_equal(root_readlink(&f->root, "plain", buf, sizeof(buf)), -EINVAL);
	assert_int_equal(root_readlink(&f->root, "absent", buf, sizeof(buf)), -ENOENT);
}

static void test_what_a_directory_has(void **state)
{
	struct fixture *f = *state;
	AUTO_CLOSE int directory = root_open_directory(&f->root, "dir");
	char buf[32];

	assert_true(directory >= 0);
	assert_int_equal(root_read_head_in(&f->root, directory, "hostname", buf, sizeof(buf)), 6);
	assert_string_equal(buf, "inside");
	assert_int_equal(root_read_head_in(&f->root, directory, "hostname", buf, 3), 2);
	assert_string_equal(buf, "in");
	assert_int_equal(root_readlink_in(&f->root, directory, "alias", buf, sizeof(buf)), 8);
	assert_string_equal(buf, "hostname");
	assert_int_equal(root_readlink_in(&f->root, directory, "alias", buf, 8), -ENAMETOOLONG);
	assert_int_equal(root_read_head_in(&f->root, directory, "alias", buf, sizeof(buf)), -ELOOP);
	assert_int_equal(root_readlink_in(&f->root, directory, "hostname", buf, sizeof(buf)), -EINVAL);
	assert_int_equal(root_read_head_in(&f->root, directory, "absent", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(root_readlink_in(&f->root, directory, "absent", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(root_open_directory(&f->root, "plain"), -ENOTDIR);
	assert_int_equal(root_read_head_in(&f->root, -ENOENT, "hostname", buf, sizeof(buf)), -EBADF);
}

static void test_list_is_in_natural_order(void **state)
{
	struct fixture *f = *state;
	AUTO_STRV struct strv names = { 0 };

	strv_add(&names, "zzz");
	assert_int_equal(root_list(&f->root, "names", &names), 0);
	assert_int_equal(names.count, 5);
	assert_string_equal(names.items[0], "zzz");
	assert_string_equal(names.items[1], ".hidden");
	assert_string_equal(names.items[2], "cpu1");
	assert_string_equal(names.items[3], "cpu2");
	assert_string_equal(names.items[4], "cpu10");
	assert_int_equal(root_list(&f->root, "absent", &names), -ENOENT);
	assert_int_equal(root_list(&f->root, "plain", &names), -ENOTDIR);
	assert_int_equal(names.count, 5);
}

static void test_fifo_does_not_block(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX + 8], buf[8];

	snprintf(path, sizeof(path), "%s/fifo", f->dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(root_read(&f->root, "fifo", buf, sizeof(buf)) <= 0);
}

static void test_every_access_is_counted(void **state)
{
	struct fixture *f = *state;
	AUTO_STRV struct strv names = { 0 };
	unsigned long before = f->root.reads;
	AUTO_CLOSE int directory = -1;
	char buf[32];

	root_read(&f->root, "plain", buf, sizeof(buf));
	root_read(&f->root, "absent", buf, sizeof(buf));
	root_readlink(&f->root, "absolute", buf, sizeof(buf));
	root_list(&f->root, "names", &names);
	assert_true(root_exists(&f->root, "plain"));
	assert_false(root_exists(&f->root, "dangling"));
	assert_true(f->root.reads == before + 6);
	directory = root_open_directory(&f->root, "dir");
	root_read_head_in(&f->root, directory, "hostname", buf, sizeof(buf));
	root_readlink_in(&f->root, directory, "alias", buf, sizeof(buf));
	assert_true(f->root.reads == before + 8);
}

static void test_open_failures(void **state)
{
	struct err err = ERR_NONE;
	struct root root;
	char path[PATH_MAX + 8];
	struct fixture *f = *state;

	assert_int_equal(root_open(&root, "/nonexistent/tree", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/tree"));
	assert_int_equal(root.fd, -1);
	snprintf(path, sizeof(path), "%s/plain", f->dir);
	assert_int_equal(root_open(&root, path, &err), -ENOTDIR);
}

static void test_block_numbers(void **state)
{
	struct fixture *f = *state;
	dev_t device = 7;

	assert_int_equal(root_read_block(&f->root, "plain", &device), -ENOTBLK);
	assert_int_equal(root_read_block(&f->root, "absent", &device), -ENOENT);
	assert_int_equal(device, 7);
}

static void test_live(void **state)
{
	struct root root;
	char buf[64], self[16];

	(void)state;
	assert_int_equal(root_open(&root, NULL, NULL), 0);
	assert_true(root.live);
	assert_true(root_read(&root, "proc/sys/kernel/osrelease", buf, sizeof(buf)) > 0);
	snprintf(self, sizeof(self), "%d", (int)getpid());
	assert_true(root_readlink(&root, "proc/self", buf, sizeof(buf)) > 0);
	assert_string_equal(buf, self);
	// as where openat2 is missing
	root.plain = true;
	assert_true(root_read(&root, "/proc/sys/kernel/osrelease", buf, sizeof(buf)) > 0);
	root_finish(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_head),
		cmocka_unit_test(test_read_all),
		cmocka_unit_test(test_long_attributes),
		cmocka_unit_test(test_typed_reads_leave_out_alone),
		cmocka_unit_test(test_masks_stand_in_for_lists),
		cmocka_unit_test(test_links_stay_inside),
		cmocka_unit_test(test_readlink),
		cmocka_unit_test(test_what_a_directory_has),
		cmocka_unit_test(test_list_is_in_natural_order),
		cmocka_unit_test(test_fifo_does_not_block),
		cmocka_unit_test(test_every_access_is_counted),
		cmocka_unit_test(test_open_failures),
		cmocka_unit_test(test_block_numbers),
		cmocka_unit_test(test_live),
	};

	return cmocka_run_group_tests(tests, open_tree, close_tree);
}
