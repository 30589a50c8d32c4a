// SPDX-License-Identifier: MIT
#include "launcher/plan/place.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/profile.h"
#include "tests/unit/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// What a profile asks of placement, from words: vcpus= sockets= cores= threads= pin= emulator=
// iothread_pin= nodes= (lists, or none), windows; and what else place_cpus is told: iothreads= held=.
struct wish {
	struct profile profile;
	struct cpuset held;
	int iothreads;
};

static void read_set(struct cpus_request *request, const char *value)
{
	request->mode = str_eq(value, "none") ? CPUS_NONE : CPUS_LIST;
	if (request->mode == CPUS_LIST)
		assert_true(cpuset_parse_list(&request->cpus, value));
}

static void read_pin(struct pin_request *pin, const char *value)
{
	AUTO_STRV struct strv parts = { 0 };

	pin->mode = str_eq(value, "none") ? CPUS_NONE : CPUS_LIST;
	if (pin->mode == CPUS_NONE)
		return;
	strv_split(&parts, value, ",");
	for (size_t i = 0; i < parts.count; i++) {
		for (char *c = parts.items[i]; *c; c++)
			*c = *c == '+' ? ',' : *c;
		assert_true(cpuset_parse_list(MEM_PUSH(pin->vcpus, pin->count), parts.items[i]));
	}
}

static void read_wish(struct wish *wish, char *word)
{
	struct profile *profile = &wish->profile;
	char *value = strchr(word, '=');
	struct {
		const char *key;
		int *field;
	} numbers[] = {
		{ "vcpus", &profile->cpu.vcpus },     { "sockets", &profile->cpu.sockets },
		{ "cores", &profile->cpu.cores },     { "threads", &profile->cpu.threads },
		{ "iothreads", &wish->iothreads },
	};

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (str_eq(numbers[i].key, word)) {
			assert_true(str_parse_int(value, numbers[i].field));
			return;
		}
	}
	if (str_eq(word, "windows")) {
		profile->vm.os = OS_WINDOWS;
	} else if (str_eq(word, "memory")) {
		assert_true(str_parse_size(value, &profile->vm.memory));
	} else if (str_eq(word, "pin")) {
		read_pin(&profile->cpu.pin, value);
	} else if (str_eq(word, "emulator")) {
		read_set(&profile->cpu.emulator, value);
	} else if (str_eq(word, "iothread_pin")) {
		read_set(&profile->cpu.iothread_pin, value);
	} else if (str_eq(word, "nodes")) {
		profile->memory.nodes.mode = CPUS_LIST;
		assert_true(cpuset_parse_list(&profile->memory.nodes.nodes, value));
	} else if (str_eq(word, "held")) {
		assert_true(cpuset_parse_list(&wish->held, value));
	} else {
		fail_msg("no such wish: %s", word);
	}
}

static void wish_make(struct wish *wish, const char *words)
{
	AUTO_STRV struct strv list = { 0 };

	*wish = (struct wish){ 0 };
	strv_split(&list, words, " ");
	for (size_t i = 0; i < list.count; i++)
		read_wish(wish, list.items[i]);
}

static void wish_finish(struct wish *wish)
{
	free(wish->profile.cpu.pin.vcpus);
}

static void print_set(struct str *out, const struct cpuset *set, char between)
{
	AUTO_FREE char *text = cpuset_text(set);

	for (char *c = text; *c; c++)
		*c = *c == ',' ? between : *c;
	str_add(out, *text ? text : "-");
}

// "2,8,3,9 1x1x2x2 emulator=0,6 io=-;- nodes=0: code code"; the topology is sockets, dies, cores, threads.
static void print_placement(const struct placement *placement, const struct diags *diags, struct str *out)
{
	for (int i = 0; i < placement->n_vcpus; i++) {
		if (i)
			str_addc(out, ',');
		print_set(out, &placement->vcpus[i].cpus, '+');
	}
	str_addf(out, " %dx%dx%dx%d emulator=", placement->sockets, placement->dies, placement->cores,
		 placement->threads);
	print_set(out, &placement->emulator, ',');
	for (int i = 0; i < placement->n_iothreads; i++) {
		str_add(out, i ? ";" : " io=");
		print_set(out, &placement->iothreads[i], ',');
	}
	str_add(out, " nodes=");
	print_set(out, &placement->nodes, ',');
	for (size_t i = 0; i < diags->count; i++)
		str_addf(out, "%s%s", i ? " " : ": ", diags->items[i].code);
}

static void place(const char *machine_words, const char *wish_words, struct placement *placement,
		  struct diags *diags)
{
	struct machine machine;
	struct wish wish;

	machine_make(&machine, machine_words);
	wish_make(&wish, wish_words);
	place_cpus(&wish.profile, &machine.cpus, &machine.memory, &wish.held, wish.iothreads, placement,
		   diags);
	wish_finish(&wish);
	machine_finish(&machine);
}

static void check(const char *machine, const char *wish, const char *expected)
{
	struct placement placement;
	struct diags diags = { 0 };
	AUTO_STR struct str got = { 0 };

	place(machine, wish, &placement, &diags);
	print_placement(&placement, &diags, &got);
	if (!str_eq(str_text(&got), expected))
		fail_msg("%s | %s\nexpected %s\n     got %s", machine, wish, expected, str_text(&got));
	placement_finish(&placement);
	diags_finish(&diags);
}

#define SIX_CORES "cores=6 threads=2 far"
#define SIX_NEAR "l3=2 cores=3 threads=2"
#define TWO_CCD "l3=2 cores=8 threads=2 far"
#define X3D TWO_CCD " cache=96M,32M"
#define HYBRID "cores=6 threads=2 efficiency=8"
#define DUAL_SOCKET "sockets=2 cores=24 threads=2 far"
#define EIGHT_NODES "sockets=2 nodes=4 l3=2 cores=4 threads=2 far"

static void auto_fills_whole_cores_of_one_l3(void **state)
{
	(void)state;
	check(SIX_CORES, "vcpus=4", "1,7,2,8 1x1x2x2 emulator=0,3-6,9-11 nodes=0");
	check(SIX_NEAR, "vcpus=4", "6,7,8,9 1x1x2x2 emulator=10-11 nodes=0");
	check(TWO_CCD, "vcpus=16",
	      "8,24,9,25,10,26,11,27,12,28,13,29,14,30,15,31 1x1x8x2 emulator=0-7,16-23 nodes=0");
	check("cores=8", "vcpus=4", "1,2,3,4 1x1x4x1 emulator=0,5-7 nodes=0");
}

static void auto_prefers_the_larger_cache(void **state)
{
	(void)state;
	check(X3D, "vcpus=8", "1,17,2,18,3,19,4,20 1x1x4x2 emulator=0,5-7,16,21-23 nodes=0");
	check("l3=2 cores=8 threads=2 far cache=32M,96M", "vcpus=8",
	      "8,24,9,25,10,26,11,27 1x1x4x2 emulator=12-15,28-31 nodes=0");
	// Core 0 is the host's: without it the large cache has no room for 16.
	check(X3D, "vcpus=16",
	      "8,24,9,25,10,26,11,27,12,28,13,29,14,30,15,31 1x1x8x2 emulator=0-7,16-23 nodes=0");
}

static void auto_spreads_over_few_caches_when_it_must(void **state)
{
	(void)state;
	check("l3=4 cores=2 threads=2", "vcpus=8", "4,5,6,7,8,9,10,11 1x2x2x2 emulator=0-3,12-15 nodes=0");
	check("l3=4 cores=2 threads=2", "vcpus=6", "4,5,6,7,8,9 1x1x3x2 emulator=10-11 nodes=0");
	check("nodes=2 cores=4", "vcpus=4", "4,5,6,7 1x1x4x1 emulator=0-3 nodes=1");
	check("nodes=2 cores=4", "vcpus=6",
	      "4,5,6,7,1,2 1x1x6x1 emulator=0,3 nodes=0-1: pin-several-nodes");
}

static void auto_finds_the_nearest_nodes(void **state)
{
	(void)state;
	// One L3 of a node that is not the host's; then a whole node; then two nodes of one socket.
	check(EIGHT_NODES, "vcpus=8", "4,68,5,69,6,70,7,71 1x1x4x2 emulator=0-3,64-67 nodes=0");
	check(EIGHT_NODES, "vcpus=16",
	      "8,72,9,73,10,74,11,75,12,76,13,77,14,78,15,79 1x2x4x2 "
	      "emulator=0-7,16-31,64-71,80-95 nodes=1");
	check(EIGHT_NODES, "vcpus=32",
	      "32,96,33,97,34,98,35,99,36,100,37,101,38,102,39,103,40,104,41,105,42,106,43,107,44,108,"
	      "45,109,46,110,47,111 1x4x4x2 emulator=48-63,112-127 nodes=4-5: pin-several-nodes");
	check(DUAL_SOCKET, "vcpus=4", "24,72,25,73 1x1x2x2 emulator=26-47,74-95 nodes=1");
}

static void auto_heeds_the_nodes_of_the_memory(void **state)
{
	(void)state;
	check("nodes=2 cores=4", "vcpus=2 nodes=0", "1,2 1x1x2x1 emulator=0,3 nodes=0");
	check("nodes=2 cores=4", "vcpus=4 nodes=0", "1,2,3,0 1x1x4x1 emulator=4-7 nodes=0");
	check("nodes=2 cores=4 bytes=1G", "vcpus=2 memory=2G", "4,5 1x1x2x1 emulator=6-7 nodes=1");
}

static void auto_puts_the_guest_on_performance_cores(void **state)
{
	(void)state;
	check(HYBRID, "vcpus=4", "2,3,4,5 1x1x2x2 emulator=12-19 nodes=0");
	// The host has its efficiency cores: it needs no performance core.
	check(HYBRID, "vcpus=12", "2,3,4,5,6,7,8,9,10,11,0,1 1x1x6x2 emulator=12-19 nodes=0");
	check(HYBRID, "vcpus=14", "2,3,4,5,6,7,8,9,10,11,0,1,12,13 1x1x14x1 emulator=14-19 nodes=0: "
				  "pin-siblings pin-mixed-kinds");
	check(HYBRID, "pin=2,3,12,13", "2,3,12,13 1x1x4x1 emulator=14-19 nodes=0: pin-siblings "
				       "pin-mixed-kinds");
}

static void auto_uses_isolated_cpus_first(void **state)
{
	(void)state;
	check(SIX_CORES " isolated=4-5,10-11", "vcpus=4", "4,10,5,11 1x1x2x2 emulator=0-3,6-9 nodes=0");
	check(SIX_CORES " isolated=4-5,10-11", "vcpus=2", "4,10 1x1x1x2 emulator=0-3,6-9 nodes=0");
	check(SIX_CORES " isolated=4-5,10-11", "vcpus=6",
	      "4,10,5,11,1,7 1x1x3x2 emulator=0,2-3,6,8-9 nodes=0: pin-partly-isolated");
	// Cores that are begun are completed.
	check(SIX_CORES " isolated=4-5", "vcpus=4",
	      "4,10,5,11 1x1x2x2 emulator=0-3,6-9 nodes=0: pin-partly-isolated");
	check(SIX_CORES " isolated=4-5,10-11", "", "4,10,5,11 1x1x2x2 emulator=0-3,6-9 nodes=0");
}

static void auto_avoids_what_other_guests_hold(void **state)
{
	(void)state;
	check(SIX_CORES, "vcpus=4 held=1-2,7-8", "3,9,4,10 1x1x2x2 emulator=0,5-6,11 nodes=0");
	check(TWO_CCD, "vcpus=4 held=8-9,24-25", "1,17,2,18 1x1x2x2 emulator=0,3-7,16,19-23 nodes=0");
	check("cores=4", "vcpus=3 held=1-2", "3,0,1 1x1x3x1 emulator=0-1,3 nodes=0: pin-held");
}

static void auto_leaves_core_0_unless_there_is_no_room(void **state)
{
	(void)state;
	check("cores=1", "vcpus=1", "0 1x1x1x1 emulator=0 nodes=0: pin-all-cpus");
	check("cores=2", "vcpus=1", "1 1x1x1x1 emulator=0 nodes=0");
	check("cores=2", "vcpus=2", "1,0 1x1x2x1 emulator=0-1 nodes=0: pin-all-cpus");
	check("cores=2", "vcpus=3", "-,-,- 1x1x3x1 emulator=- nodes=-: vcpus-exceed-cpus");
	check("cores=2 threads=2", "vcpus=2", "2,3 1x1x1x2 emulator=0-1 nodes=0");
	check("cores=2 threads=2", "vcpus=3", "2,3,0 1x1x3x1 emulator=1 nodes=0: pin-siblings");
	check("cores=2 threads=2", "vcpus=4", "2,3,0,1 1x1x2x2 emulator=0-3 nodes=0: pin-all-cpus");
}

static void auto_counts_vcpus_where_nobody_did(void **state)
{
	(void)state;
	check("cores=1", "", "0 1x1x1x1 emulator=0 nodes=0: pin-all-cpus");
	check("cores=2", "", "1 1x1x1x1 emulator=0 nodes=0");
	check("cores=4", "", "1,2 1x1x2x1 emulator=0,3 nodes=0");
	check(SIX_CORES, "", "1,7,2,8,3,9 1x1x3x2 emulator=0,4-6,10-11 nodes=0");
	check(DUAL_SOCKET, "", "24,72,25,73,26,74,27,75 1x1x4x2 emulator=28-47,76-95 nodes=1");
	check(HYBRID, "", "2,3,4,5,6,7 1x1x3x2 emulator=12-19 nodes=0");
	check("cores=4", "cores=3", "1,2,3 1x1x3x1 emulator=0 nodes=0");
	check(SIX_CORES, "sockets=4", "1,7,2,8,3,9,4,10 4x1x1x2 emulator=0,5-6,11 nodes=0");
	check("cores=4", "pin=none", "-,- 1x1x2x1 emulator=- nodes=-");
}

static void siblings_are_what_the_kernel_says(void **state)
{
	(void)state;
	check("cores=4 threads=2 stride=7", "vcpus=4", "14,21,28,35 1x1x2x2 emulator=0,7,42,49 nodes=0");
}

static void offline_siblings_make_no_threads(void **state)
{
	(void)state;
	check(SIX_CORES " offline=6-11", "vcpus=4", "1,2,3,4 1x1x4x1 emulator=0,5 nodes=0");
	// Whole cores come before halves.
	check(SIX_CORES " offline=7-8", "vcpus=4", "3,9,4,10 1x1x2x2 emulator=0-2,5-6,11 nodes=0");
	check(SIX_CORES " offline=7-10", "vcpus=4", "5,11,1,2 1x1x4x1 emulator=0,3-4,6 nodes=0: pin-siblings");
}

static void only_allowed_cpus_are_used(void **state)
{
	(void)state;
	check("cores=8 allowed=4-7", "vcpus=3", "5,6,7 1x1x3x1 emulator=4 nodes=0");
	check("cores=8 allowed=4-7", "vcpus=4", "5,6,7,4 1x1x4x1 emulator=4-7 nodes=0: pin-all-cpus");
	check("cores=8 allowed=4-7", "vcpus=5", "-,-,-,-,- 1x1x5x1 emulator=- nodes=-: vcpus-exceed-cpus");
	check(SIX_CORES " allowed=0-5", "vcpus=4", "1,2,3,4 1x1x4x1 emulator=0,5 nodes=0");
}

static void a_machine_without_caches_goes_by_nodes(void **state)
{
	(void)state;
	check("nodes=2 cores=4 no-l3", "vcpus=4", "4,5,6,7 1x1x4x1 emulator=0-3 nodes=1");
	check("cores=2 no-l3", "vcpus=1", "1 1x1x1x1 emulator=0 nodes=0");
}

static void odd_vcpus_get_cores_of_their_own_where_one_cache_has_them(void **state)
{
	(void)state;
	check(SIX_CORES, "vcpus=1", "1 1x1x1x1 emulator=0,2-6,8-11 nodes=0");
	check(SIX_CORES, "vcpus=3", "1,2,3 1x1x3x1 emulator=0,4-6,10-11 nodes=0");
	check(SIX_CORES, "vcpus=7", "1,7,2,8,3,9,4 1x1x7x1 emulator=0,5-6,11 nodes=0: pin-siblings");
}

static void asked_topology_is_kept(void **state)
{
	(void)state;
	check(SIX_CORES, "vcpus=4 threads=1", "1,2,3,4 1x1x4x1 emulator=0,5-6,11 nodes=0");
	check(SIX_CORES, "vcpus=4 cores=4", "1,2,3,4 1x1x4x1 emulator=0,5-6,11 nodes=0");
	check(SIX_CORES, "vcpus=8 threads=1",
	      "1,7,2,8,3,9,4,10 1x1x8x1 emulator=0,5-6,11 nodes=0: pin-siblings");
	check(SIX_CORES, "vcpus=4 cores=2", "1,7,2,8 1x1x2x2 emulator=0,3-6,9-11 nodes=0");
	check(SIX_CORES, "vcpus=4 sockets=2", "1,7,2,8 2x1x1x2 emulator=0,3-6,9-11 nodes=0");
	check("cores=6", "vcpus=4 threads=2", "1,2,3,4 1x1x2x2 emulator=0,5 nodes=0: topology-threads");
	check(SIX_CORES " offline=6-11", "vcpus=4 threads=2",
	      "1,2,3,4 1x1x2x2 emulator=0,5 nodes=0: topology-threads");
	check(SIX_CORES, "vcpus=6 sockets=3 windows",
	      "1,7,2,8,3,9 3x1x1x2 emulator=0,4-6,10-11 nodes=0: windows-sockets");
	check(SIX_CORES, "vcpus=8 cores=2 threads=2", "1,7,2,8,3,9,4,10 2x1x2x2 emulator=0,5-6,11 nodes=0");
	check(SIX_CORES, "vcpus=8 cores=2", "1,7,2,8,3,9,4,10 2x1x2x2 emulator=0,5-6,11 nodes=0");
	check("l3=2 cores=4", "vcpus=6 sockets=2", "4,5,6,7,1,2 2x1x3x1 emulator=0,3 nodes=0");
}

static void a_product_that_is_not_vcpus_is_an_error(void **state)
{
	(void)state;
	check("cores=8", "vcpus=4 cores=3 threads=1",
	      "1,2,3,4 1x1x4x1 emulator=0,5-7 nodes=0: topology-product");
	check("cores=8", "vcpus=4 cores=3", "1,2,3,4 1x1x4x1 emulator=0,5-7 nodes=0: topology-product");
	check("cores=8", "vcpus=5 threads=2", "1,2,3,4,5 1x1x5x1 emulator=0,6-7 nodes=0: topology-product");
	check("cores=8", "vcpus=5 sockets=2", "1,2,3,4,5 1x1x5x1 emulator=0,6-7 nodes=0: topology-product");
}

static void a_list_keeps_its_order(void **state)
{
	(void)state;
	check(SIX_CORES, "pin=2,8,3,9", "2,8,3,9 1x1x2x2 emulator=0-1,4-7,10-11 nodes=0");
	check(SIX_CORES, "pin=9,3,8,2", "9,3,8,2 1x1x2x2 emulator=0-1,4-7,10-11 nodes=0");
	check(SIX_CORES, "pin=5,4,3", "5,4,3 1x1x3x1 emulator=0-2,6-8 nodes=0");
	check(SIX_CORES, "pin=2,3,8,9", "2,3,8,9 1x1x4x1 emulator=0-1,4-7,10-11 nodes=0: pin-siblings");
	check(SIX_CORES, "pin=2+8,3+9", "2+8,3+9 1x1x2x1 emulator=0-1,4-7,10-11 nodes=0");
	check(SIX_CORES, "pin=2+8,2+8", "2+8,2+8 1x1x1x2 emulator=0-1,3-7,9-11 nodes=0");
	check("cores=2", "pin=0,1", "0,1 1x1x2x1 emulator=0-1 nodes=0: pin-all-cpus");
}

static void a_list_that_hurts_is_warned_about(void **state)
{
	(void)state;
	check("cores=4", "pin=1,1", "1,1 1x1x2x1 emulator=0,2-3 nodes=0: pin-shared");
	check("cores=4", "pin=1,1+2", "1,1-2 1x1x2x1 emulator=0,3 nodes=0: pin-shared");
	check("nodes=2 cores=2", "pin=0,2", "0,2 1x2x1x1 emulator=1,3 nodes=0-1: pin-several-nodes");
	check(TWO_CCD, "pin=1,17,9,25",
	      "1,17,9,25 1x2x1x2 emulator=0,2-8,10-16,18-24,26-31 nodes=0: pin-several-l3");
	check("cores=4", "pin=1,2 held=2", "1,2 1x1x2x1 emulator=0,3 nodes=0: pin-held");
	check(SIX_CORES, "pin=2,8,3", "2,8,3 1x1x3x1 emulator=0-1,4-7,10-11 nodes=0: pin-siblings");
}

static void a_list_that_cannot_be_had_is_an_error(void **state)
{
	(void)state;
	check("cores=4", "pin=1,9", "-,- 1x1x2x1 emulator=- nodes=-: cpu-absent");
	check("cores=4 offline=3", "pin=1,3", "-,- 1x1x2x1 emulator=- nodes=-: cpu-offline");
	check("cores=4 allowed=0-2", "pin=1,3", "-,- 1x1x2x1 emulator=- nodes=-: cpu-not-allowed");
	check("cores=4", "pin=1,2 vcpus=3", "-,-,- 1x1x3x1 emulator=- nodes=-: pin-count");
	check("cores=4 offline=3 allowed=0-1", "pin=8,3,2 vcpus=2",
	      "-,- 1x1x2x1 emulator=- nodes=-: pin-count cpu-absent cpu-offline cpu-not-allowed");
	check("cores=4", "vcpus=2 emulator=7 iothreads=1 iothread_pin=8",
	      "1,2 1x1x2x1 emulator=- io=- nodes=0: cpu-absent cpu-absent");
}

static void host_threads_go_where_they_are_told(void **state)
{
	(void)state;
	check(SIX_CORES, "vcpus=4 emulator=0,6", "1,7,2,8 1x1x2x2 emulator=0,6 nodes=0");
	check(SIX_CORES, "vcpus=4 emulator=none", "1,7,2,8 1x1x2x2 emulator=- nodes=0");
	check(SIX_CORES, "vcpus=4 emulator=0-1",
	      "1,7,2,8 1x1x2x2 emulator=0-1 nodes=0: host-threads-share");
	check("cores=4", "pin=none vcpus=2 emulator=3", "-,- 1x1x2x1 emulator=3 nodes=-");
	check(SIX_CORES, "vcpus=4 iothreads=2 iothread_pin=0,6",
	      "1,7,2,8 1x1x2x2 emulator=0,3-6,9-11 io=0,6;0,6 nodes=0");
	check(SIX_CORES, "vcpus=4 iothreads=1 iothread_pin=none",
	      "1,7,2,8 1x1x2x2 emulator=0,3-6,9-11 io=- nodes=0");
}

static void iothreads_get_cores_where_there_are_enough(void **state)
{
	(void)state;
	check(SIX_CORES, "vcpus=4 iothreads=1", "1,7,2,8 1x1x2x2 emulator=0,4-6,9-11 io=3 nodes=0");
	check(SIX_CORES, "vcpus=4 iothreads=3", "1,7,2,8 1x1x2x2 emulator=0,6,9-11 io=3;4;5 nodes=0");
	check(SIX_CORES, "vcpus=4 iothreads=4",
	      "1,7,2,8 1x1x2x2 emulator=0,3-6,9-11 io=0,3-6,9-11;0,3-6,9-11;0,3-6,9-11;0,3-6,9-11 "
	      "nodes=0");
	check(SIX_CORES, "vcpus=10 iothreads=1",
	      "1,7,2,8,3,9,4,10,5,11 1x1x5x2 emulator=0,6 io=0,6 nodes=0");
	check("cores=2", "vcpus=2 iothreads=1", "1,0 1x1x2x1 emulator=0-1 io=0-1 nodes=0: pin-all-cpus");
}

static const struct diag *find_diag(const struct diags *diags, const char *code)
{
	for (size_t i = 0; i < diags->count; i++) {
		if (str_eq(diags->items[i].code, code))
			return &diags->items[i];
	}
	return NULL;
}

static void check_diag(const char *machine, const char *wish, const char *code, enum diag_level level,
		       const char *text, const char *hint)
{
	struct placement placement;
	struct diags diags = { 0 };
	const struct diag *diag;

	place(machine, wish, &placement, &diags);
	diag = find_diag(&diags, code);
	assert_non_null(diag);
	assert_int_equal(diag->level, level);
	assert_string_equal(diag->text, text);
	assert_string_equal(diag->hint, hint);
	placement_finish(&placement);
	diags_finish(&diags);
}

static void mistakes_come_with_what_to_write(void **state)
{
	(void)state;
	check_diag("cores=4", "pin=1,9,8", "cpu-absent", DIAG_HOST_ERROR, "pin: CPUs 8-9 not on this host",
		   "pin = 1,2,3 would do here");
	check_diag("cores=4 allowed=0-2", "emulator=3", "cpu-not-allowed", DIAG_HOST_ERROR,
		   "emulator: CPU 3 not allowed by the cpuset or affinity that vfiorun was started with (it "
		   "may use 0-2)",
		   "emulator = auto, or CPUs of 0-2");
	check_diag("cores=4 offline=3", "pin=3", "cpu-offline", DIAG_HOST_ERROR, "pin: CPU 3 offline",
		   "bring it online (chcpu -e), or pin = 1 would do here");
	check_diag(SIX_CORES, "pin=2,3,8,9", "pin-siblings", DIAG_WARNING,
		   "some vCPUs sit on SMT siblings, but the guest sees each as a core of its own",
		   "pin = 2,8,3,9 with threads = 2");
	check_diag(SIX_CORES, "pin=2,8,3,9 threads=1", "pin-siblings", DIAG_WARNING,
		   "some vCPUs sit on SMT siblings, but the guest sees each as a core of its own",
		   "pin = 2,8,3,9 with threads = 2");
	check_diag(SIX_CORES, "pin=2,3,8,9 threads=2", "topology-threads", DIAG_WARNING,
		   "the guest sees vCPUs 0 to 1 as threads of one core, but their CPUs are no SMT siblings",
		   "pin = 2,8,3,9 with threads = 2");
	check_diag("cores=2", "vcpus=4", "vcpus-exceed-cpus", DIAG_WARNING,
		   "4 vCPUs are more than the 2 CPUs that may be used here: no vCPU is pinned, they take "
		   "turns",
		   "vcpus = 2 or fewer");
	check_diag(HYBRID, "vcpus=16", "pin-mixed-kinds", DIAG_WARNING,
		   "vCPUs are on performance cores, but also on the efficiency cores of CPU 12-15: the guest "
		   "takes them for equal and may put its busiest thread on a slow one",
		   "performance cores alone hold 12 vCPUs");
	check_diag("cores=8", "vcpus=4 cores=3", "topology-product", DIAG_ERROR,
		   "4 vCPUs can't be divided into sockets, cores and threads as the profile has them: these "
		   "come in steps of 3",
		   "vcpus = 6, or leave sockets, cores and threads out");
}

static void diagnostics_point_at_the_profile(void **state)
{
	static const char text[] = "[vm]\nname = a\nmemory = 1G\n[cpu]\npin = 1,9\nemulator = 8\n";
	struct profile profile = { 0 };
	struct placement placement;
	struct diags diags = { 0 };
	struct machine machine;

	(void)state;
	profile_parse(&profile, "a.conf", text, &diags);
	assert_int_equal(diags.count, 0);
	machine_make(&machine, "cores=4");
	place_cpus(&profile, &machine.cpus, &machine.memory, &(struct cpuset){ 0 }, 0, &placement, &diags);
	assert_int_equal(diags.count, 2);
	assert_string_equal(diags.items[0].file, "a.conf");
	assert_int_equal(diags.items[0].line, 5);
	assert_int_equal(diags.items[1].line, 6);
	assert_int_equal(diags_exit_status(&diags), 3);
	placement_finish(&placement);
	machine_finish(&machine);
	diags_finish(&diags);
	profile_finish(&profile);
}

static void check_whys(const char *machine, const char *wish, const char *vcpu, const char *emulator,
		       const char *topology)
{
	struct placement placement;
	struct diags diags = { 0 };

	place(machine, wish, &placement, &diags);
	assert_string_equal(placement.vcpus[placement.n_vcpus - 1].why, vcpu);
	assert_string_equal(placement.emulator_why, emulator);
	assert_string_equal(placement.topology_why, topology);
	placement_finish(&placement);
	diags_finish(&diags);
}

static void every_decision_says_why(void **state)
{
	(void)state;
	check_whys(SIX_CORES, "vcpus=10", "sibling pair 5,11 of core 5, L3 0, node 0",
		   "core 0 is left to the host",
		   "1 socket, 5 cores, 2 threads a core: the threads of each guest core sit on SMT siblings "
		   "of the host");
	check_whys(SIX_CORES, "vcpus=3", "one thread of core 3 (CPUs 3,9), L3 0, node 0",
		   "cores without a vCPU in the vCPUs' L3, left to the host",
		   "1 socket, 3 cores, 1 thread a core: no two neighbouring vCPUs are paired as siblings");
	check_whys("nodes=2 cores=2", "vcpus=2", "core 3, L3 1, node 1",
		   "cores without a vCPU in the vCPUs' socket, left to the host",
		   "1 socket, 2 cores, 1 thread a core: no two neighbouring vCPUs are paired as siblings");
	check_whys(HYBRID, "vcpus=2", "sibling pair 2-3 of core 1, L3 0, node 0, a performance core",
		   "efficiency cores in the vCPUs' L3, left to the host",
		   "1 socket, 1 core, 2 threads a core: the threads of each guest core sit on SMT siblings "
		   "of the host");
	check_whys("cores=2", "vcpus=2", "core 0, L3 0, node 0", "shares the vCPUs' CPUs: no other is left",
		   "1 socket, 2 cores, 1 thread a core: no two neighbouring vCPUs are paired as siblings");
	check_whys("cores=4 isolated=2-3", "pin=2,1+3", "as the profile says: a set of 2 CPUs among which it "
							"floats",
		   "core 0 is left to the host",
		   "1 socket, 2 cores, 1 thread a core: no two neighbouring vCPUs are paired as siblings");
	check_whys("cores=2", "pin=none vcpus=2", "the profile says pin = none",
		   "vCPUs are not pinned either",
		   "1 socket, 2 cores, 1 thread a core: vCPUs are not pinned, so none is another's sibling");
}

// Numbers that come again the same: xorshift.
static unsigned draw(uint64_t *seed, unsigned below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (unsigned)(*seed >> 33) % below;
}

static void draw_machine(uint64_t *seed, struct str *words)
{
	static const char *const extras[] = { "far", "no-l3", "cache=96M,32M,8M", "bytes=1G", "stride=3" };

	str_addf(words, "sockets=%u nodes=%u l3=%u cores=%u threads=%u", 1 + draw(seed, 2), 1 + draw(seed, 3),
		 1 + draw(seed, 3), 1 + draw(seed, 5), 1 + draw(seed, 2));
	for (size_t i = 0; i < ARRAY_SIZE(extras); i++) {
		if (draw(seed, 4) == 0)
			str_addf(words, " %s", extras[i]);
	}
	if (draw(seed, 4) == 0)
		str_addf(words, " efficiency=%u", 1 + draw(seed, 8));
	if (draw(seed, 4) == 0)
		str_addf(words, " offline=%u,%u", 1 + draw(seed, 6), 7 + draw(seed, 20));
	if (draw(seed, 4) == 0)
		str_addf(words, " isolated=%u-%u", draw(seed, 6), 6 + draw(seed, 20));
	if (draw(seed, 4) == 0)
		str_addf(words, " allowed=0-%u", 6 + draw(seed, 60));
}

static void draw_wish(uint64_t *seed, struct str *words)
{
	str_addf(words, "iothreads=%u", draw(seed, 4));
	if (draw(seed, 5))
		str_addf(words, " vcpus=%u", 1 + draw(seed, 24));
	if (draw(seed, 5) == 0)
		str_addf(words, " threads=%u", 1 + draw(seed, 2));
	if (draw(seed, 8) == 0)
		str_addf(words, " sockets=%u", 1 + draw(seed, 2));
	if (draw(seed, 5) == 0)
		str_addf(words, " held=%u-%u", draw(seed, 6), 6 + draw(seed, 20));
	if (draw(seed, 5) == 0)
		str_addf(words, " nodes=%u", draw(seed, 3));
}

static void assert_sound(const struct machine *machine, const struct wish *wish, const struct placement *p,
			 const struct diags *diags)
{
	struct cpuset taken = { 0 }, spare = machine->cpus.allowed;

	assert_int_equal(p->sockets * p->dies * p->cores * p->threads, p->n_vcpus);
	for (int i = 0; i < p->n_vcpus; i++) {
		assert_non_null(p->vcpus[i].why);
		assert_false(cpuset_meets(&taken, &p->vcpus[i].cpus));
		assert_in_range(cpuset_count(&p->vcpus[i].cpus), 0, 1);
		cpuset_or(&taken, &p->vcpus[i].cpus);
	}
	assert_true(cpuset_contains(&machine->cpus.allowed, &taken));
	assert_true(cpuset_contains(&machine->cpus.allowed, &p->emulator));
	if (p->n_vcpus > cpuset_count(&machine->cpus.allowed)) {
		assert_true(cpuset_is_empty(&taken));
		return;
	}
	assert_int_equal(cpuset_count(&taken), p->n_vcpus);
	assert_false(cpuset_is_empty(&p->emulator));
	cpuset_minus(&spare, &taken);
	cpuset_minus(&spare, &wish->held);
	if (!cpuset_is_empty(&spare))
		assert_false(cpuset_meets(&p->emulator, &taken));
	assert_int_equal(cpuset_meets(&taken, &wish->held), find_diag(diags, "pin-held") != NULL);
	if (cpuset_meets(&taken, &wish->held))
		assert_true(cpuset_contains(&taken, &spare) || cpuset_is_empty(&spare));
}

static void assert_threads_are_siblings(const struct machine *machine, const struct placement *p)
{
	for (int i = 0; i < p->n_vcpus; i++) {
		int cpu = cpuset_next(&p->vcpus[i].cpus, -1);
		int first = cpuset_next(&p->vcpus[i / p->threads * p->threads].cpus, -1);

		if (cpu >= 0)
			assert_int_equal(cpu_facts_find(&machine->cpus, cpu)->core,
					 cpu_facts_find(&machine->cpus, first)->core);
	}
}

static void any_machine_gets_a_sound_placement(void **state)
{
	uint64_t seed = 88172645463325252;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		AUTO_STR struct str words = { 0 };
		AUTO_STR struct str wishes = { 0 };
		AUTO_STR struct str first = { 0 };
		AUTO_STR struct str again = { 0 };
		struct placement placement, twin;
		struct diags diags = { 0 }, twin_diags = { 0 };
		struct machine machine;
		struct wish wish;

		draw_machine(&seed, &words);
		draw_wish(&seed, &wishes);
		machine_make(&machine, str_text(&words));
		wish_make(&wish, str_text(&wishes));
		if (cpuset_is_empty(&machine.cpus.allowed))
			fail_msg("%s", str_text(&words));
		place_cpus(&wish.profile, &machine.cpus, &machine.memory, &wish.held, wish.iothreads,
			   &placement, &diags);
		assert_sound(&machine, &wish, &placement, &diags);
		if (!wish.profile.cpu.threads)
			assert_threads_are_siblings(&machine, &placement);
		place(str_text(&words), str_text(&wishes), &twin, &twin_diags);
		print_placement(&placement, &diags, &first);
		print_placement(&twin, &twin_diags, &again);
		assert_string_equal(str_text(&first), str_text(&again));
		placement_finish(&placement);
		placement_finish(&twin);
		diags_finish(&diags);
		diags_finish(&twin_diags);
		wish_finish(&wish);
		machine_finish(&machine);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_fills_whole_cores_of_one_l3),
		cmocka_unit_test(auto_prefers_the_larger_cache),
		cmocka_unit_test(auto_spreads_over_few_caches_when_it_must),
		cmocka_unit_test(auto_finds_the_nearest_nodes),
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
		cmocka_unit_test(a_list_keeps_its_order),
		cmocka_unit_test(a_list_that_hurts_is_warned_about),
		cmocka_unit_test(a_list_that_cannot_be_had_is_an_error),
		cmocka_unit_test(host_threads_go_where_they_are_told),
		cmocka_unit_test(iothreads_get_cores_where_there_are_enough),
		cmocka_unit_test(mistakes_come_with_what_to_write),
		cmocka_unit_test(diagnostics_point_at_the_profile),
		cmocka_unit_test(every_decision_says_why),
		cmocka_unit_test(any_machine_gets_a_sound_placement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
