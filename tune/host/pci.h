// SPDX-License-Identifier: MIT
// Owns the facts about PCI devices: what they are, how they hang together, who drives them, and, for the
// few that somebody named, how they can be reset and who uses them. Refuses to decide what may be passed.
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct root;

enum { PCI_BARS = 7, PCI_BAR_ROM = 6 }; // six and the expansion ROM

struct pci_bar {
	uint64_t start, end; // both 0: none; end is the last byte
	uint64_t flags;	     // IORESOURCE_* of linux/ioport.h, as the kernel prints them
	uint64_t sizes;	     // resizable: bit n is 2^n MiB (resourceN_resize); 0: not offered
};

// OTHER: whatever else a process can hold open (i2c, hidraw, /dev/nvidia0, /dev/vfio/13).
enum pci_node_kind { PCI_NODE_DRM, PCI_NODE_SOUND, PCI_NODE_BLOCK, PCI_NODE_NET, PCI_NODE_INPUT,
		     PCI_NODE_USB, PCI_NODE_FB, PCI_NODE_OTHER, PCI_NODE_KINDS };

// What a driver made of the device: "card0" with /dev/dri/card0, "eth0" with no file.
struct pci_node {
	enum pci_node_kind kind;
	char *name;
	char *path; // in /dev, absolute; NULL: it has none
	dev_t dev;  // 0: unknown
};

// A process that has a node of the device open.
struct pci_user {
	pid_t pid;
	char name[16]; // comm(5)
	char *path;    // what it holds
};

// What is read only of devices that a profile names, of their groups, and for `host`.
struct pci_detail {
	bool known;
	bool stuck; // its driver blocks in the kernel (an unbind that waits): nothing more can be asked
	char *modalias; // never NULL once known
	char *override; // driver_override; NULL: none
	struct strv resets; // "flr", "pm", "bus", …, in the kernel's order; empty: none. "reset" alone: there is
			    // one, but Linux before 5.15 does not say which
	bool boot_vga;
	int node; // -1: unknown
	char power[16]; // "D0", "D3hot", …, "" unknown
	struct pci_bar bars[PCI_BARS];
	int vfs, vfs_max; // SR-IOV: made now, and possible
	char *physical;	  // of a virtual function: the address of its physical one; NULL: it is none
	struct pci_node *nodes;
	size_t n_nodes;
	struct strv uses; // why the host needs it: "/home is mounted from nvme0n1p2", "swap on …"
	struct pci_user *users;
	size_t n_users;
	bool users_unknown; // not all processes could be looked into
};

struct pci_device {
	char address[16]; // "0000:06:00.0"
	uint32_t domain;
	uint8_t bus, slot, function; // the same as numbers
	uint32_t class;	  // 0x030000: base class, subclass, interface
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint8_t revision, header; // header: type without the multifunction bit
	uint8_t bus_behind, last_bus_behind; // of a bridge: the buses it leads to; 0: none
	bool dead;		  // its configuration reads as ones: it does not answer (header type 0x7f)
	bool is_bridge;		  // header type 1 or 2, or a host bridge: never passed
	char *driver;		  // NULL: none
	int group;		  // -1: none
	int parent;		  // index of the bridge it hangs on; -1: on a root bus
	char *name, *class_name;  // of the PCI ID database; NULL: not asked for, or not in it
	struct pci_detail detail;
};

struct pci_facts {
	bool known; // the tree has PCI at all
	bool iommu; // there are groups
	struct pci_device *items; // by address
	size_t count;
	struct pci_holders *holders; // who holds which node: private, of the first detail that needed it
};

// Every device by at most three reads: its configuration, its driver, its group (a virtual function or dead
// device by four); on a machine of very many by one, with the groups only of those that `titles` (in the manner of
// pci_facts_match()) name, where it is not NULL. Takes no device's lock. What can't be read is unknown. Sources:
// Linux 6.1 Documentation/ABI/testing/sysfs-bus-pci, drivers/pci/pci-sysfs.c; PCI Express Base 4.0, 7.5.1 and
// 9.3.4.1.
void pci_facts_read(struct root *root, struct pci_facts *facts, const struct strv *titles);
// And more of some devices. What takes a device's lock in the kernel is read in a child with a deadline (see
// careful.h): a device whose driver blocks is `stuck`, and costs a second.
void pci_facts_read_details(struct root *root, struct pci_facts *facts, const size_t *indices, size_t n);
void pci_facts_read_detail(struct root *root, struct pci_facts *facts, size_t index);
// Of one device what it is and who has its nodes open, and no more: this is asked in the moment before it is taken
// from its driver, so it must be new and quick. Returns the device, which is in `facts`, or NULL: no such address.
const struct pci_device *pci_facts_read_users(struct root *root, const char *address, struct pci_facts *facts);
// Their names, from this machine's PCI ID database (libpci, loaded when first asked), which is no fact of the
// host: what is planned must not depend on them.
void pci_facts_read_names(struct pci_facts *facts, const size_t *indices, size_t n);
void pci_facts_finish(struct pci_facts *facts);

const struct pci_device *pci_facts_find(const struct pci_facts *facts, const char *address);
// The next device of a group, from index `from` on; NULL: no more.
const struct pci_device *pci_facts_next_in_group(const struct pci_facts *facts, int group, size_t from);

// "0000:06:00.0", "06:00.0", or "10de:13c2" → the devices meant, as indices, appended to `found` (room for
// `room`). Returns how many there are, which may be more than `room`; -EINVAL: no such form.
int pci_facts_match(const struct pci_facts *facts, const char *text, size_t *found, size_t room);

// What was found by pci_facts_read_names, else numbers. The caller frees. "NVIDIA Corporation GM204 [GeForce
// GTX 970]", "device 10de:13c2"; "VGA compatible controller", "class 0300".
char *pci_device_name(const struct pci_device *device);
char *pci_class_name(const struct pci_device *device);

// vfio-pci with its variants, and pci-stub: drivers that leave a group viable (driver_managed_dma, Linux 6.1
// drivers/vfio/pci/, drivers/pci/pci-stub.c).
bool pci_driver_is_stub(const char *driver);
// A host bridge that has another driver: that one's hands on the group are the kernel's, as those of any function are
// (__iommu_take_dma_ownership, Linux 6.1 drivers/iommu/iommu.c; before 5.19 vfio_dev_viable in drivers/vfio/vfio.c,
// which lets only headers of type 1 and 2 be).
bool pci_bridge_blocks(const struct pci_device *device);
// A function of the mainboard that the rest of the host is behind, though no bus of PCI: an ISA bridge.
bool pci_is_isa_bridge(const struct pci_device *device);
// Class 06, but no bridge by its header: an ISA bridge, or "other bridge", which switches and radios are as well.
bool pci_is_odd_bridge(const struct pci_device *device);
