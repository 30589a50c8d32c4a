// SPDX-License-Identifier: MIT
// host --input: what each input device is, and what it sends. It reads beside everybody else and grabs nothing.
#include "launcher/commands/host.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "input/eventname.h"
#include "launcher/commands/commands.h"
#include "tune/host/input.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <linux/input.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { SETTLE_MS = 300 }; // for udev to say what a new device is

struct heard {
	struct listener *listener;
	struct input_device device;
	struct loop_source source;

};

struct listener {
	struct loop loop;
	struct loop_source signals, watch;
	struct heard **devices;
	size_t n_devices;
	bool look, done;
};

static void add_line(struct str *out, const char *label, const char *text)
{
	if (*text)
		str_addf(out, "    %-6s %s\n", label, text);
}

static void print_device(const struct input_device *device, struct str *out)
{
	AUTO_STR struct str id = { 0 };

	str_addf(out, "%s  %s: %s\n", device->node, input_class_name(device->classes), device->name);
	str_addf(&id, "%04x:%04x", device->vendor, device->product);
	if (str_starts(device->phys, INPUT_PHYS_OURS))
		add_line(out, "", str_starts(device->phys, INPUT_PHYS_GUEST) ? "made by vfiorun for a guest" :
									       "made by vfiorun for the host, in "
									       "place of a shared one");
	add_line(out, "id", str_text(&id));
	add_line(out, "phys", device->phys);
	add_line(out, "uniq", device->uniq);
	for (size_t i = 0; i < ARRAY_SIZE(device->links); i++)
		add_line(out, "link", device->links[i]);
}

static struct json_object *device_object(const struct input_device *device)
{
	struct json_object *object = json_object_new_object(), *links = json_object_new_array();
	AUTO_FREE char *id = mem_printf("%04x:%04x", device->vendor, device->product);

	json_object_object_add(object, "device", json_object_new_string(device->node));
	json_object_object_add(object, "name", json_object_new_string(device->name));
	json_object_object_add(object, "role", json_object_new_string(input_class_name(device->classes)));
	json_object_object_add(object, "id", json_object_new_string(id));
	json_object_object_add(object, "phys", json_object_new_string(device->phys));
	json_object_object_add(object, "uniq", json_object_new_string(device->uniq));
	for (size_t i = 0; i < ARRAY_SIZE(device->links) && device->links[i][0]; i++)
		json_object_array_add(links, json_object_new_string(device->links[i]));
	json_object_object_add(object, "links", links);
	return object;
}

static int show(const struct input_facts *facts, bool json)
{
	AUTO_STR struct str text = { 0 };
	struct json_object *array;

	if (json) {
		array = json_object_new_array();
		for (size_t i = 0; i < facts->count; i++)
			json_object_array_add(array, device_object(&facts->devices[i]));
		add_json_text(array, &text);
		json_object_put(array);
	} else {
		for (size_t i = 0; i < facts->count; i++)
			print_device(&facts->devices[i], &text);
		if (!facts->count)
			str_add(&text, "no input devices\n");
	}
	return print_out(str_text(&text));
}

static void drop(struct heard *heard)
{
	struct listener *listener = heard->listener;

	for (size_t i = 0; i < listener->n_devices; i++) {
		if (listener->devices[i] == heard)
			listener->devices[i] = listener->devices[--listener->n_devices];
	}
	loop_remove(&listener->loop, &heard->source);
	if (heard->source.fd >= 0)
		close(heard->source.fd);
	free(heard);
}

static void say(struct listener *listener, const struct input_device *device, const char *what)
{
	AUTO_FREE char *line = mem_printf("%s  %s\n", device->node + strlen("/dev/input/"), what);

	listener->done |= print_out(line) != 0;
}

static void hear(void *context, uint32_t ready)
{
	struct heard *heard = context;
	struct input_event events[64];
	ssize_t size = read(heard->source.fd, events, sizeof(events));

	(void)ready;
	if (size < 0 && errno == EAGAIN)
		return;
	if (size <= 0) {
		say(heard->listener, &heard->device, "is gone");
		drop(heard);
		return;
	}
	for (size_t i = 0; i < (size_t)size / sizeof(events[0]); i++) {
		AUTO_STR struct str text = { 0 };

		if (event_print(events[i].type, events[i].code, events[i].value, &text))
			say(heard->listener, &heard->device, str_text(&text));
	}
}

static struct heard *find_heard(const struct listener *listener, int number)
{
	for (size_t i = 0; i < listener->n_devices; i++) {
		if (listener->devices[i]->device.number == number)
			return listener->devices[i];
	}
	return NULL;
}

static void listen_to(struct listener *listener, const struct input_device *device)
{
	int fd = open(device->node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct heard *heard;

	if (fd < 0) {
		log_warning("%s can't be listened to: %s", device->node, strerror(errno));
		if (errno != EACCES)
			return; // it may be there the next time
	}
	heard = mem_new(1, sizeof(*heard));
	*heard = (struct heard){ .listener = listener, .device = *device };
	heard->source = (struct loop_source){ fd, hear, heard };
	listener->devices = mem_grow(listener->devices, listener->n_devices, sizeof(struct heard *));
	listener->devices[listener->n_devices++] = heard;
	if (fd >= 0)
		loop_add(&listener->loop, &heard->source, EPOLLIN);
}

static void look(struct listener *listener, bool first)
{
	struct input_facts facts = { 0 };
	struct root root;

	listener->look = false;
	if (root_open(&root, NULL, NULL) < 0)
		return;
	input_facts_read(&root, &facts);
	for (size_t i = 0; i < facts.count; i++) {
		AUTO_STR struct str text = { 0 };

		if (find_heard(listener, facts.devices[i].number))
			continue;
		print_device(&facts.devices[i], &text);
		listener->done |= !first && print_out(str_text(&text)) != 0;
		listen_to(listener, &facts.devices[i]);
	}
	input_facts_finish(&facts);
	root_finish(&root);
}

static void read_signal(void *context, uint32_t ready)
{
	struct listener *listener = context;

	(void)ready;
	listener->done = true;
}

static void read_watch(void *context, uint32_t ready)
{
	struct listener *listener = context;
	char room[4096];

	(void)ready;
	while (read(listener->watch.fd, room, sizeof(room)) > 0)
		;
	listener->look = true;
}

static int open_listener(struct listener *listener)
{
	sigset_t signals;
	int r = loop_init(&listener->loop);

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	listener->signals = (struct loop_source){ signalfd(-1, &signals, SFD_CLOEXEC), read_signal, listener };
	listener->watch = (struct loop_source){ inotify_init1(IN_CLOEXEC | IN_NONBLOCK), read_watch, listener };
	if (r == 0)
		r = loop_add(&listener->loop, &listener->signals, EPOLLIN);
	if (r == 0 && listener->watch.fd >= 0 &&
	    inotify_add_watch(listener->watch.fd, "/dev/input", IN_CREATE | IN_ATTRIB) >= 0)
		r = loop_add(&listener->loop, &listener->watch, EPOLLIN);
	return r;
}

static int listen_live(void)
{
	struct listener listener = { .loop = LOOP_CLOSED };
	int r = open_listener(&listener);

	if (r < 0) {
		log_error("waiting for events: %s", strerror(-r));
		return 1;
	}
	look(&listener, true);
	log_notice("listening: press a key or move a mouse; Ctrl-C ends");
	while (!listener.done) {
		r = loop_step(&listener.loop, listener.look ? SETTLE_MS : -1);
		if (r < 0)
			break;
		if (r == 0 && listener.look)
			look(&listener, false);
	}
	for (size_t i = listener.n_devices; i-- > 0;)
		drop(listener.devices[i]);
	free(listener.devices);
	close(listener.signals.fd);
	if (listener.watch.fd >= 0)
		close(listener.watch.fd);
	loop_finish(&listener.loop);
	return 0;
}

int host_show_input(const char *dir, bool json)
{
	struct root root = ROOT_CLOSED;
	struct input_facts facts = { 0 };
	struct err err = ERR_NONE;
	int status;

	if (root_open(&root, dir, &err) < 0) {
		report_error(&err);
		return dir ? 2 : 3;
	}
	input_facts_read(&root, &facts);
	root_finish(&root);
	status = show(&facts, json);
	input_facts_finish(&facts);
	return status || json || dir ? status : listen_live();
}
