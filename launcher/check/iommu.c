// SPDX-License-Identifier: MIT
// What passing devices takes of the kernel: an IOMMU, VFIO's modules, and groups that mean something.
#include "launcher/check/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/remedy.h"

static bool is_on(const struct checking *c)
{
	const struct facts *facts = c->facts;

	return facts->iommu.enabled == FACT_YES || (facts->iommu.enabled == FACT_UNKNOWN && facts->pci.iommu);
}

static size_t count_groups(const struct pci_facts *pci)
{
	size_t groups = 0;

	for (size_t i = 0; i < pci->count; i++) {
		int group = pci->items[i].group;

		groups += group >= 0 && pci_facts_next_in_group(pci, group, 0) == &pci->items[i];
	}
	return groups;
}

// What is seen beside that the kernel has made no groups.
static const char *why_off(const struct iommu_facts *iommu)
{
	if (iommu->off)
		return ": iommu=off is on the kernel line";
	if (iommu->intel_off)
		return ": intel_iommu=off is on the kernel line";
	if (iommu->amd_off)
		return ": amd_iommu=off is on the kernel line";
	if (iommu->dmar == FACT_NO && iommu->ivrs == FACT_NO)
		return ": the firmware describes none (no ACPI table DMAR or IVRS)";
	if (iommu->dmar == FACT_YES || iommu->ivrs == FACT_YES)
		return ", though the firmware describes one";
	return "";
}

void check_iommu(struct checking *c)
{
	const struct facts *facts = c->facts;
	AUTO_FREE char *remedy = NULL;
	struct finding *finding;

	if (is_on(c)) {
		size_t groups = count_groups(&facts->pci);

		checking_add(c, SEVERITY_OK, "iommu-off", "IOMMU", "on, with %zu group%s", groups,
			     groups == 1 ? "" : "s");
		return;
	}
	if (facts->iommu.enabled == FACT_UNKNOWN) {
		checking_add(c, SEVERITY_UNKNOWN, "iommu-off", "IOMMU", "whether it is on can't be seen");
		return;
	}
	remedy = remedy_iommu_off(&facts->cpus, &facts->system, &facts->iommu);
	finding = checking_add(c, SEVERITY_ERROR, "iommu-off", "IOMMU", "off%s", why_off(&facts->iommu));
	finding_because(finding, "without it no device can be passed to a guest");
	finding_mend(finding, "%s", remedy);
}

// vfio_iommu_type1 refuses a group whose interrupts are not remapped.
void check_remapping(struct checking *c)
{
	const struct iommu_facts *iommu = &c->facts->iommu;
	struct finding *finding;

	if (!is_on(c))
		return;
	if (iommu->remapping != FACT_NO) {
		bool known = iommu->remapping == FACT_YES;

		checking_add(c, known ? SEVERITY_OK : SEVERITY_UNKNOWN, "no-interrupt-remapping", "interrupts",
			     "%s", known ? "remapped by the IOMMU" : "whether the IOMMU remaps them can't be seen");
		return;
	}
	finding = checking_add(c, iommu->unsafe_interrupts ? SEVERITY_WARNING : SEVERITY_ERROR,
			       "no-interrupt-remapping", "interrupts", "not remapped by the IOMMU%s%s",
			       iommu->remapping_off ? ": the kernel line turns that off" : "",
			       iommu->unsafe_interrupts ? "; allow_unsafe_interrupts is set" : "");
	finding_because(finding, iommu->unsafe_interrupts
					 ? "a guest's device can send the host interrupts as if from others"
					 : "VFIO then passes no device, as it could send the host any interrupt");
	if (iommu->remapping_off)
		finding_mend(finding, "take intremap=off or nointremap off the kernel line, and reboot");
	else
		finding_mend(finding,
			     "enable x2APIC or interrupt remapping in the firmware setup; or, for guests that "
			     "are trusted: `options vfio_iommu_type1 allow_unsafe_interrupts=1` in a file of "
			     "/etc/modprobe.d");
}

void check_acs(struct checking *c)
{
	const struct iommu_facts *iommu = &c->facts->iommu;
	struct finding *finding;

	if (!is_on(c) && !*iommu->acs_override)
		return;
	if (!*iommu->acs_override) {
		bool known = checking_has_line(c);

		checking_add(c, known ? SEVERITY_OK : SEVERITY_UNKNOWN, "acs-override", "IOMMU groups", "%s",
			     known ? "as the hardware keeps devices apart" :
				     "whether pcie_acs_override makes them can't be seen");
		return;
	}
	if (iommu->acs_patch == FACT_NO) {
		finding =
			checking_add(c, SEVERITY_WARNING, "acs-override-unknown", "IOMMU groups",
				     "pcie_acs_override=%s is on the kernel line, but this kernel lacks the patch",
				     iommu->acs_override);
		finding_because(finding, "the word does nothing: the groups are as large as without it");
		finding_mend(finding,
			     "boot a kernel that is built with it (linux-zen, linux-cachyos), or take the word off "
			     "the kernel line");
		return;
	}
	finding = checking_add(
		c, SEVERITY_WARNING, "acs-override", "IOMMU groups", "pcie_acs_override=%s %s", iommu->acs_override,
		iommu->acs_patch == FACT_YES ? "is in force" : "is on the kernel line; this kernel may know it");
	finding_because(finding,
			"the groups are smaller than what the hardware keeps apart: a guest's device may reach "
			"others");
	finding_mend(finding, "give no guest a device under it that you would not give this host");
}

// One module of the kernel that passing devices takes.
static void check_module(struct checking *c, const char *code, const char *name, enum fact there, bool loaded,
			 const char *reason, const char *config)
{
	struct finding *finding;

	if (there == FACT_YES) {
		checking_add(c, SEVERITY_OK, code, name, "%s",
			     loaded ? "loaded" : "a module of this kernel, loaded when it is needed");
		return;
	}
	if (there == FACT_UNKNOWN) {
		checking_add(c, SEVERITY_UNKNOWN, code, name, "whether this kernel has it can't be seen");
		return;
	}
	finding = checking_add(c, SEVERITY_ERROR, code, name, "this kernel (%s) has no such module",
			       c->facts->system.kernel);
	finding_because(finding, "%s", reason);
	finding_mend(finding,
		     "after an update of the kernel the modules of the running one may be gone: reboot; else "
		     "install a kernel that has %s",
		     config);
}

void check_vfio_pci(struct checking *c)
{
	const struct iommu_facts *iommu = &c->facts->iommu;

	check_module(c, "no-vfio-pci", "vfio-pci", iommu->vfio_available, iommu->vfio_loaded == FACT_YES,
		     "it is the driver that hands a device to QEMU", "CONFIG_VFIO_PCI");
}

void check_vfio_type1(struct checking *c)
{
	const struct iommu_facts *iommu = &c->facts->iommu;

	check_module(c, "no-vfio-iommu", "vfio_iommu_type1", iommu->type1_available, iommu->type1_loaded,
		     "it lets a guest's devices reach the guest's memory, and no other", "CONFIG_VFIO_IOMMU_TYPE1");
}
