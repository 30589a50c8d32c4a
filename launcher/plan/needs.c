// SPDX-License-Identifier: MIT
#include "launcher/plan/needs.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/plan/inputs.h"
#include "tune/host/input.h"
#include "tune/host/pci.h"
#include "tune/host/usb.h"

#include <string.h>

enum { BASE_CLASS_DISPLAY = 0x03 };

static bool is_screen(const struct pci_device *device)
{
	return device->class >> 16 == BASE_CLASS_DISPLAY && !device->dead && !pci_driver_is_stub(device->driver);
}

bool needs_gpu(const struct pci_facts *pci, const struct pci_device *device, needs_goes *goes, const void *context)
{
	if (!is_screen(device))
		return false;
	for (size_t i = 0; i < pci->count; i++) {
		const struct pci_device *other = &pci->items[i];

		if (other != device && is_screen(other) && !(goes && goes(context, other)))
			return false;
	}
	return true;
}

static bool is_kind(const struct usb_device *device, bool mouse)
{
	return mouse ? device->mouse : device->keyboard;
}

static const struct usb_device *find_on(const struct usb_bus *bus, bool mouse, const struct usb_device *without)
{
	for (size_t i = 0; i < bus->n_devices; i++) {
		if (&bus->devices[i] != without && is_kind(&bus->devices[i], mouse))
			return &bus->devices[i];
	}
	return NULL;
}

const struct usb_device *needs_input(const struct pci_facts *pci, const struct usb_facts *usb,
				     const struct pci_device *controller, bool mouse, needs_goes *goes,
				     const void *context)
{
	const struct usb_device *found = NULL;

	if (mouse ? usb->other_mice : usb->other_keyboards)
		return NULL;
	for (size_t i = 0; i < usb->count; i++) {
		const struct usb_bus *bus = &usb->buses[i];
		const struct usb_device *device = find_on(bus, mouse, NULL);
		const struct pci_device *home = *bus->controller ? pci_facts_find(pci, bus->controller) : NULL;

		if (!device)
			continue;
		if (home == controller)
			found = device;
		else if (!home || !goes || !goes(context, home))
			return NULL;
	}
	return found;
}

bool needs_usb_input(const struct usb_facts *usb, const struct usb_device *device, bool mouse)
{
	if (!is_kind(device, mouse) || (mouse ? usb->other_mice : usb->other_keyboards))
		return false;
	for (size_t i = 0; i < usb->count; i++) {
		if (find_on(&usb->buses[i], mouse, device))
			return false;
	}
	return true;
}

// "usb-0000:03:00.0-2.3/input0" hangs on "1-2.3" (Linux 6.1, usb_make_path in drivers/usb/core/usb.c).
int needs_shared(const struct input_wish *wish, const struct input_facts *inputs, const struct usb_bus *bus,
		 const struct usb_device *device)
{
	const char *ports = strchr(device->port, '-');
	AUTO_FREE char *begin = mem_printf("usb-%s%s/", bus->controller, ports ? ports : "-");

	if (!device->keyboard && !device->mouse)
		return -1;
	for (size_t i = 0; i < inputs->count; i++) {
		enum input_choice choice;

		if (!str_starts(inputs->devices[i].phys, begin))
			continue;
		choice = input_choose(wish, inputs, i);
		if (choice == INPUT_NAMED || choice == INPUT_BY_KIND)
			return (int)i;
	}
	return -1;
}
