// SPDX-License-Identifier: MIT
#include "tune/host/system.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/root.h"

#include <stdio.h>
#include <string.h>

enum { OS_RELEASE_MAX = 64 << 10, CMDLINE_SIZE = 8 << 10, VALUE_SIZE = 256 };

static void read_kernel(struct root *root, struct system_facts *facts)
{
	char version[256];

	if (root_read(root, "proc/sys/kernel/osrelease", facts->kernel, sizeof(facts->kernel)) > 0)
		return;
	facts->kernel[0] = '\0';
	if (root_read_head(root, "proc/version", version, sizeof(version)) > 0)
		sscanf(version, "Linux version %127s", facts->kernel);
}

// os-release is a shell fragment, of which only plain and quoted words are used for these keys.
static void copy_value(const char *value, char *out, size_t size)
{
	AUTO_FREE char *copy = mem_dup(value);
	char *text = str_strip(copy);
	size_t n = strlen(text);

	if (n >= 2 && (*text == '"' || *text == '\'') && text[n - 1] == *text) {
		text[n - 1] = '\0';
		text++;
	}
	snprintf(out, size, "%s", text);
}

static void read_distro(struct root *root, struct system_facts *facts)
{
	AUTO_STR struct str text = { 0 };
	AUTO_STRV struct strv lines = { 0 };

	if (root_read_all(root, "etc/os-release", &text, OS_RELEASE_MAX) < 0 &&
	    root_read_all(root, "usr/lib/os-release", &text, OS_RELEASE_MAX) < 0)
		return;
	strv_split(&lines, str_text(&text), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		if (str_starts(lines.items[i], "ID="))
			copy_value(lines.items[i] + 3, facts->distro, sizeof(facts->distro));
		else if (str_starts(lines.items[i], "ID_LIKE="))
			copy_value(lines.items[i] + 8, facts->family, sizeof(facts->family));
	}
}

// What a guest's [host] section sets comes and goes with guests. halt_poll_ns says nothing of what KVM can do;
// ignore_msrs can decide whether a CPU model starts, which QEMU then says itself.
static bool is_set_by_guests(const char *name)
{
	return strcmp(name, "halt_poll_ns") == 0 || strcmp(name, "ignore_msrs") == 0 ||
	       strcmp(name, "report_ignored_msrs") == 0;
}

static void add_params(struct root *root, const char *module, struct str *out)
{
	AUTO_FREE char *dir = mem_printf("sys/module/%s/parameters", module);
	AUTO_STRV struct strv names = { 0 };

	root_list(root, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", dir, names.items[i]);
		char value[VALUE_SIZE];

		if (is_set_by_guests(names.items[i]) || root_read(root, path, value, sizeof(value)) < 0)
			continue;
		str_addf(out, "%s.%s=", module, names.items[i]);
		str_add_escaped(out, value);
		str_addc(out, '\n');
	}
}

// sched_ext: Linux Documentation/scheduler/sched-ext.rst (6.12). MuQSS, and BMQ and PDS of Project C, are
// patches, known by sysctls of their own (kernel/sched/MuQSS.c; kernel/sched/alt_core.c).
static void read_scheduler(struct root *root, struct system_facts *facts)
{
	char state[32], name[64] = "";

	if (root_read(root, "sys/kernel/sched_ext/state", state, sizeof(state)) > 0 &&
	    strcmp(state, "enabled") == 0) {
		if (root_read(root, "sys/kernel/sched_ext/root/ops", name, sizeof(name)) <= 0)
			snprintf(name, sizeof(name), "a program unknown");
		snprintf(facts->scheduler, sizeof(facts->scheduler), "sched_ext (%s)", name);
	} else if (root_exists(root, "proc/sys/kernel/yield_type")) {
		bool muqss = root_exists(root, "proc/sys/kernel/interactive");

		snprintf(facts->scheduler, sizeof(facts->scheduler), "%s", muqss ? "MuQSS" : "BMQ or PDS");
	}
}

static void read_kvm(struct root *root, struct system_facts *facts)
{
	static const char *const modules[] = { "kvm", "kvm_amd", "kvm_intel" };
	struct str params = { 0 };

	facts->kvm_present = root_exists(root, "dev/kvm") || root_exists(root, "sys/module/kvm");
	if (root_read_int(root, "proc/sys/kernel/sched_rt_runtime_us", &facts->rt_runtime_us) < 0)
		facts->rt_runtime_us = -2;
	// https://looking-glass.io/docs: kvmfr_main.c, class_create and device_create
	facts->kvmfr = root_exists(root, "sys/class/kvmfr/kvmfr0");
	// Without the node nobody runs a guest by KVM, whatever its parameters.
	for (size_t i = 0; i < ARRAY_SIZE(modules) && root_exists(root, "dev/kvm"); i++)
		add_params(root, modules[i], &params);
	facts->kvm_params = str_take(&params);
}

void system_facts_read(struct root *root, struct system_facts *facts)
{
	char cmdline[CMDLINE_SIZE] = "";

	*facts = (struct system_facts){ 0 };
	read_kernel(root, facts);
	if (root_read(root, "proc/sys/kernel/random/boot_id", facts->boot_id,
		      sizeof(facts->boot_id)) < 0)
		facts->boot_id[0] = '\0';
	root_read_head(root, "proc/cmdline", cmdline, sizeof(cmdline));
	facts->cmdline = mem_dup(cmdline);
	read_distro(root, facts);
	read_kvm(root, facts);
	// as systemd itself asks, logind_running(); and the bus, since that directory outlives it
	facts->logind = root_exists(root, "run/systemd/seats") &&
			root_exists(root, "run/dbus/system_bus_socket");
	read_scheduler(root, facts);
	if (root_read(root, "sys/devices/system/clocksource/clocksource0/current_clocksource", facts->clock,
		      sizeof(facts->clock)) < 0)
		facts->clock[0] = '\0';
}

void system_facts_finish(struct system_facts *facts)
{
	free(facts->cmdline);
	free(facts->kvm_params);
	*facts = (struct system_facts){ 0 };
}

const char *system_install_command(const struct system_facts *facts)
{
	static const struct {
		const char *distro, *command;
	} rows[] = {
		{ "debian", "apt install" },  { "ubuntu", "apt install" },
		{ "arch", "pacman -S" },      { "fedora", "dnf install" },
		{ "rhel", "dnf install" },    { "suse", "zypper install" },
		{ "opensuse", "zypper install" }, { "gentoo", "emerge" },
		{ "alpine", "apk add" },
	};
	AUTO_STRV struct strv names = { 0 };

	strv_add(&names, facts->distro);
	strv_split(&names, facts->family, " ");
	for (size_t i = 0; i < names.count; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(rows); j++) {
			if (str_eq(names.items[i], rows[j].distro))
				return rows[j].command;
		}
	}
	return NULL;
}
