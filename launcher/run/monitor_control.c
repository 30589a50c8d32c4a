// SPDX-License-Identifier: MIT
// The control socket: JSON lines {id,do,args} in, {id,ok} or {id,error} out, judged by who asks.
#include "launcher/run/monitor_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"

#include <json-c/json.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CLIENTS_MAX = 64,  // who may ask anything
	STRANGERS_MAX = 8, // who may not, and must not take the places of those who may
	REQUEST_MAX = 1 << 20,
	BACKLOG_MAX = 4 << 20,
	CONSOLE_BACKLOG_MAX = 1 << 20,
};

static void client_free(struct monitor *monitor, struct client *client)
{
	for (struct client **at = &monitor->clients; *at; at = &(*at)->next) {
		if (*at == client) {
			*at = client->next;
			break;
		}
	}
	loop_remove(&monitor->loop, &client->source);
	close(client->fd);
	line_reader_finish(&client->reader);
	line_writer_finish(&client->writer);
	str_finish(&client->raw);
	free(client->switch_id);
	free(client->wait_id);
	free(client);
}

// 0 all sent, -EAGAIN more waits, or -errno.
static int flush_raw(struct client *client)
{
	while (client->raw.len) {
		ssize_t n = send(client->fd, client->raw.text, client->raw.len,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return -errno;
		memmove(client->raw.text, client->raw.text + n, client->raw.len - (size_t)n);
		client->raw.len -= (size_t)n;
	}
	return 0;
}

// Sends what can be sent now; the client is only marked when it is gone, since its caller may hold it.
void control_flush(struct monitor *monitor, struct client *client)
{
	int r = line_writer_flush(&client->writer, client->fd);

	if (r == 0)
		r = flush_raw(client);
	if (r < 0 && r != -EAGAIN)
		client->gone = true;
	loop_change(&monitor->loop, &client->source,
		    EPOLLIN | (r == -EAGAIN ? EPOLLOUT : 0) | (client->gone ? EPOLLOUT : 0));
}

static void send_message(struct client *client, struct json_object *message)
{
	if (line_writer_add(&client->writer, message) < 0)
		client->gone = true; // it does not read what it asked for
	json_object_put(message);
}

static struct json_object *reply_to(const char *id)
{
	struct json_object *reply = json_object_new_object();

	if (id)
		json_object_object_add(reply, "id", json_tokener_parse(id));
	return reply;
}

void control_answer(struct client *client, const char *id, struct json_object *result)
{
	struct json_object *reply = reply_to(id);

	json_object_object_add(reply, "ok", result ? result : json_object_new_object());
	send_message(client, reply);
}

void control_refuse(struct client *client, const char *id, const char *code, const char *hint,
		    const char *fmt, ...)
{
	struct json_object *reply = reply_to(id), *error = json_object_new_object();
	AUTO_STR struct str text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	json_object_object_add(error, "code", json_object_new_string(code));
	json_object_object_add(error, "text", json_object_new_string(str_text(&text)));
	if (hint)
		json_object_object_add(error, "hint", json_object_new_string(hint));
	json_object_object_add(reply, "error", error);
	send_message(client, reply);
}

struct client *control_find(struct monitor *monitor, uint64_t serial)
{
	for (struct client *client = monitor->clients; client; client = client->next) {
		if (client->serial == serial && !client->gone)
			return client;
	}
	return NULL;
}

static void handle_line(struct monitor *monitor, struct client *client, const char *line)
{
	struct err err = ERR_NONE;
	struct json_object *request = line_parse_object(line, &err);

	if (!request) {
		control_refuse(client, NULL, "parse", "{\"id\":1,\"do\":\"status\"}", "%s", err.text);
		return;
	}
	verb_run(monitor, client, request);
	json_object_put(request);
}

static void read_raw(struct monitor *monitor, struct client *client)
{
	char chunk[4096];
	ssize_t n = recv(client->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n > 0)
		console_write(monitor, chunk, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		client->gone = true;
}

static void read_lines(struct monitor *monitor, struct client *client)
{
	int n = line_reader_fill(&client->reader, client->fd);
	char *line;

	if (n == 0 || (n < 0 && n != -EAGAIN))
		client->gone = true;
	while (!client->console && (line = line_reader_next(&client->reader)))
		handle_line(monitor, client, line);
	if (client->console) {
		size_t size;
		const char *rest = line_reader_rest(&client->reader, &size);

		console_write(monitor, rest, size);
	}
}

static void on_client(void *context, uint32_t events)
{
	struct client *client = context;
	struct monitor *monitor = client->monitor;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		if (client->console)
			read_raw(monitor, client);
		else
			read_lines(monitor, client);
	}
	control_flush(monitor, client);
	if (client->gone)
		client_free(monitor, client);
}

// Root and the guest's owner may everything; operators what the contract lists.
static void judge(struct monitor *monitor, struct client *client)
{
	const struct plan *plan = monitor->setup->plan;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	const struct passwd *entry;

	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return;
	client->owner = peer.uid == 0 || peer.uid == monitor->setup->owner;
	if (client->owner || !plan->operators.count)
		return;
	entry = getpwuid(peer.uid);
	client->operator_ = entry && strv_has(&plan->operators, entry->pw_name);
}

static bool is_stranger(const struct client *client)
{
	return !client->owner && !client->operator_;
}

// `client` is in the list already.
static bool has_place(const struct monitor *monitor, const struct client *client)
{
	size_t n = 0;

	for (const struct client *at = monitor->clients; at; at = at->next)
		n += is_stranger(at) == is_stranger(client);
	return n <= (is_stranger(client) ? STRANGERS_MAX : CLIENTS_MAX);
}

static void accept_client(void *context, uint32_t events)
{
	struct monitor *monitor = context;
	int fd = accept4(monitor->setup->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client;

	(void)events;
	if (fd < 0)
		return;
	client = mem_new(1, sizeof(*client));
	client->fd = fd;
	client->monitor = monitor;
	client->serial = ++monitor->last_serial;
	client->reader.limit = REQUEST_MAX;
	client->writer.limit = BACKLOG_MAX;
	client->source = (struct loop_source){ fd, on_client, client };
	client->next = monitor->clients;
	monitor->clients = client;
	judge(monitor, client);
	if (!has_place(monitor, client) || loop_add(&monitor->loop, &client->source, EPOLLIN) < 0)
		client_free(monitor, client);
}

int control_open(struct monitor *monitor)
{
	io_set_nonblock(monitor->setup->control, true);
	monitor->control_source = (struct loop_source){ monitor->setup->control, accept_client, monitor };
	return loop_add(&monitor->loop, &monitor->control_source, EPOLLIN);
}

void control_event(struct monitor *monitor, const char *name, struct json_object *data)
{
	for (struct client *client = monitor->clients; client; client = client->next) {
		struct json_object *event;

		if (!client->subscribed || client->gone)
			continue;
		event = json_object_new_object();
		json_object_object_add(event, "event", json_object_new_string(name));
		if (data)
			json_object_object_add(event, "data", json_object_get(data));
		send_message(client, event);
		control_flush(monitor, client);
	}
}

void control_console_bytes(struct monitor *monitor, const char *data, size_t size)
{
	for (struct client *client = monitor->clients; client; client = client->next) {
		if (!client->console || client->gone)
			continue;
		if (client->raw.len + size > CONSOLE_BACKLOG_MAX)
			client->gone = true;
		else
			str_addn(&client->raw, data, size);
		control_flush(monitor, client);
	}
}

void control_exit(struct monitor *monitor, int status)
{
	for (struct client *client = monitor->clients; client; client = client->next) {
		struct json_object *result;

		if (!client->waits || client->gone)
			continue;
		result = json_object_new_object();
		json_object_object_add(result, "status", json_object_new_int(status));
		control_answer(client, client->wait_id, result);
		control_flush(monitor, client);
	}
}

void control_finish(struct monitor *monitor)
{
	while (monitor->clients)
		client_free(monitor, monitor->clients);
}
