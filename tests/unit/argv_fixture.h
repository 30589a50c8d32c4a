// SPDX-License-Identifier: MIT
// A small guest on a small host, for tests of launcher/argv, and a real QEMU that says whether it
// likes the result.
#pragma once

#include "launcher/argv/argv.h"

struct argv_fixture {
	struct profile profile;
	struct facts facts;
	struct placement placement;
	struct plan_options options;
	struct plan plan;
	struct diags diags;
	struct argv_build build;
	// Of a QEMU that is started:
	unsigned uid;	      // it runs as this user, without groups; 0: as we do
	const char *commands; // QMP commands before it is told to quit, or NULL
};

// Guest "demo", 64M, two vCPUs of one socket, q35 under TCG. Host: one node with four CPUs of two
// cores; QEMU's caps are unknown.
void argv_fixture_init(struct argv_fixture *fx);
void argv_fixture_finish(struct argv_fixture *fx);

// A cmocka test whose state is a fixture of its own.
#define ARGV_TEST(fn) cmocka_unit_test_setup_teardown(fn, argv_fixture_setup, argv_fixture_teardown)
int argv_fixture_setup(void **state);
int argv_fixture_teardown(void **state);

// QEMU becomes known, and has these words (split at blanks) too.
void argv_fixture_add_caps(struct argv_fixture *fx, const char *words);

// QEMU is the recorded one of this file (tests/qemu/…). Aborts if it can't be read.
void argv_fixture_load_caps(struct argv_fixture *fx, const char *path);

// The guest gets this topology, and with pin[] (or NULL) these host CPUs.
void argv_fixture_place(struct argv_fixture *fx, int sockets, int cores, int threads,
			const int *pin);

// A host of this many nodes with two CPUs and 1G each, at distance 20.
void argv_fixture_set_nodes(struct argv_fixture *fx, int nodes);

// Calls the parts of machine, cpu, memory, display, monitor and raw arguments, as plan_make does.
// Each call starts with an empty plan.
void argv_fixture_make(struct argv_fixture *fx);

// "-option" is there with exactly this value, in the executed form.
bool argv_fixture_has(const struct argv_fixture *fx, const char *option, const char *value);
// The value of the n-th "-option" (from 0), NULL: not that many.
const char *argv_fixture_value(const struct argv_fixture *fx, const char *option, int n);
// The diagnostic or warning with this code, or NULL.
const struct diag *argv_fixture_diag(const struct argv_fixture *fx, const char *code);

// Starts the installed QEMU with the plan's argv (or its paste-able form), its fds opened as the
// plan says, and asks for QMP's first answer. The run directory must exist. Returns NULL if it
// answered, else what QEMU said; the caller frees.
bool argv_fixture_can_start_qemu(const struct argv_fixture *fx);
char *argv_fixture_start_qemu(const struct argv_fixture *fx, bool pasted);
