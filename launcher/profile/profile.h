// SPDX-License-Identifier: MIT
// Owns the profile as typed values: what a person wants, with the place where each value was written.
// Refuses to know the host: whether a value can be had is the planner's question.
#pragma once

#include "base/cpuset.h"
#include "base/diag.h"
#include "base/str.h"
#include "tune/pin.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

enum tri { TRI_AUTO, TRI_NO, TRI_YES };

// Enumerations: 0 is what an absent key means. Their words live in the key table.
enum accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };
enum guest_os { OS_OTHER, OS_WINDOWS, OS_LINUX };
enum firmware_type { FIRMWARE_OVMF, FIRMWARE_OVMF_SECUREBOOT, FIRMWARE_SEABIOS, FIRMWARE_NONE };
enum irqchip { IRQCHIP_AUTO, IRQCHIP_ON, IRQCHIP_SPLIT, IRQCHIP_OFF };
enum hugepages { HUGEPAGES_AUTO, HUGEPAGES_NONE, HUGEPAGES_2M, HUGEPAGES_1G };
enum disk_bus { DISK_VIRTIO, DISK_SCSI, DISK_NVME, DISK_SATA };
enum disk_format { FORMAT_AUTO, FORMAT_RAW, FORMAT_QCOW2 };
enum disk_cache { CACHE_AUTO, CACHE_NONE, CACHE_WRITEBACK, CACHE_WRITETHROUGH, CACHE_DIRECTSYNC, CACHE_UNSAFE };
enum disk_aio { AIO_AUTO, AIO_THREADS, AIO_NATIVE, AIO_IO_URING };
enum net_type { NET_USER, NET_BRIDGE, NET_TAP, NET_PASST, NET_NONE };
enum display_type { DISPLAY_AUTO, DISPLAY_NONE, DISPLAY_GTK, DISPLAY_SDL, DISPLAY_SPICE, DISPLAY_VNC, DISPLAY_INSTALL };
enum input_start { INPUT_START_HOST, INPUT_START_GUEST };
enum input_transport { TRANSPORT_INPUT_LINUX, TRANSPORT_VIRTIO_HOST };
enum input_sink { SINK_PS2, SINK_VIRTIO, SINK_USB };

enum isolate { ISOLATE_AUTO, ISOLATE_PARTITION, ISOLATE_NONE };
enum core_scheduling { CORE_SCHEDULING_NONE, CORE_SCHEDULING_VCPUS };
enum irq_affinity { IRQ_AFFINITY_AUTO, IRQ_AFFINITY_NONE };

enum cpus_mode { CPUS_AUTO, CPUS_NONE, CPUS_LIST };

// emulator, iothread_pin: a set.
struct cpus_request {
	enum cpus_mode mode;
	struct cpuset cpus; // CPUS_LIST only
};

// pin: ordered, one set a vCPU ("2,8,3,9"; "0+6" is one vCPU on a set; "2-5" is four in order).
struct pin_request {
	enum cpus_mode mode;
	struct cpuset *vcpus;
	size_t count;
};

struct sched_request {
	bool set; // false: auto
	struct sched sched;
};

enum hyperv_mode { HYPERV_AUTO, HYPERV_ON, HYPERV_OFF, HYPERV_LIST };

struct hyperv_request {
	enum hyperv_mode mode;
	struct strv features; // QEMU's names without "hv-"; "spinlocks=0x1fff" with its value
};

struct nodes_request {
	enum cpus_mode mode;
	struct cpuset nodes;
};

struct profile_disk {
	char *title;
	char *file; // absolute
	enum disk_format format;
	enum disk_bus bus;
	enum disk_cache cache;
	enum disk_aio aio;
	enum tri discard, readonly, iothread;
	char *serial;
	int boot_index; // 0: unset
	bool force;	// use it though the host does
};

struct profile_cdrom {
	char *title;
	char *file;
	int boot_index;
};

struct profile_net {
	char *title;
	enum net_type type;
	char *bridge, *ifname, *mac, *model; // model NULL: virtio
	int queues;			     // 0: auto
	struct strv forward;		     // "tcp:2222:22", checked
};

enum pci_group { PCI_GROUP_NONE, PCI_GROUP_AUTO };

struct profile_pci {
	char *title; // as written: "0000:06:00.0", "06:00.0" or "10de:13c2"
	enum pci_group group;
	bool force, rebind, optional;
	char *romfile; // absolute; NULL: the card's own
	enum tri rombar, multifunction, x_vga, iommufd;
	struct strv bar_size; // "1:16G", checked; each BAR once
};

struct profile_lookingglass {
	int width, height;
	bool hdr;
	char *owner; // who looks; NULL: who started it
	char *file;  // NULL: looking-glass in /dev/shm
	enum tri kvmfr;
};

struct profile_scream {
	uint64_t size; // bytes; 0: 2 MiB
	char *file;    // NULL: scream-ivshmem in /dev/shm
};

struct profile_usb {
	char *title; // "04f2:b217", or bus and ports: "1-2.3"
	bool hotplug, force;
};

struct profile_mdev {
	char *title; // its UUID, as written
	bool optional;
};

// unload: kernel modules, in order.
struct modules_request {
	enum cpus_mode mode;
	struct strv names;
};

struct profile {
	char *path; // the file that was read

	struct {
		char *name;
		uint64_t memory; // bytes
		char *machine;	 // NULL: q35
		enum accel accel;
		enum guest_os os;
		char *qemu, *uuid, *user;
		struct strv operators; // user names
		int shutdown_timeout;  // seconds
	} vm;
	struct {
		enum firmware_type type;
		bool type_set;
		char *code, *vars, *template;
	} firmware;
	struct {
		char *kernel, *initrd, *cmdline;
		struct strv order; // "disk", "cdrom", "net"
	} boot;
	struct {
		int vcpus, sockets, cores, threads; // 0: unset; they do not contradict each other
		char *model;			    // NULL: auto
		struct strv features;		    // "+name", "-name", "name=value"
		struct pin_request pin;
		struct cpus_request emulator;
		int iothreads; // count; -1: auto
		struct cpus_request iothread_pin;
		int iothread_poll; // ns, -1: as QEMU does
		enum isolate isolate;
		enum core_scheduling core_scheduling;
		struct sched_request scheduler;
		struct hyperv_request hyperv;
		char *vendor_id;
		enum tri hide_kvm;
		enum irqchip irqchip;
	} cpu;
	struct {
		enum hugepages hugepages;
		enum tri prealloc, lock, share;
		struct nodes_request nodes;
		uint64_t leave; // bytes, 0: auto
	} memory;
	struct {
		char *governor, *epp; // NULL: left alone
		enum tri boost, ignore_msrs, report_ignored_msrs, inhibit_sleep;
		enum irq_affinity irq_affinity;
		bool cpu_pm;
		bool compact_memory, drop_caches; // to come by huge pages
		int64_t min_freq;      // kHz, -1: left alone
		int latency;	       // µs of C-state exit latency allowed, -1: left alone
		int64_t halt_poll_ns;  // -1: left alone
		char *display_manager; // a unit, or "auto"; NULL: none is stopped
		struct strv stop;      // units
		enum tri unbind_console;
		struct modules_request unload;
	} host;
	struct profile_disk *disks;
	size_t n_disks;
	struct profile_cdrom *cdroms;
	size_t n_cdroms;
	struct profile_net *nets;
	size_t n_nets;
	struct profile_pci *pcis;
	size_t n_pcis;
	struct profile_lookingglass lookingglass;
	struct profile_scream scream;
	struct profile_usb *usbs;
	size_t n_usbs;
	struct profile_mdev *mdevs;
	size_t n_mdevs;
	struct {
		enum display_type type;
	} display;
	struct {
		struct strv keyboard, mouse, device; // selectors (input/selector.h), checked; empty: auto, auto, none
		struct strv hotkey;		     // input/hotkey.h, checked; empty: the default
		char *panic;			     // a chord; NULL: the default, "none": none
		enum input_start start;
		enum input_transport transport;
		enum input_sink sink;
		struct strv keep_held; // names of keys
		struct strv on_switch_host, on_switch_guest; // one argv each; empty: none
	} input; // wanted where profile_has_section says so
	struct {
		struct strv before, started, stopped; // one argv each, never a shell; empty: none
		int timeout;			      // seconds each may take
	} hooks;
	struct {
		struct strv args; // raw, in order; `--` arguments of the command line are appended
	} qemu;

	struct profile_origin *origins; // where each value came from, in no order
	size_t n_origins;
};

struct profile_origin {
	char *section, *title, *key; // title NULL: none; key "": the section's first header
	char *file;
	int line;
};

struct profile_options {
	// "SECTION[:TITLE].KEY=VALUE", or NULL. Their place is "--set" and their number, from 1;
	// relative paths in them start in the current directory.
	const struct strv *sets;
	// Where a bare name is looked up as NAME.conf, before the current directory; NULL: nowhere.
	const char *search_dir;
	// We are root: a file that another user could write or replace is an error, includes too.
	bool refuse_foreign;
};

// Reads, with includes (relative to the including file; loops are errors), then the sets. Every
// mistake becomes a diagnostic, in the order of files and lines; the profile is usable only if none
// is an error. Returns 0, or -errno with a message and a hint where the file can't be read at all
// (the profile is empty then).
int profile_read(struct profile *profile, const char *path, const struct profile_options *options,
		 struct diags *diags, struct err *err);

// The same from memory, for tests; `name` stands in messages, and relative paths start in its
// directory, or in / where it has none. Includes are errors.
void profile_parse(struct profile *profile, const char *name, const char *text,
		   struct diags *diags);
void profile_finish(struct profile *profile);

// Where a value was written last; {NULL, 0} if it never was or an empty one cleared it. `title` NULL
// for plain sections; the key "" asks for the section's first header. The file's name is borrowed.
struct place profile_where(const struct profile *profile, const char *section, const char *title,
			   const char *key);
bool profile_has(const struct profile *profile, const char *section, const char *title,
		 const char *key);
bool profile_has_section(const struct profile *profile, const char *section); // its header, or a key of it
