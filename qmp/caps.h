// SPDX-License-Identifier: MIT
// Owns what this QEMU binary can do, as a sorted set of words that was asked of the binary, and the
// text form of that set for the cache and for recorded fixtures. Refuses to conclude anything from
// a version.
//
// Words (NAME and the rest are QEMU's own spelling):
//   machine/NAME  machine-alias/ALIAS/NAME  machine-deprecated/NAME  machine-max-cpus/NAME/N
//   device/NAME   types of device, CPU models among them as device/MODEL-x86_64-cpu; one whose
//		   module is missing has no word
//   object/NAME   what -object may name
//   property/TYPE/NAME  of the devices and objects that vfiorun uses (probe/binary.c has the list),
//		   of the machines as property/q35/NAME and property/pc/NAME, property/kvm-accel/NAME
//   cpu/NAME      a property of every x86 CPU model, in the form with "-" ("hv-time", "topoext")
//   command/NAME  a QMP command
//   arg/COMMAND/MEMBER  a QMP command's argument; arg/COMMAND/MEMBER=VALUE of an enumeration
//   arg/COMMAND/CASE/MEMBER[=VALUE]  the same of one case of a union, as in
//		   arg/blockdev-add/file/aio=io_uring. Types have no names: QEMU hides them
//   flag/NAME     a command line option, without its dash ("run-with", "runas")
//   option/GROUP/NAME  a key of such an option, where QEMU lists them ("option/sandbox/spawn")
//   display/NAME  audio/NAME  netdev/NAME  backends that this installation has, modules included
//   spice         -spice is taken here (its module is there)
//   kvm/hv-NAME   a Hyper-V feature that KVM offers here
//   accel/kvm/MODEL  with -accel kvm -cpu MODEL this QEMU answered QMP
//   no-accel/kvm/MODEL/REASON  it did not, and why
#pragma once

#include "base/str.h"

#include <stdbool.h>

struct err;

struct qemu_caps {
	bool known;    // false: nobody could be asked; qemu_caps_has says yes to all but no-…
	char *path;    // the binary
	char *version; // "7.2.22", for people
	struct {
		const char **items; // into texts
		size_t count;
	} words;	   // sorted
	struct strv texts; // thousands of words come from a cache as one text
};

void qemu_caps_finish(struct qemu_caps *caps);
bool qemu_caps_has(const struct qemu_caps *caps, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
// The first word that starts with the prefix, without the prefix; NULL: none.
const char *qemu_caps_after(const struct qemu_caps *caps, const char *prefix);

void qemu_caps_add(struct qemu_caps *caps, const char *fmt, ...) // unsorted until qemu_caps_sort
	__attribute__((format(printf, 2, 3)));
void qemu_caps_sort(struct qemu_caps *caps); // and drops doubles
// Drops this word or, where it ends in "/", all words below it.
void qemu_caps_drop(struct qemu_caps *caps, const char *word);

// Text: "qemu-caps 1", "path …", "version …", a blank line, a word a line (escaped), "end". Lines
// that start with # are skipped; the end tells a whole file from a cut one.
void qemu_caps_print(const struct qemu_caps *caps, struct str *out);
int qemu_caps_parse(const char *text, struct qemu_caps *caps, struct err *err); // 0 or -EPROTO
// The same of the text from `at` on, which is taken: the words stay in it.
int qemu_caps_parse_taken(char *text, size_t at, struct qemu_caps *caps, struct err *err);
