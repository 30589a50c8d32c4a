// SPDX-License-Identifier: MIT
// Owns asking a QEMU binary what it can do: starts it with -machine none and with -accel kvm,
// speaks QMP over a socketpair, ends it. Refuses to hang: every step has a deadline.
#pragma once

#include "qmp/caps.h"

#include <sys/types.h>

struct err;

struct qemu_probe {
	const char *path;      // the binary, absolute
	const char *cpu_model; // the -cpu that accel=auto plans for KVM; only qemu_probe_kvm needs it
	int patience_ms;       // how long one start may take to say all; 0: 30 s
	uid_t uid;	       // run as these where we are root and they are not; -1: as we are
	gid_t gid;
};

// Everything about the binary, all words but those about KVM. A device type that makes QEMU abort
// when it is asked for (its module is missing or of another build) gets no word. Returns 0 or
// -errno with a message that has the last line of the binary's stderr: -EPROTO where it ended or is
// no QEMU for x86_64, -ETIMEDOUT, or why it can't be executed. `caps` must be zeroed; on failure it
// still is.
int qemu_probe_binary(const struct qemu_probe *probe, struct qemu_caps *caps, struct err *err);

// Adds accel/kvm/MODEL with kvm/hv-…, or no-accel/kvm/MODEL/REASON, to what qemu_probe_binary
// found. A QEMU that can't be started, ends, hangs or can't open /dev/kvm is such a REASON. Started
// by root the probed user gets a /dev/kvm (probe/kvm_node.h).
void qemu_probe_kvm(const struct qemu_probe *probe, struct qemu_caps *caps);
