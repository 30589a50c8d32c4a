// SPDX-License-Identifier: MIT
#include "tune/host/iommu.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/facts/remedy.h"
#include "tests/unit/tree.h"
#include "tune/host/cpu.h"
#include "tune/host/root.h"
#include "tune/host/system.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void read_tree(const char *manifest, const char *cmdline, struct iommu_facts *facts)
{
	char dir[PATH_MAX];
	struct root root;

	assert_int_equal(tree_make(manifest, dir, sizeof(dir)), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	iommu_facts_read(&root, "6.1.0", cmdline, facts);
	iommu_facts_read_more(&root, "6.1.0", cmdline, facts);
	root_finish(&root);
	tree_remove(dir);
}

#define AUTO_FACTS CLEANUP(iommu_facts_finish) struct iommu_facts

static void test_nothing_known(void **state)
{
	AUTO_FACTS facts;

	(void)state;
	read_tree("", "", &facts);
	assert_int_equal(facts.enabled, FACT_UNKNOWN);
	assert_int_equal(facts.dmar, FACT_UNKNOWN);
	assert_int_equal(facts.vfio_available, FACT_UNKNOWN);
	assert_int_equal(facts.intel_default, FACT_UNKNOWN);
	assert_int_equal(facts.type1_available, FACT_UNKNOWN);
	assert_int_equal(facts.remapping, FACT_UNKNOWN);
	assert_true(facts.framebuffers_unknown);
}

static void test_on(void **state)
{
	AUTO_FACTS facts;

	(void)state;
	read_tree("sys/kernel/iommu_groups/0/devices/\n"
		  "sys/firmware/acpi/tables/DMAR = \n"
		  "sys/bus/pci/drivers/vfio-pci/uevent = \n",
		  "root=/dev/sda1 intel_iommu=on,sm_on iommu=pt", &facts);
	assert_int_equal(facts.enabled, FACT_YES);
	assert_int_equal(facts.dmar, FACT_YES);
	assert_int_equal(facts.ivrs, FACT_NO);
	assert_int_equal(facts.vfio_loaded, FACT_YES);
	assert_int_equal(facts.vfio_available, FACT_YES);
	assert_true(facts.intel_on);
	assert_true(facts.passthrough);
	assert_false(facts.off);
}

static void test_off(void **state)
{
	AUTO_FACTS facts;

	(void)state;
	read_tree("sys/kernel/iommu_groups/\n"
		  "sys/bus/pci/drivers/nvme/uevent = \n"
		  "boot/config-6.1.0 = #\\nCONFIG_INTEL_IOMMU_DEFAULT_ON=y\n"
		  "lib/modules/6.1.0/modules.dep = kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/iommufd.ko.xz\\n"
		  "kernel/iommufd.ko.xz:\n",
		  "intel_iommu=on intel_iommu=off amd_iommu=on iommu=off", &facts);
	assert_int_equal(facts.enabled, FACT_NO);
	assert_true(facts.intel_off);
	assert_false(facts.intel_on);
	assert_true(facts.amd_on);
	assert_true(facts.off);
	assert_int_equal(facts.intel_default, FACT_YES);
	assert_int_equal(facts.vfio_loaded, FACT_NO);
	assert_int_equal(facts.vfio_available, FACT_YES);
	assert_int_equal(facts.iommufd, FACT_YES); // it comes with vfio-pci
}

static void test_no_vfio(void **state)
{
	AUTO_FACTS facts;

	(void)state;
	read_tree("lib/modules/6.1.0/modules.dep = kernel/fs/9p.ko:\nlib/modules/6.1.0/modules.builtin = kernel/x.ko\n"
		  "boot/config-6.1.0 = # CONFIG_INTEL_IOMMU_DEFAULT_ON is not set\n",
		  "", &facts);
	assert_int_equal(facts.vfio_available, FACT_NO);
	assert_int_equal(facts.iommufd, FACT_NO);
	assert_int_equal(facts.intel_default, FACT_NO);
}

static void test_iommufd(void **state)
{
	AUTO_FACTS with, without;

	(void)state;
	read_tree("sys/bus/pci/drivers/vfio-pci/uevent = \ndev/iommu = \n", "", &with);
	read_tree("sys/bus/pci/drivers/vfio-pci/uevent = \n"
		  "lib/modules/6.1.0/modules.dep = kernel/iommufd.ko.xz:\n", "", &without);
	assert_int_equal(with.iommufd, FACT_YES);
	assert_int_equal(without.iommufd, FACT_NO); // it would have come
}

static void test_acs_override(void **state)
{
	static const char patched[] = "proc/kallsyms = 0 t pci_acs_init\\n0 t pcie_acs_overrides\n";
	static const char plain[] = "proc/kallsyms = 0 t pci_acs_init\n";
	AUTO_FACTS with, without, unknown, unasked;

	(void)state;
	read_tree(patched, "pcie_acs_override=downstream,multifunction", &with);
	read_tree(plain, "pcie_acs_override=downstream", &without);
	read_tree("", "pcie_acs_override=downstream", &unknown);
	read_tree(patched, "", &unasked);
	assert_string_equal(with.acs_override, "downstream,multifunction");
	assert_int_equal(with.acs_patch, FACT_YES);
	assert_int_equal(without.acs_patch, FACT_NO);
	assert_int_equal(unknown.acs_patch, FACT_UNKNOWN);
	assert_string_equal(unasked.acs_override, "");
	assert_int_equal(unasked.acs_patch, FACT_UNKNOWN);
}

static void test_framebuffers(void **state)
{
	AUTO_FACTS facts, hidden, none;

	(void)state;
	read_tree("proc/iomem = 00000000-00000fff : Reserved\\n"
		  "e0000000-efffffff : PCI Bus 0000:01\\n"
		  "  e0000000-efffffff : 0000:01:00.0\\n"
		  "    e0000000-e02fffff : BOOTFB\\n"
		  "  10000000000-1000000ffff : efifb\n",
		  "", &facts);
	assert_int_equal(facts.n_framebuffers, 2);
	assert_string_equal(facts.framebuffers[0].owner, "BOOTFB");
	assert_int_equal(facts.framebuffers[0].start, 0xe0000000);
	assert_int_equal(facts.framebuffers[0].end, 0xe02fffff);
	assert_int_equal(facts.framebuffers[1].start, 0x10000000000);
	assert_false(facts.framebuffers_unknown);
	read_tree("proc/iomem = 00000000-00000000 : Reserved\\n  00000000-00000000 : BOOTFB\n", "", &hidden);
	assert_int_equal(hidden.n_framebuffers, 0);
	assert_true(hidden.framebuffers_unknown);
	read_tree("proc/iomem = 00000000-00000000 : Reserved\n", "", &none);
	assert_false(none.framebuffers_unknown);
}

static void test_remapping(void **state)
{
	static const struct {
		const char *interrupts;
		enum fact remapping;
	} cases[] = {
		{ "  9: 0 IR-IO-APIC 9-fasteoi acpi", FACT_YES },
		{ "126: 1 IR-PCI-MSI 327680-edge xhci_hcd", FACT_YES },
		{ "126: 1 IR-PCI-MSIX-0000:00:14.0 0-edge xhci_hcd", FACT_YES }, // from Linux 6.2 on
		{ "  9: 0 IO-APIC 9-fasteoi IR-receiver\\n 30: 1 PCI-MSI 1-edge virtio0", FACT_NO },
		{ "NMI: 0 Non-maskable interrupts", FACT_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *manifest = mem_printf("proc/interrupts = \\x20 CPU0\\n%s\n", cases[i].interrupts);
		AUTO_FACTS facts;

		read_tree(manifest, "", &facts);
		assert_int_equal(facts.remapping, cases[i].remapping);
		assert_false(facts.remapping_off);
	}
}

static void test_unsafe_interrupts(void **state)
{
	AUTO_FACTS facts;

	(void)state;
	read_tree("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts = Y\n", "quiet nointremap", &facts);
	assert_true(facts.unsafe_interrupts);
	assert_true(facts.remapping_off);
	assert_true(facts.type1_loaded);
	assert_int_equal(facts.type1_available, FACT_YES);
}

static void test_type1(void **state)
{
	AUTO_FACTS there, builtin, missing;

	(void)state;
	read_tree("lib/modules/6.1.0/modules.dep = kernel/drivers/vfio/vfio_iommu_type1.ko:\n", "", &there);
	assert_int_equal(there.type1_available, FACT_YES);
	assert_false(there.type1_loaded);
	read_tree("lib/modules/6.1.0/modules.dep = kernel/x.ko:\n"
		  "lib/modules/6.1.0/modules.builtin = kernel/drivers/vfio/vfio_iommu_type1.ko\n", "", &builtin);
	assert_int_equal(builtin.type1_available, FACT_YES);
	read_tree("lib/modules/6.1.0/modules.dep = kernel/drivers/vfio/pci/vfio-pci.ko:\n", "", &missing);
	assert_int_equal(missing.type1_available, FACT_NO);
}

static void assert_remedy(const char *vendor, const char *distro, const char *family,
			  const struct iommu_facts *iommu, const char *want)
{
	struct cpu_facts cpus = { 0 };
	struct system_facts system = { 0 };
	AUTO_FREE char *got = NULL;

	snprintf(cpus.vendor, sizeof(cpus.vendor), "%s", vendor);
	snprintf(system.distro, sizeof(system.distro), "%s", distro);
	snprintf(system.family, sizeof(system.family), "%s", family);
	got = remedy_iommu_off(&cpus, &system, iommu);
	if (!strstr(got, want))
		fail_msg("'%s' does not say '%s'", got, want);
	assert_null(strstr(got, "add `amd_iommu"));
}

static void test_intel_remedies(void **state)
{
	const struct iommu_facts off = { .dmar = FACT_YES };
	const struct iommu_facts no_table = { .dmar = FACT_NO };
	const struct iommu_facts word = { .dmar = FACT_YES, .intel_off = true };
	const struct iommu_facts other_word = { .off = true };
	const struct iommu_facts asked = { .dmar = FACT_YES, .intel_on = true };
	const struct iommu_facts default_on = { .dmar = FACT_YES, .intel_default = FACT_YES };

	(void)state;
	assert_remedy("GenuineIntel", "debian", "", &off,
		      "add `intel_iommu=on iommu=pt` to GRUB_CMDLINE_LINUX_DEFAULT");
	assert_remedy("GenuineIntel", "debian", "", &off, "update-grub");
	assert_remedy("GenuineIntel", "linuxmint", "ubuntu debian", &off, "update-grub");
	assert_remedy("GenuineIntel", "fedora", "", &off,
		      "grubby --update-kernel=ALL --args='intel_iommu=on iommu=pt'");
	assert_remedy("GenuineIntel", "arch", "", &off, "grub-mkconfig");
	assert_remedy("GenuineIntel", "nixos", "", &off, "boot.kernelParams");
	assert_remedy("GenuineIntel", "opensuse-tumbleweed", "opensuse suse", &off, "update-bootloader");
	assert_remedy("GenuineIntel", "", "", &off, "boot loader's configuration");
	assert_remedy("GenuineIntel", "debian", "", &no_table, "enable VT-d");
	assert_remedy("GenuineIntel", "debian", "", &word, "take intel_iommu=off off");
	assert_remedy("GenuineIntel", "debian", "", &other_word, "take iommu=off off");
	assert_remedy("GenuineIntel", "debian", "", &asked, "dmesg");
	assert_remedy("GenuineIntel", "debian", "", &default_on, "dmesg");
}

// Nobody can set up the firmware of a virtual machine.
static void test_virtual_remedies(void **state)
{
	const struct iommu_facts none = { .dmar = FACT_NO, .ivrs = FACT_NO }, word = { .dmar = FACT_NO, .off = true };
	const struct system_facts system = { .distro = "debian", .cmdline = (char *)"" };
	const char *vendors[] = { "GenuineIntel", "AuthenticAMD" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vendors); i++) {
		struct cpu_facts cpus = { .hypervisor = true };
		AUTO_FREE char *got = NULL, *first = NULL;

		snprintf(cpus.vendor, sizeof(cpus.vendor), "%s", vendors[i]);
		got = remedy_iommu_off(&cpus, &system, &none);
		assert_non_null(strstr(got, "-device intel-iommu"));
		first = remedy_iommu_off(&cpus, &system, &word);
		assert_non_null(strstr(first, "take iommu=off off"));
	}
}

static void test_amd_remedies(void **state)
{
	const struct iommu_facts off = { .ivrs = FACT_NO }, word = { .amd_off = true }, nonsense = { .amd_on = true };

	(void)state;
	assert_remedy("AuthenticAMD", "debian", "", &off, "firmware setup, which offers no IVRS table");
	assert_remedy("AuthenticAMD", "debian", "", &word, "take amd_iommu=off off");
	assert_remedy("AuthenticAMD", "debian", "", &nonsense, "amd_iommu=on on the kernel line means nothing");
	assert_remedy("", "debian", "", &off, "firmware");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_known), cmocka_unit_test(test_on),
		cmocka_unit_test(test_off),	      cmocka_unit_test(test_no_vfio),
		cmocka_unit_test(test_iommufd),
		cmocka_unit_test(test_acs_override),  cmocka_unit_test(test_framebuffers),
		cmocka_unit_test(test_intel_remedies), cmocka_unit_test(test_amd_remedies),
		cmocka_unit_test(test_virtual_remedies), cmocka_unit_test(test_remapping),
		cmocka_unit_test(test_unsafe_interrupts), cmocka_unit_test(test_type1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
