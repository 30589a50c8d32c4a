// SPDX-License-Identifier: MIT
// Owns the paths of what changes act on, for planners, who name no path of the host themselves. Pure.
#pragma once

#include <stdbool.h>

char *change_name_pci(const char *address);    // the device of a `bind`; the caller frees
char *change_name_vfio_node(const char *address); // the `owner` of the node that vfio-pci gives it; the caller frees
char *change_name_mdev(const char *uuid);      // a mediated device, as QEMU's sysfsdev wants it; the caller frees
char *change_name_bar(const char *address, int bar); // the size of a device's BAR; the caller frees
char *change_name_usb(const char *port);	       // the device of a `usb`; the caller frees
char *change_name_cgroup(const char *path);    // "/vfiorun-NAME" below the mount of cgroup v2; the caller frees
char *change_name_irq(int number);	       // the mask of an interrupt, a list; the caller frees
// Whether a mask is that of the CPUs that irqbalance puts interrupts on; and beside it the interrupts that it moves,
// which the caller frees.
bool change_is_irqbalance(const char *path);
char *change_name_balanced(const char *irqbalance);
// The interrupt whose mask this path is, or -1.
int change_parse_irq(const char *path);
extern const char change_name_irq_default[], change_name_workqueues[]; // masks in hexadecimal
// What a person types to take a device from its driver. The caller frees.
char *change_name_unbind(const char *driver, const char *address);
// What a person types to take a bridge off its bus, with all behind it, and to have it found anew. The caller
// frees.
char *change_name_rescan(const char *bridge);
