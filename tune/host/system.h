// SPDX-License-Identifier: MIT
// Owns facts about the running system as a whole: kernel, distribution, boot id, KVM's parameters, and
// the values of the attributes that a plan may change. Refuses to decide anything.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct root;

struct system_facts {
	char kernel[128];  // release, "" unknown
	char boot_id[40];  // "" unknown
	char *cmdline;	   // the kernel line, never NULL
	char distro[32];   // ID of os-release: "debian", "arch", "fedora", "" unknown
	bool kvm_present;  // /dev/kvm or the kvm module is there
	char *kvm_params;  // "name=value" of kvm, kvm_intel, kvm_amd, sorted, one a line; never NULL
};

void system_facts_read(struct root *root, struct system_facts *facts);
void system_facts_finish(struct system_facts *facts);

// The distribution's command that installs a package: "apt install ovmf". For messages.
const char *system_install_command(const struct system_facts *facts);
