// SPDX-License-Identifier: MIT
// The plan as a whole: who, where, what changes on the host; QEMU's command line is argv/'s.
#include "launcher/plan/plan.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/argv/argv.h"
#include "launcher/facts/facts.h"
#include "launcher/plan/changes.h"
#include "launcher/plan/device.h"
#include "launcher/plan/isolate.h"
#include "launcher/plan/plan_map.h"
#include "qmp/client.h"

#include <string.h>

// Ten times the weight of an ordinary task on the same CPU (Linux, kernel/sched/core.c, sched_prio_to_weight), which
// still gets its turn: unlike a real-time class it needs nothing to be left over.
enum { VCPU_NICE = -10 };

static void choose_user(const struct profile *profile, const struct facts *facts, struct plan *plan,
			struct diags *diags)
{
	const struct account *user = facts_qemu_user(profile, facts);
	struct place place = profile_where(profile, "vm", NULL, "user");

	if (!facts->live) {
		plan->user.name = mem_dup(profile->vm.user ? profile->vm.user : "vfiorun");
		plan->user.uid = plan->user.gid = (uid_t)-1; // whatever they are there
		plan->user.change = !str_eq(plan->user.name, "root");
		return;
	}
	if (!user) {
		struct diag *diag = diag_add(diags, DIAG_HOST_ERROR, "no-user", place, "there is no user `%s`",
					     profile->vm.user ? profile->vm.user : "vfiorun");

		diag_hint(diag, "useradd --system --no-create-home --shell /usr/sbin/nologin %s",
			  profile->vm.user ? profile->vm.user : "vfiorun");
		return;
	}
	plan->user.name = mem_dup(user->name);
	plan->user.uid = user->uid;
	plan->user.gid = user->gid;
	plan->user.change = facts->root && user->uid != 0;
	if (!facts->root && user->uid != facts->self.uid)
		diag_hint(diag_add(diags, DIAG_HOST_ERROR, "not-root", place,
				   "only root can run QEMU as `%s`", user->name),
			  "run with sudo, or leave `user` out");
	if (user == &facts->nobody)
		diag_hint(diag_add(&plan->warnings, DIAG_WARNING, "user-nobody", place,
				   "there is no user `vfiorun`: QEMU runs as `%s`, which other programs "
				   "may use too",
				   user->name),
			  "useradd --system --no-create-home --shell /usr/sbin/nologin vfiorun");
}

static struct sched choose_scheduler(const struct profile *profile, const struct facts *facts,
				     struct diags *diags)
{
	const struct sched_request *request = &profile->cpu.scheduler;
	struct sched other = { .class = SCHED_CLASS_OTHER };

	if (!request->set || request->sched.class == SCHED_CLASS_OTHER)
		return other;
	if (facts->live && !facts->can_nice) {
		diag_hint(diag_add(diags, DIAG_HOST_ERROR, "no-realtime",
				   profile_where(profile, "cpu", NULL, "scheduler"),
				   "a real-time class needs CAP_SYS_NICE or RLIMIT_RTPRIO"),
			  "run as root, add `@USER - rtprio 10` to /etc/security/limits.conf, or write "
			  "scheduler = auto");
		return other;
	}
	return request->sched;
}

// A vCPU that never sleeps and preempts all else would take its CPU from the kernel itself.
static void check_scheduler(const struct profile *profile, const struct facts *facts,
			    const struct placement *placement, const struct sched *sched, struct diags *diags)
{
	struct cpuset taken = { 0 };

	if (sched->class == SCHED_CLASS_OTHER)
		return;
	for (int i = 0; i < placement->n_vcpus; i++)
		cpuset_or(&taken, &placement->vcpus[i].cpus);
	if (cpuset_is_empty(&taken) || cpuset_contains(&taken, &facts->cpus.online))
		diag_hint(diag_add(diags, DIAG_HOST_ERROR, "realtime-everywhere",
				   profile_where(profile, "cpu", NULL, "scheduler"),
				   "real-time vCPUs would run on every CPU and can lock the host up"),
			  "pin the vCPUs so that a CPU is left to the host, or write scheduler = other");
}

// Schedulers that are not the kernel's own place threads by ideas of their own, to which a pin is a hindrance.
static void warn_scheduler(const struct profile *profile, const struct facts *facts,
			   const struct placement *placement, struct plan *plan)
{
	const char *name = facts->system.scheduler;

	if (!*name || !placement->n_vcpus || cpuset_is_empty(&placement->vcpus[0].cpus))
		return;
	diag_hint(diag_add(&plan->warnings, DIAG_WARNING, "scheduler-foreign",
			   profile_where(profile, "cpu", NULL, "pin"),
			   "this host schedules by %s: threads that are pinned may have to wait longer "
			   "there than free ones",
			   name),
		  "%s, or pin = none",
		  str_starts(name, "sched_ext") ? "stop that scheduler while the guest runs" :
						   "boot a kernel with the usual scheduler");
}

// Where the kernel found its TSC wanting, KVM sets a guest's clock anew a tenth of a second after each time that a vCPU
// came back to its CPU, by a thread bound to that CPU: which makes the vCPU come back (Linux 6.1, arch/x86/kvm/x86.c,
// kvm_arch_vcpu_load and kvm_gen_kvmclock_update).
bool plan_clock_is_slow(const char *clock)
{
	return str_eq(clock, "hpet") || str_eq(clock, "acpi_pm") || str_eq(clock, "jiffies");
}

static void warn_clock(const struct facts *facts, struct plan *plan)
{
	const char *clock = facts->system.clock;

	if (!plan->kvm || !plan_clock_is_slow(clock))
		return;
	diag_hint(diag_add(&plan->warnings, DIAG_WARNING, "clock-slow", (struct place){ 0 },
			   "this host tells the time by %s, as its TSC was found wanting: KVM takes vCPUs off their "
			   "CPUs ten times a second then to set the guest's clock, and each look at a clock is slow",
			   clock),
		  "`dmesg | grep -i tsc` says why; new firmware may mend it, and where the TSC is known to be good, "
		  "tsc=reliable on the kernel line");
}

// What a class of its own means for the vCPUs' CPUs, and what they have without one.
static void weigh_scheduler(const struct profile *profile, const struct facts *facts, const struct sched *sched,
			    struct placement *placement, struct plan *plan)
{
	struct place place = profile_where(profile, "cpu", NULL, "scheduler");
	bool alone = plan->isolation.cgroup || str_eq(plan->isolation.method, "isolcpus");
	int runtime = facts->system.rt_runtime_us;

	plan->core_cookie = profile->cpu.core_scheduling == CORE_SCHEDULING_VCPUS;
	if (sched->class != SCHED_CLASS_OTHER && runtime >= 0 && runtime < 1000000)
		diag_hint(diag_add(&plan->warnings, DIAG_WARNING, "realtime-throttled", place,
				   "the kernel takes %d ms of each second from a real-time vCPU that does not sleep "
				   "(sched_rt_runtime_us = %d)", (1000000 - runtime) / 1000, runtime),
			  alone ? "CPUs that the vCPUs have alone need no class: scheduler = auto" :
				  "isolate = auto does more, where it can be had");
	else if (sched->class != SCHED_CLASS_OTHER && runtime == -1 && !alone)
		diag_hint(diag_add(&plan->warnings, DIAG_WARNING, "realtime-unthrottled", place,
				   "a real-time vCPU that does not sleep starves what the kernel must run on its CPU: "
				   "nothing is kept back for it here (sched_rt_runtime_us = -1)"),
			  "sysctl kernel.sched_rt_runtime_us=950000, or scheduler = auto");
	if (profile->cpu.scheduler.set || alone || !facts->can_nice || str_eq(plan->isolation.method, "none"))
		return;
	plan->vcpu_nice = VCPU_NICE;
	for (int i = 0; i < placement->n_vcpus; i++) {
		AUTO_FREE char *why = take(placement->vcpus[i].why);

		placement->vcpus[i].why = mem_printf("%s; nice %d", why ? why : "", VCPU_NICE);
	}
}

static struct plan_pin *add_pin(struct plan *plan, enum pin_target target, int index,
				const struct cpuset *cpus, const struct sched *sched, const char *why)
{
	struct plan_pin *pin = MEM_PUSH(plan->pins, plan->n_pins);

	*pin = (struct plan_pin){ .target = target, .index = index, .cpus = *cpus, .sched = *sched,
				  .why = mem_dup(why) };
	return pin;
}

static bool uses_vhost(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_fds; i++) {
		if (plan->fds[i].kind == PLAN_FD_VHOST)
			return true;
	}
	return false;
}

static void add_pins(const struct placement *placement, const struct sched *vcpu_sched, struct plan *plan)
{
	static const struct sched other = { .class = SCHED_CLASS_OTHER };

	for (int i = 0; i < placement->n_vcpus; i++)
		add_pin(plan, PIN_VCPU, i, &placement->vcpus[i].cpus, vcpu_sched, placement->vcpus[i].why)
			->thread = mem_printf("vcpu%d", i);
	for (int i = 0; i < placement->n_iothreads; i++)
		add_pin(plan, PIN_IOTHREAD, i, &placement->iothreads[i], &other, placement->iothread_why)
			->thread = mem_printf("iothread%d", i);
	add_pin(plan, PIN_EMULATOR, 0, &placement->emulator, &other, placement->emulator_why)->thread =
		mem_dup("emulator");
	if (uses_vhost(plan))
		add_pin(plan, PIN_VHOST, 0, &placement->emulator, &other,
			"the network's vhost threads run where the emulator does")
			->thread = mem_dup("vhost");
}

static void let_yield(const struct profile *profile, struct plan *plan)
{
	for (size_t i = 0; i < plan->n_pins; i++) {
		struct plan_pin *pin = &plan->pins[i];
		const struct cpus_request *request = pin->target == PIN_IOTHREAD ? &profile->cpu.iothread_pin :
										    &profile->cpu.emulator;

		pin->yields = pin->target != PIN_VCPU && request->mode == CPUS_AUTO;
	}
}

// A clean environment: what QEMU and the toolkits need, and nothing else of the caller's.
static void fill_environment(const struct facts *facts, struct plan *plan)
{
	strv_add(&plan->environment, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	strv_copy(&plan->environment, &facts->environment);
	if (!plan->user.change) {
		for (size_t i = 0; i < facts->home_environment.count; i++)
			strv_add(&plan->environment, facts->home_environment.items[i]);
	} else {
		strv_addf(&plan->environment, "USER=%s", plan->user.name);
	}
}

static void fill_life(const struct profile *profile, const struct facts *facts, struct plan *plan)
{
	plan->name = mem_dup(profile->vm.name);
	plan->run_dir = mem_dup(facts->run_dir);
	plan->state_dir = mem_dup(facts->state_dir);
	plan->log_dir = mem_dup(facts->log_dir);
	plan->qemu = mem_dup(facts->qemu.path ? facts->qemu.path : "qemu-system-x86_64");
	plan->shutdown_timeout = profile->vm.shutdown_timeout;
	plan->hook_timeout = profile->hooks.timeout;
	strv_copy(&plan->operators, &profile->vm.operators);
	strv_copy(&plan->hook_before, &profile->hooks.before);
	strv_copy(&plan->hook_started, &profile->hooks.started);
	strv_copy(&plan->hook_stopped, &profile->hooks.stopped);
}

static void check_qemu(const struct profile *profile, const struct facts *facts, struct diags *diags,
		       struct plan *plan)
{
	if (facts->live && facts->qemu_error) {
		diag_hint(diag_add(diags, DIAG_HOST_ERROR, "no-qemu",
				   profile_where(profile, "vm", NULL, "qemu"), "%s", facts->qemu_error),
			  "%s", facts->qemu_hint ?: "set [vm] qemu to a QEMU for x86_64 that starts");
	} else if (!facts->qemu.known) {
		diag_add(&plan->warnings, DIAG_WARNING, "qemu-unknown", (struct place){ 0 },
			 "no QEMU could be asked here: the command line supposes a recent one");
	}
}

static void add_helpers(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_helpers; i++)
		change_add(&plan->changes, "process", plan->helpers[i].name, NULL, "running",
			   "QEMU needs this helper beside it");
}

static void build_argv(struct argv_build *b)
{
	static void (*const parts[])(struct argv_build *) = {
		argv_choose, argv_machine, argv_cpu,	 argv_memory,  argv_firmware, argv_disks,
		argv_nets,   argv_pci,	   argv_display, argv_usb,    argv_shared,   argv_input,
		argv_monitor, argv_raw,
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		parts[i](b);
}

static unsigned count_passed(const struct plan *plan)
{
	unsigned count = 0;

	for (size_t i = 0; i < plan->n_devices; i++)
		count += plan->devices[i].passed;
	return count;
}

// Each access of a vCPU to a device on another node, and each interrupt back, goes over the link between them.
static void check_near(const struct profile *profile, const struct placement *placement,
		       const struct place_near *near, struct diags *diags)
{
	if (near->node < 0 || cpuset_is_empty(&placement->nodes) || cpuset_has(&placement->nodes, near->node))
		return;
	diag_hint(diag_add(diags, DIAG_WARNING, "device-far", profile_where(profile, "cpu", NULL, "pin"),
			   "%s is on node %d, but no vCPU is", near->whose, near->node),
		  "give it CPUs of that node, or the guest another device");
}

// Warnings belong to the plan, which prints them; what stays is what makes it unusable.
static void move_warnings(struct diags *from, struct diags *to)
{
	size_t kept = 0;

	for (size_t i = 0; i < from->count; i++) {
		if (from->items[i].level == DIAG_WARNING)
			*MEM_PUSH(to->items, to->count) = from->items[i];
		else
			from->items[kept++] = from->items[i];
	}
	from->count = kept;
}

// Whether QEMU comes to its greeting only after it has touched all of the guest's memory.
static bool touches_memory(const struct profile *profile, const struct plan *plan)
{
	return profile->memory.prealloc == TRI_YES ||
	       (profile->memory.prealloc == TRI_AUTO && plan->hugepage);
}

void plan_make(const struct profile *profile, const struct facts *facts, const struct plan_options *options,
	       struct plan *plan, struct diags *diags)
{
	struct placement placement = { 0 };
	struct place_near near;
	struct sched vcpu_sched;
	struct argv_build b = { .profile = profile, .facts = facts, .placement = &placement,
				.options = options, .plan = plan, .diags = diags };

	*plan = (struct plan){ 0 };
	fill_life(profile, facts, plan);
	check_qemu(profile, facts, diags, plan);
	choose_user(profile, facts, plan, diags);
	plan_devices(profile, facts, options, plan, diags);
	plan_device_node(facts, plan, &near);
	place_cpus(profile, &facts->cpus, &facts->memory, &facts->others, &near, argv_count_iothreads(profile),
		   &placement, diags);
	check_near(profile, &placement, &near, diags);
	vcpu_sched = choose_scheduler(profile, facts, diags);
	check_scheduler(profile, facts, &placement, &vcpu_sched, diags);
	build_argv(&b);
	plan->kvm_node = plan->kvm && plan->user.change;
	plan_isolate(profile, facts, &placement, plan, diags);
	weigh_scheduler(profile, facts, &vcpu_sched, &placement, plan);
	add_pins(&placement, &vcpu_sched, plan);
	let_yield(profile, plan);
	plan->n_vcpus = placement.n_vcpus;
	plan->n_iothreads = placement.n_iothreads;
	plan->topology_why = take(placement.topology_why);
	plan_draw_map(facts, plan);
	warn_scheduler(profile, facts, &placement, plan);
	warn_clock(facts, plan);
	fill_environment(facts, plan);
	plan_add_changes(profile, facts, plan, diags);
	plan_add_device_changes(profile, facts, plan, diags);
	plan_add_isolation(profile, facts, &placement, plan);
	add_helpers(plan);
	plan->greeting_ms = qmp_greeting_ms(plan->memory_bytes, touches_memory(profile, plan), count_passed(plan),
					    (unsigned)profile->n_nets);
	plan->console_on_stdio = plan->console && !options->detach &&
				 (options->headless || (b.display == DISPLAY_NONE && !b.gpu));
	move_warnings(diags, &plan->warnings);
	placement_finish(&placement);
}
