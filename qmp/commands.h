// SPDX-License-Identifier: MIT
// Owns the typed reading of what QEMU answers: thread lists, states, shutdown reasons. Refuses answers
// of another shape with a message instead of a crash. Thread ids are QEMU's word: whoever acts on one
// checks first that it is a thread of QEMU.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;
struct json_object;

struct qmp_vcpu {
	int index;
	pid_t tid; // > 0; one thread may run several vCPUs (TCG's round robin)
};

struct qmp_iothread {
	char id[64];
	pid_t tid; // > 0
};

// query-cpus-fast: sorted by index; gaps and doubles are refused. Returns the count, or -EPROTO.
int qmp_parse_vcpus(struct json_object *result, struct qmp_vcpu *out, size_t room, struct err *err);

// query-iothreads, in QEMU's order; an id longer than 63 bytes and doubles are refused. Returns the count,
// or -EPROTO.
int qmp_parse_iothreads(struct json_object *result, struct qmp_iothread *out, size_t room, struct err *err);

// RunState of query-status: "running", "paused", "prelaunch", "shutdown", …; NULL with a message if the
// answer has another shape. Borrowed from result.
const char *qmp_parse_status(struct json_object *result, struct err *err);

// Of SHUTDOWN's data: the reason ("guest-shutdown", "guest-reset", "host-qmp-quit", "host-signal", …;
// "disconnect" is qmp/client.h's) or "", borrowed from data, and whether the guest asked for it.
const char *qmp_event_reason(struct json_object *data);
bool qmp_event_by_guest(struct json_object *data);
