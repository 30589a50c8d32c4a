// SPDX-License-Identifier: MIT
#include "launcher/facts/files.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "launcher/facts/qcow2.h"
#include "launcher/guest/vars.h"
#include "tune/host/block.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

// Deeper chains are slow enough to be a mistake; a loop ends here too.
enum { BACKING_DEPTH_MAX = 16 };

enum look {
	LOOK_IMAGE = 1 << 0, // may be qcow2
	LOOK_DISK = 1 << 1,  // boots as a disk
	LOOK_CDROM = 1 << 2, // boots as a CD
	LOOK_HASH = 1 << 3,
	LOOK_ROM = 1 << 4,
};

struct reader {
	struct root *root;
	struct facts *facts;
	const struct account *guest;
};

static bool read_exactly(void *context, uint64_t offset, void *buf, size_t size)
{
	int fd = *(int *)context;
	char *at = buf;

	if (offset > INT64_MAX - size)
		return false;
	while (size) {
		ssize_t n = pread(fd, at, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return true;
}

// FNV-1a's two steps, but eight bytes at a time: 4 MiB of firmware are hashed at every start.
static bool hash_file(int fd, uint64_t size, uint64_t *out)
{
	AUTO_FREE uint64_t *words = mem_new(8192, sizeof(*words));
	uint64_t hash = 0xcbf29ce484222325;

	for (uint64_t offset = 0; offset < size;) {
		size_t n = size - offset < 65536 ? (size_t)(size - offset) : 65536;

		words[n / 8 < 8192 ? n / 8 : 8191] = 0; // the tail of the last word
		if (!read_exactly(&fd, offset, words, n))
			return false;
		for (size_t i = 0; i < (n + 7) / 8; i++)
			hash = (hash ^ words[i]) * 0x100000001b3;
		offset += n;
	}
	*out = hash;
	return true;
}

// The permission that counts when the guest's user opens the inherited descriptor anew: the inode's
// alone, since no directory is walked (proc(5), /proc/PID/fd).
static bool may_read(const struct account *guest, const struct stat *st)
{
	if (!guest)
		return false;
	if (guest->uid == 0)
		return true;
	if (guest->uid == st->st_uid)
		return st->st_mode & S_IRUSR;
	return st->st_mode & (guest->gid == st->st_gid ? S_IRGRP : S_IROTH);
}

// "nbd://…", "json:{…}": QEMU's own test (path_has_protocol, block.c).
static bool has_protocol(const char *name)
{
	return name[strcspn(name, ":/")] == ':';
}

// Relative names are taken from where the image is (QEMU, path_combine).
static char *backing_path(const char *image, const char *name)
{
	const char *slash = strrchr(image, '/');

	if (*name == '/' || !slash)
		return mem_dup(name);
	return mem_printf("%.*s/%s", (int)(slash - image), image, name);
}

static void look_at_qcow2(int fd, struct file_fact *file)
{
	size_t size = file->size < QCOW2_HEADER_BYTES ? (size_t)file->size : QCOW2_HEADER_BYTES;
	AUTO_FREE char *data = mem_new(1, size + 1);
	struct qcow2_header header;
	const char *name;

	if (!read_exactly(&fd, 0, data, size))
		return;
	qcow2_header_parse(data, size, &header);
	file->qcow2 = header.valid;
	file->unsupported = header.unsupported;
	name = header.backing;
	if (name && str_starts(name, "file:"))
		name += strlen("file:");
	if (name && has_protocol(name) && !file->unsupported)
		file->unsupported = "has a backing image that is no file";
	else if (name)
		file->backing = backing_path(file->path, name);
	file->backing_format = take(header.backing_format);
	qcow2_header_finish(&header);
}

static int block_size(int fd, struct file_fact *file)
{
	uint64_t bytes;
	int readonly = 0;

	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return -errno;
	file->size = bytes;
	// access(2) does not know of a device that was set read-only.
	if (ioctl(fd, BLKROGET, &readonly) == 0 && readonly)
		file->writable = false;
	return 0;
}

static void set_unreadable(struct file_fact *file, int error)
{
	file->type = error == ENOENT || error == ENOTDIR ? FILE_MISSING : FILE_UNREADABLE;
	file->error = error;
}

static bool can_be_direct(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd >= 0;
}

static void look_at_rom(int fd, struct file_fact *file)
{
	size_t size = file->size < ROM_BYTES_MAX ? (size_t)file->size : ROM_BYTES_MAX;
	AUTO_FREE uint8_t *data = mem_new(1, size + 1);

	if (!read_exactly(&fd, 0, data, size))
		return;
	file->is_rom = true;
	rom_parse(data, size, &file->rom);
}

// What the bytes say, of a file that is open.
static void look_inside(int fd, unsigned look, struct file_fact *file)
{
	struct boot_source source = { read_exactly, &fd };

	if (look & LOOK_IMAGE)
		look_at_qcow2(fd, file);
	if (look & (LOOK_DISK | LOOK_CDROM) && !file->qcow2)
		file->boot = boot_medium_look(&source, look & LOOK_CDROM);
	if (look & LOOK_ROM)
		look_at_rom(fd, file);
	if (look & LOOK_HASH)
		file->hashed = hash_file(fd, file->size, &file->hash);
}

// The file that was looked at and no other, or -1 with errno.
static int open_same(const char *path, const struct stat *seen)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino) {
		errno = ESTALE;
		return -1;
	}
	return take_fd(&fd);
}

static int look_at_file(struct reader *reader, unsigned look, struct file_fact *file,
			struct err *err)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;
	bool block;

	// Opening a FIFO would wait and a character device may act: look first.
	if (stat(file->path, &st) < 0) {
		set_unreadable(file, errno);
		return 0;
	}
	block = S_ISBLK(st.st_mode);
	file->type = block ? FILE_BLOCK : S_ISREG(st.st_mode) ? FILE_REGULAR : FILE_OTHER;
	if (file->type == FILE_OTHER)
		return 0;
	file->size = (uint64_t)st.st_size;
	file->uid = st.st_uid;
	file->gid = st.st_gid;
	file->mode = st.st_mode & 07777;
	file->dev = block ? st.st_rdev : st.st_dev;
	file->ino = block ? 0 : st.st_ino;
	file->guest_readable = may_read(reader->guest, &st);
	file->writable = faccessat(AT_FDCWD, file->path, W_OK, AT_EACCESS) == 0;
	fd = open_same(file->path, &st);
	if (fd < 0 || (block && block_size(fd, file) < 0)) {
		set_unreadable(file, errno);
		return 0;
	}
	if (look & LOOK_IMAGE)
		file->direct = can_be_direct(file->path);
	look_inside(fd, look, file);
	return block ? block_uses(reader->root, st.st_rdev, &file->uses, err) : 0;
}

static int look_at(struct reader *reader, const char *path, unsigned look, struct err *err)
{
	struct facts *facts = reader->facts;
	struct file_fact *file;

	if (!path || facts_file(facts, path))
		return 0;
	file = MEM_PUSH(facts->files, facts->n_files);
	file->path = mem_dup(path);
	return look_at_file(reader, look, file, err);
}

static int look_at_image(struct reader *reader, const char *path, unsigned look, struct err *err)
{
	int r = look_at(reader, path, look | LOOK_IMAGE, err);

	for (int depth = 0; r == 0 && depth < BACKING_DEPTH_MAX; depth++) {
		const struct file_fact *file = facts_file(reader->facts, path);

		if (!file || !file->backing)
			break;
		path = file->backing;
		r = look_at(reader, path, LOOK_IMAGE, err);
	}
	return r;
}

static int look_at_firmware(struct reader *reader, const struct profile *profile, struct err *err)
{
	const struct firmware *firmware = firmware_choose(profile, &reader->facts->firmwares);
	AUTO_FREE char *vars = firmware_vars_path(profile, reader->facts->state_dir);
	const char *code = profile->firmware.code, *template = profile->firmware.template;
	int r;

	if (firmware_type_of(profile) > FIRMWARE_OVMF_SECUREBOOT)
		return 0;
	if (firmware && !code)
		code = firmware->code;
	if (firmware && !template)
		template = firmware->vars_template;
	r = look_at(reader, code, LOOK_HASH | LOOK_IMAGE, err);
	if (r == 0)
		r = look_at(reader, template, LOOK_IMAGE, err);
	if (r == 0)
		r = look_at(reader, vars, LOOK_IMAGE, err);
	if (r == 0)
		vars_origin_read(vars, &reader->facts->vars);
	return r;
}

static void find_programs(struct facts *facts)
{
	static const char *const places[] = { "/usr/bin/passt", "/usr/local/bin/passt" };

	for (size_t i = 0; i < ARRAY_SIZE(places) && !facts->passt; i++) {
		if (access(places[i], X_OK) == 0)
			facts->passt = mem_dup(places[i]);
	}
	facts->can_vhost = faccessat(AT_FDCWD, "/dev/vhost-net", R_OK | W_OK, AT_EACCESS) == 0;
}

int files_read(struct root *root, const struct profile *profile, const struct account *guest,
	       struct facts *facts, struct err *err)
{
	struct reader reader = { root, facts, guest };
	int r = 0;

	if (!root->live)
		return 0;
	find_programs(facts);
	for (size_t i = 0; i < profile->n_disks && r == 0; i++)
		r = look_at_image(&reader, profile->disks[i].file, LOOK_DISK, err);
	for (size_t i = 0; i < profile->n_cdroms && r == 0; i++)
		r = look_at(&reader, profile->cdroms[i].file, LOOK_CDROM | LOOK_IMAGE, err);
	for (size_t i = 0; i < profile->n_pcis && r == 0; i++)
		r = look_at(&reader, profile->pcis[i].romfile, LOOK_ROM, err);
	if (r == 0 && profile_has_section(profile, "lookingglass"))
		r = look_at(&reader, facts_lookingglass_file(profile), 0, err);
	if (r == 0 && profile_has_section(profile, "scream"))
		r = look_at(&reader, facts_scream_file(profile), 0, err);
	if (r == 0)
		r = look_at(&reader, profile->boot.kernel, 0, err);
	if (r == 0)
		r = look_at(&reader, profile->boot.initrd, 0, err);
	return r < 0 ? r : look_at_firmware(&reader, profile, err);
}

const char *facts_lookingglass_file(const struct profile *profile)
{
	return profile->lookingglass.file ?: "/dev/shm/looking-glass";
}

const char *facts_scream_file(const struct profile *profile)
{
	return profile->scream.file ?: "/dev/shm/scream-ivshmem";
}

const struct file_fact *facts_file(const struct facts *facts, const char *path)
{
	for (size_t i = 0; i < facts->n_files; i++) {
		if (str_eq(facts->files[i].path, path))
			return &facts->files[i];
	}
	return NULL;
}

void files_finish(struct facts *facts)
{
	for (size_t i = 0; i < facts->n_files; i++) {
		struct file_fact *file = &facts->files[i];

		free(file->path);
		free(file->backing);
		free(file->backing_format);
		strv_finish(&file->uses);
		rom_finish(&file->rom);
	}
	free(facts->files);
	facts->files = NULL;
	facts->n_files = 0;
	free(facts->vars.path);
	free(facts->vars.code);
	facts->vars = (struct vars_origin){ 0 };
	free(take(facts->passt));
}
