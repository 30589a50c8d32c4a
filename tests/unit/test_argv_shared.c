// SPDX-License-Identifier: MIT
#include "tests/unit/argv_fixture.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/profile/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void add_section(struct argv_fixture *fx, const char *section)
{
	profile_set_origin(&fx->profile, section, NULL, "", "demo.conf", 1);
}

static void want_glass(struct argv_fixture *fx, int width, int height, bool hdr)
{
	add_section(fx, "lookingglass");
	fx->profile.lookingglass.width = width;
	fx->profile.lookingglass.height = height;
	fx->profile.lookingglass.hdr = hdr;
}

static void want_scream(struct argv_fixture *fx, uint64_t size)
{
	add_section(fx, "scream");
	fx->profile.scream.size = size;
}

// Root starts it for uid 1000; QEMU runs as uid 500.
static void go_live(struct argv_fixture *fx)
{
	fx->facts.live = fx->facts.root = true;
	mem_set(&fx->facts.viewer.name, "viewer");
	fx->facts.viewer.uid = fx->facts.viewer.gid = 1000;
	fx->facts.viewer.found = true;
	argv_fixture_make(fx);
	// what choose_user does before
	fx->plan.user.uid = fx->plan.user.gid = 500;
	change_list_finish(&fx->plan.changes);
	strv_finish(&fx->plan.shared_files);
	argv_shared(&fx->build);
}

static struct file_fact *put_file(struct argv_fixture *fx, const char *path, uint64_t size)
{
	struct file_fact *file = MEM_PUSH(fx->facts.files, fx->facts.n_files);

	*file = (struct file_fact){ .path = mem_dup(path), .type = FILE_REGULAR, .size = size, .uid = 1000,
				    .gid = 500, .mode = 0660 };
	return file;
}

// "KIND PATH WANT" of every change, a line each
static void expect_changes(const struct argv_fixture *fx, const char *wanted)
{
	AUTO_STR struct str text = { 0 };

	for (size_t i = 0; i < fx->plan.changes.count; i++) {
		const struct change *change = &fx->plan.changes.items[i];

		assert_true(change->why && *change->why);
		str_addf(&text, "%s %s %s\n", change->kind, change->path, change->want);
	}
	assert_string_equal(str_text(&text), wanted);
}

// The project's own figures for 1080p and 1440p; the others by its rule.
static void test_size(void **state)
{
	static const struct {
		int width, height;
		bool hdr;
		int mib;
	} rows[] = {
		{ 1920, 1080, false, 32 },  { 2560, 1440, false, 64 }, { 3840, 2160, false, 128 },
		{ 1920, 1080, true, 64 },   { 3840, 2160, true, 256 }, { 1024, 768, false, 16 },
		{ 7680, 4320, false, 512 }, { 320, 200, false, 16 },   { 2880, 1620, false, 64 },
		{ 16384, 16384, true, 8192 },
	};
	struct argv_fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *value = mem_printf("memory-backend-file,id=lookingglass,mem-path=/dev/shm/"
						   "looking-glass,size=%llu,share=on",
						   (unsigned long long)rows[i].mib << 20);

		want_glass(fx, rows[i].width, rows[i].height, rows[i].hdr);
		argv_fixture_make(fx);
		if (!argv_fixture_has(fx, "-object", value))
			fail_msg("%dx%d: not %d MiB", rows[i].width, rows[i].height, rows[i].mib);
		assert_true(argv_fixture_has(fx, "-device",
					     "ivshmem-plain,id=lookingglass-device,memdev=lookingglass"));
	}
}

static void test_spice(void **state)
{
	struct argv_fixture *fx = *state;
	const char *with = "looking-glass-client -f /dev/shm/looking-glass -c "
			   "/run/vfiorun/demo/qemu/spice.sock -p 0";
	const char *without = "looking-glass-client -f /dev/shm/looking-glass spice:enable=no";
	static const char spice[] = "unix=on,addr=/run/vfiorun/demo/qemu/spice.sock,disable-ticketing=on";

	want_glass(fx, 1920, 1080, false);
	argv_fixture_make(fx);
	assert_true(argv_fixture_has(fx, "-display", "none"));
	assert_true(argv_fixture_has(fx, "-spice", spice));
	assert_string_equal(fx->plan.clients.items[0], with);

	fx->profile.display.type = DISPLAY_SPICE; // one socket serves both
	argv_fixture_make(fx);
	assert_true(argv_fixture_has(fx, "-spice", spice));
	assert_null(argv_fixture_value(fx, "-spice", 1));
	assert_string_equal(fx->plan.clients.items[0], with);

	fx->profile.display.type = DISPLAY_NONE;
	add_section(fx, "input");
	argv_fixture_make(fx);
	assert_null(argv_fixture_value(fx, "-spice", 0));
	assert_string_equal(fx->plan.clients.items[0], without);
}

static void test_no_spice_in_this_qemu(void **state)
{
	struct argv_fixture *fx = *state;

	want_glass(fx, 1920, 1080, false);
	argv_fixture_add_caps(fx, "machine/q35 device/ivshmem-plain");
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "display-missing"));
	argv_fixture_add_caps(fx, "spice");
	argv_fixture_make(fx);
	assert_null(argv_fixture_diag(fx, "display-missing"));
	assert_null(argv_fixture_diag(fx, "shared-missing"));
}

static void test_nothing_asked(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_make(fx);
	assert_null(argv_fixture_value(fx, "-spice", 0));
	assert_int_equal(fx->plan.changes.count + fx->plan.clients.count + fx->plan.shared_files.count, 0);
}

static void test_made(void **state)
{
	struct argv_fixture *fx = *state;

	want_glass(fx, 1920, 1080, false);
	want_scream(fx, 2 << 20);
	go_live(fx);
	expect_changes(fx, "shm /dev/shm/looking-glass size=32M mode=0660 uid=1000 gid=500\n"
			   "shm /dev/shm/scream-ivshmem size=2M mode=0660 uid=1000 gid=500\n");
	assert_int_equal(fx->plan.shared_files.count, 2);
	fx->facts.viewer.uid = 500; // QEMU's own user: nobody else needs it
	change_list_finish(&fx->plan.changes);
	argv_shared(&fx->build);
	expect_changes(fx, "shm /dev/shm/looking-glass size=32M mode=0600 uid=500 gid=500\n"
			   "shm /dev/shm/scream-ivshmem size=2M mode=0600 uid=500 gid=500\n");
}

static void test_there_already(void **state)
{
	static const char anew[] = "aside /dev/shm/looking-glass aside\n"
				   "shm /dev/shm/looking-glass size=32M mode=0660 uid=1000 gid=500\n";
	struct argv_fixture *fx = *state;
	struct file_fact *file = put_file(fx, "/dev/shm/looking-glass", 16 << 20);

	want_glass(fx, 1920, 1080, false);
	go_live(fx);
	expect_changes(fx, anew);
	file->size = 32 << 20; // as it should be: it stays, and stays afterwards
	go_live(fx);
	expect_changes(fx, "");
	file->mode = 0644;
	go_live(fx);
	expect_changes(fx, anew);
	file->mode = 0660;
	file->gid = 0;
	go_live(fx);
	expect_changes(fx, anew);
	file->type = FILE_MISSING;
	go_live(fx);
	expect_changes(fx, "shm /dev/shm/looking-glass size=32M mode=0660 uid=1000 gid=500\n");
	file->type = FILE_OTHER;
	go_live(fx);
	assert_non_null(argv_fixture_diag(fx, "file-kind"));
}

// What an earlier guest said would be heard.
static void test_scream_is_always_new(void **state)
{
	struct argv_fixture *fx = *state;

	put_file(fx, "/dev/shm/scream-ivshmem", 2 << 20);
	want_scream(fx, 2 << 20);
	go_live(fx);
	expect_changes(fx, "aside /dev/shm/scream-ivshmem aside\n"
			   "shm /dev/shm/scream-ivshmem size=2M mode=0660 uid=1000 gid=500\n");
	assert_string_equal(fx->plan.clients.items[0], "scream -m /dev/shm/scream-ivshmem");
}

static void test_whose(void **state)
{
	struct argv_fixture *fx = *state;

	put_file(fx, "/dev/shm/looking-glass", 0);
	want_glass(fx, 1920, 1080, false);
	fx->facts.self.uid = 2000;
	go_live(fx);
	assert_null(argv_fixture_diag(fx, "shared-foreign"));
	fx->facts.root = false;
	argv_shared(&fx->build);
	assert_non_null(argv_fixture_diag(fx, "shared-foreign"));

	strv_add(&fx->facts.others_memory, "/dev/shm/looking-glass2 is guest other's");
	argv_shared(&fx->build);
	assert_null(argv_fixture_diag(fx, "shared-in-use"));
	strv_add(&fx->facts.others_memory, "/dev/shm/looking-glass is guest other's");
	argv_shared(&fx->build);
	assert_non_null(argv_fixture_diag(fx, "shared-in-use"));
}

static void test_scream_is_found_by_size(void **state)
{
	struct argv_fixture *fx = *state;

	want_glass(fx, 1920, 1080, false);
	want_scream(fx, 2 << 20);
	argv_fixture_make(fx);
	assert_null(argv_fixture_diag(fx, "shared-size"));
	want_scream(fx, 32 << 20);
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "shared-size"));

	want_scream(fx, 2 << 20);
	strv_add(&fx->profile.qemu.args, "memory-backend-ram,id=x,size=2M");
	argv_fixture_make(fx);
	assert_null(argv_fixture_diag(fx, "shared-size"));
	strv_add(&fx->profile.qemu.args, "ivshmem-plain,memdev=x");
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "shared-size"));
}

static void test_kvmfr(void **state)
{
	struct argv_fixture *fx = *state;

	want_glass(fx, 1920, 1080, false);
	fx->profile.lookingglass.kvmfr = TRI_YES;
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "kvmfr-missing"));

	fx->profile.lookingglass.kvmfr = TRI_AUTO;
	fx->facts.system.kvmfr = true;
	go_live(fx);
	expect_changes(fx, "owner /dev/kvmfr0 mode=0660 uid=1000 gid=500\n");
	assert_true(argv_fixture_has(fx, "-object", "memory-backend-file,id=lookingglass,mem-path=/dev/kvmfr0,"
						    "size=33554432,share=on"));
	assert_non_null(strstr(fx->plan.clients.items[0], "-f /dev/kvmfr0 "));

	fx->profile.lookingglass.file = mem_dup("/dev/shm/other"); // a file that was named is what was wanted
	go_live(fx);
	expect_changes(fx, "shm /dev/shm/other size=32M mode=0660 uid=1000 gid=500\n");
	mem_set(&fx->profile.lookingglass.file, NULL);
	fx->profile.lookingglass.kvmfr = TRI_NO;
	go_live(fx);
	expect_changes(fx, "shm /dev/shm/looking-glass size=32M mode=0660 uid=1000 gid=500\n");
}

static void test_owner(void **state)
{
	struct argv_fixture *fx = *state;

	want_glass(fx, 1920, 1080, false);
	fx->profile.lookingglass.owner = mem_dup("viewer");
	go_live(fx);
	assert_null(argv_fixture_diag(fx, "no-user"));
	assert_non_null(argv_fixture_diag(fx, "spice-user"));
	fx->facts.viewer.found = false;
	argv_shared(&fx->build);
	assert_non_null(argv_fixture_diag(fx, "no-user"));
	fx->facts.viewer.found = true;
	fx->facts.root = false;
	argv_shared(&fx->build);
	assert_non_null(argv_fixture_diag(fx, "not-root"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARGV_TEST(test_size),
		ARGV_TEST(test_spice),
		ARGV_TEST(test_no_spice_in_this_qemu),
		ARGV_TEST(test_nothing_asked),
		ARGV_TEST(test_made),
		ARGV_TEST(test_there_already),
		ARGV_TEST(test_scream_is_always_new),
		ARGV_TEST(test_whose),
		ARGV_TEST(test_scream_is_found_by_size),
		ARGV_TEST(test_kvmfr),
		ARGV_TEST(test_owner),
	};

	return cmocka_run_group_tests_name("argv_shared", tests, NULL, NULL);
}
