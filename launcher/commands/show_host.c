// SPDX-License-Identifier: MIT
// host: reads the machine, live or captured, and shows it as the planner sees it.
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "launcher/commands/host.h"
#include "tune/host/root.h"

#include <json-c/json.h>

// Here every device is of interest.
static void read_devices(struct root *root, struct machine *machine)
{
	struct pci_facts *pci = &machine->pci;
	AUTO_FREE size_t *all = NULL;

	pci_facts_read(root, pci);
	all = mem_new(pci->count + 1, sizeof(*all));
	for (size_t i = 0; i < pci->count; i++)
		all[i] = i;
	pci_facts_read_details(root, pci, all, pci->count);
	pci_facts_read_names(pci, all, pci->count);
	usb_facts_read(root, &machine->usb);
	iommu_facts_read(root, machine->system.kernel, machine->system.cmdline, &machine->iommu);
}

static int read_machine(const char *dir, struct machine *machine, struct err *err)
{
	struct root root = ROOT_CLOSED;
	int r = root_open(&root, dir, err);

	if (r == 0)
		r = cpu_facts_read(&root, &machine->cpus, err);
	machine->live = root.live;
	if (r == 0) {
		memory_facts_read(&root, &machine->memory);
		system_facts_read(&root, &machine->system);
		read_devices(&root, machine);
	}
	root_finish(&root);
	return r;
}

static void print(const struct machine *machine, bool json, struct str *out)
{
	struct json_object *value;

	if (!json) {
		host_print_text(machine, out);
		return;
	}
	value = host_print_json(machine);
	add_json_text(value, out);
	json_object_put(value);
}

int host_command(const struct command_line *line)
{
	struct machine machine = { 0 };
	AUTO_STR struct str text = { 0 };
	struct err err = ERR_NONE;
	int status;

	if (read_machine(line->root, &machine, &err) < 0) {
		report_error(&err);
		status = line->root ? 2 : 3; // what was named is no captured machine
	} else {
		print(&machine, line->json, &text);
		status = print_out(str_text(&text));
	}
	cpu_facts_finish(&machine.cpus);
	memory_facts_finish(&machine.memory);
	system_facts_finish(&machine.system);
	pci_facts_finish(&machine.pci);
	usb_facts_finish(&machine.usb);
	iommu_facts_finish(&machine.iommu);
	return status;
}
