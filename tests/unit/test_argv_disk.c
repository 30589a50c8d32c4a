// SPDX-License-Identifier: MIT
#include "tests/unit/guest.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

// Nothing to do with firmware here.
#define BIOS "[firmware]\ntype = seabios\n"
enum { FIRST = GUEST_LINE(3) };

static void test_iothreads_poll_as_asked(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[cpu]\niothread_poll = 0\n[disk \"system\"]\nfile = /images/a.img\n");
	guest_add_file(&guest, "/images/a.img");
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-object", "iothread,id=iothread0,poll-max-ns=0");
	guest_finish(&guest);
}

static void test_plain_file(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[disk \"system\"]\nfile = /images/a,b c.img\n");
	guest_add_file(&guest, "/images/a,b c.img");
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-object", "iothread,id=iothread0");
	guest_assert_has(&guest, "-add-fd", "fd=10,set=10,opaque=/images/a,,b c.img");
	guest_assert_has(&guest, "-blockdev",
			 "driver=raw,node-name=disk0-node,read-only=off,file.driver=file,file."
			 "filename=/dev/fdset/10,"
			 "file.aio=threads,cache.direct=off,cache.no-flush=off,discard=unmap");
	guest_assert_has(&guest, "-device",
			 "virtio-blk-pci,iothread=iothread0,id=disk0,drive=disk0-node,bootindex=1");
	guest_assert_pasted(&guest, "-blockdev",
			    "driver=raw,node-name=disk0-node,read-only=off,file.driver=file,file."
			    "filename=/images/a,,b c.img,"
			    "file.aio=threads,cache.direct=off,cache.no-flush=off,discard=unmap");
	assert_false(strv_has(&guest.fx.plan.argv_paths, "-add-fd"));
	assert_int_equal(guest.fx.plan.n_fds, 1);
	assert_true(guest.fx.plan.fds[0].write);
	assert_false(guest.fx.plan.fds[0].direct);
	assert_string_equal(guest.fx.plan.fds[0].path, "/images/a,b c.img");
	guest_finish(&guest);
}

static void test_block_device(void **state)
{
	struct guest guest;
	struct file_fact *file;

	(void)state;
	guest_init(&guest, BIOS "[disk \"system\"]\nfile = /dev/nvme0n1\n");
	file = guest_add_file(&guest, "/dev/nvme0n1");
	file->type = FILE_BLOCK;
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-blockdev",
			 "driver=raw,node-name=disk0-node,read-only=off,file.driver=host_device,"
			 "file.filename=/dev/fdset/"
			 "10,file.aio=native,cache.direct=on,cache.no-flush=off,discard=unmap");
	assert_true(guest.fx.plan.fds[0].direct);
	guest_finish(&guest);
}

static void test_caches(void **state)
{
	static const struct {
		const char *key, *blockdev, *device;
	} rows[] = {
		{ "cache = none", "aio=native,cache.direct=on,cache.no-flush=off", "" },
		{ "cache = writeback", "aio=threads,cache.direct=off,cache.no-flush=off", "" },
		{ "cache = writethrough", "aio=threads,cache.direct=off,cache.no-flush=off",
		  ",write-cache=off" },
		{ "cache = directsync", "aio=native,cache.direct=on,cache.no-flush=off",
		  ",write-cache=off" },
		{ "cache = unsafe", "aio=threads,cache.direct=off,cache.no-flush=on", "" },
		{ "cache = none\naio = threads", "aio=threads,cache.direct=on,cache.no-flush=off",
		  "" },
		{ "aio = native", "aio=native,cache.direct=on,cache.no-flush=off", "" },
		{ "aio = io_uring", "aio=io_uring,cache.direct=off,cache.no-flush=off", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[256], blockdev[256], device[256];
		struct guest guest;

		snprintf(text, sizeof(text),
			 BIOS "[disk \"a\"]\nfile = /a.img\ndiscard = yes\n%s\n", rows[i].key);
		snprintf(blockdev, sizeof(blockdev),
			 "driver=raw,node-name=disk0-node,read-only=off,file.driver=file,file."
			 "filename=/dev/fdset/10,file.%s,"
			 "discard=unmap,detect-zeroes=unmap",
			 rows[i].blockdev);
		snprintf(
			device, sizeof(device),
			"virtio-blk-pci,iothread=iothread0,id=disk0,drive=disk0-node%s,bootindex=1",
			rows[i].device);
		guest_init(&guest, text);
		guest_add_file(&guest, "/a.img");
		guest_make(&guest);
		guest_assert_fine(&guest);
		guest_assert_has(&guest, "-blockdev", blockdev);
		guest_assert_has(&guest, "-device", device);
		guest_finish(&guest);
	}
}

// tmpfs before Linux 6.6 has no O_DIRECT: the automatic choice gives way, a written one can't.
static void test_no_direct_access(void **state)
{
	struct guest guest;
	struct file_fact *file;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /dev/ram0\n");
	file = guest_add_file(&guest, "/dev/ram0");
	file->type = FILE_BLOCK;
	file->direct = false;
	guest_make(&guest);
	guest_assert_fine(&guest);
	assert_false(guest.fx.plan.fds[0].direct);
	guest_finish(&guest);

	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a.img\ncache = none\n");
	guest_add_file(&guest, "/a.img")->direct = false;
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "disk-direct", FIRST + 2, "O_DIRECT",
			  "cache = writeback");
	guest_finish(&guest);
}

static void test_buses(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a\nbus = scsi\nserial = S,1\n"
				"[disk \"b\"]\nfile = /b\nbus = scsi\niothread = no\n"
				"[disk \"c\"]\nfile = /c\nbus = nvme\n"
				"[disk \"d\"]\nfile = /d\nbus = sata\n"
				"[disk \"e\"]\nfile = /e\nbus = scsi\n"
				"[cdrom \"cd\"]\nfile = /f.iso\n[cdrom \"empty\"]\n");
	for (const char *path = "a\0b\0c\0d\0e\0"; *path; path += 2) {
		char full[] = { '/', *path, '\0' };

		guest_add_file(&guest, full);
	}
	guest_add_file(&guest, "/f.iso")->writable = false;
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-device", "virtio-scsi-pci,id=scsi0,iothread=iothread0,num_queues=2");
	guest_assert_has(&guest, "-device", "virtio-scsi-pci,id=scsi,num_queues=2");
	guest_assert_has(&guest, "-device",
			 "scsi-hd,bus=scsi0.0,id=disk0,drive=disk0-node,serial=S,,1,bootindex=1");
	guest_assert_has(&guest, "-device",
			 "scsi-hd,bus=scsi.0,id=disk1,drive=disk1-node,bootindex=2");
	guest_assert_has(&guest, "-device",
			 "nvme,id=disk2,drive=disk2-node,serial=disk2,bootindex=3");
	guest_assert_has(&guest, "-device",
			 "ide-hd,bus=ide.0,id=disk3,drive=disk3-node,bootindex=4");
	guest_assert_has(&guest, "-device",
			 "scsi-hd,bus=scsi0.0,id=disk4,drive=disk4-node,bootindex=5");
	guest_assert_has(&guest, "-blockdev",
			 "driver=raw,node-name=cdrom0-node,read-only=on,file.driver=file,file."
			 "filename=/dev/fdset/15,"
			 "cache.direct=off,cache.no-flush=off");
	guest_assert_has(&guest, "-device",
			 "ide-cd,bus=ide.1,id=cdrom0,drive=cdrom0-node,bootindex=6");
	guest_assert_has(&guest, "-device", "ide-cd,bus=ide.2,id=cdrom1,bootindex=7");
	assert_false(guest.fx.plan.fds[5].write);
	guest_finish(&guest);
}

// pc has no SATA controller; six ports a controller.
static void test_sata_on_pc(void **state)
{
	AUTO_STR struct str text = { 0 };
	struct guest guest;

	(void)state;
	str_add(&text, BIOS "[vm]\nmachine = pc\n");
	for (int i = 0; i < 7; i++)
		str_addf(&text, "[cdrom \"%d\"]\n", i);
	guest_init(&guest, text.text);
	guest_make(&guest);
	guest_assert_has(&guest, "-device", "ahci,id=sata0");
	guest_assert_has(&guest, "-device", "ide-cd,bus=sata0.5,id=cdrom5,bootindex=6");
	guest_assert_has(&guest, "-device", "ahci,id=sata1");
	guest_assert_has(&guest, "-device", "ide-cd,bus=sata1.0,id=cdrom6,bootindex=7");
	guest_finish(&guest);
}

static void test_boot_order(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS
		   "[boot]\norder = net, cdrom\n"
		   "[disk \"a\"]\nfile = /a\nboot_index = 5\n[disk \"b\"]\nfile = /b\n"
		   "[cdrom \"c\"]\n[cdrom \"d\"]\nboot_index = 2\n[cdrom \"e\"]\n[net \"n\"]\n");
	assert_int_equal(guest.profile.n_disks, 2);
	guest_add_file(&guest, "/a");
	guest_add_file(&guest, "/b");
	guest_make(&guest);
	guest_assert_has(&guest, "-device",
			 "virtio-blk-pci,iothread=iothread0,id=disk0,drive=disk0-node,bootindex=5");
	guest_assert_has(&guest, "-device",
			 "virtio-blk-pci,iothread=iothread0,id=disk1,drive=disk1-node");
	guest_assert_has(&guest, "-device", "ide-cd,bus=ide.0,id=cdrom0,bootindex=7");
	guest_assert_has(&guest, "-device", "ide-cd,bus=ide.1,id=cdrom1,bootindex=2");
	guest_assert_has(&guest, "-device", "ide-cd,bus=ide.2,id=cdrom2,bootindex=8");
	assert_non_null(strstr(argv_fixture_value(&guest.fx, "-device", 5), ",bootindex=6"));
	guest_finish(&guest);
}

static int count_iothreads(const char *text)
{
	struct guest guest;
	int n;

	guest_init(&guest, text);
	n = argv_count_iothreads(&guest.profile);
	guest_finish(&guest);
	return n;
}

static void test_counting_iothreads(void **state)
{
	(void)state;
	assert_int_equal(count_iothreads(""), 0);
	assert_int_equal(count_iothreads("[disk \"a\"]\nfile = /a\n"), 1);
	assert_int_equal(count_iothreads("[disk \"a\"]\nfile = /a\n[disk \"b\"]\nfile = /b\n"), 1);
	assert_int_equal(count_iothreads("[disk \"a\"]\nfile = /a\niothread = no\n"), 0);
	assert_int_equal(count_iothreads("[disk \"a\"]\nfile = /a\nbus = nvme\n"), 0);
	assert_int_equal(
		count_iothreads(
			"[disk \"a\"]\nfile = /a\niothread = yes\n[disk \"b\"]\nfile = /b\n"),
		2);
	assert_int_equal(count_iothreads("[cpu]\niothreads = 3\n"), 3);
}

static void test_iothreads_are_shared_out(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a\n[disk \"b\"]\nfile = /b\niothread = yes\n"
				"[disk \"c\"]\nfile = /c\n");
	guest_make(&guest);
	guest_assert_has(&guest, "-device",
			 "virtio-blk-pci,iothread=iothread1,id=disk0,drive=disk0-node,bootindex=1");
	guest_assert_has(&guest, "-device",
			 "virtio-blk-pci,iothread=iothread0,id=disk1,drive=disk1-node,bootindex=2");
	guest_assert_has(&guest, "-device",
			 "virtio-blk-pci,iothread=iothread1,id=disk2,drive=disk2-node,bootindex=3");
	guest_finish(&guest);
}

static void test_iothread_mistakes(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a\nbus = nvme\niothread = yes\n");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_ERROR, "disk-iothread", FIRST + 3, "disk \"a\"",
			  "bus = virtio");
	guest_finish(&guest);

	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a\niothread = yes\n[cpu]\niothreads = 0\n");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_ERROR, "disk-iothread", FIRST + 2, "iothreads = 0",
			  "iothreads = 1");
	guest_finish(&guest);

	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a\n[cpu]\niothreads = 3\n");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_WARNING, "iothread-unused", FIRST + 3, "2 of 3",
			  "iothreads = 1");
	guest_finish(&guest);
}

static void test_sata_disk_is_written(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a\nbus = sata\nreadonly = yes\n");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_ERROR, "disk-readonly", FIRST + 3, "SATA", "virtio");
	guest_finish(&guest);
}

static void test_files_that_cannot_be_used(void **state)
{
	static const struct {
		enum file_type type;
		int error;
		bool writable;
		const char *code, *text, *hint;
	} rows[] = {
		{ FILE_MISSING, ENOENT, true, "file-missing", "/a.qcow2 does not exist",
		  "qemu-img create -f qcow2 /a.qcow2 64G" },
		{ FILE_UNREADABLE, EACCES, true, "file-unreadable", "Permission denied",
		  "start vfiorun as" },
		{ FILE_OTHER, 0, true, "file-kind", "neither a regular file", "/dev/disk/by-id" },
		{ FILE_REGULAR, 0, false, "file-readonly", "may not be written", "readonly = yes" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct guest guest;
		struct file_fact *file;

		guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a.qcow2\n");
		file = guest_add_file(&guest, "/a.qcow2");
		file->type = rows[i].type;
		file->error = rows[i].error;
		file->writable = rows[i].writable;
		guest_make(&guest);
		guest_assert_diag(&guest, DIAG_HOST_ERROR, rows[i].code, FIRST + 1, rows[i].text,
				  rows[i].hint);
		assert_int_equal(guest.fx.plan.n_fds, 0);
		guest_finish(&guest);
	}
}

static void test_readonly(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a.img\nreadonly = yes\ndiscard = yes\n");
	guest_add_file(&guest, "/a.img")->writable = false;
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_assert_has(&guest, "-blockdev",
			 "driver=raw,node-name=disk0-node,read-only=on,file.driver=file,file."
			 "filename=/dev/fdset/10,"
			 "file.aio=threads,cache.direct=off,cache.no-flush=off");
	assert_false(guest.fx.plan.fds[0].write);
	guest_finish(&guest);
}

static void test_format_is_never_guessed(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a.img\n");
	guest_add_file(&guest, "/a.img")->qcow2 = true;
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_ERROR, "disk-format", FIRST + 1, "begins like qcow2",
			  "format = qcow2");
	guest_finish(&guest);

	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a.img\nformat = raw\n");
	guest_add_file(&guest, "/a.img")->qcow2 = true;
	guest_make(&guest);
	guest_assert_fine(&guest);
	assert_int_equal(strncmp(argv_fixture_value(&guest.fx, "-blockdev", 0), "driver=raw,", 11),
			 0);
	guest_finish(&guest);

	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a.img\nformat = qcow2\n");
	guest_add_file(&guest, "/a.img");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "disk-format", FIRST + 2, "is not qcow2",
			  "qemu-img convert");
	guest_finish(&guest);

	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a.qcow2\n");
	guest_add_file(&guest, "/a.qcow2")->unsupported = "is encrypted";
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "disk-unsupported", FIRST + 1,
			  "/a.qcow2 is encrypted", "qemu-img convert");
	guest_finish(&guest);
}

static void set_backing(struct file_fact *file, const char *path, const char *format)
{
	mem_set(&file->backing, path);
	mem_set(&file->backing_format, format);
}

static void test_backing_chain(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /top.qcow2\ncache = none\n");
	set_backing(guest_add_file(&guest, "/top.qcow2"), "/mid.qcow2", "qcow2");
	set_backing(guest_add_file(&guest, "/mid.qcow2"), "/base.img", "raw");
	guest_add_file(&guest, "/base.img")->writable = false;
	guest_make(&guest);
	guest_assert_fine(&guest);
	assert_string_equal(argv_fixture_value(&guest.fx, "-blockdev", 0),
			    "driver=raw,node-name=disk0-base1,read-only=on,file.driver=file,"
			    "file.filename=/dev/fdset/10,cache.direct=off,cache.no-flush=off");
	assert_string_equal(argv_fixture_value(&guest.fx, "-blockdev", 1),
			    "driver=qcow2,node-name=disk0-base0,read-only=on,file.driver=file,"
			    "file.filename=/dev/fdset/"
			    "11,cache.direct=off,cache.no-flush=off,backing=disk0-base1");
	assert_string_equal(
		argv_fixture_value(&guest.fx, "-blockdev", 2),
		"driver=qcow2,node-name=disk0-node,read-only=off,file.driver=file,"
		"file.filename=/dev/fdset/12,file.aio=native,cache.direct=on,cache.no-flush=off,"
		"discard=unmap,backing=disk0-base0");
	assert_false(guest.fx.plan.fds[0].write);
	assert_true(guest.fx.plan.fds[2].write);
	guest_finish(&guest);
}

static void test_broken_chains(void **state)
{
	static const struct {
		const char *format; // as /top.qcow2 says
		bool there, qcow2;
		const char *code, *text, *hint;
	} rows[] = {
		{ "raw", false, false, "backing-missing", "/top.qcow2 needs /base behind it",
		  "rebase -u -b PATH" },
		{ NULL, true, true, "backing-format", "does not say",
		  "-b /base -F qcow2 /top.qcow2" },
		{ "qcow2", true, false, "backing-format", "it is raw", "-F raw" },
		{ "vmdk", true, false, "backing-format", "is vmdk", "-F raw" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct guest guest;
		struct file_fact *base;

		guest_init(&guest, BIOS "[disk \"a\"]\nfile = /top.qcow2\n");
		set_backing(guest_add_file(&guest, "/top.qcow2"), "/base", rows[i].format);
		base = guest_add_file(&guest, "/base");
		base->type = rows[i].there ? FILE_REGULAR : FILE_MISSING;
		base->qcow2 = rows[i].qcow2;
		guest_make(&guest);
		guest_assert_diag(&guest, DIAG_HOST_ERROR, rows[i].code, FIRST + 1, rows[i].text,
				  rows[i].hint);
		guest_finish(&guest);
	}
}

static void test_chain_that_bites_its_tail(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a.qcow2\n");
	set_backing(guest_add_file(&guest, "/a.qcow2"), "/b.qcow2", "qcow2");
	set_backing(guest_add_file(&guest, "/b.qcow2"), "/a.qcow2", "qcow2");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "backing-depth", FIRST + 1, "behind each other",
			  NULL);
	assert_int_equal(guest.fx.plan.n_fds, 0);
	guest_finish(&guest);
}

static void test_device_that_the_host_uses(void **state)
{
	static const char *const texts[] = { BIOS "[disk \"a\"]\nfile = /dev/sda\n",
					     BIOS "[disk \"a\"]\nfile = /dev/sda\nforce = yes\n" };

	(void)state;
	for (int force = 0; force < 2; force++) {
		struct guest guest;
		struct file_fact *file;

		guest_init(&guest, texts[force]);
		file = guest_add_file(&guest, "/dev/sda");
		file->type = FILE_BLOCK;
		strv_add(&file->uses, "/dev/sda1 is mounted on /boot");
		strv_add(&file->uses, "/dev/sda2 is swap");
		guest_make(&guest);
		guest_assert_diag(&guest, force ? DIAG_WARNING : DIAG_HOST_ERROR, "disk-in-use",
				  FIRST + 1, "/dev/sda1 is mounted on /boot; /dev/sda2 is swap",
				  force ? "was asked for" : "umount");
		assert_int_equal(diags_exit_status(&guest.fx.diags), force ? 0 : 3);
		guest_finish(&guest);
	}
}

// By another path, through a link, or behind another image: the inode is what counts.
static void test_one_file_twice(void **state)
{
	struct guest guest;
	struct file_fact *one, *two;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a\n[cdrom \"b\"]\nfile = /link\n");
	one = guest_add_file(&guest, "/a");
	one->ino = 77;
	two = guest_add_file(&guest, "/link");
	two->ino = 77;
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "disk-twice", FIRST + 3, "disk \"a\"",
			  "readonly = yes");
	guest_finish(&guest);

	guest_init(&guest,
		   BIOS "[disk \"a\"]\nfile = /top.qcow2\n[disk \"b\"]\nfile = /base.img\n");
	set_backing(guest_add_file(&guest, "/top.qcow2"), "/base.img", "raw");
	guest_add_file(&guest, "/base.img");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "disk-twice", FIRST + 3, "/base.img", NULL);
	guest_finish(&guest);

	// Two that only read may share.
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /top.qcow2\n[disk \"b\"]\nfile = /two.qcow2\n"
				"[cdrom \"c\"]\nfile = /x.iso\n[cdrom \"d\"]\nfile = /x.iso\n");
	set_backing(guest_add_file(&guest, "/top.qcow2"), "/base.img", "raw");
	set_backing(guest_add_file(&guest, "/two.qcow2"), "/base.img", "raw");
	guest_add_file(&guest, "/base.img");
	guest_add_file(&guest, "/x.iso");
	guest_make(&guest);
	guest_assert_fine(&guest);
	guest_finish(&guest);
}

// A captured machine has no such files: the plan is made all the same.
static void test_unknown_files(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a.qcow2\n[cdrom \"b\"]\nfile = /b.iso\n");
	guest.fx.facts.live = false;
	guest_make(&guest);
	guest_assert_fine(&guest);
	assert_int_equal(
		strncmp(argv_fixture_value(&guest.fx, "-blockdev", 0), "driver=qcow2,", 13), 0);
	assert_int_equal(guest.fx.plan.n_fds, 2);
	guest_finish(&guest);
}

static void test_aio_that_this_qemu_lacks(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, BIOS "[disk \"a\"]\nfile = /a\naio = io_uring\n");
	guest_add_file(&guest, "/a");
	argv_fixture_add_caps(&guest.fx, "machine/q35 arg/blockdev-add/file/aio=threads");
	guest_make(&guest);
	guest_assert_diag(&guest, DIAG_HOST_ERROR, "disk-aio", FIRST + 2, "io_uring",
			  "leave aio away");
	guest_finish(&guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_file),
		cmocka_unit_test(test_iothreads_poll_as_asked),
		cmocka_unit_test(test_block_device),
		cmocka_unit_test(test_caches),
		cmocka_unit_test(test_no_direct_access),
		cmocka_unit_test(test_buses),
		cmocka_unit_test(test_sata_on_pc),
		cmocka_unit_test(test_boot_order),
		cmocka_unit_test(test_counting_iothreads),
		cmocka_unit_test(test_iothreads_are_shared_out),
		cmocka_unit_test(test_iothread_mistakes),
		cmocka_unit_test(test_sata_disk_is_written),
		cmocka_unit_test(test_files_that_cannot_be_used),
		cmocka_unit_test(test_readonly),
		cmocka_unit_test(test_format_is_never_guessed),
		cmocka_unit_test(test_backing_chain),
		cmocka_unit_test(test_broken_chains),
		cmocka_unit_test(test_chain_that_bites_its_tail),
		cmocka_unit_test(test_device_that_the_host_uses),
		cmocka_unit_test(test_one_file_twice),
		cmocka_unit_test(test_unknown_files),
		cmocka_unit_test(test_aio_that_this_qemu_lacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
