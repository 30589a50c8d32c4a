// SPDX-License-Identifier: MIT
#include "qmp/probe/inquiry.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "qmp/json.h"
#include "qmp/probe.h"
#include "qmp/probe/ask.h"

// A start takes 30 to 100 ms and an answer well under one; the rest is for machines under load.
enum { PATIENCE_MS = 30000, END_MS = 2000 };

int inquiry_patience(const struct qemu_probe *probe)
{
	return probe->patience_ms ? probe->patience_ms : PATIENCE_MS;
}

int inquiry_open(struct inquiry *inquiry, struct err *err)
{
	int r = qemu_child_start(inquiry->probe, inquiry->arguments, true, inquiry->kvm,
				 &inquiry->child, err);

	if (r == 0)
		inquiry->ask = qmp_ask_new(take_fd(&inquiry->child.qmp),
					   inquiry_patience(inquiry->probe));
	return r;
}

void inquiry_close(struct inquiry *inquiry)
{
	qmp_ask_free(inquiry->ask);
	inquiry->ask = NULL;
	qemu_child_end(&inquiry->child);
}

// How the process ended says more than that its connection did.
static int explain_end(struct inquiry *inquiry, struct err *err)
{
	int r = qemu_child_finish(&inquiry->child, END_MS, err);

	return r < 0 ? r : err_set(err, -EPROTO, "it ended before it was told to");
}

static int explain(struct inquiry *inquiry, const struct err *why, struct err *err)
{
	AUTO_STR struct str line = { 0 };

	if (why->code == -ECONNRESET)
		return explain_end(inquiry, err);
	qemu_child_last_line(&inquiry->child, &line);
	if (line.len)
		return err_set(err, why->code, "%s (it said: %s)", why->text, line.text);
	return err_set(err, why->code, "%s", why->text);
}

int inquiry_ask(struct inquiry *inquiry, const char *command, struct json_object *arguments,
		struct json_object **result, struct err *err)
{
	struct err why = ERR_NONE;
	int r = qmp_ask(inquiry->ask, command, arguments, result, &why);

	if (r == -EREMOTEIO && err)
		*err = why;
	return r < 0 && r != -EREMOTEIO ? explain(inquiry, &why, err) : r;
}

struct json_object *inquiry_argument(const char *name, const char *value)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, name, json_object_new_string(value));
	return arguments;
}
