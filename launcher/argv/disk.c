// SPDX-License-Identifier: MIT
// iothreads, controllers, disks and CDs.
#include "launcher/argv/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"

enum {
	SATA_PORTS = 6,	   // of q35's own controller and of each ahci device
	SCSI_QUEUES = 128, // QEMU takes 1024, of which no guest makes use
};

// How far buses are filled while devices are added.
struct buses {
	int sata;	     // ports in use
	int iothreads, used; // how many there are; turns taken
	struct cpuset scsi;  // controllers that are there, by iothread
	bool scsi_plain;     // the one without
};

static bool wants_iothread(const struct profile_disk *disk)
{
	return disk->iothread != TRI_NO && (disk->bus == DISK_VIRTIO || disk->bus == DISK_SCSI);
}

// "yes" is a thread of its own, "auto" one for all that do not mind.
int argv_count_iothreads(const struct profile *profile)
{
	int own = 0, shared = 0;

	if (profile->cpu.iothreads >= 0)
		return profile->cpu.iothreads;
	for (size_t i = 0; i < profile->n_disks; i++) {
		own += wants_iothread(&profile->disks[i]) && profile->disks[i].iothread == TRI_YES;
		shared |= wants_iothread(&profile->disks[i]) &&
			  profile->disks[i].iothread == TRI_AUTO;
	}
	return own + shared;
}

static void add_iothreads(struct argv_build *b, int count)
{
	struct image_place place = { "cpu", NULL, "iothreads" };
	AUTO_STR struct str poll = { 0 };
	int users = 0;

	if (b->profile->cpu.iothread_poll >= 0)
		str_addf(&poll, ",poll-max-ns=%d", b->profile->cpu.iothread_poll);
	for (int i = 0; i < count; i++)
		argv_add(b, "-object", "iothread,id=iothread%d%s", i, str_text(&poll));
	for (size_t i = 0; i < b->profile->n_disks; i++)
		users += wants_iothread(&b->profile->disks[i]);
	if (count > users)
		diag_hint(argv_diag_at(b, DIAG_WARNING, "iothread-unused", &place,
				       "%d of %d iothreads have no disk to serve", count - users,
				       count),
			  "only disks on the buses virtio and scsi use one, each a single one: "
			  "iothreads = %d",
			  users);
}

// The iothread of this disk; -1: none. The shared one is the last; where the number is given, disks
// take turns.
static int next_iothread(const struct argv_build *b, struct buses *buses,
			 const struct profile_disk *disk)
{
	if (!buses->iothreads || !wants_iothread(disk))
		return -1;
	if (b->profile->cpu.iothreads < 0 && disk->iothread == TRI_AUTO)
		return buses->iothreads - 1;
	return buses->used++ % buses->iothreads;
}

// Controllers differ by iothread: it is the controller's, not the disk's. Returns the bus, on the
// heap.
static char *scsi_bus(struct argv_build *b, struct buses *buses, int iothread)
{
	AUTO_STR struct str queues = { 0 };

	// A request queue for each vCPU, which then answers it, too. QEMU's own choice only from 5.2's machines on.
	if (b->placement->n_vcpus > 1)
		str_addf(&queues, ",num_queues=%d",
			 b->placement->n_vcpus < SCSI_QUEUES ? b->placement->n_vcpus : SCSI_QUEUES);
	if (iothread < 0) {
		if (!buses->scsi_plain)
			argv_add(b, "-device", "virtio-scsi-pci,id=scsi%s", str_text(&queues));
		buses->scsi_plain = true;
		return mem_dup("scsi.0");
	}
	if (!cpuset_has(&buses->scsi, iothread))
		argv_add(b, "-device", "virtio-scsi-pci,id=scsi%d,iothread=iothread%d%s", iothread,
			 iothread, str_text(&queues));
	cpuset_add(&buses->scsi, iothread);
	return mem_printf("scsi%d.0", iothread);
}

// The next SATA port, on the heap. q35 has a controller with the bus names ide.0 to ide.5.
static char *sata_bus(struct argv_build *b, struct buses *buses)
{
	int controller = buses->sata / SATA_PORTS, port = buses->sata % SATA_PORTS;

	buses->sata++;
	if (b->q35 && controller == 0)
		return mem_printf("ide.%d", port);
	if (port == 0)
		argv_add(b, "-device", "ahci,id=sata%d", controller);
	return mem_printf("sata%d.%d", controller, port);
}

static void add_device(struct argv_build *b, struct buses *buses, const struct disk_choice *choice,
		       size_t index)
{
	const struct profile_disk *disk = choice->disk;
	int iothread = next_iothread(b, buses, disk);
	int boot = argv_boot_index(b->profile, BOOT_DISK, index);
	AUTO_STR struct str device = { 0 };
	AUTO_FREE char *bus = NULL;

	switch (disk->bus) {
	case DISK_VIRTIO:
		str_add(&device, "virtio-blk-pci");
		if (iothread >= 0)
			str_addf(&device, ",iothread=iothread%d", iothread);
		break;
	case DISK_SCSI:
		bus = scsi_bus(b, buses, iothread);
		str_addf(&device, "scsi-hd,bus=%s", bus);
		break;
	case DISK_NVME:
		str_add(&device, "nvme");
		break;
	case DISK_SATA:
		bus = sata_bus(b, buses);
		str_addf(&device, "ide-hd,bus=%s", bus);
		break;
	}
	str_addf(&device, ",id=disk%zu,drive=disk%zu-node", index, index);
	if (disk->serial) {
		str_add(&device, ",serial=");
		argv_add_value(&device, disk->serial);
	} else if (disk->bus == DISK_NVME) {
		str_addf(&device, ",serial=disk%zu", index); // QEMU makes no NVMe disk without one
	}
	if (choice->write_through)
		str_add(&device, ",write-cache=off");
	if (boot)
		str_addf(&device, ",bootindex=%d", boot);
	argv_add(b, "-device", "%s", str_text(&device));
}

// The files behind a qcow2 image, deepest first, each a read-only node. Returns the name of the
// nearest one on the heap, or NULL.
static char *add_backing(struct argv_build *b, const struct disk_choice *choice,
			 const struct file_fact *file, size_t index, int depth)
{
	AUTO_FREE char *behind = NULL, *node = NULL, *what = NULL;
	const char *format = file && file->backing_format ? file->backing_format : "raw";

	if (!file || !file->backing)
		return NULL;
	if (str_eq(format, "qcow2"))
		behind = add_backing(b, choice, facts_file(b->facts, file->backing), index,
				     depth + 1);
	node = mem_printf("disk%zu-base%d", index, depth);
	what = mem_printf("disk %s, the image behind it", choice->disk->title);
	argv_add_image(b, &(struct image_request){
				  .node = node,
				  .what = what,
				  .path = file->backing,
				  .format = format,
				  .backing = behind,
			  });
	return take(node);
}

static void add_disk(struct argv_build *b, struct buses *buses, size_t index)
{
	const struct profile_disk *disk = &b->profile->disks[index];
	AUTO_FREE char *node = mem_printf("disk%zu-node", index),
		       *what = mem_printf("disk %s", disk->title);
	AUTO_FREE char *backing = NULL;
	struct disk_choice choice;

	if (!argv_choose_disk(b, disk, &choice))
		return;
	if (str_eq(choice.format, "qcow2"))
		backing = add_backing(b, &choice, choice.file, index, 0);
	argv_add_image(b, &(struct image_request){
				  .node = node,
				  .what = what,
				  .path = disk->file,
				  .format = choice.format,
				  .write = choice.write,
				  .direct = choice.direct,
				  .no_flush = choice.no_flush,
				  .aio = choice.aio,
				  .discard = choice.discard,
				  .detect_zeroes = choice.detect_zeroes,
				  .backing = backing,
			  });
	add_device(b, buses, &choice, index);
}

static void add_cdrom(struct argv_build *b, struct buses *buses, size_t index)
{
	const struct profile_cdrom *cdrom = &b->profile->cdroms[index];
	struct image_place place = { "cdrom", cdrom->title, "file" };
	int boot = argv_boot_index(b->profile, BOOT_CDROM, index);
	AUTO_FREE char *bus = NULL, *node = NULL, *what = NULL;
	AUTO_STR struct str device = { 0 };
	const struct file_fact *file;

	if (cdrom->file && !argv_check_file(b, &place, cdrom->file, false, &file))
		return;
	if (cdrom->file) {
		node = mem_printf("cdrom%zu-node", index);
		what = mem_printf("CD %s", cdrom->title);
		argv_add_image(b, &(struct image_request){ .node = node,
							   .what = what,
							   .path = cdrom->file,
							   .format = "raw" });
	}
	bus = sata_bus(b, buses);
	str_addf(&device, "ide-cd,bus=%s,id=cdrom%zu", bus, index);
	if (node)
		str_addf(&device, ",drive=%s", node);
	if (boot)
		str_addf(&device, ",bootindex=%d", boot);
	argv_add(b, "-device", "%s", str_text(&device));
}

void argv_disks(struct argv_build *b)
{
	struct buses buses = { .iothreads = argv_count_iothreads(b->profile) };

	argv_check_shared(b);
	add_iothreads(b, buses.iothreads);
	for (size_t i = 0; i < b->profile->n_disks; i++)
		add_disk(b, &buses, i);
	for (size_t i = 0; i < b->profile->n_cdroms; i++)
		add_cdrom(b, &buses, i);
}
