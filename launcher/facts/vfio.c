// SPDX-License-Identifier: MIT
#include "launcher/facts/vfio.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/guest/state.h"
#include "launcher/plan/plan.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool may_open(const char *path)
{
	return faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0;
}

// Linux 6.6, drivers/vfio/vfio_main.c, vfio_init_device: the kernel numbers them, whatever the address.
static void read_nodes(struct root *root, struct vfio_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };
	char target[256];

	root_list(root, "dev/vfio/devices", &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = mem_printf("/dev/vfio/devices/%s", names.items[i]);
		AUTO_FREE char *device = mem_printf("sys/class/vfio-dev/%s/device", names.items[i]);
		const char *slash;

		if (root_readlink(root, device, target, sizeof(target)) < 0 || !(slash = strrchr(target, '/')))
			continue;
		*MEM_PUSH(facts->nodes, facts->n_nodes) = (struct vfio_node){
			mem_dup(names.items[i]), mem_dup(slash + 1), may_open(path)
		};
	}
}

void vfio_facts_read(struct root *root, struct vfio_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	if (!root->live)
		return;
	facts->container = may_open("/dev/vfio/vfio");
	facts->iommufd_usable = may_open("/dev/iommu");
	read_nodes(root, facts);
	root_list(root, "dev/vfio", &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = mem_printf("/dev/vfio/%s", names.items[i]);
		int group;

		if (str_parse_int(names.items[i], &group))
			*MEM_PUSH(facts->groups, facts->n_groups) = (struct vfio_group){ group, may_open(path) };
	}
}

static bool has_iommufd(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_devices; i++) {
		if (plan->devices[i].iommufd)
			return true;
	}
	return false;
}

void vfio_facts_add_guest(struct vfio_facts *facts, const char *guest, const struct state *state, bool alive)
{
	if (state->plan && alive && has_iommufd(state->plan))
		facts->others_locked += state->plan->memory_bytes;
	for (size_t i = 0; state->plan && i < state->plan->n_devices; i++) {
		const struct plan_device *device = &state->plan->devices[i];

		*MEM_PUSH(facts->others, facts->n_others) = (struct other_device){
			.address = mem_dup(device->address),
			.guest = mem_dup(guest),
			.mdev = device->mdev,
			.group = device->group,
			.alive = alive,
		};
	}
}

void vfio_facts_finish(struct vfio_facts *facts)
{
	for (size_t i = 0; i < facts->n_nodes; i++) {
		free(facts->nodes[i].name);
		free(facts->nodes[i].address);
	}
	free(facts->nodes);
	for (size_t i = 0; i < facts->n_others; i++) {
		free(facts->others[i].address);
		free(facts->others[i].guest);
	}
	free(facts->others);
	free(facts->groups);
	*facts = (struct vfio_facts){ 0 };
}

const struct vfio_node *vfio_facts_find_node(const struct vfio_facts *facts, const char *address)
{
	for (size_t i = 0; i < facts->n_nodes; i++) {
		if (str_eq(facts->nodes[i].address, address))
			return &facts->nodes[i];
	}
	return NULL;
}

bool vfio_facts_may_open_group(const struct vfio_facts *facts, int group)
{
	for (size_t i = 0; i < facts->n_groups; i++) {
		if (facts->groups[i].group == group)
			return facts->groups[i].usable;
	}
	return false;
}

bool vfio_facts_may_open(const struct vfio_facts *facts, int group)
{
	return facts->container && vfio_facts_may_open_group(facts, group);
}
