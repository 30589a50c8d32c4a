// SPDX-License-Identifier: MIT
// The run directory, its locks and its sockets, under any umask and against a hostile QEMU.
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/guest/listen.h"
#include "launcher/guest/paths.h"
#include "launcher/guest/state.h"
#include "tests/unit/tree.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
	char top[PATH_MAX];
	struct paths paths;
	struct guest_dir dir;
};

static int set_up(void **state)
{
	struct fixture *fx = mem_new(1, sizeof(*fx));

	fx->dir = (struct guest_dir)GUEST_DIR_CLOSED;
	assert_int_equal(tree_make("", fx->top, sizeof(fx->top)), 0);
	fx->paths.run_base = mem_printf("%s/run", fx->top);
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fx = *state;

	guest_dir_close(&fx->dir);
	umask(022);
	tree_remove(fx->top);
	paths_finish(&fx->paths);
	free(fx);
	return 0;
}

static void make_guest(struct fixture *fx)
{
	struct err err = ERR_NONE;

	if (guest_dir_lock(&fx->dir, &fx->paths, "demo", &err) < 0 ||
	    guest_dir_create(&fx->dir, "demo", &err) < 0)
		fail_msg("%s", err.text);
}

static mode_t mode_of(struct fixture *fx, const char *name)
{
	AUTO_FREE char *path = mem_printf("%s/run%s", fx->top, name);
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static int listen_at(struct fixture *fx, const char *name, mode_t mode)
{
	AUTO_FREE char *path = mem_printf("%s/run/demo/%s", fx->top, name);

	return listen_open(path, mode, NULL);
}

static void modes_hold_under_any_umask(void **state)
{
	static const mode_t masks[] = { 0, 022, 077 };
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		AUTO_CLOSE int fd = -1;

		umask(masks[i]);
		make_guest(fx);
		fd = listen_at(fx, "control.sock", 0666);
		assert_true(fd >= 0);
		assert_int_equal(umask(masks[i]), masks[i]);
		assert_int_equal(mode_of(fx, ""), 0755);
		assert_int_equal(mode_of(fx, "/demo"), 0755);
		assert_int_equal(mode_of(fx, "/demo/control.sock"), 0666);
		assert_int_equal(guest_dir_remove(&fx->dir, "demo", NULL), 0);
		tear_down(state);
		set_up(state);
		fx = *state;
	}
}

// Who can read a lock file could hold a read lock on it, and no guest would start any more.
static void locks_are_for_their_owner_alone(void **state)
{
	static const char *const locks[] = { "/.lock-demo", "/.alive-demo", "/.host" };
	struct fixture *fx = *state;

	umask(0);
	make_guest(fx);
	for (size_t i = 0; i < ARRAY_SIZE(locks); i++)
		assert_int_equal(mode_of(fx, locks[i]) & 077, 0);
}

static void removal_goes_as_deep_as_a_hostile_qemu_went(void **state)
{
	enum { DEPTH = 300 };
	struct fixture *fx = *state;
	AUTO_CLOSE int at = -1, outside = -1;

	make_guest(fx);
	at = openat(fx->dir.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < DEPTH; i++) {
		int next;

		assert_int_equal(mkdirat(at, i % 2 ? "sub" : ".removed-1", 0700), 0);
		assert_int_equal(mkdirat(at, "beside", 0700), 0);
		next = openat(at, i % 2 ? "sub" : ".removed-1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	outside = open(fx->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(io_replace_file(outside, "kept", "x", 0600, NULL), 0);
	assert_int_equal(symlinkat(fx->top, at, "link"), 0);
	assert_int_equal(guest_dir_remove(&fx->dir, "demo", NULL), 0);
	assert_int_equal(faccessat(fx->dir.base, "demo", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(faccessat(outside, "kept", F_OK, 0), 0);
}

static void a_stale_socket_is_replaced_and_nothing_else(void **state)
{
	struct fixture *fx = *state;
	AUTO_FREE char *target = mem_printf("%s/target", fx->top);
	AUTO_CLOSE int first = -1, second = -1;
	struct stat st;

	make_guest(fx);
	first = listen_at(fx, "a.sock", 0600);
	second = listen_at(fx, "a.sock", 0600);
	assert_true(first >= 0 && second >= 0);

	assert_int_equal(io_replace_file(fx->dir.dir, "b.sock", "dear", 0600, NULL), 0);
	assert_int_equal(listen_at(fx, "b.sock", 0600), -EADDRINUSE);
	assert_int_equal(fstatat(fx->dir.dir, "b.sock", &st, 0), 0);
	assert_int_equal(st.st_size, 4);

	assert_int_equal(symlinkat(target, fx->dir.dir, "c.sock"), 0);
	assert_int_equal(listen_at(fx, "c.sock", 0666), -EADDRINUSE);
	assert_int_equal(access(target, F_OK), -1);
}

static void a_name_that_does_not_fit_is_refused(void **state)
{
	struct fixture *fx = *state;
	AUTO_CLOSE int fd = -1;
	char name[200];

	make_guest(fx);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(listen_at(fx, name, 0600), -ENAMETOOLONG);
	name[90] = '\0';
	fd = listen_at(fx, name, 0600);
	assert_true(fd >= 0);
	assert_int_equal(faccessat(fx->dir.dir, name, F_OK, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(modes_hold_under_any_umask, set_up, tear_down),
		cmocka_unit_test_setup_teardown(locks_are_for_their_owner_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(removal_goes_as_deep_as_a_hostile_qemu_went, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_stale_socket_is_replaced_and_nothing_else, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_name_that_does_not_fit_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
