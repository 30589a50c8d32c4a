// SPDX-License-Identifier: MIT
#include "tests/unit/wish.h"

#include "base/str.h"
#include "tests/unit/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_list_keeps_its_order(void **state)
{
	(void)state;
	wish_check(SIX_CORES, "pin=2,8,3,9", "2,8,3,9 1x1x2x2 emulator=0-1,4-7,10-11 nodes=0");
	wish_check(SIX_CORES, "pin=9,3,8,2", "9,3,8,2 1x1x2x2 emulator=0-1,4-7,10-11 nodes=0");
	wish_check(SIX_CORES, "pin=5,4,3", "5,4,3 1x1x3x1 emulator=0-2,6-8 nodes=0: pin-split-core");
	wish_check(SIX_CORES, "pin=2,3,8,9", "2,3,8,9 1x1x4x1 emulator=0-1,4-7,10-11 nodes=0: pin-siblings");
	wish_check(SIX_CORES, "pin=2+8,3+9", "2+8,3+9 1x1x2x1 emulator=0-1,4-7,10-11 nodes=0");
	wish_check(SIX_CORES, "pin=2+8,2+8", "2+8,2+8 1x1x1x2 emulator=0-1,3-7,9-11 nodes=0");
	wish_check("cores=2", "pin=0,1", "0,1 1x1x2x1 emulator=0-1 nodes=0: pin-all-cpus");
}

static void a_list_that_hurts_is_warned_about(void **state)
{
	(void)state;
	wish_check("cores=4", "pin=1,1", "1,1 1x1x2x1 emulator=0,2-3 nodes=0: pin-shared");
	wish_check("cores=4", "pin=1,1+2", "1,1-2 1x1x2x1 emulator=0,3 nodes=0: pin-shared");
	wish_check("nodes=2 cores=2", "pin=0,2", "0,2 1x2x1x1 emulator=1,3 nodes=0-1: pin-several-nodes");
	wish_check(TWO_CCD, "pin=1,17,9,25",
	      "1,17,9,25 1x2x1x2 emulator=0,2-8,10-16,18-24,26-31 nodes=0: pin-several-l3");
	wish_check("cores=4", "pin=1,2 held=2", "1,2 1x1x2x1 emulator=0,3 nodes=0: pin-held");
	wish_check(SIX_CORES, "pin=2,8,3", "2,8,3 1x1x3x1 emulator=0-1,4-7,10-11 nodes=0: pin-siblings pin-split-core");
}

static void a_list_that_cannot_be_had_is_an_error(void **state)
{
	(void)state;
	wish_check("cores=4", "pin=1,9", "-,- 1x1x2x1 emulator=- nodes=-: cpu-absent");
	wish_check("cores=4 offline=3", "pin=1,3", "-,- 1x1x2x1 emulator=- nodes=-: cpu-offline");
	wish_check("cores=4 allowed=0-2", "pin=1,3", "-,- 1x1x2x1 emulator=- nodes=-: cpu-not-allowed");
	wish_check("cores=4", "pin=1,2 vcpus=3", "-,-,- 1x1x3x1 emulator=- nodes=-: pin-count");
	wish_check("cores=4 offline=3 allowed=0-1", "pin=8,3,2 vcpus=2",
	      "-,- 1x1x2x1 emulator=- nodes=-: pin-count cpu-absent cpu-offline cpu-not-allowed");
	wish_check("cores=4", "vcpus=2 emulator=7 iothreads=1 iothread_pin=8",
	      "1,2 1x1x2x1 emulator=- io=- nodes=0: cpu-absent cpu-absent");
}

static void host_threads_go_where_they_are_told(void **state)
{
	(void)state;
	wish_check(SIX_CORES, "vcpus=4 emulator=0,6", "1,7,2,8 1x1x2x2 emulator=0,6 nodes=0");
	wish_check(SIX_CORES, "vcpus=4 emulator=none", "1,7,2,8 1x1x2x2 emulator=- nodes=0");
	wish_check(SIX_CORES, "vcpus=4 emulator=0-1",
	      "1,7,2,8 1x1x2x2 emulator=0-1 nodes=0: host-threads-share");
	wish_check("cores=4", "pin=none vcpus=2 emulator=3", "-,- 1x1x2x1 emulator=3 nodes=-");
	wish_check(SIX_CORES, "vcpus=4 iothreads=2 iothread_pin=0,6",
	      "1,7,2,8 1x1x2x2 emulator=0,3-6,9-11 io=0,6;0,6 nodes=0");
	wish_check(SIX_CORES, "vcpus=4 iothreads=1 iothread_pin=none",
	      "1,7,2,8 1x1x2x2 emulator=0,3-6,9-11 io=- nodes=0");
}

static void iothreads_get_cores_where_there_are_enough(void **state)
{
	(void)state;
	wish_check(SIX_CORES, "vcpus=4 iothreads=1", "1,7,2,8 1x1x2x2 emulator=0,4-6,9-11 io=3 nodes=0");
	wish_check(SIX_CORES, "vcpus=4 iothreads=3", "1,7,2,8 1x1x2x2 emulator=0,6,9-11 io=3;4;5 nodes=0");
	wish_check(SIX_CORES, "vcpus=4 iothreads=4",
	      "1,7,2,8 1x1x2x2 emulator=0,3-6,9-11 io=0,3-6,9-11;0,3-6,9-11;0,3-6,9-11;0,3-6,9-11 "
	      "nodes=0");
	wish_check(SIX_CORES, "vcpus=10 iothreads=1",
	      "1,7,2,8,3,9,4,10,5,11 1x1x5x2 emulator=0,6 io=0,6 nodes=0");
	wish_check("cores=2", "vcpus=2 iothreads=1", "1,0 1x1x2x1 emulator=0-1 io=0-1 nodes=0: pin-all-cpus");
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

	wish_place(machine, wish, &placement, &diags);
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
	check_diag("cores=4", "pin=1,9,8", "cpu-absent", DIAG_HOST_ERROR, "pin: CPU 8-9 is not on this host",
		   "pin = 1,2,3 would do here");
	check_diag("cores=4 allowed=0-2", "emulator=3", "cpu-not-allowed", DIAG_HOST_ERROR,
		   "emulator: CPU 3 is not allowed by the cpuset or affinity that vfiorun was started with (it "
		   "may use 0-2)",
		   "emulator = auto, or CPUs of 0-2");
	check_diag("cores=4 offline=3", "pin=3", "cpu-offline", DIAG_HOST_ERROR, "pin: CPU 3 is offline",
		   "bring it online (chcpu -e), or pin = 1 would do here");
	check_diag(SIX_CORES, "pin=2,3,8,9", "pin-siblings", DIAG_WARNING,
		   "some vCPUs sit on SMT siblings, but the guest sees each as a core of its own",
		   "pin = 2,8,3,9 with threads = 2");
	check_diag(SIX_CORES, "pin=2,8,3,9 threads=1", "pin-siblings", DIAG_WARNING,
		   "some vCPUs sit on SMT siblings, but the guest sees each as a core of its own",
		   "pin = 2,8,3,9 with threads = 2");
	check_diag(SIX_CORES, "pin=2,3,8,9 threads=2", "topology-threads", DIAG_WARNING,
		   "the guest sees vCPUs 0 and 1 as threads of one core, but their CPUs are no SMT siblings",
		   "pin = 2,8,3,9 with threads = 2");
	check_diag(SIX_CORES, "pin=2,8,3,4 threads=2", "topology-threads", DIAG_WARNING,
		   "the guest sees vCPUs 2 and 3 as threads of one core, but their CPUs are no SMT siblings",
		   "pin = auto finds siblings for them, or threads = 1");
	check_diag(HYBRID, "pin=0,1,2,3,4,5,6,7,8,9,10,11,12,13 threads=2", "topology-threads", DIAG_WARNING,
		   "the guest sees vCPUs 12 and 13 as threads of one core, but their CPUs are no SMT "
		   "siblings",
		   "threads = 1, or at most 12 vCPUs: whole cores hold no more");
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
	place_cpus(&profile, &machine.cpus, &machine.memory, &(struct cpuset){ 0 },
		   &(struct place_near){ .node = -1 }, 0, &placement, &diags);
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

	wish_place(machine, wish, &placement, &diags);
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
		   "1 socket, 3 cores, 1 thread a core: each vCPU has a core of the host to itself");
	check_whys(SIX_CORES, "pin=2,3,8", "as the profile says: sibling pair 2,8 of core 2, L3 0, node 0",
		   "cores without a vCPU in the vCPUs' L3, left to the host",
		   "1 socket, 3 cores, 1 thread a core: the vCPUs' CPUs make no equal groups of SMT siblings");
	check_whys("nodes=2 cores=2", "vcpus=2", "core 3, L3 1, node 1",
		   "cores without a vCPU in the vCPUs' socket, left to the host",
		   "1 socket, 2 cores, 1 thread a core: this host's cores have one thread each");
	check_whys(HYBRID, "vcpus=2", "sibling pair 2-3 of core 1, L3 0, node 0, a performance core",
		   "efficiency cores in the vCPUs' L3, left to the host",
		   "1 socket, 1 core, 2 threads a core: the threads of each guest core sit on SMT siblings "
		   "of the host");
	check_whys("cores=2", "vcpus=2", "core 0, L3 0, node 0", "shares the vCPUs' CPUs: no other is left",
		   "1 socket, 2 cores, 1 thread a core: this host's cores have one thread each");
	check_whys("cores=4 isolated=2-3", "pin=2,1+3", "as the profile says: a set of 2 CPUs among which it "
							"floats",
		   "core 0 is left to the host",
		   "1 socket, 2 cores, 1 thread a core: this host's cores have one thread each");
	check_whys("cores=2", "pin=none vcpus=2", "the profile says pin = none",
		   "vCPUs are not pinned either",
		   "1 socket, 2 cores, 1 thread a core: vCPUs are not pinned, so none is another's sibling");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_keeps_its_order),
		cmocka_unit_test(a_list_that_hurts_is_warned_about),
		cmocka_unit_test(a_list_that_cannot_be_had_is_an_error),
		cmocka_unit_test(host_threads_go_where_they_are_told),
		cmocka_unit_test(iothreads_get_cores_where_there_are_enough),
		cmocka_unit_test(mistakes_come_with_what_to_write),
		cmocka_unit_test(diagnostics_point_at_the_profile),
		cmocka_unit_test(every_decision_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
