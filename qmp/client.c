// SPDX-License-Identifier: MIT
#include "qmp/client.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "qmp/json.h"
#include "qmp/line.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

// A flood of events must not keep the caller's loop from its other descriptors.
enum { READS_PER_CALL = 64 };

static const long long NEVER = LLONG_MAX;

enum state { GREETING, NEGOTIATING, READY, OVER };

// How many commands may be in flight. qmp_capabilities, first in the queue, is one of them; QEMU executes in
// order, so what follows it needs no answer to it.
static const unsigned window[] = { [GREETING] = 0, [NEGOTIATING] = 8, [READY] = 8, [OVER] = 0 };

struct command {
	struct command *next;
	uint64_t id;
	char *name;
	struct json_object *message; // NULL once sent
	int deadline_ms;
	long long expires;
	int failure;	     // why it cannot be sent
	qmp_reply_fn *reply; // NULL once called: a late answer has nobody to go to
	void *context;
};

struct qmp_client {
	int fd;
	enum state state;
	struct qmp_handlers handlers;
	struct line_reader reader;
	struct line_writer writer;
	struct command *commands; // in the order of their ids: those in flight, then those that wait
	unsigned in_flight;
	uint64_t last_id;
	int greeting_ms;
	long long greeting_expires;
	bool shut_down;	  // the peer said SHUTDOWN
	bool busy, freed; // freed by a handler: released once the call that runs handlers is through
};

static bool is_alive(const struct qmp_client *client)
{
	return !client->freed && client->state != OVER;
}

// --- the queue

static struct json_object *make_message(const char *command, struct json_object *arguments, uint64_t id)
{
	struct json_object *message = json_object_new_object();

	json_object_object_add(message, "execute", json_object_new_string(command));
	if (arguments)
		json_object_object_add(message, "arguments", arguments);
	json_object_object_add(message, "id", json_object_new_uint64(id));
	return message;
}

static long long expiry(const struct qmp_client *client, const struct command *command)
{
	return client->state == READY ? io_now_ms() + command->deadline_ms : NEVER;
}

static uint64_t queue(struct qmp_client *client, const char *name, struct json_object *arguments,
		      int deadline_ms, qmp_reply_fn *reply, void *context)
{
	struct command *command = mem_new(1, sizeof(*command)), **end = &client->commands;

	command->id = ++client->last_id;
	command->name = mem_dup(name);
	command->message = make_message(name, arguments, command->id);
	command->deadline_ms = deadline_ms;
	command->expires = expiry(client, command);
	command->reply = reply;
	command->context = context;
	while (*end)
		end = &(*end)->next;
	*end = command;
	return command->id;
}

static void unlink_command(struct qmp_client *client, struct command *command)
{
	struct command **at = &client->commands;

	while (*at != command)
		at = &(*at)->next;
	*at = command->next;
	if (!command->message)
		client->in_flight--;
}

static void command_free(struct command *command)
{
	json_object_put(command->message);
	free(command->name);
	free(command);
}

static void tell(struct command *command, enum qmp_outcome outcome, struct json_object *result,
		 const struct err *err)
{
	qmp_reply_fn *reply = command->reply;

	command->reply = NULL;
	if (reply)
		reply(command->context, outcome, result, err);
}

// A peer that no longer reads may still have something to say, a SHUTDOWN with its reason: the end is
// left to the reading side.
static void flush(struct qmp_client *client)
{
	int r = line_writer_flush(&client->writer, client->fd);

	if (r < 0 && r != -EAGAIN)
		line_writer_finish(&client->writer);
}

// One command at a time goes to the writer, so that what expires while the peer does not read is never sent.
static void send_waiting(struct qmp_client *client)
{
	flush(client);
	for (struct command *command = client->commands; command; command = command->next) {
		if (client->in_flight >= window[client->state] || line_writer_pending(&client->writer))
			return;
		if (!command->message || command->failure)
			continue;
		command->failure = line_writer_add(&client->writer, command->message);
		if (command->failure) {
			command->expires = 0; // only qmp_client_process may tell
			continue;
		}
		json_object_put(take(command->message));
		client->in_flight++;
		flush(client);
	}
}

// --- the end

static void tell_disconnect(struct qmp_client *client)
{
	AUTO_JSON struct json_object *data = json_object_new_object();

	if (client->shut_down || !client->handlers.event)
		return;
	json_object_object_add(data, "guest", json_object_new_boolean(false));
	json_object_object_add(data, "reason", json_object_new_string("disconnect"));
	client->handlers.event(client->handlers.context, "SHUTDOWN", data, -1, -1);
}

static void finish(struct qmp_client *client, const struct err *why)
{
	client->state = OVER;
	close(take_fd(&client->fd));
	while (!client->freed && client->commands) {
		struct command *command = client->commands;

		unlink_command(client, command);
		tell(command, QMP_LOST, NULL, why);
		command_free(command);
	}
	if (!client->freed && why->code == -ECONNRESET)
		tell_disconnect(client);
	if (!client->freed && client->handlers.closed)
		client->handlers.closed(client->handlers.context, why);
}

static void refuse(struct qmp_client *client, const char *what, const char *detail)
{
	struct err why = ERR_NONE;

	err_set(&why, -EPROTO, "%s: %s", what, detail);
	finish(client, &why);
}

// --- messages

// Takes the command that message answers out of the queue. NULL: an id that is not ours, not yet sent, or
// already answered. The caller frees.
static struct command *take_answered(struct qmp_client *client, struct json_object *message)
{
	struct json_object *id = json_member(message, "id", json_type_int);

	for (struct command *command = client->commands; id && command; command = command->next) {
		if (!command->message && json_object_get_uint64(id) == command->id) {
			unlink_command(client, command);
			return command;
		}
	}
	return NULL;
}

static void on_greeting(struct qmp_client *client, struct json_object *message, struct json_object *value)
{
	(void)message;
	if (client->state != GREETING)
		refuse(client, "not QMP", "a second greeting");
	else if (!json_object_is_type(value, json_type_object))
		refuse(client, "not QMP", "a greeting that is no object");
	else
		client->state = NEGOTIATING;
}

static void on_return(struct qmp_client *client, struct json_object *message, struct json_object *value)
{
	struct command *command = take_answered(client, message);

	if (!command)
		return;
	tell(command, QMP_RESULT, value, NULL);
	command_free(command);
}

static void describe(struct json_object *error, struct str *out)
{
	struct json_object *desc = json_member(error, "desc", json_type_string);

	str_add_escaped(out, desc ? json_object_get_string(desc) : "QEMU gave no reason");
}

// Of QEMU's classes (qapi/error.json) the one that says what to do.
static int code_of(struct json_object *error)
{
	struct json_object *class = json_member(error, "class", json_type_string);

	return class && strcmp(json_object_get_string(class), "DeviceNotFound") == 0 ? -ENODEV : -EREMOTEIO;
}

static void on_error(struct qmp_client *client, struct json_object *message, struct json_object *value)
{
	AUTO_STR struct str desc = { 0 };
	struct err err = ERR_NONE;
	struct command *command;

	describe(value, &desc);
	if (!json_object_object_get_ex(message, "id", NULL)) {
		refuse(client, "QEMU could not parse what it was sent", desc.text);
		return;
	}
	command = take_answered(client, message);
	if (!command)
		return;
	err_set(&err, code_of(value), "%s", desc.text);
	tell(command, QMP_ERROR, NULL, &err);
	command_free(command);
}

static int64_t time_part(struct json_object *timestamp, const char *name)
{
	struct json_object *part = json_member(timestamp, name, json_type_int);

	return part ? json_object_get_int64(part) : -1;
}

static void on_event(struct qmp_client *client, struct json_object *message, struct json_object *value)
{
	struct json_object *timestamp = json_member(message, "timestamp", json_type_object);
	const char *name = json_object_get_string(value);

	if (!json_object_is_type(value, json_type_string))
		return;
	if (strcmp(name, "SHUTDOWN") == 0)
		client->shut_down = true;
	if (client->handlers.event)
		client->handlers.event(client->handlers.context, name,
				       json_member(message, "data", json_type_object),
				       time_part(timestamp, "seconds"),
				       time_part(timestamp, "microseconds"));
}

// By the member that tells them apart. A message with none of these is of a later QMP: dropped.
static const struct {
	const char *member;
	void (*handle)(struct qmp_client *client, struct json_object *message, struct json_object *value);
} kinds[] = {
	{ "QMP", on_greeting },
	{ "error", on_error },
	{ "return", on_return },
	{ "event", on_event },
};

static void dispatch(struct qmp_client *client, const char *line)
{
	struct err err = ERR_NONE;
	AUTO_JSON struct json_object *message = line_parse_object(line, &err);
	struct json_object *value;

	if (!message) {
		refuse(client, "not QMP", err.text);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (json_object_object_get_ex(message, kinds[i].member, &value)) {
			kinds[i].handle(client, message, value);
			return;
		}
	}
}

static void on_negotiated(void *context, enum qmp_outcome outcome, struct json_object *result,
			  const struct err *err)
{
	struct qmp_client *client = context;

	(void)result;
	if (outcome == QMP_LOST)
		return;
	if (outcome == QMP_ERROR) {
		refuse(client, "QEMU refused qmp_capabilities", err->text);
		return;
	}
	client->state = READY;
	client->greeting_expires = NEVER;
	for (struct command *command = client->commands; command; command = command->next)
		command->expires = expiry(client, command);
	if (client->handlers.negotiated)
		client->handlers.negotiated(client->handlers.context);
}

// --- one turn

// A peer that goes away with bytes of ours unread, QEMU after `quit`, gives ECONNRESET instead of an end.
static void on_input_end(struct qmp_client *client, int r)
{
	struct err why = ERR_NONE;

	if (r == 0 || r == -ECONNRESET)
		err_set(&why, -ECONNRESET, "QEMU closed its QMP connection");
	else if (r == -EMSGSIZE)
		err_set(&why, -EPROTO, "not QMP: a line of more than %d MiB", LINE_MAX_BYTES >> 20);
	else
		err_sys(&why, r, "reading from QMP");
	finish(client, &why);
}

static void read_input(struct qmp_client *client)
{
	for (unsigned i = 0; i < READS_PER_CALL; i++) {
		int r = line_reader_fill(&client->reader, client->fd);
		const char *line;

		while (is_alive(client) && (line = line_reader_next(&client->reader)))
			dispatch(client, line);
		if (!is_alive(client) || r == -EAGAIN)
			return;
		if (r <= 0) {
			on_input_end(client, r);
			return;
		}
	}
}

// What was sent stays in the queue without its reply and keeps its place among those in flight: QEMU
// still has it.
static void expire(struct qmp_client *client, struct command *command)
{
	struct err err = ERR_NONE;
	bool sent = !command->message;

	if (command->failure)
		err_sys(&err, command->failure, "%s cannot be sent", command->name);
	else
		err_set(&err, -ETIMEDOUT, "QEMU has not answered %s for %d s", command->name,
			command->deadline_ms / 1000);
	command->expires = NEVER;
	if (!sent)
		unlink_command(client, command);
	tell(command, QMP_LOST, NULL, &err);
	if (!sent)
		command_free(command);
}

static struct command *first_expired(const struct qmp_client *client, long long now)
{
	for (struct command *command = client->commands; command; command = command->next) {
		if (command->expires <= now)
			return command;
	}
	return NULL;
}

static void check_deadlines(struct qmp_client *client)
{
	long long now = io_now_ms();
	struct err why = ERR_NONE;
	struct command *command;

	if (client->greeting_expires <= now) {
		err_set(&why, -ETIMEDOUT, "QEMU did not %s within %d s",
			client->state == GREETING ? "greet over QMP" : "finish its start",
			client->greeting_ms / 1000);
		finish(client, &why);
		return;
	}
	while (is_alive(client) && (command = first_expired(client, now)))
		expire(client, command);
}

static void release(struct qmp_client *client)
{
	while (client->commands) {
		struct command *command = client->commands;

		client->commands = command->next;
		command_free(command);
	}
	line_reader_finish(&client->reader);
	line_writer_finish(&client->writer);
	cleanup_close(&client->fd);
	free(client);
}

void qmp_client_process(struct qmp_client *client)
{
	assert(!client->busy);
	client->busy = true;
	if (is_alive(client))
		read_input(client);
	if (is_alive(client))
		check_deadlines(client);
	if (is_alive(client))
		send_waiting(client);
	client->busy = false;
	if (client->freed)
		release(client);
}

// --- from outside

struct qmp_client *qmp_client_new(int fd, int greeting_ms, const struct qmp_handlers *handlers)
{
	struct qmp_client *client = mem_new(1, sizeof(*client));

	io_set_nonblock(fd, true);
	client->fd = fd;
	client->handlers = *handlers;
	client->writer.limit = SIZE_MAX; // what waits was handed to us whole
	client->last_id = (uint64_t)io_now_ms() << 16;
	client->greeting_ms = greeting_ms;
	client->greeting_expires = io_now_ms() + greeting_ms;
	queue(client, "qmp_capabilities", NULL, QMP_QUICK, on_negotiated, client);
	return client;
}

void qmp_client_is_first(struct qmp_client *client)
{
	assert(client->state == GREETING);
	client->last_id = 0;
	for (struct command *command = client->commands; command; command = command->next) {
		command->id = ++client->last_id;
		json_object_object_add(command->message, "id", json_object_new_uint64(command->id));
	}
}

void qmp_client_free(struct qmp_client *client)
{
	if (!client)
		return;
	client->freed = true;
	if (!client->busy)
		release(client);
}

int qmp_client_fd(const struct qmp_client *client)
{
	return client->fd;
}

bool qmp_client_wants_write(const struct qmp_client *client)
{
	return client->state != OVER && line_writer_pending(&client->writer);
}

int qmp_client_timeout(const struct qmp_client *client)
{
	long long nearest = client->greeting_expires, left;

	if (client->state == OVER)
		return -1;
	for (struct command *command = client->commands; command; command = command->next)
		nearest = command->expires < nearest ? command->expires : nearest;
	if (nearest == NEVER)
		return -1;
	left = nearest - io_now_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int qmp_client_give_fd(struct qmp_client *client, int fd)
{
	char blank = ' ';
	struct iovec io = { &blank, 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (client->state == OVER)
		return -ENOTCONN;
	if (line_writer_pending(&client->writer))
		return -EAGAIN;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	return sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

uint64_t qmp_client_send(struct qmp_client *client, const char *command, struct json_object *arguments,
			 int deadline_ms, qmp_reply_fn *reply, void *context)
{
	uint64_t id;

	if (client->state == OVER) {
		json_object_put(arguments);
		return 0;
	}
	id = queue(client, command, arguments, deadline_ms, reply, context);
	send_waiting(client);
	return id;
}

int qmp_greeting_ms(uint64_t ram_bytes, bool prealloc, unsigned passed_devices, unsigned nets)
{
	uint64_t seconds = ram_bytes >> 30;

	seconds = seconds < 30 ? 30 : seconds;
	if (passed_devices)
		seconds *= 4;
	if (prealloc && seconds < 150)
		seconds = 150;
	seconds += 5 * (uint64_t)nets;
	return seconds > INT_MAX / 1000 ? INT_MAX : (int)seconds * 1000;
}
