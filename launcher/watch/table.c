// SPDX-License-Identifier: MIT
#include "launcher/watch/table.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

// A share of an interval below this is this step of the history; the last step has no upper end. Each is about
// three times the one before: what disturbs a guest begins far below one per cent.
static const float steps[] = { 0.01F, 0.1F, 0.3F, 1, 3, 10, 30 };
enum { N_STEPS = ARRAY_SIZE(steps) + 1 };
static const char *const bars[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char dots[] = "_.-:=+*#";
_Static_assert(ARRAY_SIZE(bars) == N_STEPS && sizeof(dots) == N_STEPS + 1, "a sign a step");

// From these on it is shown as bad, and as worse.
enum { BAD_STEP = 4, WORSE_STEP = 6 };

enum { FIXED_COLUMNS = 70 }; // before the history

static size_t step_of(float percent)
{
	size_t step = 0;

	while (step < ARRAY_SIZE(steps) && percent >= steps[step])
		step++;
	return step;
}

static const char *colour_of(size_t step)
{
	return step >= WORSE_STEP ? "\033[31m" : step >= BAD_STEP ? "\033[33m" : NULL;
}

static void add_coloured(const struct table *table, size_t step, const char *text, struct str *out)
{
	const char *colour = table->colour ? colour_of(step) : NULL;

	str_addf(out, "%s%s%s", colour ? colour : "", text, colour ? "\033[0m" : "");
}

// In at most 7 columns.
static void print_ns(uint64_t ns, char *text, size_t size)
{
	if (ns < 10000)
		snprintf(text, size, "%.1f us", (double)ns / 1e3);
	else if (ns < 1000000)
		snprintf(text, size, "%.0f us", (double)ns / 1e3);
	else if (ns < 10000000)
		snprintf(text, size, "%.1f ms", (double)ns / 1e6);
	else if (ns < 1000000000)
		snprintf(text, size, "%.0f ms", (double)ns / 1e6);
	else
		snprintf(text, size, "%.1f s", (double)ns / 1e9);
}

// In at most 5 columns.
static void print_count(uint64_t count, char *text, size_t size)
{
	static const char units[] = "kMGTPE";
	size_t unit = 0;

	if (count < 100000) {
		snprintf(text, size, "%u", (unsigned)count);
		return;
	}
	for (count /= 1000; count >= 10000; count /= 1000)
		unit++;
	snprintf(text, size, "%u%c", (unsigned)count, units[unit]);
}

const struct cpu_clock *table_clock(const struct table *table, int cpu)
{
	for (size_t i = 0; i < table->n_clocks; i++) {
		if (table->clocks[i].cpu == cpu)
			return &table->clocks[i];
	}
	return NULL;
}

static void print_clock(const struct table *table, int cpu, char *text, size_t size)
{
	const struct cpu_clock *clock = table_clock(table, cpu);
	char now[24] = "?", max[24] = "?";

	if (clock && clock->khz)
		snprintf(now, sizeof(now), "%ld", clock->khz / 1000);
	if (clock && clock->max_khz)
		snprintf(max, sizeof(max), "%ld", clock->max_khz / 1000);
	snprintf(text, size, "%s/%s", now, max);
}

static void add_history(const struct table *table, const struct watched *thread, struct str *out)
{
	size_t columns = table->width > FIXED_COLUMNS ? (size_t)(table->width - FIXED_COLUMNS) : 0;
	size_t n = thread->n_waits;

	if (n > columns)
		n = columns;
	if (n > WATCH_HISTORY)
		n = WATCH_HISTORY;
	for (size_t i = thread->n_waits - n; i < thread->n_waits; i++) {
		size_t step = step_of(thread->waits[i % WATCH_HISTORY]);
		char dot[2] = { dots[step] };

		add_coloured(table, step, table->utf8 ? bars[step] : dot, out);
	}
}

static void add_thread(const struct table *table, const struct watch *watch, const struct watched *thread,
		       struct strv *lines)
{
	char clock[64], waited[16], worst[16], involuntary[16], migrations[16], left[96], right[64];
	double share = watch_percent(thread->last.wait_ns, watch->interval_ns);
	AUTO_STR struct str line = { 0 };
	int room;

	print_clock(table, thread->now.cpu, clock, sizeof(clock));
	print_ns(thread->total.worst_ns, worst, sizeof(worst));
	print_count(thread->total.involuntary, involuntary, sizeof(involuntary));
	print_count(thread->total.migrations, migrations, sizeof(migrations));
	snprintf(left, sizeof(left), "%-12.12s %3d %9.9s %-8.8s %5.1f ", thread->name, thread->now.cpu, clock,
		 thread->now.policy, watch_percent(thread->last.run_ns, watch->interval_ns));
	snprintf(waited, sizeof(waited), "%6.2f", share);
	snprintf(right, sizeof(right), " %7s %5s %5s  ", worst, involuntary, migrations);
	room = table->width - (int)(strlen(left) + strlen(waited));
	str_add(&line, left);
	add_coloured(table, step_of((float)share), waited, &line);
	str_addn(&line, right, strnlen(right, room > 0 ? (size_t)room : 0));
	add_history(table, thread, &line);
	strv_add(lines, str_text(&line));
}

static void add_cut(const struct table *table, const char *text, struct strv *lines)
{
	strv_take(lines, mem_dupn(text, strnlen(text, (size_t)table->width)));
}

void table_print(const struct table *table, const struct watch *watch, struct strv *lines)
{
	AUTO_FREE char *head = mem_printf("%s: QEMU is process %d, threads over the last %.3g s%s%s", table->guest,
					  (int)table->pid, (double)watch->interval_ns / 1e9,
					  table->keys ? "; " : "", table->keys ? table->keys : "");
	size_t shown = watch->count, most = SIZE_MAX;
	char columns[96];

	add_cut(table, head, lines);
	add_cut(table, "", lines);
	snprintf(columns, sizeof(columns), "%-12s %3s %9s %-8s %5s %6s %7s %5s %5s  %s", "thread", "CPU", "MHz/max",
		 "policy", "run %", "wait %", "worst", "taken", "moved", "waiting");
	add_cut(table, columns, lines);
	if (table->height)
		most = table->height > 4 ? (size_t)table->height - 4 : 1;
	if (shown > most)
		shown = most;
	for (size_t i = 0; i < shown; i++)
		add_thread(table, watch, &watch->threads[i], lines);
	if (shown < watch->count) {
		AUTO_FREE char *rest = mem_printf("and %zu more: they need a higher window",
						  watch->count - shown);

		add_cut(table, rest, lines);
	}
}
