// SPDX-License-Identifier: MIT
// The promise: whichever write fails, and whoever dies before or after it, undo puts the host back.
#include "tune/change/journal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/fakehost.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { DIED = 77 }; // fakehost's exit status for a death at a chosen write

// What happens at write number `at`.
struct fault {
	enum { FAULT_NONE, FAULT_FAIL, FAULT_DIE_BEFORE, FAULT_DIE_AFTER } kind;
	unsigned long at;
};

static void set_fault(struct fakeguest *guest, struct fault fault)
{
	unsigned long at = guest->host.writes + fault.at;

	guest->fail_at = fault.kind == FAULT_FAIL ? at : 0;
	guest->die_before = fault.kind == FAULT_DIE_BEFORE ? at : 0;
	guest->die_after = fault.kind == FAULT_DIE_AFTER ? at : 0;
}

// A seeded sequence (xorshift64*), so that a failure can be run again.
static uint64_t seed;

static unsigned pick(unsigned below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (unsigned)(seed * UINT64_C(2685821657736338717) >> 33) % below;
}

struct row {
	const char *kind, *path, *want;
};

static const struct row values[] = {
	{ "set", "/sys/h/number", "200" },
	{ "set", "/sys/h/flag", "1" },
	{ "file", "/dev/shm/glass", "size=1M mode=0660" },
	{ "set", "/sys/h/cpus", "3,2" },
	{ "process", "swtpm", "swtpm socket" },
	{ "set", "/sys/h/choice", "never" },
	{ "hold", "/dev/cpu_dma_latency", "10" },
	{ "set", "/sys/h/override", "vfio-pci" },
	{ "set", "/sys/h/number", "300" },
	{ "set", "/sys/h/flag", "Y" },
	{ "process", "passt", "passt" },
	{ "set", "/proc/sys/h/number", "0x6" },
	{ "file", "/run/mark", "mode=0600" },
	{ "set", "/sys/h/word", "performance" },
	{ "mask", "/proc/irq/24/smp_affinity_list", "without 2-3 else 0-1" },
	{ "mask", "/proc/irq/25/smp_affinity_list", "without 2-3 else 0-1" },
	{ "mask", "/proc/irq/default_smp_affinity", "without 2-3" },
	{ "affinity", "102.9102", "0" },
	{ "token", "/sys/fs/cgroup/cgroup.subtree_control", "cpuset" },
	{ "cgroup", "/sys/fs/cgroup/vfiorun-g", "domain" },
	{ "cpuset", "/sys/fs/cgroup/vfiorun-g/cpuset.cpus", "1-3" },
	{ "cpuset", "/sys/fs/cgroup/vfiorun-g/cpuset.cpus.partition", "root" },
	{ "token", "/sys/fs/cgroup/vfiorun-g/cgroup.subtree_control", "cpuset" },
	{ "cgroup", "/sys/fs/cgroup/vfiorun-g/vcpus", "threaded" },
	{ "cpuset", "/sys/fs/cgroup/vfiorun-g/vcpus/cpuset.cpus", "2-3" },
	{ "cpuset", "/sys/fs/cgroup/vfiorun-g/vcpus/cpuset.cpus.partition", "isolated" },
};

static const struct row devices[] = {
	{ "unit", "display.service", "inactive" },
	{ "console", "/sys/class/vtconsole/vtcon1", "unbound" },
	{ "console", "/sys/bus/platform/devices/simple-framebuffer.0", "unbound" },
	{ "module", "vfio-pci", "loaded" },
	{ "bind", "/sys/bus/pci/devices/0000:06:00.0", "vfio-pci override=vfio-pci" },
	{ "bind", "/sys/bus/pci/devices/0000:06:00.1", "vfio-pci override=vfio-pci" },
	{ "resize", "/sys/bus/pci/devices/0000:07:00.0/resource0_resize", "1G" },
	{ "bind", "/sys/bus/pci/devices/0000:07:00.0", "none override=vfio-pci" },
	{ "owner", "/dev/vfio/13", "mode=0640" },
	{ "usb", "/sys/bus/usb/devices/1-2", "lent" },
	{ "module", "radeon", "unloaded" },
};

// What the guest changes, on which host.
static const struct subjects_of_death {
	const struct row *rows;
	size_t count;
	bool devices;
} all_values = { values, ARRAY_SIZE(values), false }, all_devices = { devices, ARRAY_SIZE(devices), true };

static const struct subjects_of_death *tried;

static struct change_list all_kinds(void)
{
	struct change_list list = { 0 };

	for (size_t i = 0; i < tried->count; i++)
		change_add(&list, tried->rows[i].kind, tried->rows[i].path, NULL, tried->rows[i].want, "a test");
	return list;
}

static void make_host(struct fakehost *fake)
{
	fakehost_make(fake);
	if (tried->devices)
		fakehost_add_devices(fake);
}

// A whole life: all changes, then all undone, even where a change failed. Returns how many writes
// it took.
static unsigned long live(struct fakehost *fake, struct fault fault, bool apply)
{
	struct change_list list = all_kinds();
	struct journal_report report;
	struct err err = ERR_NONE;
	struct fakeguest guest;
	unsigned long writes;

	fakeguest_open(&guest, fake, "g");
	set_fault(&guest, fault);
	if (apply && fakeguest_apply(&guest, &list, &err) < 0 && fault.kind == FAULT_NONE)
		fail_msg("%s", err.text);
	journal_undo(&guest.journal, &guest.world, &report);
	journal_report_finish(&report);
	writes = guest.host.writes;
	fakeguest_close(&guest);
	change_list_finish(&list);
	return writes;
}

static void live_in_child(struct fakehost *fake, struct fault fault, bool apply)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		live(fake, fault, apply);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED));
}

// A fresh process finds the journal, settles it, and finds nothing to do the second time.
static void revert(struct fakehost *fake)
{
	for (int i = 0; i < 2; i++) {
		struct journal_report report;
		struct fakeguest guest;

		fakeguest_open(&guest, fake, "g");
		if (journal_undo(&guest.journal, &guest.world, &report) < 0 || report.count)
			fail_msg("%s", report.count ? report.items[0].text : "no undo");
		assert_int_equal(journal_standing(&guest.journal), 0);
		if (i == 1)
			assert_int_equal(guest.host.writes, 0);
		fakeguest_close(&guest);
	}
}

// The lines that one has and the other has not.
static void add_difference(struct str *out, const char *mark, const char *from, const char *than)
{
	AUTO_STRV struct strv lines = { 0 }, others = { 0 };

	strv_split(&lines, from, "\n");
	strv_split(&others, than, "\n");
	for (size_t i = 0; i < lines.count; i++) {
		if (!strv_has(&others, lines.items[i]))
			str_addf(out, "%s%s\n", mark, lines.items[i]);
	}
}

static void fail_with_difference(struct fault first, struct fault second, const char *before, const char *after)
{
	AUTO_STR struct str text = { 0 };

	add_difference(&text, "-", before, after);
	add_difference(&text, "+", after, before);
	fail_msg("fault %d at %lu, then %d at %lu:\n%s", first.kind, first.at, second.kind, second.at,
		 str_text(&text));
}

// Two lives in a row may go wrong: the guest's, and that of the first who tries to revert.
static void try_faults(struct fault first, struct fault second)
{
	AUTO_FREE char *before = NULL, *after = NULL;
	struct fakehost fake;

	make_host(&fake);
	before = fakehost_print(&fake);
	live_in_child(&fake, first, true);
	if (second.kind)
		live_in_child(&fake, second, false);
	revert(&fake);
	after = fakehost_print(&fake);
	if (strcmp(before, after) != 0)
		fail_with_difference(first, second, before, after);
	assert_false(fakehost_has_helpers(&fake));
	fakehost_remove(&fake);
}

static unsigned long count_writes(void)
{
	const struct fault none = { FAULT_NONE, 0 };
	unsigned long writes;
	struct fakehost fake;

	make_host(&fake);
	writes = live(&fake, none, true);
	fakehost_remove(&fake);
	return writes;
}

static void test_every_write_fails_or_kills(void **state)
{
	const struct fault none = { FAULT_NONE, 0 };
	unsigned long writes;

	tried = *state;
	writes = count_writes();
	// at least record, host and answer of each change, and its undoing
	assert_true(writes > 40);
	for (unsigned long at = 1; at <= writes; at++) {
		for (int kind = FAULT_FAIL; kind <= FAULT_DIE_AFTER; kind++)
			try_faults((struct fault){ kind, at }, none);
	}
}

static void test_who_reverts_dies_too(void **state)
{
	unsigned long writes;

	tried = *state;
	writes = count_writes();
	seed = 20240601;
	for (unsigned long at = 1; at <= writes; at++) {
		struct fault second = { FAULT_FAIL + pick(3), 1 + pick(40) };

		try_faults((struct fault){ FAULT_DIE_BEFORE + pick(2), at }, second);
	}
}

// ---- several guests, in any order
// -----------------------------------------------------------------

// A fork takes ten times as long under ASan.
#ifdef __SANITIZE_ADDRESS__
enum { SEQUENCES = 50 };
#else
enum { SEQUENCES = 500 };
#endif
enum { GUESTS = 3, STEPS = 14 };

enum life { ABSENT, LIVING, DEAD };

// What guests want, and which of it somebody else on the host also writes.
static const struct subject {
	const char *kind, *path, *wants[3];
	bool others_write;
} subjects[] = {
	{ "set", "/sys/h/number", { "100", "200", "300" }, true },
	{ "set", "/sys/h/word", { "powersave", "fast", "slow" }, true },
	{ "set", "/sys/h/flag", { "0", "1", "N" }, false },
	{ "set", "/sys/h/cpus", { "3,2", "0-3", "1" }, false },
	{ "set", "/sys/h/choice", { "always", "never", "madvise" }, false },
	{ "file", "/dev/shm/shared", { "mode=0600", "mode=0600", "mode=0600" }, false },
	{ "hold", "/dev/cpu_dma_latency", { "10", "20", "30" }, false },
	{ "mask", "/proc/irq/24/smp_affinity_list", { "without 2", "without 2-3", "without 1,3" }, false },
	{ "token", "/sys/fs/cgroup/cgroup.subtree_control", { "cpuset", "cpuset", "cpuset" }, false },
};

struct world {
	struct fakehost fake;
	struct fakeguest guests[GUESTS];
	enum life life[GUESTS];
	char *original[ARRAY_SIZE(subjects)]; // of those that others write
	char *foreign[ARRAY_SIZE(subjects)];  // the last that somebody else wrote
	bool must_say[ARRAY_SIZE(subjects)], said[ARRAY_SIZE(subjects)];
	unsigned long sequence;
	struct str story;
};

static const char *name_of(int i)
{
	static const char *const names[GUESTS] = { "a", "b", "c" };

	return names[i];
}

static void note_foreign(struct world *world, const struct fakeguest *guest)
{
	for (size_t i = 0; i < guest->journal.count; i++) {
		const struct journal_record *record = &guest->journal.records[i];

		for (size_t j = 0; j < ARRAY_SIZE(subjects); j++) {
			if (str_eq(record->done, "foreign") &&
			    strcmp(record->change.path, subjects[j].path) == 0)
				world->said[j] = true;
		}
	}
}

static void forget(struct world *world, int i)
{
	AUTO_FREE char *path = mem_printf("%s/runs/%s/journal", world->fake.dir, name_of(i));

	note_foreign(world, &world->guests[i]);
	fakeguest_close(&world->guests[i]);
	unlink(path);
	world->life[i] = ABSENT;
}

static void apply_some(struct fakeguest *guest)
{
	struct change_list list = { 0 };
	unsigned n = 1 + pick(3);

	while (n--) {
		const struct subject *subject = &subjects[pick(ARRAY_SIZE(subjects))];

		change_add(&list, subject->kind, subject->path, NULL, subject->wants[pick(3)], "x");
	}
	fakeguest_apply(guest, &list, NULL);
	change_list_finish(&list);
}

static void undo(struct fakeguest *guest)
{
	struct journal_report report;

	journal_undo(&guest->journal, &guest->world, &report);
	journal_report_finish(&report);
}

static struct fault pick_fault(void)
{
	return (struct fault){ pick(3) ? FAULT_NONE : FAULT_FAIL, 1 + pick(10) };
}

static void act_in_child(struct world *world, int i, bool applies)
{
	const struct fault fault = { FAULT_DIE_BEFORE + pick(2), 1 + pick(12) };
	struct fakeguest guest;
	int status;
	pid_t pid;

	str_addf(&world->story, "%s dies %s write %lu of its %s; ", name_of(i),
		 fault.kind == FAULT_DIE_AFTER ? "after" : "before", fault.at,
		 applies ? "apply" : "undo");
	fakeguest_close(&world->guests[i]);
	pid = fork();
	if (pid == 0) {
		fakeguest_open(&guest, &world->fake, name_of(i));
		set_fault(&guest, fault);
		if (applies)
			apply_some(&guest);
		else
			undo(&guest);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	fakeguest_open(&world->guests[i], &world->fake, name_of(i));
	world->life[i] = DEAD;
}

static void step_living(struct world *world, int i)
{
	struct fakeguest *guest = &world->guests[i];
	unsigned what = pick(10);

	if (what < 3) {
		act_in_child(world, i, what == 0);
		return;
	}
	set_fault(guest, pick_fault());
	if (what < 6) {
		str_addf(&world->story, "%s applies, fault at %lu; ", name_of(i), guest->fail_at);
		apply_some(guest);
		return;
	}
	str_addf(&world->story, "%s undoes, fault at %lu; ", name_of(i), guest->fail_at);
	undo(guest);
	if (!journal_standing(&guest->journal))
		forget(world, i);
}

static bool somebody_stands_on(struct world *world, const char *path)
{
	for (int i = 0; i < GUESTS; i++) {
		struct journal journal;
		bool stands = false;

		if (world->life[i] == ABSENT ||
		    journal_read(&journal, world->guests[i].dir, NULL) < 0)
			continue;
		for (size_t j = 0; j < journal.count; j++)
			stands |= !journal.records[j].done &&
				  strcmp(journal.records[j].change.path, path) == 0;
		journal_finish(&journal);
		if (stands)
			return true;
	}
	return false;
}

static void write_foreign(struct world *world)
{
	static unsigned serial;
	size_t i = pick(2);

	assert_true(subjects[i].others_write);
	free(world->foreign[i]);
	world->foreign[i] = mem_printf("foreign%u", ++serial);
	world->must_say[i] |= somebody_stands_on(world, subjects[i].path);
	str_addf(&world->story, "%s is set to %s; ", subjects[i].path, world->foreign[i]);
	fakehost_set(&world->fake, subjects[i].path, world->foreign[i]);
}

static void step(struct world *world, bool foreign)
{
	int i = (int)pick(GUESTS);

	if (foreign && pick(6) == 0) {
		write_foreign(world);
	} else if (world->life[i] == LIVING) {
		step_living(world, i);
	} else if (world->life[i] == DEAD) {
		if (pick(3) == 0) {
			act_in_child(world, i, false);
			return;
		}
		str_addf(&world->story, "%s is reverted; ", name_of(i));
		undo(&world->guests[i]);
		forget(world, i);
	} else {
		str_addf(&world->story, "%s starts; ", name_of(i));
		fakeguest_open(&world->guests[i], &world->fake, name_of(i));
		world->life[i] = LIVING;
		apply_some(&world->guests[i]);
	}
}

static void end_all(struct world *world, bool foreign)
{
	int first = (int)pick(GUESTS), stride = 1 + (int)pick(GUESTS - 1);

	for (int n = 0; n < GUESTS; n++) {
		int i = (first + n * stride) % GUESTS;
		struct journal_report report;

		if (world->life[i] == ABSENT)
			continue;
		str_addf(&world->story, "%s ends; ", name_of(i));
		set_fault(&world->guests[i], (struct fault){ FAULT_NONE, 0 });
		journal_undo(&world->guests[i].journal, &world->guests[i].world, &report);
		if (report.count && (!foreign || journal_report_failed(&report)))
			fail_msg("sequence %lu: %s\n%s", world->sequence, world->story.text,
				 report.items[0].text);
		assert_int_equal(journal_standing(&world->guests[i].journal), 0);
		journal_report_finish(&report);
		forget(world, i);
	}
}

// What somebody else wrote is still there and was said; then it is put right so that all can be
// compared.
static void check_foreign(struct world *world)
{
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		AUTO_FREE char *now = NULL;

		if (!world->foreign[i]) {
			if (world->said[i])
				fail_msg("sequence %lu: %s\n%s was said to be foreign",
					 world->sequence, world->story.text, subjects[i].path);
			continue;
		}
		now = fakehost_get(&world->fake, subjects[i].path);
		if (strcmp(now, world->foreign[i]) != 0 || (world->must_say[i] && !world->said[i]))
			fail_msg("sequence %lu: %s\n%s is %s, somebody had set %s (%s)",
				 world->sequence, world->story.text, subjects[i].path, now,
				 world->foreign[i], world->said[i] ? "said" : "not said");
		fakehost_set(&world->fake, subjects[i].path, world->original[i]);
	}
}

static void reset_claims(struct world *world)
{
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		free(take(world->foreign[i]));
		free(take(world->original[i]));
		world->original[i] = fakehost_get(&world->fake, subjects[i].path);
		world->must_say[i] = world->said[i] = false;
	}
	str_finish(&world->story);
}

static void run_sequence(struct world *world, const char *before, bool foreign)
{
	AUTO_FREE char *after = NULL;

	seed = world->sequence * UINT64_C(0x9e3779b97f4a7c15) + 1;
	reset_claims(world);
	for (int i = 0; i < STEPS; i++)
		step(world, foreign);
	end_all(world, foreign);
	check_foreign(world);
	after = fakehost_print(&world->fake);
	if (strcmp(before, after) != 0)
		fail_msg("sequence %lu: %s\nwas\n%s\nis\n%s", world->sequence, world->story.text,
			 before, after);
}

static void run_sequences(bool foreign)
{
	struct world world = { 0 };
	AUTO_FREE char *before = NULL;

	fakehost_make(&world.fake);
	before = fakehost_print(&world.fake);
	for (world.sequence = 1; world.sequence <= SEQUENCES; world.sequence++)
		run_sequence(&world, before, foreign);
	reset_claims(&world);
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		free(world.original[i]);
	fakehost_remove(&world.fake);
}

static void test_guests_in_any_order(void **state)
{
	(void)state;
	run_sequences(false);
}

static void test_guests_and_somebody_else(void **state)
{
	(void)state;
	run_sequences(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_every_write_fails_or_kills, (void *)&all_values),
		cmocka_unit_test_prestate(test_who_reverts_dies_too, (void *)&all_values),
		cmocka_unit_test_prestate(test_every_write_fails_or_kills, (void *)&all_devices),
		cmocka_unit_test_prestate(test_who_reverts_dies_too, (void *)&all_devices),
		cmocka_unit_test(test_guests_in_any_order),
		cmocka_unit_test(test_guests_and_somebody_else),
	};

	return cmocka_run_group_tests_name("journal death", tests, NULL, NULL);
}
