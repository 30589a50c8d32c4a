// SPDX-License-Identifier: MIT
#include "tune/host/pci/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <dlfcn.h>
#include <pci/pci.h>

// Names are all that is wanted of libpci: it is opened when first asked and closed after, so that who stays
// resident has neither it nor its database.
struct library {
	void *handle;
	struct pci_access *access;
	struct pci_access *(*alloc)(void);
	void (*cleanup)(struct pci_access *access);
	char *(*lookup)(struct pci_access *access, char *buf, int size, int flags, ...);
};

enum { NAME_SIZE = 512 };

static void say_nothing(char *message, ...)
{
	(void)message;
}

// Out of memory, as everywhere.
__attribute__((noreturn)) static void give_up(char *message, ...)
{
	(void)message;
	abort();
}

// What pci_init would set, which looks for devices too, and ends the program where it finds no way to.
static void prepare(struct pci_access *access)
{
	access->error = give_up;
	access->warning = say_nothing;
	access->debug = say_nothing;
}

static void library_close(struct library *library)
{
	if (library->access)
		library->cleanup(library->access);
	if (library->handle)
		dlclose(library->handle);
	*library = (struct library){ 0 };
}

static bool library_open(struct library *library)
{
	*library = (struct library){ .handle = dlopen("libpci.so.3", RTLD_NOW | RTLD_LOCAL) };
	if (!library->handle)
		return false;
	*(void **)&library->alloc = dlsym(library->handle, "pci_alloc");
	*(void **)&library->cleanup = dlsym(library->handle, "pci_cleanup");
	*(void **)&library->lookup = dlsym(library->handle, "pci_lookup_name");
	if (library->alloc && library->cleanup && library->lookup)
		library->access = library->alloc();
	if (!library->access)
		return false;
	prepare(library->access);
	return true;
}

// NULL where the database does not have it. What libudev has is the same once more, by another megabyte.
static char *look_up(const struct library *library, int flags, unsigned first, unsigned second)
{
	char text[NAME_SIZE];

	flags |= PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;
	return mem_dup(library->lookup(library->access, text, sizeof(text), flags, first, second));
}

// A vendor that is known says more than two numbers.
static void read_name(const struct library *library, struct pci_device *device)
{
	AUTO_FREE char *vendor = NULL;

	device->name = look_up(library, PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, device->vendor, device->device);
	if (device->name)
		return;
	vendor = look_up(library, PCI_LOOKUP_VENDOR, device->vendor, 0);
	if (vendor)
		device->name = mem_printf("%s device %04x", vendor, device->device);
}

void pci_facts_read_names(struct pci_facts *facts, const size_t *indices, size_t n)
{
	struct library library = { 0 };

	if (n && library_open(&library)) {
		for (size_t i = 0; i < n; i++) {
			struct pci_device *device = &facts->items[indices[i]];

			if (device->name || device->class_name)
				continue;
			read_name(&library, device);
			device->class_name = look_up(&library, PCI_LOOKUP_CLASS, device->class >> 8, 0);
		}
	}
	library_close(&library);
}
