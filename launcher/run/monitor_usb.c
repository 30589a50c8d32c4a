// SPDX-License-Identifier: MIT
// The monitor's side of USB: a client asks, the keeper decides and hands over the open node, QEMU takes it.
//
// The node reaches QEMU as a descriptor of a set, which usb-host opens like a file (QEMU 7.2, hw/usb/host-libusb.c,
// usb_host_realize; util/osdep.c, qemu_open_internal: /dev/fdset/N).
#include "launcher/run/monitor_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// A step that QEMU was asked for.
struct step {
	struct monitor *monitor;
	int asker; // 0: the keeper itself
	int set;
	enum usb_ask ask;
	char port[32];
};

// A device that waits for its turn: QEMU keeps one descriptor at a time until add-fd takes it.
struct usb_waiting {
	struct usb_waiting *next;
	struct message message;
	int fd;
};

// Who asked and waits, by the number that travels to the keeper and back.
struct usb_asker {
	struct usb_asker *next;
	int number;
	uint64_t client;
	char *id;
};

static struct usb_asker *take_asker(struct monitor *monitor, int number)
{
	for (struct usb_asker **at = &monitor->usb_askers; *at; at = &(*at)->next) {
		struct usb_asker *asker = *at;

		if (asker->number != number)
			continue;
		*at = asker->next;
		return asker;
	}
	return NULL;
}

// text NULL: it was done.
static void answer(struct monitor *monitor, int number, const char *port, const char *code, const char *text)
{
	struct usb_asker *asker = take_asker(monitor, number);
	struct client *client = asker ? control_find(monitor, asker->client) : NULL;

	if (client && text) {
		control_refuse(client, asker->id, code, NULL, "%s", text);
	} else if (client) {
		struct json_object *result = json_object_new_object();

		json_object_object_add(result, "port", json_object_new_string(port));
		control_answer(client, asker->id, result);
	}
	if (client)
		control_flush(monitor, client);
	if (asker)
		free(asker->id);
	free(asker);
}

static enum usb_done judge(const struct step *step, enum qmp_outcome outcome, const struct err *err)
{
	if (outcome == QMP_RESULT)
		return USB_DONE;
	return step->ask == USB_DETACH && err->code == -ENODEV ? USB_UNKNOWN : USB_FAILED;
}

static void finish(struct step *step, enum qmp_outcome outcome, const struct err *err)
{
	enum usb_done how = judge(step, outcome, err);
	struct message done = { .type = MSG_USB_DONE, .row = step->asker, .value = (int)step->ask, .tid = how };
	AUTO_FREE char *unknown = mem_printf("the guest has no USB device %s", step->port);

	snprintf(done.text, sizeof(done.text), "%s", step->port);
	monitor_tell(step->monitor, &done);
	answer(step->monitor, step->asker, step->port, outcome == QMP_ERROR ? "qemu" : "lost",
	       how == USB_DONE ? NULL : how == USB_UNKNOWN ? unknown : err->text);
	free(step);
}

static struct json_object *set_argument(int set)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "fdset-id", json_object_new_int(set));
	return arguments;
}

static void hand_next(struct monitor *monitor);

static void on_attached(void *context, enum qmp_outcome outcome, struct json_object *result,
			const struct err *err)
{
	struct step *step = context;
	struct monitor *monitor = step->monitor;

	(void)result;
	// the device has a copy of its own; one that failed needs none
	monitor_qmp_send(monitor, "remove-fd", set_argument(step->set), QMP_QUICK, NULL, NULL);
	finish(step, outcome, err);
	hand_next(monitor);
}

static void on_detached(void *context, enum qmp_outcome outcome, struct json_object *result,
			const struct err *err)
{
	(void)result;
	finish(context, outcome, err);
}

static struct json_object *device_id(const char *port)
{
	AUTO_FREE char *id = mem_printf("host-%s", port);
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "id", json_object_new_string(id));
	return arguments;
}

static struct json_object *device_arguments(const struct step *step)
{
	AUTO_FREE char *node = mem_printf("/dev/fdset/%d", step->set);
	struct json_object *arguments = device_id(step->port);

	json_object_object_add(arguments, "driver", json_object_new_string("usb-host"));
	json_object_object_add(arguments, "bus", json_object_new_string("usb.0"));
	json_object_object_add(arguments, "hostdevice", json_object_new_string(node));
	return arguments;
}

static struct step *new_step(struct monitor *monitor, const struct message *message, enum usb_ask ask)
{
	struct step *step = mem_new(1, sizeof(*step));

	*step = (struct step){ monitor, message->row, message->value, ask, "" };
	snprintf(step->port, sizeof(step->port), "%.31s", message->text);
	return step;
}

// Both at once: QEMU takes one command after the other. False: it was answered already that it can't be.
static bool hand(struct monitor *monitor, const struct message *message, int fd)
{
	struct step *step = new_step(monitor, message, USB_ATTACH);
	struct err err = ERR_NONE;
	int r = monitor->qmp && fd >= 0 ? qmp_client_give_fd(monitor->qmp, fd) : -ENOTCONN;

	if (r == 0)
		r = monitor_qmp_send(monitor, "add-fd", set_argument(step->set), QMP_QUICK, NULL, NULL);
	if (r == 0)
		r = monitor_qmp_send(monitor, "device_add", device_arguments(step), QMP_RUN, on_attached, step);
	if (r < 0) {
		err_sys(&err, r, "handing the device to QEMU");
		finish(step, QMP_LOST, &err);
	}
	if (fd >= 0)
		close(fd);
	return r == 0;
}

static void hand_next(struct monitor *monitor)
{
	monitor->usb_busy = false;
	while (monitor->usb_waiting && !monitor->usb_busy) {
		struct usb_waiting *waiting = monitor->usb_waiting;

		monitor->usb_waiting = waiting->next;
		monitor->usb_busy = hand(monitor, &waiting->message, waiting->fd);
		free(waiting);
	}
	if (!monitor->usb_busy && monitor->continue_asked)
		monitor_qmp_continue(monitor);
}

void monitor_usb_attach(struct monitor *monitor, const struct message *message, int fd)
{
	struct usb_waiting **last = &monitor->usb_waiting, *waiting = mem_new(1, sizeof(*waiting));

	*waiting = (struct usb_waiting){ NULL, *message, fd };
	while (*last)
		last = &(*last)->next;
	*last = waiting;
	if (!monitor->usb_busy)
		hand_next(monitor);
}

void monitor_usb_detach(struct monitor *monitor, const struct message *message)
{
	struct step *step = new_step(monitor, message, USB_DETACH);
	struct err err = ERR_NONE;

	if (monitor_qmp_send(monitor, "device_del", device_id(step->port), QMP_RUN, on_detached, step) == 0)
		return;
	err_set(&err, -ENOTCONN, "QEMU does not answer on QMP now");
	finish(step, QMP_LOST, &err);
}

void monitor_usb_refused(struct monitor *monitor, const struct message *message)
{
	answer(monitor, message->row, "", "refused", message->text);
}

void monitor_usb_ask(struct monitor *monitor, struct client *client, const char *id, enum usb_ask ask,
		     const char *device)
{
	struct usb_asker *asker = mem_new(1, sizeof(*asker));
	struct message message = { .type = MSG_ASK_USB, .value = (int)ask };

	monitor->last_usb_asker = monitor->last_usb_asker % 1000000 + 1;
	*asker = (struct usb_asker){ monitor->usb_askers, monitor->last_usb_asker, client->serial,
				     mem_dup(id ? id : "null") };
	monitor->usb_askers = asker;
	message.row = asker->number;
	snprintf(message.text, sizeof(message.text), "%s", device);
	monitor_tell(monitor, &message);
}
