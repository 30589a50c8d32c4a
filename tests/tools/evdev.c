// SPDX-License-Identifier: MIT
// Looks at input devices from aside, and makes some, for tests.
//	evdev watch NODE		what it sends, a line an event: TYPE CODE VALUE; "ready" once it listens
//	evdev held NODE			codes of the keys that are down
//	evdev calm NODE			its keys do not repeat from now on
//	evdev grab NODE			"ready", then holds its grab until killed
//	evdev free NODE			succeeds if nobody holds its grab
//	evdev make NAME keyboard|mouse	makes a device, prints its node, and sends the reports that stdin has, one a
//					line: TYPE:CODE:VALUE ...; ends with stdin
//	evdev storm NAME RATE		makes a keyboard that, from a byte on stdin until another, or its end, types
//					on, RATE key events a second; then prints how many presses that were
//	evdev pickups NAME ROUNDS	plugs a mouse in and out as often, while the host has the input; a line each:
//					µs from then until inotify tells of its node, until what it sends arrives by
//					the switcher's copy of it
//	evdev node NAME [PHYS]		the node of the device of that name, whose phys begins so
//	evdev leds NODE			codes of the LEDs that are lit
//	evdev light NODE LED 0|1	puts one on or out, as whoever reads the device does
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "input/uinput.h"
#include "tune/host/input.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <time.h>

static int open_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static int watch(char **words)
{
	int fd = open_node(words[0]);
	struct input_event events[64];
	ssize_t size;

	puts("ready");
	fflush(stdout);
	while ((size = read(fd, events, sizeof(events))) > 0) {
		for (ssize_t i = 0; i < size / (ssize_t)sizeof(events[0]); i++) {
			if (events[i].type == EV_SYN && events[i].code == SYN_DROPPED)
				puts("dropped");
			else if (events[i].type != EV_SYN && events[i].type != EV_MSC)
				printf("%u %u %d\n", events[i].type, events[i].code, events[i].value);
		}
		fflush(stdout);
	}
	return 0;
}

static void print_bits(const uint64_t *bits, unsigned count)
{
	for (unsigned code = 0; code < count; code++) {
		if (bits[code / 64] >> code % 64 & 1)
			printf("%u\n", code);
	}
}

static int held(char **words)
{
	struct keyset keys = { 0 };

	if (ioctl(open_node(words[0]), EVIOCGKEY(sizeof(keys.bits)), keys.bits) < 0)
		return 1;
	print_bits(keys.bits, KEY_CNT);
	return 0;
}

static int leds(char **words)
{
	uint64_t lit = 0;

	if (ioctl(open_node(words[0]), EVIOCGLED(sizeof(lit)), &lit) < 0)
		return 1;
	print_bits(&lit, LED_CNT);
	return 0;
}

static int light(char **words)
{
	struct input_event events[2];

	memset(events, 0, sizeof(events));
	events[0].type = EV_LED;
	events[0].code = (uint16_t)atoi(words[1]);
	events[0].value = atoi(words[2]);
	return write(open_node(words[0]), events, sizeof(events)) != (ssize_t)sizeof(events);
}

static int calm(char **words)
{
	const unsigned never[2] = { 0, 0 };

	return ioctl(open_node(words[0]), EVIOCSREP, never) < 0;
}

static int grab(char **words)
{
	if (ioctl(open_node(words[0]), EVIOCGRAB, 1) < 0) {
		perror("EVIOCGRAB");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	return pause();
}

static int is_free(char **words)
{
	return ioctl(open_node(words[0]), EVIOCGRAB, 1) < 0;
}

static bool find(const char *name, const char *phys, char *node, size_t size)
{
	struct root root;
	struct input_facts facts;
	bool found = false;

	if (root_open(&root, NULL, NULL) < 0)
		return false;
	input_facts_read(&root, &facts);
	for (size_t i = 0; !found && i < facts.count; i++) {
		const struct input_device *device = &facts.devices[i];

		if (strcmp(device->name, name) != 0)
			continue;
		// without a word on it, a real one
		found = phys ? str_starts(device->phys, phys) : !str_starts(device->phys, INPUT_PHYS_OURS);
		snprintf(node, size, "%s", device->node);
	}
	input_facts_finish(&facts);
	root_finish(&root);
	return found;
}

static int print_node(char **words)
{
	char node[64];

	if (!find(words[0], words[1], node, sizeof(node)))
		return 1;
	puts(node);
	return 0;
}

static bool send_report(int fd, const char *line)
{
	AUTO_STRV struct strv items = { 0 };
	struct input_event events[64];
	size_t n = 0;

	memset(events, 0, sizeof(events));
	strv_split(&items, line, " \n");
	for (; n < items.count && n < 63; n++) {
		unsigned type, code;
		int value;

		if (sscanf(items.items[n], "%u:%u:%d", &type, &code, &value) != 3)
			return false;
		events[n] = (struct input_event){ .type = (uint16_t)type, .code = (uint16_t)code, .value = value };
	}
	events[n].type = EV_SYN;
	return write(fd, events, (n + 1) * sizeof(events[0])) > 0;
}

// phys is test/NAME/input0. Returns its descriptor.
static int make_kind(const char *name, bool keyboard)
{
	int fd = open("/dev/uinput", O_RDWR | O_CLOEXEC);
	struct input_kind kind = { .id = { BUS_USB, 0x1209, 0x7601, 1 } };

	snprintf(kind.name, sizeof(kind.name), "%s", name);
	snprintf(kind.phys, sizeof(kind.phys), "test/%s/input0", name);
	if (keyboard) {
		for (unsigned code = KEY_ESC; code <= KEY_MICMUTE; code++)
			keyset_add(&kind.keys, code);
		kind.leds = 7;
	} else {
		for (unsigned code = BTN_LEFT; code <= BTN_TASK; code++)
			keyset_add(&kind.keys, code);
		kind.rel = 1 << REL_X | 1 << REL_Y | 1 << REL_WHEEL | 1 << REL_HWHEEL | 1 << REL_WHEEL_HI_RES |
			   1 << REL_HWHEEL_HI_RES;
	}
	if (fd < 0 || input_kind_make(fd, &kind, NULL) < 0) {
		perror("/dev/uinput");
		exit(1);
	}
	return fd;
}

// Once its node is there and printed.
static int make_device(const char *name, bool keyboard)
{
	int fd = make_kind(name, keyboard);
	char node[64];

	while (!find(name, "test/", node, sizeof(node)))
		poll(NULL, 0, 10);
	puts(node);
	fflush(stdout);
	return fd;
}

static int make(char **words)
{
	int fd = make_device(words[0], strcmp(words[1], "keyboard") == 0);
	char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		if (!send_report(fd, line))
			return 1;
	}
	return 0;
}

// One report: this key goes down, that one up; 0: none.
static void send_keys(int fd, int down, int up)
{
	struct input_event events[3];
	size_t n = 0;

	memset(events, 0, sizeof(events));
	if (down)
		events[n++] = (struct input_event){ .type = EV_KEY, .code = (uint16_t)down, .value = 1 };
	if (up)
		events[n++] = (struct input_event){ .type = EV_KEY, .code = (uint16_t)up, .value = 0 };
	if (write(fd, events, (n + 1) * sizeof(events[0])) < 0)
		exit(1);
}

static long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

enum { BURST = 8 };

// Overlapping, as hands type: a report has a key that goes down and the last one, which goes up. What is late comes in
// short bursts: the kernel keeps 64 events for who reads, and no device sends at once what it could not send while this
// machine stood still.
static int storm(char **words)
{
	int fd = make_device(words[0], true), rate = atoi(words[1]);
	struct pollfd end = { .fd = STDIN_FILENO, .events = POLLIN };
	long long due, sent = 0;
	int last = 0;
	char go;

	if (read(STDIN_FILENO, &go, 1) != 1)
		return 1;
	for (due = now_us();; due += 2000000 / rate) {
		long long now = now_us(), late = now - BURST * 2000000LL / rate;

		due = due < late ? late : due;
		if (poll(&end, 1, due > now ? (int)((due - now) / 1000) : 0) != 0)
			break;
		send_keys(fd, KEY_1 + (int)(sent % 8), last);
		last = KEY_1 + (int)(sent++ % 8);
	}
	if (last)
		send_keys(fd, 0, last);
	printf("%lld\n", sent);
	fflush(stdout);
	return pause(); // it is unplugged by whoever kills us
}

enum { PICKUP_MS = 60000 };

struct pickup {
	long long begun, told; // µs
	int copy;	       // -1: not there yet
};

static void look_at_new(struct pickup *pickup, const char *name)
{
	char path[64], phys[128] = "";
	int fd;

	snprintf(path, sizeof(path), "/dev/input/%s", name);
	fd = str_starts(name, "event") ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	ioctl(fd, EVIOCGPHYS(sizeof(phys) - 1), phys);
	if (str_starts(phys, "test/"))
		pickup->told = now_us() - pickup->begun;
	if (str_starts(phys, INPUT_PHYS_CLONE) && pickup->copy < 0)
		pickup->copy = fd;
	else
		close(fd);
}

static void read_news(struct pickup *pickup, int watch)
{
	union {
		struct inotify_event event;
		char bytes[4096];
	} room;
	ssize_t n = read(watch, &room, sizeof(room));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(room.bytes + at);

		at += (ssize_t)(sizeof(*event) + event->len);
		if (event->len)
			look_at_new(pickup, event->name);
	}
}

static bool send_motion(int fd)
{
	const struct input_event events[2] = { { .type = EV_REL, .code = REL_X, .value = 1 }, { .type = EV_SYN } };

	return write(fd, events, sizeof(events)) > 0;
}

// A copy goes with what it is of.
static void await_end(int fd)
{
	struct input_event events[64];

	while (read(fd, events, sizeof(events)) > 0 || errno == EAGAIN)
		poll(NULL, 0, 1);
	close(fd);
}

static int pick_up(const char *name, int watch)
{
	struct pickup pickup = { .begun = now_us(), .copy = -1 };
	int fd = make_kind(name, false);

	for (;;) {
		struct pollfd polls[] = { { .fd = watch, .events = POLLIN }, { .fd = pickup.copy, .events = POLLIN } };

		poll(polls, ARRAY_SIZE(polls), 1);
		if (polls[0].revents)
			read_news(&pickup, watch);
		if (polls[1].revents)
			break;
		if (now_us() - pickup.begun > PICKUP_MS * 1000LL || (pickup.copy >= 0 && !send_motion(fd)))
			return 1;
	}
	printf("%lld %lld\n", pickup.told, now_us() - pickup.begun);
	fflush(stdout);
	close(fd);
	await_end(pickup.copy);
	return 0;
}

static int pickups(char **words)
{
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), status = 0;

	if (watch < 0 || inotify_add_watch(watch, "/dev/input", IN_CREATE) < 0)
		return 1;
	for (int rounds = atoi(words[1]); status == 0 && rounds > 0; rounds--)
		status = pick_up(words[0], watch);
	return status;
}

static const struct {
	const char *word;
	int words;
	int (*run)(char **words);
} commands[] = {
	{ "watch", 1, watch }, { "held", 1, held }, { "leds", 1, leds },   { "light", 3, light },
	{ "free", 1, is_free }, { "grab", 1, grab }, { "make", 2, make }, { "storm", 2, storm },
	{ "pickups", 2, pickups }, { "calm", 1, calm }, { "node", 1, print_node },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].word, argv[1]) == 0 && argc - 2 >= commands[i].words)
			return commands[i].run(argv + 2);
	}
	fputs("usage: evdev watch|held|leds|calm|grab|free NODE, light NODE LED 0|1, node NAME [PHYS], "
	      "make NAME keyboard|mouse, storm NAME RATE, pickups NAME ROUNDS\n", stderr);
	return 2;
}
