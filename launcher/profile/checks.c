// SPDX-License-Identifier: MIT
// What several keys say together, as far as no host is needed to judge it.
#include "launcher/profile/reader.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/mem.h"
#include "input/chord.h"
#include "input/hotkey.h"
#include "launcher/profile/keys.h"
#include "launcher/profile/profile.h"
#include "launcher/profile/text.h"

#include <string.h>

struct check {
	const struct profile *profile;
	struct diags *diags;
};

// At this key's line; failing that at its section's header; failing that the file as a whole.
static struct place place_of(const struct check *check, const char *section, const char *title,
			     const char *key)
{
	struct place place = profile_where(check->profile, section, title, key);

	if (!place.file)
		place = profile_where(check->profile, section, title, "");
	if (!place.file)
		place.file = check->profile->path;
	return place;
}

#define REPORT(level, code, section, title, key, ...) \
	diag_add(check->diags, level, code, place_of(check, section, title, key), __VA_ARGS__)
#define MISSING(section, title, key, ...) \
	REPORT(DIAG_ERROR, "missing-key", section, title, key, __VA_ARGS__)
#define CLASH(section, title, key, ...) \
	REPORT(DIAG_ERROR, "contradiction", section, title, key, __VA_ARGS__)

static bool has(const struct check *check, const char *section, const char *title, const char *key)
{
	return profile_has(check->profile, section, title, key);
}

static void check_required(const struct check *check)
{
	if (!check->profile->vm.name && !has(check, "vm", NULL, "name"))
		diag_hint(MISSING("vm", NULL, "", "the guest has no name, and the file's is none"),
			  "write into [vm]: name = demo");
	if (!has(check, "vm", NULL, "memory"))
		diag_hint(MISSING("vm", NULL, "", "the guest has no memory"),
			  "write into [vm]: memory = 8G");
}

static void check_topology(const struct check *check)
{
	const struct profile *p = check->profile;
	long sockets = p->cpu.sockets, cores = p->cpu.cores, threads = p->cpu.threads;
	long product = (sockets ? sockets : 1) * (cores ? cores : 1) * (threads ? threads : 1);
	long vcpus = p->cpu.vcpus ? p->cpu.vcpus : (long)p->cpu.pin.count;
	const char *key = p->cpu.vcpus ? "vcpus" : "pin";
	bool whole = sockets && cores && threads;
	struct diag *diag;

	if (product > PROFILE_VCPUS_MAX) {
		diag = CLASH("cpu", NULL, "cores", "sockets × cores × threads is %ld", product);
		diag_hint(diag, "a guest has at most %d vCPUs", PROFILE_VCPUS_MAX);
	} else if (vcpus && (whole ? vcpus != product : vcpus % product)) {
		diag = CLASH("cpu", NULL, key, "%ld vCPUs, but sockets × cores × threads %s %ld",
			     vcpus, whole ? "is" : "comes in steps of", product);
		diag_hint(diag, "write vcpus = %ld, or leave sockets, cores and threads out",
			  product);
	}
}

static void check_pins(const struct check *check)
{
	const struct profile *p = check->profile;
	size_t pins = p->cpu.pin.count;

	if (p->cpu.pin.mode == CPUS_LIST && p->cpu.vcpus && (size_t)p->cpu.vcpus != pins)
		diag_hint(CLASH("cpu", NULL, "pin", "pin is for %zu vCPUs, but vcpus = %d", pins,
				p->cpu.vcpus),
			  "write vcpus = %zu or an item a vCPU; 0+6 is for one, 2-5 for four",
			  pins);
}

static void check_cpu_words(const struct check *check)
{
	const struct profile *p = check->profile;

	if (p->cpu.vendor_id && p->cpu.hyperv.mode == HYPERV_OFF)
		diag_hint(CLASH("cpu", NULL, "vendor_id",
				"vendor_id does nothing while hyperv = off"),
			  "write hyperv = on, or leave vendor_id out");
	if (p->cpu.hide_kvm == TRI_YES && p->vm.os == OS_LINUX)
		diag_hint(REPORT(DIAG_WARNING, "hidden-kvm", "cpu", NULL, "hide_kvm",
				 "hide_kvm costs a Linux guest its kvmclock"),
			  "leave it out: drivers of today run in a guest that sees KVM");
}

static void check_boot(const struct check *check)
{
	static const char *const keys[] = { "initrd", "cmdline" };
	const struct profile *p = check->profile;
	bool uefi = p->firmware.type == FIRMWARE_OVMF ||
		    p->firmware.type == FIRMWARE_OVMF_SECUREBOOT;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (has(check, "boot", NULL, keys[i]) && !has(check, "boot", NULL, "kernel"))
			diag_hint(CLASH("boot", NULL, keys[i], "%s without a kernel", keys[i]),
				  "write kernel = PATH beside it");
	}
	if (!uefi && (p->firmware.code || p->firmware.vars || p->firmware.template))
		diag_hint(CLASH("firmware", NULL, "type",
				"code, vars and template are UEFI's, but type is not"),
			  "write type = ovmf, or leave them out");
}

// The bus and QEMU cut what is longer: VIRTIO_BLK_ID_BYTES, ATA's and NVMe's 20 byte fields, and
// the 36 of scsi-disk's VPD page 0x80 (QEMU 7.2).
static void check_serial(const struct check *check, const struct profile_disk *disk)
{
	size_t most = disk->bus == DISK_SCSI ? 36 : 20, n = disk->serial ? strlen(disk->serial) : 0;

	if (n > most)
		diag_hint(CLASH("disk", disk->title, "serial",
				"the serial has %zu bytes; this bus carries %zu", n, most),
			  "write a shorter one%s", most < 36 ? ", or bus = scsi" : "");
}

static void check_disk_pair(const struct check *check, const struct profile_disk *a,
			    const struct profile_disk *b)
{
	bool shared = a->readonly == TRI_YES && b->readonly == TRI_YES;

	if (a->file && str_eq(a->file, b->file) && !shared)
		diag_hint(CLASH("disk", b->title, "file",
				"disks \"%s\" and \"%s\" are the same file", a->title, b->title),
			  "give each its own, or make both readonly");
	if (a->serial && str_eq(a->serial, b->serial))
		diag_hint(REPORT(DIAG_WARNING, "same-serial", "disk", b->title, "serial",
				 "disks \"%s\" and \"%s\" have the same serial", a->title,
				 b->title),
			  "guests tell disks apart by it; give each its own");
}

static void check_disks(const struct check *check)
{
	const struct profile *p = check->profile;

	for (size_t i = 0; i < p->n_disks; i++) {
		const struct profile_disk *disk = &p->disks[i];

		if (!disk->file && !has(check, "disk", disk->title, "file"))
			diag_hint(MISSING("disk", disk->title, "", "disk \"%s\" has no file",
					  disk->title),
				  "write file = PATH, an image or a block device");
		check_serial(check, disk);
		for (size_t j = 0; j < i; j++)
			check_disk_pair(check, &p->disks[j], disk);
	}
}

struct boot_place {
	const char *section, *title;
	int index;
};

static void check_boot_indexes(const struct check *check)
{
	const struct profile *p = check->profile;
	AUTO_FREE struct boot_place *all = mem_new(p->n_disks + p->n_cdroms + 1, sizeof(*all));
	size_t n = 0;

	for (size_t i = 0; i < p->n_disks; i++)
		all[n++] = (struct boot_place){ "disk", p->disks[i].title, p->disks[i].boot_index };
	for (size_t i = 0; i < p->n_cdroms; i++)
		all[n++] =
			(struct boot_place){ "cdrom", p->cdroms[i].title, p->cdroms[i].boot_index };
	for (const struct boot_place *a = all; a < all + n; a++) {
		for (const struct boot_place *b = all; b < a; b++) {
			if (a->index && a->index == b->index)
				diag_hint(CLASH(a->section, a->title, "boot_index",
						"boot_index %d is that of [%s \"%s\"] too",
						a->index, b->section, b->title),
					  "QEMU wants each only once");
		}
	}
}

// Keys of [net] that mean something with some types only.
static const struct {
	const char *key;
	unsigned types; // bits by enum net_type
	const char *hint;
} net_keys[] = {
	{ "bridge", 1u << NET_BRIDGE, "write type = bridge" },
	{ "ifname", 1u << NET_BRIDGE | 1u << NET_TAP, "write type = bridge or type = tap" },
	{ "forward", 1u << NET_USER | 1u << NET_PASST,
	  "write type = user; on a bridge or a tap the guest has an address of its own" },
};

static void check_net(const struct check *check, const struct profile_net *net)
{
	for (size_t i = 0; i < ARRAY_SIZE(net_keys); i++) {
		const char *key = net_keys[i].key;

		if (!(net_keys[i].types & 1u << net->type) && has(check, "net", net->title, key))
			diag_hint(CLASH("net", net->title, key,
					"net \"%s\": %s means nothing with this type", net->title,
					key),
				  "%s", net_keys[i].hint);
	}
	if (net->type == NET_BRIDGE && !has(check, "net", net->title, "bridge"))
		diag_hint(MISSING("net", net->title, "type",
				  "net \"%s\" does not say which bridge", net->title),
			  "write bridge = br0, as `ip link show type bridge` names it");
}

// "tcp:2222" of "tcp:2222:22": what QEMU or passt would listen on.
static size_t listens_on(const char *forward)
{
	return (size_t)(strrchr(forward, ':') - forward);
}

static void check_forward(const struct check *check, const struct profile_net *net, const char *one,
			  const char *other)
{
	size_t n = listens_on(one);

	if (n == listens_on(other) && memcmp(one, other, n) == 0)
		diag_hint(CLASH("net", net->title, "forward", "%s and %s begin at the same port",
				other, one),
			  "a port of the host leads to one place; use another");
}

static void check_forwards(const struct check *check, const struct profile_net *a,
			   const struct profile_net *b)
{
	for (size_t i = 0; i < a->forward.count; i++) {
		for (size_t j = 0; j < (a == b ? i : b->forward.count); j++)
			check_forward(check, a, a->forward.items[i], b->forward.items[j]);
	}
}

static void check_net_pair(const struct check *check, const struct profile_net *a,
			   const struct profile_net *b)
{
	if (a->mac && str_eq(a->mac, b->mac))
		diag_hint(CLASH("net", b->title, "mac",
				"nets \"%s\" and \"%s\" have the same MAC address", a->title,
				b->title),
			  "change the last byte of one, or leave both out");
	if (a->ifname && str_eq(a->ifname, b->ifname))
		diag_hint(CLASH("net", b->title, "ifname",
				"nets \"%s\" and \"%s\" have the same ifname", a->title, b->title),
			  "give each its own, or leave both out");
	check_forwards(check, b, a);
}

static void check_nets(const struct check *check)
{
	const struct profile *p = check->profile;

	for (size_t i = 0; i < p->n_nets; i++) {
		check_net(check, &p->nets[i]);
		check_forwards(check, &p->nets[i], &p->nets[i]);
		for (size_t j = 0; j < i; j++)
			check_net_pair(check, &p->nets[j], &p->nets[i]);
	}
}

static void check_pci(const struct check *check, const struct profile_pci *pci)
{
	if (pci->romfile && pci->rombar == TRI_NO)
		diag_hint(CLASH("pci", pci->title, "romfile",
				"pci \"%s\": rombar = off hides the ROM that romfile names", pci->title),
			  "leave one of them out");
	if (pci->bar_size.count && !pci->rebind)
		diag_hint(CLASH("pci", pci->title, "bar_size",
				"pci \"%s\": bar_size with rebind = no: the size can be put back only while no driver "
				"has the device", pci->title),
			  "leave one of them out");
}

// What is done to the desktop is done for a device.
static void check_pcis(const struct check *check)
{
	static const char *const keys[] = { "display_manager", "unbind_console", "unload" };
	const struct profile *p = check->profile;

	for (size_t i = 0; i < p->n_pcis; i++)
		check_pci(check, &p->pcis[i]);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!p->n_pcis && has(check, "host", NULL, keys[i]))
			diag_hint(CLASH("host", NULL, keys[i], "%s, but no device is passed", keys[i]),
				  "add a section [pci \"ADDRESS\"] for the GPU, or leave it out");
	}
}

// Only there can it be made and taken away again; it is memory, and gone after a reboot.
static void check_shared_file(const struct check *check, const char *section, const char *file)
{
	if (file && !str_starts(file, "/dev/shm/") && !str_starts(file, "/run/"))
		diag_hint(REPORT(DIAG_ERROR, "bad-value", section, NULL, "file",
				 "%s is no place for shared memory", file),
			  "a file in /dev/shm or /run, or leave it out");
}

static void check_shared(const struct check *check)
{
	const struct profile *p = check->profile;

	check_shared_file(check, "lookingglass", p->lookingglass.file);
	check_shared_file(check, "scream", p->scream.file);
	if (p->lookingglass.file && p->lookingglass.kvmfr == TRI_YES)
		diag_hint(CLASH("lookingglass", NULL, "file", "with kvmfr = yes there is no file"),
			  "leave one of them out");
	if (p->lookingglass.file && str_eq(p->lookingglass.file, p->scream.file))
		diag_hint(CLASH("scream", NULL, "file", "[lookingglass] has the same file"),
			  "give each its own, or leave both out");
	if (p->scream.size & (p->scream.size - 1))
		diag_hint(REPORT(DIAG_ERROR, "bad-value", "scream", NULL, "size",
				 "a PCI device's memory is a power of two"),
			  "Scream's driver looks for 2M, unless it was told another size");
}

// Two hotkeys that can't both be told from what is pressed.
static void check_hotkeys(const struct check *check)
{
	const struct profile *p = check->profile;
	bool panics = p->input.panic && !str_eq(p->input.panic, "none");
	struct chords chords = { 0 };
	struct err err = ERR_NONE;
	size_t index;

	if (hotkeys_add(&chords, &p->input.hotkey, panics ? p->input.panic : NULL, &index, &err) < 0)
		CLASH("input", NULL, index < p->input.hotkey.count ? "hotkey" : "panic", "%s", err.text);
	chords_finish(&chords);
}

static bool is_none(const struct strv *selectors)
{
	return selectors->count == 1 && str_eq(selectors->items[0], "none");
}

static void check_input(const struct check *check)
{
	const struct profile *p = check->profile;

	check_hotkeys(check);
	if (is_none(&p->input.keyboard) && is_none(&p->input.mouse) && !p->input.device.count)
		diag_hint(CLASH("input", NULL, "keyboard", "[input] with no device at all"),
			  "name one, or leave [input] out");
	if (p->input.transport == TRANSPORT_VIRTIO_HOST && has(check, "input", NULL, "sink"))
		diag_hint(CLASH("input", NULL, "sink", "sink means nothing with transport = virtio-host"),
			  "leave it out: the guest sees virtio devices");
}

static void check_raw(const struct check *check)
{
	const struct strv *args = &check->profile->qemu.args;

	for (size_t i = 0; i < args->count; i++) {
		AUTO_FREE char *shown = text_shown(args->items[i]);
		int option = (int)strcspn(args->items[i], " \t");

		if (args->items[i][0] == '-' && args->items[i][option])
			diag_hint(REPORT(DIAG_WARNING, "one-argument", "qemu", NULL, "arg",
					 "`%s` is handed to QEMU as one argument", shown),
				  "write two lines: arg = %.*s, then arg = with what follows",
				  option, args->items[i]);
	}
}

void profile_check(const struct profile *profile, struct diags *diags)
{
	struct check check = { profile, diags };

	check_required(&check);
	check_topology(&check);
	check_pins(&check);
	check_cpu_words(&check);
	check_boot(&check);
	check_disks(&check);
	check_boot_indexes(&check);
	check_nets(&check);
	check_pcis(&check);
	check_shared(&check);
	check_input(&check);
	check_raw(&check);
}
