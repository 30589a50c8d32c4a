// SPDX-License-Identifier: MIT
// The kind `token`: one word of a cgroup.subtree_control, a controller that the children have. The other words
// are no business of ours, and a controller that somebody else uses by now is left to them.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>

static const char gone[] = "gone";

static const char *const places[] = { "/sys/fs/cgroup/cgroup.subtree_control", "/sys/fs/cgroup/vfiorun-", NULL };

static char *parent_of(const char *path)
{
	return mem_dupn(path, (size_t)(strrchr(path, '/') - path));
}

static bool has_word(const char *line, const char *word)
{
	AUTO_STRV struct strv words = { 0 };

	strv_split(&words, line, " ");
	return strv_has(&words, word);
}

// A cgroup is used with this controller where it passes it on, or has CPUs of its own.
static bool uses(struct change_host *host, const char *cgroup, const char *word)
{
	AUTO_FREE char *control = mem_printf("%s/cgroup.subtree_control", cgroup), *passed = NULL;
	AUTO_FREE char *path = mem_printf("%s/cpuset.cpus", cgroup), *cpus = NULL;

	if (change_read_line(host, control, &passed) == 0 && has_word(passed, word))
		return true;
	return strcmp(word, "cpuset") == 0 && change_read_line(host, path, &cpus) == 0 && *cpus;
}

// The name of a child of the cgroup that uses the controller, or NULL.
static char *find_user(struct change_host *host, const char *cgroup, const char *word)
{
	AUTO_STRV struct strv names = { 0 };

	change_list_folders(host, cgroup, &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *child = mem_printf("%s/%s", cgroup, names.items[i]);

		if (uses(host, child, word))
			return take(child);
	}
	return NULL;
}

static int token_read(struct change_host *host, const struct change *change, char **value,
		      struct err *err)
{
	AUTO_FREE char *cgroup = parent_of(change->path), *line = NULL, *user = NULL;
	int r = change_read_line(host, change->path, &line);

	*value = NULL;
	if (r == -ENOENT || r == -ENODEV) {
		AUTO_CLOSE int fd = change_open(host, cgroup, O_PATH | O_DIRECTORY, 0);

		*value = fd == -ENOENT ? mem_dup(gone) : NULL;
		return 0;
	}
	if (r < 0)
		return err_sys(err, r, "reading %s", change->path);
	if (!has_word(line, change->want)) {
		*value = mem_dup("");
		return 0;
	}
	// only where it would be taken away again it matters who else has come to use it
	if (change->was && !*change->was)
		user = find_user(host, cgroup, change->want);
	*value = user ? mem_printf("%s, which %s uses", change->want, user) : mem_dup(change->want);
	return 0;
}

static int token_write(struct change_host *host, const struct change *change, const char *value,
		       struct err *err)
{
	AUTO_FREE char *text = mem_printf("%c%s", value && *value ? '+' : '-', change->want);
	int r = change_write_line(host, change->path, text);

	return r < 0 ? err_sys(err, r, "writing %s to %s", text, change->path) : 0;
}

static bool token_equal(const char *a, const char *b)
{
	return strcmp(a, gone) == 0 || strcmp(b, gone) == 0 || strcmp(a, b) == 0;
}

static bool token_answers(const char *got, const char *want)
{
	return strcmp(got, want) == 0;
}

// Tasks move between sets of controllers, and each gets all CPUs of its new one. Below a cgroup of ours there are
// none but QEMU's, whose pins are set after.
static bool token_disturbs(const struct change *change, const char *value)
{
	(void)value;
	return strcmp(change->want, "cpuset") == 0 && strcmp(change->path, places[0]) == 0;
}

static void token_remedy(const struct change *change, struct str *out)
{
	str_addf(out, "echo %c%s > ", change->was && *change->was ? '+' : '-', change->want);
	change_quote(change->path, out);
}

const struct change_kind change_kind_token = {
	.name = "token",
	.help = "a controller is enabled for the children of a cgroup",
	.places = places,
	.read = token_read,
	.write = token_write,
	.equal = token_equal,
	.answers = token_answers,
	.disturbs = token_disturbs,
	.remedy = token_remedy,
	.shared = true,
	.survives_us = true,
	.one_file = true,
	.goes_with_cgroup = true,
};
