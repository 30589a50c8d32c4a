// SPDX-License-Identifier: MIT
// Chooses CPUs for vCPUs. CPUs fall into tiers, by what must be respected first; a tier is used up before
// the next one is touched. Within a tier the vCPUs stay as near to each other as they can: in one L3, else
// one node, else one socket, else spread over as few of these as possible.
#include "launcher/plan/place_parts.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdlib.h>

// A tier is the sum of these: the heaviest reason against a CPU decides.
enum {
	TIER_HOST_CORE = 1,  // the host's core
	TIER_EFFICIENCY = 2, // not a performance core
	TIER_AWAY = 4,	     // not on the node of a passed device
	TIER_SHARED = 8,     // not isolated on the kernel line
	TIER_FAR = 16,	     // not on a node that the profile's memory is to come from
	TIER_HELD = 32,	     // another guest runs there
};

// A CPU that a vCPU may sit on.
struct seat {
	int cpu, core, l3, node, socket;
	unsigned tier;
	bool host, taken;
	bool begun; // the core has a vCPU already
	int width;  // seats that this core has in this tier
};

enum level { LEVEL_L3, LEVEL_NODE, LEVEL_SOCKET, LEVEL_MACHINE };

// Neighbouring seats that share an L3, a node, a socket, and what speaks for and against them.
struct domain {
	const struct seat *first, *end;
	int capacity; // vCPUs that fit
	int distance; // to the nodes that are in use, summed up
	uint64_t cache;
	bool used, roomy, noisy, host;
};

struct chooser {
	const struct placing *p;
	struct seat *seats;
	size_t n_seats;
	struct seat host; // the first of the host's core
	bool one_a_core;
	bool *noisy;	     // by L3: another guest runs there
	int *core_rank;	     // by core: order of first use, 0: unused
	int *l3_rank;	     // by L3, the last one for "unknown": likewise
	struct cpuset nodes; // in use
	struct seat *picked;
	int n_picked;
};

static bool host_has_efficiency_cores(const struct placing *p)
{
	struct cpuset rest = p->usable;

	cpuset_minus(&rest, &p->avoid);
	cpuset_minus(&rest, &p->facts->isolated);
	rest = placing_of_kind(p, &rest, CPU_EFFICIENCY);
	return !cpuset_is_empty(&rest);
}

static unsigned tier_of(const struct placing *p, const struct cpu *cpu, bool host)
{
	const struct nodes_request *nodes = &p->profile->memory.nodes;

	return (host ? TIER_HOST_CORE : 0) + (cpu->kind == CPU_EFFICIENCY ? TIER_EFFICIENCY : 0) +
	       (p->near.node >= 0 && cpu->node != p->near.node ? TIER_AWAY : 0) +
	       (cpu->isolated ? 0 : TIER_SHARED) +
	       (nodes->mode == CPUS_LIST && !cpuset_has(&nodes->nodes, cpu->node) ? TIER_FAR : 0) +
	       (cpuset_has(&p->avoid, cpu->id) ? TIER_HELD : 0);
}

static void chooser_init(struct chooser *c, const struct placing *p)
{
	bool spare_host_core = !host_has_efficiency_cores(p);

	*c = (struct chooser){ .p = p };
	c->seats = mem_new(p->facts->count + 1, sizeof(*c->seats));
	c->picked = mem_new(p->facts->count + 1, sizeof(*c->picked));
	c->noisy = mem_new(p->facts->n_l3s + 1, sizeof(*c->noisy));
	c->l3_rank = mem_new(p->facts->n_l3s + 1, sizeof(*c->l3_rank));
	c->core_rank = mem_new(p->facts->n_cores, sizeof(*c->core_rank));
	for (size_t i = 0; i < p->facts->count; i++) {
		const struct cpu *cpu = &p->facts->cpus[i];
		bool host = cpuset_has(&p->host_core, cpu->id);

		if (!cpuset_has(&p->usable, cpu->id))
			continue;
		c->seats[c->n_seats++] = (struct seat){
			.cpu = cpu->id,
			.core = cpu->core,
			.l3 = cpu->l3,
			.node = cpu->node,
			.socket = cpu->socket,
			.tier = tier_of(p, cpu, host && spare_host_core),
			.host = host,
		};
		if (cpu->l3 >= 0 && cpuset_has(&p->avoid, cpu->id))
			c->noisy[cpu->l3] = true;
		if (host && cpu->id == cpuset_next(&p->host_core, -1))
			c->host = c->seats[c->n_seats - 1];
	}
}

static void chooser_finish(struct chooser *c)
{
	free(c->seats);
	free(c->picked);
	free(c->noisy);
	free(c->l3_rank);
	free(c->core_rank);
}

static int by_number(int a, int b)
{
	return (a > b) - (a < b);
}

static int by_tier(const void *a, const void *b)
{
	const struct seat *x = a, *y = b;

	return by_number((int)x->tier, (int)y->tier) ?: by_number(x->cpu, y->cpu);
}

static int by_domain(const struct seat *x, const struct seat *y)
{
	return by_number(x->socket, y->socket) ?: by_number(x->node, y->node) ?: by_number(x->l3, y->l3);
}

static int by_place(const void *a, const void *b)
{
	const struct seat *x = a, *y = b;

	return by_domain(x, y) ?: by_number(x->core, y->core) ?: by_number(x->cpu, y->cpu);
}

// Within an L3: cores that are begun, then whole ones, the host's last.
static int by_preference(const void *a, const void *b)
{
	const struct seat *x = a, *y = b;

	return by_domain(x, y) ?: by_number(y->begun, x->begun) ?: by_number(x->host, y->host) ?:
	       by_number(y->width, x->width) ?: by_number(x->core, y->core) ?: by_number(x->cpu, y->cpu);
}

static void sort_seats(struct seat *seats, size_t n, int (*compare)(const void *, const void *))
{
	if (n > 1)
		qsort(seats, n, sizeof(*seats), compare);
}

static void order_tier(struct chooser *c, struct seat *seats, size_t n)
{
	sort_seats(seats, n, by_place);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && seats[end].core == seats[i].core; end++)
			;
		for (size_t k = i; k < end; k++) {
			seats[k].width = (int)(end - i);
			seats[k].begun = c->core_rank[seats[k].core];
		}
	}
	sort_seats(seats, n, by_preference);
}

static bool same_domain(enum level level, const struct seat *a, const struct seat *b)
{
	switch (level) {
	case LEVEL_L3:
		return a->socket == b->socket && a->node == b->node && a->l3 == b->l3;
	case LEVEL_NODE:
		return a->socket == b->socket && a->node == b->node;
	case LEVEL_SOCKET:
		return a->socket == b->socket;
	case LEVEL_MACHINE:
		break;
	}
	return true;
}

static const struct memory_node *find_node(const struct placing *p, int number)
{
	for (size_t i = 0; i < p->memory->n_nodes; i++) {
		if (p->memory->nodes[i].node == number)
			return &p->memory->nodes[i];
	}
	return NULL;
}

// Where the machine does not tell: as the kernel assumes (LOCAL_DISTANCE and REMOTE_DISTANCE of Linux 6.1,
// include/linux/topology.h).
static int distance_to_used(const struct chooser *c, int number)
{
	const struct memory_node *node = find_node(c->p, number);
	int sum = 0;

	for (size_t i = 0; i < c->p->memory->n_nodes; i++) {
		int other = c->p->memory->nodes[i].node;

		if (!cpuset_has(&c->nodes, other))
			continue;
		if (node && node->distances && i < node->n_distances)
			sum += node->distances[i];
		else
			sum += other == number ? 10 : 20;
	}
	return sum;
}

// Whether the node could hold the guest's memory; an unknown size speaks neither way.
static bool is_roomy(const struct placing *p, int number)
{
	const struct memory_node *node = find_node(p, number);

	return !node || node->bytes >= p->profile->vm.memory;
}

static struct domain domain_read(const struct chooser *c, enum level level, const struct seat *first,
				 const struct seat *end)
{
	struct domain d = { .first = first, .end = first };
	int core = -1;

	for (; d.end < end && same_domain(level, first, d.end); d.end++) {
		const struct seat *seat = d.end;

		if (seat->l3 >= 0) {
			uint64_t bytes = c->p->facts->l3s[seat->l3].bytes;

			d.cache = bytes > d.cache ? bytes : d.cache;
			d.noisy |= c->noisy[seat->l3];
		}
		d.used |= level == LEVEL_L3 && seat->l3 >= 0 ? c->l3_rank[seat->l3] > 0 :
							       cpuset_has(&c->nodes, seat->node);
		d.capacity += !seat->taken && (!c->one_a_core || seat->core != core);
		core = seat->core;
	}
	d.host = same_domain(level, first, &c->host);
	d.roomy = is_roomy(c->p, first->node);
	d.distance = distance_to_used(c, first->node);
	return d;
}

// Whether a suits `need` vCPUs better than b; equal ones: the first one stays.
static bool is_better(const struct domain *a, const struct domain *b, int need)
{
	bool fits = a->capacity >= need;

	if (fits != (b->capacity >= need))
		return fits;
	if (!fits && a->capacity != b->capacity)
		return a->capacity > b->capacity;
	if (a->used != b->used)
		return a->used;
	if (a->distance != b->distance)
		return a->distance < b->distance;
	if (a->roomy != b->roomy)
		return a->roomy;
	if (a->cache != b->cache)
		return a->cache > b->cache;
	if (a->noisy != b->noisy)
		return b->noisy;
	return !a->host && b->host;
}

static struct domain domain_best(const struct chooser *c, enum level level, const struct seat *first,
				 const struct seat *end, int need)
{
	struct domain best = domain_read(c, level, first, end);

	for (const struct seat *at = best.end; at < end;) {
		struct domain next = domain_read(c, level, at, end);

		if (is_better(&next, &best, need))
			best = next;
		at = next.end;
	}
	return best;
}

// A domain is taken whole or is the last one: none of its seats is taken yet.
static void take_seats(struct chooser *c, const struct domain *d, int need)
{
	int core = -1;

	for (struct seat *seat = c->seats + (d->first - c->seats); seat < d->end && need > 0; seat++) {
		int *l3 = &c->l3_rank[seat->l3 < 0 ? (int)c->p->facts->n_l3s : seat->l3];

		if (c->one_a_core && seat->core == core)
			continue;
		core = seat->core;
		seat->taken = true;
		c->picked[c->n_picked++] = *seat;
		if (!*l3)
			*l3 = c->n_picked;
		if (!c->core_rank[core])
			c->core_rank[core] = c->n_picked;
		if (seat->node >= 0)
			cpuset_add(&c->nodes, seat->node);
		need--;
	}
}

// Takes `need` seats out of a range that has as many, all of one domain of level `top`.
static void take_near(struct chooser *c, enum level top, const struct seat *first,
		      const struct seat *end, int need)
{
	while (need > 0) {
		enum level level = LEVEL_L3;
		struct domain best = domain_best(c, level, first, end, need);

		while (best.capacity < need && level < top)
			best = domain_best(c, ++level, first, end, need);
		if (level == LEVEL_L3) {
			take_seats(c, &best, need);
			return;
		}
		// Nothing smaller holds them all: its largest part goes whole, the rest stays within it.
		struct domain part = domain_best(c, level - 1, best.first, best.end, need);

		take_near(c, level - 1, part.first, part.end, part.capacity);
		need -= part.capacity;
		first = best.first;
		end = best.end;
		top = level;
	}
}

static size_t tier_end(const struct chooser *c, size_t first)
{
	size_t end = first;

	while (end < c->n_seats && c->seats[end].tier == c->seats[first].tier)
		end++;
	return end;
}

// Whether the first tier has a core for each vCPU, in one L3 if `near`.
static bool has_cores_for(struct chooser *c, int n, bool near)
{
	const struct seat *end = c->seats + tier_end(c, 0);
	struct domain best;

	c->one_a_core = true;
	best = domain_best(c, near ? LEVEL_L3 : LEVEL_MACHINE, c->seats, end, n);
	return best.capacity >= n;
}

static int rank_of_l3(const struct chooser *c, const struct seat *seat)
{
	return c->l3_rank[seat->l3 < 0 ? (int)c->p->facts->n_l3s : seat->l3];
}

static int by_first_use(const void *a, const void *b, void *context)
{
	const struct chooser *c = context;
	const struct seat *x = a, *y = b;

	return by_number(rank_of_l3(c, x), rank_of_l3(c, y)) ?:
	       by_number(c->core_rank[x->core], c->core_rank[y->core]) ?: by_number(x->cpu, y->cpu);
}

void place_auto_choose(const struct placing *p, int n, enum spread spread, int *cpus)
{
	CLEANUP(chooser_finish) struct chooser c;

	chooser_init(&c, p);
	sort_seats(c.seats, c.n_seats, by_tier);
	order_tier(&c, c.seats, tier_end(&c, 0));
	c.one_a_core = spread != SPREAD_CORES && has_cores_for(&c, n, spread == SPREAD_NEAR);
	for (size_t first = 0, end; first < c.n_seats && c.n_picked < n; first = end) {
		int need = n - c.n_picked;

		end = tier_end(&c, first);
		order_tier(&c, c.seats + first, end - first);
		if (need > (int)(end - first))
			need = (int)(end - first);
		take_near(&c, LEVEL_MACHINE, c.seats + first, c.seats + end, need);
	}
	// A core or an L3 may have been begun in one tier and completed in a later one: threads of a core
	// are neighbours in the guest, and so are the cores of a cache.
	qsort_r(c.picked, (size_t)c.n_picked, sizeof(*c.picked), by_first_use, &c);
	for (int i = 0; i < c.n_picked; i++)
		cpus[i] = c.picked[i].cpu;
}

// Every CPU that was isolated for a guest; else half the cores of the L3 that would be chosen first, whole
// ones, so that the host keeps as much. Eight vCPUs are enough for a profile that asks for no number.
int place_auto_count(const struct placing *p)
{
	enum { ENOUGH = 8 };
	CLEANUP(chooser_finish) struct chooser c;
	struct domain best;
	size_t end;
	int cores, count;

	chooser_init(&c, p);
	if (!c.n_seats)
		return 1;
	for (size_t i = 0; i < c.n_seats; i++)
		c.seats[i].tier &= ~(unsigned)TIER_HOST_CORE;
	sort_seats(c.seats, c.n_seats, by_tier);
	end = tier_end(&c, 0);
	if (!(c.seats[0].tier & (TIER_SHARED | TIER_HELD)))
		return (int)end;
	order_tier(&c, c.seats, end);
	best = domain_best(&c, LEVEL_L3, c.seats, c.seats + end, 1);
	c.one_a_core = true;
	cores = domain_read(&c, LEVEL_L3, best.first, best.end).capacity;
	if (cores < 2)
		return 1;
	count = cores / 2 * (best.capacity / cores);
	return count < ENOUGH ? count : ENOUGH;
}
