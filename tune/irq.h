// SPDX-License-Identifier: MIT
// Owns where a passed device's interrupts go. Refuses to record it: they are made when the guest's driver asks for
// them and end with its use of the device, and their masks with them.
#pragma once

struct cpuset;
struct err;

struct tracepoint;

// Tells when a thread on one of these CPUs asks the kernel for interrupts, as QEMU's do for a passed device; the device
// has them a moment later. Their moves are not told. (VFIO_DEVICE_SET_IRQS runs through x86_vector_alloc_irqs, since
// Linux 4.15 arch/x86/kernel/apic/vector.c.) Returns 0 or -errno with a message.
int irq_watch(struct tracepoint *tracepoint, const struct cpuset *cpus, struct err *err);

// Adds the numbers of the message-signalled interrupts that the device has now.
void irq_list_device(const char *device, struct cpuset *irqs);

// Puts the message-signalled interrupts that the device has now on these CPUs; `device` is its directory below
// /sys/bus/pci/devices. A line that it shares with others (INTx) stays where it is. Returns how many were moved, or
// -errno with a message where one refused.
int irq_steer_device(const char *device, const struct cpuset *cpus, struct err *err);
