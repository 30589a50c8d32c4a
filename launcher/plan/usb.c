// SPDX-License-Identifier: MIT
#include "launcher/plan/usb.h"

#include "base/mem.h"
#include "tune/host/usb.h"

#include <stddef.h>

static int count_inputs(const struct usb_facts *facts, bool mouse, const struct usb_device *without)
{
	int n = mouse ? facts->other_mice : facts->other_keyboards;

	for (size_t i = 0; i < facts->count; i++) {
		for (size_t k = 0; k < facts->buses[i].n_devices; k++) {
			const struct usb_device *device = &facts->buses[i].devices[k];

			n += device != without && (mouse ? device->mouse : device->keyboard);
		}
	}
	return n;
}

char *usb_objection(const struct usb_facts *facts, const struct usb_device *device, bool force)
{
	if (device->hub)
		return mem_printf("%s (%s) is a hub: pass what hangs on it, or the whole controller by [pci]",
				  device->port, device->name);
	if (force)
		return NULL;
	if (device->uses.count)
		return mem_printf("the host uses %s (%s): %s", device->port, device->name, device->uses.items[0]);
	if (device->keyboard && !count_inputs(facts, false, device))
		return mem_printf("%s (%s) is the host's last keyboard", device->port, device->name);
	if (device->mouse && !count_inputs(facts, true, device))
		return mem_printf("%s (%s) is the host's last mouse", device->port, device->name);
	return NULL;
}
