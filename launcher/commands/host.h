// SPDX-License-Identifier: MIT
// Owns what `vfiorun host` shows: the machine, a map of it for people, JSON for scripts. Refuses to decide anything.
#pragma once

#include "base/str.h"
#include "tune/host/cpu.h"
#include "tune/host/iommu.h"
#include "tune/host/memory.h"
#include "tune/host/pci.h"
#include "tune/host/system.h"
#include "tune/host/usb.h"

#include <stdbool.h>

struct err;
struct json_object;
struct root;

struct host_machine {
	bool live;
	struct cpu_facts cpus;
	struct memory_facts memory;
	struct system_facts system;
	struct pci_facts pci; // with the detail of all devices
	struct usb_facts usb;
	struct iommu_facts iommu;
};

// names: PCI devices get those of this machine's ID database. Returns 0, or -errno with a message where not even CPUs
// can be read.
int host_machine_read(struct root *root, bool names, struct host_machine *machine, struct err *err);
void host_machine_finish(struct host_machine *machine);

// Appends a map of at most 80 columns, as far as one CPU list or name is not longer.
void host_print_text(const struct host_machine *machine, struct str *out);

// An object of cpus, nodes, hugepages, iommu, pci and usb, as vfiorun(1) has it; what is unknown is null. The caller
// puts it.
struct json_object *host_print_json(const struct host_machine *machine);

// What the above are made of:

// Puts words behind what stands in the line, and goes on below it, indented, where it is full.
void host_add_wrapped(struct str *out, const struct strv *words, size_t indent);
void host_add_groups(const struct host_machine *machine, struct str *out);
void host_add_usb(const struct host_machine *machine, struct str *out);

// What stands against passing a device, as a person would say it; appended.
void host_blockers(const struct host_machine *machine, const struct pci_device *device, struct strv *out);

// host --input: input devices of the live machine (dir NULL) or a captured one; live and without json, then
// what they send until Ctrl-C. Returns an exit status.
int host_show_input(const char *dir, bool json);
