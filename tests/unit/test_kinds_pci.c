// SPDX-License-Identifier: MIT
// The kinds by which devices go to a guest: bind, owner, module, unit, console. That each write may fail or be the
// last one is tried in test_journal_death.c.
#include "tune/change/change.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/fakehost.h"
#include "tests/unit/fakepci.h"
#include "tests/unit/tree.h"
#include "tune/change/apart.h"
#include "tune/change/program.h"
#include "tune/scope.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define DEVICES "/sys/bus/pci/devices/"
#define GPU DEVICES "0000:06:00.0"
#define SOUND DEVICES "0000:06:00.1"
#define SPARE DEVICES "0000:07:00.0"
#define VFIO "vfio-pci override=vfio-pci"

static struct fakehost fake;
static struct fakeguest guest;
static char *before;

static int setup(void **state)
{
	(void)state;
	fakehost_make(&fake);
	fakehost_add_devices(&fake);
	fakeguest_open(&guest, &fake, "g");
	before = fakehost_print(&fake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(take(before));
	fakeguest_close(&guest);
	fakehost_remove(&fake);
	return 0;
}

static int apply_by(struct fakeguest *who, const char *kind, const char *path, const char *want, struct err *err)
{
	struct change_list list = { 0 };
	int r;

	change_add(&list, kind, path, NULL, want, "a test wants it");
	r = fakeguest_apply(who, &list, err);
	change_list_finish(&list);
	return r;
}

static void apply(const char *kind, const char *path, const char *want)
{
	struct err err = ERR_NONE;

	if (apply_by(&guest, kind, path, want, &err) < 0)
		fail_msg("%s", err.text);
}

static void refuse(const char *kind, const char *path, const char *want, int code, const char *part)
{
	struct err err = ERR_NONE;
	int r = apply_by(&guest, kind, path, want, &err);

	if (r != code || !strstr(err.text, part))
		fail_msg("%s %s: %d \"%s\", not %d \"…%s…\"", kind, path, r, err.text, code, part);
}

static void assert_value(const char *kind, const char *path, const char *expected)
{
	const struct change change = { .kind = kind, .path = (char *)path, .was = (char *)"known" };
	AUTO_FREE char *value = NULL;
	struct err err = ERR_NONE;

	if (change_kind_find(kind)->read(&guest.host, &change, &value, &err) < 0)
		fail_msg("%s", err.text);
	if (!str_eq(value, expected))
		fail_msg("%s: %s, not %s", path, value ? value : "nothing", expected ? expected : "nothing");
}

// Undoes; `part` is what has to be said, NULL: nothing. Returns whether it failed.
static bool undo(const char *part)
{
	struct journal_report report;
	bool failed = journal_undo(&guest.journal, &guest.world, &report) < 0;

	if (report.count != (part ? 1 : 0) || (part && !strstr(report.items[0].text, part)))
		fail_msg("%zu items to report, \"%s\"", report.count, report.count ? report.items[0].text : "");
	journal_report_finish(&report);
	return failed;
}

static void assert_as_before(void)
{
	AUTO_FREE char *now = fakehost_print(&fake);

	assert_string_equal(now, before);
}

static void take_back(void)
{
	assert_false(undo(NULL));
	assert_as_before();
}

// ---- bind

static int modprobe_vfio(void)
{
	const char *const argv[] = { "modprobe", "--", "vfio_pci", NULL };
	AUTO_STR struct str out = { 0 };

	return fakepci_run(fake.tree, argv, &out, NULL);
}

static void test_bind_and_back(void **state)
{
	(void)state;
	apply("module", "vfio-pci", "loaded");
	assert_value("bind", GPU, "radeon");
	apply("bind", GPU, VFIO);
	apply("bind", SOUND, VFIO);
	assert_value("bind", GPU, VFIO);
	assert_value("bind", SOUND, VFIO);
	take_back();
}

static void test_bind_of_a_device_without_driver(void **state)
{
	(void)state;
	apply("module", "vfio-pci", "loaded");
	apply("bind", SPARE, "none override=vfio-pci");
	assert_value("bind", SPARE, "none override=vfio-pci");
	apply("bind", SPARE, VFIO);
	assert_value("bind", SPARE, VFIO);
	take_back();
}

// An override that was there before is there afterwards, and the driver that it did not name too.
static void test_bind_keeps_an_older_override(void **state)
{
	(void)state;
	fakehost_set(&fake, GPU "/driver_override", "pci-stub");
	free(before);
	before = fakehost_print(&fake);
	apply("module", "vfio-pci", "loaded");
	apply("bind", GPU, VFIO);
	take_back();
	assert_value("bind", GPU, "radeon override=pci-stub");
}

static void test_bind_that_shall_stay(void **state)
{
	(void)state;
	assert_int_equal(modprobe_vfio(), 0);
	apply("bind", GPU, VFIO " rebind=no");
	assert_value("bind", GPU, VFIO);
	assert_false(undo(NULL));
	assert_int_equal(journal_standing(&guest.journal), 0);
	assert_value("bind", GPU, VFIO);
}

static void test_bind_already_so(void **state)
{
	unsigned long writes;

	(void)state;
	apply("module", "vfio-pci", "loaded");
	apply("bind", GPU, VFIO);
	writes = guest.host.writes;
	apply("bind", GPU, VFIO);
	assert_int_equal(guest.host.writes, writes + 2); // record and answer
	take_back();
}

static void test_bind_without_the_driver(void **state)
{
	(void)state;
	refuse("bind", GPU, VFIO, -ENOENT, "there is no driver vfio-pci for 0000:06:00.0");
	assert_as_before();
	assert_int_equal(journal_standing(&guest.journal), 0);
}

static void test_bind_refused_while_held(void **state)
{
	(void)state;
	assert_int_equal(tree_add(fake.tree, "sys/devices/pci0000:00/0000:06:00.0/drm/card1/dev = 226:1\n"
					     "sys/devices/pci0000:00/0000:06:00.0/drm/card1/uevent = "
					     "DEVNAME=dri/card1\n"
					     "proc/1/comm = init\n"
					     "proc/4711/comm = Xorg\n"
					     "proc/4711/fd/3 -> /dev/null\n"
					     "proc/4711/fd/9 -> /dev/dri/card1\n"), 0);
	free(before);
	before = fakehost_print(&fake);
	apply("module", "vfio-pci", "loaded");
	refuse("bind", GPU, VFIO, -EBUSY, "Xorg (process 4711) has /dev/dri/card1 open");
	assert_value("bind", GPU, "radeon");
	apply("bind", SOUND, VFIO);
	take_back();
}

// A device that fell off its bus is not given to any driver, neither now nor at the end.
static void test_bind_of_a_dead_device(void **state)
{
	(void)state;
	assert_int_equal(modprobe_vfio(), 0);
	apply("bind", GPU, VFIO);
	assert_int_equal(tree_write(fake.tree, "sys/devices/pci0000:00/0000:06:00.0/config",
				    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 0);
	assert_true(undo("does not answer any more"));
	assert_int_equal(journal_standing(&guest.journal), 1);
	assert_value("bind", GPU, VFIO);
	assert_int_equal(tree_write(fake.tree, "sys/devices/pci0000:00/0000:06:00.0/config", "\x02\x10\x46\x50\n"), 0);
	assert_false(undo(NULL));
}

// A virtual function has no ids in its configuration, but a header type.
static void test_bind_of_a_virtual_function(void **state)
{
	(void)state;
	assert_int_equal(tree_write(fake.tree, "sys/devices/pci0000:00/0000:06:00.0/config",
				    "\xff\xff\xff\xff\x06\x04\x10\x01\x01\x02\x08\x01\x10\x10\x01\x01\n"), 0);
	assert_int_equal(modprobe_vfio(), 0);
	free(before);
	before = fakehost_print(&fake);
	apply("bind", GPU, VFIO);
	assert_value("bind", GPU, VFIO);
	take_back();
}

static void test_bind_of_what_is_unplugged(void **state)
{
	AUTO_FREE char *device = mem_printf("%s/sys/devices/pci0000:00/0000:06:00.0", fake.tree);
	AUTO_FREE char *away = mem_printf("%s/away", fake.dir);

	(void)state;
	apply("bind", GPU, "radeon override=radeon");
	assert_int_equal(rename(device, away), 0);
	assert_false(undo("the device is gone from the bus"));
	assert_int_equal(journal_standing(&guest.journal), 0);
	assert_int_equal(rename(away, device), 0);
}

static void test_bind_of_what_is_not_there(void **state)
{
	(void)state;
	refuse("bind", DEVICES "0000:66:00.0", VFIO, -ENOENT, "does not exist");
	refuse("bind", DEVICES "0000:06:00.0/driver", VFIO, -EINVAL, "not a PCI device");
	refuse("bind", DEVICES "../0000:06:00.0", VFIO, -EPERM, "plain absolute path");
	refuse("bind", DEVICES "0000:06:00.8", VFIO, -EINVAL, "not a PCI device");
	refuse("bind", GPU, "a b c", -EINVAL, "not a driver");
	assert_as_before();
}

static void test_two_guests_want_one_device(void **state)
{
	struct fakeguest other;
	struct err err = ERR_NONE;

	(void)state;
	apply("module", "vfio-pci", "loaded");
	apply("bind", GPU, VFIO);
	fakeguest_open(&other, &fake, "other");
	assert_int_equal(apply_by(&other, "bind", GPU, VFIO, &err), -EBUSY);
	assert_non_null(strstr(err.text, "guest g has it"));
	assert_int_equal(other.journal.count, 0);
	// the module is for all: who goes first leaves it to the other
	assert_int_equal(apply_by(&other, "module", "vfio-pci", "loaded", &err), 0);
	assert_false(undo(NULL));
	assert_value("module", "vfio-pci", "loaded");
	fakeguest_close(&guest);
	guest = other;
	take_back();
}

static void test_bind_values(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} rows[] = {
		{ "radeon", "radeon", true },
		{ "radeon", "none", false },
		{ "none", "none", true },
		{ VFIO, VFIO, true },
		{ VFIO, "vfio-pci", false },
		{ "none override=a", "none override=b", false },
		{ "radeon override=", "radeon", false },
		{ "", "none", false },
		{ "a/b", "a/b", false },
		{ VFIO, VFIO " rebind=no", true },
		{ VFIO, VFIO " rebind=yes", false },
	};
	static const struct {
		const char *now;
		bool between; // radeon and vfio-pci override=vfio-pci
	} states[] = {
		{ "radeon override=vfio-pci", true },	{ "none override=vfio-pci", true },
		{ "vfio-pci override=radeon", true },	{ "none override=radeon", true },
		{ "radeon override=radeon", true },	{ "none", true },
		{ "nouveau", false },			{ "none override=nouveau", false },
		{ "nouveau override=vfio-pci", false },
	};
	const struct change_kind *bind = change_kind_find("bind");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (bind->equal(rows[i].a, rows[i].b) != rows[i].equal)
			fail_msg("\"%s\" and \"%s\"", rows[i].a, rows[i].b);
	}
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (bind->between(states[i].now, "radeon", VFIO) != states[i].between ||
		    bind->between(states[i].now, VFIO, "radeon") != states[i].between)
			fail_msg("\"%s\"", states[i].now);
	}
}

static void test_remedy_of_bind(void **state)
{
	const struct change change = { .kind = "bind", .path = (char *)GPU, .was = (char *)"radeon" };
	AUTO_STR struct str out = { 0 };

	(void)state;
	change_kind_find("bind")->remedy(&change, &out);
	assert_string_equal(out.text, "echo radeon > " GPU "/driver_override; "
				      "echo 0000:06:00.0 > " GPU "/driver/unbind; "
				      "echo 0000:06:00.0 > /sys/bus/pci/drivers_probe; "
				      "echo > " GPU "/driver_override");
}

// ---- what hangs

// Stopped, it answers as little as where a driver does not let go of its device.
// Another one's child that does not come back is waited for, and not joined; for other devices it means nothing.
static void test_apart_finds_who_is_stuck(void **state)
{
	AUTO_FREE char *device = mem_printf("t%d", (int)getpid());
	AUTO_FREE char *who = NULL;
	AUTO_STR struct str text = { 0 };
	struct err err = ERR_NONE;
	struct apart first, second;

	(void)state;
	apart_init(&first, guest.host.root);
	apart_init(&second, guest.host.root);
	assert_int_equal(apart_read(&first, device, "/sys/h/word", 100, &text, &err), 0);
	assert_int_equal(apart_read(&first, device, "/sys/h/word", 100, &text, &err), 0);
	who = mem_printf("process %d", (int)first.pid);
	kill(first.pid, SIGSTOP);
	assert_int_equal(apart_read(&second, "other", "/sys/h/word", 100, &text, &err), 0);
	assert_int_equal(apart_read(&second, device, "/sys/h/word", 100, &text, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, who));
	kill(first.pid, SIGKILL);
	assert_int_equal(waitpid(first.pid, NULL, 0), first.pid);
	assert_int_equal(apart_read(&second, device, "/sys/h/word", 100, &text, &err), 0);
	apart_finish(&first);
	// the mark goes along with who has it
	apart_init(&first, guest.host.root);
	assert_int_equal(apart_read(&second, "other", "/sys/h/word", 100, &text, &err), 0);
	assert_int_equal(apart_read(&first, device, "/sys/h/word", 100, &text, &err), 0);
	apart_finish(&first);
	apart_finish(&second);
}

static void test_apart_starts_over(void **state)
{
	AUTO_STR struct str text = { 0 };
	struct apart apart;
	struct err err = ERR_NONE;

	(void)state;
	apart_init(&apart, guest.host.root);
	assert_int_equal(apart_read(&apart, "x", "/sys/h/word", 100, &text, &err), 0);
	assert_string_equal(text.text, "powersave");
	kill(apart.pid, SIGSTOP);
	assert_int_equal(apart_write(&apart, "0000:99:00.0", "/sys/h/word", "a", 200, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "0000:99:00.0 hangs"));
	assert_int_equal(apart_write(&apart, "y", "/sys/h/word", "b", 5000, &err), 0);
	assert_int_equal(apart_read(&apart, "y", "/sys/h/absent", 100, &text, &err), -ENOENT);
	apart_finish(&apart);
	assert_int_equal(apart_write(&apart, "y", "/sys/h/word", "c", 5000, &err), 0);
	apart_finish(&apart);
}

// ---- programs, and the session

static void test_programs(void **state)
{
	static const struct {
		const char *argv[4], *says;
		int timeout_ms, r;
	} rows[] = {
		{ { "echo", "-n", "all is well" }, "all is well", 20000, 0 },
		{ { "false" }, "", 20000, 1 },
		{ { "sh", "-c", "echo no >&2; exit 5" }, "no\n", 20000, 5 },
		{ { "no-such-program" }, "", 20000, -ENOENT },
		{ { "sleep", "600" }, "", 300, -ETIMEDOUT },
		{ { "sh", "-c", "kill -9 $$" }, "", 20000, -EIO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct change_host host = CHANGE_HOST_CLOSED;
		AUTO_STR struct str out = { 0 };
		struct err err = ERR_NONE;
		int r = program_run(&host, rows[i].argv, &out, rows[i].timeout_ms, &err);

		if (r != rows[i].r || strcmp(str_text(&out), rows[i].says) != 0)
			fail_msg("%s: %d \"%s\" %s", rows[i].argv[0], r, str_text(&out), err.text);
		assert_int_equal(err.code, r < 0 ? r : 0);
	}
}

static void test_where_we_are(void **state)
{
	(void)state;
	assert_true(scope_is_in("/"));
	assert_false(scope_is_in("vfiorun-no-such-guest.scope"));
}

// ---- owner

static void make_node(const char *path)
{
	AUTO_FREE char *full = mem_printf("%s%s", fake.tree, path);

	assert_int_equal(mkfifo(full, 0600), 0);
	assert_int_equal(chmod(full, 0600), 0);
}

static mode_t mode_of(const char *path)
{
	AUTO_FREE char *full = mem_printf("%s%s", fake.tree, path);
	struct stat st;

	assert_int_equal(stat(full, &st), 0);
	return st.st_mode & 07777;
}

static void test_owner_and_back(void **state)
{
	AUTO_FREE char *want = mem_printf("uid=%u gid=%u mode=0640", geteuid(), getegid());
	AUTO_FREE char *was = mem_printf("uid=%u gid=%u mode=0600", geteuid(), getegid());

	(void)state;
	make_node("/dev/node");
	assert_value("owner", "/dev/node", was);
	apply("owner", "/dev/node", want);
	assert_value("owner", "/dev/node", want);
	assert_false(undo(NULL));
	assert_value("owner", "/dev/node", was);
	apply("owner", "/dev/node", "mode=0666");
	assert_false(undo(NULL));
	assert_value("owner", "/dev/node", was);
}

static void test_owner_refusals(void **state)
{
	(void)state;
	make_node("/dev/node");
	assert_int_equal(tree_add(fake.tree, "dev/plain = x\ndev/link -> node\ndev/dir -> .\n"), 0);
	refuse("owner", "/dev/plain", "mode=0666", -EPERM, "no device node");
	refuse("owner", "/dev/link", "mode=0666", -EPERM, "no device node");
	refuse("owner", "/dev/dir/node", "mode=0666", -ELOOP, "/dev/dir/node");
	refuse("owner", "/etc/passwd", "mode=0666", -EPERM, "not a place");
	refuse("owner", "/dev/node", "mode=0999", -EINVAL, "not an owner");
	refuse("owner", "/dev/node", "", -EINVAL, "not an owner");
}

static void test_owner_of_a_node_that_comes_late(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		usleep(300000);
		make_node("/dev/late");
		_exit(0);
	}
	apply("owner", "/dev/late", "mode=0660");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(undo(NULL));
}

static void test_owner_of_a_node_that_went(void **state)
{
	(void)state;
	apply("module", "vfio-pci", "loaded");
	apply("bind", SPARE, VFIO);
	apply("owner", "/dev/vfio/14", "mode=0660");
	// somebody else has taken the device away
	fakehost_set(&fake, "/sys/bus/pci/drivers/vfio-pci/unbind", "0000:07:00.0");
	assert_false(undo("somebody else changed it"));
	assert_int_equal(journal_standing(&guest.journal), 0);
}

// The kernel numbers these nodes, and says with each device which one it has.
static void test_owner_of_a_devices_own_node(void **state)
{
	static const char path[] = "/sys/bus/pci/devices/0000:07:00.0/vfio-dev";
	AUTO_FREE char *file = mem_dup(path), *was = mem_dup("uid=0 gid=0 mode=0600");
	struct change change = { .path = file, .was = was };
	AUTO_STR struct str remedy = { 0 };

	(void)state;
	assert_int_equal(tree_add(fake.tree, "dev/vfio/devices/\nsys/bus/pci/devices/0000:07:00.0/vfio-dev/vfio7/\n"),
			 0);
	make_node("/dev/vfio/devices/vfio6");
	make_node("/dev/vfio/devices/vfio7");
	apply("owner", path, "mode=0640");
	assert_int_equal(mode_of("/dev/vfio/devices/vfio7"), 0640);
	assert_int_equal(mode_of("/dev/vfio/devices/vfio6"), 0600);
	assert_false(undo(NULL));
	assert_int_equal(mode_of("/dev/vfio/devices/vfio7"), 0600);
	change_kind_find("owner")->remedy(&change, &remedy);
	assert_non_null(strstr(remedy.text, "/dev/vfio/devices/$(ls "));
	// bound by a kernel that has no such nodes
	refuse("owner", "/sys/bus/pci/devices/0000:06:00.0/vfio-dev", "mode=0640", -ENODEV, "CONFIG_VFIO_DEVICE_CDEV");
	// what else there is of a device is not for an owner
	refuse("owner", "/sys/bus/pci/devices/0000:07:00.0/driver_override", "mode=0640", -ENOENT, "does not exist");
}

// ---- module, unit, console

static void test_module_comes_with_others_and_goes_with_them(void **state)
{
	(void)state;
	assert_value("module", "vfio-pci", "unloaded absent=vfio,vfio_iommu_type1");
	apply("module", "vfio-pci", "loaded");
	assert_value("module", "vfio_iommu_type1", "loaded");
	take_back();
}

static void test_module_that_others_use_stays(void **state)
{
	(void)state;
	apply("module", "vfio-pci", "loaded");
	assert_int_equal(tree_add(fake.tree, "sys/bus/pci/drivers/vfio-pci/0000:03:00.0 -> ../x\n"), 0);
	assert_false(undo("module vfio_pci is used by 0000:03:00.0"));
	assert_value("module", "vfio-pci", "loaded");
}

// A stack of drivers goes from its top, and comes back from its bottom.
static void test_module_out_and_in(void **state)
{
	(void)state;
	assert_int_equal(tree_add(fake.tree, "sys/module/ttm/holders/radeon -> ../../radeon\n"), 0);
	refuse("module", "ttm", "unloaded", -EBUSY, "module ttm is used by radeon");
	// that its driver has a card is what it is taken out for
	assert_int_equal(tree_add(fake.tree, "sys/module/radeon/drivers/pci:radeon -> "
					     "../../../bus/pci/drivers/radeon\n"), 0);
	apply("module", "radeon", "unloaded");
	assert_value("module", "radeon", "unloaded");
	assert_false(undo(NULL));
	assert_value("module", "radeon", "loaded");
}

// ---- resize

static void test_resize_and_back(void **state)
{
	static const char path[] = SPARE "/resource0_resize";

	(void)state;
	assert_value("resize", path, "256M");
	apply("resize", path, "1G");
	assert_value("resize", path, "1G");
	take_back();
	assert_value("resize", path, "256M");
	refuse("resize", path, "4G", -EIO, "asked for 4G, got 256M");
	take_back();
}

// The whole way: no driver, the size, vfio-pci; and back.
static void test_resize_between_two_bindings(void **state)
{
	(void)state;
	apply("module", "vfio-pci", "loaded");
	apply("bind", SPARE, "none override=vfio-pci");
	apply("resize", SPARE "/resource0_resize", "2G");
	apply("bind", SPARE, VFIO);
	assert_value("bind", SPARE, VFIO);
	assert_value("resize", SPARE "/resource0_resize", "2G");
	take_back();
}

// The kernel found no place, and the BAR has none: that is of our making, and is put back.
static void test_resize_without_a_place(void **state)
{
	static const char path[] = SPARE "/resource0_resize";

	(void)state;
	apply("resize", path, "1G");
	tree_write(fake.tree, SPARE "/resource" + 1, "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	assert_value("resize", path, "0");
	assert_false(undo("somebody else changed it"));
}

static void test_resize_refusals(void **state)
{
	(void)state;
	refuse("resize", SPARE "/resource1_resize", "1G", -ENOENT, "does not exist");
	refuse("resize", SPARE "/resource6_resize", "1G", -EINVAL, "not a resizable BAR");
	refuse("resize", SPARE "/rom_resize", "1G", -EINVAL, "not a resizable BAR");
	refuse("resize", SPARE "/resource0_resize", "3G", -EINVAL, "not a size");
	refuse("resize", SPARE "/resource0_resize", "much", -EINVAL, "not a size");
	assert_as_before();
}

// ---- usb

#define USB "/sys/bus/usb/devices/1-2"
#define DRIVEN "1-2:1.0=usbhid 1-2:1.1=usbhid 1-2:1.2=none"
#define LENT "1-2:1.0=none 1-2:1.1=none 1-2:1.2=none"

static void assert_interfaces(const char *expected)
{
	assert_value("usb", USB, expected);
}

static void test_usb_is_lent_and_given_back(void **state)
{
	(void)state;
	assert_interfaces(DRIVEN);
	apply("usb", USB, "lent");
	assert_interfaces(LENT);
	// what a program takes through the node and dies with
	assert_int_equal(tree_link(fake.tree, "sys/bus/usb/devices/1-2:1.2/driver", "../../drivers/usbfs"), 0);
	assert_false(undo(NULL));
	assert_interfaces("1-2:1.0=usbhid 1-2:1.1=usbhid 1-2:1.2=usbfs");
}

static void test_usb_is_one_guests(void **state)
{
	struct fakeguest other;
	struct err err = ERR_NONE;

	(void)state;
	fakeguest_open(&other, &fake, "other");
	apply("usb", USB, "lent");
	assert_int_equal(apply_by(&other, "usb", USB, "lent", &err), -EBUSY);
	assert_non_null(strstr(err.text, "guest g has it"));
	fakeguest_close(&other);
	assert_false(undo(NULL));
	assert_interfaces(DRIVEN);
}

// One goes back while the guest runs on, and its record with it.
static void test_usb_alone_goes_back(void **state)
{
	struct journal_report report;

	(void)state;
	apply("usb", USB, "lent");
	apply("module", "vfio-pci", "loaded");
	assert_int_equal(journal_undo_one(&guest.journal, &guest.world, "usb", USB, &report), 0);
	assert_int_equal(report.count, 0);
	assert_interfaces(DRIVEN);
	assert_null(journal_find(&guest.journal, "usb", USB));
	assert_value("module", "vfio-pci", "loaded");
	assert_int_equal(journal_undo_one(&guest.journal, &guest.world, "usb", USB, &report), 0);
	assert_false(undo(NULL));
}

static void unplug(void)
{
	static const char *const names[] = { "", ":1.0", ":1.1", ":1.2" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *path = mem_printf("%s" USB "%s", fake.tree, names[i]);

		tree_remove(path);
	}
}

// Unplugged there is nothing to put back, and nothing of another one that came in its place.
static void test_usb_that_went(void **state)
{
	(void)state;
	apply("usb", USB, "lent");
	unplug();
	assert_value("usb", USB, NULL);
	assert_false(undo(NULL));
	refuse("usb", USB, "lent", -ENOENT, "does not exist");
	assert_int_equal(tree_add(fake.tree, "sys/bus/usb/devices/1-2/busnum = 1\n"), 0);
	assert_interfaces("lent");
	apply("usb", USB, "lent");
	assert_int_equal(tree_add(fake.tree, "sys/bus/usb/devices/1-2:1.0/driver -> ../../drivers/uas\n"), 0);
	assert_false(undo("somebody else changed it"));
	assert_interfaces("1-2:1.0=uas");
}

static void test_usb_replaced_by_another(void **state)
{
	(void)state;
	apply("usb", USB, "lent");
	unplug();
	assert_int_equal(tree_add(fake.tree, "sys/bus/usb/devices/1-2/busnum = 1\n"
					     "sys/bus/usb/devices/1-2:1.0/driver -> ../../drivers/uas\n"), 0);
	assert_false(undo(NULL));
	assert_interfaces("1-2:1.0=uas");
}

static void test_usb_refusals(void **state)
{
	static const char *const paths[] = { "/sys/bus/usb/devices/usb1", "/sys/bus/usb/devices/1-2:1.0",
					     "/sys/bus/usb/devices/1-", "/sys/bus/usb/devices/1-2." };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		refuse("usb", paths[i], "lent", -EINVAL, "not a USB device");
	refuse("usb", "/sys/bus/usb/devices/9-9", "lent", -ENOENT, "does not exist");
	refuse("usb", USB, "mine", -EINVAL, "not a state");
}

static void test_module_that_is_not_there(void **state)
{
	(void)state;
	refuse("module", "warp", "loaded", -EIO, "modprobe warp: FATAL: Module warp not found.");
	refuse("module", "../x", "loaded", -EPERM, "not a name");
	refuse("module", "radeon", "gone", -EINVAL, "not a state");
	assert_as_before();
}

static void test_unit(void **state)
{
	(void)state;
	apply("unit", "display.service", "inactive");
	assert_value("unit", "display.service", "inactive");
	take_back();
	assert_value("unit", "display.service", "active");
	refuse("unit", "absent.service", "inactive", -ENOENT, "does not exist");
	refuse("unit", "-H.service", "inactive", -EPERM, "not a name");
	refuse("unit", "a b.service", "inactive", -EPERM, "not a name");
	refuse("unit", "display.service", "masked", -EINVAL, "not a state");
}

static void test_console(void **state)
{
	(void)state;
	apply("console", "/sys/class/vtconsole/vtcon1", "unbound");
	assert_value("console", "/sys/class/vtconsole/vtcon1", "unbound");
	apply("console", "/sys/bus/platform/devices/simple-framebuffer.0", "unbound");
	assert_value("console", "/sys/bus/platform/devices/simple-framebuffer.0", "unbound");
	take_back();
	refuse("console", "/sys/class/vtconsole/vtcon1/bind", "unbound", -EINVAL, "no console");
	refuse("console", "/sys/class/vtconsole/vtcon9", "unbound", -ENOENT, "does not exist");
}

#define ON_HOST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_HOST(test_bind_and_back),
		ON_HOST(test_bind_of_a_device_without_driver),
		ON_HOST(test_bind_keeps_an_older_override),
		ON_HOST(test_bind_that_shall_stay),
		ON_HOST(test_bind_already_so),
		ON_HOST(test_bind_without_the_driver),
		ON_HOST(test_bind_refused_while_held),
		ON_HOST(test_bind_of_a_dead_device),
		ON_HOST(test_bind_of_a_virtual_function),
		ON_HOST(test_bind_of_what_is_unplugged),
		ON_HOST(test_bind_of_what_is_not_there),
		ON_HOST(test_two_guests_want_one_device),
		cmocka_unit_test(test_bind_values),
		cmocka_unit_test(test_remedy_of_bind),
		ON_HOST(test_apart_finds_who_is_stuck),
		ON_HOST(test_apart_starts_over),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_where_we_are),
		ON_HOST(test_owner_and_back),
		ON_HOST(test_owner_refusals),
		ON_HOST(test_owner_of_a_node_that_comes_late),
		ON_HOST(test_owner_of_a_node_that_went),
		ON_HOST(test_owner_of_a_devices_own_node),
		ON_HOST(test_module_comes_with_others_and_goes_with_them),
		ON_HOST(test_module_that_others_use_stays),
		ON_HOST(test_module_out_and_in),
		ON_HOST(test_module_that_is_not_there),
		ON_HOST(test_resize_and_back),
		ON_HOST(test_resize_between_two_bindings),
		ON_HOST(test_resize_without_a_place),
		ON_HOST(test_resize_refusals),
		ON_HOST(test_usb_is_lent_and_given_back),
		ON_HOST(test_usb_is_one_guests),
		ON_HOST(test_usb_alone_goes_back),
		ON_HOST(test_usb_that_went),
		ON_HOST(test_usb_replaced_by_another),
		ON_HOST(test_usb_refusals),
		ON_HOST(test_unit),
		ON_HOST(test_console),
	};

	return cmocka_run_group_tests_name("kinds for devices", tests, NULL, NULL);
}
