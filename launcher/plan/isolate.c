// SPDX-License-Identifier: MIT
#include "launcher/plan/isolate.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/facts.h"
#include "launcher/plan/place.h"
#include "launcher/plan/plan.h"
#include "tune/change/names.h"

#include <string.h>

struct isolating {
	const struct profile *profile;
	const struct facts *facts;
	struct placement *placement;
	struct plan *plan;
	struct cpuset vcpus, host; // host: what is left to everybody else
};

static struct cpuset vcpu_cpus(const struct placement *placement)
{
	struct cpuset cpus = { 0 };

	for (int i = 0; i < placement->n_vcpus; i++)
		cpuset_or(&cpus, &placement->vcpus[i].cpus);
	return cpus;
}

// The emulator's and the iothreads'.
static struct cpuset other_cpus(const struct placement *placement)
{
	struct cpuset cpus = placement->emulator;

	for (int i = 0; i < placement->n_iothreads; i++)
		cpuset_or(&cpus, &placement->iothreads[i]);
	return cpus;
}

static struct cpuset minus(const struct cpuset *set, const struct cpuset *gone)
{
	struct cpuset rest = *set;

	cpuset_minus(&rest, gone);
	return rest;
}

// A whole core of these that is not the boot CPU's, from behind; a thread of it where it is the last core; else the
// one CPU there is.
static struct cpuset last_core(const struct cpu_facts *facts, const struct cpuset *of)
{
	struct cpuset found = { 0 };
	int last = -1;

	for (size_t i = facts->n_cores; i-- > 0;) {
		found = facts->cores[i].cpus;
		cpuset_and(&found, of);
		if (!cpuset_is_empty(&found) && !cpuset_has(&facts->cores[i].cpus, 0))
			return found;
	}
	CPUSET_FOREACH(cpu, of)
		last = cpu;
	cpuset_zero(&found);
	if (last >= 0)
		cpuset_add(&found, last);
	return found;
}

static bool is_auto(const struct cpus_request *request)
{
	return request->mode == CPUS_AUTO;
}

// The CPUs of the partition are exclusive, so what QEMU's other threads get is taken from the host: no more than one
// core, and one CPU for each iothread that has its own.
static void narrow_others(struct isolating *i)
{
	struct placement *placement = i->placement;
	struct cpuset before = placement->emulator, core = last_core(&i->facts->cpus, &before), rest;
	AUTO_FREE char *text = cpuset_text(&core);

	if (cpuset_is_empty(&core))
		return;
	if (is_auto(&i->profile->cpu.emulator) && !cpuset_equal(&core, &before)) {
		placement->emulator = core;
		free(placement->emulator_why);
		placement->emulator_why =
			mem_printf("its own, as a partition has no CPU in common with the host; what else was near "
				   "stays the host's");
	}
	if (!is_auto(&i->profile->cpu.iothread_pin))
		return;
	rest = other_cpus(placement);
	rest = minus(&i->facts->cgroup.cpus, &rest);
	for (int k = 0; k < placement->n_iothreads; k++) {
		if (cpuset_equal(&placement->iothreads[k], &before) || !cpuset_meets(&rest, &rest))
			placement->iothreads[k] = placement->emulator;
	}
}

// The second half of the questions needs the first half's answers.
const char *plan_isolation_obstacle(const struct facts *facts)
{
	const struct cgroup_facts *cgroup = &facts->cgroup;

	if (!facts->root)
		return "a partition takes root";
	if (!cgroup->v2)
		return "the cgroup hierarchy is not mounted as v2";
	if (!cgroup->top)
		return "this is a container, which sees only a part of the cgroup hierarchy";
	if (!cgroup->cpuset)
		return "the cpuset controller is not in the cgroup v2 hierarchy: a mount of v1 has it, or the "
		       "kernel lacks it";
	return NULL;
}

// On the heap; NULL: none.
static char *cpus_obstacle(const struct isolating *i)
{
	struct cpuset available = i->facts->cgroup.cpus;
	struct cpuset others = other_cpus(i->placement), host;
	struct cpuset missing;

	cpuset_or(&available, &i->facts->cgroup.own);
	missing = minus(&i->vcpus, &available);
	if (cpuset_has(&i->vcpus, 0))
		return mem_dup("CPU 0 boots the machine, and work that the kernel binds to it can't leave");
	if (!cpuset_is_empty(&missing) || cpuset_meets(&i->vcpus, &i->facts->others)) {
		AUTO_FREE char *text = cpuset_text(cpuset_is_empty(&missing) ? &i->vcpus : &missing);

		return mem_printf("CPU %s is another guest's, or in another partition", text);
	}
	if (cpuset_meets(&i->vcpus, &others))
		return mem_dup("QEMU's other threads have no CPU but the vCPUs'");
	if (!i->facts->cgroup.remote && cpuset_is_empty(&i->placement->emulator))
		return mem_dup("emulator = none leaves QEMU's other threads no CPU in one");
	host = minus(&available, &i->vcpus);
	if (!i->facts->cgroup.remote)
		cpuset_minus(&host, &others);
	if (!cpuset_is_empty(&host))
		return NULL;
	return mem_dup("no CPU would be left to the host");
}

static bool wants_partition(const struct isolating *i)
{
	return i->profile->cpu.isolate == ISOLATE_PARTITION ||
	       (i->profile->cpu.isolate == ISOLATE_AUTO &&
		!cpuset_contains(&i->facts->cpus.isolated, &i->vcpus));
}

static char *find_obstacle(struct isolating *i)
{
	struct placement *placement = i->placement;
	struct cpuset emulator = placement->emulator;
	AUTO_FREE struct cpuset *iothreads = mem_new((size_t)placement->n_iothreads + 1, sizeof(*iothreads));
	AUTO_FREE char *why = mem_dup(placement->emulator_why);
	const char *without = plan_isolation_obstacle(i->facts);
	char *obstacle;

	if (without)
		return mem_dup(without);
	memcpy(iothreads, placement->iothreads, (size_t)placement->n_iothreads * sizeof(*iothreads));
	if (!i->facts->cgroup.remote && !cpuset_meets(&emulator, &i->vcpus))
		narrow_others(i);
	obstacle = cpus_obstacle(i);
	if (!obstacle)
		return NULL;
	// without a partition they keep what they had
	placement->emulator = emulator;
	memcpy(placement->iothreads, iothreads, (size_t)placement->n_iothreads * sizeof(*iothreads));
	free(placement->emulator_why);
	placement->emulator_why = take(why);
	return obstacle;
}

static void say(struct plan *plan, const char *method, char *why)
{
	plan->isolation.method = mem_dup(method);
	plan->isolation.why = why;
}

static void describe_partition(struct isolating *i)
{
	const struct cgroup_facts *cgroup = &i->facts->cgroup;
	struct cpuset others = other_cpus(i->placement);
	AUTO_FREE char *vcpus = cpuset_text(&i->vcpus), *others_text = cpuset_text(&others), *host = NULL;
	AUTO_FREE char *name = NULL;
	struct plan *plan = i->plan;

	i->host = minus(&cgroup->cpus, &i->vcpus);
	if (!cgroup->remote)
		cpuset_minus(&i->host, &others);
	host = cpuset_text(&i->host);
	name = mem_printf("/vfiorun-%s%s", plan->name, cgroup->systemd ? ".scope" : "");
	plan->isolation.cgroup = change_name_cgroup(name);
	say(plan, "partition",
	    cgroup->remote ?
		    mem_printf("only the vCPUs run on %s, where the kernel balances no load; every other task of the "
			       "host is kept to %s, and an affinity that one has comes back at the end",
			       vcpus, host) :
		    mem_printf("only the vCPUs run on %s, where the kernel balances no load, and only the rest of QEMU "
			       "on %s; every other task of the host is kept to %s, and an affinity that one has comes "
			       "back at the end",
			       vcpus, others_text, host));
}

static void describe_affinity(struct isolating *i, const char *obstacle)
{
	say(i->plan, "affinity",
	    mem_printf("the vCPUs stay on these CPUs; other tasks of the host may still run there: %s", obstacle));
}

static void refuse(struct isolating *i, const char *obstacle, struct diags *diags)
{
	diag_hint(diag_add(diags, DIAG_HOST_ERROR, "no-partition",
			   profile_where(i->profile, "cpu", NULL, "isolate"), "no partition can be had: %s", obstacle),
		  "isolate = auto takes the best that can be had");
}

static bool has_kernel_word(const struct facts *facts, const char *word)
{
	return facts->system.cmdline && strstr(facts->system.cmdline, word);
}

// What only the kernel line can give these CPUs.
static void suggest(struct isolating *i)
{
	AUTO_FREE char *cpus = cpuset_text(&i->vcpus);
	bool tasks = str_eq(i->plan->isolation.method, "affinity") && !has_kernel_word(i->facts, "isolcpus=");
	AUTO_STR struct str words = { 0 };

	if (!i->facts->root || cpuset_has(&i->vcpus, 0))
		return;
	if (tasks)
		str_addf(&words, "isolcpus=domain,managed_irq,%s ", cpus);
	if (!cpuset_contains(&i->facts->cpus.nohz_full, &i->vcpus))
		str_addf(&words, "nohz_full=%s ", cpus);
	if (!has_kernel_word(i->facts, "rcu_nocbs="))
		str_addf(&words, "rcu_nocbs=%s ", cpus);
	if (words.len)
		i->plan->isolation.hint =
			mem_printf("%.*s on the kernel line would keep more away: %s", (int)words.len - 1, words.text,
				   tasks ? "tasks, the timer tick and RCU callbacks" :
					   "the timer tick and RCU callbacks");
}

static void isolating_init(struct isolating *i, const struct profile *profile, const struct facts *facts,
			   struct placement *placement, struct plan *plan)
{
	*i = (struct isolating){ .profile = profile, .facts = facts, .placement = placement, .plan = plan };
	i->vcpus = vcpu_cpus(placement);
	i->host = minus(&facts->cpus.online, &i->vcpus);
}

void plan_isolate(const struct profile *profile, const struct facts *facts, struct placement *placement,
		  struct plan *plan, struct diags *diags)
{
	AUTO_FREE char *obstacle = NULL;
	struct isolating i;

	isolating_init(&i, profile, facts, placement, plan);
	plan->isolation.cpus = cpuset_text(&i.vcpus);
	if (cpuset_is_empty(&i.vcpus)) {
		say(plan, "none", mem_dup("the vCPUs are not pinned"));
		if (profile->cpu.isolate == ISOLATE_PARTITION)
			refuse(&i, "the vCPUs are not pinned", diags);
		return;
	}
	if (profile->cpu.isolate == ISOLATE_NONE) {
		describe_affinity(&i, "the profile says isolate = none");
		return;
	}
	if (!wants_partition(&i)) {
		say(plan, "isolcpus", mem_dup("the kernel line keeps everything else off these CPUs"));
	} else if ((obstacle = find_obstacle(&i))) {
		describe_affinity(&i, obstacle);
		if (profile->cpu.isolate == ISOLATE_PARTITION)
			refuse(&i, obstacle, diags);
	} else {
		describe_partition(&i);
	}
	suggest(&i);
}

static struct change *add(struct isolating *i, const char *kind, char *path, const char *was, const char *want,
			  const char *why)
{
	struct change *change = change_add(&i->plan->changes, kind, path, was, want, "%s", why);

	change->turn = CHANGE_MEMBER;
	change->may_fail = i->profile->cpu.isolate != ISOLATE_PARTITION;
	free(path);
	return change;
}

static void add_partition(struct isolating *i)
{
	const struct cgroup_facts *cgroup = &i->facts->cgroup;
	const char *vm = i->plan->isolation.cgroup;
	struct cpuset all = other_cpus(i->placement);
	AUTO_FREE char *vcpus = cpuset_text(&i->vcpus), *all_text = NULL;

	cpuset_or(&all, &i->vcpus);
	all_text = cpuset_text(&all);
	add(i, "token", change_name_cgroup("/cgroup.subtree_control"), cgroup->enabled ? "cpuset" : "", "cpuset",
	    "partitions are the cpuset controller's");
	add(i, "cgroup", mem_dup(vm), NULL, cgroup->systemd ? "scope" : "domain",
	    cgroup->systemd ? "QEMU's processes; a delegated scope, which systemd leaves alone" : "QEMU's processes");
	if (cgroup->remote) {
		add(i, "cpuset", mem_printf("%s/cpuset.cpus.exclusive", vm), "", vcpus,
		    "the CPUs that a partition below may have");
	} else {
		add(i, "cpuset", mem_printf("%s/cpuset.cpus", vm), "", all_text, "the CPUs of all of QEMU");
		add(i, "cpuset", mem_printf("%s/cpuset.cpus.partition", vm), "member", "root",
		    "no other task of the host runs on them");
	}
	add(i, "token", mem_printf("%s/cgroup.subtree_control", vm), "", "cpuset", "the vCPUs have CPUs of their own");
	add(i, "cgroup", mem_printf("%s/vcpus", vm), NULL, "threaded", "the threads that are vCPUs");
	add(i, "cpuset", mem_printf("%s/vcpus/cpuset.cpus", vm), "", vcpus, "the CPUs of the vCPUs");
	if (cgroup->remote)
		add(i, "cpuset", mem_printf("%s/vcpus/cpuset.cpus.exclusive", vm), "", vcpus,
		    "no other task of the host runs on them");
	// last: until then QEMU's threads may use all CPUs, which touching its memory is faster with
	add(i, "cpuset", mem_printf("%s/vcpus/cpuset.cpus.partition", vm), "member", "isolated",
	    "the kernel balances no load there")
		->turn = CHANGE_LAST;
}

// "with 2-3" as change.h has it.
static char *found_text(const struct cpuset *mask, const struct cpuset *vcpus)
{
	struct cpuset present = *mask;
	AUTO_FREE char *text = NULL;

	cpuset_and(&present, vcpus);
	text = cpuset_text(&present);
	return mem_printf("%s %s", cpuset_contains(vcpus, mask) ? "only" : "with", text);
}

static void add_mask(struct isolating *i, const char *path, const struct cpuset *mask, const char *why)
{
	AUTO_FREE char *vcpus = cpuset_text(&i->vcpus), *host = cpuset_text(&i->host), *was = NULL, *want = NULL;
	bool only = cpuset_contains(&i->vcpus, mask);

	if (!cpuset_meets(mask, &i->vcpus))
		return;
	was = found_text(mask, &i->vcpus);
	want = only ? mem_printf("without %s else %s", vcpus, host) : mem_printf("without %s", vcpus);
	change_add(&i->plan->changes, "mask", path, was, want, "%s", why)->may_fail = true;
}

static void add_masks(struct isolating *i)
{
	const struct cgroup_facts *facts = &i->facts->cgroup;
	struct cpuset all = i->facts->cpus.online;

	// where the kernel does so, what we write would bring back what others' partitions have out (Linux 6.12,
	// kernel/workqueue.c, workqueue_set_unbound_cpumask)
	if (facts->workqueue_known && !(facts->workqueue_follows && i->plan->isolation.cgroup))
		add_mask(i, change_name_workqueues, &facts->workqueue,
			 "the kernel's own work that may run anywhere runs elsewhere");
	if (i->profile->host.irq_affinity == IRQ_AFFINITY_NONE)
		return;
	// before the interrupts, or it would move them back
	if (facts->irqbalance_socket)
		add_mask(i, facts->irqbalance_socket, &all,
			 i->plan->n_devices ? "irqbalance would move interrupts back there; and is told to leave "
					      "those that passed devices make, once they do" :
					      "irqbalance would move interrupts back there");
	if (facts->default_known)
		add_mask(i, change_name_irq_default, &facts->irq_default,
			 "interrupts that are set up from now on go elsewhere");
	for (size_t k = 0; k < facts->n_irqs; k++) {
		AUTO_FREE char *path = change_name_irq(facts->irqs[k].number);

		add_mask(i, path, &facts->irqs[k].cpus, "interrupts go elsewhere");
	}
}

static void warn_irqbalance(const struct isolating *i)
{
	pid_t pid = i->facts->daemons.pids[DAEMON_IRQBALANCE];

	if (pid && !i->facts->cgroup.irqbalance_socket && i->profile->host.irq_affinity != IRQ_AFFINITY_NONE)
		diag_hint(diag_add(&i->plan->warnings, DIAG_WARNING, "irqbalance", (struct place){ 0 },
				   "irqbalance (process %d) has no socket to be told over that the guest's CPUs are "
				   "not for interrupts: it will move some back there",
				   (int)pid),
			  "systemctl stop irqbalance while the guest runs, or set IRQBALANCE_BANNED_CPULIST=%s",
			  i->plan->isolation.cpus);
}

void plan_add_isolation(const struct profile *profile, const struct facts *facts,
			const struct placement *placement, struct plan *plan)
{
	struct isolating i;
	struct cpuset others = other_cpus(placement);

	if (str_eq(plan->isolation.method, "none") || str_eq(plan->isolation.method, "affinity"))
		return;
	isolating_init(&i, profile, facts, (struct placement *)placement, plan);
	if (plan->isolation.cgroup && !facts->cgroup.remote)
		cpuset_minus(&i.host, &others);
	plan->isolation.steer = facts->root && profile->host.irq_affinity != IRQ_AFFINITY_NONE;
	if (facts->root) {
		add_masks(&i);
		warn_irqbalance(&i);
	}
	if (plan->isolation.cgroup)
		add_partition(&i);
}
