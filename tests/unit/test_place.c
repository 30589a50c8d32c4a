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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
