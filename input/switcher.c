// SPDX-License-Identifier: MIT
#include "input/switcher.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "input/uinput.h"

#include <linux/input.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>

enum {
	READ_MAX = 64,
	REPORT_ROOM = SWITCH_REPORT_MAX + 2,
	WHEEL_MAX = 28, // steps at once: more than a hand makes, and no more than QEMU has room for
};

// Events that go to one descriptor, up to the end of their report.
struct outlet {
	int fd; // borrowed, -1: nobody reads it
	unsigned n;
	struct input_event events[REPORT_ROOM];
};

struct device {
	struct switcher *switcher;
	int id, fd, uinput;
	bool grabbed, lost, busy_said;
	bool stale; // what was read and not fed is to be dropped
	struct loop_source real, clone;
	struct outlet outlet; // the clone's
	struct input_kind kind;
};

struct switcher {
	struct switcher_setup setup;
	struct switch_engine *engine;
	struct device **devices;
	size_t n_devices;
	struct outlet guest[GUEST_PARTS];
	struct loop_source guest_leds;
	size_t nudges; // that the guest's mouse has had since it was used
};

// When nothing comes any more, ms from one to the next.
static const int nudge_after[] = { 50, 500, 5000 };

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct device *find_device(const struct switcher *switcher, int id)
{
	for (size_t i = 0; i < switcher->n_devices; i++) {
		if (switcher->devices[i]->id == id)
			return switcher->devices[i];
	}
	return NULL;
}

/* What the engine sends */

static void flush(struct outlet *outlet)
{
	size_t size = outlet->n * sizeof(outlet->events[0]);

	outlet->n = 0;
	// a device of ours takes all or is gone, and then there is nobody to miss it
	if (outlet->fd >= 0 && write(outlet->fd, outlet->events, size) < 0)
		return;
}

static void put(struct outlet *outlet, uint16_t type, uint16_t code, int32_t value)
{
	if (outlet->n == REPORT_ROOM)
		flush(outlet);
	outlet->events[outlet->n++] = (struct input_event){ .type = type, .code = code, .value = value };
}

static int32_t scale(const struct input_absinfo *axis, int32_t value)
{
	int64_t range = (int64_t)axis->maximum - axis->minimum, at = (int64_t)value - axis->minimum;

	if (range <= 0 || at < 0)
		return 0;
	return at > range ? GUEST_AXIS_MAX : (int32_t)(at * GUEST_AXIS_MAX / range);
}

static void end_guest_report(struct switcher *switcher)
{
	if (switcher->setup.ps2 && switcher->guest[GUEST_MOUSE].n)
		switcher->nudges = 0;
	for (int part = 0; part < GUEST_PARTS; part++) {
		if (!switcher->guest[part].n)
			continue;
		put(&switcher->guest[part], EV_SYN, SYN_REPORT, 0);
		flush(&switcher->guest[part]);
	}
}

// With input-linux a step is a click with one of a gear's buttons. What REL_WHEEL says of a report is one step, however
// many they are, and QEMU tells the guest's mouse of it twice, as of a button that goes down and up (ui/input-linux.c,
// 7.2). A PS/2 mouse has room for four reports, with seven steps each: it is told of all steps at once. With virtio
// each has a report of its own: the guest's driver for Windows keeps the last one of a report (HIDMouseEventToReport,
// vioinput/sys/HidMouse.c).
static void turn_wheel(const struct switcher *switcher, struct outlet *mouse, int32_t steps)
{
	const uint16_t button = steps < 0 ? BTN_GEAR_DOWN : BTN_GEAR_UP;

	for (int n = 0; n < WHEEL_MAX && n < llabs(steps); n++) {
		if (n > 0 && !switcher->setup.ps2)
			put(mouse, EV_SYN, SYN_REPORT, 0);
		put(mouse, EV_KEY, button, 1);
		put(mouse, EV_KEY, button, 0);
	}
}

// QEMU's PS/2 mouse keeps what its guest was too slow for, a button's release too, until it is used again
// (ps2_mouse_sync, hw/input/ps2.c, 7.2). So it is moved to and fro in one report, by nothing in all.
static void nudge(struct switcher *switcher)
{
	struct outlet *mouse = &switcher->guest[GUEST_MOUSE];

	if (switcher->nudges == ARRAY_SIZE(nudge_after) || mouse->n)
		return;
	switcher->nudges++;
	put(mouse, EV_REL, REL_X, 1);
	put(mouse, EV_REL, REL_X, -1);
	put(mouse, EV_SYN, SYN_REPORT, 0);
	flush(mouse);
}

static void send_to_guest(struct switcher *switcher, int id, const struct switch_event *event)
{
	bool toggle = switcher->guest[GUEST_TOGGLE].fd >= 0;
	enum guest_part part = guest_part_of(event->type, event->code, toggle);
	const struct device *device;
	int32_t value = event->value;

	if (event->type == EV_SYN) {
		end_guest_report(switcher);
		return;
	}
	if (part == GUEST_PARTS || switcher->guest[part].fd < 0)
		return;
	device = event->type == EV_ABS ? find_device(switcher, id) : NULL;
	if (device)
		value = scale(&device->kind.axes[event->code], value);
	if (toggle && event->type == EV_REL && event->code == REL_WHEEL)
		turn_wheel(switcher, &switcher->guest[part], value);
	else
		put(&switcher->guest[part], event->type, event->code, value);
}

static void on_event(void *context, enum switch_side side, int id, const struct switch_event *event)
{
	struct switcher *switcher = context;
	struct device *device;

	if (side == SWITCH_GUEST) {
		send_to_guest(switcher, id, event);
		return;
	}
	device = find_device(switcher, id);
	if (!device)
		return;
	put(&device->outlet, event->type, event->code, event->value);
	if (event->type == EV_SYN)
		flush(&device->outlet);
}

static void on_write_back(void *context, int id, const struct switch_event *event)
{
	const struct device *device = find_device(context, id);
	struct input_event out = { .type = event->type, .code = event->code, .value = event->value };

	if (device && write(device->fd, &out, sizeof(out)) < 0)
		return; // unplugged: its end is read next
}

static void drain(int fd)
{
	struct input_event events[READ_MAX];

	while (read(fd, events, sizeof(events)) == (ssize_t)sizeof(events))
		;
}

static void read_held(int fd, struct keyset *held)
{
	*held = (struct keyset){ 0 };
	ioctl(fd, EVIOCGKEY(sizeof(held->bits)), held->bits);
}

static int grab(struct device *device, struct keyset *held)
{
	int r = ioctl(device->fd, EVIOCGRAB, 1) < 0 ? -errno : 0;

	if (r < 0) {
		if (!device->busy_said)
			device->switcher->setup.busy(device->switcher->setup.context, device->id, r);
		device->busy_said = true;
		return r;
	}
	// what is in the queue the host had; key events that come meanwhile go with EVIOCGKEY
	drain(device->fd);
	read_held(device->fd, held);
	device->stale = true;
	if (!keyset_is_empty(held)) {
		ioctl(device->fd, EVIOCGRAB, 0);
		return -EAGAIN;
	}
	device->grabbed = true;
	device->busy_said = false;
	return 0;
}

static int on_grab(void *context, int id, bool on, struct keyset *held)
{
	struct device *device = find_device(context, id);

	if (!device)
		return -ENODEV;
	if (on)
		return grab(device, held);
	ioctl(device->fd, EVIOCGRAB, 0);
	device->grabbed = false;
	return 0;
}

static void on_notice(void *context, const struct switch_notice *notice)
{
	struct switcher *switcher = context;

	switcher->setup.notice(switcher->setup.context, notice);
}

/* What devices send */

static void feed(struct device *device, uint16_t type, uint16_t code, int32_t value)
{
	const struct switch_event event = { type, code, value };

	switch_feed(device->switcher->engine, now_us(), device->id, &event);
}

static void feed_states(struct device *device)
{
	struct input_absinfo axis;
	uint64_t on = 0;

	for (uint16_t code = 0; code < ABS_CNT; code++) {
		if ((device->kind.abs >> code & 1) && ioctl(device->fd, EVIOCGABS(code), &axis) == 0)
			feed(device, EV_ABS, code, axis.value);
	}
	if (device->kind.switches && ioctl(device->fd, EVIOCGSW(sizeof(on)), &on) >= 0) {
		for (uint16_t code = 0; code < SW_CNT; code++) {
			if (device->kind.switches >> code & 1)
				feed(device, EV_SW, code, on >> code & 1);
		}
	}
	feed(device, EV_SYN, SYN_REPORT, 0);
}

// After SYN_DROPPED, Linux 6.1 Documentation/input/event-codes.rst: what is queued is worth nothing.
static void resync(struct device *device)
{
	struct keyset held;

	device->lost = false;
	drain(device->fd);
	read_held(device->fd, &held);
	switch_sync(device->switcher->engine, now_us(), device->id, &held);
	feed_states(device);
}

static void close_device(struct device *device)
{
	struct loop *loop = device->switcher->setup.loop;

	loop_remove(loop, &device->real);
	loop_remove(loop, &device->clone);
	close(device->fd);
	close(device->uinput); // ends the clone: what is down on it is released by the kernel
	free(device);
}

// What it holds is released on the side that has it, while its clone is still there to say so.
static void remove_at(struct switcher *switcher, size_t i)
{
	struct device *device = switcher->devices[i];

	switch_remove(switcher->engine, now_us(), device->id);
	switcher->devices[i] = switcher->devices[--switcher->n_devices];
	close_device(device);
}

void switcher_remove(struct switcher *switcher, int id)
{
	for (size_t i = 0; i < switcher->n_devices; i++) {
		if (switcher->devices[i]->id == id) {
			remove_at(switcher, i);
			return;
		}
	}
}

void switcher_remove_all(struct switcher *switcher)
{
	while (switcher->n_devices)
		remove_at(switcher, switcher->n_devices - 1);
}

static void lose(struct device *device)
{
	struct switcher *switcher = device->switcher;
	int id = device->id;

	switcher_remove(switcher, id);
	switcher->setup.gone(switcher->setup.context, id);
}

// The kernel's own time of it: what was pressed in time for a hotkey was so however late it is read.
static uint64_t time_of(const struct input_event *event)
{
	return (uint64_t)event->input_event_sec * 1000000 + (uint64_t)event->input_event_usec;
}

// No handler removes a device while its events are fed, so it stays where it is.
static void feed_all(struct device *device, const struct input_event *events, size_t n)
{
	struct switch_engine *engine = device->switcher->engine;

	device->stale = false;
	for (size_t i = 0; i < n && !device->stale; i++) {
		const struct switch_event event = { events[i].type, events[i].code, events[i].value };

		device->lost |= event.type == EV_SYN && event.code == SYN_DROPPED;
		switch_feed(engine, time_of(&events[i]), device->id, &event);
	}
}

// Edge triggered: whatever comes after a short read wakes us anew.
static void read_real(void *context, uint32_t ready)
{
	struct device *device = context;
	struct input_event events[READ_MAX];
	ssize_t size;

	(void)ready;
	do {
		size = read(device->fd, events, sizeof(events));
		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (size <= 0) {
			lose(device);
			return;
		}
		feed_all(device, events, (size_t)size / sizeof(events[0]));
		if (device->lost)
			resync(device);
	} while (size == (ssize_t)sizeof(events));
}

/* What readers of our devices say back: LEDs */

static void read_leds(struct switcher *switcher, enum switch_side side, int id, int fd)
{
	struct input_event events[READ_MAX];
	ssize_t size = read(fd, events, sizeof(events));

	for (ssize_t i = 0; i < size / (ssize_t)sizeof(events[0]); i++) {
		if (events[i].type == EV_LED)
			switch_set_led(switcher->engine, now_us(), side, id, events[i].code,
				       events[i].value != 0);
	}
}

static void read_clone(void *context, uint32_t ready)
{
	struct device *device = context;

	(void)ready;
	read_leds(device->switcher, SWITCH_HOST, device->id, device->uinput);
}

static void read_guest(void *context, uint32_t ready)
{
	struct switcher *switcher = context;

	(void)ready;
	read_leds(switcher, SWITCH_GUEST, -1, switcher->guest[GUEST_KEYBOARD].fd);
}

/* Life */

struct switcher *switcher_new(const struct switcher_setup *setup)
{
	struct switcher *switcher = mem_new(1, sizeof(*switcher));
	const struct switch_sink sink = { .context = switcher,
					  .event = on_event,
					  .write_back = on_write_back,
					  .grab = on_grab,
					  .notice = on_notice };

	switcher->setup = *setup;
	switcher->nudges = ARRAY_SIZE(nudge_after);
	for (int part = 0; part < GUEST_PARTS; part++)
		switcher->guest[part].fd = setup->guest[part];
	switcher->engine = switch_new(&setup->config, setup->chords, &sink);
	switcher->guest_leds = (struct loop_source){ setup->guest[GUEST_KEYBOARD], read_guest, switcher };
	if (switcher->guest_leds.fd >= 0)
		loop_add(setup->loop, &switcher->guest_leds, EPOLLIN);
	return switcher;
}

void switcher_free(struct switcher *switcher)
{
	if (!switcher)
		return;
	switcher_command(switcher, SWITCH_LET_GO);
	switcher_remove_all(switcher);
	loop_remove(switcher->setup.loop, &switcher->guest_leds);
	switch_free(switcher->engine);
	free(switcher->devices);
	free(switcher);
}

// The clone is a keyboard to the desktop as the original is: same name, bus, vendor, product and version.
static int open_device(struct device *device, const char *phys, struct err *err)
{
	struct input_kind *kind = &device->kind;
	int r = input_kind_read(device->fd, kind), clock = CLOCK_MONOTONIC;

	if (r == 0 && ioctl(device->fd, EVIOCSCLOCKID, &clock) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(err, r, "asking the device what it is");
	if (kind->abs >> ABS_MT_SLOT & 1)
		return err_set(err, -ENOTSUP, "%s is a touch device, which stays the host's", kind->name);
	snprintf(kind->phys, sizeof(kind->phys), "%s", phys);
	return input_kind_make(device->uinput, kind, err);
}

static int watch_device(struct device *device, struct err *err)
{
	struct loop *loop = device->switcher->setup.loop;
	int r;

	device->real = (struct loop_source){ device->fd, read_real, device };
	device->clone = (struct loop_source){ device->uinput, read_clone, device };
	r = loop_add(loop, &device->real, EPOLLIN | EPOLLET);
	if (r == 0)
		r = loop_add(loop, &device->clone, EPOLLIN);
	return r < 0 ? err_sys(err, r, "watching %s", device->kind.name) : 0;
}

static void read_states(const struct device *device, struct switch_device *what)
{
	uint64_t lit = 0;

	*what = (struct switch_device){ .has_leds = (uint16_t)device->kind.leds };
	read_held(device->fd, &what->held);
	ioctl(device->fd, EVIOCGLED(sizeof(lit)), &lit);
	what->lit_leds = (uint16_t)lit;
}

int switcher_add(struct switcher *switcher, int id, int fd, int uinput, const char *phys, struct err *err)
{
	struct device *device = mem_new(1, sizeof(*device));
	struct switch_device what;
	int r;

	*device = (struct device){ .switcher = switcher, .id = id, .fd = fd, .uinput = uinput,
				   .real.fd = -1, .clone.fd = -1, .outlet.fd = uinput };
	if (find_device(switcher, id))
		r = err_set(err, -EEXIST, "device %d is there already", id);
	else
		r = open_device(device, phys, err);
	if (r == 0)
		r = watch_device(device, err);
	if (r < 0) {
		close_device(device);
		return r;
	}
	switcher->devices = mem_grow(switcher->devices, switcher->n_devices, sizeof(struct device *));
	switcher->devices[switcher->n_devices++] = device;
	read_states(device, &what);
	return switch_add(switcher->engine, now_us(), id, &what);
}

bool switcher_has(const struct switcher *switcher, int id)
{
	return find_device(switcher, id);
}

size_t switcher_count(const struct switcher *switcher)
{
	return switcher->n_devices;
}

void switcher_command(struct switcher *switcher, enum switch_command command)
{
	switch_command(switcher->engine, now_us(), command);
}

void switcher_set_guest_ready(struct switcher *switcher, bool ready)
{
	switch_set_guest_ready(switcher->engine, now_us(), ready);
	if (!ready)
		switcher->nudges = ARRAY_SIZE(nudge_after); // whoever reads its mouse now is another
}

bool switcher_is_waiting(const struct switcher *switcher)
{
	return switch_is_waiting(switcher->engine);
}

enum switch_side switcher_side(const struct switcher *switcher)
{
	return switch_get_side(switcher->engine);
}

static int engine_timeout(const struct switcher *switcher)
{
	uint64_t deadline = switch_deadline(switcher->engine), now;

	if (deadline == SWITCH_NEVER)
		return -1;
	now = now_us();
	if (deadline <= now)
		return 0;
	return deadline - now > 60000000 ? 60000 : (int)((deadline - now + 999) / 1000);
}

// Nobody asks for the time of a nudge: it is due when nothing else has come for so long.
int switcher_timeout(const struct switcher *switcher)
{
	int timeout = engine_timeout(switcher);

	if (switcher->nudges == ARRAY_SIZE(nudge_after))
		return timeout;
	return timeout >= 0 && timeout < nudge_after[switcher->nudges] ? timeout : nudge_after[switcher->nudges];
}

void switcher_tick(struct switcher *switcher)
{
	nudge(switcher);
	switch_tick(switcher->engine, now_us());
}
