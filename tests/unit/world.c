// SPDX-License-Identifier: MIT
#include "tests/unit/world.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void read_user(struct pci_detail *detail, char *value)
{
	struct pci_user *user = MEM_PUSH(detail->users, detail->n_users);
	char *colon = strchr(value, ':');

	assert_non_null(colon);
	*colon = '\0';
	strncpy(user->name, value, sizeof(user->name) - 1);
	user->pid = atoi(colon + 1);
	user->path = mem_dup("/dev/node");
}

static void read_use(struct pci_detail *detail, char *value)
{
	for (char *c = value; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	strv_add(&detail->uses, value);
}

static void read_flag(struct pci_device *device, const char *word)
{
	if (str_eq(word, "boot_vga"))
		device->detail.boot_vga = true;
	else if (str_eq(word, "stuck"))
		device->detail.stuck = true;
	else if (str_eq(word, "dead"))
		device->dead = true;
	else if (str_eq(word, "bridge"))
		device->is_bridge = true;
	else
		fail_msg("no such word: %s", word);
}

static void read_value(struct pci_facts *pci, struct pci_device *device, const char *key, char *value)
{
	struct pci_detail *detail = &device->detail;
	const struct pci_device *parent;

	if (str_eq(key, "group")) {
		device->group = atoi(value);
	} else if (str_eq(key, "driver")) {
		device->driver = mem_dup(value);
	} else if (str_eq(key, "override")) {
		detail->override = mem_dup(value);
	} else if (str_eq(key, "physical")) {
		detail->physical = mem_dup(value);
	} else if (str_eq(key, "node")) {
		detail->node = atoi(value);
	} else if (str_eq(key, "vfs")) {
		detail->vfs = atoi(value);
	} else if (str_eq(key, "use")) {
		read_use(detail, value);
	} else if (str_eq(key, "user")) {
		read_user(detail, value);
	} else if (str_eq(key, "reset")) {
		strv_finish(&detail->resets);
		strv_split(&detail->resets, value, ",");
	} else if (str_eq(key, "parent")) {
		parent = pci_facts_find(pci, value);
		assert_non_null(parent);
		device->parent = (int)(parent - pci->items);
	} else if (str_eq(key, "bar1")) {
		assert_int_equal(sscanf(value, "%lx-%lx", &detail->bars[1].start, &detail->bars[1].end), 2);
	} else if (str_eq(key, "sizes1")) {
		assert_true(str_parse_hex(value, &detail->bars[1].sizes));
	} else {
		fail_msg("no such word: %s", key);
	}
}

static void read_device(struct pci_facts *pci, const char *line)
{
	AUTO_STRV struct strv words = { 0 };
	struct pci_device device = { .group = -1, .parent = -1, .detail = { .known = true } };

	strv_split(&words, line, " \t");
	assert_true(words.count >= 3);
	strncpy(device.address, words.items[0], sizeof(device.address) - 1);
	assert_int_equal(sscanf(device.address, "%x:%hhx:%hhx.%hhx", &device.domain, &device.bus, &device.slot,
				&device.function),
			 4);
	assert_int_equal(sscanf(words.items[1], "%x", &device.class), 1);
	assert_int_equal(sscanf(words.items[2], "%hx:%hx", &device.vendor, &device.device), 2);
	device.detail.modalias = mem_dup("pci:");
	strv_add(&device.detail.resets, "flr");
	for (size_t i = 3; i < words.count; i++) {
		char *equals = strchr(words.items[i], '=');

		if (!equals) {
			read_flag(&device, words.items[i]);
			continue;
		}
		*equals = '\0';
		read_value(pci, &device, words.items[i], equals + 1);
	}
	*MEM_PUSH(pci->items, pci->count) = device;
}

void world_make(struct world *world, const char *devices)
{
	AUTO_STRV struct strv lines = { 0 };
	struct facts *facts = &world->facts;

	*world = (struct world){ 0 };
	facts->live = facts->root = true;
	facts->memlock_hard = UINT64_MAX;
	facts->self = (struct account){ mem_dup("joe"), 1000, 1000, true };
	facts->iommu.enabled = facts->iommu.vfio_available = FACT_YES;
	facts->iommu.vfio_loaded = FACT_YES;
	facts->pci.known = facts->pci.iommu = true;
	facts->desktop.systemd = true;
	strv_split(&lines, devices, "\n");
	for (size_t i = 0; i < lines.count; i++)
		read_device(&facts->pci, lines.items[i]);
}

static void forget_plan(struct world *world)
{
	plan_finish(&world->plan);
	diags_finish(&world->diags);
	profile_finish(&world->profile);
}

void world_finish(struct world *world)
{
	struct facts *facts = &world->facts;

	forget_plan(world);
	free(facts->self.name);
	free(facts->system.cmdline);
	free(facts->iommu.framebuffers);
	pci_facts_finish(&facts->pci);
	usb_facts_finish(&facts->usb);
	input_facts_finish(&facts->input);
	mdev_facts_finish(&facts->mdevs);
	desktop_facts_finish(&facts->desktop);
	vfio_facts_finish(&facts->vfio);
	qemu_caps_finish(&facts->qemu);
}

void world_plan(struct world *world, const char *profile)
{
	AUTO_FREE char *text = mem_printf("[vm]\nname = x\nmemory = 4G\n%s", profile);
	struct diags mistakes = { 0 };

	forget_plan(world);
	profile_parse(&world->profile, "/p/x.conf", text, &mistakes);
	if (mistakes.count)
		fail_msg("%s", mistakes.items[0].text);
	diags_finish(&mistakes);
	world->plan = (struct plan){ 0 };
	world->plan.user.name = mem_dup("joe");
	world->plan.user.uid = world->plan.user.gid = 1000;
	world->plan.user.change = world->facts.root;
	plan_devices(&world->profile, &world->facts, &world->options, &world->plan, &world->diags);
	plan_add_device_changes(&world->profile, &world->facts, &world->plan, &world->diags);
}

static void print_diags(const struct diags *diags, struct str *out)
{
	for (size_t i = 0; i < diags->count; i++)
		str_addf(out, "%s %s\n", diags->items[i].level == DIAG_WARNING ? "warning" : "error",
			 diags->items[i].code);
}

static void print_world(const struct world *world, struct str *out)
{
	const struct plan *plan = &world->plan;

	for (size_t i = 0; i < plan->n_devices; i++)
		str_addf(out, "%s %s\n", plan->devices[i].passed ? "pass" : "hold", plan->devices[i].address);
	for (size_t i = 0; i < plan->changes.count; i++) {
		const struct change *change = &plan->changes.items[i];
		const char *slash = strrchr(change->path, '/');

		assert_non_null(change->why);
		str_addf(out, "%s %s: %s -> %s\n", change->kind, slash ? slash + 1 : change->path,
			 change->was ?: "?", change->want);
	}
	print_diags(&world->diags, out);
	print_diags(&plan->warnings, out);
}

static void print_texts(const struct diags *diags, struct str *out)
{
	for (size_t i = 0; i < diags->count; i++)
		diag_print(&diags->items[i], out);
}

void world_check(struct world *world, const char *profile, const char *expected)
{
	AUTO_STR struct str out = { 0 }, texts = { 0 };

	world_plan(world, profile);
	print_world(world, &out);
	print_texts(&world->diags, &texts);
	print_texts(&world->plan.warnings, &texts);
	if (strcmp(str_text(&out), expected) != 0)
		fail_msg("\n%s\n--- expected\n%s--- got\n%s---\n%s", profile, expected, str_text(&out),
			 str_text(&texts));
	// whatever cannot be had says what to do
	for (size_t i = 0; i < world->diags.count; i++)
		assert_non_null(world->diags.items[i].hint);
}

static const struct diag *find(const struct diags *diags, const char *code)
{
	for (size_t i = 0; i < diags->count; i++) {
		if (str_eq(diags->items[i].code, code))
			return &diags->items[i];
	}
	return NULL;
}

void world_expect(const struct world *world, const char *code, const char *words)
{
	const struct diag *diag = find(&world->diags, code) ?: find(&world->plan.warnings, code);
	AUTO_STRV struct strv list = { 0 };
	AUTO_STR struct str text = { 0 };

	if (!diag)
		fail_msg("nothing says %s", code);
	diag_print(diag, &text);
	strv_split(&list, words, "|");
	for (size_t i = 0; i < list.count; i++) {
		if (!strstr(text.text, list.items[i]))
			fail_msg("%s: \"%s\" is not in:\n%s", code, list.items[i], text.text);
	}
}

void world_add_usb(struct world *world, const char *controller, const char *what)
{
	struct usb_facts *usb = &world->facts.usb;
	struct usb_bus *bus = MEM_PUSH(usb->buses, usb->count);
	struct usb_device *device = MEM_PUSH(bus->devices, bus->n_devices);

	bus->bus = (int)usb->count;
	strncpy(bus->controller, controller, sizeof(bus->controller) - 1);
	device->name = mem_dup("a device");
	device->keyboard = str_eq(what, "keyboard") || str_eq(what, "both");
	device->mouse = str_eq(what, "mouse") || str_eq(what, "both");
	if (!device->keyboard && !device->mouse)
		strv_add(&device->uses, what);
}
