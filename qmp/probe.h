// SPDX-License-Identifier: MIT
// Owns asking a QEMU binary what it can do: starts it with -machine none and with -accel kvm, speaks
// QMP over a socketpair, ends it. Refuses to hang: every step has a deadline.
#pragma once

#include "qmp/caps.h"

#include <sys/types.h>

struct err;

struct qemu_probe {
	const char *path;      // the binary, absolute
	const char *cpu_model; // the -cpu that accel=auto plans for KVM ("host"); NULL: KVM is not tried
	uid_t uid;	       // run as these where we are root and they are not; -1: as we are
	gid_t gid;
};

// Everything about the binary. Returns 0 or -errno with a message (its last line of stderr included).
int qemu_probe_binary(const struct qemu_probe *probe, struct qemu_caps *caps, struct err *err);

// Adds accel/kvm/MODEL with kvm/hv-…, or no-accel/kvm/MODEL/REASON, to caps.
int qemu_probe_kvm(const struct qemu_probe *probe, struct qemu_caps *caps, struct err *err);
