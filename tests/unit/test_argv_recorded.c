// SPDX-License-Identifier: MIT
// What is built for QEMUs that are not installed here uses only what they were recorded to have.
#include "tests/unit/argv_fixture.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const recorded[] = { "tests/qemu/qemu-6.2.caps", "tests/qemu/qemu-7.2.caps",
					"tests/qemu/qemu-10.0.caps", "tests/qemu/qemu-11.0.caps" };

static void assert_has(const struct argv_fixture *fx, const char *kind, const char *name)
{
	if (!qemu_caps_has(&fx->facts.qemu, "%s/%s", kind, name))
		fail_msg("QEMU %s has no %s/%s", fx->facts.qemu.version, kind, name);
}

// The options, and what -device and -object name.
static void assert_argv_is_known(const struct argv_fixture *fx)
{
	const struct strv *argv = &fx->plan.argv;

	for (size_t i = 1; i < argv->count; i++) {
		const char *item = argv->items[i];
		AUTO_FREE char *name = NULL;

		if (*item == '-') {
			assert_has(fx, "flag", item + 1);
			continue;
		}
		name = mem_dupn(item, strcspn(item, ","));
		if (str_eq(argv->items[i - 1], "-device"))
			assert_has(fx, "device", name);
		else if (str_eq(argv->items[i - 1], "-object"))
			assert_has(fx, "object", name);
	}
}

// Of -machine and -cpu, each property that is not an accelerator's.
static void assert_properties_are_known(const struct argv_fixture *fx, const char *option,
					const char *kind)
{
	AUTO_STRV struct strv parts = { 0 };

	strv_split(&parts, argv_fixture_value(fx, option, 0), ",");
	for (size_t i = 1; i < parts.count; i++) {
		AUTO_FREE char *name = mem_dupn(parts.items[i], strcspn(parts.items[i], "="));

		if (!str_eq(name, "kernel-irqchip"))
			assert_has(fx, kind, name);
	}
}

static void assert_all_known(struct argv_fixture *fx)
{
	argv_fixture_make(fx);
	for (size_t i = 0; i < fx->diags.count; i++)
		print_error("%s\n", fx->diags.items[i].text);
	assert_int_equal(fx->diags.count, 0);
	assert_argv_is_known(fx);
	assert_properties_are_known(fx, "-machine", fx->build.q35 ? "property/q35" : "property/pc");
	assert_properties_are_known(fx, "-cpu", "cpu");
}

static void with_each(void (*test)(struct argv_fixture *fx))
{
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		struct argv_fixture fx;

		argv_fixture_init(&fx);
		argv_fixture_load_caps(&fx, recorded[i]);
		test(&fx);
		argv_fixture_finish(&fx);
	}
}

static void plain(struct argv_fixture *fx)
{
	assert_all_known(fx);
	assert_true(argv_fixture_value(fx, "-sandbox", 0) != NULL);
	assert_true(str_starts(argv_fixture_value(fx, "-machine", 0), "pc-q35-"));
}

static void test_plain_guest(void **state)
{
	(void)state;
	with_each(plain);
}

static void windows(struct argv_fixture *fx)
{
	fx->profile.vm.os = OS_WINDOWS;
	fx->profile.vm.accel = ACCEL_AUTO;
	fx->profile.display.type = DISPLAY_INSTALL;
	fx->facts.system.kvm_present = true;
	strcpy(fx->facts.cpus.vendor, "AuthenticAMD");
	argv_fixture_place(fx, 1, 1, 2, (int[]){ 0, 1 });
	assert_all_known(fx);
	assert_true(fx->plan.kvm);
	assert_non_null(strstr(argv_fixture_value(fx, "-cpu", 0), ",hv-vpindex=on"));
	assert_non_null(strstr(argv_fixture_value(fx, "-cpu", 0), ",topoext=on"));
}

static void test_windows_under_kvm(void **state)
{
	(void)state;
	with_each(windows);
}

static void shared_pc(struct argv_fixture *fx)
{
	fx->profile.vm.machine = (char *)"pc";
	fx->profile.vm.os = OS_LINUX;
	fx->profile.memory.share = TRI_YES;
	fx->profile.display.type = DISPLAY_VNC;
	assert_all_known(fx);
}

static void test_pc_with_shared_memory(void **state)
{
	(void)state;
	with_each(shared_pc);
}

// The host of 6.2's record offers neither; QEMU 6.2 does not know the first.
static void test_enlightenments_by_record(void **state)
{
	struct argv_fixture fx;

	(void)state;
	argv_fixture_init(&fx);
	argv_fixture_load_caps(&fx, recorded[0]);
	fx.profile.vm.os = OS_WINDOWS;
	fx.profile.vm.accel = ACCEL_AUTO;
	argv_fixture_make(&fx);
	assert_null(strstr(argv_fixture_value(&fx, "-cpu", 0), "tlbflush-ext"));
	assert_non_null(strstr(fx.plan.cpu_why, "tlbflush-ext (not in this QEMU)"));
	assert_non_null(strstr(argv_fixture_value(&fx, "-cpu", 0), ",hv-stimer-direct=on"));
	argv_fixture_finish(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_guest),
		cmocka_unit_test(test_windows_under_kvm),
		cmocka_unit_test(test_pc_with_shared_memory),
		cmocka_unit_test(test_enlightenments_by_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
