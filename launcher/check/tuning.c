// SPDX-License-Identifier: MIT
// What becomes of the vCPUs' time: isolation, the scheduler, the clock, and services that set the same as we do.
#include "launcher/check/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/remedy.h"
#include "launcher/plan/changes.h"
#include "launcher/plan/isolate.h"
#include "launcher/plan/plan.h"

static const char *not_alone = "other tasks run on the vCPUs' CPUs, too, and a busy host makes the guest wait";

static void mend_isolation(const struct checking *c, struct finding *finding)
{
	const struct cgroup_facts *cgroup = &c->facts->cgroup;
	AUTO_FREE char *unified = NULL, *v2 = NULL;

	if (!c->facts->root) {
		finding_mend(finding, "run vfiorun as root");
	} else if (!cgroup->v2 && cgroup->systemd) {
		unified = remedy_kernel_words(&c->facts->system, "systemd.unified_cgroup_hierarchy=1");
		finding_mend(finding, "%s", unified);
	} else if (!cgroup->v2) {
		finding_mend(finding,
			     "mount it as v2 (mount -t cgroup2), or isolate CPUs by isolcpus= on the kernel line");
	} else if (!cgroup->top) {
		finding_mend(finding, "run vfiorun on the host itself");
	} else {
		v2 = remedy_kernel_words(&c->facts->system, "cgroup_no_v1=cpuset");
		finding_mend(finding, "%s; a kernel without CONFIG_CPUSETS has none", v2);
	}
}

void check_isolation(struct checking *c)
{
	const struct facts *facts = c->facts;
	const char *obstacle = plan_isolation_obstacle(facts);
	struct finding *finding;

	if (!facts->live && !facts->cgroup.v2) {
		checking_add(c, SEVERITY_UNKNOWN, "no-partition", "isolation",
			     "the cgroup hierarchy is not in the capture");
		return;
	}
	if (!obstacle) {
		checking_add(c, SEVERITY_OK, "no-partition", "isolation",
			     "cgroup v2 has cpuset: CPUs can be a guest's alone%s",
			     facts->cgroup.remote ? ", and the emulator's stay shared" : "");
		return;
	}
	finding = checking_add(c, facts->root ? SEVERITY_WARNING : SEVERITY_INFO, "no-partition", "isolation",
			       "affinity alone: %s", obstacle);
	finding_because(finding, "%s", not_alone);
	mend_isolation(c, finding);
}

void check_isolated(struct checking *c)
{
	const struct cpu_facts *cpus = &c->facts->cpus;
	AUTO_FREE char *isolated = cpuset_text(&cpus->isolated), *tickless = cpuset_text(&cpus->nohz_full);
	struct finding *finding;

	if (cpuset_is_empty(&cpus->isolated) && cpuset_is_empty(&cpus->nohz_full)) {
		bool known = checking_has_line(c);

		checking_add(c, known ? SEVERITY_OK : SEVERITY_UNKNOWN, "isolated-cpus", "kernel line", "%s",
			     known ? "no CPU is isolated for good" : "whether it isolates CPUs can't be seen");
		return;
	}
	finding = checking_add(c, SEVERITY_INFO, "isolated-cpus", "kernel line", "isolated: %s; without a tick: %s",
			       *isolated ? isolated : "none", *tickless ? tickless : "none");
	finding_because(finding,
			"vCPUs go there first; without a guest these CPUs do next to nothing for the host");
}

void check_clock(struct checking *c)
{
	const char *clock = c->facts->system.clock;
	struct finding *finding;

	if (!plan_clock_is_slow(clock)) {
		checking_add(c, *clock ? SEVERITY_OK : SEVERITY_UNKNOWN, "clock-slow", "clock", "%s",
			     *clock ? clock : "by what the host tells the time can't be seen");
		return;
	}
	finding = checking_add(c, SEVERITY_WARNING, "clock-slow", "clock",
			       "the host tells the time by %s, as its TSC was found wanting", clock);
	finding_because(finding,
			"KVM takes vCPUs off their CPUs ten times a second to set the guest's clock, and each look "
			"at a clock is slow");
	finding_mend(finding,
		     "`dmesg | grep -i tsc` says why; new firmware may mend it, and where the TSC is known to be "
		     "good, tsc=reliable on the kernel line");
}

void check_scheduler(struct checking *c)
{
	const char *name = c->facts->system.scheduler;
	struct finding *finding;

	if (!*name) {
		checking_add(c, SEVERITY_OK, "scheduler-foreign", "scheduler", "none but the kernel's own is seen");
		return;
	}
	finding = checking_add(c, SEVERITY_WARNING, "scheduler-foreign", "scheduler", "this host schedules by %s",
			       name);
	finding_because(finding, "it places threads by ideas of its own: pinned ones may have to wait longer than "
				 "free ones");
	finding_mend(finding, "%s, or pin = none in [cpu]",
		     str_starts(name, "sched_ext") ? "stop that scheduler while a guest runs"
						   : "boot a kernel with the usual scheduler");
}

// Where processes of others are hidden (hidepid), or were not captured.
static bool is_hidden(struct checking *c, const char *code, const char *subject)
{
	struct finding *finding;

	if (c->facts->daemons.known)
		return false;
	finding = checking_add(c, SEVERITY_UNKNOWN, code, subject, "the processes of others can't be seen");
	if (c->facts->live && !c->facts->root)
		finding_mend(finding, "run `vfiorun check` as root");
	return true;
}

void check_rivals(struct checking *c)
{
	const struct daemon_facts *daemons = &c->facts->daemons;
	const char *does = NULL, *remedy = NULL;
	size_t found = 0;

	if (is_hidden(c, "host-rival", "services"))
		return;
	for (int kind = 0; kind < DAEMON_COUNT; kind++) {
		struct finding *finding;

		if (!daemons->pids[kind] || !plan_rival(kind, &does, &remedy))
			continue;
		finding = checking_add(c, SEVERITY_INFO, "host-rival", daemon_name(kind),
				       "it runs as process %d and %s", (int)daemons->pids[kind], does);
		finding_because(finding, "what a profile's [host] section sets may not last");
		finding_mend(finding, "while such a guest runs: %s", remedy);
		found++;
	}
	if (!found)
		checking_add(c, SEVERITY_OK, "host-rival", "services", "none sets clocks and governors by itself");
}

void check_irqbalance(struct checking *c)
{
	const struct facts *facts = c->facts;
	pid_t pid = facts->daemons.pids[DAEMON_IRQBALANCE];
	struct finding *finding;

	if (is_hidden(c, "irqbalance", "irqbalance"))
		return;
	if (!pid || facts->cgroup.irqbalance_socket) {
		checking_add(c, SEVERITY_OK, "irqbalance", "irqbalance", "%s",
			     pid ? "it has a socket to be told over which CPUs are a guest's" : "it does not run");
		return;
	}
	finding = checking_add(c, SEVERITY_WARNING, "irqbalance", "irqbalance",
			       "it runs as process %d, without a socket to be told over which CPUs are a guest's",
			       (int)pid);
	finding_because(finding, "it will move interrupts to a guest's CPUs");
	finding_mend(finding, "systemctl stop irqbalance while a guest runs, or set IRQBALANCE_BANNED_CPULIST");
}
