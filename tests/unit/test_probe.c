// SPDX-License-Identifier: MIT
// Asks fakes, scripts that are no QEMU at all, and the installed QEMU where there is one.
#include "qmp/probe.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "qmp/probe/kvm_node.h"
#include "tests/unit/fake_qemu.h"
#include "tests/unit/tree.h"
#include "tune/host/process.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char real_qemu[] = "/usr/bin/qemu-system-x86_64";

struct state {
	char dir[128], path[256];
	struct qemu_caps caps;
	struct err err;
	struct qemu_probe probe;
};

static int setup(void **state)
{
	struct state *s = mem_new(1, sizeof(*s));

	assert_int_equal(tree_make("", s->dir, sizeof(s->dir)), 0);
	chmod(s->dir, 0755);
	s->probe = (struct qemu_probe){ .path = s->path, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	qemu_caps_finish(&s->caps);
	tree_remove(s->dir);
	free(s);
	return 0;
}

static void use_fake(struct state *s, const char *name)
{
	fake_qemu_make(s->dir, name, s->path, sizeof(s->path));
}

static void use_script(struct state *s, const char *text)
{
	tree_write(s->dir, "script", text);
	snprintf(s->path, sizeof(s->path), "%s/script", s->dir);
	chmod(s->path, 0755);
}

static void assert_said(const struct state *s, const char *part)
{
	if (!strstr(s->err.text, part))
		fail_msg("\"%s\" is not in: %s", part, s->err.text);
}

// It fails, with these words, says which binary and what to do, and leaves nothing behind.
static void assert_refused(struct state *s, int code, const char *part)
{
	assert_int_equal(qemu_probe_binary(&s->probe, &s->caps, &s->err), code);
	assert_int_equal(s->err.code, code);
	assert_said(s, part);
	assert_said(s, s->path);
	assert_true(*s->err.hint);
	assert_null(s->caps.path);
	assert_null(s->caps.words.items);
	assert_false(s->caps.known);
}

static void assert_asked(struct state *s)
{
	if (qemu_probe_binary(&s->probe, &s->caps, &s->err) < 0)
		fail_msg("%s", s->err.text);
}

static void assert_words(const struct qemu_caps *caps, const char *const *words, size_t count, bool there)
{
	for (size_t i = 0; i < count; i++) {
		if (qemu_caps_has(caps, "%s", words[i]) != there)
			fail_msg("%s is %s", words[i], there ? "missing" : "there");
	}
}

// --- fakes ---

static void test_every_answer_becomes_words(void **state)
{
	static const char *const there[] = {
		"machine/pc-q35-9.8", "machine-alias/q35/pc-q35-9.8", "machine-max-cpus/pc-q35-9.8/288",
		"machine/pc-q35-1.0", "machine-deprecated/pc-q35-1.0", "command/query-status",
		"option/sandbox/spawn", "device/vfio-pci", "object/nvme", "property/nvme/addr",
		"property/q35/smm", "property/kvm-accel/smm", "cpu/hv-time",
		"arg/blockdev-add/driver", "arg/blockdev-add/driver=file", "arg/blockdev-add/lost",
		"arg/blockdev-add/file/aio=threads", "arg/blockdev-add/file/aio=io_uring",
		"display/none", "display/gtk", "flag/h", "flag/display", "flag/odd", "flag/hda",
	};
	static const char *const not_there[] = {
		"machine-deprecated/pc-q35-9.8", "arg/blockdev-add/vvfat/aio", "property/virtio-vga/addr",
		"cpu/hv_time", "display/more", "flag/indented", "audio/none", "spice", "accel/kvm/host",
	};
	struct state *s = *state;

	use_fake(s, "fake-qemu");
	assert_asked(s);
	assert_true(s->caps.known);
	assert_string_equal(s->caps.path, s->path);
	assert_string_equal(s->caps.version, "9.8.7");
	assert_words(&s->caps, there, ARRAY_SIZE(there), true);
	assert_words(&s->caps, not_there, ARRAY_SIZE(not_there), false);
}

static void test_another_architecture_is_refused(void **state)
{
	struct state *s = *state;

	use_fake(s, "fake-qemu.arch");
	assert_refused(s, -EPROTO, "for s390x, not for x86_64");
}

static void test_answers_of_another_shape_are_refused(void **state)
{
	struct state *s = *state;

	use_fake(s, "fake-qemu.shapes");
	assert_refused(s, -EPROTO, "not for x86_64");
}

static void test_a_device_that_kills_qemu_gets_no_word(void **state)
{
	struct state *s = *state;

	use_fake(s, "fake-qemu.dies");
	assert_asked(s);
	assert_false(qemu_caps_has(&s->caps, "device/vfio-pci"));
	assert_false(qemu_caps_has(&s->caps, "property/vfio-pci/addr"));
	assert_true(qemu_caps_has(&s->caps, "object/vfio-pci"));
	assert_true(qemu_caps_has(&s->caps, "property/nvme/addr"));
	assert_true(qemu_caps_has(&s->caps, "property/VGA/addr"));
	assert_int_equal(fake_qemu_starts(s->dir), 2);
}

static void test_a_qemu_that_dies_of_everything_is_refused(void **state)
{
	struct state *s = *state;

	use_fake(s, "fake-qemu.dies-always");
	assert_refused(s, -EPROTO, "killed by signal 6");
	// The assertion's own line says less than the one before it.
	assert_said(s, "fake: a module is missing");
	assert_true(fake_qemu_starts(s->dir) <= 5);
}

static void test_silence_ends_at_the_deadline(void **state)
{
	struct state *s = *state;

	use_fake(s, "fake-qemu.hang");
	s->probe.patience_ms = 100;
	assert_refused(s, -ETIMEDOUT, "did not greet");
}

static void test_a_help_that_hangs_ends_at_the_deadline(void **state)
{
	struct state *s = *state;

	use_fake(s, "fake-qemu.mute-help");
	s->probe.patience_ms = 1500;
	assert_refused(s, -ETIMEDOUT, "-help: it hung and was killed");
}

static void test_endless_events_end_at_the_deadline(void **state)
{
	struct state *s = *state;

	use_fake(s, "fake-qemu.events");
	s->probe.patience_ms = 100;
	assert_refused(s, -ETIMEDOUT, "QEMU did not greet");
}

static void test_garbage_is_no_qmp(void **state)
{
	struct state *s = *state;

	use_fake(s, "fake-qemu.garbage");
	assert_refused(s, -EPROTO, "not QMP");
}

// --- what is no QEMU ---

static void test_what_cannot_be_executed(void **state)
{
	struct state *s = *state;

	snprintf(s->path, sizeof(s->path), "%s/none", s->dir);
	assert_refused(s, -ENOENT, "No such file");
	snprintf(s->path, sizeof(s->path), "%s", s->dir);
	assert_refused(s, -EACCES, "Permission denied");
	use_script(s, "#!/bin/sh\n");
	chmod(s->path, 0644);
	assert_refused(s, -EACCES, "can't be executed");
	use_script(s, "no program\n");
	assert_refused(s, -ENOEXEC, "can't be executed");
	use_script(s, "#!/none/sh\n");
	assert_refused(s, -ENOENT, "can't be executed");
}

static void test_an_early_end_is_told_with_the_last_line(void **state)
{
	struct state *s = *state;

	use_script(s, "#!/bin/sh\nprintf 'first\\nqemu: the \\033 last  \\n\\n' >&2\nexit 3\n");
	assert_refused(s, -EPROTO, "exited with status 3: the \\x1b last");
	use_script(s, "#!/bin/sh\nexit 0\n");
	assert_refused(s, -EPROTO, "it ended before it was told to");
	use_script(s, "#!/bin/sh\nkill -SEGV $$\n");
	assert_refused(s, -EPROTO, "killed by signal 11 (Segmentation fault) without a word");
}

static void test_a_flood_on_stderr_is_bounded(void **state)
{
	struct state *s = *state;

	use_script(s, "#!/bin/sh\nwhile :; do echo flood >&2; done\n");
	s->probe.patience_ms = 500;
	assert_int_equal(qemu_probe_binary(&s->probe, &s->caps, &s->err), -ETIMEDOUT);
	assert_said(s, "floo");
}

static void test_a_wrapper_leaves_nothing_running(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *pid = NULL;
	struct process_id id;
	int r = 0;

	use_script(s, "#!/bin/sh\nsleep 300 &\necho $! >\"${0%/*}/pid\"\nwait\n");
	s->probe.patience_ms = 300;
	assert_refused(s, -ETIMEDOUT, "did not greet");
	pid = tree_read(s->dir, "pid");
	// Its end is the kernel's to carry out.
	for (int i = 0; i < 500 && r == 0; i++) {
		r = process_read_id(atoi(pid), &id);
		usleep(10000);
	}
	assert_int_equal(r, -ESRCH);
}

static void test_the_child_gets_what_it_needs_and_no_more(void **state)
{
	struct state *s = *state;
	int leak = dup2(STDIN_FILENO, 9); // not close-on-exec

	assert_int_equal(leak, 9);
	setenv("SECRET", "leaked", 1);
	use_script(s, "#!/bin/sh\n"
		      "nnp=$(sed -n 's/NoNewPrivs:\t//p' /proc/$$/status)\n"
		      "{ true >&9; } 2>/dev/null && leak=leak\n"
		      "echo \"[$SECRET,$LC_ALL,$PWD,$(readlink /proc/$$/fd/0),$(ulimit -c),$nnp,$leak]\" >&2\n"
		      "exit 1\n");
	assert_refused(s, -EPROTO, "[,C,/,/dev/null,0,1,]");
	unsetenv("SECRET");
	close(leak);
}

static void test_root_asks_as_somebody_else(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *wanted = NULL;
	gid_t group = kvm_node_group();

	if (geteuid() != 0)
		skip();
	s->probe.uid = s->probe.gid = 65534;
	use_script(s, "#!/bin/sh\necho \"$(id -u):$(id -G)\" >&2\nexit 1\n");
	wanted = group == (gid_t)-1 ? mem_dup(": 65534:65534") :
				      mem_printf(": 65534:65534 %u", (unsigned)group);
	assert_refused(s, -EPROTO, wanted);
}

// --- KVM ---

static const char *ask_kvm(struct state *s, const char *fake, const char *model)
{
	use_fake(s, fake);
	s->probe.cpu_model = model;
	assert_asked(s);
	qemu_probe_kvm(&s->probe, &s->caps);
	return qemu_caps_after(&s->caps, "no-accel/kvm/");
}

static void test_kvm_with_what_hyperv_has(void **state)
{
	struct state *s = *state;

	assert_null(ask_kvm(s, "fake-qemu", "host"));
	assert_true(qemu_caps_has(&s->caps, "accel/kvm/host"));
	assert_true(qemu_caps_has(&s->caps, "kvm/hv-time"));
	assert_false(qemu_caps_has(&s->caps, "kvm/hv-ipi"));
	assert_false(qemu_caps_has(&s->caps, "kvm/hv-vendor-id"));
	assert_false(qemu_caps_has(&s->caps, "kvm/hv-passthrough"));
	assert_int_equal(fake_qemu_starts(s->dir), 2);
}

static void test_kvm_without_hyperv_is_kvm(void **state)
{
	struct state *s = *state;

	assert_null(ask_kvm(s, "fake-qemu.no-hyperv", "host"));
	assert_true(qemu_caps_has(&s->caps, "accel/kvm/host"));
	assert_null(qemu_caps_after(&s->caps, "kvm/"));
}

static void test_no_kvm_says_why(void **state)
{
	assert_string_equal(ask_kvm(*state, "fake-qemu.no-kvm", "host"),
			    "host/it exited with status 1: fake: no KVM here");
}

// --- the installed one ---

static void use_real(struct state *s)
{
	if (access(real_qemu, X_OK) < 0)
		skip();
	snprintf(s->path, sizeof(s->path), "%s", real_qemu);
}

static void test_the_installed_qemu_says_what_it_can(void **state)
{
	static const char *const there[] = {
		"device/virtio-blk-pci", "device/vfio-pci", "device/qemu64-x86_64-cpu",
		"object/iothread", "object/memory-backend-memfd", "command/query-cpus-fast",
		"property/virtio-blk-pci/iothread", "property/q35/smm", "property/pc/smm",
		"property/ICH9-LPC/disable_s3", "property/input-linux/grab-toggle", "cpu/hv-time",
		"cpu/topoext", "arg/blockdev-add/driver=host_device", "arg/blockdev-add/file/aio=native",
		"arg/netdev_add/tap/vhostfds", "arg/object-add/memory-backend-ram/prealloc",
		"flag/sandbox", "flag/nodefaults", "display/none", "netdev/tap", "audio/none",
	};
	struct state *s = *state;
	AUTO_STR struct str text = { 0 };
	struct qemu_caps back = { 0 };

	use_real(s);
	assert_asked(s);
	assert_words(&s->caps, there, ARRAY_SIZE(there), true);
	assert_non_null(qemu_caps_after(&s->caps, "machine-alias/q35/pc-q35-"));
	assert_non_null(strchr(s->caps.version, '.'));
	qemu_caps_print(&s->caps, &text);
	assert_int_equal(qemu_caps_parse(text.text, &back, &s->err), 0);
	assert_int_equal(back.words.count, s->caps.words.count);
	qemu_caps_finish(&back);
}

static void test_a_wrapper_around_the_installed_qemu(void **state)
{
	struct state *s = *state;

	use_real(s);
	use_script(s, "#!/bin/sh\n/usr/bin/qemu-system-x86_64 \"$@\"\n");
	assert_asked(s);
	assert_true(qemu_caps_has(&s->caps, "device/virtio-blk-pci"));
}

static void test_the_installed_qemu_under_kvm(void **state)
{
	struct state *s = *state;
	const char *reason;

	use_real(s);
	s->caps = (struct qemu_caps){ .known = true };
	s->probe.cpu_model = "no-such-model";
	qemu_probe_kvm(&s->probe, &s->caps);
	assert_non_null(qemu_caps_after(&s->caps, "no-accel/kvm/no-such-model/"));
	s->probe.cpu_model = "qemu64";
	if (geteuid() == 0)
		s->probe.uid = s->probe.gid = 65534;
	qemu_probe_kvm(&s->probe, &s->caps);
	reason = qemu_caps_after(&s->caps, "no-accel/kvm/qemu64/");
	assert_true(qemu_caps_has(&s->caps, "accel/kvm/qemu64") != (reason != NULL));
	// Where root has a /dev/kvm, whoever it asks as may open it.
	if (geteuid() == 0 && access("/dev/kvm", F_OK) == 0 && reason)
		assert_null(strstr(reason, "Permission denied"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_every_answer_becomes_words),
		TEST(test_another_architecture_is_refused),
		TEST(test_answers_of_another_shape_are_refused),
		TEST(test_a_device_that_kills_qemu_gets_no_word),
		TEST(test_a_qemu_that_dies_of_everything_is_refused),
		TEST(test_silence_ends_at_the_deadline),
		TEST(test_a_help_that_hangs_ends_at_the_deadline),
		TEST(test_endless_events_end_at_the_deadline),
		TEST(test_garbage_is_no_qmp),
		TEST(test_what_cannot_be_executed),
		TEST(test_an_early_end_is_told_with_the_last_line),
		TEST(test_a_flood_on_stderr_is_bounded),
		TEST(test_a_wrapper_leaves_nothing_running),
		TEST(test_the_child_gets_what_it_needs_and_no_more),
		TEST(test_root_asks_as_somebody_else),
		TEST(test_kvm_with_what_hyperv_has),
		TEST(test_kvm_without_hyperv_is_kvm),
		TEST(test_no_kvm_says_why),
		TEST(test_the_installed_qemu_says_what_it_can),
		TEST(test_a_wrapper_around_the_installed_qemu),
		TEST(test_the_installed_qemu_under_kvm),
	};

	(void)argc;
	fake_qemu_main(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
