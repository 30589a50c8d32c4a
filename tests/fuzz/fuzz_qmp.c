// SPDX-License-Identifier: MIT
// Whatever a peer says: each command is answered once, the conversation ends once, and typed readers cope.
#include "base/err.h"
#include "qmp/client.h"
#include "qmp/commands.h"
#include "qmp/json.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	COMMANDS_MAX = 32,
	// Bytes of the input that are no QEMU's
	ID = 1,	     // the id of command N, N being the next byte
	PAUSE = 2,   // the client reads
	COMMAND = 3, // the client sends another command
};

struct play {
	struct qmp_client *client;
	uint64_t ids[COMMANDS_MAX];
	unsigned count, answered, closed;
};

static void on_reply(void *context, enum qmp_outcome outcome, struct json_object *result,
		     const struct err *err)
{
	struct qmp_vcpu vcpus[4];
	struct qmp_iothread iothreads[4];
	struct play *play = context;

	if ((outcome == QMP_RESULT) == !!err)
		abort();
	play->answered++;
	qmp_parse_vcpus(result, vcpus, 4, NULL);
	qmp_parse_iothreads(result, iothreads, 4, NULL);
	qmp_parse_status(result, NULL);
}

static void on_event(void *context, const char *name, struct json_object *data, int64_t seconds,
		     int64_t microseconds)
{
	(void)context, (void)name, (void)seconds, (void)microseconds;
	qmp_event_reason(data);
	qmp_event_by_guest(data);
}

static void on_closed(void *context, const struct err *why)
{
	struct play *play = context;

	if (!why->code || !why->text[0])
		abort();
	play->closed++;
}

static void send_command(struct play *play)
{
	uint64_t id;

	if (play->count == COMMANDS_MAX)
		return;
	id = qmp_client_send(play->client, "query-status", NULL, QMP_QUIT, on_reply, play);
	if (id)
		play->ids[play->count++] = id;
}

static void say(struct play *play, int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n < 0)
			qmp_client_process(play->client);
		else
			text += n, size -= (size_t)n;
	}
}

static void perform(struct play *play, int fd, const uint8_t *data, size_t size)
{
	// qmp_capabilities has the id before the first of ours
	uint64_t first = play->ids[0] - 1;

	for (size_t i = 0; i < size; i++) {
		char byte = (char)data[i], text[24];

		if (byte == ID && i + 1 < size) {
			snprintf(text, sizeof(text), "%llu",
				 (unsigned long long)(first + data[++i] % (COMMANDS_MAX + 1)));
			say(play, fd, text, strlen(text));
		} else if (byte == PAUSE) {
			qmp_client_process(play->client);
		} else if (byte == COMMAND) {
			send_command(play);
		} else {
			say(play, fd, &byte, 1);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct play play = { 0 };
	struct qmp_handlers handlers = { .event = on_event, .closed = on_closed, .context = &play };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	play.client = qmp_client_new(ends[1], 60000, &handlers);
	send_command(&play);
	perform(&play, ends[0], data, size);
	close(ends[0]);
	while (qmp_client_fd(play.client) >= 0)
		qmp_client_process(play.client);
	if (play.answered != play.count || play.closed != 1 || qmp_client_timeout(play.client) != -1)
		abort();
	qmp_client_free(play.client);
	return 0;
}
