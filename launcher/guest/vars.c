// SPDX-License-Identifier: MIT
#include "launcher/guest/vars.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"

#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

enum { TEMPLATE_MAX = 64 << 20, ORIGIN_MAX = 8192 };

// The last one holds what a guest keeps to itself.
static int make_dirs(const char *path, struct err *err)
{
	AUTO_FREE char *copy = mem_dup(path);
	int r = io_make_directories(dirname(copy), 0755, err);

	if (r == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
		r = err_sys(err, -errno, "making %s", path);
	return r;
}

static void print_origin(const struct plan_vars *vars, struct str *out)
{
	str_add(out, "# The firmware that the variables beside this file were made for.\ncode=");
	str_add_escaped(out, vars->code);
	str_addf(out, "\nsize=%" PRIu64 "\nhash=%016" PRIx64 "\nsecure_boot=%s\n", vars->code_size,
		 vars->code_hash, vars->secure_boot ? "yes" : "no");
}

static int write_copy(int dirfd, const char *temporary, const struct str *data)
{
	AUTO_CLOSE int fd = openat(dirfd, temporary,
				   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = io_write_all(fd, data->text, data->len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

// RENAME_NOREPLACE is not on every file system; link(2) refuses an existing name everywhere.
static int name_copy(int dirfd, const char *temporary, const char *name)
{
	if (linkat(dirfd, temporary, dirfd, name, 0) < 0)
		return -errno;
	return fsync(dirfd) < 0 ? -errno : 0;
}

static int copy_template(int dirfd, const char *name, const struct plan_vars *vars, struct err *err)
{
	AUTO_STR struct str data = { 0 }, origin = { 0 };
	AUTO_FREE char *temporary = mem_printf(".%s.%d", name, (int)getpid());
	AUTO_FREE char *origin_name = mem_printf("%s.origin", name);
	int r = io_read_file(AT_FDCWD, vars->template, &data, TEMPLATE_MAX, err);

	if (r < 0)
		return r;
	if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	// First what it is for: a copy whose origin is missing would never be checked.
	print_origin(vars, &origin);
	r = io_replace_file(dirfd, origin_name, str_text(&origin), 0600, err);
	if (r < 0)
		return r;
	unlinkat(dirfd, temporary, 0); // left by a process of our number that was killed
	r = write_copy(dirfd, temporary, &data);
	if (r == 0)
		r = name_copy(dirfd, temporary, name);
	unlinkat(dirfd, temporary, 0);
	if (r == 0 || r == -EEXIST)
		return 0;
	unlinkat(dirfd, origin_name, 0);
	return err_sys(err, r, "%s", vars->path);
}

int vars_create(const struct plan_vars *vars, struct err *err)
{
	AUTO_FREE char *for_dir = NULL, *for_name = NULL;
	AUTO_CLOSE int dirfd = -1;
	const char *dir;
	int r;

	if (!vars->used || !vars->create)
		return 0;
	for_dir = mem_dup(vars->path);
	for_name = mem_dup(vars->path);
	dir = dirname(for_dir);
	r = make_dirs(dir, err);
	if (r < 0)
		return err_wrap(err, "firmware variables");
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(err, -errno, "firmware variables: %s", dir);
	r = copy_template(dirfd, basename(for_name), vars, err);
	return r < 0 ? err_wrap(err, "making the firmware variables from %s", vars->template) : 0;
}

static bool read_pair(char *line, struct vars_origin *out)
{
	AUTO_STR struct str code = { 0 };
	char *equals = strchr(line, '=');
	const char *value;

	if (*line == '#')
		return true;
	if (!equals)
		return false;
	*equals = '\0';
	value = equals + 1;
	if (str_eq(line, "code")) {
		if (!str_unescape(value, &code))
			return false;
		mem_set(&out->code, str_text(&code));
		return true;
	}
	if (str_eq(line, "size"))
		return str_parse_u64(value, &out->code_size);
	if (str_eq(line, "hash"))
		return str_parse_hex(value, &out->code_hash);
	if (str_eq(line, "secure_boot"))
		return str_parse_bool(value, &out->secure_boot);
	return false;
}

void vars_origin_read(const char *path, struct vars_origin *out)
{
	AUTO_FREE char *name = mem_printf("%s.origin", path);
	AUTO_STR struct str text = { 0 };
	AUTO_STRV struct strv lines = { 0 };
	bool good = true;

	*out = (struct vars_origin){ 0 };
	if (io_read_file(AT_FDCWD, name, &text, ORIGIN_MAX, NULL) < 0)
		return;
	strv_split(&lines, str_text(&text), "\n");
	for (size_t i = 0; i < lines.count && good; i++)
		good = read_pair(lines.items[i], out);
	out->found = good && out->code && out->code_size;
	if (out->found)
		out->path = mem_dup(path);
	else
		mem_set(&out->code, NULL);
}
