// SPDX-License-Identifier: MIT
#include "launcher/facts/remedy.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/cpu.h"
#include "tune/host/iommu.h"
#include "tune/host/system.h"

// How words get onto the kernel line: before them, and behind them.
static const struct kernel_line {
	const char *distro, *before, *behind;
} kernel_lines[] = {
	{ "debian", "add `", "` to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, run update-grub, and reboot" },
	{ "fedora", "run `grubby --update-kernel=ALL --args='", "'`, and reboot" },
	{ "rhel", "run `grubby --update-kernel=ALL --args='", "'`, and reboot" },
	{ "suse", "add `",
	  "` to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, run update-bootloader, and reboot" },
	{ "arch", "add `",
	  "` to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub and run `grub-mkconfig -o "
	  "/boot/grub/grub.cfg`, or to the options of systemd-boot's entry, and reboot" },
	{ "nixos", "add `", "` to boot.kernelParams, run `nixos-rebuild boot`, and reboot" },
};

static const struct kernel_line any_line = {
	NULL, "add `", "` to the kernel line in the boot loader's configuration, and reboot",
};

// os-release: its own ID, or one of ID_LIKE.
static const struct kernel_line *find_line(const struct system_facts *system)
{
	AUTO_STRV struct strv names = { 0 };

	strv_add(&names, system->distro);
	strv_split(&names, system->family, " ");
	for (size_t i = 0; i < names.count; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(kernel_lines); j++) {
			if (str_eq(names.items[i], kernel_lines[j].distro))
				return &kernel_lines[j];
		}
	}
	return &any_line;
}

char *remedy_kernel_words(const struct system_facts *system, const char *words)
{
	const struct kernel_line *line = find_line(system);

	return mem_printf("%s%s%s", line->before, words, line->behind);
}

static char *remove_word(const char *word)
{
	return mem_printf("take %s off the kernel line, and reboot", word);
}

// Of a virtual machine the firmware setup is whoever runs it.
static char *virtual_remedy(void)
{
	return mem_dup("this host is a virtual machine itself: whoever runs it must give it an IOMMU (QEMU: -device "
		       "intel-iommu,intremap=on with kernel-irqchip=split)");
}

static char *intel_remedy(const struct cpu_facts *cpus, const struct system_facts *system,
			  const struct iommu_facts *iommu)
{
	if (iommu->off || iommu->intel_off)
		return remove_word(iommu->off ? "iommu=off" : "intel_iommu=off");
	if (iommu->dmar == FACT_NO && cpus->hypervisor)
		return virtual_remedy();
	if (iommu->dmar == FACT_NO)
		return mem_dup("enable VT-d (Intel Virtualization Technology for Directed I/O) in the firmware "
			       "setup: there is no DMAR table now");
	if (!iommu->intel_on && iommu->intel_default != FACT_YES)
		return remedy_kernel_words(system, "intel_iommu=on iommu=pt");
	return mem_dup("enable VT-d in the firmware setup; `dmesg | grep -i dmar` says what the kernel found");
}

// AMD's is on wherever the firmware offers it.
static char *amd_remedy(const struct cpu_facts *cpus, const struct iommu_facts *iommu)
{
	if (iommu->off || iommu->amd_off)
		return remove_word(iommu->off ? "iommu=off" : "amd_iommu=off");
	// QEMU gives any CPU Intel's
	if (iommu->ivrs == FACT_NO && iommu->dmar == FACT_NO && cpus->hypervisor)
		return virtual_remedy();
	return mem_printf("enable the IOMMU (AMD-Vi, beside SVM) in the firmware setup%s: the kernel then uses it "
			  "without being told%s",
			  iommu->ivrs == FACT_NO ? ", which offers no IVRS table now" : "",
			  iommu->amd_on ? "; amd_iommu=on on the kernel line means nothing" : "");
}

char *remedy_iommu_off(const struct cpu_facts *cpus, const struct system_facts *system,
		       const struct iommu_facts *iommu)
{
	if (str_eq(cpus->vendor, "GenuineIntel"))
		return intel_remedy(cpus, system, iommu);
	if (str_eq(cpus->vendor, "AuthenticAMD") || str_eq(cpus->vendor, "HygonGenuine"))
		return amd_remedy(cpus, iommu);
	return mem_dup("enable it in the firmware setup");
}
