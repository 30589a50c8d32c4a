// SPDX-License-Identifier: MIT
// Owns made-up PCI devices in a made-up host tree: one line of a manifest each. Refuses to know what they do.
#pragma once

// pci ADDRESS VENDOR:DEVICE CLASS [KEY=VALUE]…	(the line behind "pci ")
//     pci 0000:06:00.0 10de:13c2 030000 under=0000:00:1c.0 rev=a1 driver=nvidia group=13 reset=bus boot_vga=1
// makes sys/bus/pci/devices/ADDRESS with all that the kernel shows of it: config, vendor, device, class, revision,
// modalias, resource, driver_override, numa_node, power_state, and links to driver and group, both ways.
//     under	the bridge it hangs on, which must stand before it
//     buses	of a bridge: FIRST-LAST, hexadecimal
//     sub	subsystem VENDOR:DEVICE
//     reset	what reset_method says, with commas; left out: there is no such file
//     bar0 … bar5, rom	START-END:FLAGS, hexadecimal
//     override, power, node, boot_vga	as their files have it
//     vfs_max, vfs	SR-IOV; physfn	of a virtual function: the other's address
//     dead=1	its configuration reads as ones
// More files may follow as ordinary entries below sys/bus/pci/devices/ADDRESS. Returns 0 or -errno.
int pci_tree_add(const char *dir, const char *line);
