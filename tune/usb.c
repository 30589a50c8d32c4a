// SPDX-License-Identifier: MIT
#include "tune/usb.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/root.h"
#include "tune/host/usb.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEVICES "sys/bus/usb/devices"

int usb_node_open(const struct usb_device *device, struct err *err)
{
	AUTO_FREE char *path = mem_printf("/dev/bus/usb/%03d/%03d", device->bus, device->number);
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), r;

	if (fd >= 0)
		return fd;
	r = err_sys(err, -errno, "opening %s, which is %s", path, device->port);
	if (r == -EACCES)
		err_hint(err, "a udev rule gives you the device: SUBSYSTEM==\"usb\", ATTR{idVendor}==\"%04x\", "
			      "ATTR{idProduct}==\"%04x\", TAG+=\"uaccess\"", device->vendor, device->product);
	return r;
}

// "1-2.3:1.0" is an interface of "1-2.3".
static bool is_interface_of(const char *name, const char *port)
{
	size_t n = strlen(port);

	return strncmp(name, port, n) == 0 && name[n] == ':';
}

static int probe(struct root *root, const char *interface)
{
	AUTO_CLOSE int fd = openat(root->fd, "sys/bus/usb/drivers_probe", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, interface, strlen(interface)) < 0 ? -errno : 0;
}

int usb_give_back(const char *port, struct err *err)
{
	struct root root = ROOT_CLOSED;
	AUTO_STRV struct strv names = { 0 };
	int r = root_open(&root, NULL, err), n = 0;

	if (r == 0)
		root_list(&root, DEVICES, &names);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		AUTO_FREE char *driver = mem_printf(DEVICES "/%s/driver", names.items[i]);

		if (!is_interface_of(names.items[i], port) || root_exists(&root, driver))
			continue;
		r = probe(&root, names.items[i]);
		// a device that went meanwhile needs none
		r = r == -ENODEV || r == -ENOENT ? 0 : r;
		n += r == 0 && root_exists(&root, driver);
	}
	root_finish(&root);
	return r < 0 ? err_sys(err, r, "giving the USB device %s back to the host's drivers", port) : n;
}

int usb_events_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 }; // the kernel's own
	AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

static const char *value_of(const char *text, size_t size, const char *key)
{
	size_t n = strlen(key);

	for (size_t at = 0; at < size; at += strnlen(text + at, size - at) + 1) {
		if (size - at > n && strncmp(text + at, key, n) == 0 && memchr(text + at, '\0', size - at))
			return text + at + n;
	}
	return NULL;
}

bool usb_event_parse(const char *text, size_t size, struct usb_event *event)
{
	const char *action = value_of(text, size, "ACTION="), *type = value_of(text, size, "DEVTYPE=");
	const char *path = value_of(text, size, "DEVPATH="), *slash = path ? strrchr(path, '/') : NULL;

	*event = (struct usb_event){ 0 };
	if (!action || !type || !slash || strcmp(type, "usb_device") != 0 ||
	    strlen(slash + 1) >= sizeof(event->port))
		return false;
	event->added = strcmp(action, "add") == 0;
	strcpy(event->port, slash + 1);
	return event->added || strcmp(action, "remove") == 0;
}

int usb_events_next(int fd, struct usb_event *event)
{
	char text[8192];
	struct sockaddr_nl from = { 0 };
	socklen_t size = sizeof(from);
	ssize_t n;

	for (;;) {
		n = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from, &size);
		if (n < 0)
			return errno == EAGAIN ? 0 : errno == EINTR ? 0 : -errno;
		// only the kernel has the number 0
		if (from.nl_pid == 0 && usb_event_parse(text, (size_t)n, event))
			return 1;
	}
}
