// SPDX-License-Identifier: MIT
#include "launcher/facts/vfio.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/guest/state.h"
#include "launcher/plan/plan.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <unistd.h>

static bool may_open(const char *path)
{
	return faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0;
}

void vfio_facts_read(struct root *root, struct vfio_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	facts->iommufd = root_exists(root, "dev/iommu");
	if (!root->live)
		return;
	facts->container = may_open("/dev/vfio/vfio");
	facts->iommufd_usable = may_open("/dev/iommu");
	root_list(root, "dev/vfio", &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = mem_printf("/dev/vfio/%s", names.items[i]);
		int group;

		if (str_parse_int(names.items[i], &group))
			*MEM_PUSH(facts->groups, facts->n_groups) = (struct vfio_group){ group, may_open(path) };
	}
}

void vfio_facts_add_guest(struct vfio_facts *facts, const char *guest, const struct state *state, bool alive)
{
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
	for (size_t i = 0; i < facts->n_others; i++) {
		free(facts->others[i].address);
		free(facts->others[i].guest);
	}
	free(facts->others);
	free(facts->groups);
	*facts = (struct vfio_facts){ 0 };
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
