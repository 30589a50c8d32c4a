// SPDX-License-Identifier: MIT
// What the process that QEMU is may open and lock. Root changes both for it; anybody else must have it already.
#include "launcher/plan/device/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)

static bool names_viommu(const struct strv *args)
{
	static const char *const devices[] = { "intel-iommu", "amd-iommu", "virtio-iommu" };

	for (size_t i = 0; args && i < args->count; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(devices); k++) {
			if (str_starts(args->items[i], devices[k]))
				return true;
		}
	}
	return false;
}

static bool has_iommufd(const struct choosing *c)
{
	for (size_t i = 0; i < c->plan->n_devices; i++) {
		if (c->plan->devices[i].iommufd)
			return true;
	}
	return false;
}

// VFIO counts what a process locks, iommufd what its user does, in all processes (Linux 6.6,
// drivers/iommu/iommufd/pages.c, incr_user_locked_vm). Whose the others are is not asked: a limit may be too large.
static uint64_t others_locked(const struct choosing *c)
{
	return has_iommufd(c) ? c->facts->vfio.others_locked : 0;
}

// One container of VFIO pins the guest's memory once, whatever the number of devices. With an IOMMU of the
// guest's own each device has an address space, and a container, of its own (QEMU 7.2, hw/vfio/common.c,
// vfio_get_address_space). The rest is for device memory that is mapped too.
static uint64_t memlock_need(const struct choosing *c)
{
	bool viommu = names_viommu(&c->profile->qemu.args) || names_viommu(c->options->qemu_args);
	uint64_t devices = 0;

	for (size_t i = 0; i < c->plan->n_devices; i++)
		devices += c->plan->devices[i].passed;
	return c->profile->vm.memory * (viommu && devices ? devices : 1) + others_locked(c) + GIB;
}

static struct place first_place(const struct choosing *c)
{
	const struct profile *p = c->profile;

	return p->n_pcis ? profile_where(p, "pci", p->pcis[0].title, "") :
			   profile_where(p, "mdev", p->mdevs[0].title, "");
}

static void check_memlock(struct choosing *c)
{
	const struct facts *facts = c->facts;
	uint64_t need = memlock_need(c);
	struct diag *diag;

	c->plan->memlock = need;
	if (!facts->live || facts->root || facts->memlock_hard >= need)
		return;
	diag = diag_add(c->diags, DIAG_HOST_ERROR, "memlock", first_place(c),
			"passing devices locks the guest's memory: a memlock limit of %" PRIu64
			"M is needed, yours is %" PRIu64 "M",
			need >> 20, facts->memlock_hard >> 20);
	diag_hint(diag,
		  "put `%s - memlock %" PRIu64
		  "` into /etc/security/limits.d/vfiorun.conf and log in again; for a systemd unit it is "
		  "LimitMEMLOCK=%" PRIu64,
		  facts->self.name ?: "USER", (need + 1023) / 1024, need);
}

static const char *qemu_user(const struct choosing *c)
{
	return c->facts->self.name ?: "USER";
}

// Only root can take a device from its driver.
static bool check_bound(struct choosing *c, const struct choice *choice)
{
	const struct pci_device *device = choice->device;

	if (str_eq(device->driver, "vfio-pci"))
		return true;
	diag_hint(choosing_report(c, DIAG_HOST_ERROR, "pci-needs-root", choice->section,
				  "only root can bind %s to vfio-pci: it has %s%s now", device->address,
				  device->driver ? "the driver " : "no driver", device->driver ?: ""),
		  "run vfiorun as root; or bind it at boot: `options vfio-pci ids=%04x:%04x` in a file of "
		  "/etc/modprobe.d, for a card that no other driver is to have",
		  device->vendor, device->device);
	return false;
}

static void report_node(struct choosing *c, const struct choice *choice, const char *node, const char *rule)
{
	diag_hint(choosing_report(c, DIAG_HOST_ERROR, "vfio-rights", choice->section,
				  "%s can't open %s, which QEMU reaches %s by", qemu_user(c), node,
				  choice->device->address),
		  "chown %s %s; for good: %s, OWNER=\"%s\" in a file of /etc/udev/rules.d", qemu_user(c), node, rule,
		  qemu_user(c));
}

static void check_own_node(struct choosing *c, const struct choice *choice)
{
	const struct vfio_node *node = vfio_facts_find_node(&c->facts->vfio, choice->device->address);
	AUTO_FREE char *path = mem_printf("/dev/vfio/devices/%s", node ? node->name : "vfioN");

	if (!node || !node->usable)
		report_node(c, choice, path, "SUBSYSTEM==\"vfio-dev\"");
	if (!c->facts->vfio.iommufd_usable)
		report_node(c, choice, "/dev/iommu", "KERNEL==\"iommu\"");
}

static void check_node(struct choosing *c, const struct choice *choice)
{
	int group = choice->device->group;

	if (choice->section->iommufd == TRI_YES) {
		check_own_node(c, choice);
		return;
	}
	if (group < 0 || vfio_facts_may_open(&c->facts->vfio, group))
		return;
	if (vfio_facts_may_open_group(&c->facts->vfio, group))
		diag_hint(choosing_report(c, DIAG_HOST_ERROR, "vfio-rights", choice->section,
					  "%s can't open /dev/vfio/vfio, which every group needs beside its own node",
					  qemu_user(c)),
			  "chmod 666 /dev/vfio/vfio, as udev has it: it opens no device by itself");
	else
		diag_hint(choosing_report(c, DIAG_HOST_ERROR, "vfio-rights", choice->section,
					  "%s can't open /dev/vfio/%d, the IOMMU group of %s", qemu_user(c), group,
					  choice->device->address),
			  "chown %s /dev/vfio/%d; for good: SUBSYSTEM==\"vfio\", OWNER=\"%s\" in a file of "
			  "/etc/udev/rules.d",
			  qemu_user(c), group, qemu_user(c));
}

static void check_mdev_node(struct choosing *c, const struct plan_device *device)
{
	const struct profile_mdev *section = &c->profile->mdevs[device->index];

	if (device->group < 0 || vfio_facts_may_open(&c->facts->vfio, device->group))
		return;
	diag_hint(diag_add(c->diags, DIAG_HOST_ERROR, "vfio-rights",
			   profile_where(c->profile, "mdev", section->title, ""),
			   "%s can't open /dev/vfio/%d, the IOMMU group of %s", qemu_user(c), device->group,
			   device->address),
		  "chown %s /dev/vfio/%d; for good: SUBSYSTEM==\"vfio\", OWNER=\"%s\" in a file of "
		  "/etc/udev/rules.d",
		  qemu_user(c), device->group, qemu_user(c));
}

void choosing_check_rights(struct choosing *c)
{
	if (c->plan->n_devices)
		check_memlock(c);
	if (!c->facts->live || c->facts->root)
		return;
	for (size_t i = 0; i < c->n_choices; i++) {
		if (!c->choices[i].held && check_bound(c, &c->choices[i]))
			check_node(c, &c->choices[i]);
	}
	for (size_t i = 0; i < c->plan->n_devices; i++) {
		if (c->plan->devices[i].mdev)
			check_mdev_node(c, &c->plan->devices[i]);
	}
}
