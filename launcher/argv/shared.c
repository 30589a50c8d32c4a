// SPDX-License-Identifier: MIT
// Memory that the guest shares with a program of the host: the frames of Looking Glass, the sound of Scream. Each
// is a PCI device of the guest (ivshmem) and a file, or kvmfr's device, on the host.
#include "launcher/argv/argv.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

// The guest's programs find their device by its size alone (Scream) or by its ids (Looking Glass).
struct shared {
	const char *section, *id, *path;
	uint64_t size;
	bool zeroed; // what an earlier run left would be heard
	const char *what;
};

// Two frames of four bytes a pixel (HDR: eight), and 10 MiB for the cursor and all else, up to a power of two:
// https://looking-glass.io/docs, "Determining memory".
static uint64_t glass_size(const struct profile_lookingglass *glass)
{
	uint64_t bytes = (uint64_t)glass->width * (uint64_t)glass->height * (glass->hdr ? 8 : 4) * 2 + (10 << 20);
	uint64_t size = 1 << 20;

	while (size < bytes)
		size <<= 1;
	return size;
}

static void add_device(struct argv_build *b, const struct shared *shared)
{
	AUTO_FREE char *path = argv_escape(shared->path);

	argv_add(b, "-object", "memory-backend-file,id=%s,mem-path=%s,size=%" PRIu64 ",share=on", shared->id, path,
		 shared->size);
	argv_add(b, "-device", "ivshmem-plain,id=%s-device,memdev=%s", shared->id, shared->id);
	strv_add(&b->plan->shared_files, shared->path);
	if (!qemu_caps_has(&b->facts->qemu, "device/ivshmem-plain"))
		argv_host_error(b, "shared-missing", shared->section, "", "%s has no device ivshmem-plain",
				b->plan->qemu);
}

// Who looks owns it; QEMU's user comes by its group, so that nobody else does. What is not known here is left out.
static char *rights(const struct argv_build *b, const char *prefix)
{
	const struct account *viewer = &b->facts->viewer;
	const struct account_ref *user = &b->plan->user;

	if (!b->facts->live || !viewer->found)
		return mem_printf("%smode=0660", prefix);
	if (viewer->uid == user->uid)
		return mem_printf("%smode=0600 uid=%u gid=%u", prefix, user->uid, user->gid);
	return mem_printf("%smode=0660 uid=%u gid=%u", prefix, viewer->uid, user->gid);
}

// As it would be made: then it may stay.
static bool is_fit(const struct argv_build *b, const struct shared *shared, const struct file_fact *file)
{
	const struct account *viewer = &b->facts->viewer;
	mode_t mode = viewer->uid == b->plan->user.uid ? 0600 : 0660;

	return !shared->zeroed && file->size == shared->size && file->mode == mode && file->uid == viewer->uid &&
	       file->gid == b->plan->user.gid;
}

static bool is_anothers(struct argv_build *b, const struct shared *shared)
{
	const struct strv *others = &b->facts->others_memory;
	size_t n = strlen(shared->path);

	for (size_t i = 0; i < others->count; i++) {
		if (!str_starts(others->items[i], shared->path) || others->items[i][n] != ' ')
			continue;
		diag_hint(argv_host_error(b, "shared-in-use", shared->section, "file", "%s", others->items[i]),
			  "give this guest another: file = %s-%s", shared->path, b->profile->vm.name);
		return true;
	}
	return false;
}

// Whether there is a file that must go, or where it can't: false, and why is in the diagnostics.
static bool clear_place(struct argv_build *b, const struct shared *shared, const struct file_fact *file)
{
	if (file->type == FILE_OTHER || file->type == FILE_BLOCK) {
		argv_host_error(b, "file-kind", shared->section, "file", "%s is no plain file", shared->path);
		return false;
	}
	if (!b->facts->root && file->uid != b->facts->self.uid) {
		diag_hint(argv_host_error(b, "shared-foreign", shared->section, "file",
					  "%s is there and somebody else's", shared->path),
			  "remove it, or write another file");
		return false;
	}
	change_add(&b->plan->changes, "aside", shared->path, NULL, "aside",
		   "the file that is there %s; it comes back afterwards",
		   file->size == shared->size ? "is not as it should be" : "has another size");
	return true;
}

static char *size_text(uint64_t bytes)
{
	struct str text = { 0 };

	str_add_size(&text, bytes);
	return str_take(&text);
}

static void make_file(struct argv_build *b, const struct shared *shared)
{
	const struct file_fact *file = facts_file(b->facts, shared->path);
	AUTO_FREE char *bytes = size_text(shared->size), *size = mem_printf("size=%s ", bytes);
	AUTO_FREE char *want = rights(b, size);
	bool there = file && file->type != FILE_MISSING;

	if (is_anothers(b, shared) || (there && file->type == FILE_REGULAR && is_fit(b, shared, file)))
		return;
	if (there && !clear_place(b, shared, file))
		return;
	change_add(&b->plan->changes, "shm", shared->path, NULL, want, "%s", shared->what);
}

// --- Looking Glass

static bool use_kvmfr(struct argv_build *b)
{
	const struct profile_lookingglass *glass = &b->profile->lookingglass;
	bool there = b->facts->system.kvmfr;

	if (glass->kvmfr == TRI_YES && !there)
		diag_hint(argv_host_error(b, "kvmfr-missing", "lookingglass", "kvmfr",
					  "the module kvmfr is not loaded: there is no /dev/kvmfr0"),
			  "modprobe kvmfr static_size_mb=%" PRIu64 ", or leave kvmfr out",
			  glass_size(glass) >> 20);
	return glass->kvmfr == TRI_YES || (glass->kvmfr == TRI_AUTO && there && !glass->file);
}

static void check_viewer(struct argv_build *b)
{
	const char *owner = b->profile->lookingglass.owner;

	if (!b->facts->live || !owner)
		return;
	if (!b->facts->viewer.found)
		argv_host_error(b, "no-user", "lookingglass", "owner", "there is no user `%s`", owner);
	else if (!b->facts->root && b->facts->viewer.uid != b->facts->self.uid)
		diag_hint(argv_host_error(b, "not-root", "lookingglass", "owner",
					  "only root can give the shared memory to `%s`", owner),
			  "run with sudo, or leave `owner` out");
	else if (b->spice && b->facts->viewer.uid != 0 && b->facts->viewer.uid != b->plan->user.uid)
		diag_hint(argv_warn(b, "spice-user", "lookingglass", "owner",
				    "`%s` may look, but not type: the SPICE socket is for `%s`, who QEMU runs as",
				    owner, b->plan->user.name),
			  "write into [vm]: user = %s", owner);
}

static void add_glass_client(struct argv_build *b, const char *path)
{
	AUTO_STR struct str command = { 0 };

	str_add(&command, "looking-glass-client -f ");
	str_add_shell_quoted(&command, path);
	if (b->spice) {
		AUTO_FREE char *socket = argv_socket_path(b, "qemu/spice.sock");

		str_add(&command, " -c ");
		str_add_shell_quoted(&command, socket);
		str_add(&command, " -p 0");
	} else {
		str_add(&command, " spice:enable=no");
	}
	strv_add(&b->plan->clients, str_text(&command));
}

static void add_glass(struct argv_build *b)
{
	const struct profile_lookingglass *glass = &b->profile->lookingglass;
	bool kvmfr = use_kvmfr(b);
	struct shared shared = { .section = "lookingglass", .id = "lookingglass", .size = glass_size(glass),
				 .path = kvmfr ? "/dev/kvmfr0" : facts_lookingglass_file(b->profile) };
	AUTO_FREE char *what = mem_printf("Looking Glass: two frames of %dx%d%s and 10 MiB, up to a power of two",
					  glass->width, glass->height, glass->hdr ? " in HDR" : "");

	check_viewer(b);
	shared.what = what;
	add_device(b, &shared);
	if (kvmfr && !is_anothers(b, &shared)) {
		AUTO_FREE char *want = rights(b, "");

		change_add(&b->plan->changes, "owner", shared.path, NULL, want,
			   "Looking Glass' module shares the frames, without a copy");
	} else if (!kvmfr) {
		make_file(b, &shared);
	}
	add_glass_client(b, shared.path);
}

// --- Scream

// Raw arguments may have memory of that size too.
static bool raw_has_size(const struct strv *args, uint64_t size)
{
	bool ivshmem = false, same = false;

	for (size_t i = 0; i < args->count; i++) {
		const char *at = strstr(args->items[i], ",size=");
		AUTO_FREE char *text = at ? mem_dupn(at + 6, strcspn(at + 6, ",")) : NULL;
		uint64_t bytes;

		ivshmem |= str_starts(args->items[i], "ivshmem");
		same |= str_starts(args->items[i], "memory-backend-") && text && str_parse_size(text, &bytes) &&
			bytes == size;
	}
	return ivshmem && same;
}

static void check_scream(struct argv_build *b, uint64_t size)
{
	const struct profile *p = b->profile;
	bool glass = profile_has_section(p, "lookingglass") && glass_size(&p->lookingglass) == size;
	const char *whose = glass ? "Looking Glass'" : "a raw argument's";

	if (glass || raw_has_size(&p->qemu.args, size) ||
	    (b->options->qemu_args && raw_has_size(b->options->qemu_args, size)))
		diag_hint(argv_error(b, "shared-size", "scream", "size",
				     "Scream's driver finds its memory by its size, and %s has the same", whose),
			  "size = 2M, which is Scream's own default, and another one for the other device");
}

static void add_scream(struct argv_build *b)
{
	struct shared shared = { .section = "scream", .id = "scream", .size = b->profile->scream.size ?: 2 << 20,
				 .path = facts_scream_file(b->profile), .zeroed = true,
				 .what = "Scream: the guest's sound, heard by its receiver on the host" };
	AUTO_STR struct str command = { 0 };

	check_scream(b, shared.size);
	add_device(b, &shared);
	make_file(b, &shared);
	str_add(&command, "scream -m ");
	str_add_shell_quoted(&command, shared.path);
	strv_add(&b->plan->clients, str_text(&command));
}

void argv_shared(struct argv_build *b)
{
	if (profile_has_section(b->profile, "lookingglass"))
		add_glass(b);
	if (profile_has_section(b->profile, "scream"))
		add_scream(b);
}
