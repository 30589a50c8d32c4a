// SPDX-License-Identifier: MIT
// Owns a stand-in for irqbalance, which reads what it is told as irqbalance 1.9 does (irqbalance.c, sock_handle): whole
// lists, each in place of the one before; interrupts at once, CPUs with its next scan.
#pragma once

#include <stdbool.h>

struct fakehost;

// Shared with the stand-in's process.
struct fakeirqbalance {
	char irqs[256];		     // "35 36", as it would list them
	char cpus[64], new_cpus[64]; // a list; what the next scan makes of it
	int questions;		     // since it was told something
	int scans_after;	     // so many of them
	int words;		     // settings that came
};

// In the fake host's /run/irqbalance and /proc, as this process; it knows nothing yet.
struct fakeirqbalance *fakeirqbalance_start(struct fakehost *fake, int pid);
// With its socket, and where `systemd` had started it with the directory.
void fakeirqbalance_end(struct fakehost *fake, bool systemd);
