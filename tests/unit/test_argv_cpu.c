// SPDX-License-Identifier: MIT
#include "tests/unit/argv_fixture.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define KNOWN "machine/q35 accel/kvm/host option/smp-opts/dies "

static const char *cpu(const struct argv_fixture *fx)
{
	return argv_fixture_value(fx, "-cpu", 0);
}

static bool cpu_has(const struct argv_fixture *fx, const char *feature)
{
	AUTO_FREE char *text = mem_printf("%s,", cpu(fx)), *part = mem_printf(",%s,", feature);

	return strstr(text, part) != NULL;
}

static void set_kvm(struct argv_fixture *fx)
{
	fx->profile.vm.accel = ACCEL_AUTO;
	fx->facts.system.kvm_present = true;
}

static void set_list(struct argv_fixture *fx, const char *list)
{
	fx->profile.cpu.hyperv.mode = HYPERV_LIST;
	strv_finish(&fx->profile.cpu.hyperv.features);
	strv_split(&fx->profile.cpu.hyperv.features, list, ",");
}

static void test_model_by_accelerator(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_make(fx);
	assert_string_equal(cpu(fx), "max");
	set_kvm(fx);
	argv_fixture_make(fx);
	assert_string_equal(cpu(fx), "host,migratable=off");
	fx->profile.cpu.model = (char *)"EPYC";
	argv_fixture_make(fx);
	assert_string_equal(cpu(fx), "EPYC");
}

static void test_features_follow_in_order(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.cpu.model = (char *)"qemu64";
	strv_split(&fx->profile.cpu.features, "+aes -svm phys-bits=40", " ");
	argv_fixture_make(fx);
	assert_string_equal(cpu(fx), "qemu64,+aes,-svm,phys-bits=40");
}

static void test_topoext_needs_amd_threads_and_kvm(void **state)
{
	struct argv_fixture *fx = *state;

	strcpy(fx->facts.cpus.vendor, "AuthenticAMD");
	argv_fixture_place(fx, 1, 2, 2, NULL);
	argv_fixture_make(fx);
	assert_false(cpu_has(fx, "topoext=on"));
	set_kvm(fx);
	argv_fixture_make(fx);
	assert_true(cpu_has(fx, "topoext=on"));
	argv_fixture_place(fx, 1, 4, 1, NULL);
	argv_fixture_make(fx);
	assert_false(cpu_has(fx, "topoext=on"));
	argv_fixture_place(fx, 1, 2, 2, NULL);
	strcpy(fx->facts.cpus.vendor, "GenuineIntel");
	argv_fixture_make(fx);
	assert_false(cpu_has(fx, "topoext=on"));
}

static void test_cpu_pm_is_a_choice_and_needs_kvm(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_make(fx);
	assert_null(argv_fixture_value(fx, "-overcommit", 0));
	fx->profile.host.cpu_pm = true;
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "cpu-pm")->level, DIAG_HOST_ERROR);
	set_kvm(fx);
	argv_fixture_make(fx);
	assert_null(argv_fixture_diag(fx, "cpu-pm"));
	assert_int_equal(argv_fixture_diag(fx, "cpu-pm-busy")->level, DIAG_WARNING);
	assert_string_equal(argv_fixture_value(fx, "-overcommit", 0), "cpu-pm=on");
	// a second one would take back the first
	fx->profile.memory.lock = TRI_YES;
	argv_fixture_make(fx);
	assert_string_equal(argv_fixture_value(fx, "-overcommit", 0), "mem-lock=on,cpu-pm=on");
	assert_null(argv_fixture_value(fx, "-overcommit", 1));
}

static void test_hide_kvm_only_when_asked(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	fx->profile.vm.os = OS_WINDOWS;
	argv_fixture_make(fx);
	assert_false(cpu_has(fx, "kvm=off"));
	fx->profile.cpu.hide_kvm = TRI_YES;
	argv_fixture_make(fx);
	assert_true(cpu_has(fx, "kvm=off"));
}

static void test_windows_gets_the_recommended_set(void **state)
{
	static const char *const wanted[] = { "relaxed=on",  "vapic=on",	 "spinlocks=0x1fff",
					      "vpindex=on",  "time=on",		 "synic=on",
					      "stimer=on",   "stimer-direct=on", "frequencies=on",
					      "tlbflush=on", "tlbflush-ext=on",	 "ipi=on" };
	static const char *const unwanted[] = { "evmcs=on", "tlbflush-direct=on",
						"no-nonarch-coresharing=on" };
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	fx->profile.vm.os = OS_WINDOWS;
	argv_fixture_make(fx);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		AUTO_FREE char *feature = mem_printf("hv-%s", wanted[i]);

		assert_true(cpu_has(fx, feature));
	}
	for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++) {
		AUTO_FREE char *feature = mem_printf("hv-%s", unwanted[i]);

		assert_false(cpu_has(fx, feature));
	}
	assert_non_null(strstr(fx->plan.cpu_why, "no-nonarch-coresharing"));
}

static void test_others_get_none(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	fx->profile.vm.os = OS_LINUX;
	argv_fixture_make(fx);
	assert_null(strstr(cpu(fx), "hv-"));
	fx->profile.cpu.hyperv.mode = HYPERV_ON;
	argv_fixture_make(fx);
	assert_true(cpu_has(fx, "hv-time=on"));
	fx->profile.vm.os = OS_WINDOWS;
	fx->profile.cpu.hyperv.mode = HYPERV_OFF;
	argv_fixture_make(fx);
	assert_null(strstr(cpu(fx), "hv-"));
}

// synic is not offered, so neither are the timers that need it; what QEMU lacks goes too.
static void test_auto_drops_what_is_missing_with_what_needs_it(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.vm.accel = ACCEL_AUTO;
	fx->profile.vm.os = OS_WINDOWS;
	argv_fixture_add_caps(
		fx, KNOWN
		"cpu/hv-relaxed cpu/hv-spinlocks cpu/hv-vpindex cpu/hv-time cpu/hv-synic "
		"cpu/hv-stimer cpu/hv-stimer-direct kvm/hv-relaxed kvm/hv-vpindex kvm/hv-time "
		"kvm/hv-stimer kvm/hv-stimer-direct kvm/hv-vapic");
	argv_fixture_make(fx);
	assert_string_equal(
		cpu(fx),
		"host,migratable=off,hv-relaxed=on,hv-spinlocks=0x1fff,hv-vpindex=on,hv-time=on");
	assert_int_equal(fx->diags.count, 0);
	assert_non_null(strstr(fx->plan.cpu_why, "synic (not in this kernel)"));
	assert_non_null(strstr(fx->plan.cpu_why, "vapic (not in this QEMU)"));
	assert_non_null(strstr(fx->plan.cpu_why, "stimer-direct (needs one that is missing)"));
}

static void test_on_with_nothing_to_be_had(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.vm.accel = ACCEL_AUTO;
	fx->profile.cpu.hyperv.mode = HYPERV_ON;
	argv_fixture_add_caps(fx, KNOWN);
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "hyperv-none")->level, DIAG_HOST_ERROR);
}

static void test_list_is_taken_as_it_is(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	set_list(fx, "relaxed,spinlocks=0x2fff,apicv,no-nonarch-coresharing=auto");
	argv_fixture_make(fx);
	assert_string_equal(cpu(fx),
			    "host,migratable=off,hv-relaxed=on,hv-spinlocks=0x2fff,hv-apicv=on,"
			    "hv-no-nonarch-coresharing=auto");
	assert_int_equal(fx->diags.count, 0);
}

static void assert_needs(struct argv_fixture *fx, const char *list, const char *missing)
{
	const struct diag *diag;
	AUTO_FREE char *text = missing ? mem_printf("needs '%s'", missing) : NULL;

	set_list(fx, list);
	argv_fixture_make(fx);
	diag = argv_fixture_diag(fx, "hyperv-needs");
	if (!missing) {
		assert_null(diag);
		return;
	}
	assert_non_null(diag);
	assert_int_equal(diag->level, DIAG_ERROR);
	assert_non_null(strstr(diag->text, text));
}

static void test_each_dependency_is_enforced(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	assert_needs(fx, "synic", "vpindex");
	assert_needs(fx, "synic,vpindex", NULL);
	assert_needs(fx, "stimer,synic,vpindex", "time");
	assert_needs(fx, "stimer,time,vpindex", "synic");
	assert_needs(fx, "stimer,time,vpindex,synic", NULL);
	assert_needs(fx, "stimer-direct", "stimer");
	assert_needs(fx, "tlbflush", "vpindex");
	assert_needs(fx, "ipi", "vpindex");
	assert_needs(fx, "evmcs", "vapic");
	assert_needs(fx, "tlbflush-ext,vpindex", "tlbflush");
	assert_needs(fx, "tlbflush-direct", "vapic");
	assert_needs(fx, "tlbflush-direct,vapic", NULL);
}

static void test_listed_but_not_there(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.vm.accel = ACCEL_AUTO;
	argv_fixture_add_caps(fx, KNOWN "cpu/hv-time cpu/hv-avic kvm/hv-time");
	set_list(fx, "time,avic");
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "hyperv-host")->level, DIAG_HOST_ERROR);
	set_list(fx, "time,runtime");
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "hyperv-qemu")->level, DIAG_HOST_ERROR);
}

static void test_vendor_id(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	fx->profile.cpu.vendor_id = (char *)"AuthenticAMD";
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "vendor-id-alone")->level, DIAG_ERROR);
	fx->profile.vm.os = OS_WINDOWS;
	argv_fixture_make(fx);
	assert_true(cpu_has(fx, "hv-vendor-id=AuthenticAMD"));
	assert_int_equal(fx->diags.count, 0);
}

static void test_emulation_has_no_enlightenments(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.vm.os = OS_WINDOWS;
	argv_fixture_make(fx);
	assert_string_equal(cpu(fx), "max");
	assert_int_equal(fx->diags.count, 0);
	fx->profile.cpu.hyperv.mode = HYPERV_ON;
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "hyperv-needs-kvm")->level, DIAG_HOST_ERROR);
	fx->profile.cpu.hyperv.mode = HYPERV_AUTO;
	fx->profile.cpu.vendor_id = (char *)"x";
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "hyperv-needs-kvm"));
}

static void assert_coresharing(struct argv_fixture *fx, int cores, int threads, const int *pin,
			       bool wanted)
{
	argv_fixture_place(fx, 1, cores, threads, pin);
	argv_fixture_make(fx);
	assert_int_equal(cpu_has(fx, "hv-no-nonarch-coresharing=on"), wanted);
}

// Host CPUs 2n and 2n+1 share a core.
static void test_core_sharing_is_told_truly(void **state)
{
	struct argv_fixture *fx = *state;

	set_kvm(fx);
	fx->profile.vm.os = OS_WINDOWS;
	assert_coresharing(fx, 2, 1, (int[]){ 0, 2 }, true);
	assert_coresharing(fx, 2, 1, (int[]){ 0, 1 }, false);
	assert_coresharing(fx, 1, 2, (int[]){ 0, 1 }, true);
	assert_coresharing(fx, 1, 2, (int[]){ 0, 2 }, false);
	assert_coresharing(fx, 2, 2, (int[]){ 0, 1, 2, 3 }, true);
	assert_coresharing(fx, 2, 2, (int[]){ 0, 2, 1, 3 }, false);
	assert_coresharing(fx, 2, 1, NULL, false);
	// A vCPU on both threads of one core stays on it; one on two cores does not.
	argv_fixture_place(fx, 1, 1, 1, (int[]){ 0 });
	cpuset_add(&fx->placement.vcpus[0].cpus, 1);
	argv_fixture_make(fx);
	assert_true(cpu_has(fx, "hv-no-nonarch-coresharing=on"));
	cpuset_add(&fx->placement.vcpus[0].cpus, 2);
	argv_fixture_make(fx);
	assert_false(cpu_has(fx, "hv-no-nonarch-coresharing=on"));
}

static void test_smp_is_explicit(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_place(fx, 2, 3, 2, NULL);
	argv_fixture_make(fx);
	assert_string_equal(argv_fixture_value(fx, "-smp", 0),
			    "cpus=12,sockets=2,dies=1,cores=3,threads=2,maxcpus=12");
	argv_fixture_add_caps(fx, "machine/q35");
	argv_fixture_make(fx);
	assert_string_equal(argv_fixture_value(fx, "-smp", 0),
			    "cpus=12,sockets=2,cores=3,threads=2,maxcpus=12");
}

static void test_windows_and_sockets(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_place(fx, 4, 1, 1, NULL);
	argv_fixture_make(fx);
	assert_null(argv_fixture_diag(fx, "windows-sockets"));
	fx->profile.vm.os = OS_WINDOWS;
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "windows-sockets")->level, DIAG_WARNING);
}

static void test_machine_limits_vcpus(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_add_caps(fx, "machine/q35 machine-max-cpus/q35/4");
	argv_fixture_place(fx, 1, 4, 1, NULL);
	argv_fixture_make(fx);
	assert_null(argv_fixture_diag(fx, "vcpus-machine"));
	argv_fixture_place(fx, 1, 5, 1, NULL);
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "vcpus-machine")->level, DIAG_HOST_ERROR);
}

static void test_many_vcpus_need_kvm_and_q35(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_place(fx, 1, 256, 1, NULL);
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "vcpus-tcg")->level, DIAG_HOST_ERROR);
	set_kvm(fx);
	fx->profile.vm.machine = (char *)"pc";
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "vcpus-pc")->level, DIAG_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARGV_TEST(test_model_by_accelerator),
		ARGV_TEST(test_features_follow_in_order),
		ARGV_TEST(test_topoext_needs_amd_threads_and_kvm),
		ARGV_TEST(test_cpu_pm_is_a_choice_and_needs_kvm),
		ARGV_TEST(test_hide_kvm_only_when_asked),
		ARGV_TEST(test_windows_gets_the_recommended_set),
		ARGV_TEST(test_others_get_none),
		ARGV_TEST(test_auto_drops_what_is_missing_with_what_needs_it),
		ARGV_TEST(test_on_with_nothing_to_be_had),
		ARGV_TEST(test_list_is_taken_as_it_is),
		ARGV_TEST(test_each_dependency_is_enforced),
		ARGV_TEST(test_listed_but_not_there),
		ARGV_TEST(test_vendor_id),
		ARGV_TEST(test_emulation_has_no_enlightenments),
		ARGV_TEST(test_core_sharing_is_told_truly),
		ARGV_TEST(test_smp_is_explicit),
		ARGV_TEST(test_windows_and_sockets),
		ARGV_TEST(test_machine_limits_vcpus),
		ARGV_TEST(test_many_vcpus_need_kvm_and_q35),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
