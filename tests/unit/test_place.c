// SPDX-License-Identifier: MIT
#include "tests/unit/wish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void auto_fills_whole_cores_of_one_l3(void **state)
{
	(void)state;
	wish_check(SIX_CORES, "vcpus=4", "1,7,2,8 1x1x2x2 emulator=0,3-6,9-11 nodes=0");
	wish_check(SIX_NEAR, "vcpus=4", "6,7,8,9 1x1x2x2 emulator=10-11 nodes=0");
	wish_check(TWO_CCD, "vcpus=16",
	      "8,24,9,25,10,26,11,27,12,28,13,29,14,30,15,31 1x1x8x2 emulator=0-7,16-23 nodes=0");
	wish_check("cores=8", "vcpus=4", "1,2,3,4 1x1x4x1 emulator=0,5-7 nodes=0");
}

static void auto_prefers_the_larger_cache(void **state)
{
	(void)state;
	wish_check(X3D, "vcpus=8", "1,17,2,18,3,19,4,20 1x1x4x2 emulator=0,5-7,16,21-23 nodes=0");
	wish_check("l3=2 cores=8 threads=2 far cache=32M,96M", "vcpus=8",
	      "8,24,9,25,10,26,11,27 1x1x4x2 emulator=12-15,28-31 nodes=0");
	// Core 0 is the host's: without it the large cache has no room for 16.
	wish_check(X3D, "vcpus=16",
	      "8,24,9,25,10,26,11,27,12,28,13,29,14,30,15,31 1x1x8x2 emulator=0-7,16-23 nodes=0");
}

static void auto_spreads_over_few_caches_when_it_must(void **state)
{
	(void)state;
	wish_check("l3=4 cores=2 threads=2", "vcpus=8", "4,5,6,7,8,9,10,11 1x2x2x2 emulator=0-3,12-15 nodes=0");
	wish_check("l3=4 cores=2 threads=2", "vcpus=6", "4,5,6,7,8,9 1x1x3x2 emulator=10-11 nodes=0");
	wish_check("nodes=2 cores=4", "vcpus=4", "4,5,6,7 1x1x4x1 emulator=0-3 nodes=1");
	wish_check("nodes=2 cores=4", "vcpus=6",
	      "4,5,6,7,1,2 1x1x6x1 emulator=0,3 nodes=0-1: pin-several-nodes");
}

static void auto_finds_the_nearest_nodes(void **state)
{
	(void)state;
	// One L3 of a node that is not the host's; then a whole node; then two nodes of one socket.
	wish_check(EIGHT_NODES, "vcpus=8", "4,68,5,69,6,70,7,71 1x1x4x2 emulator=0-3,64-67 nodes=0");
	wish_check(EIGHT_NODES, "vcpus=16",
	      "8,72,9,73,10,74,11,75,12,76,13,77,14,78,15,79 1x2x4x2 "
	      "emulator=0-7,16-31,64-71,80-95 nodes=1");
	wish_check(EIGHT_NODES, "vcpus=32",
	      "32,96,33,97,34,98,35,99,36,100,37,101,38,102,39,103,40,104,41,105,42,106,43,107,44,108,"
	      "45,109,46,110,47,111 1x4x4x2 emulator=48-63,112-127 nodes=4-5: pin-several-nodes");
	wish_check(DUAL_SOCKET, "vcpus=4", "24,72,25,73 1x1x2x2 emulator=26-47,74-95 nodes=1");
}

static void auto_goes_to_the_device(void **state)
{
	(void)state;
	wish_check("nodes=2 cores=4", "vcpus=2 near=0", "1,2 1x1x2x1 emulator=0,3 nodes=0");
	wish_check("nodes=2 cores=4", "vcpus=2 near=1", "4,5 1x1x2x1 emulator=6-7 nodes=1");
	wish_check("nodes=2 cores=4", "vcpus=4 near=0", "1,2,3,0 1x1x4x1 emulator=4-7 nodes=0");
	wish_check(EIGHT_NODES, "vcpus=8 near=3", "24,88,25,89,26,90,27,91 1x1x4x2 emulator=28-31,92-95 nodes=3");
	// what [memory] names and what the kernel line isolates was chosen by a person
	wish_check("nodes=2 cores=4", "vcpus=2 near=0 nodes=1", "4,5 1x1x2x1 emulator=6-7 nodes=1");
	wish_check("nodes=2 cores=4 isolated=6-7", "vcpus=2 near=0", "6,7 1x1x2x1 emulator=4-5 nodes=1");
	// another guest holds CPUs there: what is left is too little
	wish_check("nodes=2 cores=4", "vcpus=4 near=0 held=1", "4,5,6,7 1x1x4x1 emulator=0,2-3 nodes=1");
	// better far from the device than far from each other
	wish_check("sockets=2 nodes=1 cores=4", "vcpus=6 near=0",
		   "4,5,6,7,1,2 1x1x6x1 emulator=0,3 nodes=0-1: pin-several-nodes");
	wish_check(DUAL_SOCKET, "near=0", "1,49,2,50,3,51,4,52 1x1x4x2 emulator=0,5-23,48,53-71 nodes=0");
}

static void auto_heeds_the_nodes_of_the_memory(void **state)
{
	(void)state;
	wish_check("nodes=2 cores=4", "vcpus=2 nodes=0", "1,2 1x1x2x1 emulator=0,3 nodes=0");
	wish_check("nodes=2 cores=4", "vcpus=4 nodes=0", "1,2,3,0 1x1x4x1 emulator=4-7 nodes=0");
	// A node that can't hold the guest's memory comes after one that can.
	wish_check("nodes=2 cores=4 bytes=8G,1G", "vcpus=2 memory=2G", "1,2 1x1x2x1 emulator=0,3 nodes=0");
	wish_check("nodes=2 cores=4 bytes=1G", "vcpus=2 memory=2G", "4,5 1x1x2x1 emulator=6-7 nodes=1");
}

static void auto_puts_the_guest_on_performance_cores(void **state)
{
	(void)state;
	wish_check(HYBRID, "vcpus=4", "2,3,4,5 1x1x2x2 emulator=12-19 nodes=0");
	// The host has its efficiency cores: it needs no performance core.
	wish_check(HYBRID, "vcpus=12", "2,3,4,5,6,7,8,9,10,11,0,1 1x1x6x2 emulator=12-19 nodes=0");
	wish_check(HYBRID, "vcpus=14", "2,3,4,5,6,7,8,9,10,11,0,1,12,13 1x1x14x1 emulator=14-19 nodes=0: "
				  "pin-siblings pin-mixed-kinds");
	wish_check(HYBRID, "pin=2,3,12,13", "2,3,12,13 1x1x4x1 emulator=14-19 nodes=0: pin-siblings "
				       "pin-mixed-kinds");
}

static void auto_uses_isolated_cpus_first(void **state)
{
	(void)state;
	wish_check(SIX_CORES " isolated=4-5,10-11", "vcpus=4", "4,10,5,11 1x1x2x2 emulator=0-3,6-9 nodes=0");
	wish_check(SIX_CORES " isolated=4-5,10-11", "vcpus=2", "4,10 1x1x1x2 emulator=0-3,6-9 nodes=0");
	wish_check(SIX_CORES " isolated=4-5,10-11", "vcpus=6",
	      "4,10,5,11,1,7 1x1x3x2 emulator=0,2-3,6,8-9 nodes=0: pin-partly-isolated");
	// What is taken beside them is in the same L3, else on the nearest node.
	wish_check("l3=3 cores=3 isolated=6", "vcpus=2",
		   "6,7 1x1x2x1 emulator=8 nodes=0: pin-partly-isolated");
	wish_check("sockets=2 nodes=2 cores=2 isolated=2-3", "vcpus=3",
		   "2,3,1 1x1x3x1 emulator=0 nodes=0-1: pin-partly-isolated pin-several-nodes");
	// Cores that are begun are completed.
	wish_check(SIX_CORES " isolated=4-5", "vcpus=4",
	      "4,10,5,11 1x1x2x2 emulator=0-3,6-9 nodes=0: pin-partly-isolated");
	wish_check(SIX_CORES " isolated=4-5,10-11", "", "4,10,5,11 1x1x2x2 emulator=0-3,6-9 nodes=0");
}

static void auto_avoids_what_other_guests_hold(void **state)
{
	(void)state;
	wish_check(SIX_CORES, "vcpus=4 held=1-2,7-8", "3,9,4,10 1x1x2x2 emulator=0,5-6,11 nodes=0");
	wish_check(TWO_CCD, "vcpus=4 held=8-9,24-25", "1,17,2,18 1x1x2x2 emulator=0,3-7,16,19-23 nodes=0");
	wish_check("cores=4", "vcpus=3 held=1-2", "3,0,1 1x1x3x1 emulator=0-1,3 nodes=0: pin-held");
}

static void auto_leaves_core_0_unless_there_is_no_room(void **state)
{
	(void)state;
	wish_check("cores=1", "vcpus=1", "0 1x1x1x1 emulator=0 nodes=0: pin-all-cpus");
	wish_check("cores=2", "vcpus=1", "1 1x1x1x1 emulator=0 nodes=0");
	wish_check("cores=2", "vcpus=2", "1,0 1x1x2x1 emulator=0-1 nodes=0: pin-all-cpus");
	wish_check("cores=2", "vcpus=3", "-,-,- 1x1x3x1 emulator=- nodes=-: vcpus-exceed-cpus");
	wish_check("cores=2 threads=2", "vcpus=2", "2,3 1x1x1x2 emulator=0-1 nodes=0");
	wish_check("cores=2 threads=2", "vcpus=3", "2,3,0 1x1x3x1 emulator=1 nodes=0: pin-siblings pin-split-core");
	wish_check("cores=2 threads=2", "vcpus=4", "2,3,0,1 1x1x2x2 emulator=0-3 nodes=0: pin-all-cpus");
}

static void auto_counts_vcpus_where_nobody_did(void **state)
{
	(void)state;
	wish_check("cores=1", "", "0 1x1x1x1 emulator=0 nodes=0: pin-all-cpus");
	wish_check("cores=2", "", "1 1x1x1x1 emulator=0 nodes=0");
	wish_check("cores=4", "", "1,2 1x1x2x1 emulator=0,3 nodes=0");
	wish_check(SIX_CORES, "", "1,7,2,8,3,9 1x1x3x2 emulator=0,4-6,10-11 nodes=0");
	wish_check(DUAL_SOCKET, "", "24,72,25,73,26,74,27,75 1x1x4x2 emulator=28-47,76-95 nodes=1");
	wish_check(HYBRID, "", "2,3,4,5,6,7 1x1x3x2 emulator=12-19 nodes=0");
	wish_check("cores=4", "cores=3", "1,2,3 1x1x3x1 emulator=0 nodes=0");
	wish_check(SIX_CORES, "sockets=4", "1,7,2,8,3,9,4,10 4x1x1x2 emulator=0,5-6,11 nodes=0");
	wish_check("cores=4", "pin=none", "-,- 1x1x2x1 emulator=- nodes=-");
}

static void siblings_are_what_the_kernel_says(void **state)
{
	(void)state;
	wish_check("cores=4 threads=2 stride=7", "vcpus=4", "14,21,28,35 1x1x2x2 emulator=0,7,42,49 nodes=0");
}

static void offline_siblings_make_no_threads(void **state)
{
	(void)state;
	wish_check(SIX_CORES " offline=6-11", "vcpus=4", "1,2,3,4 1x1x4x1 emulator=0,5 nodes=0");
	// Whole cores come before halves.
	wish_check(SIX_CORES " offline=7-8", "vcpus=4", "3,9,4,10 1x1x2x2 emulator=0-2,5-6,11 nodes=0");
	wish_check(SIX_CORES " offline=7-10", "vcpus=4", "5,11,1,2 1x1x4x1 emulator=0,3-4,6 nodes=0: pin-siblings");
}

static void only_allowed_cpus_are_used(void **state)
{
	(void)state;
	wish_check("cores=8 allowed=4-7", "vcpus=3", "5,6,7 1x1x3x1 emulator=4 nodes=0");
	wish_check("cores=8 allowed=4-7", "vcpus=4", "5,6,7,4 1x1x4x1 emulator=4-7 nodes=0: pin-all-cpus");
	wish_check("cores=8 allowed=4-7", "vcpus=5", "-,-,-,-,- 1x1x5x1 emulator=- nodes=-: vcpus-exceed-cpus");
	wish_check(SIX_CORES " allowed=0-5", "vcpus=4", "1,2,3,4 1x1x4x1 emulator=0,5 nodes=0");
}

static void a_machine_without_caches_goes_by_nodes(void **state)
{
	(void)state;
	wish_check("nodes=2 cores=4 no-l3", "vcpus=4", "4,5,6,7 1x1x4x1 emulator=0-3 nodes=1");
	wish_check("cores=2 no-l3", "vcpus=1", "1 1x1x1x1 emulator=0 nodes=0");
}

static void odd_vcpus_get_cores_of_their_own_where_one_cache_has_them(void **state)
{
	(void)state;
	wish_check(SIX_CORES, "vcpus=1", "1 1x1x1x1 emulator=0,2-6,8-11 nodes=0");
	wish_check(SIX_CORES, "vcpus=3", "1,2,3 1x1x3x1 emulator=0,4-6,10-11 nodes=0: pin-split-core");
	wish_check(SIX_CORES, "vcpus=7",
		   "1,7,2,8,3,9,4 1x1x7x1 emulator=0,5-6,11 nodes=0: pin-siblings pin-split-core");
}

static void asked_topology_is_kept(void **state)
{
	(void)state;
	wish_check(SIX_CORES, "vcpus=4 threads=1", "1,2,3,4 1x1x4x1 emulator=0,5-6,11 nodes=0");
	wish_check(SIX_CORES, "vcpus=4 cores=4", "1,2,3,4 1x1x4x1 emulator=0,5-6,11 nodes=0");
	wish_check(SIX_CORES, "vcpus=8 threads=1",
	      "1,7,2,8,3,9,4,10 1x1x8x1 emulator=0,5-6,11 nodes=0: pin-siblings");
	wish_check(SIX_CORES, "vcpus=4 cores=2", "1,7,2,8 1x1x2x2 emulator=0,3-6,9-11 nodes=0");
	wish_check(SIX_CORES, "vcpus=4 sockets=2", "1,7,2,8 2x1x1x2 emulator=0,3-6,9-11 nodes=0");
	wish_check("cores=6", "vcpus=4 threads=2", "1,2,3,4 1x1x2x2 emulator=0,5 nodes=0: topology-threads");
	wish_check(SIX_CORES " offline=6-11", "vcpus=4 threads=2",
	      "1,2,3,4 1x1x2x2 emulator=0,5 nodes=0: topology-threads");
	wish_check(SIX_CORES, "vcpus=6 sockets=3 windows",
	      "1,7,2,8,3,9 3x1x1x2 emulator=0,4-6,10-11 nodes=0");
	wish_check(SIX_CORES, "vcpus=8 cores=2 threads=2", "1,7,2,8,3,9,4,10 2x1x2x2 emulator=0,5-6,11 nodes=0");
	wish_check(SIX_CORES, "vcpus=8 cores=2", "1,7,2,8,3,9,4,10 2x1x2x2 emulator=0,5-6,11 nodes=0");
	wish_check("l3=2 cores=4", "vcpus=6 sockets=2", "4,5,6,7,1,2 2x1x3x1 emulator=0,3 nodes=0");
}

static void a_product_that_is_not_vcpus_is_an_error(void **state)
{
	(void)state;
	wish_check("cores=8", "vcpus=4 cores=3 threads=1",
	      "1,2,3,4 1x1x4x1 emulator=0,5-7 nodes=0: topology-product");
	wish_check("cores=8", "vcpus=4 cores=3", "1,2,3,4 1x1x4x1 emulator=0,5-7 nodes=0: topology-product");
	wish_check("cores=8", "vcpus=5 threads=2", "1,2,3,4,5 1x1x5x1 emulator=0,6-7 nodes=0: topology-product");
	wish_check("cores=8", "vcpus=5 sockets=2", "1,2,3,4,5 1x1x5x1 emulator=0,6-7 nodes=0: topology-product");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_fills_whole_cores_of_one_l3),
		cmocka_unit_test(auto_prefers_the_larger_cache),
		cmocka_unit_test(auto_spreads_over_few_caches_when_it_must),
		cmocka_unit_test(auto_finds_the_nearest_nodes),
		cmocka_unit_test(auto_goes_to_the_device),
		cmocka_unit_test(auto_heeds_the_nodes_of_the_memory),
		cmocka_unit_test(auto_puts_the_guest_on_performance_cores),
		cmocka_unit_test(auto_uses_isolated_cpus_first),
		cmocka_unit_test(auto_avoids_what_other_guests_hold),
		cmocka_unit_test(auto_leaves_core_0_unless_there_is_no_room),
		cmocka_unit_test(auto_counts_vcpus_where_nobody_did),
		cmocka_unit_test(siblings_are_what_the_kernel_says),
		cmocka_unit_test(offline_siblings_make_no_threads),
		cmocka_unit_test(only_allowed_cpus_are_used),
		cmocka_unit_test(a_machine_without_caches_goes_by_nodes),
		cmocka_unit_test(odd_vcpus_get_cores_of_their_own_where_one_cache_has_them),
		cmocka_unit_test(asked_topology_is_kept),
		cmocka_unit_test(a_product_that_is_not_vcpus_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
