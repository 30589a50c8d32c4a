// SPDX-License-Identifier: MIT
// Owns the notice that a tracepoint of the kernel was passed, by perf_event_open(2). Refuses to say by whom or with
// what: nothing of it is read.
//
// It is counted by CPU, not by thread: an event of a thread's own costs that thread, and every switch on the host, a
// little each time (perf_sched_events, Linux 6.1 kernel/events/core.c); one of a CPU costs nothing until it is passed.
// It takes CAP_PERFMON, and tracefs, which knows the tracepoint's number.
#pragma once

#include <stddef.h>

struct cpuset;
struct err;
struct tracepoint_cpu;

struct tracepoint {
	int fd; // readable once it was passed; -1: closed
	struct tracepoint_cpu *cpus;
	size_t count;
};

#define TRACEPOINT_CLOSED { .fd = -1 }

// `name` is "irq_vectors/vector_setup". A CPU that is offline is left out; once it is back, somebody has to open anew.
// Returns 0 or -errno with a message, and is closed then.
int tracepoint_open(struct tracepoint *tracepoint, const char *name, const struct cpuset *cpus, struct err *err);
// Not readable any longer, until it is passed again.
void tracepoint_clear(struct tracepoint *tracepoint);
void tracepoint_close(struct tracepoint *tracepoint);
