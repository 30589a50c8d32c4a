// SPDX-License-Identifier: MIT
// The choice of devices as a whole, and the words for them.
#include "launcher/plan/device/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/place.h"

enum {
	CLASS_DISPLAY = 0x03, // base class: VGA, XGA, 3D and other display controllers
	CLASS_USB = 0x0c03,   // base class and subclass
};

bool device_is_gpu(const struct pci_device *device)
{
	return device->class >> 16 == CLASS_DISPLAY;
}

bool device_is_usb_controller(const struct pci_device *device)
{
	return device->class >> 8 == CLASS_USB;
}

char *device_short_text(const struct pci_device *device)
{
	AUTO_FREE char *name = pci_device_name(device);

	return mem_printf("%s (%s)", device->address, name);
}

// Each process once, whatever it has open of the device. They come by pid.
static void add_users(const struct pci_detail *detail, struct str *out)
{
	enum { SHOWN = 4 };
	size_t n = 0;

	for (size_t i = 0; i < detail->n_users; i++) {
		if (i && detail->users[i].pid == detail->users[i - 1].pid)
			continue;
		if (n++ < SHOWN)
			str_addf(out, "%s%s (pid %d)", n > 1 ? ", " : "; open in ", detail->users[i].name,
				 (int)detail->users[i].pid);
	}
	if (n > SHOWN)
		str_addf(out, " and %zu more", n - SHOWN);
}

char *device_text(const struct pci_device *device)
{
	AUTO_FREE char *name = pci_device_name(device), *class = pci_class_name(device);
	struct str out = { 0 };

	str_addf(&out, "%s (%s, %s; ", device->address, class, name);
	str_addf(&out, device->driver ? "driver %s" : "no driver", device->driver);
	add_users(&device->detail, &out);
	str_addc(&out, ')');
	return str_take(&out);
}

const struct choice *choosing_find(const struct choosing *c, const struct pci_device *device)
{
	for (size_t i = 0; i < c->n_choices; i++) {
		if (c->choices[i].device == device)
			return &c->choices[i];
	}
	return NULL;
}

bool choosing_passes(const struct choosing *c, const struct pci_device *device)
{
	const struct choice *choice = choosing_find(c, device);

	return choice && !choice->held;
}

struct choice *choosing_add(struct choosing *c, const struct pci_device *device,
			    const struct profile_pci *section)
{
	struct choice *choice = MEM_PUSH(c->choices, c->n_choices);

	*choice = (struct choice){ .device = device, .section = section };
	return choice;
}

struct diag *choosing_report(struct choosing *c, enum diag_level level, const char *code,
			     const struct profile_pci *section, const char *fmt, ...)
{
	struct diags *diags = level == DIAG_WARNING ? &c->plan->warnings : c->diags;
	AUTO_STR struct str text = { 0 };
	struct place place;
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	place = profile_where(c->profile, "pci", section->title, "");
	return diag_add(diags, level, code, place, "%s", str_text(&text));
}

static char *why_of(const struct choice *choice)
{
	if (choice->named)
		return mem_dup("named in the profile");
	if (choice->held)
		return mem_printf("in IOMMU group %d with what is passed: no driver may take it meanwhile",
				  choice->device->group);
	return mem_printf("in IOMMU group %d, which [pci \"%s\"] takes whole", choice->device->group,
			  choice->section->title);
}

static void add_device(struct choosing *c, const struct choice *choice)
{
	const struct pci_device *device = choice->device;
	struct plan_device *out = MEM_PUSH(c->plan->devices, c->plan->n_devices);

	*out = (struct plan_device){
		.address = mem_dup(device->address),
		.passed = !choice->held,
		.named = choice->named,
		.iommufd = !choice->held && choice->section->iommufd == TRI_YES,
		.index = (size_t)(choice->section - c->profile->pcis),
		.name = pci_device_name(device),
		.class_name = pci_class_name(device),
		.group = device->group,
		.node = device->detail.known ? device->detail.node : -1,
		.driver = mem_dup(device->driver),
		.why = why_of(choice),
	};
	strv_copy(&out->resets, &device->detail.resets);
}

void plan_devices(const struct profile *profile, const struct facts *facts, const struct plan_options *options,
		  struct plan *plan, struct diags *diags)
{
	struct choosing c = {
		.profile = profile, .facts = facts, .options = options, .plan = plan, .diags = diags
	};

	if (!profile->n_pcis && !profile->n_mdevs)
		return;
	choosing_check_host(&c);
	choosing_resolve(&c);
	choosing_close_groups(&c);
	choosing_refuse(&c);
	choosing_warn(&c);
	for (size_t i = 0; i < c.n_choices; i++)
		add_device(&c, &c.choices[i]);
	choosing_add_mdevs(&c);
	choosing_check_rights(&c);
	free(c.choices);
}

const struct pci_device *plan_passed_gpu(const struct facts *facts, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_devices; i++) {
		const struct plan_device *device = &plan->devices[i];
		const struct pci_device *fact =
			device->passed && !device->mdev ? pci_facts_find(&facts->pci, device->address) : NULL;

		if (fact && device_is_gpu(fact))
			return fact;
	}
	return NULL;
}

bool plan_device_node(const struct facts *facts, const struct plan *plan, struct place_near *near)
{
	const struct pci_device *gpu = plan_passed_gpu(facts, plan);

	*near = (struct place_near){ .node = -1 };
	if (gpu && gpu->detail.known)
		*near = (struct place_near){ gpu->detail.node, gpu->address };
	for (size_t i = 0; i < plan->n_devices && near->node < 0; i++) {
		if (plan->devices[i].passed)
			*near = (struct place_near){ plan->devices[i].node, plan->devices[i].address };
	}
	return near->node >= 0;
}
