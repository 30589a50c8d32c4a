// SPDX-License-Identifier: MIT
#include "tune/host/block.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/root.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

enum { TABLE_MAX = 16 << 20, UEVENT_SIZE = 4 << 10 };

// A row of mountinfo or swaps.
struct entry {
	dev_t device; // 0: only `source` tells, since the file system's own number is made up
	char *source;
	char *target; // NULL: swap
};

struct search {
	struct root *root;
	struct strv *uses;
	struct entry *entries;
	size_t n_entries;
	dev_t *seen;
	size_t n_seen;
};

// A block device in sysfs.
struct node {
	char *path;
	dev_t device;
	char *kernel_name; // "dm-3", "sda2"
	char *dm_name;	   // "vg-root", or NULL
	char *label;	   // what a person calls it: "/dev/sda2", "/dev/mapper/vg-root"
};

static void search_finish(struct search *s)
{
	for (size_t i = 0; i < s->n_entries; i++) {
		free(s->entries[i].source);
		free(s->entries[i].target);
	}
	free(s->entries);
	free(s->seen);
}

static void node_finish(struct node *node)
{
	free(node->path);
	free(node->kernel_name);
	free(node->dm_name);
	free(node->label);
}

// Blanks, newlines and backslashes are "\040", "\012", "\134" in the kernel's tables. In place.
static char *unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; out++) {
		unsigned octal;

		if (*in == '\\' && strspn(in + 1, "01234567") >= 3 && sscanf(in + 1, "%3o", &octal) == 1) {
			*out = (char)octal;
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
	return text;
}

static bool parse_device(const char *text, dev_t *out)
{
	unsigned major, minor;

	if (sscanf(text, "%u:%u", &major, &minor) != 2)
		return false;
	*out = makedev(major, minor);
	return true;
}

static void add_entry(struct search *s, dev_t device, char *source, char *target)
{
	struct entry *entry = MEM_PUSH(s->entries, s->n_entries);

	entry->device = device;
	entry->source = mem_dup(unescape(source));
	entry->target = target ? mem_dup(unescape(target)) : NULL;
	// btrfs and others that may span devices have a number of their own, of major 0
	if (major(device) == 0) {
		entry->device = 0;
		if (entry->source[0] == '/')
			root_read_block(s->root, entry->source, &entry->device);
	}
}

// "36 35 98:0 /subvolume /mount/point rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
static void parse_mount(struct search *s, const char *line)
{
	AUTO_STRV struct strv words = { 0 };
	size_t dash = 6;
	dev_t device;

	strv_split(&words, line, " ");
	while (dash < words.count && !str_eq(words.items[dash], "-"))
		dash++;
	if (dash + 2 < words.count && parse_device(words.items[2], &device))
		add_entry(s, device, words.items[dash + 2], words.items[4]);
}

// "/dev/sda3  partition  8388604  0  -2"; the heading has no slash, a swap file is a mount's matter.
static void parse_swap(struct search *s, const char *line)
{
	AUTO_STRV struct strv words = { 0 };

	strv_split(&words, line, " \t");
	if (words.count > 1 && words.items[0][0] == '/' && str_eq(words.items[1], "partition"))
		add_entry(s, 0, words.items[0], NULL);
}

static int read_table(struct search *s, const char *path,
		      void (*parse)(struct search *s, const char *line), struct err *err)
{
	AUTO_STR struct str text = { 0 };
	AUTO_STRV struct strv lines = { 0 };
	int r = root_read_all(s->root, path, &text, TABLE_MAX);

	if (r < 0)
		return err_sys(err, r, "reading /%s to see which block devices are in use", path);
	strv_split(&lines, str_text(&text), "\n");
	for (size_t i = 0; i < lines.count; i++)
		parse(s, lines.items[i]);
	return 0;
}

// A kernel without swap has no table of it.
static int read_tables(struct search *s, struct err *err)
{
	int r = read_table(s, "proc/self/mountinfo", parse_mount, err);

	if (r == 0 && root_exists(s->root, "proc/swaps"))
		r = read_table(s, "proc/swaps", parse_swap, err);
	return r;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

// As in /dev: sysfs writes "cciss!c0d0" where /dev has cciss/c0d0, and uevent says the latter.
static char *read_dev_name(struct root *root, const char *path, const char *kernel_name)
{
	AUTO_FREE char *file = mem_printf("%s/uevent", path);
	char text[UEVENT_SIZE];
	const char *at = NULL;

	if (root_read(root, file, text, sizeof(text)) > 0)
		at = strstr(text, "DEVNAME=");
	if (!at)
		return mem_dup(kernel_name);
	at += strlen("DEVNAME=");
	return mem_dupn(at, strcspn(at, "\n"));
}

static void read_names(struct root *root, struct node *node)
{
	AUTO_FREE char *dm = mem_printf("%s/dm/name", node->path);
	AUTO_FREE char *dev_name = NULL;
	char text[PATH_MAX];

	node->kernel_name = mem_dup(base_name(
		root_readlink(root, node->path, text, sizeof(text)) > 0 ? text : node->path));
	if (root_read(root, dm, text, sizeof(text)) > 0) {
		node->dm_name = mem_dup(text);
		node->label = mem_printf("/dev/mapper/%s", text);
		return;
	}
	dev_name = read_dev_name(root, node->path, node->kernel_name);
	node->label = mem_printf("/dev/%s", dev_name);
}

static bool read_node(struct root *root, const char *path, struct node *out)
{
	AUTO_FREE char *file = mem_printf("%s/dev", path);
	char text[64];

	*out = (struct node){ 0 };
	if (root_read(root, file, text, sizeof(text)) < 0 || !parse_device(text, &out->device))
		return false;
	out->path = mem_dup(path);
	read_names(root, out);
	return true;
}

// By number, else by name: in a captured tree /dev is not there to be asked.
static bool is_of(const struct entry *entry, const struct node *node)
{
	if (entry->device)
		return entry->device == node->device;
	return str_eq(entry->source, node->label) ||
	       (str_starts(entry->source, "/dev/") &&
		str_eq(entry->source + strlen("/dev/"), node->kernel_name));
}

// One line however often it is mounted: bind mounts and subvolumes make dozens.
static bool add_mounts(struct search *s, const struct node *node)
{
	const char *first = NULL;
	size_t more = 0;

	for (size_t i = 0; i < s->n_entries; i++) {
		if (!s->entries[i].target || !is_of(&s->entries[i], node))
			continue;
		if (first)
			more++;
		else
			first = s->entries[i].target;
	}
	if (first && more)
		strv_addf(s->uses, "%s is mounted on %s and %zu other place%s", node->label, first,
			  more, more > 1 ? "s" : "");
	else if (first)
		strv_addf(s->uses, "%s is mounted on %s", node->label, first);
	return first;
}

static void add_swaps(struct search *s, const struct node *node)
{
	for (size_t i = 0; i < s->n_entries; i++) {
		if (!s->entries[i].target && is_of(&s->entries[i], node))
			strv_addf(s->uses, "%s is used for swapping", node->label);
	}
}

// mountinfo names one device of a btrfs; the others are listed only here, while it is mounted.
static void add_btrfs(struct search *s, const struct node *node)
{
	AUTO_STRV struct strv systems = { 0 };

	root_list(s->root, "sys/fs/btrfs", &systems);
	for (size_t i = 0; i < systems.count; i++) {
		AUTO_FREE char *path = mem_printf("sys/fs/btrfs/%s/devices/%s", systems.items[i],
						  node->kernel_name);

		if (root_exists(s->root, path))
			strv_addf(s->uses, "%s is part of the mounted btrfs %s", node->label,
				  systems.items[i]);
	}
}

static void check_tree(struct search *s, const char *path);

static void add_holder(struct search *s, const struct node *node, const char *path)
{
	CLEANUP(node_finish) struct node holder = { 0 };

	if (!read_node(s->root, path, &holder)) {
		strv_addf(s->uses, "%s is held by %s", node->label, base_name(path));
		return;
	}
	if (holder.dm_name)
		strv_addf(s->uses, "%s is held by device-mapper %s (%s)", node->label,
			  holder.kernel_name, holder.dm_name);
	else if (str_starts(holder.kernel_name, "md"))
		strv_addf(s->uses, "%s is part of the RAID %s", node->label, holder.kernel_name);
	else
		strv_addf(s->uses, "%s is held by %s", node->label, holder.kernel_name);
	check_tree(s, path);
}

static void add_holders(struct search *s, const struct node *node)
{
	AUTO_FREE char *dir = mem_printf("%s/holders", node->path);
	AUTO_STRV struct strv names = { 0 };

	root_list(s->root, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", dir, names.items[i]);

		add_holder(s, node, path);
	}
}

// A loop device opens what is behind it as a file would be, so it is nobody's holder.
static void add_loops(struct search *s, const struct node *node)
{
	AUTO_STRV struct strv names = { 0 };

	root_list(s->root, "sys/block", &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = mem_printf("sys/block/%s", names.items[i]);
		AUTO_FREE char *file = mem_printf("%s/loop/backing_file", path);
		struct entry behind = { 0 };
		char text[PATH_MAX];

		if (!str_starts(names.items[i], "loop") ||
		    root_read(s->root, file, text, sizeof(text)) <= 0)
			continue;
		behind.source = text;
		root_read_block(s->root, text, &behind.device);
		if (!is_of(&behind, node))
			continue;
		strv_addf(s->uses, "%s is behind /dev/%s", node->label, names.items[i]);
		check_tree(s, path);
	}
}

static void check_node(struct search *s, const struct node *node)
{
	if (!add_mounts(s, node))
		add_btrfs(s, node);
	add_swaps(s, node);
	add_loops(s, node);
	add_holders(s, node);
}

static bool is_seen(struct search *s, dev_t device)
{
	for (size_t i = 0; i < s->n_seen; i++) {
		if (s->seen[i] == device)
			return true;
	}
	*MEM_PUSH(s->seen, s->n_seen) = device;
	return false;
}

// The device and its partitions. Two members of one RAID lead to the same holder: it is shown once.
static void check_tree(struct search *s, const char *path)
{
	CLEANUP(node_finish) struct node node = { 0 };
	AUTO_STRV struct strv names = { 0 };

	if (!read_node(s->root, path, &node) || is_seen(s, node.device))
		return;
	check_node(s, &node);
	root_list(s->root, path, &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *child = mem_printf("%s/%s", path, names.items[i]);
		AUTO_FREE char *mark = mem_printf("%s/partition", child);

		if (root_exists(s->root, mark))
			check_tree(s, child);
	}
}

// A partition's directory lies in its disk's. The disk's other partitions are nothing to it.
static void check_disk_of(struct search *s, const char *path)
{
	AUTO_FREE char *mark = mem_printf("%s/partition", path);
	AUTO_FREE char *number = mem_printf("%s/../dev", path);
	AUTO_FREE char *disk_path = NULL;
	CLEANUP(node_finish) struct node disk = { 0 };
	char text[64];

	if (!root_exists(s->root, mark) || root_read(s->root, number, text, sizeof(text)) <= 0)
		return;
	disk_path = mem_printf("sys/dev/block/%s", text);
	if (read_node(s->root, disk_path, &disk) && !is_seen(s, disk.device))
		check_node(s, &disk);
}

int block_uses_path(struct root *root, const char *path, struct strv *uses, struct err *err)
{
	CLEANUP(search_finish) struct search s = { .root = root, .uses = uses };
	int r = read_tables(&s, err);

	if (r < 0)
		return r;
	check_tree(&s, path);
	check_disk_of(&s, path);
	return 0;
}

int block_uses(struct root *root, dev_t device, struct strv *uses, struct err *err)
{
	AUTO_FREE char *path = mem_printf("sys/dev/block/%u:%u", major(device), minor(device));

	if (!root_exists(root, path))
		return err_set(err, -ENOENT, "there is no /%s, so who uses the block device cannot be "
			       "known: give a device of this machine, and see that /sys is mounted",
			       path);
	return block_uses_path(root, path, uses, err);
}
