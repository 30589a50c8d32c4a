// SPDX-License-Identifier: MIT
// Owns the reading of attributes that may block in the kernel, in a child with a deadline: while a driver waits
// in its unbind, for as long as somebody holds one of its nodes, the kernel holds the device's lock, and a
// read that wants that lock can't even be killed (Linux 6.1 drivers/base/dd.c; driver_override_show and
// sriov_numvfs_show in drivers/pci/). Refuses to wait for longer than that.
#pragma once

#include <stddef.h>

struct root;

struct careful_question {
	char *path;
	size_t subject; // ascending: what blocks once is not asked again about the same subject
	int result;	// length of text, or -errno; -ETIMEDOUT: it, or one before of the same subject, blocks;
			// -EIO: the child died of it
	char text[256]; // without the final newline
};

// How a file is read, as root_read_head does.
typedef int careful_reader(struct root *root, const char *path, char *buf, size_t size);

// Answers all questions; each subject that blocks costs the deadline, and one that waits for nothing but a CPU, on a
// busy machine, gets up to ten times as long. A captured tree is read as it is: no driver stands behind it. A child
// that blocks stays behind without any descriptor of ours, and ends when the kernel lets go of it.
void careful_read(struct root *root, struct careful_question *questions, size_t n, int deadline_ms);

// With another reader, and a child in any case: for tests.
void careful_read_by(careful_reader *reader, struct root *root, struct careful_question *questions,
		     size_t n, int deadline_ms);
