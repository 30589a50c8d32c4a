// SPDX-License-Identifier: MIT
// Tells on standard output what each input device sends, in the small guest's Linux: a line for each key, motion and
// LED, from all devices that are there or come. It is quick, for the kernel keeps only 64 events for who reads (Linux
// 6.1, drivers/input/evdev.c): where it was too slow all the same it says so, and what is down then, so that what it
// lost itself is told from what was lost on the way. tests/lab/scenarios/59-input-typed.sh makes it and adds it:
//
//	gcc -O2 -static -o events tests/guest/events.c
//
//	guest: event1 is QEMU Virtio Keyboard	it listens to this one from now on
//	guest: event1 1 30 1			TYPE CODE VALUE; keys do not repeat
//	guest: event1 dropped			events were lost here, in front of us
//	guest: event1 holds 30 42		and so these are down
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { NODES = 32, EVENTS = 64, LOOK_MS = 300, ROOM = 1 << 18 };

// By number; those that are not there have no descriptor. Behind them, the console: where it is slow, reading goes on.
static struct pollfd nodes[NODES + 1];
static char text[ROOM];
static size_t used;

static void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text + used, ROOM - used, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < ROOM - used)
		used += (size_t)n;
}

static void write_some(void)
{
	ssize_t n = used ? write(STDOUT_FILENO, text, used) : 0;

	if (n > 0)
		memmove(text, text + n, used -= (size_t)n);
	nodes[NODES] = (struct pollfd){ .fd = used ? STDOUT_FILENO : -1, .events = POLLOUT };
}

static void open_node(int number)
{
	const unsigned never[2] = { 0, 0 };
	char path[32], name[128] = "";

	snprintf(path, sizeof(path), "/dev/input/event%d", number);
	nodes[number] = (struct pollfd){ .fd = open(path, O_RDONLY | O_NONBLOCK), .events = POLLIN };
	if (nodes[number].fd < 0)
		return;
	ioctl(nodes[number].fd, EVIOCGNAME(sizeof(name) - 1), name);
	ioctl(nodes[number].fd, EVIOCSREP, never); // a slow guest has enough to do
	say("guest: event%d is %s\n", number, name);
}

static void tell_held(int number)
{
	unsigned char keys[KEY_CNT / 8] = { 0 };

	say("guest: event%d dropped\nguest: event%d holds", number, number);
	ioctl(nodes[number].fd, EVIOCGKEY(sizeof(keys)), keys);
	for (int code = 0; code < KEY_CNT; code++) {
		if (keys[code / 8] >> code % 8 & 1)
			say(" %d", code);
	}
	say("\n");
}

static void tell(int number, const struct input_event *event)
{
	if ((event->type == EV_KEY && event->value != 2) || event->type == EV_REL || event->type == EV_ABS ||
	    event->type == EV_LED)
		say("guest: event%d %d %d %d\n", number, event->type, event->code, event->value);
	else if (event->type == EV_SYN && event->code == SYN_DROPPED)
		tell_held(number);
}

static void read_node(int number)
{
	struct input_event events[EVENTS];
	ssize_t size = read(nodes[number].fd, events, sizeof(events));

	if (size <= 0) {
		close(nodes[number].fd);
		nodes[number].fd = -1;
	}
	for (ssize_t i = 0; i < size / (ssize_t)sizeof(events[0]); i++)
		tell(number, &events[i]);
}

int main(void)
{
	fcntl(STDOUT_FILENO, F_SETFL, O_WRONLY | O_NONBLOCK);
	for (int i = 0; i < NODES; i++)
		nodes[i].fd = -1;
	for (;;) {
		for (int i = 0; i < NODES; i++) {
			if (nodes[i].revents)
				read_node(i);
			else if (nodes[i].fd < 0)
				open_node(i);
		}
		write_some();
		poll(nodes, NODES + 1, LOOK_MS);
	}
}
