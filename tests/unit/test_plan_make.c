// SPDX-License-Identifier: MIT
// The plan beside the command line: who, on which CPUs with what class, which changes of the host, and who
// may have what. On the machine of tests/hosts/six-cores.host, taken for the live one.
#include "launcher/facts/facts.h"
#include "launcher/guest/paths.h"
#include "launcher/plan/plan.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { FILE_MAX = 1 << 20 };

struct fixture {
	char dir[256];
	struct profile profile;
	struct facts facts;
	struct plan_options options;
	struct plan plan;
	struct diags diags;
};

static struct paths paths = {
	.run_base = (char *)"/run/vfiorun",
	.state_base = (char *)"/var/lib/vfiorun",
	.log_dir = (char *)"/var/log/vfiorun",
	.cache_dir = (char *)"/var/cache/vfiorun",
};

static void read_text(const char *path, struct str *text)
{
	assert_int_equal(io_read_file(AT_FDCWD, path, text, FILE_MAX, NULL), 0);
}

static void set_account(struct account *account, const char *name, uid_t uid)
{
	*account = (struct account){ .name = mem_dup(name), .uid = uid, .gid = uid, .found = true };
}

// What `text` says, behind a small guest of two vCPUs; `more` is added to the machine. We are root.
static void read_all(struct fixture *fx, const char *text, const char *more)
{
	const struct facts_options options = { .paths = &paths };
	AUTO_FREE char *whole = mem_printf("[vm]\nname = demo\nmemory = 64M\n[firmware]\ntype = seabios\n"
					   "[cpu]\nvcpus = 2\n%s", text);
	AUTO_STR struct str manifest = { 0 }, caps = { 0 };
	struct root root = ROOT_CLOSED;

	read_text("tests/hosts/six-cores.host", &manifest);
	str_add(&manifest, more);
	assert_int_equal(tree_make(str_text(&manifest), fx->dir, sizeof(fx->dir)), 0);
	profile_parse(&fx->profile, "demo.conf", whole, &fx->diags);
	for (size_t i = 0; i < fx->diags.count; i++)
		fail_msg("%s", fx->diags.items[i].text);
	assert_int_equal(root_open(&root, fx->dir, NULL), 0);
	assert_int_equal(facts_read(&root, &fx->profile, &options, &fx->facts, NULL), 0);
	root_finish(&root);
	read_text("tests/qemu/qemu-7.2.caps", &caps);
	assert_int_equal(qemu_caps_parse(str_text(&caps), &fx->facts.qemu, NULL), 0);
	fx->facts.live = true;
	set_account(&fx->facts.self, "root", 0);
	set_account(&fx->facts.vfiorun, "vfiorun", 900);
	set_account(&fx->facts.nobody, "nobody", 65534);
}

static void make(struct fixture *fx)
{
	plan_finish(&fx->plan);
	diags_finish(&fx->diags);
	plan_make(&fx->profile, &fx->facts, &fx->options, &fx->plan, &fx->diags);
}

static void begin(struct fixture *fx, const char *text)
{
	read_all(fx, text, "");
	make(fx);
}

static int set_up(void **state)
{
	*state = mem_new(1, sizeof(struct fixture));
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fx = *state;

	plan_finish(&fx->plan);
	facts_finish(&fx->facts);
	profile_finish(&fx->profile);
	diags_finish(&fx->diags);
	tree_remove(fx->dir);
	free(fx);
	return 0;
}

static void begin_again(void **state)
{
	tear_down(state);
	set_up(state);
}

static const struct diag *find(const struct diags *diags, const char *code)
{
	for (size_t i = 0; i < diags->count; i++) {
		if (str_eq(diags->items[i].code, code))
			return &diags->items[i];
	}
	return NULL;
}

static void assert_fine(const struct fixture *fx)
{
	for (size_t i = 0; i < fx->diags.count; i++)
		fail_msg("%s", fx->diags.items[i].text);
}

// The only error is of the host, at this line, and its hint has these words.
static void assert_refused(const struct fixture *fx, const char *code, int line, const char *hint)
{
	const struct diag *diag = find(&fx->diags, code);

	assert_non_null(diag);
	assert_int_equal(diag->level, DIAG_HOST_ERROR);
	assert_int_equal(diag->line, line);
	assert_non_null(diag->hint);
	assert_non_null(strstr(diag->hint, hint));
	assert_int_equal(fx->diags.count, 1);
}

enum { LINE = 7 }; // the last line before a test's own text

// "KIND PATH WAS>WANT" a line; paths from their last folder but one on.
static char *changes_text(const struct plan *plan)
{
	struct str out = { 0 };

	for (size_t i = 0; i < plan->changes.count; i++) {
		const struct change *change = &plan->changes.items[i];

		assert_non_null(change->why);
		str_addf(&out, "%s %s %s>%s\n", change->kind, change->path, change->was ?: "-", change->want);
	}
	return str_take(&out);
}

static void assert_changes(const struct plan *plan, const char *expected)
{
	AUTO_FREE char *text = changes_text(plan);

	assert_string_equal(text ?: "", expected);
}

#define CPU "/sys/devices/system/cpu"

static void changes_are_of_the_guests_cpus(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "[host]\ngovernor = performance\n");
	assert_fine(fx);
	assert_changes(&fx->plan, "set " CPU "/cpu1/cpufreq/scaling_governor schedutil>performance\n"
				  "set " CPU "/cpu7/cpufreq/scaling_governor schedutil>performance\n");
}

static void iothreads_count_as_the_guest(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "iothreads = 1\niothread_pin = 4\npin = 2,3\n[host]\ngovernor = powersave\n");
	assert_changes(&fx->plan, "set " CPU "/cpu2/cpufreq/scaling_governor schedutil>powersave\n"
				  "set " CPU "/cpu3/cpufreq/scaling_governor schedutil>powersave\n"
				  "set " CPU "/cpu4/cpufreq/scaling_governor schedutil>powersave\n");
}

static void an_unpinned_guest_has_all_cpus(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "pin = none\n[host]\ngovernor = performance\n");
	assert_fine(fx);
	assert_int_equal(fx->plan.changes.count, 12);
}

static void the_machine_has_attributes_too(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "[host]\nboost = no\nhalt_poll_ns = 0\nignore_msrs = yes\n"
		     "report_ignored_msrs = no\nlatency = 10\n",
		 "sys/devices/system/cpu/cpufreq/boost = 1\n"
		 "sys/module/kvm/parameters/halt_poll_ns = 200000\n"
		 "sys/module/kvm/parameters/ignore_msrs = N\n"
		 "sys/module/kvm/parameters/report_ignored_msrs = Y\n"
		 "dev/cpu_dma_latency =\n");
	make(fx);
	assert_fine(fx);
	assert_changes(&fx->plan, "set /sys/module/kvm/parameters/halt_poll_ns 200000>0\n"
				  "set /sys/module/kvm/parameters/ignore_msrs N>1\n"
				  "set /sys/module/kvm/parameters/report_ignored_msrs Y>0\n"
				  "hold /dev/cpu_dma_latency ->10\n"
				  "set " CPU "/cpufreq/boost 1>0\n");
}

static void services_that_set_the_same_are_named(void **state)
{
	static const char running[] = "proc/1/comm = systemd\nproc/812/comm = tuned\n"
				      "proc/900/comm = power-profiles-\n"
					   "proc/901/comm = auto-cpufreq\nproc/1000/comm = irqbalance\n"
					   "etc/tuned/active_profile = balanced\n";
	static const struct {
		const char *host;
		int rivals, line;
		const char *text, *hint;
	} rows[] = {
		{ "governor = powersave\n", 3, LINE + 2, "TuneD (profile `balanced`) runs as process 812",
		  "tuned-adm off" },
		{ "latency = 5\n", 1, LINE + 2, "`latency` may not last", "tuned-adm off" },
		{ "boost = no\n", 2, LINE + 2, "power-profiles-daemon runs as process 900",
		  "powerprofilesctl set performance" },
		{ "ignore_msrs = yes\n", 0, 0, NULL, NULL },
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *text = mem_printf("[host]\n%s", rows[i].host);
		AUTO_FREE char *more = mem_printf("%sdev/cpu_dma_latency =\n"
						  "sys/devices/system/cpu/cpufreq/boost = 1\n"
						  "sys/module/kvm/parameters/ignore_msrs = N\n", running);
		const struct diag *first;
		int rivals = 0;

		read_all(fx, text, more);
		make(fx);
		assert_fine(fx);
		for (size_t j = 0; j < fx->plan.warnings.count; j++)
			rivals += strcmp(fx->plan.warnings.items[j].code, "host-rival") == 0;
		assert_int_equal(rivals, rows[i].rivals);
		first = find(&fx->plan.warnings, "host-rival");
		if (first) {
			assert_int_equal(first->line, rows[i].line);
			assert_non_null(strstr(first->text, rows[i].text));
			assert_non_null(strstr(first->hint, rows[i].hint));
		}
		begin_again(state);
		fx = *state;
	}
}

static void a_preference_that_the_governor_excludes(void **state)
{
	static const char epp[] =
		"sys/devices/system/cpu/cpu1/cpufreq/energy_performance_preference = balance_power\n";
	struct fixture *fx = *state;

	read_all(fx, "pin = 1,7\n[host]\ngovernor = performance\nepp = power\n", epp);
	make(fx);
	assert_non_null(find(&fx->plan.warnings, "epp-governor"));
	begin_again(state);
	fx = *state;
	read_all(fx, "[host]\ngovernor = performance\nepp = performance\n", epp);
	make(fx);
	assert_null(find(&fx->plan.warnings, "epp-governor"));
}

static void sleep_is_inhibited_where_logind_is(void **state)
{
	static const char logind[] = "run/systemd/seats/\nrun/dbus/system_bus_socket =\n";
	static const struct {
		const char *host;
		bool logind;
		const char *changes; // NULL: refused
	} rows[] = {
		{ "", true, "inhibit sleep ->try\n" },
		{ "[host]\ninhibit_sleep = yes\n", true, "inhibit sleep ->block\n" },
		{ "[host]\ninhibit_sleep = no\n", true, "" },
		{ "", false, "" },
		{ "[host]\ninhibit_sleep = yes\n", false, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture *fx = *state;

		read_all(fx, rows[i].host, rows[i].logind ? logind : "");
		fx->facts.root = false; // this takes none
		make(fx);
		if (rows[i].changes) {
			assert_fine(fx);
			assert_changes(&fx->plan, rows[i].changes);
		} else {
			assert_refused(fx, "no-logind", LINE + 2, "inhibit_sleep = no");
		}
		begin_again(state);
	}
}

static void no_turbo_is_boost_the_other_way_round(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "[host]\nboost = no\n", "sys/devices/system/cpu/intel_pstate/no_turbo = 0\n");
	make(fx);
	assert_fine(fx);
	assert_changes(&fx->plan, "set " CPU "/intel_pstate/no_turbo 0>1\n");
}

static void what_the_host_lacks_is_named(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "[host]\nepp = performance\n");
	assert_refused(fx, "host-lacks", LINE + 2, "leave `epp` out");
}

static void what_the_host_does_not_take_is_named(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "[host]\ngovernor = turbo\n");
	assert_refused(fx, "host-value", LINE + 2, "schedutil");
}

static void what_nobody_may_set_is_named(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "[host]\nignore_msrs = yes\n", "sys/module/kvm/parameters/ignore_msrs = N\n");
	fx->facts.attributes.items[0].fixed = true;
	make(fx);
	assert_refused(fx, "host-fixed", LINE + 2, "modprobe.d");
}

static void only_root_changes_the_host(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "[host]\ngovernor = performance\n", "");
	fx->facts.root = false;
	mem_set(&fx->facts.self.name, "alice");
	fx->facts.self.uid = 1000;
	make(fx);
	assert_refused(fx, "not-root", 0, "sudo");
	assert_int_equal(fx->plan.changes.count, 0);
}

// --- who

static void assert_user(const struct plan *plan, const char *name, uid_t uid, bool change)
{
	assert_string_equal(plan->user.name, name);
	assert_int_equal(plan->user.uid, uid);
	assert_int_equal(plan->user.change, change);
}

static void root_starts_it_as_a_user_of_its_own(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "");
	assert_user(&fx->plan, "vfiorun", 900, true);
	assert_int_equal(fx->plan.warnings.count, 0);
	fx->facts.vfiorun.found = false;
	make(fx);
	assert_user(&fx->plan, "nobody", 65534, true);
	assert_non_null(strstr(find(&fx->plan.warnings, "user-nobody")->hint, "useradd"));
	fx->facts.nobody.found = false;
	make(fx);
	assert_refused(fx, "no-user", 0, "useradd");
}

static void a_window_is_the_login_users(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "[display]\ntype = vnc\n", "");
	set_account(&fx->facts.login, "alice", 1000);
	make(fx);
	assert_user(&fx->plan, "alice", 1000, true);
}

static void a_screenless_guest_is_not_the_login_users(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "", "");
	set_account(&fx->facts.login, "alice", 1000);
	make(fx);
	assert_user(&fx->plan, "vfiorun", 900, true);
}

static void a_named_user_must_be_there(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "[vm]\nuser = games\n", "");
	make(fx);
	assert_refused(fx, "no-user", LINE + 2, "games");
	set_account(&fx->facts.named, "games", 5);
	make(fx);
	assert_user(&fx->plan, "games", 5, true);
}

static void a_user_starts_it_as_himself(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "[vm]\nuser = games\n", "");
	fx->facts.root = false;
	mem_set(&fx->facts.self.name, "alice");
	fx->facts.self.uid = 1000;
	set_account(&fx->facts.named, "games", 5);
	make(fx);
	assert_refused(fx, "not-root", LINE + 2, "leave `user` out");
	mem_set(&fx->profile.vm.user, NULL);
	make(fx);
	assert_fine(fx);
	assert_user(&fx->plan, "alice", 1000, false);
}

static bool has_variable(const struct plan *plan, const char *entry)
{
	for (size_t i = 0; i < plan->environment.count; i++) {
		if (str_eq(plan->environment.items[i], entry))
			return true;
	}
	return false;
}

static void homes_are_not_lent(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "", "");
	strv_add(&fx->facts.environment, "DISPLAY=:0");
	strv_add(&fx->facts.home_environment, "HOME=/root");
	make(fx);
	assert_true(has_variable(&fx->plan, "DISPLAY=:0"));
	assert_true(has_variable(&fx->plan, "USER=vfiorun"));
	assert_false(has_variable(&fx->plan, "HOME=/root"));
	fx->facts.root = false;
	make(fx);
	assert_true(has_variable(&fx->plan, "HOME=/root"));
}

// --- how

static void classes_need_a_right(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "scheduler = rr:1\n");
	assert_fine(fx);
	assert_int_equal(fx->plan.pins[0].sched.class, SCHED_CLASS_RR);
	assert_int_equal(fx->plan.pins[1].sched.priority, 1);
	assert_int_equal(fx->plan.pins[2].target, PIN_EMULATOR);
	assert_int_equal(fx->plan.pins[2].sched.class, SCHED_CLASS_OTHER);
	fx->facts.can_nice = false;
	make(fx);
	assert_refused(fx, "no-realtime", LINE + 1, "rtprio");
}

static void classes_leave_the_host_a_cpu(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "scheduler = fifo:2\npin = none\n");
	assert_refused(fx, "realtime-everywhere", LINE + 1, "scheduler = other");
}

static void all_cpus_are_too_many_for_a_class(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "scheduler = rr:1\npin = 0-11\nvcpus = 12\n");
	assert_refused(fx, "realtime-everywhere", LINE + 1, "left to the host");
}

static void isolation_is_what_it_is(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "");
	assert_string_equal(fx->plan.isolation.method, "affinity");
	assert_string_equal(fx->plan.isolation.cpus, "1,7");
	assert_true(cpuset_parse_list(&fx->facts.cpus.isolated, "1-2,7-8"));
	make(fx);
	assert_string_equal(fx->plan.isolation.method, "isolcpus");
	fx->profile.cpu.pin.mode = CPUS_NONE;
	make(fx);
	assert_string_equal(fx->plan.isolation.method, "none");
	assert_string_equal(fx->plan.isolation.cpus, "");
}

static void a_queue_brings_a_vhost_pin(void **state)
{
	struct fixture *fx = *state;
	const struct plan_pin *last;

	read_all(fx, "[net \"a\"]\ntype = bridge\nbridge = br0\n", "");
	fx->profile.vm.accel = ACCEL_KVM;
	make(fx);
	last = &fx->plan.pins[fx->plan.n_pins - 1];
	assert_int_equal(last->target, PIN_VHOST);
	assert_true(cpuset_equal(&last->cpus, &fx->plan.pins[fx->plan.n_pins - 2].cpus));
}

static void only_what_we_chose_yields(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "iothreads = 1\n");
	assert_int_equal(fx->plan.pins[0].target, PIN_VCPU);
	assert_false(fx->plan.pins[0].yields);
	assert_int_equal(fx->plan.pins[2].target, PIN_IOTHREAD);
	assert_true(fx->plan.pins[2].yields);
	assert_int_equal(fx->plan.pins[3].target, PIN_EMULATOR);
	assert_true(fx->plan.pins[3].yields);
	fx->profile.cpu.emulator = (struct cpus_request){ .mode = CPUS_LIST, .cpus = fx->plan.pins[3].cpus };
	make(fx);
	assert_true(fx->plan.pins[2].yields);
	assert_false(fx->plan.pins[3].yields);
}

static void the_console_is_for_a_terminal(void **state)
{
	struct fixture *fx = *state;

	begin(fx, "");
	assert_true(fx->plan.console_on_stdio);
	fx->options.detach = true;
	make(fx);
	assert_false(fx->plan.console_on_stdio);
	assert_true(fx->plan.console);
}

static void a_qemu_that_is_not_there(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "", "");
	fx->facts.qemu.known = false;
	make(fx);
	assert_non_null(find(&fx->plan.warnings, "qemu-unknown"));
	fx->facts.qemu_error = mem_dup("there is none");
	make(fx);
	assert_refused(fx, "no-qemu", 0, "[vm] qemu");
	fx->facts.qemu_hint = mem_dup("apt install qemu-system-x86");
	make(fx);
	assert_refused(fx, "no-qemu", 0, "apt install qemu-system-x86");
}

// Same input, same plan.
static void nothing_else_decides(void **state)
{
	struct fixture *fx = *state;
	AUTO_STRV struct strv before = { 0 };

	begin(fx, "[disk \"a\"]\nfile = /a.raw\n[net \"b\"]\n");
	strv_copy(&before, &fx->plan.argv);
	make(fx);
	assert_int_equal(fx->plan.argv.count, before.count);
	for (size_t i = 0; i < before.count; i++)
		assert_string_equal(fx->plan.argv.items[i], before.items[i]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static void a_foreign_scheduler_is_told(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "", "sys/kernel/sched_ext/state = enabled\nsys/kernel/sched_ext/root/ops = lavd\n");
	make(fx);
	assert_non_null(find(&fx->plan.warnings, "scheduler-foreign"));
	assert_non_null(strstr(find(&fx->plan.warnings, "scheduler-foreign")->text, "sched_ext (lavd)"));
	fx->profile.cpu.pin.mode = CPUS_NONE;
	make(fx);
	assert_null(find(&fx->plan.warnings, "scheduler-foreign"));
}

static void a_clock_that_disturbs_is_told(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "", "sys/devices/system/clocksource/clocksource0/current_clocksource = hpet\n");
	make(fx);
	assert_true(fx->plan.kvm);
	assert_non_null(find(&fx->plan.warnings, "clock-slow"));
	assert_non_null(strstr(find(&fx->plan.warnings, "clock-slow")->text, "by hpet"));
	strcpy(fx->facts.system.clock, "tsc");
	make(fx);
	assert_null(find(&fx->plan.warnings, "clock-slow"));
	strcpy(fx->facts.system.clock, "");
	make(fx);
	assert_null(find(&fx->plan.warnings, "clock-slow"));
	strcpy(fx->facts.system.clock, "acpi_pm");
	fx->profile.vm.accel = ACCEL_TCG;
	make(fx);
	assert_null(find(&fx->plan.warnings, "clock-slow"));
}

static void the_map_shows_other_guests_too(void **state)
{
	struct fixture *fx = *state;

	read_all(fx, "", "");
	assert_true(cpuset_parse_list(&fx->facts.others, "5,11"));
	make(fx);
	assert_non_null(strstr(fx->plan.map, "1,7 v0,v1"));
	assert_non_null(strstr(fx->plan.map, "5,11 x"));
	assert_non_null(strstr(fx->plan.map, "x: another guest"));
}

// Read from a tree: class, driver and group are what the kernel shows of them.
static void isa_bridge_stays(void **state)
{
	static const char text[] = "[pci \"00:1f.3\"]\ngroup = auto\n",
			  driven[] = "pci 0000:00:1f.0 8086:1e44 060100 driver=lpc_ich group=12\n"
				     "pci 0000:00:1f.3 8086:1e20 040300 driver=snd_hda_intel group=12\n",
			  idle[] = "pci 0000:00:1f.0 8086:1e44 060100 group=12\n"
				   "pci 0000:00:1f.3 8086:1e20 040300 driver=snd_hda_intel group=12\n";

	const struct fixture *fx = *state;

	read_all(*state, text, driven);
	make(*state);
	assert_refused(fx, "pci-group", 8, "/drivers/lpc_ich/unbind");
	begin_again(state);
	fx = *state;
	read_all(*state, text, idle);
	make(*state);
	assert_null(find(&fx->diags, "pci-group"));
	assert_int_equal(fx->plan.n_devices, 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(fx->plan.devices[i].passed, str_eq(fx->plan.devices[i].address, "0000:00:1f.3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_foreign_scheduler_is_told),
		TEST(a_clock_that_disturbs_is_told),
		TEST(the_map_shows_other_guests_too),
		TEST(changes_are_of_the_guests_cpus),
		TEST(iothreads_count_as_the_guest),
		TEST(an_unpinned_guest_has_all_cpus),
		TEST(the_machine_has_attributes_too),
		TEST(services_that_set_the_same_are_named),
		TEST(a_preference_that_the_governor_excludes),
		TEST(sleep_is_inhibited_where_logind_is),
		TEST(no_turbo_is_boost_the_other_way_round),
		TEST(what_the_host_lacks_is_named),
		TEST(what_the_host_does_not_take_is_named),
		TEST(what_nobody_may_set_is_named),
		TEST(only_root_changes_the_host),
		TEST(root_starts_it_as_a_user_of_its_own),
		TEST(a_window_is_the_login_users),
		TEST(a_screenless_guest_is_not_the_login_users),
		TEST(a_named_user_must_be_there),
		TEST(a_user_starts_it_as_himself),
		TEST(homes_are_not_lent),
		TEST(classes_need_a_right),
		TEST(classes_leave_the_host_a_cpu),
		TEST(all_cpus_are_too_many_for_a_class),
		TEST(isolation_is_what_it_is),
		TEST(a_queue_brings_a_vhost_pin),
		TEST(only_what_we_chose_yields),
		TEST(the_console_is_for_a_terminal),
		TEST(a_qemu_that_is_not_there),
		TEST(nothing_else_decides),
		TEST(isa_bridge_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
