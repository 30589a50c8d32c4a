// SPDX-License-Identifier: MIT
// Owns a QEMU (or what passes for one) that is started only to be asked, and ended by us. Refuses
// to wait for it without a deadline, to let it outlive us, and to let it write more than a limit.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct qemu_probe;
struct str;

struct qemu_child {
	pid_t pid;   // 0: none
	int qmp;     // our end of the socketpair, the other is its CHILD_QMP_FD; -1: none
	int output;  // memfd: its stdout; -1: none
	int errors;  // memfd: its stderr
};

#define QEMU_CHILD_NONE { .qmp = -1, .output = -1, .errors = -1 }

enum { CHILD_QMP_FD = 3 };

// Starts probe->path with these arguments (NULL-terminated, without argv[0]) as probe->uid, in a
// session of its own, with a fixed environment, stdin from /dev/null and no other descriptor of
// ours. `kvm`: its user gets a /dev/kvm (kvm_node.h). Returns 0 or -errno with a message.
int qemu_child_start(const struct qemu_probe *probe, const char *const *arguments, bool qmp,
		     bool kvm, struct qemu_child *child, struct err *err);

// Waits until it has ended, at most `ms`; then kills it. Returns 0 where it ended with status 0,
// else -EPROTO or -ETIMEDOUT with a message that says how it ended and ends in its last line of
// stderr.
int qemu_child_finish(struct qemu_child *child, int ms, struct err *err);

// Ends it and whatever it started in its session's process group, and closes. Harmless after
// finish.
void qemu_child_end(struct qemu_child *child);

// What it wrote to stdout, appended.
void qemu_child_output(const struct qemu_child *child, struct str *out);

// The line of its stderr that says most, appended escaped, without the program's name: the last
// one, or the one before where the last is a failed assertion. Nothing where stderr is empty.
void qemu_child_last_line(const struct qemu_child *child, struct str *out);
