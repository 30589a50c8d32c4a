// SPDX-License-Identifier: MIT
// What a disk's keys come to: format, cache, aio, discard; and what is refused.
#include "launcher/argv/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"

enum { BACKING_DEPTH_MAX = 16 }; // as far as the facts look

static struct image_place at_key(const struct profile_disk *disk, const char *key)
{
	return (struct image_place){ "disk", disk->title, key };
}

// A raw disk's first bytes are the guest's own: were its format guessed, a guest could write a
// qcow2 header there, and at the next start read whatever file of the host it named as backing.
static bool choose_format(struct argv_build *b, const struct profile_disk *disk,
			  struct disk_choice *out)
{
	struct image_place place = at_key(
		disk, profile_has(b->profile, "disk", disk->title, "format") ? "format" : "file");
	bool named = str_ends(disk->file, ".qcow2"), is = out->file ? out->file->qcow2 : named;

	out->format = disk->format == FORMAT_QCOW2 || (disk->format == FORMAT_AUTO && named)
			      ? "qcow2"
			      : "raw";
	if (disk->format == FORMAT_AUTO && is && !named) {
		diag_hint(argv_diag_at(b, DIAG_ERROR, "disk-format", &place,
				       "%s begins like qcow2, but its name does not say so and a "
				       "guest could have written that",
				       disk->file),
			  "write format = qcow2 if you made it so, format = raw if the guest's own "
			  "data may look like that");
		return false;
	}
	if (str_eq(out->format, "qcow2") && !is) {
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "disk-format", &place, "%s is not qcow2",
				       disk->file),
			  "write format = raw, or convert it: qemu-img convert -O qcow2 OLD NEW");
		return false;
	}
	if (str_eq(out->format, "qcow2") && out->file && out->file->unsupported) {
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "disk-unsupported", &place,
				       "%s %s, which is not supported", disk->file,
				       out->file->unsupported),
			  "convert it: qemu-img convert -O qcow2 OLD NEW; encrypt below it with "
			  "LUKS (dm-crypt)");
		return false;
	}
	return true;
}

// One link of the chain, from `file` to the file behind it.
static bool check_backing(struct argv_build *b, const struct profile_disk *disk,
			  const struct file_fact *file)
{
	struct image_place place = at_key(disk, "file");
	const struct file_fact *next = facts_file(b->facts, file->backing);
	const char *format = file->backing_format;
	const char *is = next && next->qcow2 ? "qcow2" : "raw";
	AUTO_FREE char *image = argv_quote(file->path), *behind = argv_quote(file->backing);

	if (!next || next->type == FILE_MISSING)
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "backing-missing", &place,
				       "%s needs %s behind it, which does not exist", file->path,
				       file->backing),
			  "put it there, or name its new place: qemu-img rebase -u -b PATH -F "
			  "FORMAT %s",
			  image);
	else if (!format && next->qcow2)
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "backing-format", &place,
				       "%s does not say in which format %s behind it is",
				       file->path, file->backing),
			  "qemu-img rebase -u -b %s -F qcow2 %s", behind, image);
	else if (format && !str_eq(format, "raw") && (!str_eq(format, "qcow2") || !next->qcow2))
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "backing-format", &place,
				       "%s says that %s behind it is %s; it is %s", file->path,
				       file->backing, format, is),
			  "qemu-img rebase -u -b %s -F %s %s", behind, is, image);
	else if (next->unsupported && !str_eq(format, "raw"))
		argv_diag_at(b, DIAG_HOST_ERROR, "disk-unsupported", &place,
			     "%s behind %s %s, which is not supported", next->path, file->path,
			     next->unsupported);
	else
		return argv_check_file(b, &place, next->path, false, &next);
	return false;
}

static bool check_chain(struct argv_build *b, const struct profile_disk *disk,
			const struct file_fact *file)
{
	AUTO_FREE char *image = argv_quote(disk->file);
	struct image_place place = at_key(disk, "file");

	for (int depth = 0; file && file->backing; depth++) {
		bool raw = str_eq(file->backing_format, "raw");

		if (depth == BACKING_DEPTH_MAX) {
			diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "backing-depth", &place,
					       "more than %d files lie behind %s, or they lie "
					       "behind each other",
					       BACKING_DEPTH_MAX, disk->file),
				  "make one of them: qemu-img convert -O qcow2 %s NEW", image);
			return false;
		}
		if (!check_backing(b, disk, file))
			return false;
		file = raw ? NULL : facts_file(b->facts, file->backing);
	}
	return true;
}

static bool check_uses(struct argv_build *b, const struct profile_disk *disk,
		       const struct file_fact *file)
{
	struct image_place place = at_key(disk, "file");
	AUTO_STR struct str list = { 0 };
	struct diag *diag;

	if (!file->uses.count)
		return true;
	for (size_t i = 0; i < file->uses.count; i++)
		str_addf(&list, "%s%s", i ? "; " : "", file->uses.items[i]);
	diag = argv_diag_at(b, disk->force ? DIAG_WARNING : DIAG_HOST_ERROR, "disk-in-use", &place,
			    "the host uses %s: %s", file->path, str_text(&list));
	if (disk->force)
		diag_hint(
			diag,
			"two that write to one file system destroy it; force = yes was asked for");
	else
		diag_hint(diag, "let go of it first (umount, swapoff, vgchange -an, mdadm --stop, "
				"cryptsetup close); "
				"force = yes in this section gives it to the guest all the same");
	return disk->force;
}

// The page cache is of use to a file; a whole device is the guest's alone, and so is its own cache.
static bool choose_cache(struct argv_build *b, const struct profile_disk *disk,
			 struct disk_choice *out)
{
	static const struct {
		bool direct, no_flush, write_through;
	} modes[] = {
		[CACHE_NONE] = { .direct = true },
		[CACHE_WRITEBACK] = { .direct = false },
		[CACHE_WRITETHROUGH] = { .write_through = true },
		[CACHE_DIRECTSYNC] = { .direct = true, .write_through = true },
		[CACHE_UNSAFE] = { .no_flush = true },
	};
	struct image_place place = at_key(disk, disk->cache == CACHE_AUTO ? "aio" : "cache");
	bool block = argv_is_block(out->file, disk->file), possible = !out->file || out->file->direct;
	enum disk_cache cache = disk->cache;

	if (cache == CACHE_AUTO)
		cache = (block && possible) || disk->aio == AIO_NATIVE ? CACHE_NONE
								       : CACHE_WRITEBACK;
	out->direct = modes[cache].direct;
	out->no_flush = modes[cache].no_flush;
	out->write_through = modes[cache].write_through;
	if (out->direct && !possible) {
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "disk-direct", &place,
				       "%s lies on a file system that can't go around the page "
				       "cache (O_DIRECT)",
				       disk->file),
			  "write cache = writeback and leave aio away, or move the file");
		return false;
	}
	return true;
}

// With direct access the kernel's own queue is fastest and never blocks on a device; through the
// page cache it would, and QEMU refuses it (block/file-posix.c). io_uring only where it is asked
// for: a kernel may forbid it (kernel.io_uring_disabled), and automatic choices must not fail.
static bool choose_aio(struct argv_build *b, const struct profile_disk *disk,
		       struct disk_choice *out)
{
	static const char *const words[] = {
		[AIO_THREADS] = "threads", [AIO_NATIVE] = "native", [AIO_IO_URING] = "io_uring"
	};
	struct image_place place = at_key(disk, "aio");
	enum disk_aio aio = disk->aio;

	if (aio == AIO_AUTO)
		aio = out->direct ? AIO_NATIVE : AIO_THREADS;
	out->aio = words[aio];
	if (disk->aio != AIO_AUTO &&
	    !qemu_caps_has(&b->facts->qemu, "arg/blockdev-add/file/aio=%s", out->aio)) {
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "disk-aio", &place,
				       "this QEMU was built without aio = %s", out->aio),
			  "leave aio away");
		return false;
	}
	return true;
}

static bool check_bus(struct argv_build *b, const struct profile_disk *disk)
{
	struct image_place place = at_key(disk, "iothread");
	bool has_iothread = disk->bus == DISK_VIRTIO || disk->bus == DISK_SCSI;

	if (disk->iothread == TRI_YES && !has_iothread)
		diag_hint(argv_diag_at(b, DIAG_ERROR, "disk-iothread", &place,
				       "only the buses virtio and scsi have iothreads"),
			  "write bus = virtio, or leave iothread away");
	else if (disk->iothread == TRI_YES && b->profile->cpu.iothreads == 0)
		diag_hint(argv_diag_at(b, DIAG_ERROR, "disk-iothread", &place,
				       "iothread = yes, but [cpu] iothreads = 0"),
			  "leave [cpu] iothreads away, or write iothreads = 1");
	else if (disk->readonly == TRI_YES && disk->bus == DISK_SATA) {
		place.key = "readonly";
		// ide_dev_initfn, QEMU hw/ide/qdev.c: "Can't use a read-only drive".
		diag_hint(argv_diag_at(b, DIAG_ERROR, "disk-readonly", &place,
				       "a SATA disk can't be read-only"),
			  "write bus = virtio or scsi");
	} else {
		return true;
	}
	return false;
}

bool argv_choose_disk(struct argv_build *b, const struct profile_disk *disk,
		      struct disk_choice *out)
{
	struct image_place place = at_key(disk, "file");
	bool good;

	*out = (struct disk_choice){ .disk = disk, .write = disk->readonly != TRI_YES };
	// The guest's trims reach the file unless it says no; looking for zeros costs every write a
	// scan.
	out->discard = out->write && disk->discard != TRI_NO;
	out->detect_zeroes = out->write && disk->discard == TRI_YES;
	good = check_bus(b, disk);
	if (!argv_check_file(b, &place, disk->file, out->write, &out->file))
		return false;
	if (out->file && !check_uses(b, disk, out->file))
		good = false;
	if (!choose_format(b, disk, out))
		return false;
	if (str_eq(out->format, "qcow2") && !check_chain(b, disk, out->file))
		good = false;
	return choose_cache(b, disk, out) && choose_aio(b, disk, out) && good;
}

// --- one file, two devices

struct user {
	const struct file_fact *file;
	struct image_place place;
	bool write;
};

static void add_user(struct user **users, size_t *n, const struct file_fact *file,
		     struct image_place place, bool write)
{
	struct user *user;

	if (!file || (file->type != FILE_REGULAR && file->type != FILE_BLOCK))
		return;
	user = MEM_PUSH(*users, *n);
	*user = (struct user){ file, place, write };
}

static void list_users(struct argv_build *b, struct user **users, size_t *n)
{
	const struct profile *profile = b->profile;

	for (size_t i = 0; i < profile->n_disks; i++) {
		const struct profile_disk *disk = &profile->disks[i];
		const struct file_fact *file = facts_file(b->facts, disk->file);
		struct image_place place = at_key(disk, "file");

		add_user(users, n, file, place, disk->readonly != TRI_YES);
		for (int depth = 0; file && file->backing && depth < BACKING_DEPTH_MAX; depth++) {
			file = facts_file(b->facts, file->backing);
			add_user(users, n, file, place, false);
		}
	}
	for (size_t i = 0; i < profile->n_cdroms; i++) {
		const struct profile_cdrom *cdrom = &profile->cdroms[i];
		struct image_place place = { "cdrom", cdrom->title, "file" };

		add_user(users, n, cdrom->file ? facts_file(b->facts, cdrom->file) : NULL, place,
			 false);
	}
}

void argv_check_shared(struct argv_build *b)
{
	AUTO_FREE struct user *users = NULL;
	size_t n = 0;

	list_users(b, &users, &n);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct user *one = &users[j], *two = &users[i];

			if (one->file->dev != two->file->dev || one->file->ino != two->file->ino ||
			    !(one->write || two->write))
				continue;
			diag_hint(argv_diag_at(
					  b, DIAG_HOST_ERROR, "disk-twice", &two->place,
					  "%s is used by %s \"%s\" already, and one of them writes",
					  two->file->path, one->place.section, one->place.title),
				  "name another file, or readonly = yes for both");
			break;
		}
	}
}
