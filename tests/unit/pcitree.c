// SPDX-License-Identifier: MIT
#include "tests/unit/pcitree.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { CONFIG_SIZE = 64, BARS = 7 };

struct device {
	const char *dir, *address;
	char *path; // below sys/devices
	unsigned vendor, id, class;
	struct strv words;
	int error; // the first one
};

static const char *value_of(const struct device *d, const char *key, const char *otherwise)
{
	size_t n = strlen(key);

	for (size_t i = 3; i < d->words.count; i++) {
		if (strncmp(d->words.items[i], key, n) == 0 && d->words.items[i][n] == '=')
			return d->words.items[i] + n + 1;
	}
	return otherwise;
}

__attribute__((format(printf, 3, 4)))
static void put(struct device *d, const char *name, const char *fmt, ...)
{
	AUTO_FREE char *path = mem_printf("%s/%s", d->path, name);
	AUTO_STR struct str text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	str_addc(&text, '\n');
	if (!d->error)
		d->error = tree_write(d->dir, path, text.text);
}

static void put_link(struct device *d, const char *path, const char *target)
{
	if (!d->error)
		d->error = tree_link(d->dir, path, target);
}

static void put_bytes(struct device *d, const char *name, const unsigned char *bytes, size_t size)
{
	AUTO_FREE char *path = mem_printf("%s/%s/%s", d->dir, d->path, name);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (!d->error)
		d->error = fd < 0 ? -errno : io_write_all(fd, bytes, size);
}

static void put_16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)value;
	at[1] = (unsigned char)(value >> 8);
}

static bool is_bridge(const struct device *d)
{
	return d->class >> 8 == 0x0604;
}

static void put_config(struct device *d)
{
	unsigned char config[CONFIG_SIZE] = { 0 };
	unsigned subsystem_vendor = 0, subsystem = 0, revision = 0, first = 0, last = 0;
	bool virtual = *value_of(d, "physfn", "");

	sscanf(value_of(d, "rev", "0"), "%x", &revision);
	sscanf(value_of(d, "sub", "0:0"), "%x:%x", &subsystem_vendor, &subsystem);
	sscanf(value_of(d, "buses", "0-0"), "%x-%x", &first, &last);
	put_16(config, virtual ? 0xffff : d->vendor);
	put_16(config + 2, virtual ? 0xffff : d->id);
	config[8] = (unsigned char)revision;
	config[9] = (unsigned char)d->class;
	put_16(config + 10, d->class >> 8);
	config[14] = is_bridge(d) ? 0x81 : 0x80; // with the multifunction bit, which is no part of the type
	if (is_bridge(d)) {
		config[0x19] = (unsigned char)first;
		config[0x1a] = (unsigned char)last;
	} else {
		put_16(config + 0x2c, subsystem_vendor);
		put_16(config + 0x2e, subsystem);
	}
	if (*value_of(d, "dead", ""))
		memset(config, 0xff, sizeof(config));
	put_bytes(d, "config", config, sizeof(config));
	put(d, "vendor", "0x%04x", d->vendor);
	put(d, "device", "0x%04x", d->id);
	put(d, "class", "0x%06x", d->class);
	put(d, "revision", "0x%02x", revision);
	put(d, "modalias", "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X", d->vendor, d->id, subsystem_vendor,
	    subsystem, d->class >> 16, d->class >> 8 & 0xff, d->class & 0xff);
}

static void put_resource(struct device *d)
{
	AUTO_STR struct str text = { 0 };

	for (int i = 0; i < BARS; i++) {
		AUTO_FREE char *key = i < BARS - 1 ? mem_printf("bar%d", i) : mem_dup("rom");
		unsigned long long start = 0, end = 0, flags = 0;

		sscanf(value_of(d, key, ""), "%llx-%llx:%llx", &start, &end, &flags);
		str_addf(&text, "%s0x%016llx 0x%016llx 0x%016llx", i ? "\n" : "", start, end, flags);
	}
	put(d, "resource", "%s", text.text);
}

static void put_optional(struct device *d)
{
	static const struct {
		const char *key, *file;
	} rows[] = {
		{ "boot_vga", "boot_vga" }, { "vfs_max", "sriov_totalvfs" }, { "vfs", "sriov_numvfs" },
	};
	const char *methods = value_of(d, "reset", NULL), *physical = value_of(d, "physfn", NULL);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (value_of(d, rows[i].key, NULL))
			put(d, rows[i].file, "%s", value_of(d, rows[i].key, ""));
	}
	if (methods) {
		AUTO_STRV struct strv names = { 0 };
		AUTO_STR struct str text = { 0 };

		strv_split(&names, methods, ",");
		for (size_t i = 0; i < names.count; i++)
			str_addf(&text, "%s%s", i ? " " : "", names.items[i]);
		put(d, "reset_method", "%s", str_text(&text));
	}
	if (physical) {
		AUTO_FREE char *path = mem_printf("%s/physfn", d->path);
		AUTO_FREE char *target = mem_printf("../%s", physical);

		put_link(d, path, target);
	}
}

static void put_driver(struct device *d)
{
	const char *driver = value_of(d, "driver", NULL);
	AUTO_FREE char *link = mem_printf("%s/driver", d->path);
	AUTO_FREE char *target = driver ? mem_printf("/sys/bus/pci/drivers/%s", driver) : NULL;
	AUTO_FREE char *back = driver ? mem_printf("%s/%s", target + 1, d->address) : NULL;
	AUTO_FREE char *device = mem_printf("/%s", d->path);

	if (!driver)
		return;
	put_link(d, link, target);
	put_link(d, back, device);
}

static void put_group(struct device *d)
{
	const char *group = value_of(d, "group", NULL);
	AUTO_FREE char *link = mem_printf("%s/iommu_group", d->path);
	AUTO_FREE char *target = group ? mem_printf("/sys/kernel/iommu_groups/%s", group) : NULL;
	AUTO_FREE char *member = group ? mem_printf("%s/devices/%s", target + 1, d->address) : NULL;
	AUTO_FREE char *device = mem_printf("/%s", d->path);

	if (!group)
		return;
	put_link(d, link, target);
	put_link(d, member, device);
}

// Below the bridge's directory, which its link tells.
static char *find_path(const struct device *d)
{
	const char *bridge = value_of(d, "under", NULL);
	AUTO_FREE char *link = bridge ? mem_printf("%s/sys/bus/pci/devices/%s", d->dir, bridge) : NULL;
	char target[PATH_MAX];
	ssize_t n;

	if (!bridge)
		return mem_printf("sys/devices/pci%.7s/%s", d->address, d->address);
	n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0)
		return NULL;
	target[n] = '\0';
	return mem_printf("sys/devices/%s/%s", target + strlen("../../../devices/"), d->address);
}

static void device_finish(struct device *d)
{
	free(d->path);
	strv_finish(&d->words);
}

int pci_tree_add(const char *dir, const char *line)
{
	CLEANUP(device_finish) struct device d = { .dir = dir };
	AUTO_FREE char *link = NULL, *target = NULL;

	strv_split(&d.words, line, " \t");
	if (d.words.count < 3 || sscanf(d.words.items[1], "%x:%x", &d.vendor, &d.id) != 2 ||
	    sscanf(d.words.items[2], "%x", &d.class) != 1)
		return -EINVAL;
	d.address = d.words.items[0];
	d.path = find_path(&d);
	if (!d.path)
		return -ENOENT;
	link = mem_printf("sys/bus/pci/devices/%s", d.address);
	target = mem_printf("../../../%s", d.path + strlen("sys/"));
	put_link(&d, link, target);
	put(&d, "numa_node", "%s", value_of(&d, "node", "-1"));
	put(&d, "power_state", "%s", value_of(&d, "power", "D0"));
	put(&d, "driver_override", "%s", value_of(&d, "override", "(null)"));
	put_config(&d);
	put_resource(&d);
	put_optional(&d);
	put_driver(&d);
	put_group(&d);
	return d.error;
}
