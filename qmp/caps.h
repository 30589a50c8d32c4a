// SPDX-License-Identifier: MIT
// Owns what this QEMU binary can do, as a sorted set of words that was asked of the binary over QMP, and
// its text form for the cache and for recorded fixtures. Refuses to conclude anything from a version.
//
// Words: device/NAME · property/DEVICE/NAME · object/NAME · cpu/NAME (a CPU model's property, "-" form)
//   machine/NAME · machine-alias/ALIAS/NAME · machine-deprecated/NAME · machine-max-cpus/NAME/N
//   command/NAME · enum/TYPE/VALUE · member/TYPE/NAME (of query-qmp-schema, types by name)
//   option/GROUP/NAME (query-command-line-options) · kvm/hv-NAME (Hyper-V features KVM offers here)
//   accel/kvm/MODEL (that -cpu answered QMP under KVM) · no-accel/kvm/MODEL/REASON
#pragma once

#include "base/str.h"

#include <stdbool.h>

struct err;

struct qemu_caps {
	bool known;   // false: nobody could be asked; qemu_caps_has says yes to everything but no-…
	char *path;   // the binary
	char *version; // "7.2.22", for people
	struct strv words; // sorted
};

void qemu_caps_finish(struct qemu_caps *caps);
bool qemu_caps_has(const struct qemu_caps *caps, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// The first word that starts with the prefix, without the prefix; NULL: none.
const char *qemu_caps_after(const struct qemu_caps *caps, const char *prefix);

void qemu_caps_add(struct qemu_caps *caps, const char *word); // unsorted until qemu_caps_sort
void qemu_caps_sort(struct qemu_caps *caps);		      // and drops doubles

// Text: first "qemu-caps 1", then "path …", "version …", a blank line, then a word a line (escaped).
void qemu_caps_print(const struct qemu_caps *caps, struct str *out);
int qemu_caps_parse(const char *text, struct qemu_caps *caps, struct err *err); // 0 or -EPROTO
