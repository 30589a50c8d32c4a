// SPDX-License-Identifier: MIT
// Owns all that the planner may know beside the profile, read once: host, QEMU, firmware, the files that
// the profile names, accounts, limits. Each can be unknown. Refuses to change anything.
#pragma once

#include "base/diag.h"
#include "base/str.h"
#include "launcher/facts/bootmedium.h"
#include "launcher/facts/rom.h"
#include "launcher/facts/vfio.h"
#include "launcher/profile/profile.h"
#include "qmp/caps.h"
#include "tune/host/attributes.h"
#include "tune/host/cgroup.h"
#include "tune/host/cpu.h"
#include "tune/host/daemons.h"
#include "tune/host/desktop.h"
#include "tune/host/input.h"
#include "tune/host/iommu.h"
#include "tune/host/mdev.h"
#include "tune/host/memory.h"
#include "tune/host/pci.h"
#include "tune/host/system.h"
#include "tune/host/usb.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct paths;
struct root;

// One firmware for x86_64, from a descriptor (QEMU docs/interop/firmware.json) or a well-known path.
struct firmware {
	char *code, *vars_template; // vars_template NULL: none
	char *code_format, *vars_format; // "raw" or "qcow2"
	char *source; // the descriptor's path, or "well-known path"
	bool secure_boot, requires_smm, enrolled_keys, stateless;
	bool q35, i440fx; // machines it is for
	bool supposed;	  // of a captured machine that does not tell
};

struct firmware_list {
	struct firmware *items; // best first, as the descriptors' order says
	size_t count;
};

enum file_type { FILE_MISSING, FILE_UNREADABLE, FILE_REGULAR, FILE_BLOCK, FILE_OTHER };

struct file_fact {
	char *path;	  // as the profile has it, absolute
	enum file_type type;
	int error;	  // errno behind MISSING and UNREADABLE
	bool writable, guest_readable; // by us; by the user QEMU will run as, through this inode's mode
	bool direct;	  // O_DIRECT is possible
	uint64_t size;	  // bytes; of a block device its capacity
	uid_t uid;
	gid_t gid;
	mode_t mode;	  // permissions
	dev_t dev;	  // with ino: which inode it is, by whatever path; of a block device its number
	ino_t ino;	  // 0 for a block device
	bool qcow2;	  // starts with QEMU's magic
	char *backing;	  // qcow2: the backing file, absolute; NULL: none. Its fact is in the list too
	char *backing_format; // "qcow2", "raw", NULL: not said
	const char *unsupported; // qcow2: what makes it none of ours ("is encrypted"), static; NULL: nothing
	struct strv uses; // block devices: who on the host uses it
	enum boot_medium boot; // disks and CDs: what UEFI firmware would find
	bool is_rom;	  // looked at as one: a romfile of [pci]
	struct rom rom;	  // what is in it; no images: nothing
	uint64_t hash;	  // only of the firmware image that will be used
	bool hashed;
};

struct account {
	char *name;
	uid_t uid;
	gid_t gid;
	bool found;
};

// What was kept beside a guest's VARS copy when it was made.
struct vars_origin {
	bool found;
	char *path, *code; // the copy; the CODE it was made for
	uint64_t code_size, code_hash;
	bool secure_boot;
};

// What a user must be able to open and may not, and what dead guests left; of the live machine only.
struct openings {
	bool known;
	int kvm, vfio; // errno behind a /dev/kvm, a /dev/vfio/vfio that we can't open; 0: we can
	struct strv inputs;	   // keyboards and mice whose nodes we can't open
	struct strv dead, orphans, running; // guests: whose changes stay; that run without a keeper; with one
	char *run_error, *run_hint; // why no guest could be started by this user; NULL: it can
};

struct facts {
	bool live;
	struct cpu_facts cpus;
	struct memory_facts memory;
	struct cgroup_facts cgroup; // where the profile lets CPUs be isolated
	struct system_facts system;
	struct mdev_facts mdevs;
	struct desktop_facts desktop;
	struct vfio_facts vfio;
	struct qemu_caps qemu;
	char *qemu_error; // why the binary could not be asked (not found, not executable), or NULL
	char *qemu_hint;  // what to do about it, or NULL
	struct firmware_list firmwares;
	struct file_fact *files;
	size_t n_files;
	struct vars_origin vars;
	char *run_dir;	 // of this guest: /run/vfiorun/NAME
	char *state_dir; // kept: /var/lib/vfiorun/NAME
	char *log_dir;
	bool root;	 // we are uid 0
	bool can_nice;	 // may set real-time classes (CAP_SYS_NICE or RLIMIT_RTPRIO)
	bool can_net;	 // may make tap devices (CAP_NET_ADMIN)
	bool can_vhost;	 // may open /dev/vhost-net
	char *passt;	 // the program, NULL: not installed
	struct account self, login, vfiorun, nobody, named; // login: SUDO_UID or PKEXEC_UID; named: [vm] user
	struct account viewer; // who looks at [lookingglass]: its owner, else who started us
	struct strv others_memory; // "FILE is guest NAME's": memory that other guests share
	struct strv environment; // the display's and audio's variables that are set, "NAME=value"
	struct strv home_environment; // HOME, USER and LOGNAME: only for a QEMU that runs as ourselves
	struct cpuset others; // CPUs that other running guests of ours are pinned to
	uint64_t memlock_hard; // UINT64_MAX: unlimited
	struct daemon_facts daemons; // looked for where the profile sets what they set
	struct input_facts input; // only for a profile that shares input devices
	int uinput_error;	  // errno behind a /dev/uinput that we can't open; 0: we can
	struct attribute_facts attributes; // those that this profile's [host] section would set
	// read where the profile names PCI devices; detail only of these, of their groups, and of what is above them
	struct pci_facts pci;
	struct usb_facts usb;
	struct iommu_facts iommu;
	struct openings openings; // only where everything is asked for
};

struct facts_options {
	const struct paths *paths;
	bool everything; // what no profile asks for, too: the whole host, with the detail of every device
};

// Reads what this profile needs. Of a captured machine nothing is known of QEMU and of the files that the
// profile names; it is looked at as its root would, who has every right. Problems of the host become what is
// unknown in the facts; the planner speaks about them. Returns 0, or -errno with a message where not even
// CPUs can be read.
int facts_read(struct root *root, const struct profile *profile, const struct facts_options *options,
	       struct facts *facts, struct err *err);
void facts_finish(struct facts *facts);

// Who QEMU would run as; NULL: there is no such account.
const struct account *facts_qemu_user(const struct profile *profile, const struct facts *facts);
// Where [lookingglass] and [scream] share memory.
const char *facts_lookingglass_file(const struct profile *profile);
const char *facts_scream_file(const struct profile *profile);

const struct file_fact *facts_file(const struct facts *facts, const char *path); // NULL: not asked for
