// SPDX-License-Identifier: MIT
// Owns the far end of a socket on which a test plays QEMU to a struct qmp_client, and a log of all that
// the client was sent and said. Refuses to wait: nothing here sleeps.
#pragma once

#include "base/str.h"
#include "qmp/client.h"
#include "qmp/line.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEER_COMMANDS = 64 };

struct peer;

struct peer_command {
	struct peer *peer;
	char *name;
	unsigned replies;
};

struct peer {
	int fd;
	struct qmp_client *client;
	unsigned calls, free_at; // handler calls; that one of them (from 1) frees the client
	struct line_reader from_client;
	uint64_t ids[PEER_COMMANDS]; // of the commands that arrived, in order
	size_t arrived;
	struct peer_command sent[PEER_COMMANDS];
	size_t sent_count;
	unsigned closed;
	// A line a thing: "> COMMAND ARGUMENTS" that arrived, "event NAME DATA", "result COMMAND
	// VALUE", "refused COMMAND TEXT", "lost COMMAND ERRNO", "closed ERRNO".
	struct str log;
};

#define PEER_GREETING                                                                            \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "       \
	"\"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n"

void peer_init(struct peer *peer, int greeting_ms);
void peer_finish(struct peer *peer);

// A client whose capabilities are negotiated, with an empty log.
void peer_init_ready(struct peer *peer);

// Sends a command whose outcome goes to the log under its name. Returns its id.
uint64_t peer_command(struct peer *peer, const char *name, struct json_object *arguments, int deadline_ms);

// Text as QEMU would say it, "$1" standing for the id of the first command that arrived, and so on.
char *peer_fill_in(const struct peer *peer, const char *text);

void peer_write(struct peer *peer, const char *data, size_t size); // and lets the client read it
void peer_say(struct peer *peer, const char *text);		   // filled in
void peer_hang_up(struct peer *peer);
void peer_take_commands(struct peer *peer); // what the client has written

// Lets the client work, if it still lives.
void peer_process(struct peer *peer);
