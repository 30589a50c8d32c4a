// SPDX-License-Identifier: MIT
#include "tune/host/cache.h"

#include "base/str.h"
#include "tune/host/root.h"

#include <limits.h>
#include <stdio.h>

static void make_path(char *path, int cpu, int index, const char *name)
{
	snprintf(path, PATH_MAX, "sys/devices/system/cpu/cpu%d/cache/index%d/%s", cpu, index, name);
}

// 0: there is no such cache.
static int read_level(struct root *root, int cpu, int index)
{
	char path[PATH_MAX];
	int level = 0;

	make_path(path, cpu, index, "level");
	root_read_int(root, path, &level);
	return level;
}

int cache_find(struct root *root, int cpu, int level)
{
	int index = level;
	int found = read_level(root, cpu, index);

	if (found == level)
		return index;
	index += found > 0 && found < level ? 1 : -1;
	return read_level(root, cpu, index) == level ? index : -1;
}

int cache_read_cpus(struct root *root, int cpu, int index, struct cpuset *out)
{
	char path[PATH_MAX];

	make_path(path, cpu, index, "shared_cpu_list");
	return root_read_cpulist(root, path, out);
}

uint64_t cache_read_bytes(struct root *root, int cpu, int index)
{
	char path[PATH_MAX], text[32];
	uint64_t bytes = 0;

	make_path(path, cpu, index, "size");
	if (root_read(root, path, text, sizeof(text)) > 0)
		str_parse_size(text, &bytes);
	return bytes;
}
