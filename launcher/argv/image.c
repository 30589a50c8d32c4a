// SPDX-License-Identifier: MIT
#include "launcher/argv/image.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

char *argv_quote(const char *path)
{
	struct str out = { 0 };

	str_add_shell_quoted(&out, path);
	return str_take(&out);
}

struct diag *argv_diag_at(struct argv_build *b, enum diag_level level, const char *code,
			  const struct image_place *place, const char *fmt, ...)
{
	struct diags *diags = level == DIAG_WARNING ? &b->plan->warnings : b->diags;
	AUTO_STR struct str text = { 0 };
	va_list ap;

	if (place->title)
		str_addf(&text, "%s \"%s\": ", place->section, place->title);
	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	return diag_add(diags, level, code,
			profile_where(b->profile, place->section, place->title, place->key), "%s",
			str_text(&text));
}

static void refuse_missing(struct argv_build *b, const struct image_place *place, const char *path,
			   bool write)
{
	struct diag *diag =
		argv_diag_at(b, DIAG_HOST_ERROR, "file-missing", place, "%s does not exist", path);
	AUTO_FREE char *quoted = argv_quote(path);

	if (write)
		diag_hint(diag, "make one: qemu-img create -f %s %s 64G",
			  str_ends(path, ".qcow2") ? "qcow2" : "raw", quoted);
	else
		diag_hint(diag, "correct %s = …, or put the file there", place->key);
}

bool argv_check_file(struct argv_build *b, const struct image_place *place, const char *path,
		     bool write, const struct file_fact **out)
{
	const struct file_fact *file = facts_file(b->facts, path);

	*out = file;
	if (!file)
		return true;
	if (file->type == FILE_MISSING)
		refuse_missing(b, place, path, write);
	else if (file->type == FILE_OTHER)
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "file-kind", place,
				       "%s is neither a regular file nor a block device", path),
			  "name an image file, or a device such as /dev/disk/by-id/…");
	else if (file->type == FILE_UNREADABLE)
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "file-unreadable", place, "%s: %s", path,
				       strerror(file->error)),
			  "start vfiorun as a user who may read it: only vfiorun opens it, QEMU "
			  "inherits it open");
	else if (write && !file->writable)
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "file-readonly", place,
				       "%s may not be written", path),
			  "start vfiorun as a user who may write it, or readonly = yes");
	else
		return true;
	return false;
}

bool argv_is_block(const struct file_fact *file, const char *path)
{
	return file ? file->type == FILE_BLOCK : str_starts(path, "/dev/");
}

int argv_add_fdset(struct argv_build *b, const char *what, const char *path, bool write,
		   bool direct)
{
	struct plan_fd *fd = plan_add_fd(b->plan, PLAN_FD_FILE, what, path);
	AUTO_FREE char *escaped = argv_escape(path);

	fd->write = write;
	fd->direct = direct;
	// QEMU opens /dev/fdset/N by choosing the descriptor of that set with the wanted access
	// mode (monitor/fds.c), so each set has one. Nothing to inherit where it is pasted.
	strv_add(&b->plan->argv, "-add-fd");
	strv_addf(&b->plan->argv, "fd=%d,set=%d,opaque=%s", fd->fd, fd->fd, escaped);
	return fd->fd;
}

static void print_image(const struct image_request *request, const char *driver,
			const char *filename, struct str *out)
{
	str_addf(out, "driver=%s,node-name=%s,read-only=%s,file.driver=%s,file.filename=",
		 request->format, request->node, request->write ? "off" : "on", driver);
	argv_add_value(out, filename);
	if (request->aio)
		str_addf(out, ",file.aio=%s", request->aio);
	// The node below takes these over (bdrv_inherited_options, QEMU block.c).
	str_addf(out, ",cache.direct=%s,cache.no-flush=%s", request->direct ? "on" : "off",
		 request->no_flush ? "on" : "off");
	if (request->discard)
		str_add(out, ",discard=unmap");
	if (request->detect_zeroes)
		str_add(out, ",detect-zeroes=unmap");
	// A node of its own, never the name that stands in the image's header.
	if (request->backing)
		str_addf(out, ",backing=%s", request->backing);
}

void argv_add_image(struct argv_build *b, const struct image_request *request)
{
	const char *driver = argv_is_block(facts_file(b->facts, request->path), request->path) ? "host_device" : "file";
	AUTO_STR struct str executed = { 0 }, pasted = { 0 };
	AUTO_FREE char *set = NULL;

	set = mem_printf("/dev/fdset/%d", argv_add_fdset(b, request->what, request->path,
							 request->write, request->direct));
	print_image(request, driver, set, &executed);
	print_image(request, driver, request->path, &pasted);
	argv_add_pair(b, "-blockdev", str_text(&executed), str_text(&pasted));
}
