// SPDX-License-Identifier: MIT
// Owns asking a running guest over its control socket. Refuses to look into the guest's files.
#pragma once

#include "qmp/line.h"

struct err;
struct json_object;
struct paths;

struct control_client {
	int fd;
	struct line_reader reader;
	int last_id;
};

// Connects to the guest's socket: our own guests first, then root's (an operator's way). -ENOENT: no such
// guest is running. Returns 0 or -errno with a message.
int control_connect(struct control_client *client, const struct paths *paths, const char *name,
		    struct err *err);
void control_close(struct control_client *client);

// Asks and waits for the answer. Takes `args` (may be NULL). Returns the `ok` value (the caller puts it),
// or NULL with the error's text and hint. timeout_ms -1: as long as it takes.
struct json_object *control_call(struct control_client *client, const char *verb,
				 struct json_object *args, int timeout_ms, struct err *err);
