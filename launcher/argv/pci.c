// SPDX-License-Identifier: MIT
// Devices of the host. On q35 each slot of the host is a slot of a root port of its own, with all its functions
// that are passed: a guest's driver looks for a card's audio function beside the card, and a port resets alone.
// The machine pc has no PCI Express: there they sit on its one bus.
#include "launcher/argv/image.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/files.h"
#include "tune/change/names.h"

#include <string.h>

enum {
	FIRST_CHASSIS = 64, // a chassis and slot is a port's name; those that people write by hand are low
	LAST_SLOT = 0x1f,   // of the bus of pc, whose other devices are given slots from below
	FUNCTIONS = 8,
};

// What ends up in one slot of the guest.
struct slot {
	const struct plan_device *functions[FUNCTIONS]; // by the guest's number
	int count;
	int number; // of the slot, from 0
};

static const struct profile_pci *section_of(const struct argv_build *b, const struct plan_device *device)
{
	return &b->profile->pcis[device->index];
}

static struct image_place at_key(const struct profile_pci *section, const char *key)
{
	return (struct image_place){ "pci", section->title, key };
}

static const struct pci_device *fact_of(const struct argv_build *b, const struct plan_device *device)
{
	return pci_facts_find(&b->facts->pci, device->address);
}

static size_t slot_length(const char *address)
{
	return (size_t)(strrchr(address, '.') - address);
}

// A virtual function is a device by itself, whatever its number.
static bool goes_together(const struct argv_build *b, const struct plan_device *device)
{
	const struct pci_device *fact = fact_of(b, device);

	return section_of(b, device)->multifunction != TRI_NO && !(fact && fact->detail.physical);
}

static bool is_same_slot(const struct argv_build *b, const struct plan_device *one,
			 const struct plan_device *other)
{
	size_t n = slot_length(one->address);

	return goes_together(b, one) && goes_together(b, other) && slot_length(other->address) == n &&
	       memcmp(one->address, other->address, n) == 0;
}

static bool is_ours(const struct plan_device *device)
{
	return device->passed && !device->mdev;
}

static int function_of(const struct plan_device *device)
{
	return strrchr(device->address, '.')[1] - '0';
}

// Functions keep their numbers where the slot has a function 0, without which there would be no device at all.
static void fill_slot(const struct argv_build *b, size_t first, struct slot *slot)
{
	const struct plan *plan = b->plan;
	const struct plan_device *by_number[FUNCTIONS] = { NULL };
	int next = 0;

	by_number[function_of(&plan->devices[first])] = &plan->devices[first];
	for (size_t i = first + 1; i < plan->n_devices; i++) {
		if (is_ours(&plan->devices[i]) && is_same_slot(b, &plan->devices[first], &plan->devices[i]))
			by_number[function_of(&plan->devices[i])] = &plan->devices[i];
	}
	for (int i = 0; i < FUNCTIONS; i++) {
		if (!by_number[i])
			continue;
		slot->functions[by_number[0] ? i : next++] = by_number[i];
		slot->count++;
	}
}

// --- the ROM

static struct diag *report_rom(struct argv_build *b, const struct profile_pci *section, const char *code,
			       const char *text, const char *hint)
{
	struct image_place place = at_key(section, "romfile");
	AUTO_FREE char *path = argv_quote(section->romfile);
	struct diag *diag = argv_diag_at(b, section->force ? DIAG_WARNING : DIAG_HOST_ERROR, code, &place,
					 "%s %s", path, text);

	diag_hint(diag, "%s%s", hint, section->force ? "" : "; force = yes takes it all the same");
	return diag;
}

// The checksum of a legacy image holds in the card's own memory; the copy that the firmware runs changes itself.
static bool is_shadow(const struct rom *rom)
{
	for (size_t i = 0; i < rom->count; i++) {
		if (rom->images[i].type == ROM_LEGACY && rom->images[i].sum == ROM_SUM_WRONG)
			return true;
	}
	return false;
}

// Before its checksums are looked at, which are then wrong for no other reason.
static bool is_cut(const struct rom *rom)
{
	return rom->images[rom->count - 1].cut;
}

static bool wants_efi(const struct argv_build *b)
{
	return firmware_type_of(b->profile) <= FIRMWARE_OVMF_SECUREBOOT;
}

static bool is_gpu(const struct pci_device *device)
{
	return device->class >> 16 == 0x03;
}

static void check_rom(struct argv_build *b, const struct profile_pci *section, const struct pci_device *device,
		      const struct file_fact *file)
{
	static const char dump[] =
		"dump it from the card with `vfiorun rom dump`, while another GPU is the one that the host "
		"started on";
	const struct rom *rom = &file->rom;
	AUTO_FREE char *other = mem_printf("is for another device than %s, which is %04x:%04x", device->address,
					   device->vendor, device->device);
	AUTO_FREE char *behind =
		mem_printf("has %zu bytes before the ROM, which must come first (55 AA)", rom->header);
	AUTO_FREE char *cut = mem_printf("tail -c +%zu ROMFILE > NEWFILE takes them off", rom->header + 1);

	if (!rom->count)
		report_rom(b, section, "rom-invalid", "is no ROM: it has no image that begins with 55 AA", dump);
	else if (rom->header)
		report_rom(b, section, "rom-header", behind, cut);
	else if (!rom_find_device(rom, device->vendor, device->device))
		report_rom(b, section, "rom-other", other, "`vfiorun rom info` prints what it is for");
	else if (is_cut(rom))
		report_rom(b, section, "rom-cut", "ends within an image: it was cut off, or read too short", dump);
	else if (is_shadow(rom))
		report_rom(b, section, "rom-shadow",
			   "is a copy of what ran when the host started: its checksum is wrong by what the "
			   "card changed in it",
			   dump);
	else if (wants_efi(b) && is_gpu(device) && !rom_find_efi(rom))
		report_rom(b, section, "rom-no-efi",
			   "has no image for UEFI, which this guest's firmware would need", dump);
}

// ",romfile=…": QEMU opens it by name, and its user need not be able to read it.
static void add_rom(struct argv_build *b, const struct plan_device *device, struct str *executed,
		    struct str *pasted)
{
	const struct profile_pci *section = section_of(b, device);
	struct image_place place = at_key(section, "romfile");
	const struct file_fact *file = NULL;
	AUTO_FREE char *what = mem_printf("ROM of %s", device->address);

	if (!argv_check_file(b, &place, section->romfile, false, &file))
		return;
	if (file && file->is_rom)
		check_rom(b, section, fact_of(b, device), file);
	str_addf(executed, ",romfile=/dev/fd/%d", plan_add_fd(b->plan, PLAN_FD_COPY, what, section->romfile)->fd);
	str_add(pasted, ",romfile=");
	argv_add_value(pasted, section->romfile);
}

// --- one device

static void add_both(struct str *executed, struct str *pasted, const char *text)
{
	str_add(executed, text);
	str_add(pasted, text);
}

static void check_x_vga(struct argv_build *b, const struct profile_pci *section)
{
	struct image_place place = at_key(section, "x_vga");

	if (wants_efi(b))
		diag_hint(
			argv_diag_at(b, DIAG_ERROR, "x-vga-uefi", &place,
				     "x_vga is for a guest that starts from a BIOS: this one's firmware is UEFI"),
			"leave x_vga out, or write [firmware] type = seabios");
	else if (!qemu_caps_has(&b->facts->qemu, "property/vfio-pci/x-vga"))
		argv_diag_at(b, DIAG_HOST_ERROR, "x-vga-missing", &place, "%s was built without x-vga",
			     b->plan->qemu);
}

static void check_iommufd(struct argv_build *b, const struct profile_pci *section)
{
	struct image_place place = at_key(section, "iommufd");
	const struct qemu_caps *caps = &b->facts->qemu;

	if (!qemu_caps_has(caps, "object/iommufd") || !qemu_caps_has(caps, "property/vfio-pci/iommufd"))
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "no-iommufd", &place, "%s knows no iommufd",
				       b->plan->qemu),
			  "it came with QEMU 9.0; leave iommufd out");
	else if (b->facts->live && b->facts->iommu.iommufd == FACT_NO)
		diag_hint(
			argv_diag_at(b, DIAG_HOST_ERROR, "no-iommufd", &place, "this kernel has no iommufd"),
			"it takes Linux 6.6 with CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV; leave iommufd out");
}

static void add_device(struct argv_build *b, const struct plan_device *device, size_t index, const char *where)
{
	const struct profile_pci *section = section_of(b, device);
	AUTO_STR struct str executed = { 0 }, pasted = { 0 };
	AUTO_FREE char *head = mem_printf("vfio-pci,host=%s,id=pci%zu%s", device->address, index, where);

	add_both(&executed, &pasted, head);
	if (device->named && section->rombar != TRI_AUTO)
		add_both(&executed, &pasted, section->rombar == TRI_YES ? ",rombar=1" : ",rombar=0");
	if (device->named && section->romfile)
		add_rom(b, device, &executed, &pasted);
	if (device->named && section->x_vga == TRI_YES) {
		check_x_vga(b, section);
		add_both(&executed, &pasted, ",x-vga=on");
	}
	if (device->iommufd) {
		check_iommufd(b, section);
		add_both(&executed, &pasted, ",iommufd=iommufd0");
	}
	argv_add_pair(b, "-device", str_text(&executed), str_text(&pasted));
}

// --- where it sits

static char *where_on_q35(const struct slot *slot, int function)
{
	return mem_printf(",bus=port%d,addr=0x0.%d%s", slot->number, function,
			  slot->count > 1 && function == 0 ? ",multifunction=on" : "");
}

static char *where_on_pc(const struct slot *slot, int function)
{
	if (slot->count < 2)
		return mem_dup("");
	return mem_printf(",addr=0x%x.%d%s", (unsigned)(LAST_SLOT - slot->number), function,
			  function == 0 ? ",multifunction=on" : "");
}

static void add_slot(struct argv_build *b, const struct slot *slot)
{
	if (b->q35)
		argv_add(b, "-device", "pcie-root-port,id=port%d,bus=pcie.0,chassis=%d,slot=%d", slot->number,
			 FIRST_CHASSIS + slot->number, slot->number);
	for (int i = 0; i < FUNCTIONS; i++) {
		const struct plan_device *device = slot->functions[i];
		AUTO_FREE char *where = NULL;

		if (!device)
			continue;
		where = b->q35 ? where_on_q35(slot, i) : where_on_pc(slot, i);
		add_device(b, device, (size_t)(device - b->plan->devices), where);
	}
}

static bool is_begun(const struct argv_build *b, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (is_ours(&b->plan->devices[i]) &&
		    is_same_slot(b, &b->plan->devices[i], &b->plan->devices[index]))
			return true;
	}
	return false;
}

static void add_iommufd(struct argv_build *b)
{
	for (size_t i = 0; i < b->plan->n_devices; i++) {
		if (is_ours(&b->plan->devices[i]) && b->plan->devices[i].iommufd) {
			argv_add(b, "-object", "iommufd,id=iommufd0");
			return;
		}
	}
}

static void add_mdev(struct argv_build *b, const struct plan_device *device, size_t index)
{
	AUTO_FREE char *path = change_name_mdev(device->address);

	argv_add(b, "-device", "vfio-pci,sysfsdev=%s,id=pci%zu", path, index);
}

static void check_qemu(struct argv_build *b)
{
	if (!b->plan->n_devices || qemu_caps_has(&b->facts->qemu, "device/vfio-pci"))
		return;
	diag_hint(argv_host_error(b, "no-vfio", "vm", "qemu", "%s was built without vfio-pci", b->plan->qemu),
		  "set [vm] qemu to one that has it");
}

void argv_pci(struct argv_build *b)
{
	int slots = 0;

	check_qemu(b);
	add_iommufd(b);
	for (size_t i = 0; i < b->plan->n_devices; i++) {
		const struct plan_device *device = &b->plan->devices[i];
		struct slot slot = { .number = slots };

		if (device->mdev) {
			add_mdev(b, device, i);
		} else if (device->passed && !is_begun(b, i)) {
			fill_slot(b, i, &slot);
			add_slot(b, &slot);
			slots++;
		}
	}
}
