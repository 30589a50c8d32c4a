// SPDX-License-Identifier: MIT
// The kind `aside`: a file in memory (/run, /dev/shm) that is in the way keeps its content, its inode and its
// owner under another name, and gets its own name back. Which file it is tells its identity, as for `file`.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const char word[] = "aside";

static char *other_name(const char *path)
{
	return mem_printf("%s.before-vfiorun", path);
}

static int aside_read(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	AUTO_FREE char *other = other_name(change->path), *moved = NULL;
	int r = change_file_describe(host, change->path, value, err);

	if (r < 0 || *value)
		return r;
	r = change_file_describe(host, other, &moved, err);
	if (r == 0 && moved)
		*value = mem_dup(word);
	return r;
}

// Nothing is ever overwritten: what has the other name already stays, and the change fails.
static int aside_write(struct change_host *host, const struct change *change, const char *value,
		       struct err *err)
{
	const char *name;
	AUTO_CLOSE int dir = change_file_open_parent(host, change->path, &name);
	AUTO_FREE char *other = other_name(name);
	bool away = value && strcmp(value, word) == 0;

	if (!away && (!value || !str_starts(value, "id=")))
		return err_set(err, -EINVAL, "%s: nothing that a file moved aside can be: %s", change->path,
			       value ? value : "nothing");
	if (dir < 0)
		return err_sys(err, dir, "opening the directory of %s", change->path);
	if (renameat2(dir, away ? name : other, dir, away ? other : name, RENAME_NOREPLACE) < 0)
		return err_sys(err, -errno, "moving %s %s", change->path, away ? "aside" : "back");
	return 0;
}

static bool aside_equal(const char *a, const char *b)
{
	return strcmp(a, word) == 0 ? strcmp(b, word) == 0 : change_file_is_same(a, b);
}

static bool aside_answers(const char *got, const char *want)
{
	return strcmp(got, word) == 0 && strcmp(want, word) == 0;
}

static void aside_remedy(const struct change *change, struct str *out)
{
	AUTO_FREE char *other = other_name(change->path);

	str_add(out, "mv -n ");
	change_quote(other, out);
	str_addc(out, ' ');
	change_quote(change->path, out);
}

static const char *const places[] = { "/run/", "/dev/shm/", NULL };

const struct change_kind change_kind_aside = {
	.name = "aside",
	.help = "a file that is in the way has another name meanwhile",
	.places = places,
	.read = aside_read,
	.write = aside_write,
	.equal = aside_equal,
	.answers = aside_answers,
	.remedy = aside_remedy,
	.survives_us = true,
};
