// SPDX-License-Identifier: MIT
#include "tests/unit/argv_fixture.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define KNOWN                                                                             \
	"machine-alias/q35/pc-q35-9.9 machine-alias/pc/pc-i440fx-9.9 machine/pc-q35-9.9 " \
	"machine/pc-q35-4.0 "                                                             \
	"machine/pc-i440fx-9.9 machine/microvm machine-deprecated/pc-q35-4.0 "

static void set_kvm(struct argv_fixture *fx)
{
	fx->profile.vm.accel = ACCEL_AUTO;
	fx->facts.system.kvm_present = true;
}

static const char *machine(const struct argv_fixture *fx)
{
	return argv_fixture_value(fx, "-machine", 0);
}

static void test_alias_becomes_the_versioned_name(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_add_caps(fx, KNOWN);
	argv_fixture_make(fx);
	assert_true(str_starts(machine(fx), "pc-q35-9.9,"));
	assert_int_equal(fx->diags.count, 0);
}

static void test_alias_pc(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_add_caps(fx, KNOWN);
	fx->profile.vm.machine = (char *)"pc";
	argv_fixture_make(fx);
	assert_true(str_starts(machine(fx), "pc-i440fx-9.9,"));
	assert_false(fx->build.q35);
	assert_true(argv_fixture_has(fx, "-global", "PIIX4_PM.disable_s3=1"));
	assert_false(argv_fixture_has(fx, "-global", "ICH9-LPC.disable_s3=1"));
}

static void test_unknown_qemu_takes_the_name(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_make(fx);
	assert_true(str_starts(machine(fx), "q35,"));
	assert_string_equal(fx->plan.argv.items[0], "qemu-system-x86_64");
	assert_true(argv_fixture_has(fx, "-global", "ICH9-LPC.disable_s4=1"));
}

static void test_misspelt_machine_gets_the_nearest(void **state)
{
	struct argv_fixture *fx = *state;
	const struct diag *diag;

	argv_fixture_add_caps(fx, KNOWN);
	fx->profile.vm.machine = (char *)"pc-q35-9.8";
	argv_fixture_make(fx);
	diag = argv_fixture_diag(fx, "machine-unknown");
	assert_non_null(diag);
	assert_int_equal(diag->level, DIAG_HOST_ERROR);
	assert_string_equal(diag->hint, "machine = pc-q35-9.9");
}

static void test_other_kinds_of_machine_are_refused(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_add_caps(fx, KNOWN);
	fx->profile.vm.machine = (char *)"microvm";
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "machine-kind")->level, DIAG_ERROR);
}

static void test_the_split_default_is_overridden_and_said(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_add_caps(fx, KNOWN);
	set_kvm(fx);
	fx->profile.vm.machine = (char *)"pc-q35-4.0";
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "irqchip-default"));
	assert_non_null(argv_fixture_diag(fx, "machine-deprecated"));
	assert_non_null(strstr(machine(fx), ",kernel-irqchip=on"));
	assert_true(argv_fixture_has(fx, "-global", "kvm-pit.lost_tick_policy=delay"));
	fx->profile.cpu.irqchip = IRQCHIP_SPLIT;
	argv_fixture_make(fx);
	assert_null(argv_fixture_diag(fx, "irqchip-default"));
}

static void test_tcg_has_no_irqchip(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.cpu.irqchip = IRQCHIP_ON;
	argv_fixture_make(fx);
	assert_null(strstr(machine(fx), "irqchip"));
	assert_false(argv_fixture_has(fx, "-global", "kvm-pit.lost_tick_policy=delay"));
	assert_non_null(argv_fixture_diag(fx, "irqchip-tcg"));
	assert_true(argv_fixture_has(fx, "-accel", "tcg,thread=multi"));
}

static void test_split_as_asked(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	fx->profile.cpu.irqchip = IRQCHIP_SPLIT;
	argv_fixture_make(fx);
	assert_non_null(strstr(machine(fx), ",kernel-irqchip=split"));
	assert_false(argv_fixture_has(fx, "-global", "kvm-pit.lost_tick_policy=delay"));
	assert_null(argv_fixture_diag(fx, "irqchip-off"));
}

static void test_many_vcpus_split_by_themselves(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	argv_fixture_place(fx, 1, 256, 1, NULL);
	argv_fixture_make(fx);
	assert_non_null(strstr(machine(fx), ",kernel-irqchip=split"));
	assert_true(argv_fixture_has(fx, "-device", "intel-iommu,intremap=on,eim=on"));
	assert_int_equal(fx->diags.count, 0);
}

static void test_255_vcpus_need_no_split(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	argv_fixture_place(fx, 1, 255, 1, NULL);
	argv_fixture_make(fx);
	assert_non_null(strstr(machine(fx), ",kernel-irqchip=on"));
	assert_false(argv_fixture_has(fx, "-device", "intel-iommu,intremap=on,eim=on"));
}

static void test_many_vcpus_contradict_irqchip_on(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	fx->profile.cpu.irqchip = IRQCHIP_ON;
	argv_fixture_place(fx, 1, 256, 1, NULL);
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "irqchip-vcpus")->level, DIAG_ERROR);
}

static void test_auto_believes_the_probe(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	argv_fixture_add_caps(fx, KNOWN "no-accel/kvm/host/");
	qemu_caps_add(&fx->facts.qemu,
		      "no-accel/kvm/host/Could not access KVM kernel module: Permission denied");
	qemu_caps_sort(&fx->facts.qemu);
	argv_fixture_make(fx);
	assert_false(fx->plan.kvm);
	assert_non_null(strstr(fx->plan.accel_why, "no KVM"));
	assert_true(str_starts(argv_fixture_value(fx, "-cpu", 0), "max"));
	assert_int_equal(fx->diags.count, 0);
}

static void test_kvm_that_was_tried(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.vm.accel = ACCEL_AUTO;
	argv_fixture_add_caps(fx, KNOWN "accel/kvm/host");
	argv_fixture_make(fx);
	assert_true(fx->plan.kvm);
	assert_true(argv_fixture_has(fx, "-accel", "kvm"));
	assert_string_equal(fx->plan.accel_why, "this QEMU answers under it with -cpu host");
}

// The probe's word is about one model: of another nothing is known.
static void test_refusal_is_of_one_model(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	fx->profile.cpu.model = (char *)"qemu64";
	argv_fixture_add_caps(fx, KNOWN "no-accel/kvm/host/aborted");
	argv_fixture_make(fx);
	assert_true(fx->plan.kvm);
}

static void test_explicit_kvm_that_fails(void **state)
{
	struct argv_fixture *fx = *state;
	const struct diag *diag;

	fx->profile.vm.accel = ACCEL_KVM;
	argv_fixture_add_caps(fx, KNOWN);
	qemu_caps_add(&fx->facts.qemu,
		      "no-accel/kvm/host/Could not access KVM kernel module: Permission denied");
	qemu_caps_sort(&fx->facts.qemu);
	argv_fixture_make(fx);
	diag = argv_fixture_diag(fx, "kvm-unusable");
	assert_int_equal(diag->level, DIAG_HOST_ERROR);
	assert_non_null(strstr(diag->text, "Permission denied"));
	assert_non_null(strstr(diag->hint, "kvm"));
}

static void test_model_that_this_qemu_lacks(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	fx->profile.cpu.model = (char *)"EPYC-Zen9";
	argv_fixture_add_caps(fx, KNOWN);
	qemu_caps_add(&fx->facts.qemu,
		      "no-accel/kvm/EPYC-Zen9/unable to find CPU model 'EPYC-Zen9'");
	qemu_caps_sort(&fx->facts.qemu);
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "model-unknown")->level, DIAG_HOST_ERROR);
}

static void test_host_without_kvm(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.vm.accel = ACCEL_AUTO;
	argv_fixture_make(fx);
	assert_false(fx->plan.kvm);
	assert_int_equal(fx->diags.count, 0);
}

static void test_captured_cpu_flags_are_enough(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.vm.accel = ACCEL_AUTO;
	fx->facts.cpus.svm = true;
	argv_fixture_make(fx);
	assert_true(fx->plan.kvm);
	assert_non_null(strstr(fx->plan.accel_why, "was not tried"));
}

static void test_model_host_needs_kvm(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.cpu.model = (char *)"host";
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "model-needs-kvm")->level, DIAG_HOST_ERROR);
}

static void test_secure_boot_and_smm(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_make(fx);
	assert_non_null(strstr(machine(fx), ",smm=off"));
	fx->profile.firmware.type = FIRMWARE_OVMF_SECUREBOOT;
	argv_fixture_make(fx);
	assert_null(strstr(machine(fx), "smm")); // the firmware's part turns it on
}

static void test_windows_clock(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.vm.os = OS_WINDOWS;
	argv_fixture_make(fx);
	assert_true(argv_fixture_has(fx, "-rtc", "base=localtime,driftfix=slew"));
	assert_non_null(strstr(machine(fx), ",hpet=off"));
}

static void test_hpet_only_where_it_is_a_property(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.vm.os = OS_WINDOWS;
	argv_fixture_add_caps(fx, KNOWN "property/pc/hpet");
	argv_fixture_make(fx);
	assert_null(strstr(machine(fx), "hpet"));
}

static void test_options_that_a_qemu_lacks(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_add_caps(fx, KNOWN);
	argv_fixture_make(fx);
	assert_null(argv_fixture_value(fx, "-sandbox", 0));
	assert_null(argv_fixture_value(fx, "-action", 0));
	assert_string_equal(argv_fixture_value(fx, "-name", 0), "guest=demo");
	assert_non_null(argv_fixture_diag(fx, "no-sandbox"));
}

static void assert_uuid_is_made(const char *uuid)
{
	assert_int_equal(strlen(uuid), 36);
	assert_int_equal(uuid[14], '8');
	assert_non_null(strchr("89ab", uuid[19]));
	for (int i = 0; i < 36; i++)
		assert_true(i == 8 || i == 13 || i == 18 || i == 23
				    ? uuid[i] == '-'
				    : !!strchr("0123456789abcdef", uuid[i]));
}

static void test_uuid_follows_the_name(void **state)
{
	struct argv_fixture *fx = *state;
	AUTO_FREE char *first = NULL;

	argv_fixture_make(fx);
	first = mem_dup(argv_fixture_value(fx, "-uuid", 0));
	assert_uuid_is_made(first);
	argv_fixture_make(fx);
	assert_string_equal(argv_fixture_value(fx, "-uuid", 0), first);
	mem_set(&fx->profile.vm.name, "demp");
	argv_fixture_make(fx);
	assert_uuid_is_made(argv_fixture_value(fx, "-uuid", 0));
	assert_string_not_equal(argv_fixture_value(fx, "-uuid", 0), first);
}

static void test_uuid_of_the_profile(void **state)
{
	struct argv_fixture *fx = *state;

	mem_set(&fx->profile.vm.uuid, "00112233-4455-6677-8899-aabbccddeeff");
	argv_fixture_make(fx);
	assert_string_equal(argv_fixture_value(fx, "-uuid", 0),
			    "00112233-4455-6677-8899-aabbccddeeff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARGV_TEST(test_alias_becomes_the_versioned_name),
		ARGV_TEST(test_alias_pc),
		ARGV_TEST(test_unknown_qemu_takes_the_name),
		ARGV_TEST(test_misspelt_machine_gets_the_nearest),
		ARGV_TEST(test_other_kinds_of_machine_are_refused),
		ARGV_TEST(test_the_split_default_is_overridden_and_said),
		ARGV_TEST(test_tcg_has_no_irqchip),
		ARGV_TEST(test_split_as_asked),
		ARGV_TEST(test_many_vcpus_split_by_themselves),
		ARGV_TEST(test_255_vcpus_need_no_split),
		ARGV_TEST(test_many_vcpus_contradict_irqchip_on),
		ARGV_TEST(test_auto_believes_the_probe),
		ARGV_TEST(test_kvm_that_was_tried),
		ARGV_TEST(test_refusal_is_of_one_model),
		ARGV_TEST(test_explicit_kvm_that_fails),
		ARGV_TEST(test_model_that_this_qemu_lacks),
		ARGV_TEST(test_host_without_kvm),
		ARGV_TEST(test_captured_cpu_flags_are_enough),
		ARGV_TEST(test_model_host_needs_kvm),
		ARGV_TEST(test_secure_boot_and_smm),
		ARGV_TEST(test_windows_clock),
		ARGV_TEST(test_hpet_only_where_it_is_a_property),
		ARGV_TEST(test_options_that_a_qemu_lacks),
		ARGV_TEST(test_uuid_follows_the_name),
		ARGV_TEST(test_uuid_of_the_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
