// SPDX-License-Identifier: MIT
// The kind `resize`: how large a PCI device's BAR is. The kernel lets no driver have the device meanwhile, takes all
// BARs of its kind away and finds new places for them; where it has none, the BAR is left without one, and reads as 0.
//
// Sources: Linux 6.1 Documentation/ABI/testing/sysfs-bus-pci (resourceN_resize: "the bit position of the size in MB"),
// drivers/pci/pci-sysfs.c (__resource_resize_store); PCI Express Base 4.0, 7.8.6.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/apart.h"

#include <fcntl.h>
#include <string.h>

enum { STEP_MS = 20000, TABLE_MAX = 4096, BARS = 6, MIB_SHIFT = 20 };

#define DEVICES "/sys/bus/pci/devices/"
#define NAME "resource0_resize"

// The device's directory on the heap and the number of the BAR. NULL: the path is no such attribute.
static char *take_apart(const char *path, int *bar)
{
	const char *slash = strrchr(path, '/');

	if (!str_starts(path, DEVICES) || slash < path + strlen(DEVICES) || strlen(slash + 1) != strlen(NAME) ||
	    !str_starts(slash + 1, "resource") || !str_ends(slash, "_resize"))
		return NULL;
	*bar = slash[1 + strlen("resource")] - '0';
	return *bar >= 0 && *bar < BARS ? mem_dupn(path, (size_t)(slash - path)) : NULL;
}

static bool is_there(struct change_host *host, const char *path)
{
	AUTO_CLOSE int fd = change_open(host, path, O_PATH | O_NOFOLLOW, 0);

	return fd >= 0;
}

// Lines of "start end flags", in hexadecimal.
static bool find_size(const char *table, int bar, uint64_t *size)
{
	AUTO_STRV struct strv lines = { 0 }, words = { 0 };
	uint64_t start, end;

	strv_split(&lines, table, "\n");
	if ((size_t)bar < lines.count)
		strv_split(&words, lines.items[bar], " ");
	if (words.count != 3 || !str_parse_hex(words.items[0], &start) || !str_parse_hex(words.items[1], &end))
		return false;
	*size = end ? end - start + 1 : 0;
	return true;
}

static int resize_read(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	int bar = 0, r;
	AUTO_FREE char *device = take_apart(change->path, &bar), *table_path = NULL;
	AUTO_STR struct str table = { 0 };
	struct str text = { 0 };
	uint64_t size;

	*value = NULL;
	if (!device)
		return err_set(err, -EINVAL, "%s: not a resizable BAR", change->path);
	if (!is_there(host, change->path))
		return 0;
	table_path = mem_printf("%s/resource", device);
	r = apart_read(change_host_apart(host), change_name(device), table_path, TABLE_MAX, &table, err);
	if (r < 0)
		return r;
	if (!find_size(str_text(&table), bar, &size))
		return err_set(err, -EINVAL, "%s has no BAR %d", table_path, bar);
	str_add_size(&text, size);
	*value = str_take(&text);
	return 0;
}

// The bit of the size in MiB; -1: it is none.
static int order_of(const char *text)
{
	uint64_t size;

	if (!text || !str_parse_size(text, &size) || size >> MIB_SHIFT == 0 || (size & (size - 1)))
		return -1;
	return __builtin_ctzll(size) - MIB_SHIFT;
}

static int resize_write(struct change_host *host, const struct change *change, const char *value, struct err *err)
{
	int bar = 0, order = order_of(value);
	AUTO_FREE char *device = take_apart(change->path, &bar), *text = mem_printf("%d\n", order);

	if (!device || order < 0)
		return err_set(err, -EINVAL, "%s: not a size: %s", change->path, value ? value : "nothing");
	return apart_write(change_host_apart(host), change_name(device), change->path, text, STEP_MS, err);
}

static bool resize_equal(const char *a, const char *b)
{
	uint64_t x, y;

	return str_parse_size(a, &x) && str_parse_size(b, &y) && x == y;
}

// It lost its place and got no other.
static bool resize_between(const char *now, const char *from, const char *to)
{
	(void)from;
	(void)to;
	return resize_equal(now, "0");
}

static void resize_remedy(const struct change *change, struct str *out)
{
	str_addf(out, "echo %d > %s, while no driver has the device", order_of(change->was), change->path);
}

static const char *const places[] = { DEVICES, NULL };

const struct change_kind change_kind_resize = {
	.name = "resize",
	.help = "a BAR of a PCI device gets another size",
	.places = places,
	.read = resize_read,
	.write = resize_write,
	.equal = resize_equal,
	.answers = resize_equal,
	.between = resize_between,
	.remedy = resize_remedy,
	.survives_us = true,
	.exclusive = true,
	.gone = "",
};
