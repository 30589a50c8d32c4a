// SPDX-License-Identifier: MIT
// The installed QEMU takes the files that it inherits, as a user who could not open one of them.
// Skipped where there is none.
#include "tests/unit/guest.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/files.h"
#include "launcher/guest/vars.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define QEMU "/usr/bin/qemu-system-x86_64"
#define BIOS "[firmware]\ntype = seabios\n"
enum { NOBODY = 65534 };

struct state {
	struct guest guest;
	char dir[PATH_MAX];
	char device[64]; // a loop device to be let go of
};

static int setup(void **state)
{
	struct state *s = mem_new(1, sizeof(*s));

	*state = s;
	// A comma in the path, and no way in for others.
	return tree_make("", s->dir, sizeof(s->dir)) == 0 &&
			       tree_write(s->dir, "a,b c/out", "") == 0 && chmod(s->dir, 0700) == 0
		       ? 0
		       : -1;
}

static bool run(const struct state *s, const char *command)
{
	AUTO_FREE char *line =
		mem_printf("cd '%s/a,b c' && PATH=$PATH:/sbin:/usr/sbin && { %s; } >out 2>&1",
			   s->dir, command);

	return system(line) == 0;
}

static void detach(struct state *s)
{
	AUTO_FREE char *command = mem_printf("losetup -d %s", s->device);

	*s->device = '\0';
	assert_true(run(s, command));
}

static int teardown(void **state)
{
	struct state *s = *state;

	if (*s->device)
		detach(s);
	tree_remove(s->dir);
	free(s);
	return 0;
}

// The guest of this text, @ standing for the directory, with what is true of its files.
static void make(struct state *s, const char *text)
{
	struct guest *guest = &s->guest;
	AUTO_STR struct str whole = { 0 };
	struct account nobody = { .uid = NOBODY, .gid = NOBODY, .found = true };
	struct root root = ROOT_CLOSED;

	if (access(QEMU, X_OK) != 0 || geteuid() != 0)
		skip();
	for (; *text; text++) {
		if (*text == '@')
			str_addf(&whole, "%s/a,b c", s->dir);
		else
			str_addc(&whole, *text);
	}
	guest_init(guest, str_text(&whole));
	mem_set(&guest->fx.facts.state_dir, s->dir);
	mem_set(&guest->fx.facts.run_dir, s->dir);
	mem_set(&guest->fx.plan.qemu, QEMU);
	guest->fx.uid = NOBODY;
	assert_int_equal(root_open(&root, NULL, NULL), 0);
	assert_int_equal(files_read(&root, &guest->profile, &nobody, &guest->fx.facts, NULL), 0);
	root_finish(&root);
}

static void start(struct state *s, bool pasted)
{
	AUTO_FREE char *said = argv_fixture_start_qemu(&s->guest.fx, pasted);

	if (said) {
		for (size_t i = 0; i < s->guest.fx.plan.argv.count; i++)
			print_error("%s ", s->guest.fx.plan.argv.items[i]);
		print_error("\n%s\n", said);
	}
	assert_null(said);
}

// Both forms: the inherited one as nobody, the pasted one as who could open the files.
static void assert_starts(struct state *s)
{
	struct argv_build *b = &s->guest.fx.build;

	argv_choose(b);
	argv_machine(b);
	argv_cpu(b);
	argv_memory(b);
	argv_firmware(b);
	argv_disks(b);
	argv_nets(b);
	argv_display(b);
	argv_monitor(b);
	for (size_t i = 0; i < s->guest.fx.diags.count; i++)
		print_error("%s\n", s->guest.fx.diags.items[i].text);
	assert_int_equal(s->guest.fx.diags.count, 0);
	if (s->guest.fx.plan.vars.used)
		assert_int_equal(vars_create(&s->guest.fx.plan.vars, NULL), 0);
	start(s, false);
	s->guest.fx.uid = 0;
	s->guest.fx.commands = NULL;
	start(s, true);
}

static const char write_disk0[] =
	"{\"execute\":\"human-monitor-command\",\"arguments\":"
	"{\"command-line\":\"qemu-io -d /machine/peripheral/disk0/virtio-backend \\\"write -P 0x5a "
	"64k 64k\\\"\"}}"
	"{\"execute\":\"human-monitor-command\",\"arguments\":"
	"{\"command-line\":\"qemu-io -d /machine/peripheral/disk0/virtio-backend \\\"discard 512k "
	"64k\\\"\"}}";

static void test_all_buses(void **state)
{
	struct state *s = *state;

	if (!run(s, "for i in 1 2 3 4 5 6; do truncate -s 1M $i.img; done; cp 6.img cd.iso; chmod "
		    "600 *"))
		skip();
	make(s, BIOS "[disk \"a\"]\nfile = @/1.img\nserial = A,1\ndiscard = yes\n"
		     "[disk \"b\"]\nfile = @/2.img\nbus = scsi\ncache = directsync\n"
		     "[disk \"c\"]\nfile = @/3.img\nbus = scsi\niothread = no\nreadonly = yes\n"
		     "[disk \"d\"]\nfile = @/4.img\nbus = nvme\ncache = writethrough\n"
		     "[disk \"e\"]\nfile = @/5.img\nbus = sata\ncache = unsafe\n"
		     "[disk \"f\"]\nfile = @/6.img\nreadonly = yes\niothread = yes\n"
		     "[cdrom \"g\"]\nfile = @/cd.iso\n[cdrom \"h\"]\n[net \"n\"]\n");
	s->guest.fx.commands = write_disk0;
	assert_starts(s);
	assert_true(run(
		s,
		"qemu-io -f raw -r -c 'read -v -P 0x5a 64k 64k' 1.img && ! grep -q 'failed' out"));
	guest_finish(&s->guest);
}

static void test_pc(void **state)
{
	struct state *s = *state;

	if (!run(s, "truncate -s 1M 1.img 2.img"))
		skip();
	make(s, BIOS "[vm]\nmachine = pc\n[disk \"a\"]\nfile = @/1.img\nbus = sata\n"
		     "[disk \"b\"]\nfile = @/2.img\n[cdrom \"c\"]\n[net \"n\"]\nmodel = e1000\n");
	assert_starts(s);
	guest_finish(&s->guest);
}

static void test_qcow2_chain_around_the_page_cache(void **state)
{
	struct state *s = *state;

	if (!run(s,
		 "qemu-img create -f raw base 1M && qemu-img create -f qcow2 -b base -F raw mid && "
		 "qemu-img create -f qcow2 -b mid -F qcow2 top.qcow2 && qemu-io -c 'write -P 7 0 "
		 "64k' mid"))
		skip();
	make(s, BIOS "[disk \"a\"]\nfile = @/top.qcow2\ncache = none\n");
	assert_true(facts_file(&s->guest.fx.facts, s->guest.profile.disks[0].file)->direct);
	s->guest.fx.commands = write_disk0;
	assert_starts(s);
	assert_true(run(s, "qemu-io -r -c 'read -P 7 0 64k' -c 'read -P 0x5a 64k 64k' top.qcow2 && "
			   "! grep -q failed out && qemu-io -r -c 'read -P 0 64k 64k' mid && ! "
			   "grep -q failed out"));
	guest_finish(&s->guest);
}

static void test_block_device(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *out = NULL, *text = NULL;

	if (!run(s, "truncate -s 1M image && losetup -f --show image"))
		skip();
	out = tree_read(s->dir, "a,b c/out");
	assert_int_equal(sscanf(out, "%63s", s->device), 1);
	text = mem_printf(BIOS "[disk \"a\"]\nfile = %s\nforce = yes\n", s->device);
	make(s, text);
	s->guest.fx.commands = write_disk0;
	assert_starts(s);
	detach(s);
	assert_non_null(strstr(argv_fixture_value(&s->guest.fx, "-blockdev", 0),
			       "file.driver=host_device"));
	assert_true(run(
		s, "qemu-io -f raw -r -c 'read -P 0x5a 64k 64k' image && ! grep -q failed out"));
	guest_finish(&s->guest);
}

static char *ovmf_text(const char *type, const char *code, const char *template)
{
	if (access(code, R_OK) != 0 || access(template, R_OK) != 0)
		skip();
	return mem_printf("[firmware]\ntype = %s\ncode = %s\ntemplate = %s\n", type, code,
			  template);
}

static void test_ovmf(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *text = ovmf_text("ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd",
					 "/usr/share/OVMF/OVMF_VARS_4M.fd");

	make(s, text);
	assert_starts(s);
	guest_finish(&s->guest);
	// The copy is there now and fits.
	make(s, text);
	assert_starts(s);
	assert_false(s->guest.fx.plan.vars.create);
	guest_assert_fine(&s->guest);
	guest_finish(&s->guest);
}

static void test_secure_boot(void **state)
{
	struct state *s = *state;
	AUTO_FREE char *text = ovmf_text("ovmf-secureboot", "/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
					 "/usr/share/OVMF/OVMF_VARS_4M.ms.fd");

	make(s, text);
	assert_starts(s);
	guest_assert_has(&s->guest, "-machine", "smm=on");
	guest_finish(&s->guest);
}

// As much of a kernel as QEMU looks at (Linux Documentation/x86/boot.rst).
static bool make_kernel(const struct state *s)
{
	AUTO_FREE char *path = mem_printf("%s/a,b c/kernel", s->dir);
	AUTO_FCLOSE FILE *file = fopen(path, "w");
	char image[8192] = { 0 };

	image[0x1f1] = 1;
	memcpy(image + 0x1fe, "\x55\xaa", 2);
	memcpy(image + 0x202, "HdrS\x02\x02", 6);
	image[0x211] = 1;
	return file && fwrite(image, sizeof(image), 1, file) == 1;
}

// A kernel below a directory that QEMU's user may not enter, and an initrd that it may not read.
static void test_direct_kernel(void **state)
{
	struct state *s = *state;

	if (!make_kernel(s) ||
	    !run(s, "chmod 644 kernel && echo data > initrd && chmod 600 initrd"))
		skip();
	make(s, "[boot]\nkernel = @/kernel\ninitrd = @/initrd\ncmdline = console=ttyS0 x=1,2\n");
	assert_starts(s);
	assert_int_equal(s->guest.fx.plan.fds[0].kind, PLAN_FD_FILE);
	assert_int_equal(s->guest.fx.plan.fds[1].kind, PLAN_FD_COPY);
	guest_finish(&s->guest);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_all_buses),
		TEST(test_pc),
		TEST(test_qcow2_chain_around_the_page_cache),
		TEST(test_block_device),
		TEST(test_ovmf),
		TEST(test_secure_boot),
		TEST(test_direct_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
