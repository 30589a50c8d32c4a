// SPDX-License-Identifier: MIT
// The keeper's side of input devices: it makes those that the guest reads, and opens real ones for the process
// that has no right to. Which are asked for says the plan; what is there, the kernel.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "input/node.h"
#include "input/uinput.h"
#include "launcher/guest/message.h"
#include "launcher/plan/inputs.h"
#include "launcher/plan/plan.h"
#include "tune/host/input.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum {
	NODE_WAIT_MS = 3000, // for the kernel's node and udev's look at it
	RETRY_MS = 1000,     // what can't be opened now,
	RETRIES = 30,	     // until only a change of the node's rights is waited for, which inotify tells
};

// After something happened in /dev/input: the node is there at once, udev's links and words come later.
static const int scan_delays_ms[] = { 20, 100, 300, 700, 1500 };

void keeper_input_init(struct keeper_input *input)
{
	*input = (struct keeper_input){ .channel = -1, .source.fd = -1, .lock = -1, .watch.fd = -1,
					.hook.source.fd = -1, .command.source.fd = -1 };
	for (int part = 0; part < GUEST_PARTS; part++)
		input->uinput[part] = input->nodes[part] = -1;
}

void keeper_input_finish(struct keeper_input *input)
{
	int *fds[] = { &input->channel, &input->lock, &input->watch.fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(take_fd(fds[i]));
	}
	for (int part = 0; part < GUEST_PARTS; part++) {
		if (input->uinput[part] >= 0)
			close(take_fd(&input->uinput[part]));
		if (input->nodes[part] >= 0)
			close(take_fd(&input->nodes[part]));
	}
	free(take(input->handed));
	input->n_handed = 0;
}

static int open_uinput(struct err *err)
{
	int fd = open("/dev/uinput", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, -ENOENT, "there is no /dev/uinput: modprobe uinput");
	return fd < 0 ? err_sys(err, -errno, "opening /dev/uinput") : fd;
}

static int open_node(const struct input_device *device)
{
	AUTO_CLOSE int fd = open(device->node, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	// between the look and the open it may have become another
	return node_is(fd, device->vendor, device->product) ? take_fd(&fd) : -ENODEV;
}

/* The guest's devices */

static bool find_by_phys(struct root *root, const char *phys, struct input_device *out)
{
	struct input_facts facts;
	bool found = false;

	input_facts_read(root, &facts);
	for (size_t i = 0; !found && i < facts.count; i++) {
		found = strcmp(facts.devices[i].phys, phys) == 0;
		if (found)
			*out = facts.devices[i];
	}
	input_facts_finish(&facts);
	return found;
}

// Its node, once it is there and udev is done with it: udev sets owner and mode, and would undo what we set
// before.
static int open_guest_node(struct root *root, const char *phys, struct input_device *device, struct err *err)
{
	long long end = io_now_ms() + NODE_WAIT_MS;
	bool udev = input_has_udev(root);
	int fd = -1;

	for (;;) {
		bool last = io_now_ms() >= end;

		if (find_by_phys(root, phys, device) && (device->udev || !udev || last)) {
			fd = open_node(device);
			if (fd >= 0)
				return fd;
		}
		if (last)
			return err_set(err, fd < -1 ? fd : -ENODEV, "the device %s has no node that can be "
				       "opened: %s", phys, strerror(fd < -1 ? -fd : ENODEV));
		poll(NULL, 0, 5);
	}
}

// QEMU opens it by a path that the plan knew before the node had a number. The mode first, while the node is ours.
static int give_node(const struct keeper *keeper, const char *link, int fd, const char *node, struct err *err)
{
	const struct plan *plan = keeper->state.plan;

	if (plan->user.change && (fchmod(fd, 0600) < 0 || fchown(fd, plan->user.uid, (gid_t)-1) < 0))
		return err_sys(err, -errno, "giving %s to %s", node, plan->user.name);
	if (symlinkat(node, keeper->dir->dir, link) < 0)
		return err_sys(err, -errno, "a link to %s", node);
	return 0;
}

static void describe(const struct keeper *keeper, int part, struct input_kind *kind)
{
	guest_part_describe((enum guest_part)part, keeper->state.plan->input.virtio_host, keeper->name, kind);
}

static int make_part(struct keeper *keeper, struct root *root, int part, struct err *err)
{
	AUTO_FREE char *link = mem_printf("input-%s", guest_part_words[part]);
	struct input_device device;
	struct input_kind kind;
	int r = open_uinput(err);

	if (r < 0)
		return r;
	keeper->input.uinput[part] = r;
	describe(keeper, part, &kind);
	r = input_kind_make(keeper->input.uinput[part], &kind, err);
	if (r == 0)
		r = open_guest_node(root, kind.phys, &device, err);
	if (r < 0)
		return r;
	keeper->input.nodes[part] = r;
	return give_node(keeper, link, r, device.node, err);
}

static bool is_planned(const struct keeper *keeper, int part)
{
	const struct plan *plan = keeper->state.plan;

	return plan->input.used && plan->input.fds[part] > 0;
}

int keeper_input_make(struct keeper *keeper, struct err *err)
{
	struct root root;
	int r;

	if (!keeper->state.plan->input.used)
		return 0;
	r = root_open(&root, NULL, err);
	for (int part = 0; r == 0 && part < GUEST_PARTS; part++) {
		if (is_planned(keeper, part))
			r = make_part(keeper, &root, part, err);
	}
	root_finish(&root);
	return r < 0 ? err_wrap(err, "the guest's keyboard and mouse") : 0;
}

void keeper_devices_release_guest(struct keeper *keeper)
{
	struct keeper_input *input = &keeper->input;

	for (int part = 0; part < GUEST_PARTS; part++) {
		int write_to = input->uinput[part] >= 0 ? input->uinput[part] : input->nodes[part];
		int n = input->nodes[part] >= 0 ? node_release_all(input->nodes[part], write_to) : 0;

		if (n > 0)
			log_notice("%d key%s of the guest's %s released", n, n == 1 ? "" : "s",
				   guest_part_words[part]);
	}
}

// Where QEMU's own descriptor can't be had (Yama forbids it to users), the node takes events as well.
static void adopt_part(struct keeper *keeper, struct root *root, int part)
{
	AUTO_CLOSE int fd = (int)syscall(SYS_pidfd_getfd, keeper->qemu.pidfd, keeper->state.plan->input.fds[part],
					 0);
	struct err err = ERR_NONE;
	struct input_device device;
	struct input_kind kind;

	describe(keeper, part, &kind);
	keeper->input.nodes[part] = open_guest_node(root, kind.phys, &device, &err);
	if (keeper->input.nodes[part] < 0) {
		keeper->input.nodes[part] = -1;
		log_warning("%s", err.text);
	}
	if (fd >= 0 && node_is_uinput(fd) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
		keeper->input.uinput[part] = take_fd(&fd);
}

void keeper_input_adopt(struct keeper *keeper)
{
	struct root root;

	if (!keeper->state.plan->input.used || root_open(&root, NULL, NULL) < 0)
		return;
	for (int part = 0; part < GUEST_PARTS; part++) {
		if (is_planned(keeper, part))
			adopt_part(keeper, &root, part);
	}
	root_finish(&root);
	keeper_devices_release_guest(keeper);
}

bool keeper_devices_are_read(struct keeper *keeper)
{
	for (int part = 0; part < GUEST_PARTS; part++) {
		if (is_planned(keeper, part) &&
		    (keeper->input.nodes[part] < 0 || !node_is_grabbed(keeper->input.nodes[part])))
			return false;
	}
	return true;
}

/* Real ones */

void keeper_devices_scan_soon(struct keeper *keeper, int after_ms)
{
	long long at = io_now_ms() + after_ms;

	if (!keeper->input.locked || keeper->input.channel < 0)
		return;
	if (!keeper->input.scan_at || keeper->input.scan_at > at)
		keeper->input.scan_at = at;
}

static bool is_handed(const struct keeper_input *input, int number)
{
	for (size_t i = 0; i < input->n_handed; i++) {
		if (input->handed[i] == number)
			return true;
	}
	return false;
}

void keeper_devices_forget(struct keeper *keeper, int number)
{
	struct keeper_input *input = &keeper->input;

	for (size_t i = input->n_handed; i-- > 0;) {
		if (number < 0 || input->handed[i] == number)
			input->handed[i] = input->handed[--input->n_handed];
	}
}

// 0, or -errno where it may go better soon.
static int hand_out(struct keeper *keeper, const struct input_device *device)
{
	struct keeper_input *input = &keeper->input;
	struct message message = { .type = INPUT_DEVICE, .row = device->number };
	struct err err = ERR_NONE;
	int fds[MESSAGE_FDS] = { open_node(device), -1 };
	int r = fds[0];

	if (r >= 0)
		r = fds[1] = open_uinput(&err);
	snprintf(message.text, sizeof(message.text), INPUT_PHYS_CLONE "%s/%d", keeper->name, device->number);
	if (r >= 0)
		r = message_send_fds(input->channel, &message, fds, MESSAGE_FDS);
	for (int i = 0; i < MESSAGE_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	if (r < 0)
		return r;
	*MEM_PUSH(input->handed, input->n_handed) = device->number;
	log_info("%s (%s) is shared with %s", device->name, device->node, keeper->name);
	return 0;
}

// Numbers of devices that went away without a word are free for others.
static void forget_gone(struct keeper *keeper, const struct input_facts *facts)
{
	struct keeper_input *input = &keeper->input;

	for (size_t i = input->n_handed; i-- > 0;) {
		bool there = false;

		for (size_t k = 0; k < facts->count; k++)
			there |= facts->devices[k].number == input->handed[i];
		if (!there)
			input->handed[i] = input->handed[--input->n_handed];
	}
}

static void hand_out_all(struct keeper *keeper, const struct input_facts *facts, bool *again)
{
	const struct plan *plan = keeper->state.plan;
	const struct input_wish wish = { &plan->input.keyboard, &plan->input.mouse, &plan->input.device };

	forget_gone(keeper, facts);
	for (size_t i = 0; i < facts->count; i++) {
		enum input_choice choice = input_choose(&wish, facts, i);

		if (choice != INPUT_NAMED && choice != INPUT_BY_KIND)
			continue;
		if (!is_handed(&keeper->input, facts->devices[i].number))
			*again |= hand_out(keeper, &facts->devices[i]) < 0;
	}
}

static void add_watches(struct keeper *keeper)
{
	static const char *const dirs[] = { "/dev/input", "/dev/input/by-id", "/dev/input/by-path" };
	const uint32_t events = IN_CREATE | IN_ATTRIB | IN_MOVED_TO | IN_ONLYDIR;
	int fd = keeper->input.watch.fd;

	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(dirs); i++) {
		// the first device of a machine makes the directory
		if (inotify_add_watch(fd, dirs[i], events) < 0 && i == 0)
			inotify_add_watch(fd, "/dev", IN_CREATE | IN_ONLYDIR);
	}
}

void keeper_devices_scan(struct keeper *keeper)
{
	struct keeper_input *input = &keeper->input;
	struct input_facts facts;
	struct root root;
	bool again = false;

	input->scan_at = 0;
	if (!input->locked || input->channel < 0 || root_open(&root, NULL, NULL) < 0)
		return;
	add_watches(keeper);
	input_facts_read(&root, &facts);
	hand_out_all(keeper, &facts, &again);
	input_facts_finish(&facts);
	root_finish(&root);
	if ((size_t)input->scans < ARRAY_SIZE(scan_delays_ms))
		keeper_devices_scan_soon(keeper, scan_delays_ms[input->scans++]);
	else if (again && input->scans++ < RETRIES)
		keeper_devices_scan_soon(keeper, RETRY_MS);
}

// Which name it was does not matter: what is there is looked at as a whole. The lock's file is told apart, it
// lies in a directory where other things happen all the time.
static void read_watch(void *context, uint32_t ready)
{
	struct keeper *keeper = context;
	union {
		struct inotify_event event;
		char bytes[8192];
	} room;
	ssize_t n = read(keeper->input.watch.fd, &room, sizeof(room));
	bool lock = false, device = false;

	(void)ready;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(room.bytes + at);

		at += (ssize_t)(sizeof(*event) + event->len);
		if (event->mask & (IN_CLOSE_WRITE | IN_MODIFY))
			lock |= event->len && strcmp(event->name, ".input") == 0;
		else
			device = true;
	}
	if (lock)
		keeper_lock_changed(keeper);
	if (!device)
		return;
	keeper->input.scans = 0;
	keeper_devices_scan_soon(keeper, scan_delays_ms[0]);
}

void keeper_devices_watch(struct keeper *keeper)
{
	struct keeper_input *input = &keeper->input;

	if (input->watch.fd >= 0)
		return;
	input->watch = (struct loop_source){ inotify_init1(IN_CLOEXEC | IN_NONBLOCK), read_watch, keeper };
	if (input->watch.fd < 0 || loop_add(&keeper->loop, &input->watch, EPOLLIN) < 0) {
		log_warning("devices that are plugged in later will not be noticed: inotify: %m");
		return;
	}
	add_watches(keeper);
	inotify_add_watch(input->watch.fd, keeper->paths->run_base, IN_MODIFY | IN_CLOSE_WRITE | IN_ONLYDIR);
}

void keeper_devices_say_busy(int number, int error)
{
	AUTO_FREE char *node = mem_printf("/dev/input/event%d", number);
	char holder[96];

	if (error != -EBUSY)
		log_warning("%s can't be taken now: %s; it is tried again", node, strerror(-error));
	else if (process_find_holder(node, holder, sizeof(holder)) == 0)
		log_warning("%s is held by %s: the guest gets it once that lets go", node, holder);
	else
		log_warning("%s is held by another process: the guest gets it once that lets go", node);
}
