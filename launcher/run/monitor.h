// SPDX-License-Identifier: MIT
// Owns the process that speaks: QMP to QEMU, JSON to clients, bytes to the console. It runs as the guest's
// user and can be killed at any time. Refuses to touch the host.
#pragma once

#include "launcher/guest/message.h"
#include "launcher/guest/state.h"

#include <stdbool.h>

struct plan;

struct monitor_setup {
	const struct plan *plan;
	int channel; // to the keeper
	int control; // listening socket
	bool relay;  // console on stdin and stdout
	uid_t owner; // who ran vfiorun
	struct process_id qemu;
	int64_t since;
	enum phase phase;
	bool first; // nobody has spoken to this QEMU yet
	enum input_owner input; // who has it now
};

// Called in the forked child; returns its exit status.
int monitor_main(const struct monitor_setup *setup);
