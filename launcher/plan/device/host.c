// SPDX-License-Identifier: MIT
// What the host as a whole needs for passing devices: an IOMMU that is on, vfio-pci, groups that mean something.
#include "launcher/plan/device/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/remedy.h"
#include "tune/change/names.h"

#include <inttypes.h>

static void check_iommu(struct choosing *c, const struct profile_pci *section)
{
	const struct facts *facts = c->facts;
	AUTO_FREE char *remedy = NULL;

	if (facts->iommu.enabled != FACT_NO)
		return;
	remedy = remedy_iommu_off(&facts->cpus, &facts->system, &facts->iommu);
	diag_hint(choosing_report(c, DIAG_HOST_ERROR, "iommu-off", section,
				  "the IOMMU is off: without it no device can be passed"),
		  "%s", remedy);
}

static void check_vfio(struct choosing *c, const struct profile_pci *section)
{
	if (c->facts->iommu.vfio_available != FACT_NO)
		return;
	diag_hint(choosing_report(c, DIAG_HOST_ERROR, "no-vfio-pci", section, "this kernel (%s) has no vfio-pci",
				  c->facts->system.kernel),
		  "after an update of the kernel the modules of the running one may be gone: reboot; else "
		  "install a kernel that has CONFIG_VFIO_PCI");
}

static void check_override(struct choosing *c, const struct profile_pci *section)
{
	const struct iommu_facts *iommu = &c->facts->iommu;

	if (!iommu->acs_override[0])
		return;
	if (iommu->acs_patch == FACT_NO)
		diag_hint(choosing_report(c, DIAG_WARNING, "acs-override-unknown", section,
					  "pcie_acs_override=%s is on the kernel line, but this kernel lacks "
					  "the patch: it does nothing",
					  iommu->acs_override),
			  "boot a kernel that is built with it (linux-zen, linux-cachyos), or take it off the "
			  "kernel line");
	else
		diag_hint(choosing_report(c, DIAG_WARNING, "acs-override", section,
					  "pcie_acs_override=%s%s: the IOMMU groups are smaller than the "
					  "hardware can keep apart, and the guest's device may reach others",
					  iommu->acs_override,
					  iommu->acs_patch == FACT_YES ?
						  " is in force" :
						  " is on the kernel line; if the kernel knows it"),
			  "give no guest a device under it that you would not give this host");
}

void choosing_check_host(struct choosing *c)
{
	const struct profile_pci *first = c->profile->pcis;

	if (!c->profile->n_pcis)
		return;
	check_iommu(c, first);
	check_vfio(c, first);
	check_override(c, first);
}

// --- a boot framebuffer in a device's memory

// The bridge that only leads to this slot; NULL: others hang on it, or there is none.
static const struct pci_device *bridge_alone(const struct choosing *c, const struct pci_device *device)
{
	const struct pci_facts *pci = &c->facts->pci;
	const struct pci_device *bridge = device->parent >= 0 ? &pci->items[device->parent] : NULL;

	for (size_t i = 0; bridge && i < pci->count; i++) {
		if (pci->items[i].parent == device->parent && !choosing_find(c, &pci->items[i]))
			return NULL;
	}
	return bridge;
}

static void warn_framebuffer(struct choosing *c, const struct choice *choice, int bar,
			     const struct iommu_framebuffer *fb)
{
	const struct pci_device *device = choice->device, *bridge = bridge_alone(c, device);
	const struct pci_bar *range = &device->detail.bars[bar];
	AUTO_FREE char *how = remedy_kernel_words(&c->facts->system, "initcall_blacklist=sysfb_init");
	AUTO_FREE char *again = bridge ? change_name_rescan(bridge->address) : NULL;
	struct diag *diag = choosing_report(
		c, DIAG_WARNING, "boot-framebuffer", choice->section,
		"the screen of the firmware still lies in %s: %s at %" PRIx64 "-%" PRIx64 " in BAR %d (%" PRIx64
		"-%" PRIx64 "); where the kernel does not move it away, it says `BAR %d: can't reserve`, and "
			    "the guest sees no picture",
		device->address, fb->owner, fb->start, fb->end, bar, range->start, range->end, bar);

	diag_hint(
		diag, "%s (with simpledrm, video=efifb:off does nothing)%s%s%s", how,
		again ? "; or, once a boot: " : "", again ?: "",
		bridge ?
			"" :
			"; other devices hang on the same bridge, so removing that and scanning again is no way");
}

static bool overlaps(const struct pci_bar *bar, const struct iommu_framebuffer *fb)
{
	return bar->end && fb->start <= bar->end && fb->end >= bar->start;
}

const struct iommu_framebuffer *device_framebuffer(const struct facts *facts, const struct pci_device *device,
						   int *bar)
{
	const struct iommu_facts *iommu = &facts->iommu;

	for (int i = 0; i < PCI_BAR_ROM; i++) {
		for (size_t k = 0; k < iommu->n_framebuffers; k++) {
			if (!overlaps(&device->detail.bars[i], &iommu->framebuffers[k]))
				continue;
			if (bar)
				*bar = i;
			return &iommu->framebuffers[k];
		}
	}
	return NULL;
}

// vfio-pci can use the range only where its owner lets go. From Linux 6.0 on it asks the console drivers to, for
// the GPU that the firmware chose (aperture_remove_conflicting_pci_devices in drivers/vfio/pci/vfio_pci_core.c).
void choosing_warn_framebuffer(struct choosing *c, const struct choice *choice)
{
	int bar = 0;
	const struct iommu_framebuffer *fb = device_framebuffer(c->facts, choice->device, &bar);

	if (fb)
		warn_framebuffer(c, choice, bar, fb);
}
