// SPDX-License-Identifier: MIT
// What the switcher costs beside a bare loop that reads a device and writes a copy of it: time of a hop (from
// the write into a device to the read from its copy), CPU time a report, and what is lost of a fast mouse.
//	input-bench hop ROUNDS REPORTS	a line for each of bare, switcher, bare again and switcher again, interleaved
//	input-bench flood SECONDS RATE	reports a second for that long through each: sent, lost
//	input-bench calls REPORTS	prints the switcher's process, and from a byte on stdin on moves the mouse, each
//					report being 3 events: for whoever counts its system calls
// Needs /dev/uinput and event nodes that it may open.
#include "base/cleanup.h"
#include "base/loop.h"
#include "base/mem.h"
#include "input/chord.h"
#include "input/switcher.h"
#include "input/uinput.h"
#include "tune/host/input.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum { SERIES = 4, WAIT_MS = 10000 };

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_by_phys(const char *phys)
{
	uint64_t until = now_ns(CLOCK_MONOTONIC) + WAIT_MS * UINT64_C(1000000);
	int fd = -1;

	while (fd < 0 && now_ns(CLOCK_MONOTONIC) < until) {
		struct input_facts facts;
		struct root root;

		if (root_open(&root, NULL, NULL) < 0)
			die("/");
		input_facts_read(&root, &facts);
		for (size_t i = 0; i < facts.count; i++) {
			if (strcmp(facts.devices[i].phys, phys) == 0)
				fd = open(facts.devices[i].node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		}
		input_facts_finish(&facts);
		root_finish(&root);
		if (fd < 0)
			poll(NULL, 0, 10);
	}
	if (fd < 0)
		die(phys);
	return fd;
}

static int open_uinput(void)
{
	int fd = open("/dev/uinput", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("/dev/uinput");
	return fd;
}

// A mouse to move.
static int make_mouse(void)
{
	struct input_kind kind = { .name = "bench mouse", .phys = "bench/source", .id = { BUS_USB, 1, 1, 1 },
				   .rel = 1 << REL_X | 1 << REL_Y };
	int fd = open_uinput();

	keyset_add(&kind.keys, BTN_LEFT);
	if (input_kind_make(fd, &kind, NULL) < 0)
		die("uinput");
	return fd;
}

/* The two that are compared, each a process of its own */

static int bare_loop(int source, int uinput)
{
	struct input_event events[64];
	struct input_kind kind;
	ssize_t n;

	if (input_kind_read(source, &kind) < 0)
		return 1;
	snprintf(kind.phys, sizeof(kind.phys), "bench/copy");
	if (input_kind_make(uinput, &kind, NULL) < 0 || ioctl(source, EVIOCGRAB, 1) < 0)
		return 1;
	fcntl(source, F_SETFL, 0);
	while ((n = read(source, events, sizeof(events))) > 0) {
		if (write(uinput, events, (size_t)n) != n)
			return 1;
	}
	return 0;
}

static void no_notice(void *context, const struct switch_notice *notice)
{
	(void)context;
	(void)notice;
}

static void no_gone(void *context, int device)
{
	*(bool *)context = true;
	(void)device;
}

static void no_busy(void *context, int device, int error)
{
	(void)context;
	(void)device;
	(void)error;
}

static int switcher_loop(int source, int uinput)
{
	struct chords chords = { 0 };
	struct loop loop;
	bool done = false;
	struct switcher_setup setup = { .config = SWITCH_CONFIG_DEFAULT, .chords = &chords, .loop = &loop,
					.guest = { -1, -1, -1, -1 }, .context = &done, .notice = no_notice,
					.gone = no_gone, .busy = no_busy };
	struct switcher *switcher;

	chords_add(&chords, "leftctrl+rightctrl", SWITCH_TOGGLE, NULL);
	if (loop_init(&loop) < 0)
		return 1;
	switcher = switcher_new(&setup);
	if (switcher_add(switcher, 1, source, uinput, "bench/copy", NULL) < 0)
		return 1;
	while (!done) {
		if (loop_step(&loop, switcher_timeout(switcher)) == 0)
			switcher_tick(switcher);
	}
	return 0;
}

struct running {
	pid_t pid;
	int mouse, copy;
};

static bool is_grabbed(int node)
{
	if (ioctl(node, EVIOCGRAB, 1) < 0)
		return true;
	ioctl(node, EVIOCGRAB, 0);
	return false;
}

static void begin(struct running *run, bool bare)
{
	int source;

	run->mouse = make_mouse();
	source = open_by_phys("bench/source");
	run->pid = fork();
	if (run->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(run->mouse);
		_exit(bare ? bare_loop(source, open_uinput()) : switcher_loop(source, open_uinput()));
	}
	run->copy = open_by_phys("bench/copy");
	while (!is_grabbed(source))
		poll(NULL, 0, 5);
	close(source);
}

static void end(struct running *run)
{
	close(run->mouse);
	kill(run->pid, SIGTERM);
	if (waitpid(run->pid, NULL, 0) < 0)
		die("waitpid");
	close(run->copy);
}

static void move(int mouse, int value)
{
	struct input_event events[3] = { { .type = EV_REL, .code = REL_X, .value = value },
					 { .type = EV_REL, .code = REL_Y, .value = 1 },
					 { .type = EV_SYN } };

	if (write(mouse, events, sizeof(events)) != (ssize_t)sizeof(events))
		die("uinput");
}

// Reads until the end of a report; returns reports read so far, and adds what REL_X says.
static int read_copy(int copy, long long *sum)
{
	struct input_event events[64];
	ssize_t n = read(copy, events, sizeof(events));
	int reports = 0;

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(events[0]); i++) {
		reports += events[i].type == EV_SYN && events[i].code == SYN_REPORT;
		if (events[i].type == EV_REL && events[i].code == REL_X)
			*sum += events[i].value;
	}
	return reports;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct series {
	uint64_t *hops;
	size_t count;
	uint64_t cpu;
};

static void move_often(const struct running *run, struct series *series, int reports)
{
	for (int i = 0; i < reports; i++) {
		struct pollfd wait = { .fd = run->copy, .events = POLLIN };
		uint64_t sent = now_ns(CLOCK_MONOTONIC);
		long long sum = 0;

		move(run->mouse, i % 7 + 1);
		do {
			if (poll(&wait, 1, WAIT_MS) <= 0)
				die("a report is lost");
		} while (!read_copy(run->copy, &sum));
		series->hops[series->count++] = now_ns(CLOCK_MONOTONIC) - sent;
		if (sum != i % 7 + 1)
			die("a report is not what was sent");
	}
}

// Of a process that has begun: what it took to begin is left out.
static uint64_t cpu_of(pid_t pid)
{
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0)
		die("the clock of a process");
	return now_ns(clock);
}

static void measure_hops(struct series *series, bool bare, int reports)
{
	struct running run;
	uint64_t before;

	begin(&run, bare);
	before = cpu_of(run.pid);
	move_often(&run, series, reports);
	series->cpu += cpu_of(run.pid) - before;
	end(&run);
}

static int hop(int rounds, int reports)
{
	static const char *const names[SERIES] = { "bare", "switcher", "bare-again", "switcher-again" };
	struct series series[SERIES] = { 0 };

	for (int k = 0; k < SERIES; k++)
		series[k].hops = mem_new((size_t)rounds * (size_t)reports, sizeof(uint64_t));
	for (int i = 0; i < rounds; i++) {
		for (int k = 0; k < SERIES; k++)
			measure_hops(&series[k], k % 2 == 0, reports);
	}
	for (int k = 0; k < SERIES; k++) {
		size_t n = series[k].count;

		qsort(series[k].hops, n, sizeof(uint64_t), by_size);
		printf("%s p50_ns %llu p99_ns %llu cpu_ns %llu\n", names[k],
		       (unsigned long long)series[k].hops[n / 2], (unsigned long long)series[k].hops[n * 99 / 100],
		       (unsigned long long)(series[k].cpu / n));
		free(series[k].hops);
	}
	return 0;
}

static void flood_through(bool bare, int seconds, int rate)
{
	struct running run;
	long long sum = 0, sent = 0;
	uint64_t start, until;
	int idle = 0;

	begin(&run, bare);
	start = now_ns(CLOCK_MONOTONIC);
	until = start + (uint64_t)seconds * 1000000000;
	while (now_ns(CLOCK_MONOTONIC) < until) {
		uint64_t due = start + (uint64_t)sent * 1000000000 / (uint64_t)rate;
		struct pollfd wait = { .fd = run.copy, .events = POLLIN };

		if (now_ns(CLOCK_MONOTONIC) >= due) {
			move(run.mouse, 1);
			sent++;
		}
		if (poll(&wait, 1, 0) > 0)
			read_copy(run.copy, &sum);
	}
	while (idle < 10) {
		struct pollfd wait = { .fd = run.copy, .events = POLLIN };

		idle = poll(&wait, 1, 100) > 0 ? 0 : idle + 1;
		if (!idle)
			read_copy(run.copy, &sum);
	}
	printf("%s sent %lld lost %lld rate %lld\n", bare ? "bare" : "switcher", sent, sent - sum, sent / seconds);
	fflush(stdout);
	end(&run);
}

static int calls(int reports)
{
	struct series series = { .hops = mem_new((size_t)reports, sizeof(uint64_t)) };
	struct running run;
	char go;

	begin(&run, false);
	printf("%d\n", run.pid);
	fflush(stdout);
	if (read(STDIN_FILENO, &go, 1) == 1)
		move_often(&run, &series, reports);
	end(&run);
	free(series.hops);
	return 0;
}

int main(int argc, char **argv)
{
	int a, b;

	if (argc == 3 && strcmp(argv[1], "calls") == 0 && str_parse_int(argv[2], &a) && a > 0)
		return calls(a);
	if (argc == 4 && str_parse_int(argv[2], &a) && str_parse_int(argv[3], &b) && a > 0 && b > 0) {
		if (strcmp(argv[1], "hop") == 0)
			return hop(a, b);
		if (strcmp(argv[1], "flood") == 0) {
			flood_through(true, a, b);
			flood_through(false, a, b);
			return 0;
		}
	}
	fputs("usage: input-bench hop ROUNDS REPORTS | flood SECONDS RATE | calls REPORTS\n", stderr);
	return 2;
}
