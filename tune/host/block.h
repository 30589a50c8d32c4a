// SPDX-License-Identifier: MIT
// Owns the question who on the host uses a block device: mounts, swap, RAID, LVM, device mapper, and
// the same of its partitions and of the disk it is a part of. Refuses to open the device.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct root;
struct strv;

// Appends one line a use, as a person would say it: "/dev/sda2 is mounted on /home", "is swap", "is part
// of the RAID md0", "is held by device-mapper dm-3 (vg-root)". None appended: unused. Returns 0, or
// -errno with a message where it can't be known. Sources: proc/self/mountinfo, proc/swaps,
// sys/dev/block/MAJ:MIN/{holders,slaves,partition,…} (Linux 6.1).
int block_uses(struct root *root, dev_t device, struct strv *uses, struct err *err);
