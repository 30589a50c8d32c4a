// SPDX-License-Identifier: MIT
// Owns finding the QEMU binary and what is known about it: out of the cache, or asked and then
// kept. Refuses a cache that somebody else could have written.
#pragma once

#include <sys/types.h>

struct err;
struct qemu_caps;
struct system_facts;

struct qemu_question {
	const char *binary;    // an absolute path or a name; NULL: qemu-system-x86_64
	const char *cpu_model; // what accel=auto would give to -cpu under KVM; NULL: not asked
	uid_t uid;	       // whom QEMU would run as, where we are root; -1: as we are
	gid_t gid;
	const char *cache_dir; // made where it is missing; NULL: nothing is kept
};

// The binary's absolute path. Names are looked for in PATH; by root in the system's directories
// alone. NULL with a message where there is none. The caller frees.
char *qemu_find(const char *binary, const struct system_facts *system, struct err *err);

// What this QEMU can do, KVM with question->cpu_model included. It is asked again where the binary
// (path, inode, size, times), its directory of modules, the kernel, a parameter of KVM, /dev/kvm or
// the user has changed, and a no-accel word after ten minutes: what kept KVM away may have gone. A
// script is never kept: what it starts may change behind it. A cache that can't be read or written
// is no failure. `caps` must be zeroed. Returns 0, or -errno with a message that names the remedy;
// caps->known is then false.
int qemu_facts_read(const struct qemu_question *question, const struct system_facts *system,
		    struct qemu_caps *caps, struct err *err);
