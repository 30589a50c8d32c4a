// SPDX-License-Identifier: MIT
// Settles the sockets, dies, cores and threads that the guest sees, so that they mirror the pins.
#include "launcher/plan/place_parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>

int topology_asked_vcpus(const struct profile *profile)
{
	return (profile->cpu.sockets ?: 1) * profile->cpu.cores * (profile->cpu.threads ?: 1);
}

static int smt_of_host(const struct placing *p)
{
	int most = 1;

	for (size_t i = 0; i < p->facts->n_cores; i++) {
		int width = cpuset_count(&p->facts->cores[i].cpus);

		most = width > most ? width : most;
	}
	return most;
}

int topology_asked_threads(const struct placing *p)
{
	int sockets = p->profile->cpu.sockets, cores = p->profile->cpu.cores;
	int rest;

	if (p->profile->cpu.threads || !cores)
		return p->profile->cpu.threads;
	rest = p->n / ((sockets ?: 1) * cores);
	// What is more than the host's cores have must be meant as sockets.
	return sockets || rest <= smt_of_host(p) ? rest : 0;
}

// Whether the vCPUs from `first` on, `width` of them, sit on one core and have a CPU each.
static bool is_core_block(const struct placing *p, int first, int width)
{
	struct cpuset all = { 0 };

	for (int i = first; i < first + width; i++) {
		if (cpuset_is_empty(&p->out->vcpus[i].cpus))
			return false;
		cpuset_or(&all, &p->out->vcpus[i].cpus);
	}
	return placing_common_core(p, &all) >= 0 && cpuset_count(&all) >= width;
}

// The first block of `width` vCPUs that is not on siblings, or -1.
static int first_torn(const struct placing *p, int width)
{
	for (int i = 0; i + width <= p->n; i += width) {
		if (!is_core_block(p, i, width))
			return i;
	}
	return -1;
}

// vCPUs by core: how many sit on it.
static int *count_by_core(const struct placing *p)
{
	int *counts = mem_new(p->facts->n_cores, sizeof(*counts));

	for (int i = 0; i < p->n; i++) {
		int core = placing_common_core(p, &p->out->vcpus[i].cpus);

		if (core >= 0)
			counts[core]++;
	}
	return counts;
}

static int widest(const int *counts, int n)
{
	int most = 0;

	for (int i = 0; i < n; i++)
		most = counts[i] > most ? counts[i] : most;
	return most;
}

// Guest threads a core that the pins stand for: a core's siblings side by side, every core alike.
static int threads_of_pins(const struct placing *p)
{
	AUTO_FREE int *counts = count_by_core(p);
	int width = widest(counts, (int)p->facts->n_cores);

	return width > 1 && p->n % width == 0 && first_torn(p, width) < 0 ? width : 1;
}

struct sibling_order {
	int cpu, core, rank;
};

static int by_rank(const void *a, const void *b)
{
	const struct sibling_order *x = a, *y = b;

	return x->rank != y->rank ? x->rank - y->rank : x->cpu - y->cpu;
}

// The pins with each core's siblings side by side, or NULL where that gives no equal cores.
static char *reordered(const struct placing *p)
{
	AUTO_FREE struct sibling_order *order = mem_new((size_t)p->n, sizeof(*order));
	AUTO_FREE int *ranks = mem_new(p->facts->n_cores, sizeof(*ranks));
	AUTO_FREE int *counts = count_by_core(p);
	AUTO_FREE int *cpus = mem_new((size_t)p->n, sizeof(*cpus));
	int width = widest(counts, (int)p->facts->n_cores);

	for (int i = 0; i < p->n; i++) {
		const struct cpuset *set = &p->out->vcpus[i].cpus;
		int core = placing_common_core(p, set);

		if (cpuset_count(set) != 1 || core < 0 || counts[core] != width)
			return NULL;
		if (!ranks[core])
			ranks[core] = i + 1;
		order[i] = (struct sibling_order){ cpuset_next(set, -1), core, ranks[core] };
	}
	qsort(order, (size_t)p->n, sizeof(*order), by_rank);
	for (int i = 0; i < p->n; i++)
		cpus[i] = order[i].cpu;
	return place_list_text(cpus, p->n);
}

// vCPUs that the host's cores of this many siblings hold.
static int room_on_siblings(const struct placing *p, int threads)
{
	int room = 0;

	for (size_t i = 0; i < p->facts->n_cores; i++) {
		struct cpuset cpus = p->facts->cores[i].cpus;

		cpuset_and(&cpus, &p->usable);
		room += cpuset_count(&cpus) >= threads ? threads : 0;
	}
	return room;
}

// Where these CPUs can't be put in a better order.
static void hint_other_cpus(const struct placing *p, struct diag *diag, int threads)
{
	int room = room_on_siblings(p, threads);

	if (room < threads)
		diag_hint(diag, "threads = 1: no core has %d CPUs that may be used", threads);
	else if (p->n > room)
		diag_hint(diag, "threads = 1, or at most %d vCPUs: whole cores hold no more", room);
	else if (p->n % threads)
		diag_hint(diag, "a number of vCPUs that %d divides, on whole cores", threads);
	else
		diag_hint(diag, "pin = auto finds siblings for them, or threads = 1");
}

static void hint_order(const struct placing *p, struct diag *diag, int threads)
{
	AUTO_FREE char *list = reordered(p);

	if (list)
		diag_hint(diag, "pin = %s with threads = %d", list, threads);
	else
		hint_other_cpus(p, diag, threads);
}

// vCPUs on siblings that the guest takes for cores: it may put two busy threads on one real core.
static void warn_hidden_siblings(struct placing *p)
{
	AUTO_FREE int *counts = count_by_core(p);
	int width = widest(counts, (int)p->facts->n_cores);
	struct diag *diag;

	if (width < 2 || p->out->threads > 1 || smt_of_host(p) < 2)
		return;
	diag = diag_add(p->diags, DIAG_WARNING, "pin-siblings",
			placing_where(p, p->profile->cpu.pin.mode == CPUS_LIST ? "pin" : "vcpus"),
			"some vCPUs sit on SMT siblings, but the guest sees each as a core of its own");
	hint_order(p, diag, width);
}

static void warn_false_threads(struct placing *p)
{
	int threads = p->out->threads, torn;
	struct diag *diag;

	if (threads < 2)
		return;
	if (smt_of_host(p) < 2) {
		diag = diag_add(p->diags, DIAG_WARNING, "topology-threads", placing_where(p, "threads"),
				"the guest sees %d threads a core, but this host has no SMT: its "
				"scheduler is misled",
				threads);
		diag_hint(diag, "threads = 1");
		return;
	}
	torn = cpuset_is_empty(&p->taken) ? -1 : first_torn(p, threads);
	if (torn < 0)
		return;
	diag = diag_add(p->diags, DIAG_WARNING, "topology-threads", placing_where(p, "threads"),
			"the guest sees vCPUs %d%s%d as threads of one core, but their CPUs are no SMT "
			"siblings",
			torn, threads > 2 ? " to " : " and ", torn + threads - 1);
	hint_order(p, diag, threads);
}

// Several L3s become dies only where each has the same number of vCPUs, side by side: anything else
// can't be said in QEMU's topology.
static int dies_of_pins(const struct placing *p, int threads)
{
	struct cpuset l3s = placing_l3s(p, &p->taken);
	int dies = cpuset_count(&l3s), each = dies ? p->n / dies : 0;

	if (dies < 2 || p->n % dies || each % threads)
		return 1;
	for (int i = 0; i < p->n; i += each) {
		struct cpuset block = { 0 };

		for (int k = i; k < i + each; k++)
			cpuset_or(&block, &p->out->vcpus[k].cpus);
		if (placing_common_l3(p, &block) < 0)
			return 1;
	}
	return dies;
}

static void report_product(struct placing *p)
{
	const struct profile *profile = p->profile;
	const char *key = profile->cpu.vcpus ? "vcpus" : profile->cpu.pin.mode == CPUS_LIST ? "pin" : "cores";
	int product = (profile->cpu.sockets ?: 1) * (profile->cpu.cores ?: 1) * (profile->cpu.threads ?: 1);
	struct diag *diag = diag_add(p->diags, DIAG_ERROR, "topology-product", placing_where(p, key),
				     "%d vCPUs can't be divided into sockets, cores and threads as the "
				     "profile has them: these come in steps of %d",
				     p->n, product);

	diag_hint(diag, "vcpus = %d, or leave sockets, cores and threads out",
		  (p->n + product - 1) / product * product);
}

// Each vCPU on one core, and no two on the same.
static bool is_on_own_cores(const struct placing *p)
{
	AUTO_FREE int *counts = count_by_core(p);
	int cores = 0;

	for (size_t i = 0; i < p->facts->n_cores; i++)
		cores += counts[i] == 1;
	return cores == p->n;
}

static void explain(struct placing *p)
{
	struct placement *out = p->out;
	struct str why = { 0 };

	str_addf(&why, "%d socket%s, ", out->sockets, out->sockets > 1 ? "s" : "");
	if (out->dies > 1)
		str_addf(&why, "%d dies, one for each L3 of the host that is used, ", out->dies);
	str_addf(&why, "%d core%s, %d thread%s a core: ", out->cores, out->cores > 1 ? "s" : "",
		 out->threads, out->threads > 1 ? "s" : "");
	if (p->profile->cpu.cores || p->profile->cpu.threads)
		str_add(&why, "as the profile says");
	else if (cpuset_is_empty(&p->taken))
		str_add(&why, "vCPUs are not pinned, so none is another's sibling");
	else if (out->threads > 1)
		str_add(&why, "the threads of each guest core sit on SMT siblings of the host");
	else if (smt_of_host(p) < 2)
		str_add(&why, "this host's cores have one thread each");
	else if (is_on_own_cores(p))
		str_add(&why, "each vCPU has a core of the host to itself");
	else
		str_add(&why, "the vCPUs' CPUs make no equal groups of SMT siblings");
	out->topology_why = str_take(&why);
}

// Whatever the profile leaves open: threads as the pins are, one socket, and cores for the rest.
static bool settle_product(struct placing *p, struct placement *out)
{
	const struct profile *profile = p->profile;
	int threads = topology_asked_threads(p) ?: threads_of_pins(p);

	out->sockets = profile->cpu.sockets ?: 1;
	out->cores = profile->cpu.cores;
	out->threads = threads;
	if (out->cores && !profile->cpu.sockets)
		out->sockets = p->n / (out->cores * threads);
	if (!out->cores && !profile->cpu.threads && p->n % (out->sockets * threads))
		out->threads = 1;
	if (!out->cores)
		out->cores = p->n / (out->sockets * out->threads);
	return out->sockets * out->cores * out->threads == p->n;
}

void topology_settle(struct placing *p)
{
	const struct profile *profile = p->profile;
	struct placement *out = p->out;

	out->dies = 1;
	if (!settle_product(p, out)) {
		report_product(p);
		out->sockets = out->threads = 1;
		out->cores = p->n;
	}
	if (!profile->cpu.cores && !profile->cpu.sockets) {
		out->dies = dies_of_pins(p, out->threads);
		out->cores /= out->dies;
	}
	explain(p);
	warn_false_threads(p);
	warn_hidden_siblings(p);
}
