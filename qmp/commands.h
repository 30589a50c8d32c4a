// SPDX-License-Identifier: MIT
// Owns the typed reading of what QEMU answers: thread lists, states, shutdown reasons. Refuses answers
// of another shape with a message instead of a crash.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;
struct json_object;

struct qmp_vcpu {
	int index;
	pid_t tid;
};

struct qmp_iothread {
	char id[64];
	pid_t tid;
};

// query-cpus-fast: ascending by index, gaps and doubles refused. Returns the count, or -EPROTO.
int qmp_parse_vcpus(struct json_object *result, struct qmp_vcpu *out, size_t room, struct err *err);
// query-iothreads. Returns the count, or -EPROTO.
int qmp_parse_iothreads(struct json_object *result, struct qmp_iothread *out, size_t room, struct err *err);

// RunState of query-status: "running", "paused", "prelaunch", "shutdown", …; NULL with a message if the
// answer has another shape. Borrowed from result.
const char *qmp_parse_status(struct json_object *result, struct err *err);

// SHUTDOWN's reason ("guest-shutdown", "guest-reset", "host-qmp-quit", "host-signal", …) or "".
const char *qmp_event_reason(struct json_object *data);
bool qmp_event_by_guest(struct json_object *data);
