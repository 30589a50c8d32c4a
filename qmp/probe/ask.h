// SPDX-License-Identifier: MIT
// Owns a QMP conversation with a QEMU that is there only to be asked: each question waits for its
// answer. Refuses to wait for ever. For a QEMU that runs a guest there is client.h.
#pragma once

struct err;
struct json_object;
struct qmp_ask;

// Takes fd. `total_ms`: how long the whole conversation may take, its greeting included.
struct qmp_ask *qmp_ask_new(int fd, int total_ms);
void qmp_ask_free(struct qmp_ask *ask);

// Takes arguments (may be NULL). *result is the caller's to put, and may be NULL where the answer
// is null. Returns 0, -EREMOTEIO where QEMU refused (its words are the message) and the
// conversation can go on, or another -errno with a message where it is over.
int qmp_ask(struct qmp_ask *ask, const char *command, struct json_object *arguments,
	    struct json_object **result, struct err *err);
