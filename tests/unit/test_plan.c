// SPDX-License-Identifier: MIT
#include "launcher/plan/plan.h"
#include "launcher/plan/print.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void set_list(struct strv *list, const char *const *items)
{
	for (; *items; items++)
		strv_add(list, *items);
}

static void add_pin(struct plan *plan, enum pin_target target, int index, const char *cpus,
		    struct sched sched, const char *why)
{
	static const char *const names[] = { [PIN_EMULATOR] = "emulator", [PIN_VCPU] = "vcpu%d",
					     [PIN_IOTHREAD] = "iothread%d", [PIN_VHOST] = "vhost" };
	struct plan_pin *pin = MEM_PUSH(plan->pins, plan->n_pins);
	char name[16];

	if (target == PIN_VCPU)
		snprintf(name, sizeof(name), "vcpu%d", index);
	else if (target == PIN_IOTHREAD)
		snprintf(name, sizeof(name), "iothread%d", index);
	else
		snprintf(name, sizeof(name), "%s", names[target]);
	*pin = (struct plan_pin){ .thread = mem_dup(name),
				  .target = target,
				  .index = index,
				  .sched = sched,
				  .yields = target == PIN_EMULATOR,
				  .why = mem_dup(why) };
	assert_true(cpuset_parse_list(&pin->cpus, cpus));
}

static void add_pins(struct plan *plan)
{
	const struct sched other = { SCHED_CLASS_OTHER, 0 }, rr = { SCHED_CLASS_RR, 1 };

	add_pin(plan, PIN_VCPU, 0, "2", rr, "sibling pair 2,8 of core 2, L3 0, node 0");
	add_pin(plan, PIN_VCPU, 1, "8", rr, NULL);
	add_pin(plan, PIN_IOTHREAD, 0, "0,6", other, "core 0 is left to the host");
	add_pin(plan, PIN_EMULATOR, 0, "", other,
		"a reason that is long enough to need a second line, with \xc3\xbcmlauts to count as one");
	add_pin(plan, PIN_VHOST, 0, "8191", other, "");
}

static void add_helper(struct plan *plan)
{
	struct plan_helper *helper = MEM_PUSH(plan->helpers, plan->n_helpers);

	helper->name = mem_dup("passt");
	strv_add(&helper->argv, "passt");
	strv_add(&helper->argv, "--one-off");
	helper->socket = mem_dup("/run/vfiorun/demo/passt.sock");
}

static void add_fds(struct plan *plan)
{
	struct plan_fd *fd = plan_add_fd(plan, PLAN_FD_FILE, "disk system", "/images/a b.img");

	fd->write = true;
	plan_add_fd(plan, PLAN_FD_COPY, "firmware code", "/usr/share/OVMF/OVMF_CODE.fd");
	for (int queue = 0; queue < 2; queue++) {
		fd = plan_add_fd(plan, PLAN_FD_TAP, "network lan", NULL);
		fd->ifname = mem_dup("vf0");
		fd->bridge = mem_dup("br0");
	}
	plan_add_fd(plan, PLAN_FD_STREAM, "network nat", NULL)->helper = 0;
}

static void fill_lists(struct plan *plan)
{
	set_list(&plan->argv, (const char *const[]){ "qemu-system-x86_64", "-name", "demo,debug-threads=on",
						      "-S", "-append", "console=ttyS0 it's", "", NULL });
	set_list(&plan->argv_paths, (const char *const[]){ "qemu-system-x86_64", "-drive",
							    "file=/images/a b.img", NULL });
	set_list(&plan->environment, (const char *const[]){ "DISPLAY=:0", "A=b=c", NULL });
	set_list(&plan->operators, (const char *const[]){ "alice", NULL });
	set_list(&plan->hook_before, (const char *const[]){ "/bin/before", "x y", NULL });
	set_list(&plan->hook_stopped, (const char *const[]){ "/bin/stopped", NULL });
}

// A plan with something in every part.
static void fill(struct plan *plan)
{
	*plan = (struct plan){
		.name = mem_dup("demo"),
		.user = { mem_dup("alice"), 1000, UINT32_MAX, true },
		.memlock = UINT64_MAX,
		.memory_bytes = UINT64_C(8) << 30,
		.hugepage = 2 << 20,
		.memory_nodes = mem_dup("0"),
		.memory_why = mem_dup("enough pages are free"),
		.isolation = { mem_dup("affinity"), mem_dup("2,8"), mem_dup("nothing better is allowed") },
		.shutdown_timeout = 60,
		.greeting_ms = 5000,
		.n_vcpus = 2,
		.vcpu_nice = -10,
		.n_iothreads = 1,
		.console = true,
		.kvm = true,
		.accel_why = mem_dup("/dev/kvm opens"),
		.display_why = mem_dup("none, as asked"),
		.topology_why = mem_dup("1 socket, 1 core, 2 threads a core"),
		.hook_timeout = 30,
		.qemu = mem_dup("/usr/bin/qemu-system-x86_64"),
		.run_dir = mem_dup("/run/vfiorun/demo"),
		.state_dir = mem_dup("/var/lib/vfiorun/demo"),
		.log_dir = mem_dup("/var/log/vfiorun"),
	};
	fill_lists(plan);
	add_pins(plan);
	add_helper(plan);
	add_fds(plan);
	plan->vars = (struct plan_vars){ .used = true,
					 .create = true,
					 .path = mem_dup("/var/lib/vfiorun/demo/VARS.fd"),
					 .template = mem_dup("/usr/share/OVMF/OVMF_VARS.fd") };
	change_add(&plan->changes, "set", "/sys/x/governor", "powersave", "performance", "vCPUs run there");
	change_add(&plan->changes, "set", "/sys/y/governor", "powersave", "performance", "vCPUs run there");
	change_add(&plan->changes, "set", "/sys/z/governor", "ondemand", "performance", "vCPUs run there");
	change_add(&plan->changes, "file", "/run/vfiorun/demo/x", NULL, "a\tb", "a helper reads it");
	diag_hint(diag_add(&plan->warnings, DIAG_WARNING, "pin-shared", (struct place){ "demo.conf", 7 },
			   "several vCPUs are on CPU 2"),
		  "give each a CPU of its own");
}

static void fds_are_numbered_above_the_standard_ones(void **state)
{
	struct plan plan = { 0 };

	(void)state;
	assert_int_equal(plan_add_fd(&plan, PLAN_FD_FILE, "a", "/a")->fd, 10);
	assert_int_equal(plan_add_fd(&plan, PLAN_FD_STREAM, "b", NULL)->fd, 11);
	assert_int_equal(plan.fds[1].helper, -1);
	assert_null(plan.fds[1].path);
	assert_string_equal(plan.fds[0].what, "a");
	plan_finish(&plan);
	assert_int_equal(plan.n_fds, 0);
}

static struct json_object *at(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	assert_true(json_object_object_get_ex(object, key, &value));
	return value;
}

static const char *text_at(struct json_object *object, const char *key)
{
	return json_object_get_string(at(object, key));
}

static void json_has_what_scripts_read(void **state)
{
	struct json_object *json, *item;
	struct plan plan;

	(void)state;
	fill(&plan);
	json = plan_print_json(&plan);
	assert_string_equal(text_at(json, "name"), "demo");
	assert_string_equal(text_at(json, "user"), "alice");
	assert_int_equal(json_object_get_uint64(at(json, "memlock")), UINT64_MAX);
	assert_string_equal(text_at(at(json, "environment"), "A"), "b=c");
	item = json_object_array_get_idx(at(json, "fds"), 1);
	assert_int_equal(json_object_get_int(at(item, "fd")), 11);
	assert_string_equal(text_at(item, "what"), "firmware code");
	item = json_object_array_get_idx(at(json, "warnings"), 0);
	assert_string_equal(text_at(item, "code"), "pin-shared");
	item = json_object_array_get_idx(at(json, "changes"), 3);
	assert_null(at(item, "was"));
	assert_string_equal(text_at(item, "want"), "a\tb");
	item = json_object_array_get_idx(at(json, "pins"), 0);
	assert_string_equal(text_at(item, "thread"), "vcpu0");
	assert_string_equal(text_at(item, "policy"), "rr:1");
	assert_int_equal(json_object_get_int64(at(at(json, "memory"), "hugepage")), 2097152);
	assert_string_equal(text_at(at(json, "isolation"), "cpus"), "2,8");
	assert_int_equal(json_object_array_length(at(json, "inputs")), 0);
	assert_string_equal(text_at(json_object_array_get_idx(at(json, "helpers"), 0), "name"), "passt");
	json_object_put(json);
	plan_finish(&plan);
}

// Text and back as the state file does it.
static struct json_object *through_text(const struct plan *plan)
{
	struct json_object *json = plan_print_json(plan), *again;

	again = json_tokener_parse(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	assert_non_null(again);
	json_object_put(json);
	return again;
}

static void assert_same_list(const struct strv *a, const struct strv *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++)
		assert_string_equal(a->items[i], b->items[i]);
}

static void assert_same_pins(const struct plan *a, const struct plan *b)
{
	assert_int_equal(a->n_pins, b->n_pins);
	for (size_t i = 0; i < a->n_pins; i++) {
		assert_string_equal(a->pins[i].thread, b->pins[i].thread);
		assert_int_equal(a->pins[i].target, b->pins[i].target);
		assert_int_equal(a->pins[i].index, b->pins[i].index);
		assert_true(cpuset_equal(&a->pins[i].cpus, &b->pins[i].cpus));
		assert_memory_equal(&a->pins[i].sched, &b->pins[i].sched, sizeof(struct sched));
		assert_int_equal(a->pins[i].yields, b->pins[i].yields);
		assert_true(str_eq(a->pins[i].why, b->pins[i].why));
	}
}

static void an_adopter_reads_back_what_it_needs(void **state)
{
	struct json_object *json;
	struct err err = ERR_NONE;
	struct plan a, b;

	(void)state;
	fill(&a);
	json = through_text(&a);
	assert_int_equal(plan_parse_json(json, &b, &err), 0);
	assert_string_equal(b.name, "demo");
	assert_same_list(&a.argv, &b.argv);
	assert_same_list(&a.argv_paths, &b.argv_paths);
	assert_same_list(&a.environment, &b.environment);
	assert_same_list(&a.operators, &b.operators);
	assert_same_list(&a.hook_before, &b.hook_before);
	assert_same_list(&a.hook_started, &b.hook_started);
	assert_same_list(&a.hook_stopped, &b.hook_stopped);
	assert_same_pins(&a, &b);
	assert_string_equal(b.user.name, "alice");
	assert_int_equal(b.user.uid, 1000);
	assert_int_equal(b.user.gid, UINT32_MAX);
	assert_true(b.user.change);
	assert_int_equal(b.memlock, UINT64_MAX);
	assert_int_equal(b.memory_bytes, a.memory_bytes);
	assert_int_equal(b.hugepage, a.hugepage);
	assert_string_equal(b.memory_nodes, "0");
	assert_string_equal(b.isolation.method, "affinity");
	assert_int_equal(b.n_vcpus, 2);
	assert_int_equal(b.vcpu_nice, -10);
	assert_int_equal(b.n_iothreads, 1);
	assert_int_equal(b.shutdown_timeout, 60);
	assert_int_equal(b.greeting_ms, 5000);
	assert_int_equal(b.hook_timeout, 30);
	assert_true(b.console && b.kvm && !b.kvm_node);
	assert_string_equal(b.qemu, a.qemu);
	assert_string_equal(b.run_dir, a.run_dir);
	assert_string_equal(b.state_dir, a.state_dir);
	assert_string_equal(b.log_dir, a.log_dir);
	assert_int_equal(b.n_helpers, 1);
	assert_string_equal(b.helpers[0].socket, a.helpers[0].socket);
	assert_same_list(&a.helpers[0].argv, &b.helpers[0].argv);
	json_object_put(json);
	plan_finish(&a);
	plan_finish(&b);
}

static void an_empty_plan_needs_a_name(void **state)
{
	struct plan empty = { 0 }, back;
	struct err err = ERR_NONE;
	struct json_object *json = through_text(&empty);

	(void)state;
	assert_int_equal(plan_parse_json(json, &back, &err), -EPROTO);
	assert_non_null(strstr(err.text, "name"));
	json_object_put(json);
}

// Replaces one member of the good plan, at the top or in the group, with other JSON.
static void check_damage(const char *group, const char *key, const char *value)
{
	struct json_object *json, *where;
	struct err err = ERR_NONE;
	struct plan plan;

	fill(&plan);
	json = through_text(&plan);
	plan_finish(&plan);
	where = group ? at(json, group) : json;
	if (value)
		json_object_object_add(where, key, json_tokener_parse(value));
	else
		json_object_object_del(where, key);
	if (plan_parse_json(json, &plan, &err) != -EPROTO)
		fail_msg("%s = %s was taken", key, value ?: "nothing");
	assert_non_null(strstr(err.text, key));
	assert_null(plan.pins);
	json_object_put(json);
}

static void a_damaged_plan_is_refused(void **state)
{
	(void)state;
	check_damage(NULL, "name", "7");
	check_damage(NULL, "name", "null");
	check_damage(NULL, "argv", "\"qemu\"");
	check_damage(NULL, "argv", "[1]");
	check_damage(NULL, "pins", NULL);
	check_damage(NULL, "pins", "[{}]");
	check_damage(NULL, "pins", "[{\"thread\":\"vcpu\",\"cpus\":\"0\",\"policy\":\"other\"}]");
	check_damage(NULL, "pins", "[{\"thread\":\"vcpu-1\",\"cpus\":\"0\",\"policy\":\"other\"}]");
	check_damage(NULL, "pins", "[{\"thread\":\"disk\",\"cpus\":\"0\",\"policy\":\"other\"}]");
	check_damage(NULL, "pins", "[{\"thread\":\"vcpu0\",\"cpus\":\"8192\",\"policy\":\"other\"}]");
	check_damage(NULL, "pins", "[{\"thread\":\"vcpu0\",\"cpus\":\"0\",\"policy\":\"rr:100\"}]");
	check_damage(NULL, "helpers", "[{\"argv\":[]}]");
	check_damage(NULL, "environment", "{\"A\":1}");
	check_damage(NULL, "supervise", NULL);
	check_damage("supervise", "uid", "-1");
	check_damage("supervise", "uid", "4294967296");
	check_damage("supervise", "vcpus", "2147483648");
	check_damage("supervise", "vcpus", "-1");
	check_damage("supervise", "vcpu_nice", "-2147483649");
	check_damage("supervise", "console", "1");
	check_damage("supervise", "run_dir", NULL);
	check_damage("memory", "bytes", "-5");
}

// What sh makes of the text, an argument a line.
static char *words_of_sh(const char *command)
{
	AUTO_FREE char *line = mem_printf("printf '<%%s>\\n' %s", command);
	FILE *pipe = popen(line, "r");
	struct str out = { 0 };
	char buf[512];
	size_t n;

	assert_non_null(pipe);
	while ((n = fread(buf, 1, sizeof(buf), pipe)) > 0)
		str_addn(&out, buf, n);
	assert_int_equal(pclose(pipe), 0);
	return str_take(&out);
}

static void the_command_survives_a_shell(void **state)
{
	static const char *const words[] = {
		"/usr/bin/qemu", "-name", "a b", "-x", "it's", "-y", "", "$HOME `id` $(id) \\ \"",
		"-z", "*?[a]", "~", "#", "-append", "a\nb", "-drive", "file=/a,if=none;x&y|z<>(){}!^", "\xc3\xbc",
		"--", "-", "=",
	};
	AUTO_STR struct str text = { 0 };
	AUTO_STR struct str expected = { 0 };
	AUTO_FREE char *got = NULL;
	struct plan plan = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		strv_add(&plan.argv_paths, words[i]);
		str_addf(&expected, "<%s>\n", words[i]);
	}
	plan_print_argv(&plan, &text);
	got = words_of_sh(str_text(&text));
	assert_string_equal(got, str_text(&expected));
	plan_finish(&plan);
}

static void an_option_takes_a_line(void **state)
{
	AUTO_STR struct str text = { 0 };
	struct plan plan;

	(void)state;
	fill(&plan);
	plan_print_argv(&plan, &text);
	assert_string_equal(str_text(&text), "qemu-system-x86_64 \\\n"
					     "  -drive 'file=/images/a b.img'\n");
	plan_finish(&plan);
}

static const char expected_text[] =
	"guest demo: 2 vCPUs\n"
	"  qemu      /usr/bin/qemu-system-x86_64\n"
	"  accel     KVM: /dev/kvm opens\n"
	"  topology  1 socket, 1 core, 2 threads a core\n"
	"  display   none, as asked\n"
	"  console   serial, /run/vfiorun/demo/console.sock\n"
	"\n"
	"warnings\n"
	"  demo.conf:7: several vCPUs are on CPU 2\n"
	"    hint: give each a CPU of its own\n"
	"\n"
	"threads and their CPUs\n"
	"  vcpu0      2     rr:1    sibling pair 2,8 of core 2, L3 0, node 0\n"
	"  vcpu1      8     rr:1\n"
	"  iothread0  0,6   other   core 0 is left to the host\n"
	"  emulator   any   other   a reason that is long enough to need a second line,\n"
	"                           with ümlauts to count as one\n"
	"  vhost      8191  other\n"
	"  isolation affinity: nothing better is allowed\n"
	"\n"
	"memory\n"
	"  size      8G in pages of 2M, from node 0: enough pages are free\n"
	"  memlock   unlimited\n"
	"\n"
	"host changes, undone at the end\n"
	"  set   /sys/x/governor\n"
	"        /sys/y/governor\n"
	"        powersave -> performance\n"
	"        vCPUs run there\n"
	"  set   /sys/z/governor\n"
	"        ondemand -> performance\n"
	"        vCPUs run there\n"
	"  file  /run/vfiorun/demo/x\n"
	"        (nothing) -> a\\tb\n"
	"        a helper reads it\n"
	"\n"
	"opened for QEMU\n"
	"  10    disk system\n"
	"        /images/a b.img\n"
	"  11    firmware code, as a copy in memory\n"
	"        /usr/share/OVMF/OVMF_CODE.fd\n"
	"  12-13 network lan, interface vf0, bridge br0\n"
	"  14    network nat\n"
	"\n"
	"kept after the guest\n"
	"  variables /var/lib/vfiorun/demo/VARS.fd, made once from\n"
	"            /usr/share/OVMF/OVMF_VARS.fd\n"
	"\n"
	"helpers\n"
	"  passt \\\n"
	"    --one-off\n"
	"\n"
	"who runs and steers it\n"
	"  user      alice (uid 1000, gid 4294967295)\n"
	"  operators alice\n"
	"  before    /bin/before 'x y'\n"
	"  stopped   /bin/stopped\n"
	"\n"
	"environment\n"
	"  DISPLAY=:0\n"
	"  A=b=c\n"
	"\n"
	"command\n"
	"  qemu-system-x86_64 \\\n"
	"    -name demo,debug-threads=on \\\n"
	"    -S \\\n"
	"    -append 'console=ttyS0 it'\\''s' ''\n";

static void text_says_everything(void **state)
{
	AUTO_STR struct str text = { 0 };
	struct plan plan;

	(void)state;
	fill(&plan);
	plan_print_text(&plan, &text);
	assert_string_equal(str_text(&text), expected_text);
	plan_finish(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fds_are_numbered_above_the_standard_ones),
		cmocka_unit_test(json_has_what_scripts_read),
		cmocka_unit_test(an_adopter_reads_back_what_it_needs),
		cmocka_unit_test(an_empty_plan_needs_a_name),
		cmocka_unit_test(a_damaged_plan_is_refused),
		cmocka_unit_test(the_command_survives_a_shell),
		cmocka_unit_test(an_option_takes_a_line),
		cmocka_unit_test(text_says_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
