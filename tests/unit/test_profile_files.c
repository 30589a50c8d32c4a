// SPDX-License-Identifier: MIT
// Profiles as files: includes, bare names, who may write them; the examples; the manual against the
// key table.
#include "base/cleanup.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/keys.h"
#include "launcher/profile/profile.h"
#include "launcher/profile/reader.h"
#include "launcher/profile/types.h"
#include "tests/unit/tree.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

// A directory of its own for each test, which is also the current one, and what was read in it.
struct fixture {
	char dir[PATH_MAX], *before;
	struct profile profile;
	struct diags diags;
	struct err err;
	int result;
};

static int setup(void **state)
{
	struct fixture *f = mem_new(1, sizeof(*f));

	f->before = getcwd(NULL, 0);
	*state = f;
	return tree_make("", f->dir, sizeof(f->dir)) < 0 || chdir(f->dir) < 0 ? -1 : 0;
}

static void forget(struct fixture *f)
{
	profile_finish(&f->profile);
	diags_finish(&f->diags);
	f->err = (struct err){ 0 };
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r = chdir(f->before);

	forget(f);
	tree_remove(f->dir);
	free(f->before);
	free(f);
	return r;
}

static void read_profile(struct fixture *f, const char *path, const struct profile_options *options)
{
	static const struct profile_options plain = { 0 };

	forget(f);
	f->result = profile_read(&f->profile, path, options ? options : &plain, &f->diags, &f->err);
}

static void expect_silence(const struct fixture *f)
{
	AUTO_STR struct str all = { 0 };

	for (size_t i = 0; i < f->diags.count; i++)
		diag_print(&f->diags.items[i], &all);
	if (f->result < 0 || all.len)
		fail_msg("\n%s%s", f->err.text, str_text(&all));
}

static void expect_diag(const struct fixture *f, size_t i, const char *file, int line,
			const char *says)
{
	assert_int_equal(f->result, 0);
	assert_true(f->diags.count > i);
	assert_string_equal(f->diags.items[i].file, file);
	assert_int_equal(f->diags.items[i].line, line);
	if (!strstr(f->diags.items[i].text, says))
		fail_msg("%s", f->diags.items[i].text);
}

static char *below(const struct fixture *f, const char *path)
{
	return mem_printf("%s/%s", f->dir, path);
}

// --- includes

static void test_include(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *disk = below(f, "inc/disk.img");
	struct place place;

	assert_int_equal(
		tree_write(
			f->dir, "inc/common.conf",
			"[vm]\nmemory = 1G\noperators = a\nshutdown_timeout = 5\n[disk \"d\"]\nfile = disk.img\n"),
		0);
	assert_int_equal(
		tree_write(
			f->dir, "x.conf",
			"[vm]\nshutdown_timeout = 4\ninclude = inc/common.conf\noperators = b\nname = y\n"
			"memory = 2G\n"),
		0);
	read_profile(f, "x.conf", NULL);
	expect_silence(f);
	assert_string_equal(f->profile.vm.name, "y");
	assert_int_equal(f->profile.vm.memory, UINT64_C(2) << 30);
	assert_int_equal(f->profile.vm.shutdown_timeout, 5);
	assert_int_equal(f->profile.vm.operators.count, 2);
	assert_string_equal(f->profile.vm.operators.items[1], "b");
	assert_string_equal(f->profile.disks[0].file, disk);
	place = profile_where(&f->profile, "vm", NULL, "shutdown_timeout");
	assert_string_equal(place.file, "inc/common.conf");
	assert_int_equal(place.line, 4);
}

static void test_include_mistakes(void **state)
{
	struct fixture *f = *state;

	tree_write(f->dir, "inc/a.conf", "[vm]\nmemroy = 1G\n[cpu]\nvcpus = x\n");
	tree_write(f->dir, "x.conf",
		   "[vm]\ninclude = inc/a.conf\ninclude = gone.conf\nmemory = 1G\nnmae = 1\n");
	read_profile(f, "./x.conf", NULL);
	expect_diag(f, 0, "./x.conf", 3, "gone.conf: No such file");
	expect_diag(f, 1, "./x.conf", 5, "`nmae`");
	expect_diag(f, 2, "inc/a.conf", 2, "`memroy`");
	expect_diag(f, 3, "inc/a.conf", 4, "vcpus = x");
	assert_int_equal(f->diags.count, 4);
}

static void test_include_circle(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *chain =
		mem_printf("%s/a.conf includes %s/sub/b.conf includes %s/sub/../a.conf includes "
			   "%s/sub/../sub/b.conf",
			   f->dir, f->dir, f->dir, f->dir);

	tree_write(f->dir, "x.conf", "[vm]\nmemory = 1G\ninclude = ./x.conf\n");
	read_profile(f, "x.conf", NULL);
	expect_diag(f, 0, "x.conf", 3, "in a circle");
	assert_int_equal(f->diags.count, 1);
	tree_write(f->dir, "a.conf", "[vm]\nmemory = 1G\ninclude = sub/b.conf\n");
	tree_write(f->dir, "sub/b.conf", "[vm]\ninclude = ../a.conf\n");
	read_profile(f, "a.conf", NULL);
	assert_int_equal(f->diags.count, 1);
	assert_non_null(strstr(f->diags.items[0].text, chain));
}

static void test_include_bounds(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		AUTO_FREE char *name = mem_printf("d%d.conf", i);

		tree_writef(f->dir, name, "[vm]\nmemory = 1G\ninclude = d%d.conf\n", i + 1);
	}
	read_profile(f, "d0.conf", NULL);
	expect_diag(f, 0, "d7.conf", 3, "nested too deep");
	assert_non_null(strstr(f->diags.items[0].text, "d0.conf includes "));
	assert_int_equal(f->diags.count, 1);
	for (int i = 0; i < 8; i++) {
		AUTO_FREE char *name = mem_printf("w%d.conf", i);

		tree_writef(f->dir, name,
			    "[vm]\nmemory = 1G\ninclude = w%d.conf\ninclude = w%d.conf\n", i + 1,
			    i + 1);
	}
	tree_write(f->dir, "w8.conf", "");
	read_profile(f, "w0.conf", NULL);
	assert_true(f->diags.count >= 1 && f->diags.count < 110);
	assert_non_null(strstr(f->diags.items[0].text, "too many includes"));
}

static void test_sets_include_from_here(void **state)
{
	struct fixture *f = *state;
	AUTO_STRV struct strv sets = { 0 };
	AUTO_FREE char *kernel = below(f, "k");
	struct profile_options options = { .sets = &sets };

	tree_write(f->dir, "sub/x.conf", "[vm]\nmemory = 1G\n");
	tree_write(f->dir, "more.conf", "[boot]\nkernel = k\n");
	strv_add(&sets, "vm.include=more.conf");
	read_profile(f, "sub/x.conf", &options);
	expect_silence(f);
	assert_string_equal(f->profile.boot.kernel, kernel);
}

// --- finding and reading

static void test_bare_names(void **state)
{
	struct fixture *f = *state;
	struct profile_options options = { .search_dir = "etc" };

	tree_write(f->dir, "etc/win.conf", "[vm]\nmemory = 1G\n");
	tree_write(f->dir, "win", "[vm]\nmemory = 2G\n");
	tree_write(f->dir, "local", "[vm]\nmemory = 3G\n");
	tree_write(f->dir, "win.conf", "[vm]\nmemory = 4G\n");
	read_profile(f, "win", &options);
	expect_silence(f);
	assert_string_equal(f->profile.path, "etc/win.conf");
	assert_string_equal(f->profile.vm.name, "win");
	read_profile(f, "./win", &options);
	assert_int_equal(f->profile.vm.memory, UINT64_C(2) << 30);
	read_profile(f, "local", &options);
	assert_int_equal(f->profile.vm.memory, UINT64_C(3) << 30);
	read_profile(f, "win.conf", &options);
	assert_int_equal(f->profile.vm.memory, UINT64_C(4) << 30);
	options.search_dir = NULL;
	read_profile(f, "win", &options);
	assert_int_equal(f->profile.vm.memory, UINT64_C(2) << 30);
}

static void test_unreadable(void **state)
{
	struct fixture *f = *state;
	struct profile_options options = { .search_dir = "etc" };
	AUTO_STR struct str big = { 0 };

	read_profile(f, "gone", &options);
	assert_int_equal(f->result, -ENOENT);
	assert_non_null(strstr(f->err.text, "etc/gone.conf"));
	assert_non_null(strstr(f->err.hint, "./gone.conf"));
	tree_write(f->dir, "gone.conf", "");
	read_profile(f, "gone", &options);
	assert_non_null(strstr(f->err.hint, "there is a gone.conf here"));
	read_profile(f, "a/../b.conf", &options);
	assert_int_equal(f->result, -ENOENT);
	read_profile(f, f->dir, NULL);
	assert_int_equal(f->result, -EISDIR);
	while (big.len <= 1 << 20)
		str_add(&big, "# a line\n");
	tree_write(f->dir, "big.conf", big.text);
	read_profile(f, "big.conf", NULL);
	assert_int_equal(f->result, -EFBIG);
	assert_int_equal(f->diags.count, 0);
}

// --- what root refuses

static void expect_refused(struct fixture *f, const char *why)
{
	assert_int_equal(f->result, -EPERM);
	if (!strstr(f->err.text, why))
		fail_msg("%s", f->err.text);
	assert_non_null(strstr(f->err.hint, "install -m 644"));
}

static void test_foreign(void **state)
{
	static const struct profile_options options = { .refuse_foreign = true };
	struct fixture *f = *state;

	tree_write(f->dir, "sub/x.conf", "[vm]\nmemory = 1G\n");
	chmod("sub", 0755);
	chmod("sub/x.conf", 0644);
	read_profile(f, "sub/x.conf", &options);
	expect_silence(f);
	chmod("sub/x.conf", 0664);
	read_profile(f, "sub/x.conf", &options);
	expect_refused(f, "others can write to it");
	assert_non_null(strstr(f->err.hint, "chmod go-w"));
	read_profile(f, "sub/x.conf", NULL);
	expect_silence(f);
	chmod("sub/x.conf", 0646);
	read_profile(f, "sub/x.conf", &options);
	expect_refused(f, "others can write to it");
	chmod("sub/x.conf", 0644);
	chmod("sub", 0777);
	read_profile(f, "sub/x.conf", &options);
	expect_refused(f, "others can write to its directory");
	chmod("sub", 01777);
	read_profile(f, "sub/x.conf", &options);
	expect_silence(f);
}

// What counts is the file that is read, not the link that leads there.
static void test_foreign_behind_link(void **state)
{
	static const struct profile_options options = { .refuse_foreign = true };
	struct fixture *f = *state;

	tree_write(f->dir, "open/x.conf", "[vm]\nmemory = 1G\n");
	chmod("open/x.conf", 0644);
	chmod("open", 0777);
	tree_write(f->dir, "safe/y.conf", "");
	chmod("safe", 0755);
	assert_int_equal(symlink("../open/x.conf", "safe/x.conf"), 0);
	read_profile(f, "safe/x.conf", &options);
	expect_refused(f, "others can write to its directory");
}

static void test_foreign_include(void **state)
{
	static const struct profile_options options = { .refuse_foreign = true };
	struct fixture *f = *state;

	tree_write(f->dir, "sub/x.conf", "[vm]\nmemory = 1G\ninclude = y.conf\n");
	tree_write(f->dir, "sub/y.conf", "");
	chmod("sub", 0755);
	chmod("sub/x.conf", 0644);
	chmod("sub/y.conf", 0666);
	read_profile(f, "sub/x.conf", &options);
	expect_diag(f, 0, "sub/x.conf", 3, "others can write to it");
	assert_int_equal(f->diags.items[0].level, DIAG_ERROR);
	assert_non_null(f->diags.items[0].hint);
}

static void test_foreign_owner(void **state)
{
	static const struct profile_options options = { .refuse_foreign = true };
	struct fixture *f = *state;

	tree_write(f->dir, "sub/x.conf", "[vm]\nmemory = 1G\n");
	chmod("sub", 0755);
	chmod("sub/x.conf", 0644);
	if (chown("sub/x.conf", 12345, 12345) < 0)
		skip();
	read_profile(f, "sub/x.conf", &options);
	expect_refused(f, "another user owns it");
	assert_int_equal(chown("sub/x.conf", 0, 0), 0);
	assert_int_equal(chown("sub", 12345, 0), 0);
	read_profile(f, "sub/x.conf", &options);
	expect_refused(f, "another user owns its directory");
}

// --- what is shipped: read where make starts the tests, at the top of the source

static void test_examples(void **state)
{
	static const struct profile_options options = { 0 };
	glob_t found;

	(void)state;
	assert_int_equal(glob("profiles/*.conf", 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 5);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct fixture f = { 0 };

		f.result = profile_read(&f.profile, found.gl_pathv[i], &options, &f.diags, &f.err);
		expect_silence(&f);
		assert_true(profile_has(&f.profile, "vm", NULL, "name"));
		forget(&f);
	}
	globfree(&found);
}

static void read_manual(struct strv *lines)
{
	AUTO_STR struct str text = { 0 };
	struct err err = ERR_NONE;

	if (io_read_file(AT_FDCWD, "man/vfiorun.conf.5", &text, 1 << 20, &err) < 0)
		fail_msg("%s", err.text);
	strv_split(lines, text.text, "\n");
}

// The section that ".Ss [net Qq Ar name ]" begins, "" for any other heading; NULL: no heading.
static char *heading(const char *line)
{
	if (!str_starts(line, ".Ss ") && !str_starts(line, ".Sh "))
		return NULL;
	return str_starts(line, ".Ss [") ? mem_dupn(line + 5, strcspn(line + 5, "] "))
					 : mem_dup("");
}

// All of the manual about one key: its item, up to the next one; consecutive items share a text.
// NULL: none.
static char *manual_of(const struct strv *lines, const char *section, const char *key)
{
	AUTO_FREE char *item = mem_printf(".It Ic %s No ", key), *here = mem_dup("");
	struct str text = { 0 };
	bool in = false, said = false;

	for (size_t i = 0; i < lines->count; i++) {
		const char *line = lines->items[i];
		AUTO_FREE char *next = heading(line);

		if (next || (in && said && str_starts(line, ".It Ic ")))
			in = false;
		if (next) {
			free(here);
			here = take(next);
		}
		if (str_eq(here, section) && str_starts(line, item))
			in = true;
		if (in) {
			said |= !str_starts(line, ".It Ic ");
			str_addf(&text, "%s ", line);
		}
	}
	return text.len ? str_take(&text) : NULL;
}

static bool has_word(const char *text, const char *word)
{
	static const char around[] = " \n,.;()";
	size_t n = strlen(word);

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
		if (at > text && strchr(around, at[-1]) && strchr(around, at[n]))
			return true;
	}
	return false;
}

static void test_manual_has_every_key(void **state)
{
	AUTO_STRV struct strv lines = { 0 };
	size_t n;
	const struct profile_key *rows = profile_keys(&n);

	(void)state;
	read_manual(&lines);
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *text = manual_of(&lines, rows[i].section, rows[i].key);
		AUTO_FREE char *fallback = rows[i].parse == value_parse_flag ?
						   mem_dup("Default: yes.") :
						   mem_printf("Default: %ld.", rows[i].fallback);
		AUTO_FREE char *range = mem_printf("%ld to %ld", rows[i].min, rows[i].max);

		if (!text)
			fail_msg("the manual says nothing of [%s] %s", rows[i].section,
				 rows[i].key);
		for (size_t w = 0; rows[i].words && rows[i].words[w]; w++) {
			if (!has_word(text, rows[i].words[w]))
				fail_msg("[%s] %s: the manual does not name %s", rows[i].section,
					 rows[i].key, rows[i].words[w]);
		}
		if (rows[i].fallback > 0 && !strstr(text, fallback))
			fail_msg("[%s] %s: the manual does not say \"%s\"", rows[i].section,
				 rows[i].key, fallback);
		if ((rows[i].parse == value_parse_int || rows[i].parse == value_parse_long) &&
		    !strstr(text, range))
			fail_msg("[%s] %s: the manual does not say \"%s\"", rows[i].section,
				 rows[i].key, range);
		assert_true(rows[i].help && *rows[i].help && strlen(rows[i].help) < 100);
	}
}

static void test_manual_has_no_other_key(void **state)
{
	AUTO_STRV struct strv lines = { 0 };
	AUTO_FREE char *section = mem_dup("");
	size_t seen = 0, n;

	(void)state;
	read_manual(&lines);
	for (size_t i = 0; i < lines.count; i++) {
		AUTO_FREE char *next = heading(lines.items[i]);
		const char *at = lines.items[i] + strlen(".It Ic ");

		if (next) {
			free(section);
			section = take(next);
			assert_true(!*section || profile_section_find(section));
		}
		if (*section && str_starts(lines.items[i], ".It Ic ")) {
			AUTO_FREE char *key = mem_dupn(at, strcspn(at, " "));

			if (!profile_key_find(section, key))
				fail_msg("the manual has [%s] %s, the key table does not", section,
					 key);
			seen++;
		}
	}
	profile_keys(&n);
	assert_int_equal(seen, n);
}

static int load_nothing(const void *context, const char *path, struct str *text, struct err *err)
{
	(void)context;
	(void)path;
	(void)text;
	(void)err;
	return 0;
}

static void test_manual_examples(void **state)
{
	AUTO_STRV struct strv lines = { 0 };
	AUTO_STR struct str text = { 0 };
	bool examples = false, in = false;
	int read = 0;

	(void)state;
	read_manual(&lines);
	for (size_t i = 0; i < lines.count; i++) {
		const char *line = lines.items[i];

		if (str_starts(line, ".Sh "))
			examples = str_eq(line, ".Sh EXAMPLES");
		if (examples && str_eq(line, ".Ed")) {
			struct fixture f = { 0 };
			struct profile_reader reader;

			reader_init(&reader, &f.profile, &f.diags);
			reader.load = load_nothing;
			reader_read_text(&reader, "/m.conf", "/m.conf", text.text, text.len);
			reader_finish(&reader);
			expect_silence(&f);
			forget(&f);
			str_finish(&text);
			in = false;
			read++;
		}
		if (in)
			str_addf(&text, "%s\n", line);
		if (examples && str_starts(line, ".Bd"))
			in = true;
	}
	assert_int_equal(read, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_include, setup, teardown),
		cmocka_unit_test_setup_teardown(test_include_mistakes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_include_circle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_include_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sets_include_from_here, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bare_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_behind_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_include, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_owner, setup, teardown),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_manual_has_every_key),
		cmocka_unit_test(test_manual_has_no_other_key),
		cmocka_unit_test(test_manual_examples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
