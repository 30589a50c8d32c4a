// SPDX-License-Identifier: MIT
#include "launcher/argv/argv.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <inttypes.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

// One memory backend: a guest NUMA node, or all of the guest's memory.
struct share {
	uint64_t bytes;
	struct cpuset nodes; // of the host; empty: not bound
	int node;	     // the host node that a guest node mirrors
};

struct layout {
	struct share *shares;
	size_t count;
	uint64_t page; // bytes of a huge page, 0: normal pages
	bool mirrored; // guest NUMA nodes
};

static uint64_t largest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

// The one host node of a vCPU's CPUs, or -1.
static int vcpu_node(const struct argv_build *b, int vcpu)
{
	int node = -1;

	CPUSET_FOREACH(id, &b->placement->vcpus[vcpu].cpus) {
		const struct cpu *cpu = cpu_facts_find(&b->facts->cpus, id);

		if (!cpu || (node >= 0 && cpu->node != node))
			return -1;
		node = cpu->node;
	}
	return node;
}

// The host nodes of all vCPUs; empty unless each vCPU is on one.
static struct cpuset vcpu_nodes(const struct argv_build *b)
{
	struct cpuset nodes = { { 0 } };

	for (int i = 0; i < b->placement->n_vcpus; i++) {
		int node = vcpu_node(b, i);

		if (node < 0)
			return (struct cpuset){ { 0 } };
		cpuset_add(&nodes, node);
	}
	return nodes;
}

static void check_nodes(struct argv_build *b, const struct cpuset *nodes)
{
	const struct memory_facts *memory = &b->facts->memory;
	AUTO_STR struct str there = { 0 };

	for (size_t i = 0; i < memory->n_nodes; i++) {
		if (memory->nodes[i].bytes)
			str_addf(&there, "%s%d", there.len ? "," : "", memory->nodes[i].node);
	}
	CPUSET_FOREACH(node, nodes) {
		const struct memory_node *fact = memory_facts_find(memory, node);

		if (!fact || !fact->bytes)
			diag_hint(argv_host_error(b, "node-unknown", "memory", "nodes",
						  "host node %d %s", node,
						  fact ? "has no memory" : "is not there"),
				  "nodes with memory: %s", str_text(&there));
	}
}

// Where the guest's memory shall lie. Empty: wherever the kernel puts it.
static struct cpuset choose_nodes(struct argv_build *b)
{
	const struct nodes_request *request = &b->profile->memory.nodes;

	if (request->mode == CPUS_LIST) {
		check_nodes(b, &request->nodes);
		return request->nodes;
	}
	// On a host with one node there is nothing to bind to, and a container may forbid mbind(2).
	if (request->mode == CPUS_NONE || b->facts->memory.n_nodes < 2)
		return (struct cpuset){ { 0 } };
	return b->placement->nodes;
}

// Guest nodes mirror the host's where every vCPU has its node and the memory lies on the same ones.
static void lay_out(struct argv_build *b, struct layout *layout)
{
	struct cpuset nodes = choose_nodes(b), cpus = vcpu_nodes(b);
	int count = cpuset_count(&nodes);

	if (count < 2 || !cpuset_equal(&nodes, &cpus)) {
		*MEM_PUSH(layout->shares, layout->count) = (struct share){
			.bytes = b->profile->vm.memory, .nodes = nodes, .node = -1
		};
		if (count && !cpuset_contains(&nodes, &cpus))
			argv_warn(b, "memory-far", "memory", "nodes",
				  "vCPUs are pinned to other host nodes than their memory is on");
		return;
	}
	layout->mirrored = true;
	CPUSET_FOREACH(node, &nodes) {
		struct share *share = MEM_PUSH(layout->shares, layout->count);

		share->node = node;
		cpuset_add(&share->nodes, node);
	}
}

// Splits evenly in whole pages; the first nodes get one more.
static void split(struct layout *layout, uint64_t bytes, uint64_t page)
{
	uint64_t unit = largest(page, MIB), units = bytes / unit;

	for (size_t i = 0; i < layout->count; i++)
		layout->shares[i].bytes =
			(units / layout->count + (i < units % layout->count)) * unit;
}

static bool fits(const struct layout *layout, uint64_t bytes, uint64_t page)
{
	return bytes % page == 0 && bytes / page >= layout->count;
}

// Free huge pages that a share may use.
static uint64_t free_pages(const struct memory_facts *memory, const struct cpuset *nodes,
			   uint64_t page)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < memory->n_pools; i++) {
		const struct hugepage_pool *pool = &memory->pools[i];

		if (pool->size == page && (cpuset_is_empty(nodes) || cpuset_has(nodes, pool->node)))
			pages += pool->free;
	}
	return pages;
}

static uint64_t all_pages(const struct memory_facts *memory, uint64_t page)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < memory->n_pools; i++)
		pages += memory->pools[i].size == page ? memory->pools[i].total : 0;
	return pages;
}

// The first share that the pools cannot hold, or NULL.
static const struct share *first_lacking(const struct argv_build *b, const struct layout *layout,
					 uint64_t page)
{
	for (size_t i = 0; i < layout->count; i++) {
		const struct share *share = &layout->shares[i];

		if (free_pages(&b->facts->memory, &share->nodes, page) < share->bytes / page)
			return share;
	}
	return NULL;
}

static const char *page_name(uint64_t page)
{
	return page == GIB ? "1G" : "2M";
}

static void report_lacking(struct argv_build *b, const struct share *share, uint64_t page)
{
	const struct memory_facts *memory = &b->facts->memory;
	uint64_t need = share->bytes / page, have = free_pages(memory, &share->nodes, page);
	// The kernel spreads what it is asked for over all nodes.
	uint64_t grow = (need - have) * (cpuset_is_empty(&share->nodes) ? 1 : memory->n_nodes);
	AUTO_FREE char *nodes = cpuset_text(&share->nodes);
	struct diag *diag = argv_host_error(
		b, "hugepages-short", "memory", "hugepages",
		"%" PRIu64 " free huge pages of %s are needed%s%s; %" PRIu64 " are there", need,
		page_name(page), *nodes ? " on host node " : "", nodes, have);

	if (page == GIB)
		diag_hint(diag, "boot with hugepagesz=1G hugepages=%" PRIu64 ", or hugepages = 2M",
			  all_pages(memory, page) + grow);
	else
		diag_hint(diag, "%ssysctl vm.nr_hugepages=%" PRIu64 ", early after boot",
			  b->facts->root ? "" : "run with sudo, which makes them, or ",
			  all_pages(memory, page) + grow);
}

static bool is_pool_of(const struct hugepage_pool *pool, const struct cpuset *nodes, uint64_t page)
{
	return pool->size == page && (cpuset_is_empty(nodes) || cpuset_has(nodes, pool->node));
}

// What a pool must have more, evenly spread where the share may lie on several nodes.
static void grow_pools(struct argv_build *b, const struct share *share, uint64_t page)
{
	const struct memory_facts *memory = &b->facts->memory;
	uint64_t missing = share->bytes / page - free_pages(memory, &share->nodes, page);
	uint64_t left = 0;

	for (size_t i = 0; i < memory->n_pools; i++)
		left += is_pool_of(&memory->pools[i], &share->nodes, page);
	for (size_t i = 0; i < memory->n_pools && missing; i++) {
		const struct hugepage_pool *pool = &memory->pools[i];
		uint64_t n = left ? (missing + left - 1) / left : 0;
		AUTO_FREE char *was = NULL, *want = NULL;

		if (!is_pool_of(pool, &share->nodes, page))
			continue;
		was = mem_printf("%" PRIu64, pool->total - pool->surplus);
		want = mem_printf("+%" PRIu64 "%s%s", n, b->profile->host.compact_memory ? " compact" : "",
				  b->profile->host.drop_caches ? " drop-caches" : "");
		change_add(&b->plan->changes, "pool", pool->path, was, want,
			   "%" PRIu64 " huge pages of %s more until QEMU has mapped them; the kernel "
			   "frees them when it ends",
			   n, page_name(page));
		missing -= n;
		left--;
	}
}

// What stays the host's when memory is taken for good: a sixteenth, within bounds that suit small and
// large machines, beside what the kernel keeps for itself.
static uint64_t floor_of(const struct argv_build *b)
{
	const struct memory_facts *memory = &b->facts->memory;
	uint64_t share = memory->total / 16;

	if (b->profile->memory.leave)
		return b->profile->memory.leave;
	share = share < 256 * MIB ? 256 * MIB : share > 4 * GIB ? 4 * GIB : share;
	return share + memory->min_free;
}

static bool leaves_enough(struct argv_build *b, uint64_t taken, uint64_t page)
{
	uint64_t keep = floor_of(b), available = b->facts->memory.available;
	uint64_t left = available > taken ? available - taken : 0;
	uint64_t room = available > keep ? available - keep : 0;
	uint64_t most = (b->profile->vm.memory - taken + room) / page * page;
	struct diag *diag;

	if (!available || left >= keep)
		return true;
	diag = argv_host_error(b, "hugepages-floor", "memory", "hugepages",
			       "%" PRIu64 "M more in huge pages would leave the host %" PRIu64
			       "M of the %" PRIu64 "M that are available; it keeps at least %" PRIu64 "M",
			       taken / MIB, left / MIB, available / MIB, keep / MIB);
	if (most)
		diag_hint(diag, "memory = %" PRIu64 "M, close something, or a smaller `leave` in [memory]",
			  most / MIB);
	else
		diag_hint(diag, "close something, or a smaller `leave` in [memory]");
	return false;
}

// No node can give more than it has.
static bool nodes_hold(struct argv_build *b, const struct layout *layout)
{
	for (size_t i = 0; i < layout->count; i++) {
		const struct share *share = &layout->shares[i];
		AUTO_FREE char *nodes = cpuset_text(&share->nodes);
		uint64_t bytes = 0;
		bool known = true;

		CPUSET_FOREACH(number, &share->nodes) {
			const struct memory_node *node = memory_facts_find(&b->facts->memory, number);

			known = known && node && node->sized;
			bytes += node ? node->bytes : 0;
		}
		if (!*nodes || !known || share->bytes <= bytes)
			continue;
		diag_hint(argv_host_error(b, "hugepages-node", "memory", "hugepages",
					  "%" PRIu64 "M in huge pages do not fit on host node %s, which has "
					  "%" PRIu64 "M",
					  share->bytes / MIB, nodes, bytes / MIB),
			  "less memory, or more nodes in [memory] nodes");
		return false;
	}
	return true;
}

// Huge pages that are not there yet are made, which takes root. Captured machines are planned for as root's.
static void make_pages(struct argv_build *b, const struct layout *layout, uint64_t page)
{
	uint64_t missing = 0;

	for (size_t i = 0; i < layout->count; i++) {
		uint64_t need = layout->shares[i].bytes / page;
		uint64_t have = free_pages(&b->facts->memory, &layout->shares[i].nodes, page);

		missing += need > have ? need - have : 0;
	}
	if (!leaves_enough(b, missing * page, page) || !nodes_hold(b, layout))
		return;
	for (size_t i = 0; i < layout->count; i++) {
		const struct share *share = &layout->shares[i];

		if (share->bytes / page > free_pages(&b->facts->memory, &share->nodes, page))
			grow_pools(b, share, page);
	}
	mem_set(&b->plan->memory_why, "as asked; those that are missing are made for this guest");
}

static bool has_pools(const struct argv_build *b, const struct layout *layout, uint64_t page)
{
	for (size_t i = 0; i < layout->count; i++) {
		bool found = false;

		for (size_t k = 0; k < b->facts->memory.n_pools; k++)
			found |= is_pool_of(&b->facts->memory.pools[k], &layout->shares[i].nodes, page);
		if (!found)
			return false;
	}
	return true;
}

static void choose_explicit(struct argv_build *b, struct layout *layout, uint64_t page)
{
	uint64_t bytes = b->profile->vm.memory;
	const struct share *lacking;

	layout->page = page;
	split(layout, bytes, page);
	b->plan->memory_why = mem_dup("as asked");
	if (!fits(layout, bytes, page)) {
		diag_hint(argv_error(b, "memory-pages", "vm", "memory",
				     "memory is not a whole number of %s pages%s",
				     page_name(page),
				     layout->count > 1 ? ", at least one for each node" : ""),
			  "memory = %" PRIu64 "M",
			  largest(bytes / page + 1, layout->count) * (page / MIB));
		return;
	}
	lacking = first_lacking(b, layout, page);
	if (lacking && b->facts->root && has_pools(b, layout, page))
		make_pages(b, layout, page);
	else if (lacking)
		report_lacking(b, lacking, page);
}

// QEMU asks for transparent huge pages itself (MADV_HUGEPAGE: ram_block_add, softmmu/physmem.c, 7.2); a
// memfd gets them by another setting.
static const char *transparent(const struct argv_build *b)
{
	const char *thp = b->facts->memory.thp;

	if (b->needs_shared_memory || !*thp || str_eq(thp, "never"))
		return "";
	return "; the kernel makes transparent huge ones of them where it can";
}

static char *normal_why(const struct argv_build *b, const struct layout *layout)
{
	const struct share *share = &layout->shares[0];
	uint64_t page = 2 * MIB, have = free_pages(&b->facts->memory, &share->nodes, page);

	if (!all_pages(&b->facts->memory, page) && !all_pages(&b->facts->memory, GIB))
		return mem_printf("normal pages, for no huge ones are set aside%s", transparent(b));
	return mem_printf("normal pages: of huge ones %" PRIu64 " of 2M would have to be free%s, %" PRIu64
			  " are%s",
			  b->profile->vm.memory / page,
			  cpuset_is_empty(&share->nodes) ? "" : " on these nodes", have, transparent(b));
}

// Takes huge pages only where the pools have them free already.
static void choose_auto(struct argv_build *b, struct layout *layout)
{
	static const uint64_t pages[] = { GIB, 2 * MIB };
	uint64_t bytes = b->profile->vm.memory;

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		split(layout, bytes, pages[i]);
		if (!fits(layout, bytes, pages[i]) || first_lacking(b, layout, pages[i]))
			continue;
		layout->page = pages[i];
		b->plan->memory_why = mem_dup("enough of them are free");
		return;
	}
	split(layout, bytes, 0);
	b->plan->memory_why = normal_why(b, layout);
}

static void choose_pages(struct argv_build *b, struct layout *layout)
{
	switch (b->profile->memory.hugepages) {
	case HUGEPAGES_AUTO:
		choose_auto(b, layout);
		break;
	case HUGEPAGES_NONE:
		split(layout, b->profile->vm.memory, 0);
		b->plan->memory_why = mem_printf("normal pages as asked%s", transparent(b));
		break;
	case HUGEPAGES_2M:
		choose_explicit(b, layout, 2 * MIB);
		break;
	case HUGEPAGES_1G:
		choose_explicit(b, layout, GIB);
		break;
	}
}

static void check_size(struct argv_build *b, const struct layout *layout)
{
	const struct memory_facts *memory = &b->facts->memory;
	uint64_t bytes = b->profile->vm.memory;

	if (memory->total && bytes > memory->total)
		diag_hint(argv_host_error(b, "memory-total", "vm", "memory",
					  "memory is %" PRIu64 "M; this host has %" PRIu64 "M",
					  bytes / MIB, memory->total / MIB),
			  "leave the host at least 1G");
	else if (!layout->page && memory->available && bytes > memory->available)
		diag_hint(argv_warn(b, "memory-available", "vm", "memory",
				    "memory is %" PRIu64 "M; only %" PRIu64 "M are available now",
				    bytes / MIB, memory->available / MIB),
			  "close something, or the host will swap");
}

// What the host does to memory behind a guest's back.
static void check_pressure(struct argv_build *b, const struct layout *layout)
{
	const struct memory_facts *memory = &b->facts->memory;
	bool realtime = b->profile->cpu.scheduler.set &&
			b->profile->cpu.scheduler.sched.class != SCHED_CLASS_OTHER;

	if (memory->ksm && !layout->page)
		diag_hint(argv_warn(b, "memory-ksm", "memory", "hugepages",
				    "the host merges pages that are alike (KSM): the guest waits when it "
				    "writes to one of them, and others can find out what it holds"),
			  "systemctl stop ksm ksmtuned, or hugepages = 2M, which are never merged");
	if (memory->swap && realtime && !layout->page && b->profile->memory.lock != TRI_YES)
		diag_hint(argv_warn(b, "memory-swap", "memory", "lock",
				    "the host has swap space, and a real-time vCPU waits for what was "
				    "swapped out like any other"),
			  "lock = yes in [memory], or hugepages = 2M");
	if (memory->zfs && b->profile->host.compact_memory)
		diag_hint(argv_warn(b, "compact-zfs", "host", "compact_memory",
				    "this host uses ZFS, where compacting memory can take very long"),
			  "leave compact_memory out, and start the guest soon after boot");
}

// CPUs that may touch a share's memory first: near to it, and none that another guest's vCPUs run on. The
// emulator's are always among them, so that whatever confines QEMU to them leaves some.
static struct cpuset toucher_cpus(const struct argv_build *b, const struct share *share)
{
	struct cpuset cpus = b->facts->cpus.allowed;

	for (size_t i = 0; i < b->facts->cpus.count; i++) {
		const struct cpu *cpu = &b->facts->cpus.cpus[i];

		if (!cpuset_is_empty(&share->nodes) && !cpuset_has(&share->nodes, cpu->node))
			cpuset_remove(&cpus, cpu->id);
	}
	cpuset_minus(&cpus, &b->facts->others);
	cpuset_or(&cpus, &b->placement->emulator);
	return cpus;
}

// Touching memory is done in parallel, by near CPUs. Without a thread context the threads for it would be those
// CPUs' that the plan has, and as many as there are vCPUs (QEMU 7.2, qapi/qom.json, ThreadContextProperties).
static void add_touchers(struct argv_build *b, const struct share *share, size_t i, struct str *out)
{
	enum { MOST = 16 }; // as QEMU's own limit, MAX_MEM_PREALLOC_THREAD_COUNT (util/oslib-posix.c, 7.2)
	struct cpuset cpus = toucher_cpus(b, share);
	AUTO_FREE char *list = cpuset_text(&cpus);
	AUTO_STRV struct strv ranges = { 0 };
	AUTO_STR struct str context = { 0 };
	int threads = cpuset_count(&cpus);

	if (!qemu_caps_has(&b->facts->qemu, "object/thread-context") ||
	    cpuset_is_empty(&b->placement->emulator) || threads < 2)
		return;
	str_addf(&context, "thread-context,id=touch%zu", i);
	strv_split(&ranges, list, ",");
	for (size_t n = 0; n < ranges.count; n++)
		str_addf(&context, ",cpu-affinity=%s", ranges.items[n]);
	argv_add(b, "-object", "%s", str_text(&context));
	str_addf(out, ",prealloc-threads=%d,prealloc-context=touch%zu", threads < MOST ? threads : MOST, i);
}

// Anonymous memory gets transparent huge pages, a memfd hardly ever: it is for hugetlb and sharing
// only.
static void add_backend(struct argv_build *b, const struct layout *layout, size_t i)
{
	const struct share *share = &layout->shares[i];
	bool memfd = layout->page || b->needs_shared_memory;
	enum tri prealloc = b->profile->memory.prealloc;
	AUTO_STR struct str out = { 0 };

	str_addf(&out, "memory-backend-%s,id=ram%zu,size=%" PRIu64 "M", memfd ? "memfd" : "ram", i,
		 share->bytes / MIB);
	if (layout->page)
		str_addf(&out, ",hugetlb=on,hugetlbsize=%s", page_name(layout->page));
	// A memfd is shared unless told otherwise.
	if (memfd)
		str_addf(&out, ",share=%s", b->needs_shared_memory ? "on" : "off");
	if (prealloc == TRI_YES || (prealloc == TRI_AUTO && layout->page)) {
		str_add(&out, ",prealloc=on");
		add_touchers(b, share, i, &out);
	}
	// A list property: one host-nodes= a range.
	if (!cpuset_is_empty(&share->nodes)) {
		AUTO_FREE char *list = cpuset_text(&share->nodes);
		AUTO_STRV struct strv ranges = { 0 };

		strv_split(&ranges, list, ",");
		for (size_t n = 0; n < ranges.count; n++)
			str_addf(&out, ",host-nodes=%s", ranges.items[n]);
		str_add(&out, ",policy=bind");
	}
	argv_add(b, "-object", "%s", str_text(&out));
}

static void add_guest_node(struct argv_build *b, const struct layout *layout, size_t i)
{
	AUTO_STR struct str cpus = { 0 };

	for (int vcpu = 0; vcpu < b->placement->n_vcpus; vcpu++) {
		if (vcpu_node(b, vcpu) == layout->shares[i].node)
			str_addf(&cpus, ",cpus=%d", vcpu);
	}
	argv_add(b, "-numa", "node,nodeid=%zu,memdev=ram%zu%s", i, i, str_text(&cpus));
}

// The kernel's distance between two host nodes; 0: unknown.
static int distance(const struct memory_facts *memory, int from, int to)
{
	const struct memory_node *node = memory_facts_find(memory, from);

	for (size_t i = 0; node && i < memory->n_nodes && i < node->n_distances; i++) {
		if (memory->nodes[i].node == to)
			return node->distances[i];
	}
	return 0;
}

// All or none: QEMU fills gaps by symmetry, which the host may not have. It takes 11-254 between
// nodes.
static void add_distances(struct argv_build *b, const struct layout *layout)
{
	const struct memory_facts *memory = &b->facts->memory;

	for (size_t i = 0; i < layout->count * layout->count; i++) {
		int from = layout->shares[i / layout->count].node,
		    to = layout->shares[i % layout->count].node;
		int value = distance(memory, from, to);

		if (from != to && (value <= 10 || value >= 255))
			return;
	}
	for (size_t from = 0; from < layout->count; from++) {
		for (size_t to = 0; to < layout->count; to++) {
			if (from != to)
				argv_add(b, "-numa", "dist,src=%zu,dst=%zu,val=%d", from, to,
					 distance(memory, layout->shares[from].node,
						  layout->shares[to].node));
		}
	}
}

// mlockall(2) counts all that QEMU maps, not only the guest's memory: 1 GiB beside it for a user,
// who can't go beyond the hard limit; no limit where we are root.
static void add_lock(struct argv_build *b)
{
	const struct facts *facts = b->facts;
	uint64_t need = b->profile->vm.memory + GIB;

	if (b->profile->memory.lock != TRI_YES)
		return;
	// one option for both: until QEMU 9.1 a second -overcommit takes back what the first one said
	argv_add(b, "-overcommit", "mem-lock=on%s", b->profile->host.cpu_pm ? ",cpu-pm=on" : "");
	b->plan->memlock = facts->root ? UINT64_MAX : largest(b->plan->memlock, need);
	if (facts->live && !facts->root && facts->memlock_hard < need)
		diag_hint(argv_host_error(b, "memlock", "memory", "lock",
					  "lock = yes needs a memlock limit of %" PRIu64
					  "M; yours is %" PRIu64 "M",
					  need / MIB, facts->memlock_hard / MIB),
			  "raise memlock in limits.d (hard, in KiB: %" PRIu64 "), or run as root",
			  need / 1024);
}

static void record(struct argv_build *b, const struct layout *layout)
{
	struct cpuset nodes = { { 0 } };

	for (size_t i = 0; i < layout->count; i++)
		cpuset_or(&nodes, &layout->shares[i].nodes);
	b->plan->memory_bytes = b->profile->vm.memory;
	b->plan->hugepage = layout->page;
	b->plan->memory_nodes = cpuset_text(&nodes);
}

void argv_memory(struct argv_build *b)
{
	struct layout layout = { 0 };

	lay_out(b, &layout);
	choose_pages(b, &layout);
	check_size(b, &layout);
	check_pressure(b, &layout);
	argv_add(b, "-m", "size=%" PRIu64 "M", b->profile->vm.memory / MIB);
	for (size_t i = 0; i < layout.count; i++) {
		add_backend(b, &layout, i);
		if (layout.mirrored)
			add_guest_node(b, &layout, i);
	}
	if (layout.mirrored)
		add_distances(b, &layout);
	else
		argv_add(b, "-machine", "memory-backend=ram0");
	add_lock(b);
	record(b, &layout);
	free(layout.shares);
}
