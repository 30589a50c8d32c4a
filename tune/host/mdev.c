// SPDX-License-Identifier: MIT
#include "tune/host/mdev.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/host/root.h"

#include <string.h>
#include <strings.h>

// The last word of a link's target on the heap; NULL: there is no such link.
static char *read_link(struct root *root, const char *path)
{
	char target[512];
	const char *slash;

	if (root_readlink(root, path, target, sizeof(target)) <= 0)
		return NULL;
	slash = strrchr(target, '/');
	return mem_dup(slash ? slash + 1 : target);
}

// "../../../devices/pci0000:00/0000:00:02.0/UUID": the share lies below its device.
static char *read_parent(struct root *root, const char *uuid)
{
	AUTO_FREE char *path = mem_printf("sys/bus/mdev/devices/%s", uuid);
	char target[512];
	char *slash;

	if (root_readlink(root, path, target, sizeof(target)) <= 0)
		return NULL;
	slash = strrchr(target, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	slash = strrchr(target, '/');
	return mem_dup(slash ? slash + 1 : target);
}

static void read_one(struct root *root, const char *uuid, struct mdev_facts *facts)
{
	AUTO_FREE char *group_path = mem_printf("sys/bus/mdev/devices/%s/iommu_group", uuid);
	AUTO_FREE char *type_path = mem_printf("sys/bus/mdev/devices/%s/mdev_type", uuid);
	AUTO_FREE char *driver_path = mem_printf("sys/bus/mdev/devices/%s/driver", uuid);
	AUTO_FREE char *group = read_link(root, group_path);
	AUTO_FREE char *driver = read_link(root, driver_path);
	struct mdev_fact *fact = MEM_PUSH(facts->items, facts->count);

	*fact = (struct mdev_fact){ .uuid = mem_dup(uuid),
				    .group = -1,
				    .parent = read_parent(root, uuid),
				    .type = read_link(root, type_path),
				    .vfio = driver != NULL };
	if (group)
		str_parse_int(group, &fact->group);
}

void mdev_facts_read(struct root *root, struct mdev_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	*facts = (struct mdev_facts){ 0 };
	root_list(root, "sys/class/mdev_bus", &facts->parents);
	root_list(root, "sys/bus/mdev/devices", &names);
	for (size_t i = 0; i < names.count; i++)
		read_one(root, names.items[i], facts);
}

void mdev_facts_finish(struct mdev_facts *facts)
{
	for (size_t i = 0; i < facts->count; i++) {
		free(facts->items[i].uuid);
		free(facts->items[i].parent);
		free(facts->items[i].type);
	}
	free(facts->items);
	strv_finish(&facts->parents);
	*facts = (struct mdev_facts){ 0 };
}

const struct mdev_fact *mdev_facts_find(const struct mdev_facts *facts, const char *uuid)
{
	for (size_t i = 0; i < facts->count; i++) {
		if (strcasecmp(facts->items[i].uuid, uuid) == 0)
			return &facts->items[i];
	}
	return NULL;
}
