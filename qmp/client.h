// SPDX-License-Identifier: MIT
// Owns one QMP conversation on a socket: greeting, capabilities, commands with ids and deadlines, events.
// It has no loop of its own: the caller polls the descriptor (level-triggered) and the deadline. Refuses
// to trust the peer: any byte sequence gives a defined result. QEMU docs/interop/qmp-spec.rst; the oob
// capability is never enabled.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct json_object;
struct qmp_client;

enum qmp_outcome {
	QMP_RESULT, // `result` is the return value
	QMP_ERROR,  // QEMU refused: err (-EREMOTEIO; class DeviceNotFound: -ENODEV) holds its desc, control bytes
		    // escaped
	QMP_LOST,   // no answer: deadline (-ETIMEDOUT; the conversation goes on, a late answer is dropped), end
		    // of file (-ECONNRESET), protocol (-EPROTO); never sent: not UTF-8 (-EILSEQ)
};

// Called exactly once per command, out of qmp_client_process alone. `result` is borrowed and NULL unless
// QMP_RESULT (and where QEMU returned null); `err` is NULL on QMP_RESULT.
typedef void qmp_reply_fn(void *context, enum qmp_outcome outcome, struct json_object *result,
			  const struct err *err);

// Any may be NULL. All are called out of qmp_client_process alone; in each of them and in replies the client
// may be used and freed, only not processed again.
struct qmp_handlers {
	// Once: QEMU greeted and took what we can do. It answers commands now.
	void (*negotiated)(void *context);
	// `data` is borrowed, may be NULL; both times are -1 where QEMU gave none. At end of file exactly one
	// event "SHUTDOWN" is delivered with data {"guest":false,"reason":"disconnect"}, unless a real
	// SHUTDOWN came before; then `closed` is called.
	void (*event)(void *context, const char *name, struct json_object *data, int64_t seconds,
		      int64_t microseconds);
	// Once, after every pending command was told: -ECONNRESET at end of file, -ETIMEDOUT where greeting
	// and capabilities took too long, -EPROTO where the peer does not speak QMP or QEMU could not parse
	// what it was sent (an error without id: one such byte makes it misread what follows, so nothing
	// after it is sure).
	void (*closed)(void *context, const struct err *why);
	void *context;
};

// Deadlines by class, in milliseconds.
enum {
	QMP_QUICK = 20000, // queries: milliseconds, but on a host that is busy beyond measure
	QMP_RUN = 30000,  // cont, stop, device_add, system_reset
	QMP_QUIT = 60000, // quit: answered after the teardown has begun
};

// Takes fd and makes it non-blocking. greeting_ms: how long greeting and capabilities may take together
// (see qmp_greeting_ms).
struct qmp_client *qmp_client_new(int fd, int greeting_ms, const struct qmp_handlers *handlers);
// For the first conversation with this QEMU, before it greets: ids begin at 1. QEMU 7.2 reads QMP byte by byte, each at
// the price of a turn of its loop (monitor/qmp.c, monitor_can_read of one byte), and digits are bytes.
void qmp_client_is_first(struct qmp_client *client);
void qmp_client_free(struct qmp_client *client); // closes; pending commands are dropped without a call

// -1 once the conversation is over: it is closed before anybody is told.
int qmp_client_fd(const struct qmp_client *client);
bool qmp_client_wants_write(const struct qmp_client *client);

// Milliseconds until the nearest deadline, -1: none. CLOCK_MONOTONIC.
int qmp_client_timeout(const struct qmp_client *client);

// Reads (a bounded amount), dispatches, expires, writes. Call when the fd is readable or writable or a
// deadline passed.
void qmp_client_process(struct qmp_client *client);

// Queues a command and writes what can be written at once. Before the greeting it waits; then it goes out
// right behind qmp_capabilities, which QEMU executes first, and its clock starts with the answer to that.
// Takes `arguments` (may be NULL); `reply` may be NULL. At most 8 are in flight at QEMU
// (QMP_REQ_QUEUE_LEN_MAX, monitor.h); the rest wait here. Returns its id, or 0 where the conversation is
// over: then `reply` is not called. Ids do not repeat in later conversations.
uint64_t qmp_client_send(struct qmp_client *client, const char *command, struct json_object *arguments,
			 int deadline_ms, qmp_reply_fn *reply, void *context);

// Gives QEMU a copy of fd, which the next add-fd or getfd takes: sent with a blank between two commands
// (SCM_RIGHTS; QEMU 7.2 chardev/char-socket.c keeps it until it is taken). Returns 0, -EAGAIN while
// commands still wait to be written, or -errno.
int qmp_client_give_fd(struct qmp_client *client, int fd);

// How long QEMU may take to its greeting, in milliseconds, the rule of Proxmox (qemu-server, Helpers.pm):
// a second a whole GiB of RAM but at least 30 s; times four with passed PCI devices (they pin all of
// RAM); at least 150 s where memory is preallocated; then five seconds more a network card.
int qmp_greeting_ms(uint64_t ram_bytes, bool prealloc, unsigned passed_devices, unsigned nets);
