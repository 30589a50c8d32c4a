// SPDX-License-Identifier: MIT
// Every example profile on every machine of tests/hosts, compared with tests/golden/MACHINE/PROFILE.plan, and what
// `host` and `check` show of the machine, with tests/golden/MACHINE/host.text and check.text.
// GOLDEN=rewrite writes these anew; the review reads the difference.
#include "launcher/check/check.h"
#include "launcher/commands/check.h"
#include "launcher/commands/host.h"
#include "launcher/facts/facts.h"
#include "launcher/guest/paths.h"
#include "launcher/plan/plan.h"
#include "launcher/plan/print.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HOSTS "tests/hosts/*.host"
#define PROFILES "profiles/*.conf"

enum { FILE_MAX = 1 << 20 };

static struct paths paths = {
	.run_base = (char *)"/run/vfiorun",
	.state_base = (char *)"/var/lib/vfiorun",
	.log_dir = (char *)"/var/log/vfiorun",
	.config_dir = (char *)"/etc/vfiorun",
	.cache_dir = (char *)"/var/cache/vfiorun",
};

static char *read_text(const char *path)
{
	AUTO_STR struct str text = { 0 };

	return io_read_file(AT_FDCWD, path, &text, FILE_MAX, NULL) < 0 ? NULL : str_take(&text);
}

// "tests/hosts/hybrid.host" → "hybrid"
static char *stem(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	return mem_dupn(name, strcspn(name, "."));
}

// A manifest's first line says which recorded QEMU is installed there.
static void load_caps(const char *manifest, struct qemu_caps *caps)
{
	AUTO_FREE char *path = NULL, *text = NULL;
	const char *version = manifest + strlen("# qemu ");

	assert_true(str_starts(manifest, "# qemu "));
	path = mem_printf("tests/qemu/qemu-%.*s.caps", (int)strcspn(version, "\n"), version);
	text = read_text(path);
	assert_non_null(text);
	assert_int_equal(qemu_caps_parse(text, caps, NULL), 0);
}

static void print_diags(const struct diags *diags, struct str *out)
{
	for (size_t i = 0; i < diags->count; i++)
		diag_print(&diags->items[i], out);
}

static void print_plan(const struct profile *profile, const struct facts *facts, struct diags *diags,
		       struct str *out)
{
	const struct plan_options options = { 0 };
	struct plan plan;

	plan_make(profile, facts, &options, &plan, diags);
	if (diags_exit_status(diags)) {
		print_diags(&plan.warnings, out);
		print_diags(diags, out);
		str_addf(out, "exit %d\n", diags_exit_status(diags));
	} else {
		plan_print_text(&plan, out);
	}
	plan_finish(&plan);
}

// Paths in a profile are relative to it: where this tree lies is of no interest.
static char *without_here(const char *text)
{
	AUTO_FREE char *here = getcwd(NULL, 0);
	struct str out = { 0 };
	const char *found;

	for (; (found = strstr(text, here)); text = found + strlen(here)) {
		str_addn(&out, text, (size_t)(found - text));
		str_add(&out, "/HERE");
	}
	str_add(&out, text);
	return str_take(&out);
}

static char *make_text(const char *dir, const char *manifest, const char *file, bool everything)
{
	const struct facts_options facts_options = { .paths = &paths, .everything = everything };
	const struct profile_options profile_options = { 0 };
	AUTO_STR struct str out = { 0 };
	struct root root = ROOT_CLOSED;
	struct diags diags = { 0 };
	struct profile profile;
	struct facts facts;

	assert_int_equal(profile_read(&profile, file, &profile_options, &diags, NULL), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	assert_int_equal(facts_read(&root, &profile, &facts_options, &facts, NULL), 0);
	load_caps(manifest, &facts.qemu);
	print_plan(&profile, &facts, &diags, &out);
	facts_finish(&facts);
	root_finish(&root);
	profile_finish(&profile);
	diags_finish(&diags);
	return without_here(str_text(&out));
}

static void show_difference(const char *path, const char *text)
{
	AUTO_FREE char *command = mem_printf("diff -u %s - >&2", path);
	FILE *diff = popen(command, "w");

	if (diff) {
		fputs(text, diff);
		pclose(diff);
	}
}

static bool is_rewriting(void)
{
	return str_eq(getenv("GOLDEN"), "rewrite");
}

static bool is_golden(const char *host, const char *name, const char *text)
{
	AUTO_FREE char *path = mem_printf("tests/golden/%s/%s", host, name);
	AUTO_FREE char *golden = read_text(path);

	if (golden && strcmp(golden, text) == 0)
		return true;
	if (is_rewriting()) {
		assert_int_equal(tree_write(".", path, text), 0);
		return true;
	}
	show_difference(path, text);
	return false;
}

// Without names: the database of PCI IDs is another one on each machine.
static char *make_host_text(const char *dir)
{
	struct root root = ROOT_CLOSED;
	struct str out = { 0 };
	struct host_machine machine;

	assert_int_equal(root_open(&root, dir, NULL), 0);
	assert_int_equal(host_machine_read(&root, false, &machine, NULL), 0);
	host_print_text(&machine, &out);
	host_machine_finish(&machine);
	root_finish(&root);
	return str_take(&out);
}

// As `check` without a profile does; what is read for it is what a profile is planned by, and more.
static char *make_check_text(const char *dir, const char *manifest)
{
	const struct facts_options options = { .paths = &paths, .everything = true };
	CLEANUP(findings_finish) struct findings findings = { 0 };
	struct root root = ROOT_CLOSED;
	struct diags diags = { 0 };
	struct str out = { 0 };
	struct profile profile;
	struct facts facts;

	profile_parse(&profile, "/-", "", &diags);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	assert_int_equal(facts_read(&root, &profile, &options, &facts, NULL), 0);
	load_caps(manifest, &facts.qemu);
	findings_make(&(struct check_input){ .facts = &facts }, &findings);
	findings_print_text(&findings, false, false, &out);
	facts_finish(&facts);
	root_finish(&root);
	profile_finish(&profile);
	diags_finish(&diags);
	return str_take(&out);
}

static bool check_host(const char *path, const glob_t *profiles)
{
	AUTO_FREE char *manifest = read_text(path), *host = stem(path), *shown = NULL, *checked = NULL;
	char dir[256];
	bool good = true;

	assert_non_null(manifest);
	assert_int_equal(tree_make(manifest, dir, sizeof(dir)), 0);
	shown = make_host_text(dir);
	good &= is_golden(host, "host.text", shown);
	checked = make_check_text(dir, manifest);
	good &= is_golden(host, "check.text", checked);
	for (size_t i = 0; i < profiles->gl_pathc; i++) {
		AUTO_FREE char *profile = stem(profiles->gl_pathv[i]), *name = mem_printf("%s.plan", profile);
		AUTO_FREE char *text = make_text(dir, manifest, profiles->gl_pathv[i], false);
		AUTO_FREE char *by_check = make_text(dir, manifest, profiles->gl_pathv[i], true);

		good &= is_golden(host, name, text);
		// who reads more does not plan otherwise
		assert_string_equal(by_check, text);
	}
	tree_remove(dir);
	return good;
}

static void plans_are_as_they_were(void **state)
{
	glob_t hosts, profiles;
	bool good = true;

	(void)state;
	assert_int_equal(glob(HOSTS, 0, NULL, &hosts), 0);
	assert_int_equal(glob(PROFILES, 0, NULL, &profiles), 0);
	for (size_t i = 0; i < hosts.gl_pathc; i++)
		good &= check_host(hosts.gl_pathv[i], &profiles);
	globfree(&hosts);
	globfree(&profiles);
	if (!good)
		fail_msg("plans differ: `make golden` rewrites them, if that is what was meant");
}

// A golden without its host or profile would be compared with nothing.
static void every_golden_has_its_pair(void **state)
{
	glob_t goldens;

	(void)state;
	assert_int_equal(glob("tests/golden/*/*.plan", 0, NULL, &goldens), 0);
	for (size_t i = 0; i < goldens.gl_pathc; i++) {
		AUTO_STRV struct strv parts = { 0 };
		AUTO_FREE char *profile = stem(goldens.gl_pathv[i]), *host = NULL, *conf = NULL;

		strv_split(&parts, goldens.gl_pathv[i], "/");
		host = mem_printf("tests/hosts/%s.host", parts.items[2]);
		conf = mem_printf("profiles/%s.conf", profile);
		if (access(host, R_OK) || access(conf, R_OK))
			fail_msg("%s: no %s or no %s", goldens.gl_pathv[i], host, conf);
	}
	globfree(&goldens);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_are_as_they_were),
		cmocka_unit_test(every_golden_has_its_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
