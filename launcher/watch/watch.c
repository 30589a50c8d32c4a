// SPDX-License-Identifier: MIT
#include "launcher/watch/watch.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void watch_finish(struct watch *watch)
{
	for (size_t i = 0; i < watch->count; i++)
		free(watch->threads[i].name);
	free(watch->threads);
	*watch = (struct watch){ 0 };
}

struct watched *watch_find(struct watch *watch, pid_t tid)
{
	for (size_t i = 0; i < watch->count; i++) {
		if (watch->threads[i].now.tid == tid)
			return &watch->threads[i];
	}
	return NULL;
}

void watch_add(struct watch *watch, const char *name, const struct thread_counts *counts)
{
	struct watched *thread;

	if (watch_find(watch, counts->tid))
		return;
	thread = MEM_PUSH(watch->threads, watch->count);
	thread->name = mem_dup(name);
	thread->now = thread->mark = thread->sampled = *counts;
	thread->seen = true; // it lives to the end of the interval in which it was found
}

// A thread id may be another thread's by now, whose counts begin anew.
static uint64_t grown(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

void watch_sample(struct watched *thread, const struct thread_counts *counts)
{
	uint64_t waited = grown(thread->sampled.wait_ns, counts->wait_ns);
	uint64_t turns = grown(thread->sampled.turns, counts->turns);

	if (turns > 1)
		waited /= turns;
	if (waited > thread->current.worst_ns)
		thread->current.worst_ns = waited;
	if (!counts->migrations_known && counts->cpu != thread->sampled.cpu)
		thread->current.migrations++;
	thread->sampled = *counts;
}

static void add_span(struct watch_span *to, const struct watch_span *span)
{
	to->run_ns += span->run_ns;
	to->wait_ns += span->wait_ns;
	to->involuntary += span->involuntary;
	to->migrations += span->migrations;
	if (span->worst_ns > to->worst_ns)
		to->worst_ns = span->worst_ns;
}

void watch_mark(struct watched *thread, const struct thread_counts *counts)
{
	struct watch_span *span = &thread->current;

	watch_sample(thread, counts);
	span->run_ns = grown(thread->mark.run_ns, counts->run_ns);
	span->wait_ns = grown(thread->mark.wait_ns, counts->wait_ns);
	span->involuntary = grown(thread->mark.involuntary, counts->involuntary);
	if (counts->migrations_known)
		span->migrations = grown(thread->mark.migrations, counts->migrations);
	add_span(&thread->total, span);
	thread->last = *span;
	*span = (struct watch_span){ 0 };
	thread->now = thread->mark = *counts;
	thread->seen = true;
}

void watch_end_interval(struct watch *watch, long long interval_ns)
{
	size_t kept = 0;

	watch->interval_ns = interval_ns;
	for (size_t i = 0; i < watch->count; i++) {
		struct watched *thread = &watch->threads[i];

		if (!thread->seen) {
			free(thread->name);
			continue;
		}
		thread->seen = false;
		thread->waits[thread->n_waits++ % WATCH_HISTORY] =
			(float)watch_percent(thread->last.wait_ns, interval_ns);
		if (kept != i)
			watch->threads[kept] = *thread;
		kept++;
	}
	watch->count = kept;
}

double watch_percent(uint64_t ns, long long interval_ns)
{
	double percent = interval_ns > 0 ? (double)ns * 100 / (double)interval_ns : 0;

	return percent > 100 ? 100 : percent;
}
