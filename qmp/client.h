// SPDX-License-Identifier: MIT
// Owns one QMP conversation on a non-blocking socket: greeting, capabilities, commands with ids and
// deadlines, events. It has no loop of its own: the caller polls the descriptor and the deadline.
// Refuses to trust the peer: any byte sequence gives a defined result. QEMU docs/interop/qmp-spec.rst.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct json_object;
struct qmp_client;

enum qmp_outcome {
	QMP_RESULT, // `result` is the return value
	QMP_ERROR,  // QEMU refused: err holds its desc
	QMP_LOST,   // no answer: deadline (-ETIMEDOUT), end of file (-ECONNRESET), protocol (-EPROTO)
};

// Called exactly once per command. `result` is borrowed and NULL unless QMP_RESULT.
typedef void qmp_reply_fn(void *context, enum qmp_outcome outcome, struct json_object *result,
			  const struct err *err);

// `data` is borrowed, may be NULL. At end of file exactly one event "SHUTDOWN" is delivered with data
// {"guest":false,"reason":"disconnect"}, unless a real SHUTDOWN came before; then `closed` is called.
struct qmp_handlers {
	void (*ready)(void *context);	 // greeting read, capabilities negotiated
	void (*event)(void *context, const char *name, struct json_object *data, int64_t seconds,
		      int64_t microseconds);
	void (*closed)(void *context, const struct err *why); // once; the client may be freed inside
	void *context;
};

// Deadlines by class, in milliseconds.
enum qmp_deadline {
	QMP_QUICK,    // queries: 5 s
	QMP_RUN,      // cont, stop, device_add, system_reset: 30 s
	QMP_QUIT,     // quit: 60 s
};

// Takes fd. greeting_ms: how long greeting and capabilities may take (see qmp_greeting_ms).
struct qmp_client *qmp_client_new(int fd, int greeting_ms, const struct qmp_handlers *handlers);
void qmp_client_free(struct qmp_client *client); // closes; pending commands are dropped without a call
int qmp_client_fd(const struct qmp_client *client);
bool qmp_client_wants_write(const struct qmp_client *client);
bool qmp_client_is_ready(const struct qmp_client *client);

// Milliseconds until the nearest deadline, -1: none. CLOCK_MONOTONIC.
int qmp_client_timeout(const struct qmp_client *client);

// Reads, writes, dispatches, expires. Call when the fd is readable or writable or a deadline passed.
void qmp_client_process(struct qmp_client *client);

// Queues a command (before `ready` it waits). Takes `arguments` (may be NULL). At most 8 are in flight at
// QEMU (QMP_REQ_QUEUE_LEN_MAX, monitor.h); the rest wait here. Returns its id.
uint64_t qmp_client_send(struct qmp_client *client, const char *command, struct json_object *arguments,
			 enum qmp_deadline deadline, qmp_reply_fn *reply, void *context);

// How long QEMU may take to its greeting: 30 s, one more a GiB of RAM above 30 GiB, at least 150 s where
// memory is preallocated, times four with passed PCI devices (they pin all of RAM), five more a network
// card (the rule of Proxmox, qemu-server Helpers.pm).
int qmp_greeting_ms(uint64_t ram_bytes, bool prealloc, unsigned passed_devices, unsigned nets);
