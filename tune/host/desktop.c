// SPDX-License-Identifier: MIT
#include "tune/host/desktop.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/host/root.h"

#include <string.h>

enum { MODULES_MAX = 1 << 20 };

static void read_console(struct root *root, const char *name, struct desktop_facts *facts)
{
	AUTO_FREE char *label_path = mem_printf("sys/class/vtconsole/%s/name", name);
	AUTO_FREE char *bind_path = mem_printf("sys/class/vtconsole/%s/bind", name);
	char label[64] = "";
	int bound = 0;

	root_read(root, label_path, label, sizeof(label));
	if (root_read_int(root, bind_path, &bound) < 0)
		return;
	*MEM_PUSH(facts->consoles, facts->n_consoles) = (struct desktop_console){
		.path = mem_printf("/sys/class/vtconsole/%s", name),
		.bound = bound != 0,
		.framebuffer = strstr(label, "frame buffer") != NULL,
	};
}

static void read_consoles(struct root *root, struct desktop_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	root_list(root, "sys/class/vtconsole", &names);
	for (size_t i = 0; i < names.count; i++)
		read_console(root, names.items[i], facts);
}

static void read_framebuffers(struct root *root, struct desktop_facts *facts)
{
	static const char *const names[] = { "efi-framebuffer.0", "simple-framebuffer.0", "vesa-framebuffer.0" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *driver = mem_printf("sys/bus/platform/devices/%s/driver", names[i]);
		char target[256];

		if (root_readlink(root, driver, target, sizeof(target)) > 0)
			strv_addf(&facts->framebuffers, "/sys/bus/platform/devices/%s", names[i]);
	}
}

static void read_modules(struct root *root, struct desktop_facts *facts)
{
	AUTO_STR struct str text = { 0 };
	char *save = NULL;

	if (root_read_all(root, "proc/modules", &text, MODULES_MAX) < 0 || !text.len)
		return;
	for (char *line = strtok_r(text.text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, " ")] = '\0';
		strv_add(&facts->modules, line);
	}
}

// The link that a distribution's display manager makes when it is enabled.
static void read_display_manager(struct root *root, struct desktop_facts *facts)
{
	char target[256];
	const char *slash;

	if (root_readlink(root, "etc/systemd/system/display-manager.service", target, sizeof(target)) <= 0)
		return;
	slash = strrchr(target, '/');
	if (strcmp(slash ? slash + 1 : target, "null") != 0)
		mem_set(&facts->display_manager, slash ? slash + 1 : target);
}

// A unit with processes has a control group; where the hierarchy is depends on the version of cgroups.
static bool is_active(struct root *root, const char *unit)
{
	static const char *const trees[] = { "sys/fs/cgroup", "sys/fs/cgroup/unified", "sys/fs/cgroup/systemd" };

	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		AUTO_FREE char *path = mem_printf("%s/system.slice/%s", trees[i], unit);

		if (root_exists(root, path))
			return true;
	}
	return false;
}

// sd_booted(3); a captured tree may have no /run.
static bool is_systemd(struct root *root)
{
	char first[64] = "";

	root_read(root, "proc/1/comm", first, sizeof(first));
	return root_exists(root, "run/systemd/system") || strcmp(first, "systemd") == 0;
}

void desktop_facts_read(struct root *root, const struct strv *units, struct desktop_facts *facts)
{
	*facts = (struct desktop_facts){ 0 };
	read_consoles(root, facts);
	read_framebuffers(root, facts);
	read_modules(root, facts);
	read_display_manager(root, facts);
	facts->systemd = is_systemd(root);
	for (size_t i = 0; i < units->count; i++) {
		if (is_active(root, units->items[i]))
			strv_add(&facts->active, units->items[i]);
	}
	if (facts->display_manager && is_active(root, facts->display_manager))
		strv_add(&facts->active, facts->display_manager);
}

void desktop_facts_finish(struct desktop_facts *facts)
{
	for (size_t i = 0; i < facts->n_consoles; i++)
		free(facts->consoles[i].path);
	free(facts->consoles);
	strv_finish(&facts->framebuffers);
	strv_finish(&facts->modules);
	free(facts->display_manager);
	strv_finish(&facts->active);
	*facts = (struct desktop_facts){ 0 };
}
