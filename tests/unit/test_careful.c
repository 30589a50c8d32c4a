// SPDX-License-Identifier: MIT
#include "tune/host/careful.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// Long enough for a child on a busy machine, short enough to wait for.
enum { PATIENT_MS = 60000, HASTY_MS = 500 };

static char dir[PATH_MAX];
static struct root root = ROOT_CLOSED;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(tree_make("a/override = vfio-pci\na/vfs = 3\nb/override = (null)\n", dir, sizeof(dir)), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	return 0;
}

static int release(void **state)
{
	(void)state;
	root_finish(&root);
	tree_remove(dir);
	return 0;
}

// "blocks/…" never answers, "dies/…" ends the child; behind a "!" it has to work for longer than it has time.
static int read_oddly(struct root *r, const char *path, char *buf, size_t size)
{
	long long until = io_now_ms() + 5 * HASTY_MS / 2;

	while (*path == '!' && io_now_ms() < until)
		;
	path += *path == '!';
	if (str_starts(path, "dies/"))
		_exit(1);
	while (str_starts(path, "blocks/"))
		pause();
	return root_read_head(r, path, buf, size);
}

#define QUESTION(subject_, path_) { .path = (char *)(path_), .subject = (subject_) }

static void test_all_answer(void **state)
{
	struct careful_question questions[] = {
		QUESTION(0, "a/override"), QUESTION(0, "a/vfs"), QUESTION(1, "b/override"), QUESTION(1, "b/vfs"),
	};
	unsigned long before = root.reads;

	(void)state;
	careful_read_by(root_read_head, &root, questions, ARRAY_SIZE(questions), PATIENT_MS);
	assert_int_equal(questions[0].result, 8);
	assert_string_equal(questions[0].text, "vfio-pci");
	assert_string_equal(questions[1].text, "3");
	assert_string_equal(questions[2].text, "(null)");
	assert_int_equal(questions[3].result, -ENOENT);
	assert_int_equal(root.reads - before, 4);
}

static void test_captured_tree_needs_no_child(void **state)
{
	struct careful_question question = QUESTION(0, "a/vfs");

	(void)state;
	careful_read(&root, &question, 1, 0);
	assert_string_equal(question.text, "3");
}

// The rest of what blocks is not waited for, and the others answer.
static void test_one_blocks(void **state)
{
	struct careful_question questions[] = {
		QUESTION(0, "a/vfs"),	 QUESTION(4, "b/override"), QUESTION(4, "blocks/1"),
		QUESTION(4, "blocks/2"), QUESTION(4, "a/vfs"),	    QUESTION(5, "a/override"),
	};
	long long began = io_now_ms();

	(void)state;
	careful_read_by(read_oddly, &root, questions, ARRAY_SIZE(questions), HASTY_MS);
	assert_true(io_now_ms() - began >= HASTY_MS);
	assert_string_equal(questions[0].text, "3");
	assert_string_equal(questions[1].text, "(null)");
	assert_int_equal(questions[2].result, -ETIMEDOUT);
	assert_int_equal(questions[3].result, -ETIMEDOUT);
	assert_int_equal(questions[4].result, -ETIMEDOUT);
	assert_string_equal(questions[5].text, "vfio-pci");
}

// Who works does not block.
static void test_one_is_slow(void **state)
{
	struct careful_question questions[] = { QUESTION(0, "a/vfs"), QUESTION(0, "!a/override") };

	(void)state;
	careful_read_by(read_oddly, &root, questions, ARRAY_SIZE(questions), HASTY_MS);
	assert_string_equal(questions[0].text, "3");
	assert_string_equal(questions[1].text, "vfio-pci");
}

static void test_child_dies(void **state)
{
	struct careful_question questions[] = {
		QUESTION(0, "dies/1"), QUESTION(1, "a/vfs"),
	};

	(void)state;
	careful_read_by(read_oddly, &root, questions, ARRAY_SIZE(questions), PATIENT_MS);
	assert_int_equal(questions[0].result, -EIO);
	assert_string_equal(questions[1].text, "3");
}

static void test_nothing_asked(void **state)
{
	(void)state;
	careful_read_by(read_oddly, &root, NULL, 0, HASTY_MS);
}

// A child that stays behind must keep no lock and no pipe of ours: here it tells how many descriptors it has.
static int count_descriptors(struct root *r, const char *path, char *buf, size_t size)
{
	int n = 0;

	(void)r;
	(void)path;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return snprintf(buf, size, "%d", n);
}

static void test_child_has_nothing_of_ours(void **state)
{
	struct careful_question question = QUESTION(0, "a");
	int low = dup(STDERR_FILENO), high = fcntl(STDERR_FILENO, F_DUPFD, 500);

	(void)state;
	assert_true(low >= 0 && high >= 0);
	careful_read_by(count_descriptors, &root, &question, 1, PATIENT_MS);
	assert_string_equal(question.text, "2"); // the root and its pipe
	close(low);
	close(high);
}

static void test_no_child_is_left(void **state)
{
	struct careful_question question = QUESTION(0, "a/vfs");

	(void)state;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	careful_read_by(root_read_head, &root, &question, 1, PATIENT_MS);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_answer),
		TEST(test_no_child_is_left),
		TEST(test_captured_tree_needs_no_child),
		TEST(test_one_blocks),
		TEST(test_one_is_slow),
		TEST(test_child_dies),
		TEST(test_nothing_asked),
		TEST(test_child_has_nothing_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
