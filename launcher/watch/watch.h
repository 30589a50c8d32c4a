// SPDX-License-Identifier: MIT
// Owns what becomes of a guest's threads while somebody looks: differences, the worst wait, a short history.
// Refuses to read: it is fed with counts.
#pragma once

#include "tune/host/threads.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WATCH_HISTORY = 240 };

// What happened in a stretch of time.
struct watch_span {
	uint64_t run_ns, wait_ns;
	// Of all samples, the longest wait for a turn on a CPU. Where there was more than one turn between two
	// samples their mean counts: the kernel keeps sums, so this is a lower bound.
	uint64_t worst_ns;
	uint64_t involuntary;
	uint64_t migrations; // where the kernel does not count them: seen, from sample to sample
};

struct watched {
	char *name; // what the plan calls it, or the thread's own name
	struct thread_counts now;
	struct watch_span last;	 // the last whole interval
	struct watch_span total; // since it was first seen
	float waits[WATCH_HISTORY]; // share of each interval that it waited, a ring
	size_t n_waits;		    // ever put there; the newest is at (n_waits - 1) % WATCH_HISTORY
	// of the interval that goes on
	struct thread_counts mark, sampled;
	struct watch_span current;
	bool seen;
};

struct watch {
	struct watched *threads; // in the order they were first told
	size_t count;
	long long interval_ns; // of the last whole interval
};

void watch_finish(struct watch *watch);

// A thread and what it is called; telling one twice is harmless. Its counts now are where it begins.
void watch_add(struct watch *watch, const char *name, const struct thread_counts *counts);
// NULL: not told.
struct watched *watch_find(struct watch *watch, pid_t tid);

// Between two ends of an interval, the more often the truer the worst wait: only the times are looked at.
void watch_sample(struct watched *thread, const struct thread_counts *counts);

// The end of an interval: each thread that lives, with all of its counts; then how long it was. Threads that were
// not told of are forgotten.
void watch_mark(struct watched *thread, const struct thread_counts *counts);
void watch_end_interval(struct watch *watch, long long interval_ns);

// The share of an interval, in per cent, at most 100.
double watch_percent(uint64_t ns, long long interval_ns);
