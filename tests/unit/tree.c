// SPDX-License-Identifier: MIT
#include "tests/unit/tree.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/pcitree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 16 << 20 };

static int make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

static int open_new(char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int r;

	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : fd;
	r = make_parents(path);
	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

int tree_write(const char *dir, const char *path, const char *text)
{
	AUTO_FREE char *full = mem_printf("%s/%s", dir, path);
	AUTO_CLOSE int fd = open_new(full);

	return fd < 0 ? fd : io_write_all(fd, text, strlen(text));
}

int tree_writef(const char *dir, const char *path, const char *fmt, ...)
{
	AUTO_STR struct str text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	return tree_write(dir, path, str_text(&text));
}

int tree_link(const char *dir, const char *path, const char *target)
{
	AUTO_FREE char *full = mem_printf("%s/%s", dir, path);
	int r = make_parents(full);

	if (r < 0)
		return r;
	if (unlink(full) < 0 && errno != ENOENT)
		return -errno;
	return symlink(target, full) < 0 ? -errno : 0;
}

char *tree_read(const char *dir, const char *path)
{
	AUTO_FREE char *full = mem_printf("%s/%s", dir, path);
	AUTO_STR struct str text = { 0 };

	if (io_read_file(AT_FDCWD, full, &text, FILE_MAX, NULL) < 0)
		return NULL;
	return str_take(&text);
}

static int add_directory(const char *dir, const char *path)
{
	AUTO_FREE char *full = mem_printf("%s/%s", dir, path);

	return make_parents(full);
}

static int add_file(const char *dir, const char *path, const char *value)
{
	AUTO_STR struct str text = { 0 };

	if (!str_unescape(value, &text))
		return -EINVAL;
	str_addc(&text, '\n');
	return tree_write(dir, path, text.text);
}

static int add_entry(const char *dir, char *line)
{
	char *rest = line + strcspn(line, " \t");

	if (*rest)
		*rest++ = '\0';
	rest += strspn(rest, " \t");
	if (str_eq(line, "pci"))
		return pci_tree_add(dir, rest);
	if (!*rest)
		return str_ends(line, "/") ? add_directory(dir, line) : -EINVAL;
	if (str_starts(rest, "-> "))
		return tree_link(dir, line, rest + 3);
	if (rest[0] == '=' && (rest[1] == ' ' || !rest[1]))
		return add_file(dir, line, rest[1] ? rest + 2 : "");
	return -EINVAL;
}

int tree_add(const char *dir, const char *manifest)
{
	while (*manifest) {
		size_t n = strcspn(manifest, "\n");
		AUTO_FREE char *line = mem_dupn(manifest, n);
		char *entry = line + strspn(line, " \t");
		int r = *entry && *entry != '#' ? add_entry(dir, entry) : 0;

		if (r < 0) {
			fprintf(stderr, "manifest: %.*s: %s\n", (int)n, manifest, strerror(-r));
			return r;
		}
		manifest += n + (manifest[n] == '\n');
	}
	return 0;
}

int tree_make(const char *manifest, char *dir, size_t size)
{
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(dir, size, "%s/tree-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	int r;

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	if (!mkdtemp(dir)) {
		r = -errno;
		*dir = '\0';
		return r;
	}
	r = tree_add(dir, manifest);
	if (r < 0) {
		tree_remove(dir);
		*dir = '\0';
	}
	return r;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

void tree_remove(const char *dir)
{
	if (dir && *dir)
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
