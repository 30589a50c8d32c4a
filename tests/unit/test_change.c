// SPDX-License-Identifier: MIT
#include "tune/change/change.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/fakehost.h"
#include "tests/unit/tree.h"
#include "tune/change/kind.h"
#include "tune/host/process.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

static struct fakehost fake;
static struct fakeguest guest; // its journal is not used here

static int setup(void **state)
{
	(void)state;
	fakehost_make(&fake);
	fakeguest_open(&guest, &fake, "g");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fakeguest_close(&guest);
	fakehost_remove(&fake);
	return 0;
}

static char *read_value(const char *kind, const char *path)
{
	const struct change change = { .kind = kind, .path = (char *)path };
	struct err err = ERR_NONE;
	char *value;

	if (change_kind_find(kind)->read(&guest.host, &change, &value, &err) < 0)
		fail_msg("%s", err.text);
	return value;
}

static int write_value(const char *kind, const char *path, const char *value, struct err *err)
{
	const struct change change = { .kind = kind, .path = (char *)path };

	return change_kind_find(kind)->write(&guest.host, &change, value, err);
}

static void assert_value(const char *kind, const char *path, const char *expected)
{
	AUTO_FREE char *value = read_value(kind, path);

	if (!str_eq(value, expected))
		fail_msg("%s: %s, not %s", path, value ? value : "nothing",
			 expected ? expected : "nothing");
}

static void test_rows(void **state)
{
	size_t n;
	const struct change_kind *const *rows = change_kinds(&n);

	(void)state;
	assert_true(n >= 5);
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(change_kind_find(rows[i]->name), rows[i]);
		assert_true(rows[i]->read && rows[i]->write && rows[i]->equal &&
			    rows[i]->answers && rows[i]->remedy && rows[i]->help);
	}
	assert_null(change_kind_find("sett"));
	assert_null(change_kind_find(""));
}

static void test_null_equals_null_only(void **state)
{
	const struct change_kind *set = change_kind_find("set");

	(void)state;
	assert_true(change_equal(set, NULL, NULL));
	assert_false(change_equal(set, "", NULL));
	assert_false(change_equal(set, NULL, ""));
	assert_true(change_equal(set, "1", "1"));
	assert_false(change_answers(set, NULL, "1"));
	assert_true(change_answers(set, NULL, NULL));
}

static void test_set_equality(void **state)
{
	static const struct {
		const char *got, *want;
		bool answers;
	} rows[] = {
		{ "Y", "1", true },	  { "N", "0", true },	    { "1", "on", true },
		{ "off", "N", true },	  { "Y", "0", false },	    { "Y", "2", false },
		{ "on", "off", false },	  { "2-3", "3,2", true },   { "2-3", "2,3", true },
		{ "2-4", "2,3", false },  { "2", "2-2", true },	    { "0-3,8", "8,0-3", true },
		{ "2", "3", false },	  { "16", "0x10", true },   { "0x10", "0X010", true },
		{ "8", "010", false },	  { "10", "010", true },    { "0f", "f", true },
		{ "0", "00", true },	  { "0", "", false },	    { "", "", true },
		{ "a", "A", true },	  { "g", "G", false },	    { "fast", "slow", false },
		{ " 5", "5", true },	  { "-1", "-1", true },	    { "-1", "1", false },
		{ "1-", "1", false },	  { "1,", "1", false },
		{ "18446744073709551616", "0", false },
		// masks: the order of their words counts
		{ "00000003,00000002", "00000002,00000003", false },
		{ "00000000,0000000f", "00000000,0000000f", true },
	};
	const struct change_kind *set = change_kind_find("set");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (change_answers(set, rows[i].got, rows[i].want) != rows[i].answers)
			fail_msg("\"%s\" for \"%s\"", rows[i].got, rows[i].want);
		// what the kernel answered once is compared as it stands
		assert_int_equal(change_equal(set, rows[i].got, rows[i].want),
				 strcmp(rows[i].got, rows[i].want) == 0);
	}
}

static void test_set_reads_what_can_be_written_back(void **state)
{
	static const struct {
		const char *text, *value;
	} rows[] = {
		{ "5\n", "5" },
		{ "5", "5" },
		{ "", "" },
		{ "\n", "" },
		{ "a b \n", "a b " },
		{ "always [madvise] never\n", "madvise" },
		{ "[none] mq-deadline\n", "none" },
		{ "none [bfq]\n", "bfq" },
		{ "[a] [b]\n", "[a] [b]" },
		{ "x[1] y\n", "x[1] y" },
		{ "[]\n", "[]" },
		{ "[a b] c\n", "[a b] c" },
		{ "]a[\n", "]a[" },
		{ "(null)\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(tree_write(fake.tree, "sys/h/x", rows[i].text), 0);
		assert_value("set", "/sys/h/x", rows[i].value);
	}
	assert_value("set", "/sys/h/absent", NULL);
	assert_value("set", "/sys/h/number/absent", NULL);
}

static void assert_unreadable(int code)
{
	const struct change change = { .kind = "set", .path = (char *)"/sys/h/x" };
	struct err err = ERR_NONE;
	char *value;

	assert_int_equal(change_kind_find("set")->read(&guest.host, &change, &value, &err), code);
	assert_null(value);
	assert_non_null(strstr(err.text, "/sys/h/x"));
}

static void test_set_refuses_what_is_no_single_value(void **state)
{
	AUTO_FREE char *page = mem_new(4098, 1);

	(void)state;
	assert_int_equal(tree_write(fake.tree, "sys/h/x", "a\nb\n"), 0);
	assert_unreadable(-EINVAL);
	memset(page, 'x', 4097);
	assert_int_equal(tree_write(fake.tree, "sys/h/x", page), 0);
	assert_unreadable(-EFBIG);
}

static void test_set_writes_one_line(void **state)
{
	AUTO_FREE char *text = NULL, *empty = NULL;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(write_value("set", "/sys/h/number", "7", &err), 0);
	text = tree_read(fake.tree, "sys/h/number");
	assert_string_equal(text, "7\n");
	assert_int_equal(write_value("set", "/sys/h/number", "", &err), 0);
	empty = tree_read(fake.tree, "sys/h/number");
	assert_string_equal(empty, "\n");
	assert_int_equal(write_value("set", "/sys/h/absent", "7", &err), -ENOENT);
	assert_int_equal(write_value("set", "/sys/h/number", NULL, &err), -EINVAL);
}

static void test_links_stay_inside(void **state)
{
	struct err err = ERR_NONE;
	AUTO_FREE char *outside = mem_printf("%s/outside", fake.dir);

	(void)state;
	assert_int_equal(tree_write(fake.dir, "outside", "secret\n"), 0);
	assert_int_equal(tree_link(fake.tree, "sys/h/class", "../../sys/h/number"), 0);
	assert_int_equal(tree_link(fake.tree, "sys/h/up", "../../../../outside"), 0);
	assert_int_equal(tree_link(fake.tree, "sys/h/far", outside), 0);
	assert_value("set", "/sys/h/class", "100");
	assert_value("set", "/sys/h/up", NULL);
	assert_value("set", "/sys/h/far", NULL);
	assert_int_equal(write_value("set", "/sys/h/far", "x", &err), -ENOENT);
}

static void test_paths(void **state)
{
	static const struct {
		const char *kind, *path;
		int r;
	} rows[] = {
		{ "set", "/sys/a", 0 },
		{ "set", "/proc/sys/vm/x", 0 },
		{ "set", "/proc/irq/3/smp_affinity_list", 0 },
		{ "set", "/sys/a..b/.c", 0 },
		{ "set", "/etc/passwd", -EPERM },
		{ "set", "/proc/self/mem", -EPERM },
		{ "set", "/sys/../etc/passwd", -EPERM },
		{ "set", "/sys/..", -EPERM },
		{ "set", "/sys/.", -EPERM },
		{ "set", "/sys/a/./b", -EPERM },
		{ "set", "/sys//a", -EPERM },
		{ "set", "//sys/a", -EPERM },
		{ "set", "/sys/a/", -EPERM },
		{ "set", "/sys/", -EPERM },
		{ "set", "/sys", -EPERM },
		{ "set", "sys/a", -EPERM },
		{ "set", "", -EPERM },
		{ "set", "/sys/a\nb", -EPERM },
		{ "set", "/sys/a\033[m", -EPERM },
		{ "file", "/run/x", 0 },
		{ "file", "/dev/shm/looking-glass", 0 },
		{ "file", "/dev/x", -EPERM },
		{ "file", "/running", -EPERM },
		{ "shm", "/dev/shm/x", 0 },
		{ "shm", "/etc/x", -EPERM },
		{ "aside", "/dev/shm/x", 0 },
		{ "aside", "/home/x", -EPERM },
		{ "hold", "/dev/cpu_dma_latency", 0 },
		{ "hold", "/run/x", -EPERM },
		{ "inhibit", "sleep", 0 },
		{ "inhibit", "/sleep", -EPERM },
		{ "process", "swtpm", 0 },
		{ "process", "/bin/sh", -EPERM },
		{ "process", "", -EPERM },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_NONE;

		if (change_check_path(change_kind_find(rows[i].kind), rows[i].path, &err) !=
		    rows[i].r)
			fail_msg("%s %s", rows[i].kind, rows[i].path);
		assert_int_equal(err.code, rows[i].r);
	}
}

static void test_file_comes_and_goes(void **state)
{
	static const char path[] = "/dev/shm/glass";
	const struct change_kind *file = change_kind_find("file");
	AUTO_FREE char *made = NULL, *again = NULL;
	AUTO_FREE char *real = mem_printf("%s%s", fake.tree, path);
	struct err err = ERR_NONE;
	struct stat st;

	(void)state;
	assert_value("file", path, NULL);
	assert_int_equal(write_value("file", path, "size=32M mode=0640", &err), 0);
	assert_int_equal(stat(real, &st), 0);
	assert_int_equal(st.st_size, 32 << 20);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	made = read_value("file", path);
	assert_true(file->answers(made, "size=32M mode=0640"));
	assert_true(file->answers(made, "mode=640 size=33554432"));
	assert_false(file->answers(made, "size=32M mode=0644"));
	assert_false(file->answers(made, "size=31M mode=0640"));
	assert_false(file->answers(made, "mode=0640 uid=4711"));
	assert_true(file->equal(made, made));

	// its content and rights may change, it is still ours
	assert_int_equal(chmod(real, 0600), 0);
	again = read_value("file", path);
	assert_true(file->equal(made, again));

	assert_int_equal(write_value("file", path, "mode=0640", &err), -EEXIST);
	assert_int_equal(write_value("file", path, NULL, &err), 0);
	assert_value("file", path, NULL);
	assert_int_equal(write_value("file", path, NULL, &err), 0);
}

// It comes back as it was, content and all; whoever took a name meanwhile keeps it.
static void test_aside_and_back(void **state)
{
	static const char path[] = "/dev/shm/glass";
	const struct change_kind *aside = change_kind_find("aside");
	AUTO_FREE char *was = NULL, *away = NULL, *back = NULL, *text = NULL;
	struct err err = ERR_NONE;

	(void)state;
	assert_value("aside", path, NULL);
	assert_int_equal(write_value("aside", path, "aside", &err), -ENOENT);
	assert_int_equal(tree_write(fake.tree, path + 1, "content"), 0);
	was = read_value("aside", path);
	assert_false(aside->answers(was, "aside"));
	assert_int_equal(write_value("aside", path, "aside", &err), 0);
	away = read_value("aside", path);
	assert_string_equal(away, "aside");
	assert_true(aside->answers(away, "aside"));
	assert_true(aside->equal(away, "aside"));
	assert_false(aside->equal(away, was) || aside->equal(was, away));

	assert_int_equal(tree_write(fake.tree, path + 1, "somebody else's"), 0);
	assert_int_equal(write_value("aside", path, "aside", &err), -EEXIST);
	assert_int_equal(write_value("aside", path, was, &err), -EEXIST);
	assert_int_equal(write_value("file", path, NULL, &err), 0);
	assert_int_equal(write_value("aside", path, was, &err), 0);
	back = read_value("aside", path);
	assert_true(aside->equal(was, back));
	text = tree_read(fake.tree, path + 1);
	assert_string_equal(text, "content");
	assert_int_equal(write_value("aside", path, "nonsense", &err), -EINVAL);
	assert_int_equal(write_value("aside", path, NULL, &err), -EINVAL);
}

// Two guests never share it, not even by planning at the same moment.
static void test_shm_is_nobody_elses(void **state)
{
	const struct change_kind *file = change_kind_find("file"), *shm = change_kind_find("shm");

	(void)state;
	assert_true(file->creates && file->shared);
	assert_true(shm->creates && !shm->shared && shm->survives_us);
}

static void test_file_replaced_is_another(void **state)
{
	static const char path[] = "/run/x";
	AUTO_FREE char *ours = NULL, *theirs = NULL;
	AUTO_FREE char *real = mem_printf("%s%s", fake.tree, path);
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(write_value("file", path, "mode=0644", &err), 0);
	ours = read_value("file", path);
	assert_int_equal(unlink(real), 0);
	assert_int_equal(write_value("file", path, "mode=0644", &err), 0);
	theirs = read_value("file", path);
	assert_false(change_kind_find("file")->equal(ours, theirs));
}

static void test_file_follows_no_link(void **state)
{
	AUTO_FREE char *target = NULL, *value = NULL;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(tree_write(fake.tree, "run/target", "precious"), 0);
	assert_int_equal(tree_link(fake.tree, "run/link", "target"), 0);
	assert_int_equal(tree_link(fake.tree, "run/dir", "../dev/shm"), 0);
	value = read_value("file", "/run/link");
	assert_false(change_kind_find("file")->answers(value, "mode=0644"));
	assert_int_equal(write_value("file", "/run/link", "mode=0644", &err), -EEXIST);
	assert_int_equal(write_value("file", "/run/dir/x", "mode=0644", &err), -ELOOP);
	target = tree_read(fake.tree, "run/target");
	assert_string_equal(target, "precious");
}

static void test_file_text_is_strict(void **state)
{
	static const char *const texts[] = {
		"",		    "size=1",		"mode=",	 "mode=0999",
		"mode=00644",	    "mode=0644 size=",	"mode=0644 x=1", "mode=0644 uid=-1",
		"mode=0644 uid=4294967295", "mode=0644 id=1:2:3", "mode=0644 size=1X",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct err err = ERR_NONE;

		if (write_value("file", "/run/x", texts[i], &err) != -EINVAL)
			fail_msg("\"%s\" was taken", texts[i]);
		assert_value("file", "/run/x", NULL);
	}
}

static void test_hold_lasts_while_open(void **state)
{
	static const char path[] = "/dev/cpu_dma_latency";
	AUTO_FREE char *before = fakehost_print(&fake), *during = NULL, *after = NULL;
	struct err err = ERR_NONE;

	(void)state;
	assert_value("hold", path, NULL);
	assert_int_equal(write_value("hold", path, "10", &err), 0);
	assert_value("hold", path, "10");
	during = fakehost_print(&fake);
	assert_string_not_equal(during, before);
	assert_int_equal(write_value("hold", path, NULL, &err), 0);
	assert_value("hold", path, NULL);
	after = fakehost_print(&fake);
	assert_string_equal(after, before);
	assert_int_equal(write_value("hold", path, "soon", &err), -EINVAL);
	assert_int_equal(write_value("hold", "/dev/absent", "1", &err), -ENOENT);
}

// Without a bus: asked for is refused, tried goes on without; and nothing is held afterwards.
static void test_inhibit_without_a_bus(void **state)
{
	const struct change_kind *kind = change_kind_find("inhibit");
	struct err err = ERR_NONE;

	(void)state;
	assert_value("inhibit", "sleep", NULL);
	assert_true(write_value("inhibit", "sleep", "block", &err) < 0);
	assert_non_null(strstr(err.text, "does not keep the host awake"));
	assert_non_null(strstr(err.hint, "inhibit_sleep = no"));
	assert_value("inhibit", "sleep", NULL);
	assert_int_equal(write_value("inhibit", "sleep", "try", NULL), 0);
	assert_value("inhibit", "sleep", "none");
	assert_int_equal(write_value("inhibit", "sleep", NULL, NULL), 0);
	assert_value("inhibit", "sleep", NULL);
	assert_true(change_answers(kind, "none", "try"));
	assert_true(change_answers(kind, "block", "try"));
	assert_false(change_answers(kind, "none", "block"));
}

// One that takes the connection and then says nothing costs a deadline, and no process stays.
static void test_inhibit_with_a_bus_that_hangs(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_FREE char *dir = mem_printf("%s/run/dbus", fake.tree);
	AUTO_CLOSE int bus = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(mkdir(dir, 0755), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/system_bus_socket", dir);
	assert_int_equal(bind(bus, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(bus, 1), 0);
	assert_true(write_value("inhibit", "sleep", "block", &err) < 0);
	assert_value("inhibit", "sleep", NULL);
	assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

// The real device, where this machine lets us: what it answers is ours to read back.
static void test_hold_on_the_real_device(void **state)
{
	static const struct change change = { .kind = "hold",
					      .path = (char *)"/dev/cpu_dma_latency" };
	const struct change_kind *hold = change_kind_find("hold");
	struct change_host live = CHANGE_HOST_CLOSED;
	struct err err = ERR_NONE;

	(void)state;
	if (access(change.path, R_OK | W_OK) < 0)
		skip();
	assert_int_equal(change_host_open(&live, "/", &err), 0);
	if (hold->write(&live, &change, "20", &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(live.n_held, 1);
	assert_int_equal(hold->write(&live, &change, NULL, &err), 0);
	assert_int_equal(live.n_held, 0);
	change_host_finish(&live);
}

static void test_process_waits_for_commit(void **state)
{
	const struct change_kind *process = change_kind_find("process");
	struct change change = { .kind = "process", .path = (char *)"helper" };
	AUTO_FREE char *got = NULL, *gone = NULL;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(write_value("process", "helper", "helper --now", &err), 0);
	assert_int_equal(process->read(&guest.host, &change, &got, &err), 0);
	assert_true(process->answers(got, "helper --now"));
	assert_int_equal(process->commit(&guest.host, &change, &err), 0);
	assert_int_equal(guest.host.n_held, 0);
	change.got = got;
	assert_int_equal(process->write(&guest.host, &change, NULL, &err), 0);
	assert_int_equal(process->read(&guest.host, &change, &gone, &err), 0);
	assert_null(gone);
	assert_false(fakehost_has_helpers(&fake));
}

static void test_process_not_let_go_dies_with_us(void **state)
{
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(write_value("process", "helper", "x", &err), 0);
	change_host_finish(&guest.host);
	assert_false(fakehost_has_helpers(&fake));
	assert_true(waitpid(-1, NULL, 0) > 0);
}

// One that ignores SIGTERM is killed; another process under its pid is let be.
static void test_process_end(void **state)
{
	const struct change_kind *process = change_kind_find("process");
	struct change change = { .kind = "process", .path = (char *)"helper" };
	AUTO_FREE char *right = NULL, *wrong = NULL, *gone = NULL;
	struct err err = ERR_NONE;
	struct process_id id;
	sigset_t set, old;
	pid_t pid;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(process_read_id(pid, &id), 0);
	right = mem_printf("%d %llu", (int)pid, (unsigned long long)id.start);
	wrong = mem_printf("%d %llu", (int)pid, (unsigned long long)id.start + 1);
	change.got = wrong;
	assert_int_equal(process->read(&guest.host, &change, &gone, &err), 0);
	assert_null(gone);
	assert_int_equal(process->write(&guest.host, &change, NULL, &err), 0);
	assert_int_equal(kill(pid, 0), 0);
	change.got = right;
	assert_int_equal(process->write(&guest.host, &change, NULL, &err), 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
}

static void test_process_identity_is_strict(void **state)
{
	static const char *const texts[] = { "", "1", "1 ", " 1", "0 5", "-1 5", "1 5 6", "x 5",
					     "1  5", "99999999999 1" };
	const struct change_kind *process = change_kind_find("process");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (process->answers(texts[i], "x"))
			fail_msg("\"%s\" was taken", texts[i]);
	}
}

static void test_remedy_is_quoted(void **state)
{
	const struct change change = { .kind = "set", .path = (char *)"/sys/a b",
				       .was = (char *)"it's" };
	AUTO_STR struct str out = { 0 };

	(void)state;
	change_kind_find("set")->remedy(&change, &out);
	assert_string_equal(out.text, "echo 'it'\\''s' > '/sys/a b'");
}

static void test_lists_own_copies(void **state)
{
	struct change_list list = { 0 };
	char path[] = "/sys/a";
	struct change copy;

	(void)state;
	for (int i = 0; i < 20; i++)
		change_add(&list, "set", path, NULL, "1", "because of %d", i);
	path[5] = 'z';
	assert_int_equal(list.count, 20);
	change_copy(&copy, &list.items[19]);
	change_list_finish(&list);
	assert_string_equal(copy.path, "/sys/a");
	assert_string_equal(copy.why, "because of 19");
	assert_null(copy.was);
	change_finish(&copy);
}

#define ON_HOST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

// procfs lets nobody write at an offset, and whoever writes twice is not at the beginning any more.
static void test_attribute_is_opened_once(void **state)
{
	static const char path[] = "/proc/self/comm";
	struct change_host host;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(change_host_open(&host, "/", &err), 0);
	change_host_keep(&host, &(struct change_kind){ .one_file = true }, path);
	for (int i = 0; i < 4; i++) {
		AUTO_FREE char *name = mem_printf("name%d", i), *before = NULL, *after = NULL;

		assert_int_equal(change_read_line(&host, path, &before), 0);
		if (i == 0)
			assert_true(host.kept.fd >= 0);
		assert_int_equal(change_write_line(&host, path, name), 0);
		assert_int_equal(change_read_line(&host, path, &after), 0);
		assert_string_equal(after, name);
		assert_string_not_equal(before, after);
	}
	change_host_let_go(&host);
	assert_int_equal(host.kept.fd, -1);
	change_host_finish(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_null_equals_null_only),
		cmocka_unit_test(test_set_equality),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_process_identity_is_strict),
		cmocka_unit_test(test_remedy_is_quoted),
		cmocka_unit_test(test_lists_own_copies),
		cmocka_unit_test(test_hold_on_the_real_device),
		cmocka_unit_test(test_attribute_is_opened_once),
		ON_HOST(test_set_reads_what_can_be_written_back),
		ON_HOST(test_set_refuses_what_is_no_single_value),
		ON_HOST(test_set_writes_one_line),
		ON_HOST(test_links_stay_inside),
		ON_HOST(test_file_comes_and_goes),
		ON_HOST(test_aside_and_back),
		ON_HOST(test_shm_is_nobody_elses),
		ON_HOST(test_file_replaced_is_another),
		ON_HOST(test_file_follows_no_link),
		ON_HOST(test_file_text_is_strict),
		ON_HOST(test_hold_lasts_while_open),
		ON_HOST(test_inhibit_without_a_bus),
		ON_HOST(test_inhibit_with_a_bus_that_hangs),
		ON_HOST(test_process_waits_for_commit),
		ON_HOST(test_process_not_let_go_dies_with_us),
		ON_HOST(test_process_end),
	};

	return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
