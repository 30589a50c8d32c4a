// SPDX-License-Identifier: MIT
#include "launcher/guest/client.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/guest/listen.h"
#include "launcher/guest/paths.h"
#include "launcher/guest/state.h"

#include <json-c/json.h>
#include <poll.h>
#include <string.h>

static int connect_below(const char *base, const char *name, struct err *err)
{
	AUTO_FREE char *path = mem_printf("%s/%s/control.sock", base, name);

	return listen_connect(path, 0, err);
}

static bool is_missing(int code)
{
	return code == -ENOENT || code == -ECONNREFUSED;
}

// Nobody listens: there is no such guest, or it has lost its keeper.
static int say_missing(const struct paths *paths, const char *name, struct err *err)
{
	switch (guest_look(paths, name, NULL)) {
	case LIFE_ORPHAN:
		err_set(err, -ENOENT, "guest `%s` runs, but its keeper is dead", name);
		return err_hint(err, "`vfiorun adopt %s` takes it over, `vfiorun stop %s` ends it", name, name);
	case LIFE_DEAD:
		err_set(err, -ENOENT, "guest `%s` was cut short", name);
		return err_hint(err, "`vfiorun revert %s` puts the host back", name);
	default:
		err_set(err, -ENOENT, "no guest `%s` is running", name);
		return err_hint(err, "`vfiorun list` shows those that are");
	}
}

int control_connect(struct control_client *client, const struct paths *paths, const char *name,
		    struct err *err)
{
	*client = (struct control_client){ .fd = connect_below(paths->run_base, name, NULL) };
	// One of ours that has lost its keeper is not to be mistaken for root's of the same name.
	if (is_missing(client->fd) && guest_look(paths, name, NULL) == LIFE_NONE)
		client->fd = connect_below("/run/vfiorun", name, NULL);
	if (client->fd >= 0)
		return io_set_nonblock(client->fd, true);
	if (is_missing(client->fd))
		return say_missing(paths, name, err);
	return err_sys(err, client->fd, "asking guest %s", name);
}

void control_close(struct control_client *client)
{
	if (client->fd >= 0)
		close(take_fd(&client->fd));
	line_reader_finish(&client->reader);
}

static int wait_for(int fd, short events, long long until)
{
	struct pollfd ready = { .fd = fd, .events = events };
	long long left = until < 0 ? -1 : until - io_now_ms();
	int n;

	if (until >= 0 && left < 0)
		return -ETIMEDOUT;
	n = poll(&ready, 1, (int)left);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

static int send_request(struct control_client *client, const char *verb, struct json_object *args,
			long long until)
{
	struct json_object *request = json_object_new_object();
	struct line_writer writer = { 0 };
	int r;

	json_object_object_add(request, "id", json_object_new_int(++client->last_id));
	json_object_object_add(request, "do", json_object_new_string(verb));
	if (args)
		json_object_object_add(request, "args", args);
	r = line_writer_add(&writer, request);
	json_object_put(request);
	while (r == 0 && (r = line_writer_flush(&writer, client->fd)) == -EAGAIN)
		r = wait_for(client->fd, POLLOUT, until);
	line_writer_finish(&writer);
	return r;
}

// The next whole line, or NULL and *r.
static char *read_line(struct control_client *client, long long until, int *r)
{
	char *line;

	while (!(line = line_reader_next(&client->reader))) {
		int n = line_reader_fill(&client->reader, client->fd);

		if (n == -EAGAIN)
			n = wait_for(client->fd, POLLIN, until);
		else if (n == 0)
			n = -ECONNRESET;
		if (n < 0) {
			*r = n;
			return NULL;
		}
	}
	return line;
}

static void read_error(struct json_object *error, struct err *err)
{
	struct json_object *text, *hint;

	if (!json_object_object_get_ex(error, "text", &text)) {
		err_set(err, -EPROTO, "the guest's monitor answered with an error without text");
		return;
	}
	err_set(err, -EREMOTEIO, "%s", json_object_get_string(text));
	if (json_object_object_get_ex(error, "hint", &hint))
		err_hint(err, "%s", json_object_get_string(hint));
}

// Our answer's value, or NULL: an error, or the line is somebody else's (an event).
static struct json_object *read_answer(struct json_object *reply, int id, bool *ours, struct err *err)
{
	struct json_object *value;

	*ours = json_object_object_get_ex(reply, "id", &value) && json_object_get_int(value) == id;
	if (!*ours)
		return NULL;
	if (json_object_object_get_ex(reply, "ok", &value))
		return json_object_get(value);
	if (json_object_object_get_ex(reply, "error", &value))
		read_error(value, err);
	else
		err_set(err, -EPROTO, "the guest's monitor sent an answer without content");
	return NULL;
}

struct json_object *control_call(struct control_client *client, const char *verb,
				 struct json_object *args, int timeout_ms, struct err *err)
{
	long long until = timeout_ms < 0 ? -1 : io_now_ms() + timeout_ms;
	int r = send_request(client, verb, args, until);

	while (r == 0) {
		char *line = read_line(client, until, &r);
		struct json_object *reply, *result;
		bool ours;

		if (!line)
			break;
		reply = line_parse_object(line, err);
		if (!reply)
			return NULL;
		result = read_answer(reply, client->last_id, &ours, err);
		json_object_put(reply);
		if (ours)
			return result;
	}
	if (r == -ECONNRESET)
		err_set(err, r, "the guest's monitor hung up");
	else
		err_sys(err, r, "asking the guest's monitor");
	return NULL;
}
