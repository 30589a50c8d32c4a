// SPDX-License-Identifier: MIT
// Owns lending USB devices: opening their nodes, hearing that one came or went, and giving their interfaces back
// to the host's drivers. Refuses to decide who may have which.
//
// Sources: Linux 6.1 drivers/usb/core/devio.c (an interface that was taken through a node stays without a driver
// when its taker dies), drivers/base/bus.c (drivers_probe), lib/kobject_uevent.c (netlink messages).
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct usb_device;

// Its node, for reading and writing. Returns a close-on-exec descriptor or -errno with a message.
int usb_node_open(const struct usb_device *device, struct err *err);

// Lets the kernel look for a driver for each interface of the device in this socket ("1-2.3") that has none.
// Harmless where there is no such device any more. Returns how many were given back, or -errno.
int usb_give_back(const char *port, struct err *err);

// A socket that becomes readable when a USB device comes or goes; sleeps else. Returns a descriptor or -errno.
int usb_events_open(void);

struct usb_event {
	bool added;    // else removed
	char port[32]; // "1-2.3"
};

// The next device that came or went. Returns 1, 0: no more now, or -errno (-ENOBUFS: some were lost).
int usb_events_next(int fd, struct usb_event *event);
// Of one message of the kernel, NUL-separated: false: not about a USB device. Pure.
bool usb_event_parse(const char *text, size_t size, struct usb_event *event);
