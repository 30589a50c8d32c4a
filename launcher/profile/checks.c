// SPDX-License-Identifier: MIT
// What several keys say together, as far as no host is needed to judge it.
#include "launcher/profile/reader.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/mem.h"
#include "launcher/profile/keys.h"
#include "launcher/profile/profile.h"

#include <string.h>
#include <strings.h>

struct check {
	const struct profile *profile;
	struct diags *diags;
};

// At this key's line; failing that at its section's header; failing that the file as a whole.
static struct place place_of(const struct check *check, const char *section, const char *title, const char *key)
{
	struct place place = profile_where(check->profile, section, title, key);

	if (!place.file)
		place = profile_where(check->profile, section, title, "");
	if (!place.file)
		place.file = check->profile->path;
	return place;
}

static struct diag *report(const struct check *check, enum diag_level level, const char *section,
			   const char *title, const char *key, const char *text)
{
	return diag_add(check->diags, level, "contradiction", place_of(check, section, title, key), "%s", text);
}

static bool has(const struct check *check, const char *section, const char *key)
{
	return profile_has(check->profile, section, NULL, key);
}

static void check_required(const struct check *check)
{
	if (!check->profile->vm.name && !has(check, "vm", "name"))
		diag_hint(diag_add(check->diags, DIAG_ERROR, "missing-key", place_of(check, "vm", NULL, ""),
				   "the guest has no name, and the file's name is none either"),
			  "write into [vm]: name = demo");
	if (!has(check, "vm", "memory"))
		diag_hint(diag_add(check->diags, DIAG_ERROR, "missing-key", place_of(check, "vm", NULL, ""),
				   "the guest has no memory"),
			  "write into [vm]: memory = 8G");
}

static void check_topology(const struct check *check)
{
	const struct profile *p = check->profile;
	long sockets = p->cpu.sockets, cores = p->cpu.cores, threads = p->cpu.threads;
	long product = (sockets ? sockets : 1) * (cores ? cores : 1) * (threads ? threads : 1);
	long vcpus = p->cpu.vcpus ? p->cpu.vcpus : (long)p->cpu.pin.count;
	bool whole = sockets && cores && threads;
	struct diag *diag;

	if (product > PROFILE_VCPUS_MAX) {
		diag_hint(diag_add(check->diags, DIAG_ERROR, "contradiction", place_of(check, "cpu", NULL, "cores"),
				   "sockets × cores × threads is %ld", product),
			  "a guest has at most %d vCPUs", PROFILE_VCPUS_MAX);
		return;
	}
	if (!vcpus || (whole ? vcpus == product : vcpus % product == 0))
		return;
	diag = diag_add(check->diags, DIAG_ERROR, "contradiction",
			place_of(check, "cpu", NULL, p->cpu.vcpus ? "vcpus" : "pin"),
			"%ld vCPUs, but sockets × cores × threads %s %ld", vcpus,
			whole ? "is" : "comes in steps of", product);
	diag_hint(diag, "write vcpus = %ld, or leave sockets, cores and threads out", product);
}

static void check_pins(const struct check *check)
{
	const struct profile *p = check->profile;
	struct diag *diag;

	if (p->cpu.pin.mode != CPUS_LIST || !p->cpu.vcpus || (size_t)p->cpu.vcpus == p->cpu.pin.count)
		return;
	diag = diag_add(check->diags, DIAG_ERROR, "contradiction", place_of(check, "cpu", NULL, "pin"),
			"pin names CPUs for %zu vCPUs, but vcpus = %d", p->cpu.pin.count, p->cpu.vcpus);
	diag_hint(diag, "write vcpus = %zu or one item a vCPU; 0+6 counts once, 2-5 four times", p->cpu.pin.count);
}

static void check_cpu_words(const struct check *check)
{
	const struct profile *p = check->profile;

	if (p->cpu.vendor_id && p->cpu.hyperv.mode == HYPERV_OFF)
		diag_hint(report(check, DIAG_ERROR, "cpu", NULL, "vendor_id",
				 "vendor_id does nothing while hyperv = off"),
			  "write hyperv = on, or leave vendor_id out");
	if (p->cpu.hide_kvm == TRI_YES && p->vm.os == OS_LINUX)
		diag_hint(report(check, DIAG_WARNING, "cpu", NULL, "hide_kvm",
				 "hide_kvm costs a Linux guest its kvmclock and paravirtual features"),
			  "leave it out: drivers of today run in a guest that sees KVM");
}

static void check_boot(const struct check *check)
{
	static const char *const keys[] = { "initrd", "cmdline" };
	const struct profile *p = check->profile;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!has(check, "boot", "kernel") && has(check, "boot", keys[i]))
			diag_hint(diag_add(check->diags, DIAG_ERROR, "contradiction",
					   place_of(check, "boot", NULL, keys[i]), "%s without a kernel", keys[i]),
				  "write kernel = PATH beside it");
	}
	if ((p->firmware.type == FIRMWARE_SEABIOS || p->firmware.type == FIRMWARE_NONE) &&
	    (p->firmware.code || p->firmware.vars || p->firmware.template))
		diag_hint(report(check, DIAG_ERROR, "firmware", NULL, "type",
				 "code, vars and template are UEFI's, but type is not"),
			  "write type = ovmf, or leave them out");
}

// The bus and QEMU cut what is longer: VIRTIO_BLK_ID_BYTES, ATA's and NVMe's 20 byte fields, and the 36 of
// scsi-disk's VPD page 0x80 (QEMU 7.2).
static void check_serial(const struct check *check, const struct profile_disk *disk)
{
	size_t most = disk->bus == DISK_SCSI ? 36 : 20;

	if (disk->serial && strlen(disk->serial) > most)
		diag_hint(diag_add(check->diags, DIAG_ERROR, "contradiction",
				   place_of(check, "disk", disk->title, "serial"),
				   "the serial has %zu bytes; this bus carries %zu", strlen(disk->serial), most),
			  "write a shorter one%s", most < 36 ? ", or bus = scsi" : "");
}

static void check_disk(const struct check *check, const struct profile_disk *disk)
{
	if (!disk->file && !profile_has(check->profile, "disk", disk->title, "file"))
		diag_hint(diag_add(check->diags, DIAG_ERROR, "missing-key", place_of(check, "disk", disk->title, ""),
				   "disk \"%s\" has no file", disk->title),
			  "write file = PATH, an image or a block device");
	check_serial(check, disk);
}

static void check_disk_pair(const struct check *check, const struct profile_disk *a, const struct profile_disk *b)
{
	if (a->file && str_eq(a->file, b->file) && !(a->readonly == TRI_YES && b->readonly == TRI_YES))
		diag_hint(diag_add(check->diags, DIAG_ERROR, "contradiction",
				   place_of(check, "disk", b->title, "file"),
				   "disks \"%s\" and \"%s\" are the same file", a->title, b->title),
			  "give each its own, or make both readonly");
	if (a->serial && str_eq(a->serial, b->serial))
		diag_hint(diag_add(check->diags, DIAG_WARNING, "same-serial",
				   place_of(check, "disk", b->title, "serial"),
				   "disks \"%s\" and \"%s\" have the same serial", a->title, b->title),
			  "guests tell disks apart by it; give each its own");
}

static void check_disks(const struct check *check)
{
	const struct profile *p = check->profile;

	for (size_t i = 0; i < p->n_disks; i++) {
		check_disk(check, &p->disks[i]);
		for (size_t j = 0; j < i; j++)
			check_disk_pair(check, &p->disks[j], &p->disks[i]);
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
		all[n++] = (struct boot_place){ "cdrom", p->cdroms[i].title, p->cdroms[i].boot_index };
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (all[i].index && all[i].index == all[j].index)
				diag_hint(diag_add(check->diags, DIAG_ERROR, "contradiction",
						   place_of(check, all[i].section, all[i].title, "boot_index"),
						   "boot_index %d is that of [%s \"%s\"] too", all[i].index,
						   all[j].section, all[j].title),
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
	{ "forward", 1u << NET_USER | 1u << NET_PASST, "write type = user; on a bridge or a tap the guest has an address of its own" },
};

static void check_net(const struct check *check, const struct profile_net *net)
{
	for (size_t i = 0; i < ARRAY_SIZE(net_keys); i++) {
		if (net_keys[i].types & 1u << net->type)
			continue;
		if (profile_has(check->profile, "net", net->title, net_keys[i].key))
			diag_hint(diag_add(check->diags, DIAG_ERROR, "contradiction",
					   place_of(check, "net", net->title, net_keys[i].key),
					   "net \"%s\": %s means nothing with this type", net->title, net_keys[i].key),
				  "%s", net_keys[i].hint);
	}
	if (net->type == NET_BRIDGE && !profile_has(check->profile, "net", net->title, "bridge"))
		diag_hint(diag_add(check->diags, DIAG_ERROR, "missing-key", place_of(check, "net", net->title, "type"),
				   "net \"%s\" does not say which bridge", net->title),
			  "write bridge = br0, with the name that `ip link show type bridge` prints");
}

static void check_nets(const struct check *check)
{
	const struct profile *p = check->profile;

	for (size_t i = 0; i < p->n_nets; i++) {
		check_net(check, &p->nets[i]);
		for (size_t j = 0; j < i; j++) {
			if (p->nets[i].mac && str_eq(p->nets[i].mac, p->nets[j].mac))
				diag_hint(diag_add(check->diags, DIAG_ERROR, "contradiction",
						   place_of(check, "net", p->nets[i].title, "mac"),
						   "nets \"%s\" and \"%s\" have the same MAC address",
						   p->nets[j].title, p->nets[i].title),
					  "change the last byte of one, or leave both out");
			if (p->nets[i].ifname && str_eq(p->nets[i].ifname, p->nets[j].ifname))
				diag_hint(diag_add(check->diags, DIAG_ERROR, "contradiction",
						   place_of(check, "net", p->nets[i].title, "ifname"),
						   "nets \"%s\" and \"%s\" have the same ifname", p->nets[j].title,
						   p->nets[i].title),
					  "give each its own, or leave both out");
		}
	}
}

static void check_raw(const struct check *check)
{
	const struct strv *args = &check->profile->qemu.args;

	for (size_t i = 0; i < args->count; i++) {
		if (args->items[i][0] == '-' && strpbrk(args->items[i], " \t"))
			diag_hint(diag_add(check->diags, DIAG_WARNING, "one-argument",
					   place_of(check, "qemu", NULL, "arg"),
					   "`%.60s` is handed to QEMU as one argument", args->items[i]),
				  "write two lines: arg = %.*s, then arg = with what follows",
				  (int)strcspn(args->items[i], " \t"), args->items[i]);
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
	check_raw(&check);
}
