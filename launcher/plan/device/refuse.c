// SPDX-License-Identifier: MIT
// What the host can't do without, and what is somebody else's.
#include "launcher/plan/device/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/inputs.h"
#include "launcher/plan/needs.h"
#include "launcher/profile/types.h"

// Linux 6.1 drivers/pci/controller/vmd.c, vmd_find_free_domain.
enum { FIRST_VMD_DOMAIN = 0x10000 };

// --- never

static bool is_others(const struct other_device *other, const struct pci_device *device)
{
	return !other->mdev &&
	       (str_eq(other->address, device->address) || (device->group >= 0 && other->group == device->group));
}

static bool refuse_held(struct choosing *c, const struct choice *choice)
{
	const struct facts *facts = c->facts;
	const struct pci_device *device = choice->device;
	AUTO_FREE char *text = device_short_text(device);

	for (size_t i = 0; i < facts->vfio.n_others; i++) {
		const struct other_device *other = &facts->vfio.others[i];
		struct diag *diag;

		if (!is_others(other, device))
			continue;
		if (str_eq(other->address, device->address))
			diag = choosing_report(c, DIAG_HOST_ERROR, "pci-held", choice->section,
					       "the guest %s has %s", other->guest, text);
		else
			diag = choosing_report(c, DIAG_HOST_ERROR, "pci-held", choice->section,
					       "the guest %s has %s, which is in IOMMU group %d with %s",
					       other->guest, other->address, device->group, text);
		diag_hint(diag, other->alive ? "vfiorun stop %s" : "it did not end well: vfiorun revert %s",
			  other->guest);
		return true;
	}
	return false;
}

static bool refuse_stuck(struct choosing *c, const struct choice *choice)
{
	AUTO_FREE char *text = device_short_text(choice->device);

	if (!choice->device->detail.stuck)
		return false;
	diag_hint(choosing_report(
			  c, DIAG_HOST_ERROR, "pci-stuck", choice->section,
			  "%s does not answer: its driver blocks in the kernel, as while an unbind waits for "
			  "somebody to close it",
			  text),
		  "end what has it open; failing that the host must be started anew");
	return true;
}

// Whether somebody has it open whom its driver would wait for: only what hangs on USB is told that it goes.
static bool is_open(const struct choice *choice)
{
	const struct pci_device *device = choice->device;

	return device->detail.n_users &&
	       (pci_driver_is_stub(device->driver) || !device_is_usb_controller(device));
}

// A driver waits for the last user of what it made, and blocks in the kernel meanwhile. What vfio-pci has and somebody
// uses is in a guest of somebody else's. Who ends with a unit that is stopped first is looked for again when the
// device is bound, which fails, and everything is undone, where somebody has stayed.
static void refuse_open(struct choosing *c, const struct choice *choice)
{
	const struct pci_device *device = choice->device;
	bool stub = pci_driver_is_stub(device->driver);
	bool ends = !stub && (c->profile->host.display_manager || c->profile->host.stop.count);
	AUTO_FREE char *text = device_text(device);
	struct diag *diag;

	if (!is_open(choice))
		return;
	diag = choosing_report(c, ends ? DIAG_WARNING : DIAG_HOST_ERROR, "pci-open", choice->section,
			       ends ? "%s: who has it open must end with the units that are stopped first" :
				      "%s: it is not taken away while somebody has it open",
			       text);
	diag_hint(diag, stub ? "end that program first" :
		  ends	     ? "those that belong to no such unit have to be ended by hand" :
			       "end these programs first, or name the systemd units that they belong to in "
			       "[host] stop");
}

// Where the IOMMU is on and has no group for it, vfio-pci takes it not (Linux 6.1 drivers/vfio/vfio_main.c,
// vfio_group_find_or_alloc).
static void refuse_groupless(struct choosing *c, const struct choice *choice)
{
	const struct pci_device *device = choice->device;
	AUTO_FREE char *text = device_short_text(device);

	if (device->group >= 0 || c->facts->iommu.enabled != FACT_YES)
		return;
	diag_hint(choosing_report(c, DIAG_HOST_ERROR, "pci-no-group", choice->section,
				  "%s is in no IOMMU group: the IOMMU does not stand between it and the memory, so it "
				  "can't be passed",
				  text),
		  device->domain >= FIRST_VMD_DOMAIN ?
			  "it hangs behind Intel's VMD: switch VMD (also called RST or RAID mode) off in the firmware "
			  "setup" :
			  "put it into another slot, or update the firmware, whose tables leave it out");
}

// --- unless forced

static bool is_forced(struct choosing *c, const struct choice *choice, const char *reason)
{
	AUTO_FREE char *text = device_short_text(choice->device);

	if (choice->section->force)
		choosing_report(c, DIAG_WARNING, "pci-forced", choice->section,
				"%s: %s; passed all the same, as asked", text, reason);
	return choice->section->force;
}

static void refuse(struct choosing *c, const struct choice *choice, const char *code, const char *reason,
		   const char *hint)
{
	AUTO_FREE char *text = device_short_text(choice->device);

	if (!is_forced(c, choice, reason))
		diag_hint(choosing_report(c, DIAG_HOST_ERROR, code, choice->section, "%s: %s", text, reason),
			  "%s, or write force = yes", hint);
}

// A disk on USB is found from its controller, and from what hangs on the bus.
static void add_reason(struct strv *reasons, const char *reason)
{
	if (!strv_has(reasons, reason))
		strv_add(reasons, reason);
}

// A controller's own disks and networks, and what hangs on its USB buses.
static void refuse_used(struct choosing *c, const struct choice *choice)
{
	const struct usb_facts *usb = &c->facts->usb;
	const struct strv *uses = &choice->device->detail.uses;
	AUTO_STRV struct strv reasons = { 0 };
	AUTO_STR struct str text = { 0 };

	for (size_t i = 0; i < uses->count; i++)
		add_reason(&reasons, uses->items[i]);
	for (size_t i = 0; i < usb->count; i++) {
		const struct usb_bus *bus = &usb->buses[i];

		for (size_t k = 0; k < bus->n_devices && str_eq(bus->controller, choice->device->address); k++) {
			for (size_t u = 0; u < bus->devices[k].uses.count; u++)
				add_reason(&reasons, bus->devices[k].uses.items[u]);
		}
	}
	for (size_t i = 0; i < reasons.count; i++)
		str_addf(&text, "%s%s", i ? "; " : "", reasons.items[i]);
	if (text.len)
		refuse(c, choice, "pci-in-use", text.text,
		       "unmount it, switch it off or route around it first");
}

static bool goes(const void *context, const struct pci_device *device)
{
	return choosing_find(context, device) != NULL;
}

// Only what the host shows something on is missed: one that a stub driver has is not.
static void refuse_only_gpu(struct choosing *c, const struct choice *choice)
{
	const struct pci_device *device = choice->device;

	if (!needs_gpu(&c->facts->pci, device, goes, c))
		return;
	refuse(c, choice, "pci-only-gpu",
	       device->detail.boot_vga ? "the only GPU, and the one that the host started on" :
					 "the only GPU that the host has",
	       "pass another one, or see display_manager in vfiorun.conf(5): the host shows nothing until the "
	       "guest has ended");
}

static void refuse_last_input(struct choosing *c, const struct choice *choice)
{
	const struct facts *facts = c->facts;
	const struct usb_device *keyboard = needs_input(&facts->pci, &facts->usb, choice->device, false, goes, c);
	const struct usb_device *mouse = needs_input(&facts->pci, &facts->usb, choice->device, true, goes, c);

	if (keyboard || mouse)
		refuse(c, choice, "pci-last-input",
		       keyboard && mouse ? "the host's last keyboard and mouse are on this controller" :
		       keyboard		 ? "the host's last keyboard is on this controller" :
					   "the host's last mouse is on this controller",
		       "plug another one into another controller");
}

// What [input] moves between host and guest can't be the guest's alone.
static void refuse_shared_on(struct choosing *c, const struct choice *choice, const struct usb_bus *bus)
{
	const struct profile *p = c->profile;
	const struct input_wish wish = { &p->input.keyboard, &p->input.mouse, &p->input.device };

	for (size_t i = 0; i < bus->n_devices; i++) {
		int index = needs_shared(&wish, &c->facts->input, bus, &bus->devices[i]);
		AUTO_FREE char *reason = NULL;

		if (index < 0)
			continue;
		reason = mem_printf("[input] shares %s, which is on this controller, between host and guest",
				    c->facts->input.devices[index].name);
		refuse(c, choice, "pci-shared-input", reason, "plug it into another controller, or leave it out of "
							      "[input]");
		return;
	}
}

static void refuse_shared_input(struct choosing *c, const struct choice *choice)
{
	const struct usb_facts *usb = &c->facts->usb;

	for (size_t i = 0; i < usb->count && profile_has_section(c->profile, "input"); i++) {
		if (str_eq(usb->buses[i].controller, choice->device->address))
			refuse_shared_on(c, choice, &usb->buses[i]);
	}
}

// The functions that were made of it vanish with its driver.
static void refuse_parted(struct choosing *c, const struct choice *choice)
{
	const struct pci_device *device = choice->device;
	AUTO_FREE char *reason = mem_printf(
		"%d virtual functions were made of it, which vanish when its driver lets go", device->detail.vfs);

	if (device->detail.vfs > 0)
		refuse(c, choice, "pci-parted", reason, "pass one of them instead, or remove them first");
}

// --- sizes

static void add_sizes(uint64_t sizes, struct str *out)
{
	for (int i = 0; i < 44; i++) {
		if (!(sizes >> i & 1))
			continue;
		str_add(out, out->len ? ", " : "");
		str_add_size(out, UINT64_C(1) << (20 + i));
	}
}

static void check_bar_size(struct choosing *c, const struct choice *choice, const char *text)
{
	const struct pci_device *device = choice->device;
	AUTO_STR struct str there = { 0 };
	struct diag *diag;
	uint64_t size = 0;
	int bar = 0;

	if (!bar_size_parse(text, &bar, &size) || device->detail.bars[bar].sizes & size >> 20)
		return;
	add_sizes(device->detail.bars[bar].sizes, &there);
	diag = choosing_report(c, DIAG_HOST_ERROR, "bar-size", choice->section,
			       there.len ? "BAR %d of %s can't be %s: it can be %s" :
					   "BAR %d of %s can't be %s: the kernel offers no other size%s",
			       bar, device->address, text + 2, str_text(&there));
	if (!there.len)
		diag_hint(diag, "it takes Linux 6.1 or later and a device with resizable BARs; some need \"above 4G "
				"decoding\" in the firmware");
}

static void check_bar_sizes(struct choosing *c, const struct choice *choice)
{
	const struct strv *sizes = &choice->section->bar_size;

	if (!choice->named)
		return;
	if (sizes->count && c->facts->live && !c->facts->root)
		diag_hint(choosing_report(c, DIAG_HOST_ERROR, "bar-size", choice->section,
					  "only root can change the size of a BAR of %s", choice->device->address),
			  "run vfiorun as root, or leave bar_size out");
	for (size_t i = 0; i < sizes->count; i++)
		check_bar_size(c, choice, sizes->items[i]);
}

// The firmware's memory, timers, and ports of the board are behind it, by windows that its owner may move.
static void refuse_isa_bridge(struct choosing *c, const struct choice *choice)
{
	if (pci_is_isa_bridge(choice->device))
		refuse(c, choice, "pci-isa-bridge",
		       "the board's ISA bridge: what the host's firmware and clock need is behind it, and a guest can "
		       "cut it off",
		       "leave it out: without a driver it stands in no group's way");
}

// While a device is open by its own node its group can't be opened, and the other way round (Linux 6.6,
// drivers/vfio/group.c, vfio_device_block_group).
static void refuse_mixed(struct choosing *c, const struct choice *choice)
{
	AUTO_FREE char *text = device_short_text(choice->device);

	if (choice->section->iommufd != TRI_YES)
		return;
	for (size_t i = 0; i < c->n_choices; i++) {
		const struct choice *other = &c->choices[i];

		if (other->held || other->device->group != choice->device->group || other->section->iommufd == TRI_YES)
			continue;
		diag_hint(choosing_report(c, DIAG_ERROR, "iommufd-mixed", other->section,
					  "%s is to be reached by iommufd, and %s of the same IOMMU group is not: the "
					  "kernel gives a group out in one way only",
					  text, other->device->address),
			  "iommufd = yes in [pci \"%s\"], too", other->section->title);
		return;
	}
}

void choosing_refuse(struct choosing *c)
{
	static void (*const checks[])(struct choosing *, const struct choice *) = {
		refuse_groupless,
		refuse_open,
		refuse_used,
		refuse_only_gpu,
		refuse_last_input,
		refuse_shared_input,
		refuse_parted,
		refuse_isa_bridge,
		check_bar_sizes,
		refuse_mixed,
	};

	for (size_t i = 0; i < c->n_choices; i++) {
		const struct choice *choice = &c->choices[i];

		if (refuse_held(c, choice) || refuse_stuck(c, choice) || choice->held)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(checks); k++)
			checks[k](c, choice);
	}
}
