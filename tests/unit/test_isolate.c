// SPDX-License-Identifier: MIT
// How far the vCPUs' CPUs are theirs alone: what decides it, and the changes of the host that it comes to.
#include "launcher/plan/isolate.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/facts.h"
#include "launcher/plan/place.h"
#include "launcher/plan/plan.h"
#include "tests/unit/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct machine machine;
	struct profile profile;
	struct facts facts;
	struct placement placement;
	struct plan plan;
	struct diags diags;
};

// Six cores of two threads side by side (0,1 2,3 …), cgroup v2 without systemd, kernel 6.1, root.
static int set_up(void **state)
{
	struct fixture *fx = mem_new(1, sizeof(*fx));

	*state = fx;
	machine_make(&fx->machine, "cores=6 threads=2");
	fx->facts.cpus = fx->machine.cpus;
	fx->facts.memory = fx->machine.memory;
	fx->facts.live = fx->facts.root = fx->facts.can_nice = true;
	fx->facts.system.cmdline = mem_dup("quiet");
	fx->facts.cgroup = (struct cgroup_facts){ .known = true, .v2 = true, .top = true, .cpuset = true };
	fx->facts.cgroup.cpus = fx->facts.cpus.online;
	fx->profile.cpu.vcpus = 4;
	fx->profile.cpu.iothreads = -1;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fx = *state;

	machine_finish(&fx->machine);
	free(fx->facts.system.cmdline);
	free(fx->facts.cgroup.irqs);
	plan_finish(&fx->plan);
	placement_finish(&fx->placement);
	diags_finish(&fx->diags);
	free(fx);
	return 0;
}

static void decide_with(struct fixture *fx, int n_iothreads)
{
	const struct place_near near = { .node = -1 };
	struct cpuset nobody = { 0 };

	plan_finish(&fx->plan);
	placement_finish(&fx->placement);
	diags_finish(&fx->diags);
	fx->plan.name = mem_dup("demo");
	place_cpus(&fx->profile, &fx->facts.cpus, &fx->facts.memory, &nobody, &near, n_iothreads,
		   &fx->placement, &fx->diags);
	plan_isolate(&fx->profile, &fx->facts, &fx->placement, &fx->plan, &fx->diags);
	plan_add_isolation(&fx->profile, &fx->facts, &fx->placement, &fx->plan);
}

static void decide(struct fixture *fx)
{
	decide_with(fx, 0);
}

static void assert_method(struct fixture *fx, const char *method, const char *why)
{
	assert_string_equal(fx->plan.isolation.method, method);
	if (!strstr(fx->plan.isolation.why, why))
		fail_msg("\"%s\" is not in: %s", why, fx->plan.isolation.why);
}

static const struct change *find(const struct fixture *fx, const char *path)
{
	for (size_t i = 0; i < fx->plan.changes.count; i++) {
		if (str_ends(fx->plan.changes.items[i].path, path))
			return &fx->plan.changes.items[i];
	}
	return NULL;
}

static void assert_change(const struct fixture *fx, const char *path, const char *kind, const char *was,
			  const char *want, enum change_turn turn)
{
	const struct change *change = find(fx, path);

	if (!change)
		fail_msg("%s is not changed", path);
	assert_string_equal(change->kind, kind);
	assert_true(str_eq(change->was, was));
	assert_string_equal(change->want, want);
	assert_int_equal(change->turn, turn);
}

static void a_partition_where_it_can_be_had(void **state)
{
	struct fixture *fx = *state;

	decide(fx);
	assert_method(fx, "partition", "only the vCPUs run on 2-5");
	assert_string_equal(fx->plan.isolation.cgroup, "/sys/fs/cgroup/vfiorun-demo");
	assert_change(fx, "group/cgroup.subtree_control", "token", "", "cpuset", CHANGE_MEMBER);
	assert_change(fx, "/vfiorun-demo", "cgroup", NULL, "domain", CHANGE_MEMBER);
	assert_change(fx, "demo/cpuset.cpus", "cpuset", "", "2-5,10-11", CHANGE_MEMBER);
	assert_change(fx, "demo/cpuset.cpus.partition", "cpuset", "member", "root", CHANGE_MEMBER);
	assert_change(fx, "/vcpus", "cgroup", NULL, "threaded", CHANGE_MEMBER);
	assert_change(fx, "/vcpus/cpuset.cpus", "cpuset", "", "2-5", CHANGE_MEMBER);
	assert_change(fx, "/vcpus/cpuset.cpus.partition", "cpuset", "member", "isolated", CHANGE_LAST);
	for (size_t i = 0; i < fx->plan.changes.count; i++)
		assert_true(fx->plan.changes.items[i].may_fail);
	assert_non_null(strstr(fx->plan.isolation.hint, "nohz_full=2-5 rcu_nocbs=2-5"));
	assert_null(strstr(fx->plan.isolation.hint, "isolcpus"));
}

static void the_emulator_takes_one_core_from_the_host(void **state)
{
	struct fixture *fx = *state;
	AUTO_FREE char *emulator = NULL;

	decide(fx);
	emulator = cpuset_text(&fx->placement.emulator);
	assert_string_equal(emulator, "10-11");
	assert_non_null(strstr(fx->plan.isolation.why, "every other task of the host is kept to 0-1,6-9"));
}

static void iothreads_stay_within(void **state)
{
	struct fixture *fx = *state;
	struct cpuset all;

	decide_with(fx, 2);
	assert_method(fx, "partition", "");
	assert_true(cpuset_parse_list(&all, find(fx, "demo/cpuset.cpus")->want));
	for (int i = 0; i < 2; i++) {
		assert_false(cpuset_is_empty(&fx->placement.iothreads[i]));
		assert_true(cpuset_contains(&all, &fx->placement.iothreads[i]));
	}
}

static void later_kernels_share_the_emulators_cpus(void **state)
{
	struct fixture *fx = *state;

	fx->facts.cgroup.remote = true;
	decide(fx);
	assert_method(fx, "partition", "kept to 0-1,6-11");
	assert_change(fx, "demo/cpuset.cpus.exclusive", "cpuset", "", "2-5", CHANGE_MEMBER);
	assert_change(fx, "vcpus/cpuset.cpus.exclusive", "cpuset", "", "2-5", CHANGE_MEMBER);
	assert_null(find(fx, "demo/cpuset.cpus.partition"));
}

static void systemd_makes_a_scope(void **state)
{
	struct fixture *fx = *state;

	fx->facts.cgroup.systemd = fx->facts.cgroup.enabled = true;
	decide(fx);
	assert_change(fx, "/vfiorun-demo.scope", "cgroup", NULL, "scope", CHANGE_MEMBER);
	assert_change(fx, "group/cgroup.subtree_control", "token", "cpuset", "cpuset", CHANGE_MEMBER);
}

static void what_stands_against_it_is_said(void **state)
{
	struct fixture *fx = *state;
	struct cgroup_facts *cgroup = &fx->facts.cgroup;
	struct cpuset all = cgroup->cpus;
	bool *flags[] = { &fx->facts.root, &cgroup->v2, &cgroup->top, &cgroup->cpuset };
	const char *const says[] = { "takes root", "not mounted as v2", "container", "cpuset controller" };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		*flags[i] = false;
		decide(fx);
		assert_method(fx, "affinity", says[i]);
		assert_null(fx->plan.isolation.cgroup);
		assert_int_equal(fx->plan.changes.count, 0);
		*flags[i] = true;
	}
	cpuset_remove(&cgroup->cpus, 3);
	decide(fx);
	assert_method(fx, "affinity", "CPU 3 is another guest's");
	// what this guest's own earlier run holds is no obstacle
	cpuset_add(&cgroup->own, 3);
	decide(fx);
	assert_method(fx, "partition", "");
	cgroup->cpus = all;
	fx->profile.cpu.emulator.mode = CPUS_NONE;
	decide(fx);
	assert_method(fx, "affinity", "emulator = none");
}

static void the_host_keeps_a_cpu(void **state)
{
	struct fixture *fx = *state;
	AUTO_FREE char *emulator = NULL;

	fx->profile.cpu.vcpus = 10;
	decide(fx);
	assert_method(fx, "partition", "kept to 0,");
	fx->profile.cpu.emulator.mode = CPUS_LIST;
	assert_true(cpuset_parse_list(&fx->profile.cpu.emulator.cpus, "0-1"));
	decide(fx);
	assert_method(fx, "affinity", "no CPU would be left to the host");
	// what could not be had has left no trace
	fx->profile.cpu.emulator.mode = CPUS_AUTO;
	fx->profile.cpu.vcpus = 11;
	decide(fx);
	emulator = cpuset_text(&fx->placement.emulator);
	assert_string_equal(emulator, "1");
	fx->profile.cpu.vcpus = 12;
	decide(fx);
	assert_method(fx, "affinity", "CPU 0 boots the machine");
}

static void insisting_is_an_error(void **state)
{
	struct fixture *fx = *state;

	fx->profile.cpu.isolate = ISOLATE_PARTITION;
	decide(fx);
	assert_int_equal(fx->diags.count, 0);
	for (size_t i = 0; i < fx->plan.changes.count; i++)
		assert_int_equal(fx->plan.changes.items[i].may_fail, str_eq(fx->plan.changes.items[i].kind, "mask"));
	fx->facts.cgroup.cpuset = false;
	decide(fx);
	assert_int_equal(fx->diags.count, 1);
	assert_string_equal(fx->diags.items[0].code, "no-partition");
	assert_int_equal(diags_exit_status(&fx->diags), 3);
	fx->facts.cgroup.cpuset = true;
	fx->profile.cpu.pin.mode = CPUS_NONE;
	decide(fx);
	assert_int_equal(diags_exit_status(&fx->diags), 3);
}

static void isolcpus_are_used_first(void **state)
{
	struct fixture *fx = *state;

	assert_true(cpuset_parse_list(&fx->facts.cpus.isolated, "2-5"));
	decide(fx);
	assert_method(fx, "isolcpus", "the kernel line");
	assert_null(find(fx, "vfiorun-demo"));
	fx->profile.cpu.isolate = ISOLATE_PARTITION;
	decide(fx);
	assert_method(fx, "partition", "");
}

static void interrupts_leave(void **state)
{
	struct fixture *fx = *state;
	struct cgroup_facts *cgroup = &fx->facts.cgroup;

	cgroup->irqs = mem_new(3, sizeof(*cgroup->irqs));
	cgroup->n_irqs = 3;
	for (int i = 0; i < 3; i++)
		cgroup->irqs[i].number = 30 + i;
	assert_true(cpuset_parse_list(&cgroup->irqs[0].cpus, "0-11"));
	assert_true(cpuset_parse_list(&cgroup->irqs[1].cpus, "3"));
	assert_true(cpuset_parse_list(&cgroup->irqs[2].cpus, "7"));
	cgroup->default_known = cgroup->workqueue_known = true;
	cgroup->irq_default = cgroup->workqueue = cgroup->cpus;
	decide(fx);
	assert_change(fx, "30/smp_affinity_list", "mask", "with 2-5", "without 2-5", CHANGE_FIRST);
	assert_change(fx, "31/smp_affinity_list", "mask", "only 3", "without 2-5 else 0-1,6-9", CHANGE_FIRST);
	assert_null(find(fx, "32/smp_affinity_list"));
	assert_change(fx, "default_smp_affinity", "mask", "with 2-5", "without 2-5", CHANGE_FIRST);
	assert_change(fx, "workqueue/cpumask", "mask", "with 2-5", "without 2-5", CHANGE_FIRST);
	assert_true(fx->plan.isolation.steer);
	fx->profile.host.irq_affinity = IRQ_AFFINITY_NONE;
	decide(fx);
	assert_null(find(fx, "30/smp_affinity_list"));
	assert_non_null(find(fx, "workqueue/cpumask"));
	assert_false(fx->plan.isolation.steer);
	// a kernel that does so itself
	cgroup->workqueue_follows = true;
	decide(fx);
	assert_method(fx, "partition", "");
	assert_null(find(fx, "workqueue/cpumask"));
}

static void irqbalance_is_told_or_named(void **state)
{
	struct fixture *fx = *state;

	fx->facts.daemons.pids[DAEMON_IRQBALANCE] = 77;
	decide(fx);
	assert_int_equal(fx->plan.warnings.count, 1);
	assert_string_equal(fx->plan.warnings.items[0].code, "irqbalance");
	fx->facts.cgroup.irqbalance_socket = (char *)"/run/irqbalance/irqbalance77.sock";
	decide(fx);
	assert_int_equal(fx->plan.warnings.count, 0);
	assert_non_null(find(fx, "irqbalance77.sock"));
	assert_null(strstr(find(fx, "irqbalance77.sock")->why, "passed devices"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_partition_where_it_can_be_had),
		TEST(the_emulator_takes_one_core_from_the_host),
		TEST(iothreads_stay_within),
		TEST(later_kernels_share_the_emulators_cpus),
		TEST(systemd_makes_a_scope),
		TEST(what_stands_against_it_is_said),
		TEST(the_host_keeps_a_cpu),
		TEST(insisting_is_an_error),
		TEST(isolcpus_are_used_first),
		TEST(interrupts_leave),
		TEST(irqbalance_is_told_or_named),
	};

	return cmocka_run_group_tests_name("isolate", tests, NULL, NULL);
}
