// SPDX-License-Identifier: MIT
#include "launcher/commands/host.h"

#include "base/cleanup.h"
#include "base/mem.h"

enum { BASE_CLASS_DISPLAY = 0x03 };

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

static bool is_only_screen(const struct pci_facts *pci, const struct pci_device *device)
{
	if (!device->detail.boot_vga)
		return false;
	for (size_t i = 0; i < pci->count; i++) {
		const struct pci_device *other = &pci->items[i];

		if (other != device && other->class >> 16 == BASE_CLASS_DISPLAY && !other->dead)
			return false;
	}
	return true;
}

static bool is_on(const struct usb_bus *bus, const struct pci_device *device)
{
	return str_eq(bus->controller, device->address);
}

// Whether all that the host has of them hang on this controller, and which one is the last of these.
static const struct usb_device *find_last(const struct usb_facts *usb, const struct pci_device *device,
					  bool keyboard)
{
	const struct usb_device *found = NULL;

	if (keyboard ? usb->other_keyboards : usb->other_mice)
		return NULL;
	for (size_t i = 0; i < usb->count; i++) {
		for (size_t j = 0; j < usb->buses[i].n_devices; j++) {
			const struct usb_device *at = &usb->buses[i].devices[j];

			if (!(keyboard ? at->keyboard : at->mouse))
				continue;
			if (!is_on(&usb->buses[i], device))
				return NULL;
			found = at;
		}
	}
	return found;
}

static void add_last(const struct host_machine *machine, const struct pci_device *device, struct strv *out)
{
	const struct usb_device *keyboard = find_last(&machine->usb, device, true);
	const struct usb_device *mouse = find_last(&machine->usb, device, false);

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
	if (device->dead)
		strv_add(out, "it does not answer: its configuration reads as ones");
	if (detail->stuck)
		strv_add(out, "its driver blocks in the kernel, and lets go of it once nobody has it open");
	if (is_only_screen(&machine->pci, device))
		strv_add(out, "it is the host's only graphics card");
	strv_copy(out, &detail->uses);
	add_users(detail, out);
	add_last(machine, device, out);
}
