// SPDX-License-Identifier: MIT
#include "tests/unit/guest.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/files.h"
#include "launcher/facts/firmware.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PLAIN "/fw/CODE.fd"
#define SECURE "/fw/CODE.ms.fd"
#define VARS "/state/demo/demo_VARS.fd"

static char raw[] = "raw", plain[] = PLAIN, plain_vars[] = "/fw/VARS.fd", secure[] = SECURE,
	    secure_vars[] = "/fw/VARS.ms.fd", empty[] = "/fw/CODE.secboot.fd",
	    source[] = "/desc.json";

// As Debian 12 has them: enrolled keys first, then secure boot with no keys, then without.
static const struct firmware debian[] = {
	{ .code = secure,
	  .vars_template = secure_vars,
	  .code_format = raw,
	  .vars_format = raw,
	  .source = source,
	  .secure_boot = true,
	  .requires_smm = true,
	  .enrolled_keys = true,
	  .q35 = true },
	{ .code = empty,
	  .vars_template = plain_vars,
	  .code_format = raw,
	  .vars_format = raw,
	  .source = source,
	  .secure_boot = true,
	  .requires_smm = true,
	  .q35 = true },
	{ .code = plain,
	  .vars_template = plain_vars,
	  .code_format = raw,
	  .vars_format = raw,
	  .source = source,
	  .q35 = true,
	  .i440fx = true },
};

static void install(struct guest *guest)
{
	struct firmware_list *list = &guest->fx.facts.firmwares;
	struct file_fact *code;

	list->count = ARRAY_SIZE(debian);
	list->items = mem_new(list->count, sizeof(*list->items));
	memcpy(list->items, debian, sizeof(debian));
	guest_add_file(guest, plain_vars)->size = 540672;
	guest_add_file(guest, secure_vars)->size = 540672;
	guest_add_file(guest, VARS)->type = FILE_MISSING;
	for (size_t i = 0; i < ARRAY_SIZE(debian); i++) {
		code = guest_add_file(guest, debian[i].code);
		code->size = 3653632;
		code->hash = 0x1234;
		code->hashed = true;
	}
}

static struct file_fact *fact(struct guest *guest, const char *path)
{
	return (struct file_fact *)facts_file(&guest->fx.facts, path);
}

static void test_ovmf(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, "");
	install(&guest);
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-blockdev",
			 "driver=raw,node-name=pflash0-node,read-only=on,file.driver=file,file."
			 "filename=" PLAIN);
	guest_assert_has(&guest, "-blockdev",
			 "driver=raw,node-name=pflash1-node,read-only=off,file.driver=file,file."
			 "filename=/dev/fdset/10,"
			 "cache.direct=off,cache.no-flush=off");
	guest_assert_has(&guest, "-machine", "pflash0=pflash0-node,pflash1=pflash1-node");
	assert_null(argv_fixture_value(&guest.fx, "-global", 0));
	assert_true(guest.fx.plan.vars.used);
	assert_true(guest.fx.plan.vars.create);
	assert_string_equal(guest.fx.plan.vars.path, VARS);
	assert_string_equal(guest.fx.plan.vars.template, plain_vars);
	assert_string_equal(guest.fx.plan.vars.code, PLAIN);
	assert_int_equal(guest.fx.plan.vars.code_size, 3653632);
	assert_int_equal(guest.fx.plan.vars.code_hash, 0x1234);
	assert_false(guest.fx.plan.vars.secure_boot);
	assert_true(guest.fx.plan.fds[0].write);
	guest_finish(&guest);
}

static void test_secure_boot(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, "[firmware]\ntype = ovmf-secureboot\n");
	install(&guest);
	guest_make(&guest);
	guest_assert_fine(&guest);
	assert_string_equal(guest.fx.plan.vars.code, SECURE);
	assert_string_equal(guest.fx.plan.vars.template, secure_vars);
	assert_true(guest.fx.plan.vars.secure_boot);
	guest_assert_has(&guest, "-machine", "smm=on");
	guest_assert_has(&guest, "-global", "driver=cfi.pflash01,property=secure,value=on");
	guest_finish(&guest);

	guest_init(&guest, "[firmware]\ntype = ovmf-secureboot\n[vm]\nmachine = pc\n");
	install(&guest);
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_ERROR, "secure-boot-machine", GUEST_LINE(2), "SMM",
			  "machine = q35");
	guest_finish(&guest);

	guest_init(&guest, "[firmware]\ntype = ovmf-secureboot\ncode = " PLAIN "\n");
	install(&guest);
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "secure-boot-code", GUEST_LINE(3), "/desc.json",
			  "leave code");
	guest_finish(&guest);
}

// An image that needs SMM gets it, whatever the type is called.
static void test_explicit_code(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, "[firmware]\ncode = /fw/CODE.secboot.fd\n");
	install(&guest);
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-machine", "smm=on");
	assert_string_equal(guest.fx.plan.vars.template, plain_vars);
	guest_finish(&guest);

	guest_init(&guest, "[firmware]\ncode = /my/OVMF.fd\n");
	install(&guest);
	guest_add_file(&guest, "/my/OVMF.fd");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_ERROR, "no-template", 0, "/my/OVMF.fd", "template = PATH");
	guest_finish(&guest);

	guest_init(&guest,
		   "[firmware]\ncode = /my/O,VMF.fd\ntemplate = /my/VARS\nvars = /my/own\n");
	install(&guest);
	guest_add_file(&guest, "/my/O,VMF.fd");
	guest_add_file(&guest, "/my/VARS")->qcow2 = true;
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-blockdev",
			 "driver=raw,node-name=pflash0-node,read-only=on,file.driver=file,file."
			 "filename=/my/O,,VMF.fd");
	assert_int_equal(
		strncmp(argv_fixture_value(&guest.fx, "-blockdev", 1), "driver=qcow2,", 13), 0);
	assert_string_equal(guest.fx.plan.vars.path, "/my/own");
	guest_finish(&guest);
}

static void test_code_that_qemus_user_may_not_read(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, "");
	install(&guest);
	fact(&guest, PLAIN)->guest_readable = false;
	guest_make(&guest);
	guest_assert_fine(&guest);
	assert_int_equal(guest.fx.plan.n_fds, 2);
	assert_string_equal(guest.fx.plan.fds[0].path, PLAIN);
	assert_false(guest.fx.plan.fds[0].write);
	guest_finish(&guest);
}

static void test_nothing_installed(void **state)
{
	static const struct {
		const char *distro, *hint;
	} rows[] = { { "debian", "ovmf" }, { "arch", "edk2-ovmf" }, { "fedora", "edk2-ovmf" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct guest guest;

		guest_init(&guest, "[firmware]\ntype = ovmf\n");
		strcpy(guest.fx.facts.system.distro, rows[i].distro);
		guest_make(&guest);
		guest_assert_diag(&guest, DIAG_HOST_ERROR, "no-firmware", 10, "no OVMF for a q35",
				  rows[i].hint);
		assert_int_equal(guest.fx.plan.n_fds, 0);
		guest_finish(&guest);
	}
}

// Who asked for nothing gets what there is; who named a part of it meant UEFI.
static void test_nothing_installed_and_nothing_asked(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, "");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_WARNING, "seabios-fallback", 0, "SeaBIOS", "ovmf");
	assert_int_equal(guest.fx.diags.count, 0);
	assert_null(argv_fixture_value(&guest.fx, "-blockdev", 0));
	guest_finish(&guest);
	guest_init(&guest, "[firmware]\nvars = /tmp/my_VARS.fd\n");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "no-firmware", 0, "no OVMF for a q35", NULL);
	guest_finish(&guest);
}

static void test_supposed_of_a_captured_machine(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, "[firmware]\ntype = ovmf-secureboot\n");
	firmware_suppose(&guest.fx.facts.firmwares);
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_WARNING, "firmware-unknown", 0, "OVMF_CODE_4M.ms.fd is supposed",
			  NULL);
	assert_int_equal(guest.fx.diags.count, 0);
	assert_string_equal(guest.fx.plan.vars.template, "/usr/share/OVMF/OVMF_VARS_4M.ms.fd");
	firmware_list_finish(&guest.fx.facts.firmwares);
	guest_finish(&guest);
}

static void test_types_without_uefi(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, "[firmware]\ntype = none\n");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_ERROR, "no-boot", GUEST_LINE(2), "type = none",
			  "kernel = PATH");
	guest_finish(&guest);

	guest_init(&guest, "[boot]\nkernel = /k\ninitrd = /i\ncmdline = a=1,b c\n");
	guest_add_file(&guest, "/k");
	guest_add_file(&guest, "/i")->guest_readable = false;
	guest_make(&guest);
	guest_assert_fine(&guest);
	assert_null(argv_fixture_value(&guest.fx, "-blockdev", 0));
	guest_assert_has(&guest, "-kernel", "/dev/fd/10");
	guest_assert_has(&guest, "-initrd", "/dev/fd/11");
	guest_assert_has(&guest, "-append", "a=1,b c");
	guest_assert_pasted(&guest, "-kernel", "/k");
	assert_int_equal(guest.fx.plan.fds[0].kind, PLAN_FD_FILE);
	assert_int_equal(guest.fx.plan.fds[1].kind, PLAN_FD_COPY);
	guest_finish(&guest);

	// Both, where both are written.
	guest_init(&guest, "[boot]\nkernel = /k\n[firmware]\ntype = ovmf\n");
	install(&guest);
	guest_add_file(&guest, "/k");
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-kernel", "/dev/fd/11");
	guest_assert_has(&guest, "-machine", "pflash0=pflash0-node,pflash1=pflash1-node");
	guest_finish(&guest);

	guest_init(&guest, "[boot]\nkernel = /k\n");
	guest_add_file(&guest, "/k")->type = FILE_MISSING;
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "file-missing", GUEST_LINE(2),
			  "/k does not exist", "kernel");
	guest_finish(&guest);
}

// --- a copy that is there

static void keep_copy(struct guest *guest)
{
	struct vars_origin *origin = &guest->fx.facts.vars;

	install(guest);
	fact(guest, VARS)->type = FILE_REGULAR;
	fact(guest, VARS)->size = 540672;
	*origin = (struct vars_origin){ true,	 mem_dup(VARS), mem_dup("/old/CODE.fd"),
					3653632, 0x1234,	false };
}

static void test_kept_copy(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, "");
	keep_copy(&guest);
	guest_make(&guest);
	guest_assert_fine(&guest);
	assert_false(guest.fx.plan.vars.create);
	guest_finish(&guest);

	// The firmware was updated in place: a hint, and on with it.
	guest_init(&guest, "");
	keep_copy(&guest);
	guest.fx.facts.vars.code_hash = 0x9999;
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_WARNING, "firmware-updated", 0, PLAIN " was updated", "mv");
	assert_int_equal(guest.fx.diags.count, 0);
	guest_finish(&guest);

	// Nothing was kept beside it: a copy that somebody brought.
	guest_init(&guest, "");
	keep_copy(&guest);
	guest.fx.facts.vars.found = false;
	guest.fx.facts.vars.code_size = 1;
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_finish(&guest);

	guest_init(&guest, "");
	keep_copy(&guest);
	fact(&guest, VARS)->writable = false;
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "file-readonly", 0, VARS, NULL);
	guest_finish(&guest);
}

static void assert_mismatch(struct guest *guest, const char *text)
{
	guest_make(guest);
	guest_assert_diag(guest, DIAG_HOST_ERROR, "vars-mismatch", 0, text, VARS ".old");
	assert_int_equal(guest->fx.plan.n_fds, 0);
	guest_finish(guest);
}

static void test_copy_that_does_not_fit(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, "");
	keep_copy(&guest);
	guest.fx.facts.vars.code_size = 1966080;
	assert_mismatch(&guest,
			"was made for /old/CODE.fd of 1966080 bytes; " PLAIN " has 3653632");

	guest_init(&guest, "");
	keep_copy(&guest);
	guest.fx.facts.vars.secure_boot = true;
	assert_mismatch(&guest, "was made for firmware with secure boot");

	guest_init(&guest, "");
	keep_copy(&guest);
	fact(&guest, VARS)->qcow2 = true;
	assert_mismatch(&guest, "is qcow2, not raw");

	guest_init(&guest, "");
	keep_copy(&guest);
	fact(&guest, VARS)->size = 131072;
	assert_mismatch(&guest, "has 131072 bytes");
}

// --- what firmware would find

static void test_unbootable(void **state)
{
	static const struct {
		enum boot_medium disk;
		bool kept;
		const char *cdrom; // lines of a section
		enum boot_medium medium;
		const char *text; // NULL: no warning
	} rows[] = {
		{ BOOT_BLANK, false, "", 0, "disk \"a\" is blank" },
		{ BOOT_NO_EFI, true, "", 0, "disk \"a\" has nothing that UEFI" },
		{ BOOT_NO_LOADER, false, "", 0, "disk \"a\" has no EFI/BOOT/BOOTX64.EFI" },
		{ BOOT_NO_LOADER, true, "", 0, NULL },
		{ BOOT_EFI, false, "", 0, NULL },
		{ BOOT_UNKNOWN, false, "", 0, NULL },
		{ BOOT_BLANK, false, "[cdrom \"c\"]\nfile = /c.iso\n", BOOT_EFI, NULL },
		{ BOOT_BLANK, false, "[cdrom \"c\"]\nfile = /c.iso\n", BOOT_NO_EFI,
		  "is blank; cdrom \"c\" has nothing that UEFI" },
		{ BOOT_BLANK, false, "[cdrom \"c\"]\n", 0, "disk \"a\" is blank" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *text = mem_printf("[disk \"a\"]\nfile = /a.img\n%s", rows[i].cdrom);
		struct guest guest;

		guest_init(&guest, text);
		if (rows[i].kept)
			keep_copy(&guest);
		else
			install(&guest);
		guest_add_file(&guest, "/a.img")->boot = rows[i].disk;
		guest_add_file(&guest, "/c.iso")->boot = rows[i].medium;
		guest_make(&guest);
		assert_int_equal(guest.fx.diags.count, 0);
		if (rows[i].text)
			guest_assert_diag(&guest, DIAG_WARNING, "no-efi-loader", 0, rows[i].text,
					  "[cdrom]");
		else
			guest_assert_fine(&guest);
		guest_finish(&guest);
	}
}

static void test_unknown_machine(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, "[disk \"a\"]\nfile = /a.img\n");
	install(&guest);
	guest.fx.facts.live = false;
	guest.fx.facts.n_files = 0;
	guest_make(&guest);
	guest_assert_fine(&guest);
	assert_true(guest.fx.plan.vars.create);
	guest.fx.facts.n_files = 1 + 2 + ARRAY_SIZE(debian);
	guest_finish(&guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ovmf),
		cmocka_unit_test(test_secure_boot),
		cmocka_unit_test(test_explicit_code),
		cmocka_unit_test(test_code_that_qemus_user_may_not_read),
		cmocka_unit_test(test_nothing_installed),
		cmocka_unit_test(test_nothing_installed_and_nothing_asked),
		cmocka_unit_test(test_supposed_of_a_captured_machine),
		cmocka_unit_test(test_types_without_uefi),
		cmocka_unit_test(test_kept_copy),
		cmocka_unit_test(test_copy_that_does_not_fit),
		cmocka_unit_test(test_unbootable),
		cmocka_unit_test(test_unknown_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
