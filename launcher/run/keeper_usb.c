// SPDX-License-Identifier: MIT
// The keeper's side of USB: which device is meant, whether the guest may have it, its open node for QEMU, what
// comes and goes while the guest runs, and that the host's drivers get back what QEMU leaves. As root that is a
// change of the host like others, with its record in the journal; who is not may not write to the drivers, and QEMU
// takes the device from them through its node.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/guest/message.h"
#include "launcher/plan/inputs.h"
#include "launcher/plan/plan.h"
#include "launcher/plan/usb.h"
#include "launcher/profile/types.h"
#include "tune/change/names.h"
#include "tune/host/input.h"
#include "tune/host/root.h"
#include "tune/host/usb.h"
#include "tune/usb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void read_usb(struct usb_facts *facts)
{
	struct root root = ROOT_CLOSED;

	if (root_open(&root, NULL, NULL) == 0)
		usb_facts_read(&root, facts);
	root_finish(&root);
}

// An adopter knows by the journal before it has looked at anything else.
static bool has_port(const struct keeper *keeper, const char *port)
{
	AUTO_FREE char *path = change_name_usb(port);

	return strv_has(&keeper->usb.ports, port) || journal_find(&keeper->journal, "usb", path);
}

static void forget_port(struct keeper *keeper, const char *port)
{
	struct strv kept = { 0 };

	for (size_t i = 0; i < keeper->usb.ports.count; i++) {
		if (strcmp(keeper->usb.ports.items[i], port) != 0)
			strv_add(&kept, keeper->usb.ports.items[i]);
	}
	strv_finish(&keeper->usb.ports);
	keeper->usb.ports = kept;
}

// What [input] moves between host and guest can't be plugged into the guest.
static char *object(const struct keeper *keeper, const struct usb_facts *facts, const struct usb_device *device,
		    bool force)
{
	const struct plan *plan = keeper->state.plan;
	const struct input_wish wish = { &plan->input.keyboard, &plan->input.mouse, &plan->input.device };
	struct input_facts inputs = { 0 };
	struct root root = ROOT_CLOSED;
	char *text;

	if (!plan->input.used)
		return usb_objection(facts, device, force);
	if (root_open(&root, NULL, NULL) == 0)
		input_facts_read(&root, &inputs);
	text = usb_shared_objection(facts, device, &wish, &inputs);
	input_facts_finish(&inputs);
	root_finish(&root);
	return text ? text : usb_objection(facts, device, force);
}

// The device that is meant, if the guest may have it. NULL: why not is in err.
static const struct usb_device *choose(struct keeper *keeper, const struct usb_facts *facts, const char *name,
				       bool force, struct err *err)
{
	bool several = false;
	const struct usb_device *device = usb_facts_find(facts, name, &several);
	AUTO_FREE char *objection = device ? object(keeper, facts, device, force) : NULL;

	if (!keeper->state.plan->usb)
		err_set(err, -ENOTSUP, "this guest has no USB controller: give it a section [usb]");
	else if (several)
		err_set(err, -EEXIST, "several devices are %s: name the socket (1-2.3)", name);
	else if (!device)
		err_set(err, -ENODEV, "there is no USB device %s", name);
	else if (has_port(keeper, device->port))
		err_set(err, -EALREADY, "the guest has %s already", device->port);
	else if (objection)
		err_set(err, -EBUSY, "%s", objection);
	else
		return device;
	return NULL;
}

static int lend(struct keeper *keeper, const struct usb_device *device, struct err *err)
{
	AUTO_FREE char *path = change_name_usb(device->port);
	const struct change change = { .kind = "usb", .path = path, .want = (char *)"lent",
				       .why = (char *)"the guest has it" };
	int r = geteuid() == 0 ? journal_apply(&keeper->journal, &keeper->world, &change, err) : 0;

	change_host_rest(&keeper->host);
	return r;
}

static void take_back(struct keeper *keeper, struct journal_record *record)
{
	AUTO_FREE char *path = mem_dup(record->change.path);
	ptrdiff_t index = record - keeper->journal.records;
	struct journal_report report = { 0 };

	journal_undo_one(&keeper->journal, &keeper->world, "usb", path, &report);
	keeper_show_report(&report);
	journal_report_finish(&report);
	if (str_eq(keeper->journal.records[index].done, "undone"))
		log_info("the host has the USB device %s again", strrchr(path, '/') + 1);
}

static void give_back(struct keeper *keeper, const char *port)
{
	AUTO_FREE char *path = change_name_usb(port);
	struct journal_record *record = journal_find(&keeper->journal, "usb", path);
	struct err err = ERR_NONE;
	int n;

	if (record) {
		take_back(keeper, record);
		return;
	}
	n = usb_give_back(port, &err);
	if (n < 0)
		log_warning("%s", err.text);
	else if (n > 0)
		log_info("the host has the USB device %s again", port);
}

static void listen(struct keeper *keeper);

// What was sent is only what QEMU shall have; whether it took it comes back with MSG_USB_DONE.
static int attach(struct keeper *keeper, const char *name, bool force, int asker, struct err *err)
{
	struct message message = { .type = MSG_USB_ATTACH, .row = asker };
	struct usb_facts facts = { 0 };
	const struct usb_device *device;
	AUTO_CLOSE int fd = -1;
	int r;

	read_usb(&facts);
	device = choose(keeper, &facts, name, force, err);
	fd = device ? usb_node_open(device, err) : -1;
	r = fd < 0 ? -ENODEV : lend(keeper, device, err);
	if (r == 0) {
		message.value = device->bus * 1000 + device->number;
		snprintf(message.text, sizeof(message.text), "%s", device->port);
		r = message_send_fd(keeper->monitor.channel, &message, fd);
		if (r == 0) {
			strv_add(&keeper->usb.ports, device->port);
			listen(keeper);
		}
		else {
			err_sys(err, r, "handing %s to the monitor", device->port);
			give_back(keeper, device->port);
		}
	}
	usb_facts_finish(&facts);
	return r;
}

// By its socket also where the device is gone: QEMU still has what is left of it.
static int detach(struct keeper *keeper, const char *name, int asker, struct err *err)
{
	struct message message = { .type = MSG_USB_DETACH, .row = asker };
	struct usb_facts facts = { 0 };
	const struct usb_device *device;
	bool several = false;
	int r = 0;

	read_usb(&facts);
	device = usb_facts_find(&facts, name, &several);
	if (device || strchr(name, '-'))
		snprintf(message.text, sizeof(message.text), "%s", device ? device->port : name);
	else
		r = err_set(err, -ENODEV, several ? "several devices are %s: name the socket (1-2.3)" :
						    "there is no USB device %s", name);
	usb_facts_finish(&facts);
	return r < 0 ? r : message_send(keeper->monitor.channel, &message);
}

void keeper_usb_asked(struct keeper *keeper, const struct message *message)
{
	struct message refused = { .type = MSG_USB_REFUSED, .row = message->row };
	struct err err = ERR_NONE;
	int r;

	// it is to become part of a path
	if (!title_is_usb(message->text))
		r = err_set(&err, -EINVAL, "a USB device is 046d:c52b or 1-2.3");
	else if (message->value == USB_DETACH)
		r = detach(keeper, message->text, message->row, &err);
	else
		r = attach(keeper, message->text, message->value == USB_ATTACH_FORCED, message->row, &err);
	if (r == 0)
		return;
	snprintf(refused.text, sizeof(refused.text), "%.*s", (int)sizeof(refused.text) - 1, err.text);
	message_send(keeper->monitor.channel, &refused);
}

void keeper_usb_done(struct keeper *keeper, const struct message *message)
{
	bool attached = message->value != USB_DETACH;
	const char *port = message->text;

	if (!title_is_usb(port) || (message->tid == USB_UNKNOWN && !has_port(keeper, port)))
		return;
	if (attached && message->tid == USB_DONE) {
		log_info("the guest has the USB device %s", port);
		return;
	}
	// what hangs in its socket still is QEMU's, and the host's drivers would not get it
	if (!attached && message->tid == USB_FAILED && message->row) {
		log_info("QEMU did not let go of the USB device %s: the guest keeps it", port);
		return;
	}
	if (attached) // who asked is told by the monitor
		log_message(message->row ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "QEMU did not take the USB device %s",
			    port);
	forget_port(keeper, port);
	give_back(keeper, port);
}

// A row of the plan: "04f2:b217 hotplug force".
struct row {
	struct strv words;
	bool hotplug, force;
};

static struct row read_row(const char *text)
{
	struct row row = { 0 };

	strv_split(&row.words, text, " ");
	row.hotplug = strv_has(&row.words, "hotplug");
	row.force = strv_has(&row.words, "force");
	return row;
}

// What the profile wants plugged in and is there. Not again what the guest has, nor what it had and somebody took
// out by hand: only what comes.
static void attach_rows(struct keeper *keeper, bool only_hotplug, const char *port)
{
	const struct strv *rows = &keeper->state.plan->usb_devices;

	for (size_t i = 0; i < rows->count; i++) {
		struct row row = read_row(rows->items[i]);
		struct err err = ERR_NONE;
		size_t before = keeper->usb.ports.count;

		if ((row.hotplug || !only_hotplug) &&
		    attach(keeper, row.words.items[0], row.force, 0, &err) < 0 &&
		    (err.code != -ENODEV || !row.hotplug) && err.code != -EALREADY)
			log_warning("%s", err.text);
		if (port && keeper->usb.ports.count > before)
			log_info("%s was plugged in", port);
		strv_finish(&row.words);
	}
}

static void on_event(void *context, uint32_t events)
{
	struct keeper *keeper = context;
	struct usb_event event;
	int r;

	(void)events;
	while ((r = usb_events_next(keeper->usb.source.fd, &event)) > 0) {
		struct err err = ERR_NONE;

		if (event.added)
			attach_rows(keeper, true, event.port);
		else if (has_port(keeper, event.port))
			detach(keeper, event.port, 0, &err);
	}
	// some were lost: look at what is there
	if (r < 0)
		attach_rows(keeper, true, NULL);
}

static bool wants_events(const struct plan *plan)
{
	for (size_t i = 0; i < plan->usb_devices.count; i++) {
		if (strstr(plan->usb_devices.items[i], " hotplug"))
			return true;
	}
	return false;
}

// Heard for all that the guest has, too: what went must leave QEMU before it can come again.
static void listen(struct keeper *keeper)
{
	int fd;

	if (keeper->usb.source.fd >= 0)
		return;
	fd = usb_events_open();
	if (fd < 0) {
		log_warning("what is plugged in is not heard: %s", strerror(-fd));
		return;
	}
	keeper->usb.source = (struct loop_source){ fd, on_event, keeper };
	loop_add(&keeper->loop, &keeper->usb.source, EPOLLIN);
}

static void recall_ports(struct keeper *keeper)
{
	for (size_t i = 0; i < keeper->journal.count; i++) {
		const struct journal_record *record = &keeper->journal.records[i];

		if (!record->done && str_eq(record->kind, "usb"))
			strv_add(&keeper->usb.ports, strrchr(record->change.path, '/') + 1);
	}
	if (keeper->usb.ports.count)
		listen(keeper);
}

// An adopted guest without a record has what it has, and mostly what its profile says.
static void suppose_rows(struct keeper *keeper)
{
	const struct strv *rows = &keeper->state.plan->usb_devices;
	struct usb_facts facts = { 0 };

	read_usb(&facts);
	for (size_t i = 0; i < rows->count; i++) {
		struct row row = read_row(rows->items[i]);
		bool several = false;
		const struct usb_device *device = usb_facts_find(&facts, row.words.items[0], &several);

		if (device && !has_port(keeper, device->port))
			strv_add(&keeper->usb.ports, device->port);
		strv_finish(&row.words);
	}
	usb_facts_finish(&facts);
}

void keeper_usb_begin(struct keeper *keeper)
{
	if (keeper->usb.begun || !keeper->state.plan->usb)
		return;
	keeper->usb.begun = true;
	if (wants_events(keeper->state.plan))
		listen(keeper);
	if (keeper->adopted && geteuid() == 0)
		recall_ports(keeper);
	else if (keeper->adopted)
		suppose_rows(keeper);
	else
		attach_rows(keeper, false, NULL);
}

// Whatever QEMU left when it ended, or was killed. What the journal knows is undone with all else; where there is none
// and the keeper died too, only the plan is known.
void keeper_usb_end(struct keeper *keeper)
{
	const struct plan *plan = keeper->state.plan;
	struct usb_facts facts = { 0 };

	if (keeper->usb.source.fd >= 0) {
		loop_remove(&keeper->loop, &keeper->usb.source);
		close(take_fd(&keeper->usb.source.fd));
	}
	for (size_t i = 0; i < keeper->usb.ports.count && geteuid() != 0; i++)
		give_back(keeper, keeper->usb.ports.items[i]);
	strv_finish(&keeper->usb.ports);
	if (!plan || !plan->usb_devices.count || geteuid() == 0)
		return;
	read_usb(&facts);
	for (size_t i = 0; i < plan->usb_devices.count; i++) {
		struct row row = read_row(plan->usb_devices.items[i]);
		bool several = false;
		const struct usb_device *device = usb_facts_find(&facts, row.words.items[0], &several);

		if (device)
			give_back(keeper, device->port);
		strv_finish(&row.words);
	}
	usb_facts_finish(&facts);
}
