// SPDX-License-Identifier: MIT
#include "tune/host/hotplug.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <linux/netlink.h>
#include <sys/socket.h>

enum { KERNEL_GROUP = 1, EVENT_MAX = 8192 };

int hotplug_open(void)
{
	AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

// "offline@/devices/system/cpu/cpu3", then the same again as NAME=VALUE
static bool is_about_cpu(const char *event)
{
	return str_starts(event, "online@/devices/system/cpu/cpu") ||
	       str_starts(event, "offline@/devices/system/cpu/cpu");
}

bool hotplug_read_cpus(int fd)
{
	struct sockaddr_nl from = { 0 };
	char event[EVENT_MAX];
	bool found = false;

	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, event, sizeof(event) - 1, 0, (struct sockaddr *)&from, &size);

		if (n < 0 && errno == EINTR)
			continue;
		// some were lost: one of them may have been what is asked for
		if (n < 0 && errno == ENOBUFS) {
			found = true;
			continue;
		}
		if (n < 0)
			return found;
		event[n] = '\0';
		// anybody may send to this group; only the kernel has no port
		found |= from.nl_pid == 0 && is_about_cpu(event);
	}
}
