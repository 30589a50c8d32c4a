// SPDX-License-Identifier: MIT
// Owns facts about the running system as a whole: kernel, distribution, boot id, KVM's parameters.
// Refuses to decide anything.
#pragma once

#include <stdbool.h>

struct root;

struct system_facts {
	char kernel[128];  // release, "" unknown
	char boot_id[40];  // "" unknown
	char *cmdline;	   // the kernel line, never NULL
	char distro[32];   // ID of os-release(5): "debian", "arch", "fedora", "" unknown
	char family[64];   // its ID_LIKE: "debian", "rhel fedora", "" none
	bool kvmfr;	   // Looking Glass' module is loaded and has its first device
	char scheduler[96]; // what schedules in place of the kernel's own: "sched_ext (lavd)"; "" nothing known
	char clock[32];	   // what the kernel tells the time by: "tsc"; "" unknown
	int rt_runtime_us; // of each second, what real-time threads may have of a CPU; -1 all, -2 unknown
	bool kvm_present;  // /dev/kvm or the kvm module is there
	bool logind;	   // systemd-logind or elogind can be asked
	char *kvm_params;  // "kvm_amd.nested=1", sorted, one a line, without what guests set; never NULL
};

// What cannot be read stays unknown.
void system_facts_read(struct root *root, struct system_facts *facts);
void system_facts_finish(struct system_facts *facts);

// The distribution's command that installs packages, for messages: "apt install". NULL: unknown.
const char *system_install_command(const struct system_facts *facts);
