// SPDX-License-Identifier: MIT
// What is done to the host for the guest's devices, in this order: the desktop lets go of a GPU, vfio-pci is
// there, each device is bound, QEMU's user may open the groups. It is undone in reverse.
#include "launcher/plan/device/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/profile/types.h"
#include "tune/change/names.h"

#include <string.h>

// NVIDIA's own driver lets go of a card only when its modules go: those that use others first.
static const char *const nvidia_modules[] = { "nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia" };

static bool has_pcis(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_devices; i++) {
		if (!plan->devices[i].mdev)
			return true;
	}
	return false;
}

// --- the desktop

static void add_unit(const struct facts *facts, struct plan *plan, const char *unit, const char *why)
{
	if (strv_has(&facts->desktop.active, unit))
		change_add(&plan->changes, "unit", unit, "active", "inactive", "%s", why);
}

// systemd ends the desktop's sessions with all that was started from them.
static void warn_session(const struct profile *profile, const char *unit, struct plan *plan)
{
	diag_hint(diag_add(&plan->warnings, DIAG_WARNING, "ends-desktop",
			   profile_where(profile, "host", NULL, "display_manager"),
			   "%s is stopped, and the desktop with all that was started from it: if that is vfiorun too, "
			   "it is asked to end the guest at once",
			   unit),
		  "start the guest from outside of the desktop: systemctl start vfiorun@%s, or over ssh",
		  profile->vm.name);
}

static void add_display_manager(const struct profile *profile, const struct facts *facts, struct plan *plan,
				struct diags *diags)
{
	bool is_auto = str_eq(profile->host.display_manager, "auto");
	const char *unit = is_auto ? facts->desktop.display_manager : profile->host.display_manager;

	if (unit && strv_has(&facts->desktop.active, unit))
		warn_session(profile, unit, plan);
	if (unit)
		add_unit(facts, plan, unit,
			 "the desktop lets go of the GPU; all that runs on it ends, and it is started again "
			 "afterwards");
	else
		diag_hint(diag_add(diags, DIAG_HOST_ERROR, "no-display-manager",
				   profile_where(profile, "host", NULL, "display_manager"),
				   "display_manager = auto, but this host has no display-manager.service"),
			  "name the unit that starts the desktop: display_manager = gdm.service; for a desktop "
			  "that was started from a console, end it first and leave display_manager out");
}

static void add_units(const struct profile *profile, const struct facts *facts, struct plan *plan,
		      struct diags *diags)
{
	const char *key = profile->host.display_manager ? "display_manager" : "stop";

	if (!profile->host.display_manager && !profile->host.stop.count)
		return;
	if (!facts->desktop.systemd) {
		diag_hint(diag_add(diags, DIAG_HOST_ERROR, "no-systemd",
				   profile_where(profile, "host", NULL, key),
				   "%s names a unit of systemd, which does not run this host", key),
			  "stop it by [hooks] before, and start it by [hooks] stopped");
		return;
	}
	for (size_t i = 0; i < profile->host.stop.count; i++)
		add_unit(facts, plan, profile->host.stop.items[i], "asked for: it is started again afterwards");
	if (profile->host.display_manager)
		add_display_manager(profile, facts, plan, diags);
}

static bool holds_framebuffer(const struct facts *facts, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_devices; i++) {
		const struct pci_device *device =
			plan->devices[i].mdev ? NULL : pci_facts_find(&facts->pci, plan->devices[i].address);

		if (device && plan->devices[i].passed && device_framebuffer(facts, device, NULL))
			return true;
	}
	return false;
}

// A text console on a framebuffer of another card is left alone, unless somebody says that it must go.
static void add_consoles(const struct profile *profile, const struct facts *facts, struct plan *plan)
{
	const struct desktop_facts *desktop = &facts->desktop;
	enum tri asked = profile->host.unbind_console;
	bool all = asked == TRI_YES || (asked == TRI_AUTO && profile->host.display_manager);

	if (asked == TRI_NO)
		return;
	for (size_t i = 0; i < desktop->n_consoles && all; i++) {
		if (desktop->consoles[i].framebuffer && desktop->consoles[i].bound)
			change_add(&plan->changes, "console", desktop->consoles[i].path, "bound", "unbound",
				   "the text console draws on the GPU");
	}
	for (size_t i = 0; i < desktop->framebuffers.count && (all || holds_framebuffer(facts, plan)); i++)
		change_add(&plan->changes, "console", desktop->framebuffers.items[i], "bound", "unbound",
			   "the firmware's framebuffer lies in the GPU's memory");
}

// --- modules

static bool is_passed(const struct plan *plan, const struct pci_device *device)
{
	for (size_t i = 0; i < plan->n_devices; i++) {
		if (str_eq(plan->devices[i].address, device->address))
			return plan->devices[i].passed;
	}
	return false;
}

// All that the driver has goes to the guest, and something does.
static bool is_driver_free(const struct facts *facts, const struct plan *plan, const char *driver)
{
	bool found = false;

	for (size_t i = 0; i < facts->pci.count; i++) {
		const struct pci_device *device = &facts->pci.items[i];

		if (!str_eq(device->driver, driver))
			continue;
		if (!is_passed(plan, device))
			return false;
		found = true;
	}
	return found;
}

static void unload(const struct facts *facts, struct plan *plan, const char *module, const char *why)
{
	if (strv_has(&facts->desktop.modules, module))
		change_add(&plan->changes, "module", module, "loaded", "unloaded", "%s", why);
}

static void add_unloads(const struct profile *profile, const struct facts *facts, struct plan *plan)
{
	const struct modules_request *request = &profile->host.unload;

	for (size_t i = 0; i < request->names.count; i++)
		unload(facts, plan, request->names.items[i], "asked for: it is loaded again afterwards");
	if (request->mode != CPUS_AUTO || !profile->host.display_manager ||
	    !is_driver_free(facts, plan, "nvidia"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(nvidia_modules); i++)
		unload(facts, plan, nvidia_modules[i],
		       "NVIDIA's driver lets go of a GPU only when it is unloaded");
}

// --- devices

static bool is_bound(const struct plan_device *device)
{
	return str_eq(device->driver, "vfio-pci");
}

static void add_vfio(const struct facts *facts, struct plan *plan)
{
	bool needed = false;

	for (size_t i = 0; i < plan->n_devices; i++)
		needed |= plan->devices[i].passed && !plan->devices[i].mdev && !is_bound(&plan->devices[i]);
	if (needed && facts->iommu.vfio_loaded == FACT_NO)
		change_add(&plan->changes, "module", "vfio-pci", "unloaded", "loaded",
			   "the driver that hands a device to a guest");
	else if (needed && facts->vfio.n_others)
		change_add(&plan->changes, "module", "vfio-pci", "loaded", "loaded",
			   "if another guest had it loaded, the last that needs it has it unloaded");
}

// "DRIVER", or "DRIVER override=NAME": what is there now.
static char *binding_now(const struct pci_device *device)
{
	const char *driver = device->driver ?: "none", *override = device->detail.override;

	return override ? mem_printf("%s override=%s", driver, override) : mem_dup(driver);
}

static char *binding_why(const struct plan_device *device, const struct profile_pci *section)
{
	if (!device->passed)
		return mem_dup("it has no driver, and shall get none while the guest has the rest of its group");
	return mem_printf("for the guest%s", section->rebind ? "" : "; it is not given back, as asked");
}

static bool has_size(const struct pci_bar *bar, uint64_t size)
{
	return bar->end && bar->end - bar->start + 1 == size;
}

// Those that are not so already.
static size_t add_sizes(const struct profile_pci *section, const struct pci_device *device, struct plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < section->bar_size.count; i++) {
		const char *text = section->bar_size.items[i];
		AUTO_STR struct str was = { 0 }, want = { 0 };
		AUTO_FREE char *path = NULL;
		const struct pci_bar *bar;
		uint64_t size = 0;
		int number = 0;

		if (!bar_size_parse(text, &number, &size) || has_size(&device->detail.bars[number], size))
			continue;
		bar = &device->detail.bars[number];
		path = change_name_bar(device->address, number);
		str_add_size(&was, bar->end ? bar->end - bar->start + 1 : 0);
		str_add_size(&want, size);
		if (plan)
			change_add(&plan->changes, "resize", path, was.text, want.text,
				   "asked for: the guest sees BAR %d as large as that", number);
		n++;
	}
	return n;
}

// The kernel changes a BAR's size while no driver has the device.
static void add_resize(const struct profile_pci *section, const struct pci_device *device, struct plan *plan)
{
	static const char between[] = "none override=vfio-pci";
	AUTO_FREE char *path = change_name_pci(device->address), *was = binding_now(device);

	if (device->driver || !str_eq(device->detail.override, "vfio-pci"))
		change_add(&plan->changes, "bind", path, was, between, "no driver may have it while a BAR is resized");
	add_sizes(section, device, plan);
	change_add(&plan->changes, "bind", path, between, "vfio-pci override=vfio-pci", "for the guest");
}

static void add_bind(const struct profile *profile, const struct facts *facts, struct plan *plan,
		     const struct plan_device *device)
{
	const struct profile_pci *section = &profile->pcis[device->index];
	const struct pci_device *fact = pci_facts_find(&facts->pci, device->address);
	AUTO_FREE char *path = change_name_pci(device->address), *was = binding_now(fact);
	AUTO_FREE char *why = binding_why(device, section);
	AUTO_FREE char *want = mem_printf("%s override=vfio-pci%s", device->passed ? "vfio-pci" : "none",
					  device->passed && !section->rebind ? " rebind=no" : "");

	if (device->passed && device->named && add_sizes(section, fact, NULL)) {
		add_resize(section, fact, plan);
		return;
	}
	// one that is on vfio-pci already is used as it is, and left like that
	if (device->passed ? !is_bound(device) : !str_eq(fact->detail.override, "vfio-pci"))
		change_add(&plan->changes, "bind", path, was, want, "%s", why);
}

// --- who may open them

static bool is_first_of_group(const struct plan *plan, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		const struct plan_device *other = &plan->devices[i];

		if (other->passed && !other->iommufd && other->group == plan->devices[index].group)
			return false;
	}
	return true;
}

static void add_owner(struct plan *plan, const char *node)
{
	// on a captured machine the user has a name only
	AUTO_FREE char *want =
		plan->user.uid == (uid_t)-1 ?
			mem_printf("uid=%s gid=%s mode=0600", plan->user.name, plan->user.name) :
			mem_printf("uid=%u gid=%u mode=0600", plan->user.uid, plan->user.gid);

	change_add(&plan->changes, "owner", node, NULL, want, "QEMU runs as %s, who must be able to open it",
		   plan->user.name);
}

// Who has a device's own node needs none of its group, which such a kernel may do without (CONFIG_VFIO_GROUP).
static void add_owners(struct plan *plan)
{
	bool iommufd = false;

	for (size_t i = 0; i < plan->n_devices; i++) {
		const struct plan_device *device = &plan->devices[i];
		AUTO_FREE char *node = device->iommufd ? change_name_vfio_node(device->address) :
							 mem_printf("/dev/vfio/%d", device->group);

		iommufd |= device->iommufd;
		if (device->iommufd || (device->passed && device->group >= 0 && is_first_of_group(plan, i)))
			add_owner(plan, node);
	}
	if (iommufd)
		add_owner(plan, "/dev/iommu");
}

void plan_add_device_changes(const struct profile *profile, const struct facts *facts, struct plan *plan,
			     struct diags *diags)
{
	// without root nothing of the host can be changed: choosing_check_rights looked whether that is needed
	if (!plan->n_devices || !facts->root)
		return;
	if (has_pcis(plan)) {
		add_units(profile, facts, plan, diags);
		add_consoles(profile, facts, plan);
		add_unloads(profile, facts, plan);
		add_vfio(facts, plan);
		for (size_t i = 0; i < plan->n_devices; i++) {
			if (!plan->devices[i].mdev)
				add_bind(profile, facts, plan, &plan->devices[i]);
		}
	}
	if (plan->user.change)
		add_owners(plan);
}
