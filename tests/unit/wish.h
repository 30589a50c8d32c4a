// SPDX-License-Identifier: MIT
// Owns what a profile asks of placement, made from words, and one line that says what came out.
#pragma once

#include "base/diag.h"
#include "launcher/plan/place.h"
#include "launcher/profile/profile.h"

struct str;

// vcpus= sockets= cores= threads= memory= windows; pin= emulator= iothread_pin= (lists, or none);
// nodes=; and what else place_cpus is told: iothreads=, held= (CPUs of other guests), near= (a device's node).
struct wish {
	struct profile profile;
	struct cpuset held;
	struct place_near near;
	int iothreads;
};

void wish_make(struct wish *wish, const char *words);
void wish_finish(struct wish *wish);

// Places a wish on a machine of machine.h.
void wish_place(const char *machine_words, const char *wish_words, struct placement *placement,
		struct diags *diags);

// "2,8,3,9 1x1x2x2 emulator=0,6 io=-;- nodes=0: code code"; the topology is sockets, dies, cores, threads.
void wish_print(const struct placement *placement, const struct diags *diags, struct str *out);

// Both, compared with what is expected.
void wish_check(const char *machine, const char *wish, const char *expected);

// Machines as people have them.
#define SIX_CORES "cores=6 threads=2 far"
#define SIX_NEAR "l3=2 cores=3 threads=2"
#define TWO_CCD "l3=2 cores=8 threads=2 far"
#define X3D TWO_CCD " cache=96M,32M"
#define HYBRID "cores=6 threads=2 efficiency=8"
#define DUAL_SOCKET "sockets=2 cores=24 threads=2 far"
#define EIGHT_NODES "sockets=2 nodes=4 l3=2 cores=4 threads=2 far"
