// SPDX-License-Identifier: MIT
// Owns QEMU's command line: one file a part, each a pure function of profile, facts and the plan so far.
// Refuses to ask the host anything.
#pragma once

#include "launcher/facts/facts.h"
#include "launcher/plan/plan.h"

struct placement;

// How many iothreads there will be: [cpu] iothreads, else one as soon as a disk can use it (disk.c).
// Placement asks before the plan is made.
int argv_count_iothreads(const struct profile *profile);

// What all parts share while a plan is made.
struct argv_build {
	const struct profile *profile;
	const struct facts *facts;
	const struct placement *placement;
	const struct plan_options *options;
	struct plan *plan;   // fds, helpers, vars and argv grow here
	struct diags *diags; // errors; warnings go to plan->warnings
	// Choices that several parts need, decided first (machine.c).
	bool q35, kvm, windows, secure_boot, needs_shared_memory;
	const char *machine;   // versioned name
	const char *cpu_model; // for -cpu
	int next_pci_slot;     // for argv parts that place devices on root ports
};

// The one escape: a value inside a comma-separated option: "," becomes ",,". Appends.
void argv_add_value(struct str *out, const char *value);

// Adds "-option" and the value that fmt makes; every %s that may hold foreign text must have gone through
// argv_escape. argv_paths gets the same.
void argv_add(struct argv_build *b, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void argv_add_flag(struct argv_build *b, const char *option);
// Where the executed and the paste-able form differ (inherited fds).
void argv_add_pair(struct argv_build *b, const char *option, const char *executed, const char *pasted);
char *argv_escape(const char *value); // heap; the caller frees

// The parts, in the order in which they are called. Each adds its options.
void argv_choose(struct argv_build *b);	  // machine.c: accel, machine, cpu model, windows, …: no options yet
void argv_machine(struct argv_build *b);  // machine.c: -name -uuid -machine -accel -nodefaults -sandbox …
void argv_cpu(struct argv_build *b);	  // cpu.c: -cpu -smp
void argv_memory(struct argv_build *b);	  // memory.c: -m -object memory-backend-… -numa -overcommit
void argv_firmware(struct argv_build *b); // firmware.c: pflash, VARS, secure boot, direct kernel boot, -boot
void argv_disks(struct argv_build *b);	  // disk.c: iothreads, -blockdev, controllers, cdroms
void argv_nets(struct argv_build *b);	  // net.c
void argv_display(struct argv_build *b);  // display.c: -display, video, input, spice, vnc, -rtc
void argv_monitor(struct argv_build *b);  // monitor.c: QMP and console sockets, rng, vmgenid, watchdog/pvpanic
void argv_raw(struct argv_build *b);	  // raw [qemu] arguments, last
