// SPDX-License-Identifier: MIT
// Owns which services run that set attributes of the host by themselves, and would set them behind a guest's
// back. Refuses to talk to them.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct root;

enum daemon_kind {
	DAEMON_TUNED,
	DAEMON_POWER_PROFILES, // power-profiles-daemon
	DAEMON_AUTO_CPUFREQ,
	DAEMON_IRQBALANCE,
	DAEMON_COUNT,
};

struct daemon_facts {
	bool known;		  // processes of other users can be seen
	pid_t pids[DAEMON_COUNT]; // 0: not seen
	char tuned_profile[64];	  // what TuneD follows, "" unknown
};

// Looks for them among all processes, by the names that the kernel knows: a read each.
void daemon_facts_read(struct root *root, struct daemon_facts *facts);

const char *daemon_name(enum daemon_kind kind); // as its project calls it
