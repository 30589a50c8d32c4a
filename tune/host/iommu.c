// SPDX-License-Identifier: MIT
#include "tune/host/iommu.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/root.h"

#include <stdio.h>
#include <string.h>

enum { CONFIG_MAX = 4 << 20, MODULES_MAX = 16 << 20, SYMBOLS_MAX = 64 << 20, IOMEM_MAX = 4 << 20,
       INTERRUPTS_MAX = 16 << 20 };

static enum fact fact_of(bool value)
{
	return value ? FACT_YES : FACT_NO;
}

static void read_groups(struct root *root, struct iommu_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	if (root_list(root, "sys/kernel/iommu_groups", &names) == 0)
		facts->enabled = fact_of(names.count > 0);
	else if (root->live && root_exists(root, "sys/kernel"))
		facts->enabled = FACT_NO; // a kernel without IOMMUs
}

static void read_tables(struct root *root, struct iommu_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	if (root_list(root, "sys/firmware/acpi/tables", &names) < 0)
		return;
	facts->dmar = fact_of(strv_has(&names, "DMAR"));
	facts->ivrs = fact_of(strv_has(&names, "IVRS"));
}

// "intel_iommu=on,sm_on": each part of a value is a setting of its own.
static void take_setting(struct iommu_facts *facts, const char *word, const char *part)
{
	if (str_eq(word, "intel_iommu") && (str_eq(part, "on") || str_eq(part, "off"))) {
		facts->intel_on = str_eq(part, "on");
		facts->intel_off = !facts->intel_on;
	} else if (str_eq(word, "amd_iommu")) {
		facts->amd_on |= str_eq(part, "on");
		facts->amd_off |= str_eq(part, "off");
	} else if (str_eq(word, "iommu")) {
		facts->off |= str_eq(part, "off");
		facts->passthrough |= str_eq(part, "pt");
	} else if (str_eq(word, "iommu.passthrough")) {
		facts->passthrough = !str_eq(part, "0");
	}
}

static void read_words(const char *cmdline, struct iommu_facts *facts)
{
	AUTO_STRV struct strv words = { 0 };

	strv_split(&words, cmdline, " \t\n");
	for (size_t i = 0; i < words.count; i++) {
		AUTO_STRV struct strv parts = { 0 };
		char *value = strchr(words.items[i], '=');

		if (!value)
			continue;
		*value++ = '\0';
		if (str_eq(words.items[i], "pcie_acs_override"))
			snprintf(facts->acs_override, sizeof(facts->acs_override), "%s", value);
		strv_split(&parts, value, ",");
		for (size_t j = 0; j < parts.count; j++)
			take_setting(facts, words.items[i], parts.items[j]);
	}
}

// Everybody may read the names in it, if not the addresses.
static void read_patch(struct root *root, struct iommu_facts *facts)
{
	AUTO_STR struct str symbols = { 0 };

	if (!*facts->acs_override || root_read_all(root, "proc/kallsyms", &symbols, SYMBOLS_MAX) < 0)
		return;
	if (symbols.len)
		facts->acs_patch = fact_of(strstr(symbols.text, "pcie_acs_override"));
}

static void read_config(struct root *root, const char *kernel, struct iommu_facts *facts)
{
	AUTO_FREE char *path = mem_printf("boot/config-%s", kernel);
	AUTO_STR struct str text = { 0 };

	if (!*kernel || root_read_all(root, path, &text, CONFIG_MAX) < 0 || !text.len)
		return;
	facts->intel_default = fact_of(strstr(text.text, "\nCONFIG_INTEL_IOMMU_DEFAULT_ON=y"));
}

static bool file_has(struct root *root, const char *path, const char *text, bool *known)
{
	AUTO_STR struct str all = { 0 };

	if (root_read_all(root, path, &all, MODULES_MAX) < 0)
		return false;
	*known = true;
	return strstr(str_text(&all), text);
}

// modules.dep begins a line with the module's own path: "kernel/drivers/vfio/pci/vfio-pci.ko.xz: …".
static enum fact find_module(struct root *root, const char *kernel, const char *file)
{
	AUTO_FREE char *modules = mem_printf("lib/modules/%s/modules.dep", kernel);
	AUTO_FREE char *builtin = mem_printf("lib/modules/%s/modules.builtin", kernel);
	bool known = false;

	if (*kernel && (file_has(root, modules, file, &known) || file_has(root, builtin, file, &known)))
		return FACT_YES;
	// an update of the kernel can take all modules of the one that runs
	return known || (root->live && *kernel) ? FACT_NO : FACT_UNKNOWN;
}

static void read_vfio(struct root *root, const char *kernel, struct iommu_facts *facts)
{
	if (root_exists(root, "sys/bus/pci/drivers"))
		facts->vfio_loaded = fact_of(root_exists(root, "sys/bus/pci/drivers/vfio-pci"));
	facts->vfio_available = facts->vfio_loaded == FACT_YES ? FACT_YES : find_module(root, kernel, "/vfio-pci.ko");
	if (root_exists(root, "dev/iommu"))
		facts->iommufd = FACT_YES;
	else
		facts->iommufd = facts->vfio_loaded == FACT_YES ? FACT_NO : find_module(root, kernel, "/iommufd.ko");
}

static bool is_boot_framebuffer(const char *owner)
{
	static const char *const owners[] = { "BOOTFB", "efifb", "vesafb", "simplefb", "simpledrm",
					      "efidrm", "vesadrm", "uvesafb", "vga16fb" };

	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		if (str_eq(owner, owners[i]))
			return true;
	}
	return false;
}

// "    e0000000-e02fffff : BOOTFB"; without rights all addresses are 0.
static void take_range(struct iommu_facts *facts, const char *line)
{
	const char *owner = strstr(line, " : ");
	struct iommu_framebuffer *framebuffer;
	unsigned long long start, end;

	if (!owner || !is_boot_framebuffer(owner + 3) || sscanf(line, " %llx-%llx", &start, &end) != 2)
		return;
	if (!end) {
		facts->framebuffers_unknown = true;
		return;
	}
	framebuffer = MEM_PUSH(facts->framebuffers, facts->n_framebuffers);
	framebuffer->start = start;
	framebuffer->end = end;
	snprintf(framebuffer->owner, sizeof(framebuffer->owner), "%s", owner + 3);
}

static void read_framebuffers(struct root *root, struct iommu_facts *facts)
{
	AUTO_STR struct str text = { 0 };
	AUTO_STRV struct strv lines = { 0 };

	if (root_read_all(root, "proc/iomem", &text, IOMEM_MAX) < 0) {
		facts->framebuffers_unknown = true;
		return;
	}
	strv_split(&lines, str_text(&text), "\n");
	for (size_t i = 0; i < lines.count; i++)
		take_range(facts, lines.items[i]);
}

void iommu_facts_read(struct root *root, const char *kernel, const char *cmdline, struct iommu_facts *facts)
{
	*facts = (struct iommu_facts){ 0 };
	read_groups(root, facts);
	read_tables(root, facts);
	read_words(cmdline, facts);
	read_patch(root, facts);
	read_config(root, kernel, facts);
	read_vfio(root, kernel, facts);
	read_framebuffers(root, facts);
}

// "126:  5  0  IR-PCI-MSI 327680-edge xhci_hcd": behind a count for each CPU comes the chip.
static const char *chip_of(const char *line)
{
	const char *at = strchr(line, ':');

	if (!at)
		return "";
	for (at++; *at == ' ' || (*at >= '0' && *at <= '9');)
		at++;
	return at;
}

// One that is remapped tells; where there is none of devices at all nothing is known.
static enum fact read_remapping(struct root *root)
{
	enum fact remapping = FACT_UNKNOWN;
	AUTO_STR struct str text = { 0 };
	AUTO_STRV struct strv lines = { 0 };

	if (root_read_all(root, "proc/interrupts", &text, INTERRUPTS_MAX) < 0)
		return FACT_UNKNOWN;
	strv_split(&lines, str_text(&text), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		const char *chip = chip_of(lines.items[i]);

		if (str_starts(chip, "IR-"))
			return FACT_YES;
		if (str_starts(chip, "IO-APIC") || str_starts(chip, "PCI-MSI"))
			remapping = FACT_NO;
	}
	return remapping;
}

void iommu_facts_read_more(struct root *root, const char *kernel, const char *cmdline, struct iommu_facts *facts)
{
	AUTO_STRV struct strv words = { 0 };
	char unsafe[8];

	facts->type1_loaded = root_exists(root, "sys/module/vfio_iommu_type1");
	facts->type1_available = facts->type1_loaded ? FACT_YES : find_module(root, kernel, "/vfio_iommu_type1.ko");
	facts->remapping = read_remapping(root);
	facts->unsafe_interrupts = root_read(root, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
					     unsafe, sizeof(unsafe)) > 0 && *unsafe == 'Y';
	strv_split(&words, cmdline, " \t\n");
	facts->remapping_off = strv_has(&words, "intremap=off") || strv_has(&words, "nointremap");
}

void iommu_facts_finish(struct iommu_facts *facts)
{
	free(facts->framebuffers);
	*facts = (struct iommu_facts){ 0 };
}
