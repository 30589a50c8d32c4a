// SPDX-License-Identifier: MIT
// What hurts without being forbidden.
#include "launcher/plan/device/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"

enum { VENDOR_AMD = 0x1002 };

// Cards that a bus reset leaves hanging, by the ranges of the module that resets them by other means:
// github.com/gnif/vendor-reset, src/device-db.h (its families Polaris 10, 11 and 12, Vega 10 and 20, Navi 10, 12
// and 14).
static const struct {
	uint16_t first, last;
	const char *family;
} reset_bug[] = {
	{ 0x67c0, 0x67df, "Polaris 10" }, { 0x6fdf, 0x6fdf, "Polaris 10" }, { 0x67e0, 0x67ff, "Polaris 11" },
	{ 0x6980, 0x699f, "Polaris 12" }, { 0x6860, 0x687f, "Vega 10" },    { 0x66a0, 0x66af, "Vega 20" },
	{ 0x7310, 0x731f, "Navi 10" },	  { 0x7340, 0x734f, "Navi 14" },    { 0x7360, 0x7362, "Navi 12" },
};

static const char *reset_bug_of(const struct pci_device *device)
{
	for (size_t i = 0; device->vendor == VENDOR_AMD && i < ARRAY_SIZE(reset_bug); i++) {
		if (device->device >= reset_bug[i].first && device->device <= reset_bug[i].last)
			return reset_bug[i].family;
	}
	return NULL;
}

static void warn_reset(struct choosing *c, const struct choice *choice)
{
	const struct pci_device *device = choice->device;
	const char *family = reset_bug_of(device);
	AUTO_FREE char *text = device_short_text(device);
	const struct strv *resets = &device->detail.resets;

	if (family && device_is_gpu(device) && !strv_has(resets, "device_specific"))
		diag_hint(choosing_report(
				  c, DIAG_WARNING, "reset-bug", choice->section,
				  "%s is a %s: these do not come back from a reset, so it may hang, and the "
				  "host with it, when the guest ends or starts again",
				  text, family),
			  "the kernel module vendor-reset resets it in its own way (reset_method "
			  "device_specific); without it, shut the guest down in order, and suspend the host "
			  "once before the next start");
	else if (device->detail.known && !resets->count)
		diag_hint(
			choosing_report(
				c, DIAG_WARNING, "no-reset", choice->section,
				"%s has no way to be reset: the next to use it may find it as the guest left it",
				text),
			device_is_gpu(device) ?
				"shut the guest down in order; a GPU that stays dark wants the host to be suspended or "
				"started anew" :
				"shut the guest down in order; where it does not work afterwards, the host has to be "
				"suspended or started anew");
}

// What it shows vanishes, and a driver that lets go of a live card is where hosts hang.
static void warn_live_driver(struct choosing *c, const struct choice *choice)
{
	const struct pci_device *device = choice->device;
	AUTO_FREE char *text = device_short_text(device);
	struct diag *diag;

	if (!device_is_gpu(device) || !device->driver || pci_driver_is_stub(device->driver))
		return;
	diag = choosing_report(c, DIAG_WARNING, "live-gpu", choice->section,
			       "%s is taken from its driver %s while the host runs: a driver that does not let go "
			       "can hang the host",
			       text, device->driver);
	if (c->profile->host.display_manager)
		diag_hint(diag, "try it from another machine first, over ssh: if it hangs, only a reboot helps");
	else
		diag_hint(diag,
			  "for a card that only guests use: options vfio-pci ids=%04x:%04x in modprobe.d, so that no "
			  "other driver gets it at boot",
			  device->vendor, device->device);
}

static void warn_users(struct choosing *c, const struct choice *choice)
{
	const struct pci_device *device = choice->device;
	AUTO_FREE char *text = device_text(device);

	if (device->detail.users_unknown && !pci_driver_is_stub(device->driver) && c->facts->root)
		choosing_report(c, DIAG_WARNING, "pci-users-unknown", choice->section,
				"%s: not all processes could be asked whether they have it open", text);
}

static void warn_function(struct choosing *c, const struct choice *choice)
{
	const struct pci_device *device = choice->device;
	const struct pci_device *physical =
		device->detail.physical ? pci_facts_find(&c->facts->pci, device->detail.physical) : NULL;

	if (physical && str_eq(physical->driver, "vfio-pci"))
		diag_hint(choosing_report(c, DIAG_WARNING, "pci-vf-token", choice->section,
					  "%s is a virtual function of %s, which is on vfio-pci itself: both "
					  "must agree on a token, which QEMU is not given",
					  device->address, physical->address),
			  "leave the physical function to its own driver");
}

void choosing_warn(struct choosing *c)
{
	static void (*const checks[])(struct choosing *, const struct choice *) = {
		warn_reset, warn_live_driver, warn_users, warn_function, choosing_warn_framebuffer,
	};

	for (size_t i = 0; i < c->n_choices; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(checks) && !c->choices[i].held; k++)
			checks[k](c, &c->choices[i]);
	}
}
