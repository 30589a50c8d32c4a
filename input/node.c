// SPDX-License-Identifier: MIT
#include "input/node.h"

#include "input/keyset.h"

#include <errno.h>
#include <linux/input.h>
#include <linux/uinput.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int node_release_all(int node, int write_to)
{
	struct input_event events[KEY_CNT + 1];
	struct keyset held = { 0 };
	int n = 0;

	if (ioctl(node, EVIOCGKEY(sizeof(held.bits)), held.bits) < 0)
		return -errno;
	memset(events, 0, sizeof(events));
	KEYSET_FOREACH(code, &held) {
		events[n].type = EV_KEY;
		events[n++].code = (uint16_t)code;
	}
	if (!n)
		return 0;
	events[n].type = EV_SYN;
	if (write(write_to, events, (size_t)(n + 1) * sizeof(events[0])) < 0)
		return -errno;
	return n;
}

bool node_is_grabbed(int node)
{
	if (ioctl(node, EVIOCGRAB, 1) < 0)
		return errno == EBUSY;
	ioctl(node, EVIOCGRAB, 0);
	return false;
}

bool node_is(int node, uint16_t vendor, uint16_t product)
{
	struct input_id id;

	return ioctl(node, EVIOCGID, &id) == 0 && id.vendor == vendor && id.product == product;
}

bool node_is_uinput(int fd)
{
	char name[64];

	return ioctl(fd, UI_GET_SYSNAME(sizeof(name)), name) >= 0;
}
