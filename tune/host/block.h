// SPDX-License-Identifier: MIT
// Owns the question who on the host uses a block device: mounts, swap, RAID, LVM, device mapper, and
// the same of its partitions and of the disk it is a part of. Refuses to open the device.
#pragma once

#include <sys/types.h>

struct err;
struct root;
struct strv;

// Appends one line a use, as a person would say it: "/dev/sda2 is mounted on /home", "is used for
// swapping", "is part of the RAID md0", "is held by device-mapper dm-3 (vg-root)", "is behind /dev/loop0".
// A disk is used by what uses its partitions, a partition by what uses its disk as a whole, and both by
// what uses whatever holds them. None appended: unused, as far as sysfs tells (a ZFS pool it does not).
// Returns 0, or -errno with a message where it can't be known. Sources: proc_pid_mountinfo(5), swapon(8),
// Linux Documentation/ABI/{stable/sysfs-block,testing/sysfs-fs-btrfs} (6.1), lib/kobject_uevent.c.
int block_uses(struct root *root, dev_t device, struct strv *uses, struct err *err);

// The same of a block device by its directory below sys/.
int block_uses_path(struct root *root, const char *path, struct strv *uses, struct err *err);
