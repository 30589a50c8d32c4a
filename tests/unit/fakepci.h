// SPDX-License-Identifier: MIT
// Owns the part of the made-up host that moves by itself: PCI devices and their drivers, modules, units, and
// consoles. Refuses to judge.
#pragma once

#include <stdbool.h>

struct err;
struct str;

// Two functions in IOMMU group 13, 0000:06:00.0 of driver `radeon` and .1 of `snd_hda_intel`; 0000:07:00.0, alone
// in 14, has no driver. What the kernel does:
//   driver_override      an empty one reads (null)
//   driver/unbind        takes the `driver` link away, and the group's node in /dev/vfio with its last device
//   drivers_probe        gives a device without driver to the one of its override, else to its own one, as far as
//                        that is there (sys/bus/pci/drivers/NAME)
//   vfio-pci             is there once its module is loaded, which brings vfio and vfio_iommu_type1
//   vtcon1/bind, and the platform device simple-framebuffer.0
//   resource0_resize     of 0000:07:00.0, whose BAR 0 is of 256M and can be of up to 2G, while no driver has it
//   the USB device 1-2, two of whose three interfaces usbhid has, with unbind and drivers_probe
// The unit display.service is active, absent.service is not there.
extern const char fakepci_manifest[];

// What the kernel does once something was written.
void fakepci_kernel(const char *tree);

// modprobe, rmmod and systemctl.
int fakepci_run(const char *tree, const char *const argv[], struct str *out, struct err *err);
