// SPDX-License-Identifier: MIT
// Devices that nobody can pass, whatever the profile, and what the host would be left with.
#include "launcher/check/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/needs.h"

enum { BASE_CLASS_DISPLAY = 0x03 };

static char *name_of(const struct pci_device *device)
{
	AUTO_FREE char *name = pci_device_name(device);

	return mem_printf("%s (%s)", device->address, name);
}

static void add_stuck(struct checking *c, const struct pci_device *device)
{
	AUTO_FREE char *name = name_of(device);
	struct finding *finding =
		checking_add(c, SEVERITY_ERROR, "pci-stuck", name, "its driver blocks in the kernel");

	finding_because(finding,
			"an unbind waits for somebody who has the device open, and whoever asks for the device "
			"waits behind it");
	finding_mend(finding,
		     "end what has it open, then `vfiorun revert`; failing that the host must be started anew");
}

static void add_dead(struct checking *c, const struct pci_device *device)
{
	AUTO_FREE char *name = name_of(device);
	struct finding *finding = checking_add(c, SEVERITY_WARNING, "pci-dead", name,
					       "it does not answer: its configuration reads as ones");

	finding_because(finding, "it can't be passed; cards fall like this after a reset that went wrong");
	finding_mend(finding, "suspend the host once, or switch it off and on");
}

void check_devices(struct checking *c)
{
	const struct pci_facts *pci = &c->facts->pci;
	size_t bad = 0;

	for (size_t i = 0; i < pci->count; i++) {
		bool stuck = pci->items[i].detail.stuck, dead = pci->items[i].dead;

		if (stuck)
			add_stuck(c, &pci->items[i]);
		else if (dead)
			add_dead(c, &pci->items[i]);
		bad += stuck || dead;
	}
	if (!pci->known)
		checking_add(c, SEVERITY_UNKNOWN, "pci-stuck", "PCI devices", "they can't be seen");
	else if (!bad)
		checking_add(c, SEVERITY_OK, "pci-stuck", "PCI devices", "%zu, and each one answers", pci->count);
}

static bool is_gpu(const struct pci_device *device)
{
	return device->class >> 16 == BASE_CLASS_DISPLAY;
}

static void add_only(struct checking *c, const struct pci_device *device)
{
	AUTO_FREE char *name = name_of(device);
	struct finding *finding = checking_add(c, SEVERITY_INFO, "only-gpu", name, "the only graphics card");

	finding_because(finding, "while a guest has it, the host shows nothing");
	finding_mend(finding,
		     "another card for the host; or stop the desktop meanwhile: display_manager in [host], as in "
		     "the example profile single-gpu.conf");
}

static void judge_gpus(struct checking *c, size_t gpus, size_t waiting, const struct pci_device *only)
{
	if (!gpus)
		checking_add(c, SEVERITY_INFO, "no-gpu", "graphics cards", "none is there to be passed");
	else if (waiting)
		checking_add(c, SEVERITY_OK, "only-gpu", "graphics cards", "%zu, of which %zu wait%s for guests",
			     gpus, waiting, waiting == 1 ? "s" : "");
	else if (only)
		add_only(c, only);
	else
		checking_add(c, SEVERITY_OK, "only-gpu", "graphics cards", "%zu: the host can spare one", gpus);
}

void check_gpus(struct checking *c)
{
	const struct pci_facts *pci = &c->facts->pci;
	const struct pci_device *only = NULL;
	size_t gpus = 0, waiting = 0;

	for (size_t i = 0; i < pci->count; i++) {
		const struct pci_device *device = &pci->items[i];

		gpus += is_gpu(device);
		waiting += is_gpu(device) && pci_driver_is_stub(device->driver);
		if (needs_gpu(pci, device, NULL, NULL))
			only = device;
	}
	if (pci->known)
		judge_gpus(c, gpus, waiting, only);
	else
		checking_add(c, SEVERITY_UNKNOWN, "only-gpu", "graphics cards", "they can't be seen");
}
