// SPDX-License-Identifier: MIT
#include "launcher/commands/host.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/host/root.h"

// Here every device is of interest.
static void read_devices(struct root *root, bool names, struct host_machine *machine)
{
	struct pci_facts *pci = &machine->pci;
	AUTO_FREE size_t *all = NULL;

	pci_facts_read(root, pci, NULL);
	all = mem_new(pci->count + 1, sizeof(*all));
	for (size_t i = 0; i < pci->count; i++)
		all[i] = i;
	pci_facts_read_details(root, pci, all, pci->count);
	if (names)
		pci_facts_read_names(pci, all, pci->count);
	usb_facts_read(root, &machine->usb);
	iommu_facts_read(root, machine->system.kernel, machine->system.cmdline, &machine->iommu);
}

int host_machine_read(struct root *root, bool names, struct host_machine *machine, struct err *err)
{
	int r;

	*machine = (struct host_machine){ .live = root->live };
	r = cpu_facts_read(root, &machine->cpus, err);
	if (r < 0)
		return r;
	memory_facts_read(root, &machine->memory);
	system_facts_read(root, &machine->system);
	read_devices(root, names, machine);
	return 0;
}

void host_machine_finish(struct host_machine *machine)
{
	cpu_facts_finish(&machine->cpus);
	memory_facts_finish(&machine->memory);
	system_facts_finish(&machine->system);
	pci_facts_finish(&machine->pci);
	usb_facts_finish(&machine->usb);
	iommu_facts_finish(&machine->iommu);
	*machine = (struct host_machine){ 0 };
}
