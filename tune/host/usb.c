// SPDX-License-Identifier: MIT
#include "tune/host/usb.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/host/block.h"
#include "tune/host/inputs.h"
#include "tune/host/root.h"
#include "tune/host/route.h"

#include <linux/usb/ch9.h>
#include <stdio.h>
#include <string.h>

#define DEVICES "sys/bus/usb/devices"

enum { TEXT_SIZE = 512, LINK_SIZE = 4096 };

enum { HID_BOOT = 1, HID_KEYBOARD = 1, HID_MOUSE = 2 };

static bool read_text(struct root *root, const char *name, const char *attribute, char *buf, size_t size)
{
	AUTO_FREE char *path = mem_printf(DEVICES "/%s/%s", name, attribute);

	return root_read_head(root, path, buf, size) > 0;
}

static uint64_t read_hex(struct root *root, const char *name, const char *attribute)
{
	char text[TEXT_SIZE];
	uint64_t value = 0;

	if (read_text(root, name, attribute, text, sizeof(text)))
		str_parse_hex(str_strip(text), &value);
	return value;
}

// The part of "../../../devices/pci0000:00/0000:00:14.0/usb1" before the root hub, if that is a PCI address.
static void read_controller(struct root *root, const char *hub, struct usb_bus *bus)
{
	AUTO_FREE char *path = mem_printf(DEVICES "/%s", hub);
	AUTO_STRV struct strv parts = { 0 };
	unsigned domain, number, slot, function;
	char target[LINK_SIZE];

	if (root_readlink(root, path, target, sizeof(target)) <= 0)
		return;
	strv_split(&parts, target, "/");
	for (size_t i = parts.count; i > 0 && !*bus->controller; i--) {
		const char *part = parts.items[i - 1];

		if (sscanf(part, "%x:%x:%x.%x", &domain, &number, &slot, &function) == 4)
			snprintf(bus->controller, sizeof(bus->controller), "%s", part);
	}
}

static void add_bus(struct root *root, const char *name, struct usb_facts *facts)
{
	struct usb_bus *bus;
	int number;

	if (!str_starts(name, "usb") || !str_parse_int(name + 3, &number) || number < 1)
		return;
	bus = MEM_PUSH(facts->buses, facts->count);
	bus->bus = number;
	read_controller(root, name, bus);
}

static struct usb_bus *find_bus(const struct usb_facts *facts, int number)
{
	for (size_t i = 0; i < facts->count; i++) {
		if (facts->buses[i].bus == number)
			return &facts->buses[i];
	}
	return NULL;
}

const struct usb_bus *usb_facts_bus(const struct usb_facts *facts, int bus)
{
	return find_bus(facts, bus);
}

// The maker's name is left out where the product's begins with it; numbers where it says nothing.
static char *read_name(struct root *root, const char *port, const struct usb_device *device)
{
	char maker[TEXT_SIZE] = "", product[TEXT_SIZE] = "";
	const char *first, *second;

	read_text(root, port, "manufacturer", maker, sizeof(maker));
	read_text(root, port, "product", product, sizeof(product));
	first = str_strip(maker);
	second = str_strip(product);
	if (!*first && !*second)
		return mem_printf("device %04x:%04x", device->vendor, device->product);
	if (!*first || !*second || str_starts(second, first))
		return mem_dup(*second ? second : first);
	return mem_printf("%s %s", first, second);
}

static void read_device(struct root *root, struct usb_bus *bus, const char *port)
{
	struct usb_device *device;
	char text[TEXT_SIZE];

	if (strlen(port) >= sizeof(device->port))
		return;
	device = MEM_PUSH(bus->devices, bus->n_devices);
	snprintf(device->port, sizeof(device->port), "%s", port);
	device->bus = bus->bus;
	if (read_text(root, port, "devnum", text, sizeof(text)))
		str_parse_int(str_strip(text), &device->number);
	device->vendor = (uint16_t)read_hex(root, port, "idVendor");
	device->product = (uint16_t)read_hex(root, port, "idProduct");
	device->hub = read_hex(root, port, "bDeviceClass") == USB_CLASS_HUB;
	device->name = read_name(root, port, device);
	if (read_text(root, port, "serial", text, sizeof(text)))
		device->serial = mem_dup(str_strip(text));
}

static struct usb_device *find_port(const struct usb_facts *facts, const char *port, size_t n)
{
	int number;
	const struct usb_bus *bus = sscanf(port, "%d-", &number) == 1 ? find_bus(facts, number) : NULL;

	for (size_t i = 0; bus && i < bus->n_devices; i++) {
		if (strlen(bus->devices[i].port) == n && strncmp(bus->devices[i].port, port, n) == 0)
			return &bus->devices[i];
	}
	return NULL;
}

// "1-2.3:1.0" is an interface of 1-2.3.
static void read_interface(struct root *root, const struct usb_facts *facts, const char *name)
{
	struct usb_device *device = find_port(facts, name, strcspn(name, ":"));
	uint64_t protocol;

	if (!device)
		return;
	switch (read_hex(root, name, "bInterfaceClass")) {
	case USB_CLASS_HID:
		if (read_hex(root, name, "bInterfaceSubClass") != HID_BOOT)
			break;
		protocol = read_hex(root, name, "bInterfaceProtocol");
		device->keyboard |= protocol == HID_KEYBOARD;
		device->mouse |= protocol == HID_MOUSE;
		break;
	case USB_CLASS_MASS_STORAGE:
		device->storage = true;
		break;
	case USB_CLASS_HUB:
		device->hub = true;
		break;
	default:
		break;
	}
}

static void read_devices(struct root *root, struct usb_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	root_list(root, DEVICES, &names);
	for (size_t i = 0; i < names.count; i++)
		add_bus(root, names.items[i], facts);
	for (size_t i = 0; i < names.count; i++) {
		struct usb_bus *bus;
		int number;

		if (strchr(names.items[i], ':') || sscanf(names.items[i], "%d-", &number) != 1)
			continue;
		bus = find_bus(facts, number);
		if (bus)
			read_device(root, bus, names.items[i]);
	}
	for (size_t i = 0; i < names.count; i++) {
		if (strchr(names.items[i], ':'))
			read_interface(root, facts, names.items[i]);
	}
}

// Whose interface something below sys/devices is, as a path with 1-2.3:1.0 in it is of 1-2.3. NULL: no USB device.
static struct usb_device *find_owner(const struct usb_facts *facts, const char *path)
{
	AUTO_STRV struct strv parts = { 0 };

	strv_split(&parts, path, "/");
	for (size_t i = parts.count; i > 0; i--) {
		const char *part = parts.items[i - 1];
		struct usb_device *device = find_port(facts, part, strcspn(part, ":"));

		if (device && strchr(part, ':'))
			return device;
	}
	return NULL;
}

// SMBIOS 3.4, 7.4.1: portable, laptop, notebook, hand-held, sub-notebook, tablet, convertible, detachable.
static bool is_portable(struct root *root)
{
	static const int types[] = { 8, 9, 10, 11, 14, 30, 31, 32 };
	int type;

	if (root_read_int(root, "sys/class/dmi/id/chassis_type", &type) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i] == type)
			return true;
	}
	return false;
}

// A keyboard on the old controller is built into a laptop; any other board says that it has one.
static bool is_pretended(const struct input_fact *input, bool portable)
{
	return !portable && strstr(input->path, "/serio");
}

static void read_inputs(struct root *root, struct usb_facts *facts)
{
	struct input_list inputs;
	bool portable = is_portable(root);

	inputs_read(root, &inputs);
	for (size_t i = 0; i < inputs.count; i++) {
		const struct input_fact *input = &inputs.items[i];
		struct usb_device *device = find_owner(facts, input->path);

		if (device) {
			device->keyboard |= input->keyboard;
			device->mouse |= input->mouse;
		} else if (!input->made) {
			facts->other_keyboards += input->keyboard && !is_pretended(input, portable);
			facts->other_mice += input->mouse;
		}
	}
	inputs_finish(&inputs);
}

static void add_block(struct root *root, const char *path, struct usb_device *device)
{
	block_uses_path(root, path, &device->uses, NULL);
}

static void add_net(struct root *root, const char *path, struct usb_device *device)
{
	route_uses(root, strrchr(path, '/') + 1, &device->uses);
}

// Everything of a class that hangs on a USB device.
static void read_uses(struct root *root, const struct usb_facts *facts, const char *class,
		      void (*add)(struct root *root, const char *path, struct usb_device *device))
{
	AUTO_STRV struct strv names = { 0 };

	root_list(root, class, &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", class, names.items[i]);
		struct usb_device *device;
		char target[LINK_SIZE];

		if (root_readlink(root, path, target, sizeof(target)) <= 0)
			continue;
		device = find_owner(facts, target);
		if (device)
			add(root, path, device);
	}
}

void usb_facts_read(struct root *root, struct usb_facts *facts)
{
	*facts = (struct usb_facts){ 0 };
	read_devices(root, facts);
	read_inputs(root, facts);
	if (!facts->count)
		return;
	read_uses(root, facts, "sys/block", add_block);
	read_uses(root, facts, "sys/class/net", add_net);
}

void usb_facts_finish(struct usb_facts *facts)
{
	for (size_t i = 0; i < facts->count; i++) {
		struct usb_bus *bus = &facts->buses[i];

		for (size_t j = 0; j < bus->n_devices; j++) {
			free(bus->devices[j].name);
			free(bus->devices[j].serial);
			strv_finish(&bus->devices[j].uses);
		}
		free(bus->devices);
	}
	free(facts->buses);
	*facts = (struct usb_facts){ 0 };
}

static const struct usb_device *find_ids(const struct usb_facts *facts, unsigned vendor, unsigned product,
					 bool *several)
{
	const struct usb_device *found = NULL;

	for (size_t i = 0; i < facts->count; i++) {
		const struct usb_bus *bus = &facts->buses[i];

		for (size_t j = 0; j < bus->n_devices; j++) {
			if (bus->devices[j].vendor != vendor || bus->devices[j].product != product)
				continue;
			*several |= found != NULL;
			found = &bus->devices[j];
		}
	}
	return *several ? NULL : found;
}

const struct usb_device *usb_facts_find(const struct usb_facts *facts, const char *text, bool *several)
{
	unsigned vendor, product;

	*several = false;
	if (strlen(text) == 9 && text[4] == ':' && strspn(text, "0123456789abcdefABCDEF:") == 9 &&
	    sscanf(text, "%4x:%4x", &vendor, &product) == 2)
		return find_ids(facts, vendor, product, several);
	return find_port(facts, text, strlen(text));
}
