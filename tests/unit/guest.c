// SPDX-License-Identifier: MIT
#include "tests/unit/guest.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char head[] = "[vm]\n"
			   "name = demo\n"
			   "memory = 64M\n"
			   "accel = tcg\n"
			   "[cpu]\n"
			   "vcpus = 2\n"
			   "[display]\n"
			   "type = none\n";

static void show(const struct diags *diags)
{
	for (size_t i = 0; i < diags->count; i++) {
		AUTO_STR struct str text = { 0 };

		diag_print(&diags->items[i], &text);
		print_error("%s", str_text(&text));
	}
}

void guest_init(struct guest *guest, const char *text)
{
	AUTO_FREE char *whole = mem_printf("%s%s", head, text);

	*guest = (struct guest){ 0 };
	argv_fixture_init(&guest->fx);
	profile_parse(&guest->profile, "demo.conf", whole, &guest->fx.diags);
	show(&guest->fx.diags);
	assert_int_equal(guest->fx.diags.count, 0);
	guest->fx.build.profile = &guest->profile;
	guest->fx.facts.live = true;
	guest->fx.facts.state_dir = mem_dup("/state/demo");
}

void guest_finish(struct guest *guest)
{
	free(guest->fx.facts.state_dir);
	free(guest->fx.facts.firmwares.items);
	files_finish(&guest->fx.facts);
	profile_finish(&guest->profile);
	argv_fixture_finish(&guest->fx);
}

struct file_fact *guest_add_file(struct guest *guest, const char *path)
{
	struct facts *facts = &guest->fx.facts;
	struct file_fact *file = MEM_PUSH(facts->files, facts->n_files);

	file->path = mem_dup(path);
	file->type = FILE_REGULAR;
	file->writable = file->guest_readable = file->direct = true;
	file->size = 1 << 20;
	file->dev = 1;
	file->ino = facts->n_files;
	file->qcow2 = str_ends(path, ".qcow2");
	return file;
}

void guest_make(struct guest *guest)
{
	struct argv_build *b = &guest->fx.build;

	argv_choose(b);
	argv_firmware(b);
	argv_disks(b);
	argv_nets(b);
}

static bool has(const struct strv *argv, const char *option, const char *value)
{
	for (size_t i = 0; i + 1 < argv->count; i++) {
		if (str_eq(argv->items[i], option) && str_eq(argv->items[i + 1], value))
			return true;
	}
	print_error("no %s %s in:\n", option, value);
	for (size_t i = 0; i < argv->count; i++)
		print_error("  %s\n", argv->items[i]);
	return false;
}

void guest_assert_has(const struct guest *guest, const char *option, const char *value)
{
	assert_true(has(&guest->fx.plan.argv, option, value));
}

void guest_assert_pasted(const struct guest *guest, const char *option, const char *value)
{
	assert_true(has(&guest->fx.plan.argv_paths, option, value));
}

void guest_assert_diag(const struct guest *guest, enum diag_level level, const char *code, int line,
		       const char *text, const char *hint)
{
	const struct diag *diag = argv_fixture_diag(&guest->fx, code);

	if (!diag)
		print_error("no %s\n", code);
	assert_non_null(diag);
	if (diag->line != line || !strstr(diag->text, text) ||
	    (hint && (!diag->hint || !strstr(diag->hint, hint)))) {
		show(&guest->fx.diags);
		show(&guest->fx.plan.warnings);
	}
	assert_int_equal(diag->level, level);
	assert_int_equal(diag->line, line);
	assert_non_null(strstr(diag->text, text));
	if (hint)
		assert_non_null(strstr(diag->hint ? diag->hint : "", hint));
}

void guest_assert_fine(const struct guest *guest)
{
	show(&guest->fx.diags);
	show(&guest->fx.plan.warnings);
	assert_int_equal(guest->fx.diags.count, 0);
	assert_int_equal(guest->fx.plan.warnings.count, 0);
}
