// SPDX-License-Identifier: MIT
// USB devices of the host. The guest starts with a controller only: devices are plugged into it over QMP before
// its CPUs run, just as later, so that there is one way and not two. QEMU is handed open descriptors, and needs
// no right of its own to the device's node (QEMU 7.2 hw/usb/host-libusb.c, usb_host_realize: hostdevice).
#include "launcher/argv/argv.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/inputs.h"
#include "launcher/plan/usb.h"

#include <string.h>

// A host error about one [usb] section.
static struct diag *refuse(struct argv_build *b, const struct profile_usb *usb, const char *code, const char *text)
{
	struct place place;

	place = profile_where(b->profile, "usb", usb->title, "");
	return diag_add(b->diags, DIAG_HOST_ERROR, code, place, "%s", text);
}

static void judge(struct argv_build *b, const struct profile_usb *usb, const struct usb_device *device, bool several)
{
	const struct profile *p = b->profile;
	const struct input_wish wish = { &p->input.keyboard, &p->input.mouse, &p->input.device };
	AUTO_FREE char *text = NULL;

	if (device && profile_has_section(p, "input"))
		text = usb_shared_objection(&b->facts->usb, device, &wish, &b->facts->input);
	if (text) {
		diag_hint(refuse(b, usb, "usb-shared", text), "leave it out of [input], or out of [usb]");
	} else if (device) {
		text = usb_objection(&b->facts->usb, device, usb->force);
		if (text)
			diag_hint(refuse(b, usb, "usb-needed", text),
				  device->hub ? "name another device" : "force = yes passes it all the same");
	} else if (several) {
		text = mem_printf("there are several USB devices %s", usb->title);
		diag_hint(refuse(b, usb, "usb-several", text), "name the socket, as `vfiorun host` shows it: 1-2.3");
	} else if (!usb->hotplug && b->facts->live) {
		text = mem_printf("there is no USB device %s", usb->title);
		diag_hint(refuse(b, usb, "usb-missing", text),
			  "plug it in, or write hotplug = yes: then it is passed when it comes");
	}
}

static void add_device(struct argv_build *b, const struct profile_usb *usb)
{
	bool several = false;
	const struct usb_device *device = usb_facts_find(&b->facts->usb, usb->title, &several);
	const char *later = usb->hotplug ? ", and again whenever it is plugged in" : "";

	judge(b, usb, device, several);
	strv_addf(&b->plan->usb_devices, "%s%s%s", usb->title, usb->hotplug ? " hotplug" : "",
		  usb->force ? " force" : "");
	if (device)
		strv_addf(&b->plan->usb_why, "%s: %s in %s, plugged in before the guest runs%s", usb->title,
			  device->name, device->port, later);
	else
		strv_addf(&b->plan->usb_why, "%s: not there%s", usb->title,
			  usb->hotplug ? "; plugged in when it comes" : "");
}

// Guests that have something of the host's, or somebody before them, get a controller; a plain one is spared it.
static bool wants_controller(const struct argv_build *b)
{
	return b->profile->n_usbs || b->profile->n_pcis || profile_has_section(b->profile, "lookingglass");
}

void argv_usb(struct argv_build *b)
{
	if (wants_controller(b))
		argv_add_usb(b);
	if (b->profile->n_usbs && !qemu_caps_has(&b->facts->qemu, "device/usb-host"))
		diag_hint(argv_host_error(b, "usb-qemu", "usb", "", "%s can't pass USB devices", b->plan->qemu),
			  "it has no device usb-host");
	for (size_t i = 0; i < b->profile->n_usbs; i++)
		add_device(b, &b->profile->usbs[i]);
}
