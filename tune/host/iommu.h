// SPDX-License-Identifier: MIT
// Owns the facts about the IOMMU and VFIO as a whole: is it on, what the kernel line says of it, what the firmware
// offers, whether vfio-pci is there, and who sits in graphics memory since boot. Refuses to say what to do.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct root;

enum fact { FACT_UNKNOWN, FACT_NO, FACT_YES };

// A range of /proc/iomem that a boot framebuffer has.
struct iommu_framebuffer {
	char owner[16]; // "BOOTFB", "efifb", "simplefb", …
	uint64_t start, end; // end is the last byte
};

struct iommu_facts {
	enum fact enabled; // there are IOMMU groups
	enum fact dmar, ivrs; // the firmware has the ACPI table of Intel's, of AMD's IOMMU
	// words of the kernel line, the last one of each kind
	bool intel_on, intel_off; // intel_iommu=on, =off
	bool amd_on, amd_off;	  // amd_iommu=on (which means nothing), =off
	bool off, passthrough;	  // iommu=off, iommu=pt (iommu.passthrough=1)
	char acs_override[64];	  // pcie_acs_override=, "" not given
	enum fact acs_patch;	  // the kernel knows that word; asked only where it is given
	enum fact intel_default;  // CONFIG_INTEL_IOMMU_DEFAULT_ON
	enum fact vfio_loaded;	  // the driver vfio-pci is registered
	enum fact vfio_available; // loaded, built in, or a module of this kernel
	enum fact iommufd;	  // /dev/iommu is there; or comes with vfio-pci, which depends on it
	struct iommu_framebuffer *framebuffers;
	size_t n_framebuffers;
	bool framebuffers_unknown; // only root is told addresses
	// what iommu_facts_read_more() adds
	enum fact type1_available; // vfio_iommu_type1, by which VFIO maps a guest's memory: as vfio_available
	bool type1_loaded;
	enum fact remapping;	   // of interrupts: the IOMMU checks them, too
	bool unsafe_interrupts;	   // vfio_iommu_type1 does without that
	bool remapping_off;	   // by a word of the kernel line: intremap=off, nointremap
};

// kernel: its release, "" unknown. cmdline: its line. Sources: Linux 6.1 Documentation/admin-guide/
// kernel-parameters.txt, drivers/iommu/intel/Kconfig, drivers/firmware/sysfb_simplefb.c, drivers/video/fbdev/efifb.c;
// the ACS override patch (pcie_acs_override_setup) is in no kernel of kernel.org.
void iommu_facts_read(struct root *root, const char *kernel, const char *cmdline, struct iommu_facts *facts);
// And what is of interest only where the host as a whole is looked at: Linux 6.1 drivers/vfio/vfio_iommu_type1.c
// (vfio_iommu_type1_attach_group refuses a group without remapping with EPERM), drivers/iommu/irq_remapping.c; chips of
// remapped interrupts are called IR-… (arch/x86/kernel/apic/io_apic.c and msi.c).
void iommu_facts_read_more(struct root *root, const char *kernel, const char *cmdline, struct iommu_facts *facts);
void iommu_facts_finish(struct iommu_facts *facts);
