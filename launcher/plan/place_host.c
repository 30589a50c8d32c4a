// SPDX-License-Identifier: MIT
// Gives emulator and iothreads their CPUs: what the vCPUs left, as near to them as can be.
#include "launcher/plan/place_parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

// Keeps `kept` if it is not empty. True: it was kept.
static bool narrow(struct cpuset *set, const struct cpuset *kept)
{
	struct cpuset both = *set;

	cpuset_and(&both, kept);
	if (cpuset_is_empty(&both))
		return false;
	*set = both;
	return true;
}

static struct cpuset without(const struct cpuset *set, const struct cpuset *gone)
{
	struct cpuset rest = *set;

	cpuset_minus(&rest, gone);
	return rest;
}

// CPUs whose core has no vCPU.
static struct cpuset on_free_cores(const struct placing *p, const struct cpuset *set)
{
	struct cpuset free_ones = *set;

	CPUSET_FOREACH(id, set) {
		if (cpuset_meets(&p->facts->cores[placing_cpu(p, id)->core].cpus, &p->taken))
			cpuset_remove(&free_ones, id);
	}
	return free_ones;
}

enum nearness { NEAR_L3, NEAR_NODE, NEAR_SOCKET };

static int number_of(const struct cpu *cpu, enum nearness nearness)
{
	switch (nearness) {
	case NEAR_L3:
		return cpu->l3;
	case NEAR_NODE:
		return cpu->node;
	case NEAR_SOCKET:
		break;
	}
	return cpu->socket;
}

static struct cpuset near_vcpus(const struct placing *p, const struct cpuset *set, enum nearness nearness)
{
	struct cpuset numbers = { 0 }, found = { 0 };

	CPUSET_FOREACH(id, &p->taken) {
		int number = number_of(placing_cpu(p, id), nearness);

		if (number >= 0)
			cpuset_add(&numbers, number);
	}
	CPUSET_FOREACH(id, set) {
		if (cpuset_has(&numbers, number_of(placing_cpu(p, id), nearness)))
			cpuset_add(&found, id);
	}
	return found;
}

// Where emulator and iothreads may go without standing in a vCPU's way; the vCPUs' own CPUs if nothing
// else is left. An isolated CPU comes last: the kernel balances no load there, so several threads on
// several isolated CPUs all stay on the first.
static struct cpuset host_cpus(const struct placing *p)
{
	struct cpuset left = without(&p->usable, &p->taken), part;

	left = without(&left, &p->avoid);
	if (cpuset_is_empty(&left))
		return p->taken;
	part = without(&left, &p->facts->isolated);
	narrow(&left, &part);
	part = placing_of_kind(p, &left, CPU_EFFICIENCY);
	narrow(&left, &part);
	part = on_free_cores(p, &left);
	narrow(&left, &part);
	for (enum nearness near = NEAR_L3; near <= NEAR_SOCKET; near++) {
		part = near_vcpus(p, &left, near);
		if (narrow(&left, &part))
			break;
	}
	return left;
}

static const char *describe_nearness(const struct placing *p, const struct cpuset *cpus)
{
	static const char *const words[] = {
		[NEAR_L3] = " in the vCPUs' L3",
		[NEAR_NODE] = " on the vCPUs' node",
		[NEAR_SOCKET] = " in the vCPUs' socket",
	};

	for (enum nearness near = NEAR_L3; near <= NEAR_SOCKET; near++) {
		struct cpuset part = near_vcpus(p, cpus, near);

		if (cpuset_equal(&part, cpus))
			return words[near];
	}
	return "";
}

static char *host_why(const struct placing *p, const struct cpuset *cpus)
{
	struct cpuset slow = placing_of_kind(p, cpus, CPU_EFFICIENCY);
	struct cpuset free_ones = on_free_cores(p, cpus);

	if (cpuset_meets(cpus, &p->taken))
		return mem_dup("shares the vCPUs' CPUs: no other is left");
	if (cpuset_equal(&slow, cpus))
		return mem_printf("efficiency cores%s, left to the host", describe_nearness(p, cpus));
	if (!cpuset_equal(&free_ones, cpus))
		return mem_dup("siblings of vCPUs' CPUs: no whole core is left");
	if (cpuset_contains(&p->host_core, cpus))
		return mem_printf("core %d is left to the host",
				  placing_cpu(p, cpuset_next(cpus, -1))->core);
	return mem_printf("cores without a vCPU%s, left to the host", describe_nearness(p, cpus));
}

static void warn_sharing(struct placing *p, const char *key, const struct cpuset *cpus)
{
	struct cpuset both = *cpus;
	AUTO_FREE char *list = NULL;

	cpuset_and(&both, &p->taken);
	if (cpuset_is_empty(&both))
		return;
	list = cpuset_text(&both);
	diag_hint(diag_add(p->diags, DIAG_WARNING, "host-threads-share", placing_where(p, key),
			   "%s shares CPU %s with vCPUs", key, list),
		  "%s = auto, or CPUs without a vCPU", key);
}

// An explicit set, checked; empty where it can't be had.
static struct cpuset take_request(struct placing *p, const char *key, const struct cpus_request *request)
{
	AUTO_FREE char *usable = cpuset_text(&p->usable);
	AUTO_FREE char *hint = mem_printf("%s = auto, or CPUs of %s", key, usable);

	if (!place_list_check(p, key, &request->cpus, hint))
		return (struct cpuset){ 0 };
	warn_sharing(p, key, &request->cpus);
	return request->cpus;
}

// One CPU for each iothread, on cores of their own, if a core stays for the emulator. The first core is
// the host's where that is among them, so they are taken from behind it.
static bool spread_iothreads(struct placing *p, struct cpuset *host)
{
	struct placement *out = p->out;
	AUTO_FREE int *first_cpus = mem_new(p->facts->count, sizeof(*first_cpus));
	AUTO_FREE bool *seen = mem_new(p->facts->n_cores, sizeof(*seen));
	int n = 0;

	CPUSET_FOREACH(id, host) {
		int core = placing_cpu(p, id)->core;

		if (!seen[core])
			first_cpus[n++] = id;
		seen[core] = true;
	}
	if (n <= out->n_iothreads || cpuset_meets(host, &p->taken))
		return false;
	for (int i = 0; i < out->n_iothreads; i++) {
		cpuset_add(&out->iothreads[i], first_cpus[i + 1]);
		cpuset_remove(host, first_cpus[i + 1]);
	}
	return true;
}

static void share_iothreads(struct placing *p, const struct cpuset *cpus)
{
	for (int i = 0; i < p->out->n_iothreads; i++)
		p->out->iothreads[i] = *cpus;
}

// Takes what the iothreads get for themselves out of `host`.
static void place_iothreads(struct placing *p, struct cpuset *host)
{
	const struct cpus_request *request = &p->profile->cpu.iothread_pin;
	struct placement *out = p->out;

	if (request->mode == CPUS_LIST) {
		struct cpuset cpus = take_request(p, "iothread_pin", request);

		share_iothreads(p, &cpus);
		out->iothread_why = mem_dup("as the profile says");
	} else if (request->mode == CPUS_NONE) {
		out->iothread_why = mem_dup("the profile says iothread_pin = none");
	} else if (cpuset_is_empty(&p->taken)) {
		out->iothread_why = mem_dup("vCPUs are not pinned either");
	} else if (out->n_iothreads && spread_iothreads(p, host)) {
		out->iothread_why = mem_printf("a core each without a vCPU%s", describe_nearness(p, host));
	} else {
		share_iothreads(p, host);
		out->iothread_why = host_why(p, host);
	}
}

static void place_emulator(struct placing *p, const struct cpuset *host)
{
	const struct cpus_request *request = &p->profile->cpu.emulator;
	struct placement *out = p->out;

	if (request->mode == CPUS_LIST) {
		out->emulator = take_request(p, "emulator", request);
		out->emulator_why = mem_dup("as the profile says");
	} else if (request->mode == CPUS_NONE) {
		out->emulator_why = mem_dup("the profile says emulator = none");
	} else if (cpuset_is_empty(&p->taken)) {
		out->emulator_why = mem_dup("vCPUs are not pinned either");
	} else {
		out->emulator = *host;
		out->emulator_why = host_why(p, host);
	}
}

void place_host_threads(struct placing *p, int n_iothreads)
{
	struct cpuset host = host_cpus(p);

	p->out->n_iothreads = n_iothreads;
	p->out->iothreads = mem_new((size_t)n_iothreads, sizeof(*p->out->iothreads));
	place_iothreads(p, &host);
	place_emulator(p, &host);
}
