// SPDX-License-Identifier: MIT
// Mediated devices: their driver made them, so there is nothing to bind, and no group to share.
#include "launcher/plan/device/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <strings.h>

static struct diag *report(struct choosing *c, enum diag_level level, const char *code,
			   const struct profile_mdev *section, const char *text)
{
	struct diags *diags = level == DIAG_WARNING ? &c->plan->warnings : c->diags;
	struct place place = profile_where(c->profile, "mdev", section->title, "");

	return diag_add(diags, level, code, place, "%s", text);
}

static void report_missing(struct choosing *c, const struct profile_mdev *section)
{
	const struct strv *parents = &c->facts->mdevs.parents;
	AUTO_FREE char *skipped = mem_printf("there is no mediated device %s: the guest starts without it",
					     section->title);
	AUTO_FREE char *missing = mem_printf("there is no mediated device %s on this host", section->title);
	struct diag *diag = section->optional ?
				    report(c, DIAG_WARNING, "mdev-optional", section, skipped) :
				    report(c, DIAG_HOST_ERROR, "mdev-missing", section, missing);

	if (parents->count)
		diag_hint(diag, "make it: mdevctl start -u %s -p %s --type TYPE; `mdevctl types` lists the types",
			  section->title, parents->items[0]);
	else
		diag_hint(diag, "no device of this host offers any now: for Intel's GVT-g load kvmgt, with "
				"i915.enable_gvt=1 on the kernel line");
}

static bool refuse_held(struct choosing *c, const struct profile_mdev *section)
{
	const struct vfio_facts *vfio = &c->facts->vfio;

	for (size_t i = 0; i < vfio->n_others; i++) {
		const struct other_device *other = &vfio->others[i];
		AUTO_FREE char *text =
			mem_printf("the guest %s has the mediated device %s", other->guest, section->title);

		if (!other->mdev || strcasecmp(other->address, section->title) != 0)
			continue;
		diag_hint(report(c, DIAG_HOST_ERROR, "pci-held", section, text),
			  other->alive ? "vfiorun stop %s" : "it did not end well: vfiorun revert %s",
			  other->guest);
		return true;
	}
	return false;
}

static void add(struct choosing *c, size_t index, const struct mdev_fact *fact)
{
	const struct pci_device *parent = fact->parent ? pci_facts_find(&c->facts->pci, fact->parent) : NULL;
	AUTO_FREE char *of = parent ? device_short_text(parent) : mem_dup(fact->parent);
	struct plan_device *out = MEM_PUSH(c->plan->devices, c->plan->n_devices);

	*out = (struct plan_device){
		.address = mem_dup(fact->uuid),
		.mdev = true,
		.passed = true,
		.named = true,
		.index = index,
		.name = mem_printf("%s%s%s", fact->type ?: "a mediated device", of ? " of " : "", of ?: ""),
		.group = fact->group,
		.node = parent && parent->detail.known ? parent->detail.node : -1,
		.driver = mem_dup(parent ? parent->driver : NULL),
		.why = mem_dup("named in the profile"),
	};
}

void choosing_add_mdevs(struct choosing *c)
{
	for (size_t i = 0; i < c->profile->n_mdevs; i++) {
		const struct profile_mdev *section = &c->profile->mdevs[i];
		const struct mdev_fact *fact = mdev_facts_find(&c->facts->mdevs, section->title);

		if (!fact)
			report_missing(c, section);
		else if (!refuse_held(c, section))
			add(c, i, fact);
	}
}
