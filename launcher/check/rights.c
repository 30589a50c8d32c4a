// SPDX-License-Identifier: MIT
// What this user may do and open. Of a captured machine nothing of it is known: it is looked at as its root would.
#include "launcher/check/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)

void check_user(struct checking *c)
{
	const struct facts *facts = c->facts;
	const char *user = checking_user(c);
	struct finding *finding;

	if (!facts->live)
		return;
	if (!facts->root) {
		finding = checking_add(c, SEVERITY_INFO, "not-root", "user", "%s is not root", user);
		finding_because(finding, "to bind devices, isolate CPUs, make huge pages and set what [host] has "
					 "takes root; "
					 "what needs none of that, and what root has prepared, runs as it is");
		finding_mend(finding, "sudo vfiorun, where such things are wanted");
	} else if (facts->vfiorun.found || (c->plan && c->plan->user.name)) {
		checking_add(c, SEVERITY_OK, "user-nobody", "user", "root; QEMU runs as %s",
			     c->plan && c->plan->user.name ? c->plan->user.name : facts->vfiorun.name);
	} else {
		finding = checking_add(c, SEVERITY_WARNING, "user-nobody", "user",
				       "root, and there is no user `vfiorun`");
		finding_because(finding, "QEMU runs as `nobody`, which other programs may use, too");
		finding_mend(finding, "useradd --system --no-create-home --shell /usr/sbin/nologin vfiorun");
	}
}

// No plan asks for it: it may be made without.
void check_run_dir(struct checking *c)
{
	const struct openings *openings = &c->facts->openings;
	struct finding *finding;

	if (!openings->known)
		return;
	if (!openings->run_error) {
		checking_add(c, SEVERITY_OK, "no-run-dir", checking_user(c), "has a place for run state");
		return;
	}
	finding = checking_add(c, SEVERITY_ERROR, "no-run-dir", checking_user(c), "%s", openings->run_error);
	finding_because(finding, "without a place for its state and journal no guest is started");
	finding_mend(finding, "%s", openings->run_hint ? openings->run_hint : "log in through a session manager");
}

// Of a guest the plan knows how much, and refuses too little.
void check_memlock(struct checking *c)
{
	const struct facts *facts = c->facts;
	uint64_t need = c->plan && c->plan->memlock ? c->plan->memlock : GIB, limit = facts->memlock_hard;
	struct finding *finding;

	if (!facts->live)
		return;
	if (facts->root || limit == UINT64_MAX) {
		checking_add(c, SEVERITY_OK, "memlock", "locked memory", "%s",
			     facts->root ? "root may lock as much as there is" : "no limit");
		return;
	}
	if (c->plan && limit >= need) {
		checking_add(c, SEVERITY_OK, "memlock", "locked memory",
			     "%" PRIu64 "M may be locked, %" PRIu64 "M are needed", limit >> 20, need >> 20);
		return;
	}
	if (limit > need) {
		checking_add(c, SEVERITY_OK, "memlock", "locked memory",
			     "%" PRIu64 "M may be locked: enough for a guest of %" PRIu64 "M with devices",
			     limit >> 20, (limit - need) >> 20);
		return;
	}
	finding = checking_add(c, SEVERITY_WARNING, "memlock", "locked memory", "%s may lock %" PRIu64 "M",
			       checking_user(c), limit >> 20);
	finding_because(finding, "passing devices locks all of a guest's memory, and 1G more is counted");
	finding_mend(finding,
		     "for a guest of 8G put `%s - memlock %" PRIu64
		     "` into /etc/security/limits.d/vfiorun.conf and "
		     "log in again; for a systemd unit it is LimitMEMLOCK=%" PRIu64,
		     checking_user(c), 9 * (GIB >> 10), 9 * GIB);
}

void check_vfio_container(struct checking *c)
{
	const struct openings *openings = &c->facts->openings;
	const char *user = checking_user(c);
	struct finding *finding;

	if (!openings->known || c->facts->root || c->facts->iommu.vfio_available == FACT_NO)
		return;
	if (!openings->vfio) {
		checking_add(c, SEVERITY_OK, "vfio-container", "VFIO", "/dev/vfio/vfio can be opened");
		return;
	}
	finding = checking_add(c, c->profile ? SEVERITY_ERROR : SEVERITY_WARNING, "vfio-container", "VFIO",
			       "%s can't open /dev/vfio/vfio: %s", user, strerror(openings->vfio));
	finding_because(finding, "without it %s can give no guest a device", user);
	if (openings->vfio == ENOENT)
		finding_mend(finding, "modprobe vfio-pci, as root; at each boot: a line `vfio-pci` in a file of "
				      "/etc/modules-load.d");
	else
		finding_mend(finding, "chmod 666 /dev/vfio/vfio, as udev has it: it opens no device by itself");
}

static bool has_node(const struct vfio_facts *vfio, int group)
{
	for (size_t i = 0; i < vfio->n_groups; i++) {
		if (vfio->groups[i].group == group)
			return true;
	}
	return false;
}

static void judge_node(struct checking *c, const struct plan_device *device)
{
	const struct vfio_node *own = vfio_facts_find_node(&c->facts->vfio, device->address);
	AUTO_FREE char *node = device->iommufd ? mem_printf("/dev/vfio/devices/%s", own ? own->name : "vfioN") :
						 mem_printf("/dev/vfio/%d", device->group);
	const char *user = checking_user(c), *whose = device->iommufd ? "own" : "group's";
	struct finding *finding;

	if (device->iommufd ? own != NULL : has_node(&c->facts->vfio, device->group)) {
		checking_add(c, SEVERITY_OK, "vfio-rights", device->address, "its %s %s can be opened", whose, node);
		return;
	}
	finding = checking_add(c, SEVERITY_WARNING, "vfio-rights", device->address,
			       "its %s %s comes with vfio-pci, and will be root's", whose, node);
	finding_because(finding, "%s must be able to open it", user);
	finding_mend(finding,
		     "once it is there: chown %s %s; for good: SUBSYSTEM==\"%s\", OWNER=\"%s\" in a file "
		     "of /etc/udev/rules.d",
		     user, node, device->iommufd ? "vfio-dev" : "vfio", user);
}

// A node that is there and can't be opened the plan has refused.
void check_vfio_groups(struct checking *c)
{
	if (!c->facts->openings.known || c->facts->root || !c->plan)
		return;
	for (size_t i = 0; i < c->plan->n_devices; i++) {
		if (c->plan->devices[i].passed && c->plan->devices[i].group >= 0)
			judge_node(c, &c->plan->devices[i]);
	}
}

void check_realtime(struct checking *c)
{
	const struct facts *facts = c->facts;
	struct finding *finding;

	if (!facts->live)
		return;
	if (facts->can_nice) {
		checking_add(c, SEVERITY_OK, "no-realtime", "priorities", "%s may raise them", checking_user(c));
		return;
	}
	finding = checking_add(c, SEVERITY_INFO, "no-realtime", "priorities", "%s may not raise them",
			       checking_user(c));
	finding_because(finding,
			"vCPUs share their CPUs with other tasks as equals, and scheduler = rr:N is refused");
	finding_mend(finding, "put `%s - rtprio 10` into /etc/security/limits.d/vfiorun.conf and log in again",
		     checking_user(c));
}

void check_uinput(struct checking *c)
{
	int error = c->facts->uinput_error;
	struct finding *finding;

	if (!c->facts->live)
		return;
	if (!error) {
		checking_add(c, SEVERITY_OK, "no-uinput", "/dev/uinput", "it can be opened");
		return;
	}
	finding = checking_add(c, SEVERITY_WARNING, "no-uinput", "/dev/uinput", "%s can't open it: %s",
			       checking_user(c), strerror(error));
	finding_because(finding, "keyboard and mouse can't be shared with a guest ([input])");
	if (error == ENOENT)
		finding_mend(finding,
			     "modprobe uinput; at each boot: a line `uinput` in a file of /etc/modules-load.d");
	else
		finding_mend(finding,
			     "run as root; or KERNEL==\"uinput\", GROUP=\"input\", MODE=\"0660\" in a file of "
			     "/etc/udev/rules.d, and usermod -aG input %s",
			     checking_user(c));
}

void check_inputs(struct checking *c)
{
	const struct openings *openings = &c->facts->openings;
	size_t closed = openings->inputs.count;
	struct finding *finding;

	if (!openings->known)
		return;
	if (!closed) {
		checking_add(c, SEVERITY_OK, "input-rights", "keyboards and mice",
			     "those that are there can be opened");
		return;
	}
	finding = checking_add(c, SEVERITY_WARNING, "input-rights", "keyboards and mice", "%s can't open %s%s",
			       checking_user(c), openings->inputs.items[0], closed > 1 ? " and others" : "");
	finding_because(finding, "they can't be shared with a guest ([input])");
	finding_mend(finding,
		     "run as root; or usermod -aG input %s, and log in again: who is in that group can read what "
		     "anybody types",
		     checking_user(c));
}

void check_logind(struct checking *c)
{
	struct finding *finding;

	if (!c->facts->live)
		return;
	if (c->facts->system.logind) {
		checking_add(c, SEVERITY_OK, "no-logind", "sleep", "logind can be asked to keep the host awake");
		return;
	}
	finding = checking_add(c, SEVERITY_INFO, "no-logind", "sleep", "there is no logind to be asked for a lock");
	finding_because(finding, "where something else puts this host to sleep, it does so under a running guest");
}

// What is one guest's is its own to settle: `run` of its profile does it.
static bool is_others(const struct checking *c, const char *guest)
{
	return !c->profile || !str_eq(c->profile->vm.name, guest);
}

static void add_dead(struct checking *c, const char *guest)
{
	struct finding *finding = checking_add(c, SEVERITY_WARNING, "guest-dead", guest,
					       "this guest died, and what it changed on the host is not undone");

	finding_because(finding, "its devices, CPUs and pages are kept from others");
	finding_mend(finding, is_others(c, guest) ? "vfiorun revert %s" : "vfiorun revert %s; `run` does it, too",
		     guest);
}

static void add_orphan(struct checking *c, const char *guest)
{
	struct finding *finding =
		checking_add(c, SEVERITY_WARNING, "guest-orphan", guest, "this guest runs, but its keeper died");

	finding_because(finding, "nobody will put the host back when it ends");
	finding_mend(finding, is_others(c, guest) ? "vfiorun adopt %s" : "vfiorun adopt %s; `run` does it, too", guest);
}

void check_guests(struct checking *c)
{
	const struct openings *openings = &c->facts->openings;
	bool runs = c->profile && strv_has(&openings->running, c->profile->vm.name);

	if (!openings->known)
		return;
	for (size_t i = 0; i < openings->dead.count; i++)
		add_dead(c, openings->dead.items[i]);
	for (size_t i = 0; i < openings->orphans.count; i++)
		add_orphan(c, openings->orphans.items[i]);
	if (runs)
		finding_mend(checking_add(c, SEVERITY_WARNING, "guest-running", c->profile->vm.name,
					  "it runs already: what is seen here it has had its part in"),
			     "vfiorun stop %s", c->profile->vm.name);
	if (!openings->dead.count && !openings->orphans.count && !runs)
		checking_add(c, SEVERITY_OK, "guest-dead", "guests", "none has left anything behind");
}
