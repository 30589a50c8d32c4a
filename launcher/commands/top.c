// SPDX-License-Identifier: MIT
// top: what the host's scheduler does to a guest's threads. It reads /proc and asks QEMU nothing, so no vCPU is
// ever stopped by it.
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/commands/status.h"
#include "launcher/guest/paths.h"
#include "launcher/watch/screen.h"
#include "launcher/watch/table.h"
#include "launcher/watch/watch.h"
#include "tune/host/process.h"
#include "tune/host/root.h"

#include <json-c/json.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum {
	INTERVAL_MS = 1000,
	SAMPLE_MS = 100, // how long a wait may be mistaken for a part of the next one
	VHOST_EVERY = 10, // intervals: finding these threads takes a look at every process
};

struct top {
	const struct command_line *line;
	struct root root;
	int pid, pidfd;
	struct watch watch;
	struct thread_list vhost;
	struct screen screen;
	int interval_ms;
	long long began_ns; // the interval that goes on
	unsigned long intervals;
	struct cpu_clock *clocks;
	size_t n_clocks;
};

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void top_finish(struct top *top)
{
	screen_close(&top->screen);
	watch_finish(&top->watch);
	thread_list_finish(&top->vhost);
	free(top->clocks);
	root_finish(&top->root);
	cleanup_close(&top->pidfd);
}

// --- the guest

static int find_threads(struct top *top, struct json_object *status, struct err *err)
{
	struct json_object *threads, *name, *tid;
	size_t n = json_object_object_get_ex(status, "threads", &threads) ? json_object_array_length(threads) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *thread = json_object_array_get_idx(threads, i);
		struct thread_counts counts = { 0 };
		int r;

		if (!json_object_object_get_ex(thread, "thread", &name) ||
		    !json_object_object_get_ex(thread, "tid", &tid))
			continue;
		r = thread_read_counts(&top->root, top->pid, json_object_get_int(tid), &counts);
		if (r == 0)
			watch_add(&top->watch, json_object_get_string(name), &counts);
		else if (r == -ENOTSUP)
			return err_set(err, r, "this kernel keeps no times of threads (CONFIG_SCHED_INFO)");
		else if (r != -ESRCH)
			return err_sys(err, r, "reading what the kernel counts for thread %d",
				       json_object_get_int(tid));
	}
	return 0;
}

static int open_guest(struct top *top, struct json_object *status, struct err *err)
{
	const char *name = top->line->name;
	struct json_object *pid;
	struct process_id id;
	int r;

	top->pid = json_object_object_get_ex(status, "pid", &pid) ? json_object_get_int(pid) : 0;
	if (!top->pid)
		return err_set(err, -ESRCH, "%s has no QEMU yet", name);
	r = process_read_id(top->pid, &id);
	if (r == 0)
		top->pidfd = process_open(&id);
	if (r == 0 && top->pidfd < 0)
		r = top->pidfd;
	if (r < 0) {
		err_set(err, r, "%s does not run (process %d: %s)", name, top->pid, strerror(-r));
		return err_hint(err, "`vfiorun status %s` says what is left of it", name);
	}
	r = root_open(&top->root, NULL, err);
	return r < 0 ? r : find_threads(top, status, err);
}

static int find_guest(struct top *top, struct err *err)
{
	struct json_object *status = NULL;
	struct paths paths;
	int r = paths_read(&paths, err);

	if (r == 0) {
		status = status_read(&paths, top->line->name);
		r = status ? open_guest(top, status, err) :
			     err_set(err, -ENOENT, "no guest `%s`; `vfiorun list` shows those there are",
				     top->line->name);
	}
	json_object_put(status);
	paths_finish(&paths);
	return r;
}

// --- looking

static bool has_ended(const struct top *top)
{
	struct pollfd end = { .fd = top->pidfd, .events = POLLIN };

	return poll(&end, 1, 0) == 1;
}

static void sample(struct top *top)
{
	for (size_t i = 0; i < top->watch.count; i++) {
		struct watched *thread = &top->watch.threads[i];
		struct thread_counts counts = thread->sampled;

		if (thread_read_times(&top->root, thread->now.pid, thread->now.tid, &counts) == 0)
			watch_sample(thread, &counts);
	}
}

// QEMU tells its threads what they are for in their names, "CPU 0/KVM" and "IO iothread0". That is no promise of
// QEMU's, and only needed where no monitor says which is which.
static void add_found(struct watch *watch, const struct thread_counts *counts)
{
	AUTO_FREE char *name = NULL;
	int index;

	if (counts->tid == counts->pid && strncmp(counts->name, "vhost-", 6) != 0)
		name = mem_dup("emulator");
	else if (sscanf(counts->name, "CPU %d/", &index) == 1)
		name = mem_printf("vcpu%d", index);
	else if (strncmp(counts->name, "IO ", 3) == 0)
		name = mem_dup(counts->name + 3);
	else
		name = mem_dup(counts->name);
	watch_add(watch, name, counts);
}

// pid 0: each is a process of its own
static void mark_threads(struct top *top, pid_t pid, const struct thread_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct thread_counts counts = { 0 };
		struct watched *thread = watch_find(&top->watch, list->tids[i]);

		if (thread_read_counts(&top->root, pid ? pid : list->tids[i], list->tids[i], &counts) < 0)
			continue;
		if (thread)
			watch_mark(thread, &counts);
		else
			add_found(&top->watch, &counts);
	}
}

static void read_clocks(struct top *top)
{
	struct cpuset cpus = { 0 };

	for (size_t i = 0; i < top->watch.count; i++)
		cpuset_add(&cpus, top->watch.threads[i].now.cpu);
	free(top->clocks);
	top->clocks = cpu_clocks_read(&top->root, &cpus, &top->n_clocks);
}

// The end of an interval. False: the guest has ended.
static bool look(struct top *top)
{
	long long now = now_ns();
	struct thread_list list;
	int r = process_list_threads(top->pid, &list);

	if (r == 0)
		mark_threads(top, top->pid, &list);
	thread_list_finish(&list);
	if (r < 0 || has_ended(top))
		return false;
	if (top->intervals++ % VHOST_EVERY == 0) {
		thread_list_finish(&top->vhost);
		process_list_vhost(top->pid, &top->vhost);
	}
	mark_threads(top, 0, &top->vhost);
	watch_end_interval(&top->watch, now - top->began_ns);
	top->began_ns = now;
	read_clocks(top);
	return true;
}

// --- telling

static struct json_object *print_number(bool known, uint64_t number)
{
	return known ? json_object_new_int64((int64_t)number) : NULL;
}

static struct json_object *print_thread(const struct table *table, const struct watched *thread)
{
	const struct cpu_clock *clock = table_clock(table, thread->now.cpu);
	struct json_object *object = json_object_new_object(), *total = json_object_new_object();
	const struct thread_counts *now = &thread->now;
	const struct {
		struct json_object *to;
		const char *key;
		bool known;
		uint64_t value;
	} numbers[] = {
		{ object, "tid", true, (uint64_t)now->tid },
		{ object, "cpu", true, (uint64_t)now->cpu },
		{ object, "khz", clock && clock->khz, clock ? (uint64_t)clock->khz : 0 },
		{ object, "max_khz", clock && clock->max_khz, clock ? (uint64_t)clock->max_khz : 0 },
		{ object, "run_ns", true, thread->last.run_ns },
		{ object, "wait_ns", true, thread->last.wait_ns },
		{ object, "worst_wait_ns", true, thread->last.worst_ns },
		{ object, "involuntary", true, thread->last.involuntary },
		{ object, "migrations", true, thread->last.migrations },
		{ total, "run_ns", true, now->run_ns },
		{ total, "wait_ns", true, now->wait_ns },
		{ total, "involuntary", true, now->involuntary },
		{ total, "migrations", now->migrations_known, now->migrations },
	};

	json_object_object_add(object, "thread", json_object_new_string(thread->name));
	json_object_object_add(object, "policy", json_object_new_string(now->policy));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		json_object_object_add(numbers[i].to, numbers[i].key,
				       print_number(numbers[i].known, numbers[i].value));
	json_object_object_add(object, "total", total);
	return object;
}

static int show_json(const struct top *top, const struct table *table)
{
	struct json_object *object = json_object_new_object(), *threads = json_object_new_array();
	AUTO_STR struct str text = { 0 };

	json_object_object_add(object, "name", json_object_new_string(top->line->name));
	json_object_object_add(object, "pid", json_object_new_int(top->pid));
	json_object_object_add(object, "time", json_object_new_int64((int64_t)time(NULL)));
	json_object_object_add(object, "interval_ns", json_object_new_int64(top->watch.interval_ns));
	for (size_t i = 0; i < top->watch.count; i++)
		json_object_array_add(threads, print_thread(table, &top->watch.threads[i]));
	json_object_object_add(object, "threads", threads);
	str_addf(&text, "%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
									       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return print_out(text.text);
}

static int show_lines(const struct top *top, const struct table *table)
{
	AUTO_STRV struct strv lines = { 0 };
	AUTO_STR struct str text = { 0 };

	table_print(table, &top->watch, &lines);
	if (top->screen.open)
		return screen_draw(&lines) < 0;
	for (size_t i = 0; i < lines.count; i++)
		str_addf(&text, "%s\n", lines.items[i]);
	if (!top->line->once)
		str_addc(&text, '\n');
	return print_out(text.text);
}

static int show(const struct top *top)
{
	struct table table = { .guest = top->line->name,
			       .pid = top->pid,
			       .clocks = top->clocks,
			       .n_clocks = top->n_clocks };

	if (top->line->json)
		return show_json(top, &table);
	screen_size(&table.width, &table.height);
	table.utf8 = screen_has_utf8();
	table.colour = !top->line->no_color && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	if (top->screen.open)
		table.keys = "q leaves";
	else
		table.height = 0;
	return show_lines(top, &table);
}

// --- the loop

// One step of waiting. False: whoever looks leaves.
static bool pass_time(struct top *top, int timeout_ms)
{
	struct pollfd end = { .fd = top->pidfd, .events = POLLIN };

	if (!top->screen.open) {
		poll(&end, 1, timeout_ms);
		return true;
	}
	switch (screen_wait(&top->screen, top->pidfd, timeout_ms)) {
	case SCREEN_LEAVE:
		return false;
	case SCREEN_REDRAW:
		return !top->intervals || show(top) == 0;
	default:
		return true;
	}
}

// Until the interval is over or the guest has ended. False: whoever looks leaves.
static bool pass_interval(struct top *top)
{
	long long until = top->began_ns / 1000000 + top->interval_ms;

	while (!has_ended(top)) {
		long long left = until - now_ns() / 1000000;

		if (left <= 0)
			break;
		if (!pass_time(top, (int)(left < SAMPLE_MS ? left : SAMPLE_MS)))
			return false;
		if (now_ns() / 1000000 < until)
			sample(top);
	}
	return true;
}

static int run(struct top *top)
{
	struct thread_list list;
	int status = 0;

	// those that the monitor does not tell of, from the first interval on
	if (process_list_threads(top->pid, &list) == 0)
		mark_threads(top, top->pid, &list);
	thread_list_finish(&list);
	top->began_ns = now_ns();
	while (status == 0 && pass_interval(top)) {
		if (!look(top)) {
			screen_close(&top->screen);
			log_notice("%s has ended", top->line->name);
			return 0;
		}
		status = show(top);
		if (top->line->once)
			break;
	}
	return status;
}

static int read_interval(const struct command_line *line, int *ms)
{
	const char *text = line->interval;
	double seconds;
	char *end;

	*ms = INTERVAL_MS;
	if (!text)
		return 0;
	seconds = strtod(text, &end);
	if (*end || !strchr("0123456789.", *text) || !(seconds >= 0.1 && seconds <= 3600)) {
		log_error("--interval takes seconds, from 0.1 to 3600: not `%s`", text);
		return 2;
	}
	*ms = (int)(seconds * 1000);
	return 0;
}

int top_command(const struct command_line *line)
{
	CLEANUP(top_finish) struct top top = { .line = line,
					       .root = ROOT_CLOSED,
					       .pidfd = -1,
					       .screen = SCREEN_CLOSED };
	struct err err = ERR_NONE;
	int r = read_interval(line, &top.interval_ms);

	if (r)
		return r;
	if (find_guest(&top, &err) < 0)
		return report_error(&err);
	if (!line->json && !line->once && screen_is_possible()) {
		r = screen_open(&top.screen);
		if (r < 0)
			log_info("can't draw on this terminal: %s", strerror(-r));
	}
	return run(&top);
}
