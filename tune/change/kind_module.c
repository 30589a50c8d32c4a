// SPDX-License-Identifier: MIT
// The kind `module`: a kernel module is loaded, or taken out. modprobe(8) does the loading, so that options and
// install commands of the host hold; what it had to load besides is taken out with it, as long as nobody else has
// come to use it.
//
// Sources: Linux 6.1 Documentation/ABI/stable/sysfs-module, kernel/module/sysfs.c; depmod.d(5), modules.dep(5).
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/program.h"
#include "tune/host/root.h"

#include <string.h>

enum { LOAD_MS = 60000, UNLOAD_MS = 20000, TABLE_MAX = 16 << 20, SMALL = 256 };

static bool is_unloaded(const char *text)
{
	return str_eq(text, "unloaded") || str_starts(text, "unloaded absent=");
}

// The names behind "absent=".
static void parse_absent(const char *text, struct strv *names)
{
	if (str_starts(text, "unloaded absent="))
		strv_split(names, text + strlen("unloaded absent="), ",");
}

static struct root root_of(const struct change_host *host)
{
	return (struct root){ .fd = host->root, .live = host->live };
}

// "kernel/drivers/vfio/pci/vfio-pci.ko.xz" → "vfio_pci", as sysfs has it.
static char *plain_name(const char *text)
{
	const char *name = change_name(text), *end = strstr(name, ".ko");
	char *plain = end ? mem_dupn(name, (size_t)(end - name)) : mem_dup(name);

	for (char *c = plain; *c; c++)
		*c = *c == '-' ? '_' : *c;
	return plain;
}

static void add_plain(struct strv *names, const char *text)
{
	AUTO_FREE char *name = plain_name(text);

	if (!strv_has(names, name))
		strv_add(names, name);
}

// ---- what a module needs

struct tables {
	struct strv dep, softdep; // lines
};

static void tables_finish(struct tables *tables)
{
	strv_finish(&tables->dep);
	strv_finish(&tables->softdep);
}

static void read_table(struct root *root, const char *release, const char *name, struct strv *lines)
{
	AUTO_FREE char *path = mem_printf("lib/modules/%s/%s", release, name);
	AUTO_STR struct str text = { 0 };

	if (root_read_all(root, path, &text, TABLE_MAX) == 0)
		strv_split(lines, str_text(&text), "\n");
}

static void read_tables(struct root *root, struct tables *tables)
{
	char release[SMALL];

	if (root_read(root, "proc/sys/kernel/osrelease", release, sizeof(release)) < 0 || strchr(release, '/'))
		return;
	read_table(root, release, "modules.dep", &tables->dep);
	read_table(root, release, "modules.softdep", &tables->softdep);
}

// The line of modules.dep, "FILE: FILE…"; NULL: no such module.
static const char *find_dep(const struct tables *tables, const char *name)
{
	for (size_t i = 0; i < tables->dep.count; i++) {
		const char *line = tables->dep.items[i], *colon = strchr(line, ':');
		AUTO_FREE char *file = mem_dupn(line, colon ? (size_t)(colon - line) : 0), *plain = NULL;

		// most lines are told apart by their ends, without taking names to pieces
		if (!strchr(change_name(file), name[strlen(name) - 1]))
			continue;
		plain = plain_name(file);
		if (str_eq(plain, name))
			return line;
	}
	return NULL;
}

// "softdep NAME pre: a b post: c"
static void add_soft(const struct tables *tables, const char *name, struct strv *names)
{
	for (size_t i = 0; i < tables->softdep.count; i++) {
		AUTO_STRV struct strv words = { 0 };
		AUTO_FREE char *plain = NULL;

		if (!strstr(tables->softdep.items[i], "softdep "))
			continue;
		strv_split(&words, tables->softdep.items[i], " \t");
		plain = words.count > 1 ? plain_name(words.items[1]) : NULL;
		if (!str_eq(plain, name))
			continue;
		for (size_t j = 2; j < words.count; j++) {
			AUTO_FREE char *needed = plain_name(words.items[j]);

			if (!str_ends(needed, ":") && find_dep(tables, needed))
				add_plain(names, needed);
		}
	}
}

// Everything that modprobe may load with it, itself first.
static void list_needed(struct root *root, const char *name, struct strv *names)
{
	CLEANUP(tables_finish) struct tables tables = { 0 };

	read_tables(root, &tables);
	add_plain(names, name);
	for (size_t i = 0; i < names->count; i++) {
		AUTO_FREE char *current = mem_dup(names->items[i]);
		const char *line = find_dep(&tables, current);
		AUTO_STRV struct strv files = { 0 };

		if (line)
			strv_split(&files, strchr(line, ':') + 1, " ");
		for (size_t j = 0; j < files.count; j++)
			add_plain(names, files.items[j]);
		add_soft(&tables, current, names);
	}
}

// ---- today's

// Built-in ones have a directory too, as far as they have parameters; they can't be had otherwise.
static bool is_loaded(struct root *root, const char *name)
{
	AUTO_FREE char *path = mem_printf("sys/module/%s", name);
	AUTO_FREE char *state = mem_printf("sys/module/%s/initstate", name);
	char text[SMALL];

	if (root_read(root, state, text, sizeof(text)) >= 0)
		return str_eq(str_strip(text), "live");
	return root_exists(root, path);
}

static int module_read(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	struct root root = root_of(host);
	AUTO_FREE char *name = plain_name(change->path);
	AUTO_STRV struct strv names = { 0 };
	struct str text = { 0 };

	(void)err;
	if (is_loaded(&root, name)) {
		*value = mem_dup("loaded");
		return 0;
	}
	list_needed(&root, name, &names);
	str_add(&text, "unloaded");
	for (size_t i = 1; i < names.count; i++) {
		if (!is_loaded(&root, names.items[i]))
			str_addf(&text, "%s%s", strchr(text.text, '=') ? "," : " absent=", names.items[i]);
	}
	*value = str_take(&text);
	return 0;
}

// ---- in and out

static int run(struct change_host *host, const char *program, const char *name, int timeout_ms, struct err *err)
{
	const char *const argv[] = { program, "--", name, NULL };
	AUTO_STR struct str out = { 0 };
	int status = program_run(host, argv, &out, timeout_ms, err);

	if (status <= 0)
		return status;
	return err_set(err, -EIO, "%s %s: %s", program, name, out.len ? str_strip(out.text) : "it failed");
}

static void add_names(struct root *root, const char *path, struct strv *users, bool devices)
{
	AUTO_STRV struct strv names = { 0 };

	root_list(root, path, &names);
	for (size_t i = 0; i < names.count; i++) {
		// a driver's directory has its devices, by their addresses, beside its attributes
		if (!devices || strchr(names.items[i], ':'))
			strv_add(users, names.items[i]);
	}
}

// Modules that need it, devices that its driver has, and, without names, whoever has it open: the kernel counts
// no device, and taking the module out takes the device from its driver. That is what is wanted of a module that
// shall be out (NVIDIA's lets go of a card in no other way), and not of one that we loaded and others use by now.
static void list_users(struct root *root, const char *name, bool asked, struct strv *users)
{
	AUTO_FREE char *holders = mem_printf("sys/module/%s/holders", name);
	AUTO_FREE char *drivers = mem_printf("sys/module/%s/drivers", name);
	AUTO_FREE char *refcnt = mem_printf("sys/module/%s/refcnt", name);
	AUTO_STRV struct strv names = { 0 };
	int count;

	add_names(root, holders, users, false);
	if (!asked)
		root_list(root, drivers, &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", drivers, names.items[i]);

		add_names(root, path, users, true);
	}
	if (!users->count && root_read_int(root, refcnt, &count) == 0 && count > 0)
		strv_addf(users, "%d users without a name", count);
}

static int check_unused(struct root *root, const char *name, bool asked, struct err *err)
{
	AUTO_STRV struct strv users = { 0 };
	AUTO_STR struct str text = { 0 };

	list_users(root, name, asked, &users);
	if (!users.count)
		return 0;
	for (size_t i = 0; i < users.count; i++)
		str_addf(&text, "%s%s", i ? ", " : "", users.items[i]);
	return err_set(err, -EBUSY, "module %s is used by %s", name, text.text);
}

static int unload_one(struct change_host *host, const char *name, bool asked, bool *begun, struct err *err)
{
	struct root root = root_of(host);
	int r = check_unused(&root, name, asked, err);

	if (r == 0 && *begun)
		r = change_host_next_write(host);
	if (r < 0)
		return r;
	*begun = true;
	return run(host, "rmmod", name, UNLOAD_MS, err);
}

// One needs the other, in an order that the kernel knows: again and again what nobody needs any more.
static int unload_rest(struct change_host *host, const struct strv *names, bool *begun, struct err *err)
{
	struct root root = root_of(host);
	bool moved = true;
	int r = 0;

	while (moved) {
		moved = false;
		r = 0;
		for (size_t i = 0; i < names->count; i++) {
			int one;

			if (!is_loaded(&root, names->items[i]))
				continue;
			one = unload_one(host, names->items[i], false, begun, err);
			moved |= one == 0;
			// who uses it tells less than why something else failed
			if (one < 0 && one != -EBUSY)
				return one;
			r = one < 0 ? one : r;
		}
	}
	return r;
}

static int module_write(struct change_host *host, const struct change *change, const char *value, struct err *err)
{
	struct root root = root_of(host);
	AUTO_FREE char *name = plain_name(change->path);
	AUTO_STRV struct strv rest = { 0 };
	bool begun = false;
	int r = 0;

	if (str_eq(value, "loaded"))
		return run(host, "modprobe", name, LOAD_MS, err);
	if (!value || !is_unloaded(value))
		return err_set(err, -EINVAL, "module %s: not a state: %s", name, value ? value : "nothing");
	parse_absent(value, &rest);
	if (is_loaded(&root, name))
		r = unload_one(host, name, is_unloaded(change->want), &begun, err);
	return r < 0 ? r : unload_rest(host, &rest, &begun, err);
}

// ---- answers

// What was absent before must be so again; of more that is absent, somebody else has taken care.
static bool module_equal(const char *a, const char *b)
{
	AUTO_STRV struct strv now = { 0 }, before = { 0 };

	if (!is_unloaded(a) || !is_unloaded(b))
		return str_eq(a, b);
	parse_absent(a, &now);
	parse_absent(b, &before);
	for (size_t i = 0; i < before.count; i++) {
		if (!strv_has(&now, before.items[i]))
			return false;
	}
	return true;
}

static bool module_answers(const char *got, const char *want)
{
	return is_unloaded(want) ? is_unloaded(got) : str_eq(got, want);
}

static bool module_between(const char *now, const char *from, const char *to)
{
	return is_unloaded(from) != is_unloaded(to) && (is_unloaded(now) || str_eq(now, "loaded"));
}

static void module_remedy(const struct change *change, struct str *out)
{
	str_addf(out, change->was && is_unloaded(change->was) ? "modprobe -r %s" : "modprobe %s", change->path);
}

const struct change_kind change_kind_module = {
	.name = "module",
	.help = "a kernel module is loaded or taken out",
	.read = module_read,
	.write = module_write,
	.equal = module_equal,
	.answers = module_answers,
	.remedy = module_remedy,
	.between = module_between,
	.shared = true,
	.survives_us = true,
	.yields = true,
};
