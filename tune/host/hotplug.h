// SPDX-License-Identifier: MIT
// Owns the kernel's word that a CPU came or went while we run. Refuses to poll: nothing happens until something does.
#pragma once

#include <stdbool.h>

// A non-blocking socket that becomes readable at every event of the kernel's (netlink(7), NETLINK_KOBJECT_UEVENT),
// or -errno.
int hotplug_open(void);

// Takes all events that wait. True: a CPU came or went.
bool hotplug_read_cpus(int fd);
