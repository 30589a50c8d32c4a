// SPDX-License-Identifier: MIT
// Owns one QEMU that is started to be asked, and the conversation with it. Refuses a bare
// "connection closed": a failure says how the process ended and what it last said.
#pragma once

#include "qmp/probe/child.h"

#include <stdbool.h>

struct err;
struct json_object;
struct qemu_probe;
struct qmp_ask;

// What every asked QEMU gets beside a -machine; fd 3 is CHILD_QMP_FD.
#define INQUIRY_ARGUMENTS                                                                    \
	"-nodefaults", "-no-user-config", "-display", "none", "-S", "-chardev",              \
		"socket,id=qmp,fd=3", "-mon", "chardev=qmp,mode=control"

struct inquiry {
	const struct qemu_probe *probe;
	const char *const *arguments; // NULL-terminated
	bool kvm;		      // its user gets a /dev/kvm
	struct qemu_child child;      // QEMU_CHILD_NONE before inquiry_open
	struct qmp_ask *ask;
};

int inquiry_patience(const struct qemu_probe *probe); // milliseconds

int inquiry_open(struct inquiry *inquiry, struct err *err);
void inquiry_close(struct inquiry *inquiry); // harmless twice

// As qmp_ask; -EPROTO where QEMU ended.
int inquiry_ask(struct inquiry *inquiry, const char *command, struct json_object *arguments,
		struct json_object **result, struct err *err);

// {"NAME": "VALUE"}
struct json_object *inquiry_argument(const char *name, const char *value);
