// SPDX-License-Identifier: MIT
#include "qmp/probe/ask.h"

#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "qmp/client.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

struct qmp_ask {
	struct qmp_client *client;
	long long end; // io_now_ms
	bool answered, closed;
	struct json_object *result;
	struct err outcome; // of the question; code 0: a result
	struct err why;	    // closed
};

static void on_closed(void *context, const struct err *why)
{
	struct qmp_ask *ask = context;

	ask->closed = true;
	ask->why = *why;
}

static void on_reply(void *context, enum qmp_outcome outcome, struct json_object *result,
		     const struct err *err)
{
	struct qmp_ask *ask = context;

	ask->answered = true;
	if (outcome == QMP_RESULT)
		ask->result = json_object_get(result);
	else
		ask->outcome = *err;
}

struct qmp_ask *qmp_ask_new(int fd, int total_ms)
{
	struct qmp_ask *ask = mem_new(1, sizeof(*ask));
	const struct qmp_handlers handlers = { .closed = on_closed, .context = ask };

	// in this order: a greeting that is missing is told as that
	ask->client = qmp_client_new(fd, total_ms, &handlers);
	ask->end = io_now_ms() + total_ms;
	return ask;
}

void qmp_ask_free(struct qmp_ask *ask)
{
	if (!ask)
		return;
	qmp_client_free(ask->client);
	json_object_put(ask->result);
	free(ask);
}

static int min(long long a, int b)
{
	return a < b ? (int)a : b;
}

// One wait and what follows from it.
static void turn(struct qmp_ask *ask)
{
	struct pollfd wait = { .fd = qmp_client_fd(ask->client), .events = POLLIN };
	long long left = ask->end - io_now_ms();
	int timeout = qmp_client_timeout(ask->client);
	bool over;

	if (qmp_client_wants_write(ask->client))
		wait.events |= POLLOUT;
	if (timeout < 0)
		timeout = INT_MAX;
	if (left > 0 && poll(&wait, 1, min(left, timeout)) < 0 && errno != EINTR) {
		ask->closed = true;
		err_sys(&ask->why, -errno, "waiting for QMP");
		return;
	}
	over = io_now_ms() >= ask->end;
	qmp_client_process(ask->client);
	if (!ask->answered && !ask->closed && over) {
		ask->closed = true;
		err_set(&ask->why, -ETIMEDOUT, "QEMU took too long to answer");
	}
}

int qmp_ask(struct qmp_ask *ask, const char *command, struct json_object *arguments,
	    struct json_object **result, struct err *err)
{
	ask->answered = false;
	ask->outcome = (struct err)ERR_NONE;
	if (ask->closed)
		json_object_put(arguments);
	else
		qmp_client_send(ask->client, command, arguments, QMP_QUICK, on_reply, ask);
	while (!ask->answered && !ask->closed)
		turn(ask);
	if (ask->answered && ask->outcome.code == 0) {
		*result = ask->result;
		ask->result = NULL;
		return 0;
	}
	// Who leaves one question unanswered is not asked another: the deadlines would add up.
	if (ask->answered && ask->outcome.code != -EREMOTEIO && !ask->closed) {
		ask->closed = true;
		ask->why = ask->outcome;
	}
	if (err)
		*err = ask->closed ? ask->why : ask->outcome;
	return ask->closed ? ask->why.code : ask->outcome.code;
}
