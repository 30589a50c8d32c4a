// SPDX-License-Identifier: MIT
#include "launcher/facts/facts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "launcher/facts/devices.h"
#include "launcher/facts/files.h"
#include "launcher/facts/firmware.h"
#include "launcher/facts/openings.h"
#include "launcher/facts/qemu.h"
#include "launcher/guest/paths.h"
#include "launcher/guest/state.h"
#include "launcher/plan/plan.h"
#include "tune/host/root.h"

#include <cap-ng.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>

static void account_set(struct account *account, const struct passwd *entry)
{
	if (!entry)
		return;
	mem_set(&account->name, entry->pw_name);
	account->uid = entry->pw_uid;
	account->gid = entry->pw_gid;
	account->found = true;
}

// sudo and pkexec tell who called them; only root's own caller is asked.
static void read_login(struct account *login)
{
	static const char *const variables[] = { "SUDO_UID", "PKEXEC_UID" };

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *value = getenv(variables[i]);
		uint64_t uid;

		if (value && str_parse_u64(value, &uid) && uid != 0) {
			account_set(login, getpwuid((uid_t)uid));
			return;
		}
	}
}

static void read_viewer(const struct profile *profile, struct facts *facts)
{
	const char *owner = profile->lookingglass.owner;

	if (owner)
		account_set(&facts->viewer, getpwnam(owner));
	else if (facts->root)
		read_login(&facts->viewer);
	if (!owner && !facts->viewer.found)
		facts->viewer = (struct account){ mem_dup(facts->self.name), facts->self.uid, facts->self.gid,
						  true };
}

static void read_accounts(const struct profile *profile, struct facts *facts)
{
	account_set(&facts->self, getpwuid(geteuid()));
	if (!facts->self.found)
		facts->self = (struct account){ mem_printf("%u", geteuid()), geteuid(), getegid(), true };
	// a name that is not in the files costs a query of a daemon: ask for what can matter
	if (profile->vm.user) {
		account_set(&facts->named, getpwnam(profile->vm.user));
	} else if (facts->root) {
		read_login(&facts->login);
		account_set(&facts->vfiorun, getpwnam("vfiorun"));
		if (!facts->vfiorun.found)
			account_set(&facts->nobody, getpwnam("nobody"));
	}
	read_viewer(profile, facts);
}

static void read_rights(struct facts *facts)
{
	struct rlimit limit;

	facts->root = geteuid() == 0;
	if (capng_get_caps_process() == 0) {
		facts->can_nice = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_NICE);
		facts->can_net = capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
	}
	if (getrlimit(RLIMIT_RTPRIO, &limit) == 0 && limit.rlim_cur > 0)
		facts->can_nice = true;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
		facts->memlock_hard = limit.rlim_max == RLIM_INFINITY ? UINT64_MAX : limit.rlim_max;
}

// What a window or a sound server needs to be found.
static void copy_environment(const char *const *names, struct strv *to)
{
	for (; *names; names++) {
		const char *value = getenv(*names);

		if (value && *value)
			strv_addf(to, "%s=%s", *names, value);
	}
}

static void read_environment(struct facts *facts)
{
	static const char *const display[] = { "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
					       "XDG_RUNTIME_DIR", "XDG_SESSION_TYPE", "PULSE_SERVER",
					       "PIPEWIRE_REMOTE", "LANG", NULL };
	static const char *const home[] = { "HOME", "USER", "LOGNAME", NULL };

	copy_environment(display, &facts->environment);
	copy_environment(home, &facts->home_environment);
}

static void add_pins(const struct state *state, struct cpuset *others)
{
	for (size_t i = 0; state->plan && i < state->plan->n_pins; i++) {
		const struct plan_pin *pin = &state->plan->pins[i];

		if (pin->target == PIN_VCPU)
			cpuset_or(others, &pin->cpus);
	}
}

static void add_memory(const struct state *state, const char *name, struct strv *memory)
{
	for (size_t i = 0; state->plan && i < state->plan->shared_files.count; i++)
		strv_addf(memory, "%s is guest %s's", state->plan->shared_files.items[i], name);
}

// What its partition is about to take from everybody: the kernel does not show that yet.
static void promise_cpus(const struct state *state, struct facts *facts)
{
	const struct plan *plan = state->plan;
	struct cpuset taken = { 0 };

	if (!plan || !plan->isolation.cgroup || state->phase >= PHASE_RUNNING)
		return;
	for (size_t i = 0; i < plan->n_pins; i++) {
		// only a remote partition is the vCPUs' alone
		if (plan->pins[i].target == PIN_VCPU || !facts->cgroup.remote)
			cpuset_or(&taken, &plan->pins[i].cpus);
	}
	cpuset_minus(&facts->cpus.allowed, &taken);
	cpuset_minus(&facts->cgroup.cpus, &taken);
}

// Huge pages that are free, but another guest that starts is about to map.
static void promise_pages(const struct state *state, struct memory_facts *memory)
{
	const struct plan *plan = state->plan;
	struct cpuset nodes = { 0 };
	uint64_t left;
	int count;

	if (!plan || !plan->hugepage || state->phase >= PHASE_RUNNING)
		return;
	if (plan->memory_nodes)
		cpuset_parse_list(&nodes, plan->memory_nodes);
	left = plan->memory_bytes / plan->hugepage;
	count = cpuset_count(&nodes);
	for (size_t i = 0; i < memory->n_pools; i++) {
		struct hugepage_pool *pool = &memory->pools[i];
		uint64_t share = count ? plan->memory_bytes / plan->hugepage / (uint64_t)count + 1 : left;

		if (pool->size != plan->hugepage || (count && !cpuset_has(&nodes, pool->node)))
			continue;
		share = share < left ? share : left;
		share = share < pool->free ? share : pool->free;
		pool->free -= share;
		left -= share;
	}
}

static void read_other_guests(const struct profile *profile, const struct paths *paths,
			      struct facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	guest_list(paths, &names);
	for (size_t i = 0; i < names.count; i++) {
		struct state state;
		enum life life;

		if (str_eq(names.items[i], profile->vm.name))
			continue;
		life = guest_look(paths, names.items[i], &state);
		if (life == LIFE_RUNNING || life == LIFE_ORPHAN)
			add_pins(&state, &facts->others);
		if (life == LIFE_RUNNING) {
			promise_pages(&state, &facts->memory);
			promise_cpus(&state, facts);
		}
		vfio_facts_add_guest(&facts->vfio, names.items[i], &state, life != LIFE_DEAD);
		if (life != LIFE_NONE)
			add_memory(&state, names.items[i], &facts->others_memory);
		state_finish(&state);
	}
}

static bool is_gpu(const struct facts *facts, const char *title)
{
	size_t found = 0;

	return pci_facts_match(&facts->pci, title, &found, 1) == 1 && facts->pci.items[found].class >> 16 == 0x03;
}

// The guest then draws on it, and not on the desktop.
static bool passes_gpu(const struct profile *profile, const struct facts *facts)
{
	for (size_t i = 0; i < profile->n_pcis; i++) {
		if (is_gpu(facts, profile->pcis[i].title))
			return true;
	}
	return false;
}

const struct account *facts_qemu_user(const struct profile *profile, const struct facts *facts)
{
	bool desktop = facts->environment.count > 0 && profile->display.type == DISPLAY_AUTO &&
		       !passes_gpu(profile, facts);
	bool windowed = profile->display.type > DISPLAY_NONE || desktop ||
			profile_has_section(profile, "lookingglass");

	if (profile->vm.user)
		return facts->named.found ? &facts->named : NULL;
	if (!facts->root)
		return &facts->self;
	if (windowed && facts->login.found)
		return &facts->login;
	if (facts->vfiorun.found)
		return &facts->vfiorun;
	return facts->nobody.found ? &facts->nobody : NULL;
}

static void read_qemu(const struct profile *profile, const struct facts_options *options,
		      struct facts *facts)
{
	const struct account *user = facts_qemu_user(profile, facts);
	const char *model = profile->cpu.model ? profile->cpu.model : "host";
	struct qemu_question question = {
		.binary = profile->vm.qemu,
		.cpu_model = profile->vm.accel == ACCEL_TCG ? NULL : model,
		.uid = facts->root && user ? user->uid : (uid_t)-1,
		.gid = facts->root && user ? user->gid : (gid_t)-1,
		.cache_dir = options->paths->cache_dir,
	};
	struct err err = ERR_NONE;

	if (qemu_facts_read(&question, &facts->system, &facts->qemu, &err) < 0) {
		facts->qemu_error = mem_dup(err.text);
		facts->qemu_hint = *err.hint ? mem_dup(err.hint) : NULL;
	}
}

static unsigned wanted_attributes(const struct profile *profile)
{
	unsigned wanted = 0;

	if (profile->host.governor)
		wanted |= 1u << ATTRIBUTE_GOVERNOR;
	if (profile->host.epp)
		wanted |= 1u << ATTRIBUTE_EPP;
	if (profile->host.min_freq >= 0)
		wanted |= 1u << ATTRIBUTE_MIN_FREQ;
	if (profile->host.boost != TRI_AUTO)
		wanted |= 1u << ATTRIBUTE_BOOST | 1u << ATTRIBUTE_NO_TURBO;
	if (profile->host.halt_poll_ns >= 0)
		wanted |= 1u << ATTRIBUTE_HALT_POLL_NS;
	if (profile->host.ignore_msrs != TRI_AUTO)
		wanted |= 1u << ATTRIBUTE_IGNORE_MSRS;
	if (profile->host.report_ignored_msrs != TRI_AUTO)
		wanted |= 1u << ATTRIBUTE_REPORT_MSRS;
	if (profile->host.latency >= 0)
		wanted |= 1u << ATTRIBUTE_LATENCY;
	return wanted;
}

// Who else sets them is asked only where somebody would.
static void read_daemons(struct root *root, const struct profile *profile, bool everything, struct facts *facts)
{
	const unsigned clocks = 1u << ATTRIBUTE_GOVERNOR | 1u << ATTRIBUTE_EPP | 1u << ATTRIBUTE_MIN_FREQ |
				1u << ATTRIBUTE_BOOST | 1u << ATTRIBUTE_LATENCY;

	if (everything || wanted_attributes(profile) & clocks || facts->cgroup.v2 ||
	    (profile->cpu.isolate != ISOLATE_NONE && !cpuset_is_empty(&facts->cpus.isolated)))
		daemon_facts_read(root, &facts->daemons);
}

static void read_devices(struct root *root, const struct profile *profile, bool everything, struct facts *facts)
{
	AUTO_STRV struct strv titles = { 0 }, units = { 0 };
	bool passes = profile->n_pcis || profile->n_mdevs;

	if (profile->n_usbs && !passes && !everything)
		usb_facts_read(root, &facts->usb);
	if (!passes && !everything)
		return;
	for (size_t i = 0; i < profile->n_pcis; i++)
		strv_add(&titles, profile->pcis[i].title);
	strv_copy(&units, &profile->host.stop);
	if (profile->host.display_manager)
		strv_add(&units, profile->host.display_manager);
	devices_read(root, everything ? NULL : &titles, root->live, facts);
	if (everything)
		iommu_facts_read_more(root, facts->system.kernel, facts->system.cmdline, &facts->iommu);
	mdev_facts_read(root, &facts->mdevs);
	desktop_facts_read(root, &units, &facts->desktop);
	vfio_facts_read(root, &facts->vfio);
}

static void read_cgroups(struct root *root, const struct profile *profile, bool everything, struct facts *facts)
{
	if ((profile->cpu.isolate == ISOLATE_NONE || profile->cpu.pin.mode == CPUS_NONE) && !everything)
		return;
	cgroup_facts_read(root, profile->vm.name, facts->system.kernel, !cpuset_is_empty(&facts->cpus.isolated),
			  &facts->cgroup);
	// what an earlier run of this guest still holds comes back before it starts anew, or is its own if it runs
	cpuset_or(&facts->cpus.allowed, &facts->cgroup.own);
	cpuset_and(&facts->cpus.allowed, &facts->cpus.online);
}

// A captured machine is planned for as its root would.
static void suppose(struct root *root, struct facts *facts)
{
	facts->root = facts->can_nice = facts->can_net = facts->can_vhost = true;
	if (!root_exists(root, "usr/share"))
		firmware_suppose(&facts->firmwares);
}

int facts_read(struct root *root, const struct profile *profile, const struct facts_options *options,
	       struct facts *facts, struct err *err)
{
	const char *name = profile->vm.name;
	int r;

	*facts = (struct facts){ .live = root->live, .memlock_hard = UINT64_MAX };
	r = cpu_facts_read(root, &facts->cpus, err);
	if (r < 0)
		return r;
	memory_facts_read(root, &facts->memory);
	system_facts_read(root, &facts->system);
	read_devices(root, profile, options->everything, facts);
	if (firmware_type_of(profile) <= FIRMWARE_OVMF_SECUREBOOT || options->everything)
		firmware_read(root, options->paths->firmware_dir, &facts->firmwares);
	attribute_facts_read(root, wanted_attributes(profile), &facts->cpus.online, &facts->attributes);
	if (profile_has_section(profile, "input") || options->everything)
		input_facts_read(root, &facts->input);
	read_cgroups(root, profile, options->everything, facts);
	read_daemons(root, profile, options->everything, facts);
	facts->run_dir = mem_printf("%s/%s", options->paths->run_base, name);
	facts->state_dir = mem_printf("%s/%s", options->paths->state_base, name);
	facts->log_dir = mem_dup(options->paths->log_dir);
	if (!root->live) {
		suppose(root, facts);
		return 0;
	}
	read_rights(facts);
	if ((profile_has_section(profile, "input") || options->everything) && access("/dev/uinput", R_OK | W_OK) < 0)
		facts->uinput_error = errno;
	if (options->everything)
		openings_read(options->paths, facts);
	read_accounts(profile, facts);
	read_environment(facts);
	read_other_guests(profile, options->paths, facts);
	read_qemu(profile, options, facts);
	return files_read(root, profile, facts_qemu_user(profile, facts), facts, err);
}

static void account_finish(struct account *account)
{
	free(account->name);
}

void facts_finish(struct facts *facts)
{
	cpu_facts_finish(&facts->cpus);
	cgroup_facts_finish(&facts->cgroup);
	memory_facts_finish(&facts->memory);
	system_facts_finish(&facts->system);
	qemu_caps_finish(&facts->qemu);
	firmware_list_finish(&facts->firmwares);
	files_finish(facts);
	free(facts->qemu_error);
	free(facts->qemu_hint);
	free(facts->run_dir);
	free(facts->state_dir);
	free(facts->log_dir);
	account_finish(&facts->self);
	account_finish(&facts->login);
	account_finish(&facts->vfiorun);
	account_finish(&facts->nobody);
	account_finish(&facts->named);
	account_finish(&facts->viewer);
	strv_finish(&facts->others_memory);
	strv_finish(&facts->environment);
	strv_finish(&facts->home_environment);
	input_facts_finish(&facts->input);
	attribute_facts_finish(&facts->attributes);
	devices_finish(facts);
	mdev_facts_finish(&facts->mdevs);
	desktop_facts_finish(&facts->desktop);
	vfio_facts_finish(&facts->vfio);
	openings_finish(&facts->openings);
	*facts = (struct facts){ 0 };
}
