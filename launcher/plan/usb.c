// SPDX-License-Identifier: MIT
#include "launcher/plan/usb.h"

#include "base/mem.h"
#include "launcher/plan/needs.h"
#include "tune/host/input.h"
#include "tune/host/usb.h"

#include <stddef.h>

char *usb_objection(const struct usb_facts *facts, const struct usb_device *device, bool force)
{
	if (device->hub)
		return mem_printf("%s (%s) is a hub: pass what hangs on it, or the whole controller by [pci]",
				  device->port, device->name);
	if (force)
		return NULL;
	if (device->uses.count)
		return mem_printf("the host uses %s (%s): %s", device->port, device->name, device->uses.items[0]);
	if (needs_usb_input(facts, device, false))
		return mem_printf("%s (%s) is the host's last keyboard", device->port, device->name);
	if (needs_usb_input(facts, device, true))
		return mem_printf("%s (%s) is the host's last mouse", device->port, device->name);
	return NULL;
}

char *usb_shared_objection(const struct usb_facts *facts, const struct usb_device *device,
			   const struct input_wish *wish, const struct input_facts *inputs)
{
	const struct usb_bus *bus = usb_facts_bus(facts, device->bus);
	int index = bus ? needs_shared(wish, inputs, bus, device) : -1;

	if (index < 0)
		return NULL;
	return mem_printf("[input] shares %s (%s) between host and guest", device->port, inputs->devices[index].name);
}
