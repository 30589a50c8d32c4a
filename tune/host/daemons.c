// SPDX-License-Identifier: MIT
#include "tune/host/daemons.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "tune/host/root.h"

#include <stdio.h>
#include <string.h>

// The kernel keeps 15 bytes of a program's name (TASK_COMM_LEN). Of a script it is the script's.
static const struct {
	const char *name, *comm;
} rows[DAEMON_COUNT] = {
	[DAEMON_TUNED] = { "TuneD", "tuned" },
	[DAEMON_POWER_PROFILES] = { "power-profiles-daemon", "power-profiles-" },
	[DAEMON_AUTO_CPUFREQ] = { "auto-cpufreq", "auto-cpufreq" },
	[DAEMON_IRQBALANCE] = { "irqbalance", "irqbalance" },
};

const char *daemon_name(enum daemon_kind kind)
{
	return rows[kind].name;
}

static void look_at(struct root *root, pid_t pid, struct daemon_facts *facts)
{
	char path[32], comm[32];

	snprintf(path, sizeof(path), "proc/%d/comm", (int)pid);
	if (root_read(root, path, comm, sizeof(comm)) < 0)
		return;
	facts->known |= pid == 1; // root's
	for (size_t i = 0; i < DAEMON_COUNT; i++) {
		if (!facts->pids[i] && strcmp(comm, rows[i].comm) == 0)
			facts->pids[i] = pid;
	}
}

// Where an interpreter runs it, TuneD has the interpreter's name; this file it writes in any case (TuneD 2.20,
// tuned/consts.py), and leaves behind where it was killed.
static void look_for_tuned(struct root *root, struct daemon_facts *facts)
{
	char path[32];
	int pid;

	if (facts->pids[DAEMON_TUNED] || root_read_int(root, "run/tuned/tuned.pid", &pid) < 0 || pid <= 0)
		return;
	snprintf(path, sizeof(path), "proc/%d", pid);
	if (root_exists(root, path))
		facts->pids[DAEMON_TUNED] = pid;
}

void daemon_facts_read(struct root *root, struct daemon_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };
	int pid;

	*facts = (struct daemon_facts){ 0 };
	root_list(root, "proc", &names);
	for (size_t i = 0; i < names.count; i++) {
		if (str_parse_int(names.items[i], &pid) && pid > 0)
			look_at(root, pid, facts);
	}
	look_for_tuned(root, facts);
	if (root_read(root, "etc/tuned/active_profile", facts->tuned_profile, sizeof(facts->tuned_profile)) < 0)
		facts->tuned_profile[0] = '\0';
}
