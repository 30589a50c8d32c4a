// SPDX-License-Identifier: MIT
// The journal's file, and apply and undo by one guest or several that live as they should. Sudden
// deaths are in test_journal_death.c.
#include "tune/change/journal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/fakehost.h"
#include "tests/unit/tree.h"
#include "tune/change/journal_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define NUMBER "/sys/h/number"

static struct fakehost fake;
static char *before;

static int setup(void **state)
{
	(void)state;
	fakehost_make(&fake);
	before = fakehost_print(&fake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(take(before));
	fakehost_remove(&fake);
	return 0;
}

static void assert_as_before(void)
{
	AUTO_FREE char *now = fakehost_print(&fake);

	assert_string_equal(now, before);
}

static void assert_host(const char *path, const char *value)
{
	AUTO_FREE char *now = fakehost_get(&fake, path);

	assert_string_equal(now, value);
}

static int apply_one(struct fakeguest *guest, const char *kind, const char *path, const char *want,
		     struct err *err)
{
	struct change_list list = { 0 };
	int r;

	change_add(&list, kind, path, NULL, want, "a test wants it");
	r = fakeguest_apply(guest, &list, err);
	change_list_finish(&list);
	return r;
}

static void apply(struct fakeguest *guest, const char *kind, const char *path, const char *want)
{
	struct err err = ERR_NONE;

	if (apply_one(guest, kind, path, want, &err) < 0)
		fail_msg("%s", err.text);
}

// Undoes; nothing may be left to say.
static void undo(struct fakeguest *guest)
{
	struct journal_report report;

	journal_undo(&guest->journal, &guest->world, &report);
	if (report.count)
		fail_msg("%s", report.items[0].text);
	assert_int_equal(journal_standing(&guest->journal), 0);
	journal_report_finish(&report);
}

// Undoes; there must be one thing to say, which the caller frees.
static char *undo_and_hear(struct fakeguest *guest, bool failed)
{
	struct journal_report report;
	char *text;
	int r = journal_undo(&guest->journal, &guest->world, &report);

	assert_int_equal(report.count, 1);
	assert_int_equal(report.items[0].failed, failed);
	assert_int_equal(r, failed ? -EIO : 0);
	assert_int_equal(journal_report_failed(&report), failed);
	text = mem_dup(report.items[0].text);
	journal_report_finish(&report);
	return text;
}

static void assert_says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static char *journal_text(const char *guest)
{
	AUTO_FREE char *path = mem_printf("runs/%s/journal", guest);

	return tree_read(fake.dir, path);
}

static void write_journal(const char *guest, const char *text)
{
	AUTO_FREE char *path = mem_printf("runs/%s/journal", guest);

	assert_int_equal(tree_write(fake.dir, path, text), 0);
}

static void test_each_kind_comes_back(void **state)
{
	static const struct {
		const char *kind, *path, *want, *during;
	} rows[] = {
		{ "set", NUMBER, "200", "200" },
		{ "set", NUMBER, "0x12c", "0x12c" },
		{ "set", "/proc/sys/h/number", "6", "6" },
		{ "set", "/sys/h/flag", "1", "Y" },
		{ "set", "/sys/h/flag", "on", "on" },
		{ "set", "/sys/h/cpus", "3,2", "2-3" },
		{ "set", "/sys/h/choice", "never", "always madvise [never]" },
		{ "set", "/sys/h/override", "vfio-pci", "vfio-pci" },
		{ "set", "/sys/h/word", "it's a \ttest", "it's a \ttest" },
		{ "set", "/sys/h/word", "-", "-" },
		{ "set", "/sys/h/word", "", "" },
		{ "file", "/run/x", "mode=0600", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fakeguest guest;

		fakeguest_open(&guest, &fake, "g");
		apply(&guest, rows[i].kind, rows[i].path, rows[i].want);
		assert_host(rows[i].path, rows[i].during);
		undo(&guest);
		assert_as_before();
		fakeguest_close(&guest);
	}
}

static void test_record_is_there_before_the_host_is_written(void **state)
{
	struct fakeguest guest;
	struct err err = ERR_NONE;
	AUTO_FREE char *text = NULL;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	guest.fail_at = 2; // 1: the record, 2: the host, 3: the undone mark
	assert_int_equal(apply_one(&guest, "set", NUMBER, "200", &err), -ENOSPC);
	assert_as_before();
	text = journal_text("g");
	assert_true(str_starts(text, "do\t1\t"));
	assert_says(text, "\tset\t" NUMBER "\t100\t200\ta test wants it\n"
			  "done\t1\talready\n");
	fakeguest_close(&guest);
}

static void test_text_of_the_journal(void **state)
{
	struct fakeguest guest;
	struct journal again;
	struct err err = ERR_NONE;
	AUTO_FREE char *text = NULL;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", "/sys/h/flag", "1");
	apply(&guest, "set", "/sys/h/word", "-");
	apply(&guest, "file", "/run/x", "mode=0600");
	text = journal_text("g");
	assert_says(text, "\tset\t/sys/h/flag\tN\t1\ta test wants it\ngot\t1\tY\n");
	assert_says(text, "\tset\t/sys/h/word\tpowersave\t\\x2d\ta test wants it\ngot\t2\t\\x2d\n");
	assert_says(text, "\tfile\t/run/x\t-\tmode=0600\t");

	assert_int_equal(journal_read(&again, guest.dir, &err), 0);
	assert_int_equal(again.count, 3);
	assert_int_equal(again.fd, -1);
	assert_string_equal(again.records[1].change.want, "-");
	assert_string_equal(again.records[1].change.got, "-");
	assert_null(again.records[2].change.was);
	assert_true(again.records[0].turn < again.records[1].turn);
	journal_finish(&again);
	undo(&guest);
	fakeguest_close(&guest);
}

static void test_read_of_none(void **state)
{
	struct journal journal = JOURNAL_CLOSED;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(journal_read(&journal, fake.runs, &err), -ENOENT);
	journal_finish(&journal);
}

static void test_undone_twice_is_a_no_op(void **state)
{
	struct fakeguest guest;
	unsigned long writes;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", NUMBER, "200");
	undo(&guest);
	writes = guest.host.writes;
	fakehost_set(&fake, NUMBER, "200");
	undo(&guest);
	assert_host(NUMBER, "200");
	assert_int_equal(guest.host.writes, writes);
	fakeguest_close(&guest);
}

static void test_already_as_wanted(void **state)
{
	struct fakeguest guest;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", NUMBER, "100");
	assert_int_equal(guest.host.writes, 2); // do and got, nothing else
	undo(&guest);
	assert_as_before();
	fakeguest_close(&guest);
}

static void test_change_that_does_not_take(void **state)
{
	struct fakeguest guest;
	struct err err = ERR_NONE;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	assert_int_equal(apply_one(&guest, "set", "/sys/h/stubborn", "8", &err), -EIO);
	assert_says(err.text, "asked for 8, got 7");
	assert_as_before();
	assert_int_equal(apply_one(&guest, "set", "/sys/h/rounded", "27", &err), -EIO);
	assert_says(err.text, "asked for 27, got 20");
	assert_as_before();
	assert_int_equal(journal_standing(&guest.journal), 0);
	fakeguest_close(&guest);
}

static void test_change_that_takes_its_time(void **state)
{
	struct fakeguest guest;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", "/sys/h/slow", "20");
	assert_string_equal(guest.journal.records[0].change.got, "20");
	undo(&guest);
	assert_as_before();
	fakeguest_close(&guest);
}

static void test_refused_changes_leave_no_record(void **state)
{
	struct fakeguest guest;
	struct err err = ERR_NONE;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	assert_int_equal(tree_write(fake.tree, "run/x", "theirs"), 0);
	assert_int_equal(apply_one(&guest, "file", "/run/x", "mode=0600 size=4", &err), -EEXIST);
	assert_int_equal(apply_one(&guest, "set", "/sys/h/absent", "1", &err), -ENOENT);
	assert_int_equal(apply_one(&guest, "set", "/etc/passwd", "1", &err), -EPERM);
	assert_int_equal(guest.journal.count, 0);
	assert_int_equal(guest.host.writes, 0);
	fakeguest_close(&guest);
}

static void test_file_that_was_there_stays(void **state)
{
	struct fakeguest guest;
	AUTO_FREE char *text = NULL;

	(void)state;
	assert_int_equal(tree_write(fake.tree, "run/x", "theirs"), 0);
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "file", "/run/x", "mode=0644 size=6");
	undo(&guest);
	text = tree_read(fake.tree, "run/x");
	assert_string_equal(text, "theirs");
	fakeguest_close(&guest);
}

static void test_somebody_else_changed_it(void **state)
{
	struct fakeguest guest;
	AUTO_FREE char *text = NULL;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", NUMBER, "200");
	fakehost_set(&fake, NUMBER, "300");
	text = undo_and_hear(&guest, false);
	assert_string_equal(text,
			    NUMBER ": is now 300, was 100 before, we had set 200: somebody else "
				   "changed it: left alone; to restore: echo 100 > " NUMBER);
	assert_host(NUMBER, "300");
	undo(&guest);
	fakeguest_close(&guest);
}

static void test_somebody_else_put_it_back(void **state)
{
	struct fakeguest guest;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", NUMBER, "200");
	fakehost_set(&fake, NUMBER, "100");
	undo(&guest);
	assert_as_before();
	fakeguest_close(&guest);
}

static void test_file_replaced_by_somebody_else_stays(void **state)
{
	struct fakeguest guest;
	AUTO_FREE char *path = mem_printf("%s/run/x", fake.tree), *text = NULL;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "file", "/run/x", "mode=0644");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(tree_write(fake.tree, "run/x", ""), 0);
	text = undo_and_hear(&guest, false);
	assert_says(text, "left alone; to restore: rm /run/x");
	assert_int_equal(access(path, F_OK), 0);
	fakeguest_close(&guest);
}

static void test_gone_meanwhile(void **state)
{
	struct fakeguest guest;
	AUTO_FREE char *path = mem_printf("%s" NUMBER, fake.tree), *text = NULL;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", NUMBER, "200");
	assert_int_equal(unlink(path), 0);
	text = undo_and_hear(&guest, false);
	assert_says(text, "is now nothing, was 100 before");
	fakeguest_close(&guest);
}

static void test_failure_does_not_stop_the_walk(void **state)
{
	struct fakeguest guest;
	AUTO_FREE char *text = NULL;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", NUMBER, "200");
	apply(&guest, "set", "/sys/h/word", "performance");
	apply(&guest, "set", "/sys/h/flag", "1");
	// the newest is done with one write, the host's; the next one's fails
	guest.fail_at = guest.host.writes + 2;
	text = undo_and_hear(&guest, true);
	assert_string_equal(text,
			    "/sys/h/word: is now performance, was powersave before, we had set "
			    "performance: could not be put back (writing /sys/h/word: No space "
			    "left on device); to restore: echo powersave > /sys/h/word");
	assert_host(NUMBER, "100");
	assert_host("/sys/h/flag", "N");
	assert_int_equal(journal_standing(&guest.journal), 1);
	undo(&guest);
	assert_as_before();
	fakeguest_close(&guest);
}

static void test_full_disk_while_undoing(void **state)
{
	struct fakeguest guest;
	struct journal_report report;
	unsigned long writes;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", NUMBER, "200");
	apply(&guest, "set", "/sys/h/word", "performance");
	guest.fail_at = guest.host.writes + 3; // `done`, of both
	assert_int_equal(journal_undo(&guest.journal, &guest.world, &report), 0);
	assert_int_equal(report.count, 2);
	assert_says(report.items[0].text, NUMBER ": settled (undone), but that could not be recorded");
	journal_report_finish(&report);
	assert_as_before();
	assert_int_equal(journal_standing(&guest.journal), 2);
	writes = guest.host.writes;
	undo(&guest);
	assert_int_equal(guest.host.writes - writes, 1); // both in one go
	assert_int_equal(journal_standing(&guest.journal), 0);
	fakeguest_close(&guest);
}

static const char *const damaged[] = {
	"garbage\n",
	"\n",
	"do\n",
	"do\t2\n",
	"do\t2\t5\tset\t" NUMBER "\t100\t200\n",
	"do\t2\t5\tset\t" NUMBER "\t100\t200\twhy\tmore\n",
	"do\t2\tx\tset\t" NUMBER "\t100\t200\twhy\n",
	"do\t1\t5\tset\t" NUMBER "\t100\t200\twhy\n",
	"do\t0\t5\tset\t" NUMBER "\t100\t200\twhy\n",
	"do\t-2\t5\tset\t" NUMBER "\t100\t200\twhy\n",
	"do\t4294967296\t5\tset\t" NUMBER "\t100\t200\twhy\n",
	"do\t2\t5\tset\t-\t100\t200\twhy\n",
	"do\t2\t5\tset\t" NUMBER "\t100\t-\twhy\n",
	"do\t2\t5\tset\t" NUMBER "\t1\\q\t200\twhy\n",
	"got\t7\tx\n",
	"got\t1\tx\n",
	"done\t1\n",
	"done\t1\t-\n",
	"undo\t1\tx\n",
	"a\tb\tc\td\te\tf\tg\th\ti\tj\n",
};

static void test_damaged_line_is_said_and_passed_over(void **state)
{
	static const char first[] = "do\t1\t5\tset\t" NUMBER "\t100\t200\twhy\ngot\t1\t200\n";
	static const char last[] = "do\t9\t9\tset\t/sys/h/word\tpowersave\tfast\twhy\n";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		AUTO_FREE char *text = mem_printf("%s%s%s", first, damaged[i], last), *said = NULL;
		struct fakeguest guest;

		fakehost_set(&fake, NUMBER, "200");
		fakehost_set(&fake, "/sys/h/word", "fast");
		fakeguest_open(&guest, &fake, "g");
		fakeguest_close(&guest);
		write_journal("g", text);
		fakeguest_open(&guest, &fake, "g");
		if (guest.journal.damaged.count != 1)
			fail_msg("taken: %s", damaged[i]);
		said = undo_and_hear(&guest, true);
		assert_says(said, "line 3 is damaged");
		assert_as_before();
		fakeguest_close(&guest);
	}
}

static void test_record_of_a_newer_version(void **state)
{
	struct fakeguest guest;
	AUTO_FREE char *text = NULL;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	fakeguest_close(&guest);
	write_journal("g", "do\t1\t5\twarp\t/sys/h/x\t1\t2\twhy\ngot\t1\t2\n");
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", NUMBER, "200");
	text = undo_and_hear(&guest, true);
	assert_says(text, "/sys/h/x: this version can't undo a change of kind \"warp\"");
	assert_as_before();
	assert_int_equal(journal_standing(&guest.journal), 1);
	fakeguest_close(&guest);
}

static void test_record_that_we_would_not_have_made(void **state)
{
	struct fakeguest guest;
	AUTO_FREE char *text = NULL;

	(void)state;
	assert_int_equal(tree_write(fake.tree, "etc/passwd", "new\n"), 0);
	fakeguest_open(&guest, &fake, "g");
	fakeguest_close(&guest);
	write_journal("g", "do\t1\t5\tset\t/etc/passwd\told\tnew\twhy\ngot\t1\tnew\n");
	fakeguest_open(&guest, &fake, "g");
	text = undo_and_hear(&guest, true);
	assert_says(text, "/etc/passwd");
	assert_host("/etc/passwd", "new");
	fakeguest_close(&guest);
}

// Cut anywhere, the last line never was.
static void test_torn_line(void **state)
{
	static const char whole[] = "do\t1\t5\tset\t" NUMBER "\t100\t200\twhy\n";
	static const char torn[] = "got\t1\t200\n";
	struct fakeguest guest;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	fakeguest_close(&guest);
	for (size_t n = 0; n < strlen(torn); n++) {
		AUTO_FREE char *text = mem_printf("%s%.*s", whole, (int)n, torn), *after = NULL;

		fakehost_set(&fake, NUMBER, "200");
		write_journal("g", text);
		fakeguest_open(&guest, &fake, "g");
		assert_int_equal(guest.journal.count, 1);
		assert_false(guest.journal.records[0].has_got);
		undo(&guest);
		fakeguest_close(&guest);
		after = journal_text("g");
		assert_says(after, "why\ndone\t1\tundone\n");
		assert_as_before();
	}
}

static void test_nul_bytes_are_damage(void **state)
{
	static const char text[] = "do\t1\t5\tset\t/sys/h/number\t1\0\t2\tw\ngot\t1\t2\n";
	struct journal journal = JOURNAL_CLOSED;

	(void)state;
	assert_int_equal(journal_parse(&journal, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(journal.count, 0);
	assert_int_equal(journal.damaged.count, 2);
	journal_finish(&journal);
}

static void assert_not_trusted(void)
{
	AUTO_FREE char *path = mem_printf("%s/runs/g", fake.dir);
	AUTO_CLOSE int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct journal journal = JOURNAL_CLOSED;
	struct err err = ERR_NONE;

	assert_int_equal(journal_open(&journal, dir, &err), -EPERM);
	assert_says(err.text, "not trusted");
	assert_int_equal(journal.fd, -1);
}

static void test_journal_that_others_could_write(void **state)
{
	AUTO_FREE char *dir = mem_printf("%s/runs/g", fake.dir);
	AUTO_FREE char *file = mem_printf("%s/journal", dir);
	AUTO_CLOSE int fd = -1;
	struct journal journal = JOURNAL_CLOSED;
	struct fakeguest guest;
	struct err err = ERR_NONE;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	fakeguest_close(&guest);
	assert_int_equal(chmod(file, 0664), 0);
	assert_not_trusted();
	assert_int_equal(chmod(file, 0644), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_not_trusted();
	assert_int_equal(chmod(dir, 0755), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(file, 65534, 65534), 0);
		assert_not_trusted();
	}
	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink("../elsewhere", file), 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(journal_open(&journal, fd, &err), -ELOOP);
}

// As on a full disk, a part of a line is written and then no more. RLIMIT_FSIZE does that: every
// amount of room is tried until the change fits, by way of "record but not answer".
static int fill_disk(void)
{
	struct fakeguest guest;
	struct rlimit limit = { 0, RLIM_INFINITY };
	struct err err = ERR_NONE;
	int r = -1;

	signal(SIGXFSZ, SIG_IGN);
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", "/sys/h/word", "fast");
	for (rlim_t more = 0; r < 0 && more < 200; more++) {
		AUTO_FREE char *now = NULL;
		struct stat st;

		limit.rlim_cur = (rlim_t)guest.journal.size + more;
		setrlimit(RLIMIT_FSIZE, &limit);
		r = apply_one(&guest, "set", NUMBER, "200", &err);
		now = fakehost_get(&fake, NUMBER);
		if (r < 0 && (r != -EFBIG || strcmp(now, "100") != 0))
			return 1;
		if (fstat(guest.journal.fd, &st) < 0 || st.st_size != guest.journal.size)
			return 2;
	}
	if (r < 0 || guest.journal.damaged.count)
		return 3;
	// the first, the last, and some that failed behind their record
	return journal_standing(&guest.journal) > 2 ? 0 : 4;
}

static void test_full_disk_while_applying(void **state)
{
	struct fakeguest guest;
	pid_t pid;
	int status;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(fill_disk());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_host(NUMBER, "200");
	fakeguest_open(&guest, &fake, "g");
	undo(&guest);
	assert_as_before();
	fakeguest_close(&guest);
}

static void test_helpers_are_ended(void **state)
{
	struct fakeguest guest, adopter;
	struct err err = ERR_NONE;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "process", "swtpm", "swtpm --socket");
	apply(&guest, "process", "passt", "passt");
	guest.fail_start = true;
	assert_int_equal(apply_one(&guest, "process", "virtiofsd", "virtiofsd", &err), -ENOENT);
	fakeguest_close(&guest);
	fakeguest_open(&adopter, &fake, "g");
	assert_int_equal(journal_standing(&adopter.journal), 2);
	undo(&adopter);
	assert_false(fakehost_has_helpers(&fake));
	fakeguest_close(&adopter);
}

static void test_hold_is_taken_again(void **state)
{
	struct fakeguest guest, adopter;
	struct err err = ERR_NONE;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "hold", "/dev/cpu_dma_latency", "10");
	apply(&guest, "set", NUMBER, "200");
	fakeguest_close(&guest);
	fakeguest_open(&adopter, &fake, "g");
	assert_int_equal(adopter.host.n_held, 0);
	assert_int_equal(journal_retake(&adopter.journal, &adopter.world, &err), 0);
	assert_int_equal(adopter.host.n_held, 1);
	undo(&adopter);
	assert_int_equal(adopter.host.n_held, 0);
	assert_as_before();
	fakeguest_close(&adopter);
}

static void test_retake_says_what_it_could_not(void **state)
{
	struct fakeguest guest;
	struct err err = ERR_NONE;

	(void)state;
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "hold", "/dev/cpu_dma_latency", "10");
	fakeguest_close(&guest);
	fakeguest_open(&guest, &fake, "g");
	guest.fail_at = 1;
	assert_int_equal(journal_retake(&guest.journal, &guest.world, &err), -ENOSPC);
	assert_says(err.text, "cpu_dma_latency");
	undo(&guest);
	fakeguest_close(&guest);
}

// Three guests want values of one attribute and end in every order.
static void run_three(const char *const wants[3], const int order[3])
{
	static const char *const names[] = { "a", "b", "c" };
	struct fakeguest guests[3];

	for (int i = 0; i < 3; i++) {
		fakeguest_open(&guests[i], &fake, names[i]);
		apply(&guests[i], "set", "/sys/h/flag", wants[i]);
	}
	for (int i = 0; i < 3; i++) {
		int top = -1;

		undo(&guests[order[i]]);
		for (int j = 0; j < 3; j++) {
			if (j != order[0] && (i < 1 || j != order[1]) && (i < 2 || j != order[2]))
				top = j;
		}
		if (top >= 0)
			assert_host("/sys/h/flag", strcmp(wants[top], "1") == 0 ? "Y" :
						   strcmp(wants[top], "0") == 0 ? "N" : wants[top]);
	}
	assert_as_before();
	for (int i = 0; i < 3; i++)
		fakeguest_close(&guests[i]);
}

static void test_three_guests_end_in_every_order(void **state)
{
	static const int orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					 { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	static const char *const words[] = { "0", "1", "2" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		for (int n = 0; n < 27; n++) {
			const char *const wants[] = { words[n % 3], words[n / 3 % 3],
						      words[n / 9] };

			run_three(wants, orders[i]);
		}
	}
}

static void test_hand_over_is_written_down(void **state)
{
	struct fakeguest a, b;
	AUTO_FREE char *text_a = NULL, *text_b = NULL;

	(void)state;
	fakeguest_open(&a, &fake, "a");
	fakeguest_open(&b, &fake, "b");
	apply(&a, "set", NUMBER, "200");
	apply(&b, "set", NUMBER, "300");
	undo(&a);
	assert_host(NUMBER, "300");
	text_a = journal_text("a");
	text_b = journal_text("b");
	assert_says(text_a, "done\t1\thanded b\n");
	assert_says(text_b, "was\t1\t100\n");
	undo(&b);
	assert_as_before();
	fakeguest_close(&a);
	fakeguest_close(&b);
}

static void test_hand_over_that_cannot_be_told(void **state)
{
	struct fakeguest a, b;
	AUTO_FREE char *text = NULL;

	(void)state;
	fakeguest_open(&a, &fake, "a");
	fakeguest_open(&b, &fake, "b");
	apply(&a, "set", NUMBER, "200");
	apply(&b, "set", NUMBER, "300");
	a.fail_at = a.host.writes + 1;
	text = undo_and_hear(&a, true);
	assert_says(text, "guest b still uses it and could not be told");
	undo(&a);
	undo(&b);
	assert_as_before();
	fakeguest_close(&a);
	fakeguest_close(&b);
}

static void test_change_between_two_guests_is_kept(void **state)
{
	struct fakeguest a, b;
	AUTO_FREE char *text = NULL;

	(void)state;
	fakeguest_open(&a, &fake, "a");
	fakeguest_open(&b, &fake, "b");
	apply(&a, "set", NUMBER, "200");
	fakehost_set(&fake, NUMBER, "777");
	apply(&b, "set", NUMBER, "300");
	text = undo_and_hear(&a, false);
	assert_says(text, "somebody else had changed it before another guest did");
	assert_host(NUMBER, "300");
	undo(&b);
	assert_host(NUMBER, "777");
	fakeguest_close(&a);
	fakeguest_close(&b);
}

static void test_helpers_of_one_name_are_not_shared(void **state)
{
	struct fakeguest a, b;

	(void)state;
	fakeguest_open(&a, &fake, "a");
	fakeguest_open(&b, &fake, "b");
	apply(&a, "process", "swtpm", "swtpm");
	apply(&b, "process", "swtpm", "swtpm");
	undo(&a);
	assert_int_equal(journal_standing(&b.journal), 1);
	undo(&b);
	assert_false(fakehost_has_helpers(&fake));
	fakeguest_close(&a);
	fakeguest_close(&b);
}

static void test_untrusted_neighbour_is_said(void **state)
{
	AUTO_FREE char *file = mem_printf("%s/runs/b/journal", fake.dir), *text = NULL;
	struct fakeguest a, b;

	(void)state;
	fakeguest_open(&a, &fake, "a");
	fakeguest_open(&b, &fake, "b");
	assert_int_equal(chmod(file, 0666), 0);
	apply(&a, "set", NUMBER, "200");
	text = undo_and_hear(&a, false);
	assert_says(text, "guest b: the journal belongs to somebody else");
	assert_as_before();
	fakeguest_close(&a);
	fakeguest_close(&b);
}

// Whoever comes second waits until the lock is free.
static void test_lock_is_waited_for(void **state)
{
	struct fakeguest guest;
	int ready[2], status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		AUTO_CLOSE int lock = openat(fake.runs, ".host", O_RDWR | O_CREAT, 0644);

		if (flock(lock, LOCK_EX) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		usleep(50000);
		fakehost_set(&fake, NUMBER, "150");
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	fakeguest_open(&guest, &fake, "g");
	apply(&guest, "set", NUMBER, "200");
	assert_string_equal(guest.journal.records[0].change.was, "150");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fakeguest_close(&guest);
	close(ready[0]);
	close(ready[1]);
}

#define ON_HOST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_HOST(test_each_kind_comes_back),
		ON_HOST(test_record_is_there_before_the_host_is_written),
		ON_HOST(test_text_of_the_journal),
		ON_HOST(test_read_of_none),
		ON_HOST(test_undone_twice_is_a_no_op),
		ON_HOST(test_already_as_wanted),
		ON_HOST(test_change_that_does_not_take),
		ON_HOST(test_change_that_takes_its_time),
		ON_HOST(test_refused_changes_leave_no_record),
		ON_HOST(test_file_that_was_there_stays),
		ON_HOST(test_somebody_else_changed_it),
		ON_HOST(test_somebody_else_put_it_back),
		ON_HOST(test_file_replaced_by_somebody_else_stays),
		ON_HOST(test_gone_meanwhile),
		ON_HOST(test_failure_does_not_stop_the_walk),
		ON_HOST(test_full_disk_while_undoing),
		ON_HOST(test_full_disk_while_applying),
		ON_HOST(test_damaged_line_is_said_and_passed_over),
		ON_HOST(test_record_of_a_newer_version),
		ON_HOST(test_record_that_we_would_not_have_made),
		ON_HOST(test_torn_line),
		ON_HOST(test_nul_bytes_are_damage),
		ON_HOST(test_journal_that_others_could_write),
		ON_HOST(test_helpers_are_ended),
		ON_HOST(test_hold_is_taken_again),
		ON_HOST(test_retake_says_what_it_could_not),
		ON_HOST(test_three_guests_end_in_every_order),
		ON_HOST(test_hand_over_is_written_down),
		ON_HOST(test_hand_over_that_cannot_be_told),
		ON_HOST(test_change_between_two_guests_is_kept),
		ON_HOST(test_helpers_of_one_name_are_not_shared),
		ON_HOST(test_untrusted_neighbour_is_said),
		ON_HOST(test_lock_is_waited_for),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
