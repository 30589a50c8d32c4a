// SPDX-License-Identifier: MIT
// Firmware as pflash, the private copy of its variables, secure boot, and direct kernel boot.
#include "launcher/argv/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/files.h"

#include <inttypes.h>
#include <string.h>

// What the profile and the list come to. Strings are borrowed.
struct choice {
	const char *code, *template, *code_format, *vars_format;
	bool secure_boot, smm;
	const char *source;
};

static struct image_place at_key(const char *key)
{
	return (struct image_place){ "firmware", NULL, key };
}

static const char *format_of(const struct argv_build *b, const char *path, const char *listed)
{
	const struct file_fact *file = path ? facts_file(b->facts, path) : NULL;

	if (listed)
		return listed;
	return file && file->qcow2 ? "qcow2" : "raw";
}

static void hint_firmware(struct argv_build *b, struct diag *diag, const char *otherwise)
{
	const char *install = system_install_command(&b->facts->system);
	const char *package = install && str_starts(install, "apt") ? "ovmf" : "edk2-ovmf";

	diag_hint(diag, "%s %s, or name an image in code = and template = of [firmware]; %s",
		  install ? install : "install the package", package, otherwise);
}

static bool refuse_none(struct argv_build *b, enum firmware_type type)
{
	struct image_place place = at_key("type");

	if (type == FIRMWARE_OVMF_SECUREBOOT && !b->q35) {
		diag_hint(argv_diag_at(b, DIAG_ERROR, "secure-boot-machine", &place,
				       "secure boot needs SMM, which only q35 machines have"),
			  "write machine = q35 in [vm]");
		return false;
	}
	hint_firmware(b, argv_diag_at(b, DIAG_HOST_ERROR, "no-firmware", &place,
				      "no OVMF%s for a %s machine was found",
				      type == FIRMWARE_OVMF_SECUREBOOT ? " with secure boot" : "",
				      b->q35 ? "q35" : "pc"),
		      "type = seabios boots the old way");
	return false;
}

// False: there is none; why is in the diagnostics.
static bool choose(struct argv_build *b, enum firmware_type type, struct choice *out)
{
	const struct profile *profile = b->profile;
	const struct firmware *listed = firmware_choose(profile, &b->facts->firmwares);
	struct image_place place = at_key("code");

	if (!listed && !profile->firmware.code)
		return refuse_none(b, type);
	if (listed && listed->supposed)
		argv_diag_at(b, DIAG_WARNING, "firmware-unknown", &place,
			     "which firmware this machine has is not known: %s is supposed",
			     listed->code);
	*out = (struct choice){ .code = profile->firmware.code,
				.template = profile->firmware.template };
	if (listed) {
		out->code = listed->code;
		out->secure_boot = listed->secure_boot;
		out->smm = listed->requires_smm;
		out->source = listed->source;
		if (!out->template)
			out->template = listed->vars_template;
	} else {
		// Nothing describes it: what was asked for is what it is taken for.
		out->secure_boot = out->smm = type == FIRMWARE_OVMF_SECUREBOOT;
	}
	out->code_format = format_of(b, out->code, listed ? listed->code_format : NULL);
	out->vars_format =
		format_of(b, out->template,
			  listed && !profile->firmware.template ? listed->vars_format : NULL);
	if (type == FIRMWARE_OVMF_SECUREBOOT && !out->secure_boot) {
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "secure-boot-code", &place,
				       "%s has no secure boot (%s says so)", out->code,
				       out->source),
			  "leave code away, or write type = ovmf");
		return false;
	}
	if (out->smm && !b->q35) {
		diag_hint(argv_diag_at(b, DIAG_ERROR, "secure-boot-machine", &place,
				       "%s needs SMM, which only q35 machines have", out->code),
			  "write machine = q35 in [vm], or another code");
		return false;
	}
	return true;
}

// --- the private copy

// What the copy was made for and what would use it now. True: it still fits.
static bool check_origin(struct argv_build *b, const struct plan_vars *vars,
			 const struct file_fact *copy, const struct choice *choice)
{
	const struct vars_origin *origin = &b->facts->vars;
	const struct file_fact *template =
		choice->template ? facts_file(b->facts, choice->template) : NULL;
	bool vars_qcow2 = str_eq(choice->vars_format, "qcow2");
	struct image_place place =
		at_key(profile_has(b->profile, "firmware", NULL, "vars") ? "vars" : "type");
	AUTO_FREE char *quoted = argv_quote(vars->path);
	AUTO_STR struct str why = { 0 };

	if (copy->qcow2 != vars_qcow2)
		str_addf(&why, "is %s, not %s", copy->qcow2 ? "qcow2" : "raw", choice->vars_format);
	else if (template && template->type == FILE_REGULAR && !copy->qcow2 &&
		 template->size != copy->size)
		str_addf(&why, "has %" PRIu64 " bytes, the template %s %" PRIu64, copy->size,
			 template->path, template->size);
	else if (origin->found && vars->code_size && origin->code_size != vars->code_size)
		str_addf(&why, "was made for %s of %" PRIu64 " bytes; %s has %" PRIu64,
			 origin->code, origin->code_size, vars->code, vars->code_size);
	else if (origin->found && origin->secure_boot != vars->secure_boot)
		str_addf(&why, "was made for firmware with%s secure boot",
			 origin->secure_boot ? "" : "out");
	if (why.len) {
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "vars-mismatch", &place, "%s %s",
				       vars->path, str_text(&why)),
			  "mv %s %s.old; then a fresh copy is made, and the guest's boot entries "
			  "start anew",
			  quoted, quoted);
		return false;
	}
	if (origin->found && vars->code_hash && origin->code_hash != vars->code_hash)
		diag_hint(argv_diag_at(b, DIAG_WARNING, "firmware-updated", &place,
				       "%s was updated since %s was made", vars->code, vars->path),
			  "that is usually well; if the guest no longer starts: mv %s %s.old",
			  quoted, quoted);
	return true;
}

static bool choose_vars(struct argv_build *b, const struct choice *choice)
{
	struct plan_vars *vars = &b->plan->vars;
	const struct file_fact *code = facts_file(b->facts, choice->code), *copy, *template;
	struct image_place place = at_key("template");

	vars->used = true;
	vars->path = firmware_vars_path(b->profile, b->facts->state_dir);
	vars->code = mem_dup(choice->code);
	vars->template = mem_dup(choice->template);
	vars->secure_boot = choice->secure_boot;
	vars->code_size = code ? code->size : 0;
	vars->code_hash = code && code->hashed ? code->hash : 0;
	copy = facts_file(b->facts, vars->path);
	vars->create = !copy || copy->type == FILE_MISSING;
	if (!vars->create) {
		place.key = "vars";
		return argv_check_file(b, &place, vars->path, true, &copy) &&
		       check_origin(b, vars, copy, choice);
	}
	if (!choice->template) {
		diag_hint(argv_diag_at(b, DIAG_ERROR, "no-template", &place,
				       "nothing says which variables belong to %s", choice->code),
			  "write template = PATH of the empty variables that came with it (often "
			  "…VARS….fd)");
		return false;
	}
	return argv_check_file(b, &place, choice->template, false, &template);
}

// A package's firmware is named by its path, which QEMU's user may read; another's is inherited.
static void add_code(struct argv_build *b, const struct choice *choice)
{
	const struct file_fact *file = facts_file(b->facts, choice->code);
	AUTO_FREE char *path = NULL;

	if (file && !file->guest_readable) {
		argv_add_image(b, &(struct image_request){ .node = "pflash0-node",
							   .what = "firmware",
							   .path = choice->code,
							   .format = choice->code_format });
		return;
	}
	path = argv_escape(choice->code);
	argv_add(b, "-blockdev",
		 "driver=%s,node-name=pflash0-node,read-only=on,file.driver=file,file.filename=%s",
		 choice->code_format, path);
}

// Only SMM code may write the flash: else the guest's kernel could change what judges it.
static void add_smm(struct argv_build *b)
{
	argv_add(b, "-machine", "smm=on");
	argv_add(b, "-global", "driver=cfi.pflash01,property=secure,value=on");
}

// --- what firmware would find

static enum boot_medium medium_of(const struct argv_build *b, const char *path)
{
	const struct file_fact *file = path ? facts_file(b->facts, path) : NULL;

	return file ? file->boot : BOOT_UNKNOWN;
}

static const char *medium_text(enum boot_medium medium)
{
	return medium == BOOT_BLANK    ? "is blank"
	       : medium == BOOT_NO_EFI ? "has nothing that UEFI firmware can start"
				       : "has no EFI/BOOT/BOOTX64.EFI";
}

// True: firmware may find a loader here, or it can't be told. Else what is wrong is added to out.
static bool may_boot(const struct argv_build *b, const char *kind, const char *title,
		     const char *path, bool cdrom, struct str *out)
{
	enum boot_medium medium = medium_of(b, path);
	// Kept variables may name a loader in any place of a FAT volume.
	bool named = medium == BOOT_NO_LOADER && !b->plan->vars.create;

	if (cdrom && !path)
		return false;
	if (medium == BOOT_UNKNOWN || medium == BOOT_EFI || named)
		return true;
	str_addf(out, "%s%s \"%s\" %s", out->len ? "; " : "", kind, title, medium_text(medium));
	return false;
}

static void warn_unbootable(struct argv_build *b)
{
	const struct profile *profile = b->profile;
	struct image_place place = { "firmware", NULL, "type" };
	AUTO_STR struct str why = { 0 };
	bool may = false;

	for (size_t i = 0; i < profile->n_disks; i++)
		may |= may_boot(b, "disk", profile->disks[i].title, profile->disks[i].file, false,
				&why);
	for (size_t i = 0; i < profile->n_cdroms; i++)
		may |= may_boot(b, "cdrom", profile->cdroms[i].title, profile->cdroms[i].file, true,
				&why);
	if (may || !why.len)
		return;
	diag_hint(argv_diag_at(b, DIAG_WARNING, "no-efi-loader", &place,
			       "OVMF will find nothing to start: %s", str_text(&why)),
		  "put an installer in a [cdrom] section; a guest installed for BIOS needs type = "
		  "seabios");
}

// --- direct kernel boot

// QEMU opens it by name, as its own user: the inherited descriptor's name, or that of a copy where
// this user may not read the file. Directories on the way to the file do not matter so.
static void add_boot_file(struct argv_build *b, const char *option, const char *key,
			  const char *path)
{
	struct image_place place = { "boot", NULL, key };
	const struct file_fact *file;
	AUTO_FREE char *inherited = NULL;
	struct plan_fd *fd;

	if (!path || !argv_check_file(b, &place, path, false, &file))
		return;
	fd = plan_add_fd(b->plan, file && !file->guest_readable ? PLAN_FD_COPY : PLAN_FD_FILE, key,
			 path);
	inherited = mem_printf("/dev/fd/%d", fd->fd);
	argv_add_pair(b, option, inherited, path);
}

static void add_kernel(struct argv_build *b)
{
	const struct profile *profile = b->profile;

	add_boot_file(b, "-kernel", "kernel", profile->boot.kernel);
	add_boot_file(b, "-initrd", "initrd", profile->boot.initrd);
	if (profile->boot.cmdline)
		argv_add(b, "-append", "%s", profile->boot.cmdline);
}

static void add_ovmf(struct argv_build *b, enum firmware_type type)
{
	struct image_place place = at_key("code");
	const struct file_fact *file;
	struct choice choice;

	if (!choose(b, type, &choice) || !argv_check_file(b, &place, choice.code, false, &file) ||
	    !choose_vars(b, &choice))
		return;
	add_code(b, &choice);
	argv_add_image(b, &(struct image_request){ .node = "pflash1-node",
						   .what = "firmware variables",
						   .path = b->plan->vars.path,
						   .format = choice.vars_format,
						   .write = true });
	argv_add(b, "-machine", "pflash0=pflash0-node,pflash1=pflash1-node");
	if (choice.smm)
		add_smm(b);
	if (!b->profile->boot.kernel)
		warn_unbootable(b);
}

// Nobody asked for OVMF, and there is none: better a guest that boots the old way than no guest.
static bool falls_back(struct argv_build *b)
{
	const struct profile *profile = b->profile;
	bool asked = profile->firmware.type_set || profile->firmware.code ||
		     profile->firmware.template || profile->firmware.vars;

	if (asked || firmware_choose(profile, &b->facts->firmwares))
		return false;
	hint_firmware(b, argv_warn(b, "seabios-fallback", "firmware", "type",
				   "no OVMF was found: the guest boots the old way, with SeaBIOS"),
		      "type = seabios says that this is meant");
	return true;
}

void argv_firmware(struct argv_build *b)
{
	enum firmware_type type = firmware_type_of(b->profile);
	struct image_place place = at_key("type");

	if (type == FIRMWARE_OVMF && falls_back(b))
		type = FIRMWARE_SEABIOS;
	if (type == FIRMWARE_OVMF || type == FIRMWARE_OVMF_SECUREBOOT)
		add_ovmf(b, type);
	else if (type == FIRMWARE_NONE && !b->profile->boot.kernel)
		diag_hint(argv_diag_at(b, DIAG_ERROR, "no-boot", &place,
				       "type = none starts only a kernel that [boot] names"),
			  "write kernel = PATH in [boot], or type = ovmf");
	add_kernel(b);
}
