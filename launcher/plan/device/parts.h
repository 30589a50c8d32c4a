// SPDX-License-Identifier: MIT
// Owns what the parts of the choice of devices share while one is made. For launcher/plan/device/ only;
// everybody else reads device.h.
#pragma once

#include "launcher/facts/facts.h"
#include "launcher/plan/device.h"
#include "launcher/plan/plan.h"
#include "launcher/profile/profile.h"

// A device that is passed, or held.
struct choice {
	const struct pci_device *device;
	const struct profile_pci *section; // that names it, or whose group = auto took it
	bool named; // by a section of its own
	bool held;  // not passed: kept away from drivers
};

struct choosing {
	const struct profile *profile;
	const struct facts *facts;
	const struct plan_options *options;
	struct plan *plan;
	struct diags *diags;
	struct choice *choices; // in the profile's order; what a group brings stands behind its taker
	size_t n_choices;
};

// The choice of this device, or NULL.
const struct choice *choosing_find(const struct choosing *c, const struct pci_device *device);
bool choosing_passes(const struct choosing *c, const struct pci_device *device);
struct choice *choosing_add(struct choosing *c, const struct pci_device *device,
			    const struct profile_pci *section);

// A diagnostic at a section's header. Warnings go to the plan.
struct diag *choosing_report(struct choosing *c, enum diag_level level, const char *code,
			     const struct profile_pci *section, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
// "0000:06:00.1 (Audio device, Intel …; driver snd_hda_intel; open in pipewire (pid 812))"; the caller frees.
char *device_text(const struct pci_device *device);
// "0000:06:00.0 (NVIDIA …)": where its driver is of no interest.
char *device_short_text(const struct pci_device *device);

// PCI class codes (PCI Code and ID Assignment 1.11; Linux include/linux/pci_ids.h).
bool device_is_gpu(const struct pci_device *device);
bool device_is_usb_controller(const struct pci_device *device);

// resolve.c: titles to choices.
void choosing_resolve(struct choosing *c);
// host.c: what the host as a whole lacks; a boot framebuffer in a device's memory.
void choosing_check_host(struct choosing *c);
void choosing_warn_framebuffer(struct choosing *c, const struct choice *choice);
// The boot framebuffer that lies in a BAR of the device, or NULL; which one goes to *bar, which may be NULL.
const struct iommu_framebuffer *device_framebuffer(const struct facts *facts, const struct pci_device *device,
						   int *bar);
// group.c: the rule of the group, after all titles are known. Adds what a group brings.
void choosing_close_groups(struct choosing *c);
// refuse.c: what forbids it.
void choosing_refuse(struct choosing *c);
// warn.c: what hurts.
void choosing_warn(struct choosing *c);
// rights.c: what QEMU's user must be able to open and to lock.
void choosing_check_rights(struct choosing *c);
// mdev.c
void choosing_add_mdevs(struct choosing *c);
