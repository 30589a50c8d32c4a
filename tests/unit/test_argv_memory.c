// SPDX-License-Identifier: MIT
#include "tests/unit/argv_fixture.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static void add_pool(struct argv_fixture *fx, int node, uint64_t size, uint64_t total,
		     uint64_t free)
{
	*MEM_PUSH(fx->facts.memory.pools, fx->facts.memory.n_pools) =
		(struct hugepage_pool){ .node = node, .size = size, .total = total, .free = free };
}

static void set_nodes(struct argv_fixture *fx, const char *list)
{
	fx->profile.memory.nodes.mode = CPUS_LIST;
	assert_true(cpuset_parse_list(&fx->profile.memory.nodes.nodes, list));
}

static const char *backend(const struct argv_fixture *fx, int n)
{
	return argv_fixture_value(fx, "-object", n);
}

static void test_plain_memory_is_anonymous(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_make(fx);
	assert_string_equal(backend(fx, 0), "memory-backend-ram,id=ram0,size=64M");
	assert_true(argv_fixture_has(fx, "-machine", "memory-backend=ram0"));
	assert_true(argv_fixture_has(fx, "-m", "size=64M"));
	assert_null(argv_fixture_value(fx, "-numa", 0));
	assert_int_equal(fx->plan.memory_bytes, 64 * MIB);
	assert_int_equal(fx->plan.hugepage, 0);
	assert_int_equal(fx->plan.memlock, 0);
	assert_string_equal(fx->plan.memory_nodes, "");
}

static void test_sharing_needs_a_memfd(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.memory.share = TRI_YES;
	argv_fixture_make(fx);
	assert_string_equal(backend(fx, 0), "memory-backend-memfd,id=ram0,size=64M,share=on");
}

static void test_free_huge_pages_are_taken(void **state)
{
	struct argv_fixture *fx = *state;

	add_pool(fx, 0, 2 * MIB, 40, 32);
	argv_fixture_make(fx);
	assert_string_equal(backend(fx, 0),
			    "memory-backend-memfd,id=ram0,size=64M,hugetlb=on,hugetlbsize=2M,"
			    "share=off,prealloc=on");
	assert_int_equal(fx->plan.hugepage, 2 * MIB);
	fx->facts.memory.pools[0].free = 31;
	argv_fixture_make(fx);
	assert_string_equal(backend(fx, 0), "memory-backend-ram,id=ram0,size=64M");
	assert_non_null(strstr(fx->plan.memory_why, "32 of 2M would have to be free, 31 are"));
	assert_int_equal(fx->diags.count, 0);
}

static void test_larger_pages_first_where_they_fit(void **state)
{
	struct argv_fixture *fx = *state;

	add_pool(fx, 0, 2 * MIB, 1024, 1024);
	add_pool(fx, 0, GIB, 1, 1);
	fx->profile.vm.memory = GIB;
	argv_fixture_make(fx);
	assert_int_equal(fx->plan.hugepage, GIB);
	fx->profile.vm.memory = GIB - 2 * MIB;
	argv_fixture_make(fx);
	assert_int_equal(fx->plan.hugepage, 2 * MIB);
}

static void test_none_means_none(void **state)
{
	struct argv_fixture *fx = *state;

	add_pool(fx, 0, 2 * MIB, 40, 40);
	fx->profile.memory.hugepages = HUGEPAGES_NONE;
	argv_fixture_make(fx);
	assert_int_equal(fx->plan.hugepage, 0);
}

static void test_too_small_a_pool_names_the_numbers(void **state)
{
	struct argv_fixture *fx = *state;
	const struct diag *diag;

	add_pool(fx, 0, 2 * MIB, 20, 12);
	fx->profile.memory.hugepages = HUGEPAGES_2M;
	argv_fixture_make(fx);
	diag = argv_fixture_diag(fx, "hugepages-short");
	assert_int_equal(diag->level, DIAG_HOST_ERROR);
	assert_non_null(strstr(diag->text, "32 free huge pages of 2M are needed; 12 are there"));
	assert_non_null(strstr(diag->hint, "vm.nr_hugepages=40"));
}

static void test_no_pool_at_all(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.vm.memory = GIB;
	fx->profile.memory.hugepages = HUGEPAGES_1G;
	argv_fixture_make(fx);
	assert_non_null(strstr(argv_fixture_diag(fx, "hugepages-short")->hint,
			       "hugepagesz=1G hugepages=1"));
}

static void assert_growth(const struct argv_fixture *fx, size_t n, const char *was, const char *want)
{
	const struct change *change = &fx->plan.changes.items[n];

	assert_true(n < fx->plan.changes.count);
	assert_string_equal(change->kind, "pool");
	assert_string_equal(change->was, was);
	assert_string_equal(change->want, want);
}

static void test_root_makes_what_is_missing(void **state)
{
	struct argv_fixture *fx = *state;

	add_pool(fx, 0, 2 * MIB, 20, 12);
	fx->facts.memory.pools[0].surplus = 5;
	fx->facts.root = true;
	fx->profile.memory.hugepages = HUGEPAGES_2M;
	argv_fixture_make(fx);
	assert_int_equal(fx->diags.count, 0);
	assert_int_equal(fx->plan.changes.count, 1);
	assert_growth(fx, 0, "15", "+20");
	assert_non_null(strstr(backend(fx, 0), "hugetlb=on"));
	fx->profile.host.compact_memory = fx->profile.host.drop_caches = true;
	argv_fixture_make(fx);
	assert_growth(fx, 0, "15", "+20 compact drop-caches");
	fx->facts.memory.pools[0].free = 32;
	argv_fixture_make(fx);
	assert_int_equal(fx->plan.changes.count, 0);
	fx->profile.memory.hugepages = HUGEPAGES_1G;
	fx->profile.vm.memory = GIB;
	argv_fixture_make(fx);
	assert_non_null(strstr(argv_fixture_diag(fx, "hugepages-short")->hint, "hugepages = 2M"));
}

static void test_growth_is_each_nodes_own(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_set_nodes(fx, 2);
	argv_fixture_place(fx, 2, 1, 1, (int[]){ 0, 2 });
	add_pool(fx, 0, 2 * MIB, 0, 0);
	add_pool(fx, 1, 2 * MIB, 10, 10);
	fx->facts.root = true;
	fx->profile.memory.hugepages = HUGEPAGES_2M;
	argv_fixture_make(fx);
	assert_int_equal(fx->plan.changes.count, 2);
	assert_growth(fx, 0, "0", "+16");
	assert_growth(fx, 1, "10", "+6");
}

static void test_growth_of_unbound_memory_is_spread(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_set_nodes(fx, 2);
	add_pool(fx, 0, 2 * MIB, 1, 1);
	add_pool(fx, 1, 2 * MIB, 0, 0);
	fx->facts.root = true;
	fx->profile.memory.hugepages = HUGEPAGES_2M;
	argv_fixture_make(fx);
	assert_growth(fx, 0, "1", "+16");
	assert_growth(fx, 1, "0", "+15");
}

static void test_growth_leaves_the_host_some(void **state)
{
	struct argv_fixture *fx = *state;
	const struct diag *diag;

	add_pool(fx, 0, 2 * MIB, 0, 0);
	fx->facts.root = true;
	fx->facts.memory.total = GIB;
	fx->facts.memory.available = 310 * MIB;
	fx->facts.memory.min_free = 4 * MIB;
	fx->profile.memory.hugepages = HUGEPAGES_2M;
	argv_fixture_make(fx);
	diag = argv_fixture_diag(fx, "hugepages-floor");
	assert_int_equal(diag->level, DIAG_HOST_ERROR);
	assert_non_null(strstr(diag->text, "64M more in huge pages would leave the host 246M of the 310M"));
	assert_non_null(strstr(diag->text, "keeps at least 260M"));
	assert_non_null(strstr(diag->hint, "memory = 50M"));
	fx->profile.memory.leave = 246 * MIB;
	argv_fixture_make(fx);
	assert_int_equal(fx->diags.count, 0);
}

static void test_nodes_give_no_more_than_they_have(void **state)
{
	struct argv_fixture *fx = *state;
	const struct diag *diag;

	argv_fixture_set_nodes(fx, 2);
	add_pool(fx, 0, 2 * MIB, 0, 0);
	add_pool(fx, 1, 2 * MIB, 0, 0);
	fx->facts.memory.nodes[0].sized = fx->facts.memory.nodes[1].sized = true;
	fx->facts.memory.total = fx->facts.memory.available = 4 * GIB;
	fx->facts.root = true;
	fx->profile.memory.hugepages = HUGEPAGES_2M;
	fx->profile.vm.memory = GIB + 2 * MIB;
	set_nodes(fx, "1");
	argv_fixture_make(fx);
	diag = argv_fixture_diag(fx, "hugepages-node");
	assert_int_equal(diag->level, DIAG_HOST_ERROR);
	assert_non_null(strstr(diag->text, "1026M in huge pages do not fit on host node 1, which has 1024M"));
	assert_int_equal(fx->plan.changes.count, 0);
	set_nodes(fx, "0-1");
	argv_fixture_make(fx);
	assert_int_equal(fx->diags.count, 0);
}

static void test_memory_under_pressure_is_told(void **state)
{
	struct argv_fixture *fx = *state;

	fx->facts.memory.ksm = fx->facts.memory.zfs = true;
	fx->facts.memory.swap = GIB;
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "memory-ksm"));
	assert_null(argv_fixture_diag(fx, "memory-swap"));
	assert_null(argv_fixture_diag(fx, "compact-zfs"));
	fx->profile.cpu.scheduler = (struct sched_request){ true, { SCHED_CLASS_FIFO, 1 } };
	fx->profile.host.compact_memory = true;
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "memory-swap"));
	assert_non_null(argv_fixture_diag(fx, "compact-zfs"));
	add_pool(fx, 0, 2 * MIB, 40, 40);
	argv_fixture_make(fx);
	assert_null(argv_fixture_diag(fx, "memory-ksm"));
	assert_null(argv_fixture_diag(fx, "memory-swap"));
}

static void test_memory_is_touched_by_near_cpus(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_set_nodes(fx, 2);
	argv_fixture_place(fx, 1, 2, 1, (int[]){ 2, 3 });
	fx->profile.memory.prealloc = TRI_YES;
	cpuset_add(&fx->placement.emulator, 0);
	assert_true(cpuset_parse_list(&fx->facts.cpus.allowed, "0-3"));
	argv_fixture_make(fx);
	assert_string_equal(backend(fx, 0), "thread-context,id=touch0,cpu-affinity=0,cpu-affinity=2-3");
	assert_non_null(strstr(backend(fx, 1), ",prealloc=on,prealloc-threads=3,prealloc-context=touch0"));
	cpuset_add(&fx->facts.others, 2);
	argv_fixture_make(fx);
	assert_string_equal(backend(fx, 0), "thread-context,id=touch0,cpu-affinity=0,cpu-affinity=3");
	argv_fixture_add_caps(fx, "object/memory-backend-ram");
	argv_fixture_make(fx);
	assert_null(strstr(backend(fx, 0), "prealloc-context"));
}

static void test_memory_in_whole_pages(void **state)
{
	struct argv_fixture *fx = *state;
	const struct diag *diag;

	add_pool(fx, 0, GIB, 8, 8);
	fx->profile.vm.memory = GIB + 512 * MIB;
	fx->profile.memory.hugepages = HUGEPAGES_1G;
	argv_fixture_make(fx);
	diag = argv_fixture_diag(fx, "memory-pages");
	assert_int_equal(diag->level, DIAG_ERROR);
	assert_string_equal(diag->hint, "memory = 2048M");
}

static void test_prealloc_as_asked(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.memory.prealloc = TRI_YES;
	argv_fixture_make(fx);
	assert_string_equal(backend(fx, 0), "memory-backend-ram,id=ram0,size=64M,prealloc=on");
	add_pool(fx, 0, 2 * MIB, 40, 40);
	fx->profile.memory.prealloc = TRI_NO;
	argv_fixture_make(fx);
	assert_null(strstr(backend(fx, 0), "prealloc"));
}

static void test_only_pools_of_the_nodes_count(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_set_nodes(fx, 2);
	add_pool(fx, 0, 2 * MIB, 0, 0);
	add_pool(fx, 1, 2 * MIB, 32, 32);
	fx->profile.memory.hugepages = HUGEPAGES_2M;
	set_nodes(fx, "0");
	argv_fixture_make(fx);
	assert_non_null(strstr(argv_fixture_diag(fx, "hugepages-short")->text,
			       "on host node 0; 0 are there"));
	// The sysctl spreads over both nodes.
	assert_non_null(
		strstr(argv_fixture_diag(fx, "hugepages-short")->hint, "vm.nr_hugepages=96"));
	set_nodes(fx, "1");
	argv_fixture_make(fx);
	assert_int_equal(fx->diags.count, 0);
	assert_non_null(strstr(backend(fx, 0), ",host-nodes=1,policy=bind"));
	assert_string_equal(fx->plan.memory_nodes, "1");
}

static void test_memory_follows_the_pins(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_set_nodes(fx, 2);
	argv_fixture_place(fx, 1, 2, 1, (int[]){ 2, 3 });
	argv_fixture_make(fx);
	assert_string_equal(backend(fx, 0),
			    "memory-backend-ram,id=ram0,size=64M,host-nodes=1,policy=bind");
	assert_null(argv_fixture_value(fx, "-numa", 0));
	fx->profile.memory.nodes.mode = CPUS_NONE;
	argv_fixture_make(fx);
	assert_null(strstr(backend(fx, 0), "host-nodes"));
}

static void test_one_node_is_not_bound(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_place(fx, 1, 2, 1, (int[]){ 0, 1 });
	argv_fixture_make(fx);
	assert_null(strstr(backend(fx, 0), "host-nodes"));
}

static void test_guest_nodes_mirror_the_hosts(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_set_nodes(fx, 3);
	argv_fixture_place(fx, 2, 2, 1, (int[]){ 4, 0, 5, 1 });
	fx->profile.vm.memory = 65 * MIB;
	argv_fixture_make(fx);
	assert_string_equal(backend(fx, 0),
			    "memory-backend-ram,id=ram0,size=33M,host-nodes=0,policy=bind");
	assert_string_equal(backend(fx, 1),
			    "memory-backend-ram,id=ram1,size=32M,host-nodes=2,policy=bind");
	assert_true(argv_fixture_has(fx, "-numa", "node,nodeid=0,memdev=ram0,cpus=1,cpus=3"));
	assert_true(argv_fixture_has(fx, "-numa", "node,nodeid=1,memdev=ram1,cpus=0,cpus=2"));
	assert_true(argv_fixture_has(fx, "-numa", "dist,src=0,dst=1,val=20"));
	assert_true(argv_fixture_has(fx, "-numa", "dist,src=1,dst=0,val=20"));
	assert_false(argv_fixture_has(fx, "-machine", "memory-backend=ram0"));
	assert_string_equal(fx->plan.memory_nodes, "0,2");
}

static void test_distances_all_or_none(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_set_nodes(fx, 2);
	argv_fixture_place(fx, 2, 1, 1, (int[]){ 0, 2 });
	fx->facts.memory.nodes[1].distances[0] = 255;
	argv_fixture_make(fx);
	assert_null(argv_fixture_value(fx, "-numa", 2));
	fx->facts.memory.nodes[1].n_distances = 0;
	argv_fixture_make(fx);
	assert_null(argv_fixture_value(fx, "-numa", 2));
}

static void test_page_for_each_guest_node(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_set_nodes(fx, 2);
	argv_fixture_place(fx, 2, 1, 1, (int[]){ 0, 2 });
	add_pool(fx, 0, GIB, 4, 4);
	add_pool(fx, 1, GIB, 4, 4);
	fx->profile.vm.memory = GIB;
	argv_fixture_make(fx);
	assert_int_equal(fx->plan.hugepage, 0);
	fx->profile.memory.hugepages = HUGEPAGES_1G;
	argv_fixture_make(fx);
	assert_string_equal(argv_fixture_diag(fx, "memory-pages")->hint, "memory = 2048M");
}

static void test_memory_elsewhere_than_the_vcpus(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_set_nodes(fx, 2);
	argv_fixture_place(fx, 2, 1, 1, (int[]){ 0, 2 });
	set_nodes(fx, "0");
	argv_fixture_make(fx);
	assert_non_null(argv_fixture_diag(fx, "memory-far"));
	assert_null(argv_fixture_value(fx, "-numa", 0));
}

static void test_nodes_of_unpinned_vcpus_are_one_backend(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_set_nodes(fx, 4);
	set_nodes(fx, "0-1,3");
	argv_fixture_make(fx);
	assert_string_equal(
		backend(fx, 0),
		"memory-backend-ram,id=ram0,size=64M,host-nodes=0-1,host-nodes=3,policy=bind");
	assert_null(argv_fixture_diag(fx, "memory-far"));
}

static void test_nodes_that_are_not_there(void **state)
{
	struct argv_fixture *fx = *state;
	const struct diag *diag;

	argv_fixture_set_nodes(fx, 2);
	fx->facts.memory.nodes[1].bytes = 0;
	set_nodes(fx, "7");
	argv_fixture_make(fx);
	diag = argv_fixture_diag(fx, "node-unknown");
	assert_int_equal(diag->level, DIAG_HOST_ERROR);
	assert_string_equal(diag->hint, "nodes with memory: 0");
	set_nodes(fx, "1");
	argv_fixture_make(fx);
	assert_string_equal(argv_fixture_diag(fx, "node-unknown")->text,
			    "host node 1 has no memory");
}

static void test_more_than_the_host_has(void **state)
{
	struct argv_fixture *fx = *state;

	fx->facts.memory.available = 32 * MIB;
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "memory-available")->level, DIAG_WARNING);
	fx->profile.vm.memory = 2 * GIB;
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "memory-total")->level, DIAG_HOST_ERROR);
	fx->facts.memory.total = fx->facts.memory.available = 0;
	argv_fixture_make(fx);
	assert_int_equal(fx->diags.count + fx->plan.warnings.count, 0);
}

static void test_lock(void **state)
{
	struct argv_fixture *fx = *state;

	fx->profile.memory.lock = TRI_YES;
	fx->facts.live = true;
	fx->facts.memlock_hard = GIB;
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "memlock")->level, DIAG_HOST_ERROR);
	fx->facts.memlock_hard = GIB + 64 * MIB;
	argv_fixture_make(fx);
	assert_int_equal(fx->diags.count, 0);
	assert_true(argv_fixture_has(fx, "-overcommit", "mem-lock=on"));
	assert_int_equal(fx->plan.memlock, GIB + 64 * MIB);
	fx->facts.root = true;
	fx->facts.memlock_hard = 0;
	argv_fixture_make(fx);
	assert_int_equal(fx->diags.count, 0);
	assert_true(fx->plan.memlock == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARGV_TEST(test_plain_memory_is_anonymous),
		ARGV_TEST(test_sharing_needs_a_memfd),
		ARGV_TEST(test_free_huge_pages_are_taken),
		ARGV_TEST(test_larger_pages_first_where_they_fit),
		ARGV_TEST(test_none_means_none),
		ARGV_TEST(test_too_small_a_pool_names_the_numbers),
		ARGV_TEST(test_no_pool_at_all),
		ARGV_TEST(test_root_makes_what_is_missing),
		ARGV_TEST(test_growth_is_each_nodes_own),
		ARGV_TEST(test_growth_of_unbound_memory_is_spread),
		ARGV_TEST(test_growth_leaves_the_host_some),
		ARGV_TEST(test_nodes_give_no_more_than_they_have),
		ARGV_TEST(test_memory_under_pressure_is_told),
		ARGV_TEST(test_memory_is_touched_by_near_cpus),
		ARGV_TEST(test_memory_in_whole_pages),
		ARGV_TEST(test_prealloc_as_asked),
		ARGV_TEST(test_only_pools_of_the_nodes_count),
		ARGV_TEST(test_memory_follows_the_pins),
		ARGV_TEST(test_one_node_is_not_bound),
		ARGV_TEST(test_guest_nodes_mirror_the_hosts),
		ARGV_TEST(test_distances_all_or_none),
		ARGV_TEST(test_page_for_each_guest_node),
		ARGV_TEST(test_memory_elsewhere_than_the_vcpus),
		ARGV_TEST(test_nodes_of_unpinned_vcpus_are_one_backend),
		ARGV_TEST(test_nodes_that_are_not_there),
		ARGV_TEST(test_more_than_the_host_has),
		ARGV_TEST(test_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
