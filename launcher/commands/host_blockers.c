// SPDX-License-Identifier: MIT
#include "launcher/commands/host.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/needs.h"

static void add_users(const struct pci_detail *detail, struct strv *out)
{
	size_t more;

	for (size_t i = 0; i < detail->n_users; i += more + 1) {
		const struct pci_user *user = &detail->users[i];

		for (more = 0; i + more + 1 < detail->n_users && user[more + 1].pid == user->pid;)
			more++;
		if (more)
			strv_addf(out, "%s (%d) has %s and %zu more open", user->name, (int)user->pid, user->path,
				  more);
		else
			strv_addf(out, "%s (%d) has %s open", user->name, (int)user->pid, user->path);
	}
}

static void add_last(const struct host_machine *machine, const struct pci_device *device, struct strv *out)
{
	const struct usb_device *keyboard = needs_input(&machine->pci, &machine->usb, device, false, NULL, NULL);
	const struct usb_device *mouse = needs_input(&machine->pci, &machine->usb, device, true, NULL, NULL);

	if (keyboard)
		strv_addf(out, "the host's last keyboard hangs on it: %s", keyboard->name);
	if (mouse)
		strv_addf(out, "the host's last mouse hangs on it: %s", mouse->name);
}

void host_blockers(const struct host_machine *machine, const struct pci_device *device, struct strv *out)
{
	const struct pci_detail *detail = &device->detail;

	if (device->is_bridge)
		return;
	if (machine->pci.iommu && device->group < 0)
		strv_add(out, "the IOMMU has no group for it: it can't be passed");
	if (device->dead)
		strv_add(out, "it does not answer: its configuration reads as ones");
	if (detail->stuck)
		strv_add(out, "its driver blocks in the kernel, and lets go of it once nobody has it open");
	if (needs_gpu(&machine->pci, device, NULL, NULL))
		strv_add(out, "it is the host's only graphics card");
	strv_copy(out, &detail->uses);
	add_users(detail, out);
	add_last(machine, device, out);
}
