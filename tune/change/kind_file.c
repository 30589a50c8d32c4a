// SPDX-License-Identifier: MIT
// The kind `file`: a file of zeros that we create in memory (/run, /dev/shm), with an owner, a mode
// and a size. It appears whole or not at all, and only the very inode we made is ever removed.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

// Text form: blank-separated key=value. In what is wanted, what is not said is not cared about.
struct file_value {
	bool has_mode, has_uid, has_gid, has_size;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size;
	char id[80]; // "DEV:INODE:BIRTH", empty in what is wanted
};

static bool parse_octal(const char *text, mode_t *mode)
{
	size_t n = strlen(text);

	if (n < 1 || n > 4 || text[strspn(text, "01234567")])
		return false;
	*mode = (mode_t)strtoul(text, NULL, 8);
	return true;
}

static bool parse_account(const char *text, uint32_t *id)
{
	uint64_t value;

	// the all-ones id means "leave it" to chown(2)
	if (!str_parse_u64(text, &value) || value >= UINT32_MAX)
		return false;
	*id = (uint32_t)value;
	return true;
}

static bool parse_word(const char *word, struct file_value *out)
{
	if (str_starts(word, "mode="))
		return out->has_mode = parse_octal(word + 5, &out->mode);
	if (str_starts(word, "uid="))
		return out->has_uid = parse_account(word + 4, &out->uid);
	if (str_starts(word, "gid="))
		return out->has_gid = parse_account(word + 4, &out->gid);
	if (str_starts(word, "size="))
		return out->has_size = str_parse_size(word + 5, &out->size);
	if (str_starts(word, "id=") && strlen(word + 3) < sizeof(out->id)) {
		strcpy(out->id, word + 3);
		return out->id[0];
	}
	return false;
}

static bool parse(const char *text, struct file_value *out)
{
	AUTO_STRV struct strv words = { 0 };

	*out = (struct file_value){ 0 };
	strv_split(&words, text, " ");
	for (size_t i = 0; i < words.count; i++) {
		if (!parse_word(words.items[i], out))
			return false;
	}
	return out->has_mode;
}

int change_file_open_parent(struct change_host *host, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = mem_dupn(path, (size_t)(slash - path));

	*name = slash + 1;
	return change_open(host, parent, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
}

static char *print(const struct statx *st)
{
	return mem_printf("id=%x:%x:%llu:%lld.%09u size=%llu mode=%04o uid=%u gid=%u",
			  st->stx_dev_major, st->stx_dev_minor, (unsigned long long)st->stx_ino,
			  st->stx_mask & STATX_BTIME ? (long long)st->stx_btime.tv_sec : 0,
			  st->stx_mask & STATX_BTIME ? st->stx_btime.tv_nsec : 0,
			  (unsigned long long)st->stx_size, st->stx_mode & 07777, st->stx_uid,
			  st->stx_gid);
}

int change_file_describe(struct change_host *host, const char *path, char **value, struct err *err)
{
	const char *name;
	AUTO_CLOSE int dir = change_file_open_parent(host, path, &name);
	struct statx st;

	*value = NULL;
	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return err_sys(err, dir, "looking at %s", path);
	if (statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "%s", path);
	*value = S_ISREG(st.stx_mode) ? print(&st) : mem_dup("something that is no plain file");
	return 0;
}

static int file_read(struct change_host *host, const struct change *change, char **value,
		     struct err *err)
{
	return change_file_describe(host, change->path, value, err);
}

// Makes a nameless file what it should be and then gives it its name: nobody, not even an undo
// after a sudden death, ever finds a half-made one.
static int make_file(int dir, const char *name, const struct file_value *want)
{
	AUTO_CLOSE int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	char self[64];

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)want->size) < 0 ||
	    ((want->has_uid || want->has_gid) &&
	     fchown(fd, want->has_uid ? want->uid : (uid_t)-1,
		    want->has_gid ? want->gid : (gid_t)-1) < 0) ||
	    fchmod(fd, want->mode) < 0)
		return -errno;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, dir, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int file_write(struct change_host *host, const struct change *change, const char *value,
		      struct err *err)
{
	const char *name;
	AUTO_CLOSE int dir = change_file_open_parent(host, change->path, &name);
	struct file_value want;
	int r;

	if (dir < 0)
		return err_sys(err, dir, "opening the directory of %s", change->path);
	if (!value) {
		r = unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
		return r < 0 ? err_sys(err, r, "removing %s", change->path) : 0;
	}
	if (!parse(value, &want) || want.id[0])
		return err_set(err, -EINVAL, "%s: not a description of a new file: %s",
			       change->path, value);
	r = make_file(dir, name, &want);
	return r < 0 ? err_sys(err, r, "creating %s", change->path) : 0;
}

bool change_file_is_same(const char *a, const char *b)
{
	struct file_value value_a, value_b;

	// what is written into our file, or its rights, may change while it serves
	return parse(a, &value_a) && parse(b, &value_b) && value_a.id[0] &&
	       strcmp(value_a.id, value_b.id) == 0;
}

static bool file_answers(const char *got_text, const char *want_text)
{
	struct file_value got, want;

	return parse(got_text, &got) && parse(want_text, &want) && got.mode == want.mode &&
	       (!want.has_uid || got.uid == want.uid) && (!want.has_gid || got.gid == want.gid) &&
	       (!want.has_size || got.size == want.size);
}

static void file_remedy(const struct change *change, struct str *out)
{
	str_add(out, "rm ");
	change_quote(change->path, out);
}

static const char *const places[] = { "/run/", "/dev/shm/", NULL };

const struct change_kind change_kind_file = {
	.name = "file",
	.help = "a file in memory is created, with an owner, a mode and a size",
	.places = places,
	.read = file_read,
	.write = file_write,
	.equal = change_file_is_same,
	.answers = file_answers,
	.remedy = file_remedy,
	.creates = true,
	.shared = true,
	.survives_us = true,
};

// Memory that is one guest's alone: what is there already is never taken for ours, however alike.
const struct change_kind change_kind_shm = {
	.name = "shm",
	.help = "as file, and nobody else's even if it looks the same",
	.places = places,
	.read = file_read,
	.write = file_write,
	.equal = change_file_is_same,
	.answers = file_answers,
	.remedy = file_remedy,
	.creates = true,
	.survives_us = true,
};
