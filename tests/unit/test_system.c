// SPDX-License-Identifier: MIT
#include "tune/host/system.h"

#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void read_tree(const char *manifest, struct system_facts *facts)
{
	char dir[PATH_MAX];
	struct root root;

	assert_int_equal(tree_make(manifest, dir, sizeof(dir)), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	system_facts_read(&root, facts);
	root_finish(&root);
	tree_remove(dir);
}

static void test_whole_system(void **state)
{
	struct system_facts facts;

	(void)state;
	read_tree("proc/sys/kernel/osrelease = 6.1.0-37-amd64\n"
		  "proc/sys/kernel/random/boot_id = 0a1b2c3d-0000-4000-8000-000000000001\n"
		  "proc/cmdline = root=/dev/sda2 quiet isolcpus=2-3\n"
		  "usr/lib/os-release = NAME=\"X ID=wrong\"\\nID=\"ubuntu\"\\nID_LIKE='debian'\n"
		  "etc/os-release -> /usr/lib/os-release\n"
		  "dev/kvm =\n"
		  "sys/module/kvm/parameters/ignore_msrs = N\n"
		  "sys/module/kvm/parameters/halt_poll_ns = 200000\n"
		  "sys/module/kvm/parameters/report_ignored_msrs = Y\n"
		  "sys/module/kvm/parameters/tdp_mmu = Y\n"
		  "sys/module/kvm_intel/parameters/nested = Y\n"
		  "sys/module/kvm_other/parameters/x = 1\n",
		  &facts);
	assert_string_equal(facts.kernel, "6.1.0-37-amd64");
	assert_string_equal(facts.boot_id, "0a1b2c3d-0000-4000-8000-000000000001");
	assert_string_equal(facts.cmdline, "root=/dev/sda2 quiet isolcpus=2-3");
	assert_string_equal(facts.distro, "ubuntu");
	assert_string_equal(facts.family, "debian");
	assert_true(facts.kvm_present);
	// without those that guests set and put back: whatever is remembered of KVM outlives them
	assert_string_equal(facts.kvm_params, "kvm.tdp_mmu=Y\nkvm_intel.nested=Y\n");
	system_facts_finish(&facts);
}

static void test_parameters_without_a_kvm(void **state)
{
	struct system_facts facts;

	(void)state;
	read_tree("sys/module/kvm/parameters/tdp_mmu = Y\n", &facts);
	assert_true(facts.kvm_present);
	assert_string_equal(facts.kvm_params, "");
	system_facts_finish(&facts);
}

static void test_schedulers(void **state)
{
	static const struct {
		const char *manifest, *scheduler;
	} rows[] = {
		{ "sys/kernel/sched_ext/state = enabled\nsys/kernel/sched_ext/root/ops = lavd_1.0\n",
		  "sched_ext (lavd_1.0)" },
		{ "sys/kernel/sched_ext/state = enabled\n", "sched_ext (a program unknown)" },
		{ "sys/kernel/sched_ext/state = disabled\nsys/kernel/sched_ext/root/ops = lavd\n", "" },
		{ "proc/sys/kernel/yield_type = 1\nproc/sys/kernel/interactive = 1\n", "MuQSS" },
		{ "proc/sys/kernel/yield_type = 1\n", "BMQ or PDS" },
		{ "proc/sys/kernel/sched_autogroup_enabled = 1\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct system_facts facts;

		read_tree(rows[i].manifest, &facts);
		assert_string_equal(facts.scheduler, rows[i].scheduler);
		system_facts_finish(&facts);
	}
}

static void test_clock(void **state)
{
	struct system_facts facts;

	(void)state;
	read_tree("sys/devices/system/clocksource/clocksource0/current_clocksource = acpi_pm\n", &facts);
	assert_string_equal(facts.clock, "acpi_pm");
	system_facts_finish(&facts);
	read_tree("proc/cmdline = quiet\n", &facts);
	assert_string_equal(facts.clock, "");
	system_facts_finish(&facts);
}

static void test_nothing_known(void **state)
{
	struct system_facts facts;

	(void)state;
	read_tree("proc/version = Linux version 5.10.0-8-amd64 (debian-kernel) (gcc)\n", &facts);
	assert_string_equal(facts.kernel, "5.10.0-8-amd64");
	assert_string_equal(facts.boot_id, "");
	assert_string_equal(facts.cmdline, "");
	assert_string_equal(facts.distro, "");
	assert_false(facts.kvm_present);
	assert_string_equal(facts.kvm_params, "");
	assert_null(system_install_command(&facts));
	system_facts_finish(&facts);
}

static void test_install_commands(void **state)
{
	(void)state;
	assert_string_equal(system_install_command(&(struct system_facts){ .distro = "debian" }),
			    "apt install");
	assert_string_equal(system_install_command(&(struct system_facts){ .distro = "manjaro",
									   .family = "arch" }),
			    "pacman -S");
	assert_string_equal(system_install_command(&(struct system_facts){
				    .distro = "rocky", .family = "rhel centos fedora" }),
			    "dnf install");
	assert_null(system_install_command(&(struct system_facts){ .distro = "slackware" }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_system),
		cmocka_unit_test(test_parameters_without_a_kvm),
		cmocka_unit_test(test_schedulers),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_install_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
