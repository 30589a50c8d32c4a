// SPDX-License-Identifier: MIT
#include "launcher/run/rights.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "input/hotkey.h"
#include "launcher/plan/plan.h"

#include <cap-ng.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool always(const struct plan *plan)
{
	(void)plan;
	return true;
}

static bool changes_user(const struct plan *plan)
{
	return plan->user.change;
}

static bool locks_memory(const struct plan *plan)
{
	return plan->memlock > 0;
}

static bool makes_kvm_node(const struct plan *plan)
{
	return plan->kvm_node;
}

static bool opens_taps(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_fds; i++) {
		if (plan->fds[i].kind == PLAN_FD_TAP)
			return true;
	}
	return false;
}

static bool has_change(const struct plan *plan, const char *kind)
{
	for (size_t i = 0; i < plan->changes.count; i++) {
		if (str_eq(plan->changes.items[i].kind, kind))
			return true;
	}
	return false;
}

static bool makes_files(const struct plan *plan)
{
	return has_change(plan, "file") || has_change(plan, "shm") || has_change(plan, "aside");
}

static bool gives_nodes(const struct plan *plan)
{
	return has_change(plan, "owner");
}

static bool binds_devices(const struct plan *plan)
{
	return has_change(plan, "bind");
}

// What it makes of interrupts is to be noticed. CAP_PERFMON is of Linux 5.8; before that it takes what nobody keeps for
// this alone.
static bool watches_interrupts(const struct plan *plan)
{
	return plan->isolation.steer && binds_devices(plan);
}

static bool loads_modules(const struct plan *plan)
{
	return has_change(plan, "module");
}

static bool shares_input(const struct plan *plan)
{
	return plan->input.used;
}

// systemd asks for it, and the kernel where a partition lies below what is none.
static bool makes_cgroups(const struct plan *plan)
{
	return plan->isolation.cgroup != NULL;
}

static bool sets_cookies(const struct plan *plan)
{
	return plan->core_cookie;
}

static const struct need {
	unsigned capability;
	bool (*needed)(const struct plan *plan);
} needs[] = {
	{ CAP_SYS_NICE, always },     // pins and classes of threads that are another user's
	{ CAP_KILL, always },	      // QEMU, monitor and helpers, when they are another user's
	{ CAP_DAC_OVERRIDE, always }, // images that only their owner may open; what QEMU made in its directory
	{ CAP_SETUID, changes_user }, // QEMU's, each new monitor's, the helpers'
	{ CAP_SETGID, changes_user },
	{ CAP_CHOWN, changes_user }, // its sockets and its directory
	{ CAP_CHOWN, makes_files },
	{ CAP_FOWNER, makes_files }, // removing them from /dev/shm, which is sticky
	{ CAP_CHOWN, gives_nodes },
	{ CAP_FOWNER, gives_nodes },
	{ CAP_SYS_PTRACE, binds_devices }, // who has a device's nodes open, before it is taken from its driver
	{ CAP_PERFMON, watches_interrupts },
	{ CAP_SYS_MODULE, loads_modules }, // modprobe's and rmmod's, out of the bounding set
	{ CAP_SYS_RESOURCE, locks_memory },
	{ CAP_SYS_PTRACE, sets_cookies }, // it is access to another user's thread
	{ CAP_SYS_ADMIN, makes_cgroups },
	{ CAP_SYS_ADMIN, makes_kvm_node }, // a mount namespace with a device node in it
	{ CAP_MKNOD, makes_kvm_node },
	{ CAP_NET_ADMIN, opens_taps },
	// an adopter has the guest's devices from QEMU's descriptors; and who holds one that is busy is to be named,
	// also when it is another user's process, or has rights that we gave up
	{ CAP_SYS_PTRACE, shares_input },
};

static bool is_needed(const struct plan *plan, unsigned capability)
{
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		if (needs[i].capability == capability && needs[i].needed(plan))
			return true;
	}
	return false;
}

static bool hotkeys_run_commands(const struct plan *plan)
{
	struct hotkey hotkey;
	bool found = false;

	for (size_t i = 0; !found && i < plan->input.hotkeys.count; i++) {
		if (hotkey_parse(plan->input.hotkeys.items[i], &hotkey, NULL) < 0)
			continue;
		found = hotkey.action == HOTKEY_RUN || hotkey.action == HOTKEY_USB;
		hotkey_finish(&hotkey);
	}
	return found;
}

static bool has_hooks(const struct plan *plan)
{
	return plan->input.on_host.count || plan->input.on_guest.count || hotkeys_run_commands(plan) ||
	       plan->hook_before.count || plan->hook_started.count || plan->hook_stopped.count;
}

// A bounding set can be left only with CAP_SETPCAP, so it goes before the rest.
static int narrow_bounding_set(const struct plan *plan)
{
	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (!is_needed(plan, cap) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

int rights_keep_for(const struct plan *plan, struct err *err)
{
	int r = 0;

	// a QEMU that is to be root, because somebody wrote so, is not narrowed behind his back
	if (geteuid() == 0 && !plan->user.change)
		return 0;
	if (capng_get_caps_process() < 0)
		return err_set(err, -EIO, "the capabilities of this process can't be read");
	if (!has_hooks(plan) && capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		r = narrow_bounding_set(plan);
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (!is_needed(plan, cap))
			capng_update(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	}
	if (r == 0 && capng_apply(CAPNG_SELECT_CAPS) < 0)
		r = -EPERM;
	return r < 0 ? err_sys(err, r, "giving up capabilities") : 0;
}

int rights_drop_all(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	capng_apply(CAPNG_SELECT_CAPS); // the bounding set needs a capability that a user has not
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
