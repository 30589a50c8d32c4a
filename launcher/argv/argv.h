// SPDX-License-Identifier: MIT
// Owns QEMU's command line: one file a part, each a pure function of profile, facts and the plan so
// far. Refuses to ask the host anything. Expects QEMU 5.2 or later: what came after that is asked
// of the caps.
#pragma once

#include "launcher/facts/facts.h"
#include "launcher/plan/plan.h"

struct placement;

// How many iothreads there will be: [cpu] iothreads, else one as soon as a disk can use it
// (disk.c). Placement asks before the plan is made.
int argv_count_iothreads(const struct profile *profile);

// vCPUs that xAPIC ids can name: eight bits, of which 0xff means all of them.
enum { XAPIC_VCPUS = 255 };

// What all parts share while a plan is made.
struct argv_build {
	const struct profile *profile;
	const struct facts *facts;
	const struct placement *placement;
	const struct plan_options *options;
	struct plan *plan;   // fds, helpers, vars and argv grow here
	struct diags *diags; // errors; warnings go to plan->warnings
	// Choices that several parts need, decided first (argv_choose).
	bool q35, kvm, windows, secure_boot, needs_shared_memory;
	const char *machine;	   // versioned name, borrowed
	const char *cpu_model;	   // for -cpu, borrowed
	const char *irqchip;	   // "on", "split", "off"; NULL: TCG, which has none in the kernel
	bool spice; // there is a SPICE socket
	bool usb;		   // there is a USB controller
	enum display_type display; // never DISPLAY_AUTO or DISPLAY_INSTALL
	const struct pci_device *gpu; // the first one that is passed, or NULL
};

// The one escape: a value inside a comma-separated option: "," becomes ",,". Appends. -cpu alone
// knows no escape; the profile's reader takes no comma in what goes there.
void argv_add_value(struct str *out, const char *value);
char *argv_escape(const char *value); // heap; the caller frees

// Adds "-option" and the value that fmt makes; every %s that may hold foreign text must have gone
// through argv_escape. argv_paths gets the same. -machine may be given by several parts: QEMU
// merges them.
void argv_add(struct argv_build *b, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void argv_add_flag(struct argv_build *b, const char *option);
// Where the executed and the paste-able form differ (inherited fds).
void argv_add_pair(struct argv_build *b, const char *option, const char *executed,
		   const char *pasted);

// Diagnostics of the plan, at the place where the key was written (a key of a plain section).
struct diag *argv_error(struct argv_build *b, const char *code, const char *section,
			const char *key, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
struct diag *argv_host_error(struct argv_build *b, const char *code, const char *section,
			     const char *key, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
struct diag *argv_warn(struct argv_build *b, const char *code, const char *section, const char *key,
		       const char *fmt, ...) __attribute__((format(printf, 5, 6)));

// The USB controller "usb.0", once however many ask for it.
void argv_add_usb(struct argv_build *b);

// A socket of this name in the run directory, the caller frees. An error if it is too long for
// sun_path.
char *argv_socket_path(struct argv_build *b, const char *name);

// The parts, in the order in which they are called. Each adds its options.
void argv_choose(struct argv_build *b);	  // choose.c: machine, accel, cpu model: no options yet
void argv_machine(struct argv_build *b);  // machine.c: -name -uuid -machine -accel -sandbox …
void argv_cpu(struct argv_build *b);	  // cpu.c: -cpu -smp
void argv_memory(struct argv_build *b);	  // memory.c: -m -object memory-backend-… -numa
void argv_firmware(struct argv_build *b); // firmware.c: pflash, VARS, direct kernel boot, -boot
void argv_disks(struct argv_build *b);	  // disk.c: iothreads, -blockdev, controllers, cdroms
void argv_nets(struct argv_build *b);	  // net.c
void argv_pci(struct argv_build *b);	  // pci.c: devices of the host
void argv_display(struct argv_build *b);  // display.c: -display, video, input, spice, vnc
void argv_usb(struct argv_build *b);	  // usb.c: the controller, what is plugged in later; after the display
void argv_shared(struct argv_build *b);	  // shared.c: Looking Glass and Scream, after the display
void argv_input(struct argv_build *b);	  // input.c: [input]
void argv_monitor(struct argv_build *b);  // monitor.c: QMP and console sockets, rng, pvpanic
void argv_raw(struct argv_build *b);	  // raw.c: [qemu] arguments, last

// The Hyper-V part of -cpu: appends ",hv-…" to cpu and says in why what was chosen (hyperv.c).
void argv_add_hyperv(struct argv_build *b, struct str *cpu, struct str *why);
