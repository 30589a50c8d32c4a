// SPDX-License-Identifier: MIT
// The one impure file of this room: finds a profile, judges who could have written it, reads its
// text.
#include "launcher/profile/profile.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/profile/reader.h"
#include "launcher/profile/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static bool is_trusted(uid_t owner)
{
	return owner == 0 || owner == geteuid();
}

static int refuse(const char *path, const char *why, const char *remedy, struct err *err)
{
	err_set(err, -EPERM, "%s: refused, since root would obey it and %s", path, why);
	return err_hint(err,
			"%s, or put the profile where root alone writes: install -m 644 -D FILE "
			"/etc/vfiorun/NAME.conf",
			remedy);
}

// Who may write to a directory may replace what is in it; a sticky one protects what others own. Returns
// its descriptor: what was judged is what the file is opened in.
static int open_parent(const char *path, struct err *err)
{
	AUTO_FREE char *dir = path_parent(path);
	AUTO_CLOSE int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, -errno, "%s", dir);
	if (!is_trusted(st.st_uid))
		return refuse(path, "another user owns its directory", "move it", err);
	if (st.st_mode & 022 && !(st.st_mode & S_ISVTX))
		return refuse(path, "others can write to its directory", "chmod go-w the directory",
			      err);
	return take_fd(&fd);
}

static int check_file(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "%s", path);
	if (!is_trusted(st.st_uid))
		return refuse(path, "another user owns it", "chown root the file", err);
	if (st.st_mode & 022)
		return refuse(path, "others can write to it", "chmod go-w the file", err);
	return 0;
}

// Links are followed before anything is judged, and none after it.
static int open_trusted(const char *path, struct err *err)
{
	AUTO_FREE char *real = realpath(path, NULL);
	AUTO_CLOSE int parent = -1;
	AUTO_CLOSE int fd = -1;
	int r;

	if (!real)
		return err_sys(err, -errno, "%s", path);
	parent = open_parent(real, err);
	if (parent < 0)
		return parent;
	fd = openat(parent, strrchr(real, '/') + 1, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(err, -errno, "%s", path);
	r = check_file(fd, path, err);
	return r < 0 ? r : take_fd(&fd);
}

static int load_text(const void *context, const char *path, struct str *text, struct err *err)
{
	const struct profile_options *options = context;
	AUTO_CLOSE int fd = -1;
	int r;

	if (!options->refuse_foreign)
		return io_read_file(AT_FDCWD, path, text, PROFILE_FILE_MAX, err);
	fd = open_trusted(path, err);
	if (fd < 0)
		return fd;
	r = io_read_all(fd, text, PROFILE_FILE_MAX);
	return r < 0 ? err_sys(err, r, "%s", path) : 0;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

// A bare name means the profile in the search directory, so that nothing that happens to lie in the
// current directory gets in its way; only where there is none, a file of exactly this name here.
static char *find_profile(const char *name, const struct profile_options *options)
{
	AUTO_FREE char *kept = NULL;

	if (!options->search_dir || !str_is_name(name) || str_ends(name, ".conf"))
		return mem_dup(name);
	kept = mem_printf("%s/%s.conf", options->search_dir, name);
	return is_file(kept) || !is_file(name) ? take(kept) : mem_dup(name);
}

static int hint_missing(const char *name, const char *path, struct err *err)
{
	AUTO_FREE char *here = mem_printf("%s.conf", name);

	if (str_eq(name, path))
		return err_hint(
			err, "profiles are files that end in .conf; `ls *.conf` lists those here");
	if (is_file(here))
		return err_hint(err, "there is a %s here: name it with its ending", here);
	return err_hint(
		err, "a bare name means this file; name any other by its path, as ./%s.conf", name);
}

static void read_sets(struct profile_reader *reader, const struct strv *sets, const char *dir)
{
	for (size_t i = 0; sets && i < sets->count; i++)
		reader_read_set(reader, sets->items[i], (int)i + 1, dir);
}

int profile_read(struct profile *profile, const char *path, const struct profile_options *options,
		 struct diags *diags, struct err *err)
{
	AUTO_FREE char *cwd = getcwd(NULL, 0);
	AUTO_FREE char *found = find_profile(path, options);
	AUTO_FREE char *absolute = path_join(cwd ? cwd : "/", found);
	struct profile_reader reader;
	AUTO_STR struct str text = { 0 };
	int r = load_text(options, found, &text, err);

	*profile = (struct profile){ 0 };
	if (r == -ENOENT)
		hint_missing(path, found, err);
	if (r < 0)
		return r;
	reader_init(&reader, profile, diags);
	reader.load = load_text;
	reader.context = options;
	profile->path = mem_dup(found);
	reader_read_text(&reader, found, absolute, str_text(&text), text.len);
	read_sets(&reader, options->sets, cwd ? cwd : "/");
	reader_finish(&reader);
	return 0;
}
