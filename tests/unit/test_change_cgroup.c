// SPDX-License-Identifier: MIT
// The kinds that isolate CPUs: cgroup, cpuset, token, mask, affinity, and what becomes of the host's own tasks.
#include "tune/change/change.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/fakehost.h"
#include "tune/change/mask.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CG "/sys/fs/cgroup"

static struct fakehost fake;
static struct fakeguest a, b;
static char *before;

static int setup(void **state)
{
	(void)state;
	fakehost_make(&fake);
	fakeguest_open(&a, &fake, "a");
	fakeguest_open(&b, &fake, "b");
	before = fakehost_print(&fake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(before);
	fakeguest_close(&a);
	fakeguest_close(&b);
	fakehost_remove(&fake);
	return 0;
}

static int try_apply(struct fakeguest *guest, const char *kind, const char *path, const char *want, struct err *err)
{
	struct change_list list = { 0 };
	int r;

	change_add(&list, kind, path, NULL, want, "a test");
	r = fakeguest_apply(guest, &list, err);
	change_list_finish(&list);
	return r;
}

static void apply(struct fakeguest *guest, const char *kind, const char *path, const char *want)
{
	struct err err = ERR_NONE;

	if (try_apply(guest, kind, path, want, &err) < 0)
		fail_msg("%s", err.text);
}

// A guest's partition of `cpus`, of which `vcpus` are isolated.
static void isolate(struct fakeguest *guest, const char *cpus, const char *vcpus)
{
	AUTO_FREE char *vm = mem_printf(CG "/vfiorun-%s", guest->name);
	AUTO_FREE char *vm_cpus = mem_printf("%s/cpuset.cpus", vm);
	AUTO_FREE char *vm_partition = mem_printf("%s/cpuset.cpus.partition", vm);
	AUTO_FREE char *control = mem_printf("%s/cgroup.subtree_control", vm);
	AUTO_FREE char *child = mem_printf("%s/vcpus", vm), *child_cpus = mem_printf("%s/cpuset.cpus", child);
	AUTO_FREE char *child_partition = mem_printf("%s/cpuset.cpus.partition", child);

	apply(guest, "token", CG "/cgroup.subtree_control", "cpuset");
	apply(guest, "cgroup", vm, "domain");
	apply(guest, "cpuset", vm_cpus, cpus);
	apply(guest, "cpuset", vm_partition, "root");
	apply(guest, "token", control, "cpuset");
	apply(guest, "cgroup", child, "threaded");
	apply(guest, "cpuset", child_cpus, vcpus);
	apply(guest, "cpuset", child_partition, "isolated");
}

static void undo_quietly(struct fakeguest *guest)
{
	struct journal_report report;

	assert_int_equal(journal_undo(&guest->journal, &guest->world, &report), 0);
	if (report.count)
		fail_msg("%s", report.items[0].text);
	journal_report_finish(&report);
}

static char *undo_and_hear(struct fakeguest *guest)
{
	struct journal_report report;
	char *text;

	journal_undo(&guest->journal, &guest->world, &report);
	text = mem_dup(report.count == 1 ? report.items[0].text : "not one item");
	journal_report_finish(&report);
	return text;
}

static void assert_same(void)
{
	AUTO_FREE char *after = fakehost_print(&fake);

	if (strcmp(before, after) != 0)
		fail_msg("was\n%s\nis\n%s", before, after);
}

static void assert_file(const char *path, const char *value)
{
	AUTO_FREE char *now = fakehost_get(&fake, path);

	if (!str_eq(now, value))
		fail_msg("%s: %s, not %s", path, now ? now : "nothing", value);
}

static void test_hex_masks(void **state)
{
	static const struct {
		const char *text, *list;
	} rows[] = {
		{ "f", "0-3" },
		{ "00000000,0000000c", "2-3" },
		{ "ff,00000000,00000001", "0,64-71" },
		{ "80000000", "31" },
		{ "0", "" },
	};

	AUTO_STR struct str long_mask = { 0 };
	struct cpuset set;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_STR struct str printed = { 0 };
		AUTO_FREE char *list = NULL;
		struct cpuset again;

		assert_true(cpuset_parse_mask(&set, rows[i].text));
		list = cpuset_text(&set);
		assert_string_equal(list, rows[i].list);
		mask_print_hex(&set, &printed);
		assert_true(cpuset_parse_mask(&again, str_text(&printed)));
		assert_true(cpuset_equal(&set, &again));
	}
	assert_false(cpuset_parse_mask(&(struct cpuset){ 0 }, ""));
	assert_false(cpuset_parse_mask(&(struct cpuset){ 0 }, "0-3"));
	assert_false(cpuset_parse_mask(&(struct cpuset){ 0 }, "100000000"));
	// as many words as the kernel was built for, more than a set here holds
	for (int i = 0; i < CPUSET_MAX / 32; i++)
		str_add(&long_mask, "00000000,");
	str_add(&long_mask, "00000003\n");
	assert_true(cpuset_parse_mask(&set, str_text(&long_mask)));
	assert_int_equal(cpuset_count(&set), 2);
	long_mask.text[7] = '1';
	assert_false(cpuset_parse_mask(&set, str_text(&long_mask)));
}

static void test_partition_and_back(void **state)
{
	(void)state;
	isolate(&a, "1-3", "2-3");
	assert_file(CG "/vfiorun-a/cpuset.cpus.partition", "root");
	assert_file(CG "/vfiorun-a/vcpus/cpuset.cpus.partition", "isolated");
	assert_file(CG "/cpuset.cpus.effective", "0");
	undo_quietly(&a);
	assert_same();
}

static void test_tasks_keep_their_affinities(void **state)
{
	(void)state;
	isolate(&a, "2-3", "3");
	assert_file("/proc/100/mask", "1");   // nothing of it was taken
	assert_file("/proc/101/mask", "1");   // 3 was
	assert_file("/proc/102/mask", "0-1"); // had all, has all that are left
	assert_file("/proc/200/mask", "0-1"); // nothing was left of it
	undo_quietly(&a);
	assert_same();
}

// As a child has it from its parent: it asks for 1 and 3 while there is only 1 to be had.
static void test_what_the_kernel_remembers_is_not_narrowed(void **state)
{
	(void)state;
	isolate(&a, "2-3", "3");
	fakehost_set(&fake, "/proc/102/asked", "1,3");
	fakehost_set(&fake, "/proc/102/mask", "1");
	undo_quietly(&a);
	assert_file("/proc/102/mask", "1,3");
}

// It asks for 1 to 3, and has less and less of that.
static void test_what_a_task_asks_for_stays(void **state)
{
	(void)state;
	fakehost_set(&fake, "/proc/102/asked", "1-3");
	fakehost_set(&fake, "/proc/102/mask", "1-3");
	isolate(&b, "3", "3");
	assert_file("/proc/102/mask", "1-2");
	isolate(&a, "2", "2");
	assert_file("/proc/102/mask", "1");
	assert_file("/proc/102/asked", "1-3");
	undo_quietly(&a);
	undo_quietly(&b);
	assert_file("/proc/102/mask", "1-3");
	assert_file("/proc/102/asked", "1-3");
}

static void add_task(int tid, const char *flags, const char *mask)
{
	AUTO_FREE char *stat = mem_printf("/proc/%d/stat", tid), *cpus = mem_printf("/proc/%d/mask", tid);
	AUTO_FREE char *text = mem_printf("%d (t) S 1 0 0 0 0 %s 0 0 0 0 0 0 0 0 0 0 0 0 9%d", tid, flags, tid);

	fakehost_set(&fake, stat, text);
	fakehost_set(&fake, cpus, mask);
}

// As long a list as no single read of the kernel's gives, in a cgroup below one that says nothing of CPUs, and one of a
// cgroup with CPUs of its own.
static void test_tasks_of_all_cgroups_are_noted(void **state)
{
	static const struct {
		int tid;
		const char *flags, *mask, *noted; // NULL: it has all that it could have, or is not to be moved
	} rows[] = {
		{ 400, "0", "2", "2" },	  { 401, "0", "0-3", NULL },    { 499, "0", "0-2", "0-2" },
		{ 500, "0", "0-1", NULL }, { 501, "0", "1", "1" },       { 502, "0", "3", NULL },
		{ 503, "67108864", "1", NULL }, { 504, "0", "0", "0" },
	};
	AUTO_STR struct str many = { 0 };

	(void)state;
	str_add(&many, "400\n401\n");
	for (int i = 0; i < 20000; i++)
		str_add(&many, "600\n"); // gone
	str_add(&many, "0\n499");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		add_task(rows[i].tid, rows[i].flags, rows[i].mask);
	fakehost_set(&fake, CG "/user.slice/deep/deeper/cgroup.threads", str_text(&many));
	fakehost_set(&fake, CG "/user.slice/deep/cgroup.threads", "");
	fakehost_set(&fake, CG "/user.slice/own/cpuset.cpus.effective", "0-1");
	fakehost_set(&fake, CG "/user.slice/own/cgroup.threads", "500\n501\n502\n503");
	fakehost_set(&fake, CG "/user.slice/own/below/cgroup.threads", "504");
	apply(&a, "token", CG "/cgroup.subtree_control", "cpuset");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *name = mem_printf("%d.9%d", rows[i].tid, rows[i].tid);
		const struct journal_record *record = journal_find(&a.journal, "affinity", name);

		if (!str_eq(record ? record->change.was : NULL, rows[i].noted))
			fail_msg("%s: %s, not %s", name, record ? record->change.was : "nothing",
				 rows[i].noted ? rows[i].noted : "nothing");
	}
	undo_quietly(&a);
}

static void test_no_list_of_tasks_no_change(void **state)
{
	AUTO_FREE char *path = mem_printf("%s" CG "/cgroup.threads", fake.tree);
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(try_apply(&a, "token", CG "/cgroup.subtree_control", "cpuset", &err), -ENOENT);
	assert_non_null(strstr(err.text, "listing the host's tasks"));
	assert_file(CG "/cgroup.subtree_control", "cpu"); // which would stay had the other cgroup CPUs of its own
}

static void test_who_chose_anew_keeps_that(void **state)
{
	(void)state;
	isolate(&a, "2-3", "3");
	fakehost_set(&fake, "/proc/101/mask", "0"); // its owner, meanwhile
	fakehost_set(&fake, "/proc/102/mask", "1"); // and one that had no affinity of its own
	undo_quietly(&a);
	assert_file("/proc/101/mask", "0");
	assert_file("/proc/102/mask", "1");
	fakehost_set(&fake, "/proc/101/mask", "1,3");
	fakehost_set(&fake, "/proc/102/mask", "0-3");
	assert_same();
}

static void test_a_task_that_ended_needs_nothing(void **state)
{
	(void)state;
	isolate(&a, "2-3", "3");
	fakehost_set(&fake, "/proc/100/stat", "100 (other) S 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 9999");
	fakehost_set(&fake, "/proc/100/mask", "0-1");
	undo_quietly(&a);
	assert_file("/proc/100/mask", "0-3"); // another process by now, which had what there was
}

static void test_invalid_partition_is_said_and_undone(void **state)
{
	struct err err = ERR_NONE;

	(void)state;
	apply(&a, "token", CG "/cgroup.subtree_control", "cpuset");
	apply(&a, "cgroup", CG "/vfiorun-a", "domain");
	apply(&a, "cpuset", CG "/vfiorun-a/cpuset.cpus", "0-3");
	assert_int_equal(try_apply(&a, "cpuset", CG "/vfiorun-a/cpuset.cpus.partition", "root", &err), -EIO);
	assert_non_null(strstr(err.text, "asked for root, got root invalid (Cpu list in cpuset.cpus not"));
	assert_file(CG "/vfiorun-a/cpuset.cpus.partition", "member");
	undo_quietly(&a);
	assert_same();
}

static void two_guests(struct fakeguest *first, struct fakeguest *second)
{
	isolate(&a, "3", "3");
	isolate(&b, "1-2", "2");
	assert_file(CG "/cpuset.cpus.effective", "0");
	undo_quietly(first);
	undo_quietly(second);
	assert_same();
}

static void test_two_guests_in_order(void **state)
{
	(void)state;
	two_guests(&a, &b);
}

static void test_two_guests_other_way_round(void **state)
{
	(void)state;
	two_guests(&b, &a);
}

static void test_controller_that_somebody_came_to_use(void **state)
{
	AUTO_FREE char *said = NULL;

	(void)state;
	apply(&a, "token", CG "/cgroup.subtree_control", "cpuset");
	fakehost_set(&fake, CG "/user.slice/cpuset.cpus", "0-1");
	said = undo_and_hear(&a);
	assert_non_null(strstr(said, "cpuset, which " CG "/user.slice uses"));
	assert_non_null(strstr(said, "left alone"));
	assert_file(CG "/cgroup.subtree_control", "cpuset cpu");
}

static void test_controller_that_was_on_stays_on(void **state)
{
	(void)state;
	fakehost_set(&fake, CG "/cgroup.subtree_control", "+cpuset");
	free(before);
	before = fakehost_print(&fake);
	isolate(&a, "2-3", "3");
	undo_quietly(&a);
	assert_same();
}

static void test_leftover_members_are_moved_out(void **state)
{
	(void)state;
	apply(&a, "cgroup", CG "/vfiorun-a", "domain");
	fakehost_set(&fake, CG "/vfiorun-a/cgroup.procs", "777");
	undo_quietly(&a);
	assert_same();
}

// The partitions' own files are written, the rest goes with its folder.
static void test_what_is_in_a_cgroup_goes_with_it(void **state)
{
	static const struct {
		const char *path, *how;
	} rows[] = {
		{ CG "/vfiorun-a/vcpus/cpuset.cpus.partition", "undone" },
		{ CG "/vfiorun-a/vcpus/cpuset.cpus", "gone" },
		{ CG "/vfiorun-a/cgroup.subtree_control", "gone" },
		{ CG "/vfiorun-a/cpuset.cpus.partition", "undone" },
		{ CG "/vfiorun-a/cpuset.cpus", "gone" },
		{ CG "/cgroup.subtree_control", "undone" },
	};
	(void)state;

	isolate(&a, "1-3", "2-3");
	undo_quietly(&a);
	assert_same();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t k = 0;

		while (strcmp(a.journal.records[k].change.path, rows[i].path) != 0)
			assert_true(++k < a.journal.count);
		assert_string_equal(a.journal.records[k].done, rows[i].how);
	}
}

static void test_what_is_in_a_cgroup_that_stays_is_put_back(void **state)
{
	struct journal_report report;
	(void)state;

	isolate(&a, "1-3", "2-3");
	fakehost_set(&fake, CG "/vfiorun-a/somebody/cgroup.procs", "");
	assert_int_equal(journal_undo(&a.journal, &a.world, &report), -EIO);
	assert_int_equal(report.count, 1);
	assert_non_null(strstr(report.items[0].text, "it has cgroups of somebody else in it"));
	journal_report_finish(&report);
	assert_file(CG "/vfiorun-a/cgroup.subtree_control", "");
	assert_file(CG "/cgroup.subtree_control", "cpu"); // which would stay had the other cgroup CPUs of its own
	assert_int_equal(a.host.remove_cgroup(&a, CG "/vfiorun-a/somebody"), 0);
	undo_quietly(&a);
	assert_same();
}

static void test_cgroup_of_another_name_is_refused(void **state)
{
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(try_apply(&a, "cgroup", CG "/system.slice", "domain", &err), -EPERM);
	assert_int_equal(try_apply(&a, "cpuset", CG "/user.slice/cpuset.cpus", "0", &err), -EPERM);
	assert_int_equal(try_apply(&a, "mask", "/sys/h/cpus", "without 1", &err), -EPERM);
}

static void test_cgroup_that_is_there_is_refused(void **state)
{
	struct err err = ERR_NONE;

	(void)state;
	apply(&a, "cgroup", CG "/vfiorun-x", "domain");
	assert_int_equal(try_apply(&b, "cgroup", CG "/vfiorun-x", "domain", &err), -EEXIST);
	undo_quietly(&b);
	assert_file(CG "/vfiorun-x/cgroup.type", "domain");
	undo_quietly(&a);
	assert_same();
}

static void test_cgroup_gone_needs_nothing(void **state)
{
	(void)state;
	apply(&a, "cgroup", CG "/vfiorun-a", "domain");
	apply(&a, "token", CG "/vfiorun-a/cgroup.subtree_control", "cpuset");
	assert_int_equal(a.host.remove_cgroup(&a, CG "/vfiorun-a"), 0);
	undo_quietly(&a);
	assert_same();
}

// ---- masks

#define DEFAULT "/proc/irq/default_smp_affinity"
#define IRQ24	"/proc/irq/24/smp_affinity_list"
#define IRQ25	"/proc/irq/25/smp_affinity_list"

static void test_mask_and_back(void **state)
{
	(void)state;
	apply(&a, "mask", DEFAULT, "without 2-3");
	apply(&a, "mask", IRQ24, "without 2-3 else 0-1");
	apply(&a, "mask", IRQ25, "without 2-3 else 0-1");
	assert_file(DEFAULT, "3");
	assert_file(IRQ24, "0-1");
	assert_file(IRQ25, "0-1"); // it had no other
	undo_quietly(&a);
	assert_same();
}

static void two_masks(const char *path, const char *want_a, const char *want_b, struct fakeguest *first,
		      struct fakeguest *second)
{
	apply(&a, "mask", path, want_a);
	apply(&b, "mask", path, want_b);
	undo_quietly(first);
	undo_quietly(second);
	assert_same();
}

static void test_masks_of_two_guests(void **state)
{
	static const struct {
		const char *path, *a, *b;
	} rows[] = {
		{ IRQ24, "without 2", "without 3" },   { DEFAULT, "without 2-3", "without 1" },
		{ IRQ24, "without 2-3", "without 3" }, { DEFAULT, "without 3", "without 1-3" },
		{ IRQ24, "without 3", "without 3" },   { IRQ25, "without 2 else 0-1", "without 1 else 0" },
		{ IRQ25, "without 3", "without 2 else 0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		two_masks(rows[i].path, rows[i].a, rows[i].b, &a, &b);
		two_masks(rows[i].path, rows[i].a, rows[i].b, &b, &a);
	}
}

static void test_mask_of_the_guest_that_stays(void **state)
{
	(void)state;
	apply(&a, "mask", IRQ24, "without 2-3");
	apply(&b, "mask", IRQ24, "without 3");
	undo_quietly(&a);
	assert_file(IRQ24, "0-2"); // b wants 3 out
	undo_quietly(&b);
	assert_same();
}

static void test_somebody_elses_mask(void **state)
{
	AUTO_FREE char *said = NULL;

	(void)state;
	apply(&a, "mask", IRQ24, "without 2-3");
	fakehost_set(&fake, IRQ24, "1"); // not about our CPUs: theirs, and ours come back
	undo_quietly(&a);
	assert_file(IRQ24, "1-3");
	fakehost_set(&fake, IRQ24, "0-3");
	apply(&a, "mask", IRQ24, "without 2-3");
	fakehost_set(&fake, IRQ24, "0-2"); // one of ours is back already
	undo_quietly(&a);
	assert_same();
	apply(&a, "mask", IRQ25, "without 2-3 else 0");
	fakehost_set(&fake, IRQ25, "1");
	said = undo_and_hear(&a);
	assert_non_null(strstr(said, "is now other 1, was only 2 before"));
	assert_non_null(strstr(said, "somebody else changed it: left alone"));
	assert_file(IRQ25, "1");
}

static void test_interrupt_that_is_gone(void **state)
{
	AUTO_FREE char *path = mem_printf("%s" IRQ24, fake.tree);

	(void)state;
	apply(&a, "mask", IRQ24, "without 2-3");
	assert_int_equal(unlink(path), 0);
	undo_quietly(&a);
}

// The node that guests share: whoever ends first, the other one keeps it.
static void test_owner_of_what_guests_share(void **state)
{
	AUTO_FREE char *node = mem_printf("%s/dev/iommu", fake.tree);
	struct stat st;

	(void)state;
	assert_int_equal(mkfifo(node, 0600), 0);
	assert_int_equal(chmod(node, 0660), 0);
	for (int i = 0; i < 2; i++) {
		apply(&a, "owner", "/dev/iommu", "mode=0600");
		apply(&b, "owner", "/dev/iommu", "mode=0600");
		undo_quietly(i ? &b : &a);
		assert_int_equal(stat(node, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		undo_quietly(i ? &a : &b);
		assert_int_equal(stat(node, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0660);
	}
	assert_int_equal(unlink(node), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_hex_masks),
		TEST(test_partition_and_back),
		TEST(test_tasks_keep_their_affinities),
		TEST(test_what_the_kernel_remembers_is_not_narrowed),
		TEST(test_what_a_task_asks_for_stays),
		TEST(test_tasks_of_all_cgroups_are_noted),
		TEST(test_no_list_of_tasks_no_change),
		TEST(test_who_chose_anew_keeps_that),
		TEST(test_a_task_that_ended_needs_nothing),
		TEST(test_invalid_partition_is_said_and_undone),
		TEST(test_two_guests_in_order),
		TEST(test_two_guests_other_way_round),
		TEST(test_controller_that_somebody_came_to_use),
		TEST(test_controller_that_was_on_stays_on),
		TEST(test_leftover_members_are_moved_out),
		TEST(test_what_is_in_a_cgroup_goes_with_it),
		TEST(test_what_is_in_a_cgroup_that_stays_is_put_back),
		TEST(test_cgroup_of_another_name_is_refused),
		TEST(test_cgroup_that_is_there_is_refused),
		TEST(test_cgroup_gone_needs_nothing),
		TEST(test_mask_and_back),
		TEST(test_masks_of_two_guests),
		TEST(test_mask_of_the_guest_that_stays),
		TEST(test_somebody_elses_mask),
		TEST(test_owner_of_what_guests_share),
		TEST(test_interrupt_that_is_gone),
	};

	return cmocka_run_group_tests_name("cgroup kinds", tests, NULL, NULL);
}
