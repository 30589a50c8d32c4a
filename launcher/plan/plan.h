// SPDX-License-Identifier: MIT
// Owns the plan: everything that will be done to the machine, as one value. `plan` prints it, `run`
// executes it. Making one is pure: same profile and facts, same plan.
#pragma once

#include "base/cpuset.h"
#include "base/diag.h"
#include "base/str.h"
#include "input/guest.h"
#include "launcher/plan/place.h"
#include "launcher/profile/profile.h"
#include "tune/change/change.h"
#include "tune/pin.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct facts;
struct json_object;

// What QEMU inherits. Numbers are final: the child dup2s to them before exec.
enum plan_fd_kind {
	PLAN_FD_FILE,	// open(path), write and direct say how
	PLAN_FD_COPY,	// a memfd with a copy of path (QEMU's user may not read the file itself)
	PLAN_FD_LISTEN, // a listening unix socket bound to path
	PLAN_FD_TAP,	// a queue of the tap `ifname`, attached to `bridge`
	PLAN_FD_VHOST,	// /dev/vhost-net
	PLAN_FD_ALIVE,	// the lock that tells that QEMU lives
	PLAN_FD_UINPUT, // a device of ours that the guest reads; path is a link to its node
	PLAN_FD_STREAM, // a connected socket to a helper (passt)
};

struct plan_fd {
	int fd;
	enum plan_fd_kind kind;
	char *what; // "firmware variables", "disk system", for people
	char *path;
	bool write, direct;
	char *ifname, *bridge; // PLAN_FD_TAP; ifname NULL: the kernel names it
	bool multi_queue;
	int queue; // of the tap, from 0; its queues follow one another
	int helper; // PLAN_FD_STREAM: index into helpers
};

enum pin_target { PIN_EMULATOR, PIN_VCPU, PIN_IOTHREAD, PIN_VHOST };

struct plan_pin {
	char *thread; // "vcpu0", "iothread0", "emulator", "vhost"
	enum pin_target target;
	int index;	    // of the vCPU or iothread
	struct cpuset cpus; // empty: not pinned
	struct sched sched;
	bool yields; // chosen by us: does without where another guest's partition has taken these CPUs meanwhile
	char *why;
};

// A device of the host in the guest's hands, or kept out of everybody's.
struct plan_device {
	char *address; // "0000:06:00.0"; of a mediated device its UUID
	bool mdev;
	bool passed; // false: of a passed one's group, without a driver; no driver may take it meanwhile
	bool named;  // by a section of its own, whose keys are about it
	bool iommufd; // reached by /dev/iommu and a node of its own, not by its group's
	size_t index; // of the [pci] or [mdev] section that names it or its group's taker
	char *name, *class_name; // for people
	int group;	// -1: unknown
	int node;	// -1: unknown
	char *driver;	// that it has now; NULL: none
	struct strv resets; // ways to reset it; empty: none
	char *why;
};

struct plan_helper {
	char *name;
	struct strv argv; // as QEMU's user
	// Its listening socket in the run directory. NULL: its end of a socket pair is its fd 3, the
	// other one a PLAN_FD_STREAM.
	char *socket;
};

// A real device that is there now.
struct plan_input {
	char *device, *name, *role;
	char *lost; // what does not get through to the guest; NULL: nothing
};

// A file that must exist before start and stays after (never journalled).
struct plan_vars {
	bool used, create;
	char *path, *template, *code;
	uint64_t code_size, code_hash;
	bool secure_boot;
};

struct plan {
	char *name;
	struct strv argv;	// exactly what is executed
	struct strv argv_paths; // the paste-able variant
	struct strv environment;
	struct plan_fd *fds;
	size_t n_fds;
	struct account_ref {
		char *name;
		uid_t uid;
		gid_t gid;
		bool change; // we must become it
	} user;
	uint64_t memlock; // bytes; 0: RLIMIT_MEMLOCK is left alone
	struct change_list changes;
	struct plan_pin *pins;
	size_t n_pins;
	struct plan_device *devices; // in the profile's order
	size_t n_devices;
	uint64_t memory_bytes, hugepage; // hugepage 0: normal pages
	char *memory_nodes;		 // list, "" none
	char *memory_why;		 // why these pages
	struct {
		char *method; // "none", "affinity", "isolcpus", "partition"
		char *cpus, *why;
		char *hint;   // what the kernel line could do beside, or NULL
		bool steer;   // interrupts of passed devices go to these CPUs
		char *cgroup; // of QEMU, absolute, with `vcpus` below it; NULL: no partition
	} isolation;
	struct plan_helper *helpers;
	size_t n_helpers;
	struct {
		bool used, virtio_host, start_guest, tablet;
		bool ps2; // the guest's mouse is QEMU's PS/2 one
		struct strv keyboard, mouse, device; // selectors
		struct strv hotkeys;
		char *panic; // NULL: none
		struct strv keep_held, on_host, on_guest;
		int fds[GUEST_PARTS]; // numbers in QEMU, 0: none
		int timeout;		   // s after which everything is given back, 0: never
	} input;
	struct plan_input *inputs;
	size_t n_inputs;
	struct plan_vars vars;
	struct strv operators;
	int shutdown_timeout; // s
	int greeting_ms;
	int n_vcpus, n_iothreads;
	int vcpu_nice;	   // of vCPU threads in no real-time class; 0: left alone
	bool core_cookie;  // vCPU threads share a core-scheduling cookie
	bool console;	// QEMU has a serial console on RUN/console.sock
	bool console_on_stdio; // `run` relays it on its own terminal
	bool kvm;
	bool kvm_node;	// QEMU's user is made able to open /dev/kvm
	struct strv shared_files; // memory that programs of the host share with the guest
	bool usb;		  // the guest has a USB controller, so that devices can be plugged in
	struct strv usb_devices;  // "04f2:b217 hotplug force": what [usb] wants plugged in, without the words not meant
	struct strv usb_why;	  // what that came to, for people
	struct strv clients;	  // the commands of these programs, for people
	char *map; // of the machine, with what runs where
	char *accel_why, *cpu_why, *topology_why, *display_why;
	struct strv hook_before, hook_started, hook_stopped;
	int hook_timeout; // s
	char *qemu; // the binary
	char *run_dir, *state_dir, *log_dir;
	struct diags warnings; // shown by plan and by run
};

struct plan_options {
	bool headless, detach;
	const struct strv *qemu_args; // after `--`
	int input_timeout;	      // s, 0: none
};

// Errors go to diags; the plan is usable only if none is there. Warnings go into the plan.
void plan_make(const struct profile *profile, const struct facts *facts, const struct plan_options *options,
	       struct plan *plan, struct diags *diags);
// The kernel found the TSC wanting, and that costs guests under KVM.
bool plan_clock_is_slow(const char *clock);
void plan_finish(struct plan *plan);
void plan_free(struct plan *plan); // heap; NULL is harmless
struct cpuset plan_vcpu_cpus(const struct plan *plan); // where vCPUs are pinned

// Helpers for the parts that fill a plan.
struct plan_fd *plan_add_fd(struct plan *plan, enum plan_fd_kind kind, const char *what, const char *path);
