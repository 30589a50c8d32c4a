// SPDX-License-Identifier: MIT
// What is kept of a QEMU's answers, and when it is asked again: the fake QEMU counts its starts.
#include "launcher/facts/qemu.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "qmp/caps.h"
#include "tests/unit/fake_qemu.h"
#include "tests/unit/tree.h"
#include "tune/host/system.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

// Starts that one whole question takes: the words, and KVM with Hyper-V.
enum { WORDS = 1, KVM = 1 };

struct state {
	char dir[128], bin[160], path[256];
	char *cache;
	struct system_facts system;
	struct qemu_question question;
	struct qemu_caps caps;
	struct err err;
	int starts;
};

static int setup(void **state)
{
	struct state *s = mem_new(1, sizeof(*s));

	assert_int_equal(tree_make("bin/\nlib/qemu/\n", s->dir, sizeof(s->dir)), 0);
	chmod(s->dir, 0755);
	snprintf(s->bin, sizeof(s->bin), "%s/bin", s->dir);
	fake_qemu_make(s->bin, "fake-qemu", s->path, sizeof(s->path));
	s->cache = mem_printf("%s/var/cache", s->dir);
	s->system = (struct system_facts){ .kernel = "6.1", .distro = "debian", .kvm_present = true,
					   .kvm_params = mem_dup("kvm.x=1\nkvm.y=N") };
	s->question = (struct qemu_question){ .binary = s->path, .uid = (uid_t)-1, .gid = (gid_t)-1,
					      .cache_dir = s->cache };
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	qemu_caps_finish(&s->caps);
	free(s->system.kvm_params);
	free(s->cache);
	tree_remove(s->dir);
	free(s);
	return 0;
}

// Reads, and asserts how many starts of QEMU that took.
static void assert_starts(struct state *s, int wanted)
{
	qemu_caps_finish(&s->caps);
	if (qemu_facts_read(&s->question, &s->system, &s->caps, &s->err) < 0)
		fail_msg("%s", s->err.text);
	assert_true(s->caps.known);
	assert_true(qemu_caps_has(&s->caps, "device/vfio-pci"));
	assert_string_equal(s->caps.version, "9.8.7");
	assert_int_equal(fake_qemu_starts(s->bin) - s->starts, wanted);
	s->starts = fake_qemu_starts(s->bin);
}

// The one file in the cache, below the test's directory.
static char *cached(const struct state *s)
{
	AUTO_CLOSEDIR DIR *dir = opendir(s->cache);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name != '.')
			return mem_printf("var/cache/%s", entry->d_name);
	}
	return NULL;
}

static void test_the_second_read_starts_nothing(void **state)
{
	struct state *s = *state;
	AUTO_STR struct str first = { 0 }, second = { 0 };

	assert_starts(s, WORDS);
	qemu_caps_print(&s->caps, &first);
	assert_starts(s, 0);
	qemu_caps_print(&s->caps, &second);
	assert_string_equal(first.text, second.text);
}

static void test_what_makes_it_ask_again(void **state)
{
	struct state *s = *state;
	const struct timespec times[2] = { { 1000, 1 }, { 1000, 2 } }, later[2] = { { 1000, 1 }, { 1000, 3 } };
	AUTO_FREE char *modules = mem_printf("%s/lib/qemu", s->dir);

	assert_int_equal(utimensat(AT_FDCWD, s->path, times, 0), 0);
	assert_starts(s, WORDS);
	assert_int_equal(utimensat(AT_FDCWD, s->path, later, 0), 0);
	assert_starts(s, WORDS);
	strcpy(s->system.kernel, "6.2");
	assert_starts(s, WORDS);
	mem_set(&s->system.kvm_params, "kvm.x=2\nkvm.y=N");
	assert_starts(s, WORDS);
	assert_int_equal(utimensat(AT_FDCWD, modules, times, 0), 0);
	assert_starts(s, WORDS);
	// Another user is another question, not an end of the first.
	s->question.uid = s->question.gid = geteuid() == 0 ? 65534 : 4711;
	assert_starts(s, WORDS);
	s->question.uid = s->question.gid = (uid_t)-1;
	assert_starts(s, 0);
}

static void test_kvm_is_asked_once_a_model(void **state)
{
	struct state *s = *state;

	assert_starts(s, WORDS);
	s->question.cpu_model = "host";
	assert_starts(s, KVM);
	assert_true(qemu_caps_has(&s->caps, "accel/kvm/host"));
	assert_true(qemu_caps_has(&s->caps, "kvm/hv-time"));
	assert_starts(s, 0);
	s->question.cpu_model = "max";
	assert_starts(s, KVM);
	s->question.cpu_model = "host";
	assert_starts(s, 0);
	assert_true(qemu_caps_has(&s->caps, "accel/kvm/max"));
}

static void test_without_kvm_nothing_tries_it(void **state)
{
	struct state *s = *state;

	s->question.cpu_model = "host";
	s->system.kvm_present = false;
	assert_starts(s, WORDS);
	assert_false(qemu_caps_has(&s->caps, "accel/kvm/host"));
	assert_null(qemu_caps_after(&s->caps, "no-accel/"));
}

// Makes all that is in the cache so old.
static void age(struct state *s, int seconds)
{
	const struct timespec then = { .tv_sec = time(NULL) - seconds };
	const struct timespec times[2] = { then, then };
	AUTO_CLOSEDIR DIR *dir = opendir(s->cache);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		assert_int_equal(utimensat(dirfd(dir), entry->d_name, times, 0), 0);
}

static void test_a_no_grows_old_and_a_yes_does_not(void **state)
{
	struct state *s = *state;

	fake_qemu_make(s->bin, "fake-qemu.no-hyperv", s->path, sizeof(s->path));
	s->question.cpu_model = "host";
	assert_starts(s, WORDS + 2 * KVM);
	age(s, 1000);
	assert_starts(s, 0);
	fake_qemu_make(s->bin, "fake-qemu.no-kvm", s->path, sizeof(s->path));
	assert_starts(s, WORDS + 2 * KVM);
	assert_true(qemu_caps_has(&s->caps, "no-accel/kvm/host/it exited with status 1: fake: no KVM here"));
	assert_starts(s, 0);
	age(s, 500);
	assert_starts(s, 0);
	age(s, 1000);
	assert_starts(s, 2 * KVM);
	assert_starts(s, 0);
	// A clock that was wrong.
	age(s, -1000);
	assert_starts(s, WORDS + 2 * KVM);
}

// --- trust ---

static void test_a_cache_that_others_could_write_is_not_read(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *name = NULL, *file = NULL, *moved = NULL;

	assert_starts(s, WORDS);
	name = cached(s);
	file = mem_printf("%s/%s", s->dir, name);
	moved = mem_printf("%s/moved", s->dir);
	chmod(file, 0664);
	assert_starts(s, WORDS);
	assert_starts(s, 0); // written anew
	assert_int_equal(rename(file, moved), 0);
	assert_int_equal(symlink(moved, file), 0);
	assert_starts(s, WORDS);
	assert_starts(s, 0);
	chmod(s->cache, 0777);
	assert_starts(s, WORDS);
	assert_starts(s, WORDS); // and not written either
	chmod(s->cache, 0755);
	assert_starts(s, 0);
	assert_int_equal(unlink(moved), 0);
	assert_int_equal(rename(s->cache, moved), 0);
	assert_int_equal(symlink(moved, s->cache), 0);
	assert_starts(s, WORDS);
}

static void test_root_trusts_only_root(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *name = NULL, *file = NULL;

	if (geteuid() != 0)
		skip();
	assert_starts(s, WORDS);
	name = cached(s);
	file = mem_printf("%s/%s", s->dir, name);
	assert_int_equal(chown(file, 65534, 65534), 0);
	assert_starts(s, WORDS);
	assert_int_equal(chown(s->cache, 65534, 65534), 0);
	assert_starts(s, WORDS);
	assert_starts(s, WORDS);
}

static void test_a_spoilt_cache_is_asked_again(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *name = NULL, *text = NULL;

	assert_starts(s, WORDS);
	name = cached(s);
	text = tree_read(s->dir, name);
	text[strlen(text) / 2] = '\0'; // cut
	tree_write(s->dir, name, text);
	assert_starts(s, WORDS);
	tree_write(s->dir, name, "");
	assert_starts(s, WORDS);
	tree_write(s->dir, name, "garbage\n");
	assert_starts(s, WORDS);
	assert_starts(s, 0);
}

static void test_no_place_for_a_cache_is_no_failure(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *name = NULL, *file = NULL;

	s->question.cache_dir = NULL;
	assert_starts(s, WORDS);
	s->question.cache_dir = "/dev/null/cache";
	assert_starts(s, WORDS);
	s->question.cache_dir = s->path;
	assert_starts(s, WORDS);
	// A full or read-only file system: here a name that is taken by a directory.
	s->question.cache_dir = s->cache;
	assert_starts(s, WORDS);
	name = cached(s);
	file = mem_printf("%s/%s", s->dir, name);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkdir(file, 0755), 0);
	assert_starts(s, WORDS);
	assert_starts(s, WORDS);
}

static void test_a_script_is_never_kept(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *script = mem_printf("%s/script", s->bin);
	AUTO_FREE char *text = mem_printf("#!/bin/sh\nexec '%s' \"$@\"\n", s->path);

	tree_write(s->dir, "bin/script", text);
	chmod(script, 0755);
	s->question.binary = script;
	assert_starts(s, WORDS);
	assert_starts(s, WORDS);
	assert_null(cached(s));
}

// --- finding ---

static void test_a_path_is_taken_as_it_is(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *found = qemu_find("/none/qemu", &s->system, &s->err);

	assert_string_equal(found, "/none/qemu");
	s->question.binary = "/none/qemu";
	assert_int_equal(qemu_facts_read(&s->question, &s->system, &s->caps, &s->err), -ENOENT);
	assert_false(s->caps.known);
	assert_non_null(strstr(s->err.text, "/none/qemu"));
}

static void test_a_name_that_is_nowhere(void **state)
{
	struct state *s = *state;

	assert_null(qemu_find("no-such-qemu", &s->system, &s->err));
	assert_int_equal(s->err.code, -ENOENT);
	assert_non_null(strstr(s->err.text, "no-such-qemu"));
	assert_non_null(strstr(s->err.hint, "apt install qemu-system-x86"));
	*s->system.distro = '\0';
	assert_null(qemu_find("no-such-qemu", &s->system, &s->err));
	assert_non_null(strstr(s->err.hint, "install QEMU"));
	s->question.binary = "no-such-qemu";
	assert_int_equal(qemu_facts_read(&s->question, &s->system, &s->caps, &s->err), -ENOENT);
}

static void test_root_does_not_look_in_path(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *before = mem_dup(getenv("PATH"));
	AUTO_FREE char *found = NULL;

	setenv("PATH", s->bin, 1);
	found = qemu_find("fake-qemu", &s->system, &s->err);
	setenv("PATH", before, 1);
	if (geteuid() == 0)
		assert_null(found);
	else
		assert_string_equal(found, s->path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_the_second_read_starts_nothing),
		TEST(test_what_makes_it_ask_again),
		TEST(test_kvm_is_asked_once_a_model),
		TEST(test_without_kvm_nothing_tries_it),
		TEST(test_a_no_grows_old_and_a_yes_does_not),
		TEST(test_a_cache_that_others_could_write_is_not_read),
		TEST(test_root_trusts_only_root),
		TEST(test_a_spoilt_cache_is_asked_again),
		TEST(test_no_place_for_a_cache_is_no_failure),
		TEST(test_a_script_is_never_kept),
		TEST(test_a_path_is_taken_as_it_is),
		TEST(test_a_name_that_is_nowhere),
		TEST(test_root_does_not_look_in_path),
	};

	(void)argc;
	fake_qemu_main(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
