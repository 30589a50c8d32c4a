// SPDX-License-Identifier: MIT
#include "tests/unit/peer.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "qmp/json.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

static void count_call(struct peer *peer)
{
	if (++peer->calls == peer->free_at)
		qmp_client_free(take(peer->client));
}

static const char *text_of(struct json_object *value)
{
	return json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
}

static void on_event(void *context, const char *name, struct json_object *data, int64_t seconds,
		     int64_t microseconds)
{
	struct peer *peer = context;

	str_addf(&peer->log, "event %s %s", name, data ? text_of(data) : "-");
	if (seconds != -1 || microseconds != -1)
		str_addf(&peer->log, " at %lld.%06lld", (long long)seconds, (long long)microseconds);
	str_addc(&peer->log, '\n');
	count_call(peer);
}

static void on_closed(void *context, const struct err *why)
{
	struct peer *peer = context;

	str_addf(&peer->log, "closed %s\n", strerrorname_np(-why->code));
	peer->closed++;
	count_call(peer);
}

static void on_reply(void *context, enum qmp_outcome outcome, struct json_object *result,
		     const struct err *err)
{
	struct peer_command *command = context;
	struct peer *peer = command->peer;

	assert((outcome == QMP_RESULT) == !err);
	assert(outcome == QMP_RESULT || !result);
	command->replies++;
	if (outcome == QMP_RESULT)
		str_addf(&peer->log, "result %s %s\n", command->name, text_of(result));
	else if (outcome == QMP_ERROR)
		str_addf(&peer->log, "refused %s %s%s\n", command->name, err->code == -ENODEV ? "ENODEV " : "",
			 err->text);
	else
		str_addf(&peer->log, "lost %s %s\n", command->name, strerrorname_np(-err->code));
	count_call(peer);
}

void peer_init(struct peer *peer, int greeting_ms)
{
	static const struct qmp_handlers handlers = { .event = on_event, .closed = on_closed };
	struct qmp_handlers ours = handlers;
	int ends[2];

	*peer = (struct peer){ 0 };
	ours.context = peer;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	peer->fd = ends[0];
	io_set_nonblock(peer->fd, true);
	peer->client = qmp_client_new(ends[1], greeting_ms, &ours);
}

void peer_finish(struct peer *peer)
{
	qmp_client_free(peer->client);
	cleanup_close(&peer->fd);
	line_reader_finish(&peer->from_client);
	str_finish(&peer->log);
	for (size_t i = 0; i < peer->sent_count; i++)
		free(peer->sent[i].name);
}

void peer_init_ready(struct peer *peer)
{
	peer_init(peer, 60000);
	peer_say(peer, PEER_GREETING);
	peer_say(peer, "{\"return\": {}, \"id\": $1}\r\n");
	assert(str_eq(str_text(&peer->log), "> qmp_capabilities\n"));
	str_finish(&peer->log);
}

uint64_t peer_command(struct peer *peer, const char *name, struct json_object *arguments, int deadline_ms)
{
	struct peer_command *command = &peer->sent[peer->sent_count++];

	assert(peer->sent_count <= PEER_COMMANDS);
	command->peer = peer;
	command->name = mem_dup(name);
	return qmp_client_send(peer->client, name, arguments, deadline_ms, on_reply, command);
}

void peer_process(struct peer *peer)
{
	if (peer->client)
		qmp_client_process(peer->client);
}

static void take_command(struct peer *peer, const char *line)
{
	AUTO_JSON struct json_object *message = line_parse_object(line, NULL);
	struct json_object *arguments = json_member(message, "arguments", json_type_object);
	struct json_object *execute = json_member(message, "execute", json_type_string);
	struct json_object *id = json_member(message, "id", json_type_int);

	assert(message && execute && id && peer->arrived < PEER_COMMANDS);
	peer->ids[peer->arrived++] = json_object_get_uint64(id);
	str_addf(&peer->log, "> %s%s%s\n", json_object_get_string(execute), arguments ? " " : "",
		 arguments ? text_of(arguments) : "");
}

void peer_take_commands(struct peer *peer)
{
	const char *line;

	while (line_reader_fill(&peer->from_client, peer->fd) > 0) {
		while ((line = line_reader_next(&peer->from_client)))
			take_command(peer, line);
	}
}

char *peer_fill_in(const struct peer *peer, const char *text)
{
	struct str out = { 0 };

	for (; *text; text++) {
		if (*text == '$' && text[1] >= '1' && text[1] <= '9')
			str_addf(&out, "%llu", (unsigned long long)peer->ids[*++text - '1']);
		else
			str_addc(&out, *text);
	}
	return str_take(&out);
}

void peer_write(struct peer *peer, const char *data, size_t size)
{
	while (size) {
		ssize_t n = send(peer->fd, data, size, MSG_NOSIGNAL);

		peer_process(peer);
		if (n < 0 && errno != EAGAIN)
			return;
		n = n < 0 ? 0 : n;
		data += n;
		size -= (size_t)n;
	}
}

void peer_say(struct peer *peer, const char *text)
{
	AUTO_FREE char *filled = NULL;

	peer_take_commands(peer);
	filled = peer_fill_in(peer, text);
	peer_write(peer, filled, strlen(filled));
	peer_take_commands(peer);
}

void peer_hang_up(struct peer *peer)
{
	close(take_fd(&peer->fd));
	peer_process(peer);
}
