// SPDX-License-Identifier: MIT
// A QEMU takes what is built: the installed one, or the one that the first argument names. Skipped
// where there is none.
#include "tests/unit/argv_fixture.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tests/unit/world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char *qemu = "/usr/bin/qemu-system-x86_64";

struct state {
	struct argv_fixture fx;
	char dir[64];
};

static int setup(void **state)
{
	struct state *s = mem_new(1, sizeof(*s));
	AUTO_FREE char *sub = NULL;

	argv_fixture_init(&s->fx);
	// A comma in the path: every option that names it has to escape it.
	strcpy(s->dir, "/tmp/vfiorun,argv-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	sub = mem_printf("%s/qemu", s->dir);
	assert_int_equal(mkdir(sub, 0700), 0);
	mem_set(&s->fx.facts.run_dir, s->dir);
	mem_set(&s->fx.facts.qemu.path, qemu);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = { "qmp.sock", "console.sock", "qemu/vnc.sock",
					     "qemu/spice.sock" };
	struct state *s = *state;
	AUTO_FREE char *sub = mem_printf("%s/qemu", s->dir);

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", s->dir, files[i]);

		unlink(path);
	}
	rmdir(sub);
	rmdir(s->dir);
	argv_fixture_finish(&s->fx);
	free(s);
	return 0;
}

static void show(const struct strv *argv, const char *said)
{
	for (size_t i = 0; i < argv->count; i++)
		print_error("%s ", argv->items[i]);
	print_error("\n%s\n", said);
}

static void assert_starts(struct state *s)
{
	static const bool forms[] = { false, true };

	argv_fixture_make(&s->fx);
	assert_int_equal(diags_exit_status(&s->fx.diags), 0);
	if (!argv_fixture_can_start_qemu(&s->fx))
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		AUTO_FREE char *said = argv_fixture_start_qemu(&s->fx, forms[i]);

		if (said)
			show(&s->fx.plan.argv, said);
		assert_null(said);
	}
}

static void test_plain_guest(void **state)
{
	assert_starts(*state);
}

static void test_pc(void **state)
{
	struct state *s = *state;

	s->fx.profile.vm.machine = (char *)"pc";
	assert_starts(s);
}

static void test_windows(void **state)
{
	struct state *s = *state;

	s->fx.profile.vm.os = OS_WINDOWS;
	s->fx.profile.display.type = DISPLAY_INSTALL;
	assert_starts(s);
}

static void test_secure_boot(void **state)
{
	struct state *s = *state;

	s->fx.profile.firmware.type = FIRMWARE_OVMF_SECUREBOOT;
	assert_starts(s);
}

static void test_strange_name_and_many_vcpus(void **state)
{
	struct state *s = *state;

	mem_set(&s->fx.profile.vm.name, "a,b =\"ü\" 'c'");
	argv_fixture_place(&s->fx, 2, 2, 2, NULL);
	assert_starts(s);
}

static void test_spice(void **state)
{
	struct state *s = *state;

	s->fx.profile.vm.os = OS_LINUX;
	s->fx.profile.display.type = DISPLAY_SPICE;
	// Debian has -spice in a package of its own.
	if (access("/usr/lib/x86_64-linux-gnu/qemu/ui-spice-core.so", F_OK))
		skip();
	assert_starts(s);
}

static void test_shared_and_preallocated_memory(void **state)
{
	struct state *s = *state;

	s->fx.profile.memory.share = TRI_YES;
	s->fx.profile.memory.prealloc = TRI_YES;
	assert_starts(s);
}

// Node 0 is everywhere; QEMU must take the list form for all that.
static void test_bound_memory(void **state)
{
	struct state *s = *state;

	s->fx.profile.memory.nodes.mode = CPUS_LIST;
	cpuset_add(&s->fx.profile.memory.nodes.nodes, 0);
	assert_starts(s);
}

// QEMU can bind only to host nodes that exist, so it is shown the guest nodes alone.
static void test_guest_nodes(void **state)
{
	static const int pin[] = { 0, 1, 2, 3 };
	struct state *s = *state;
	struct strv *forms[] = { &s->fx.plan.argv, &s->fx.plan.argv_paths };
	AUTO_FREE char *said = NULL;

	argv_fixture_set_nodes(&s->fx, 2);
	argv_fixture_place(&s->fx, 2, 2, 1, pin);
	argv_fixture_make(&s->fx);
	assert_non_null(
		strstr(argv_fixture_value(&s->fx, "-object", 1), ",host-nodes=1,policy=bind"));
	if (!argv_fixture_can_start_qemu(&s->fx))
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		for (size_t n = 0; n < forms[i]->count; n++) {
			char *cut = strstr(forms[i]->items[n], ",host-nodes=");

			if (cut)
				*cut = '\0';
		}
	}
	said = argv_fixture_start_qemu(&s->fx, false);
	if (said)
		show(&s->fx.plan.argv, said);
	assert_null(said);
}

static bool kvm_opens(void)
{
	AUTO_CLOSE int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	return fd >= 0;
}

// qemu64 needs nothing of KVM that a nested or reduced one may lack.
static void test_kvm(void **state)
{
	struct state *s = *state;

	if (!kvm_opens())
		skip();
	s->fx.profile.vm.accel = ACCEL_KVM;
	s->fx.facts.system.kvm_present = true;
	s->fx.profile.cpu.model = (char *)"qemu64";
	s->fx.profile.cpu.hide_kvm = TRI_YES;
	assert_starts(s);
}

static void test_more_vcpus_than_xapic_ids(void **state)
{
	struct state *s = *state;

	if (!kvm_opens())
		skip();
	s->fx.profile.vm.accel = ACCEL_KVM;
	s->fx.facts.system.kvm_present = true;
	s->fx.profile.cpu.model = (char *)"qemu64";
	argv_fixture_place(&s->fx, 1, 256, 1, NULL);
	assert_starts(s);
}

// Without an IOMMU there is nothing to pass: an emulated device stands where vfio-pci would, and has of its
// properties those that every PCI device has.
static void stand_in(struct strv *argv)
{
	for (size_t i = 0; i < argv->count; i++) {
		char *item = argv->items[i];

		if (str_starts(item, "vfio-pci,host="))
			argv->items[i] = mem_printf("virtio-rng-pci%s", strchr(item + strlen("vfio-pci,"), ','));
		if (argv->items[i] != item)
			free(item);
	}
}

static void pass_devices(struct state *s, const char *rom)
{
	AUTO_FREE char *profile = mem_printf("[pci \"06:00.0\"]\ngroup = auto\nromfile = %s\nrombar = on\n"
					     "[pci \"07:00.1\"]\n",
					     rom);
	struct argv_build b = s->fx.build;
	struct world world;

	world_make(&world, "0000:06:00.0 020000 10de:13c2 group=13 driver=vfio-pci\n"
			   "0000:06:00.1 040300 10de:0fbb group=13 driver=vfio-pci\n"
			   "0000:06:00.3 0c8000 10de:1ad9 group=13 driver=vfio-pci\n"
			   "0000:07:00.1 010802 144d:a808 group=14 driver=vfio-pci");
	*MEM_PUSH(world.facts.files, world.facts.n_files) =
		(struct file_fact){ .path = mem_dup(rom), .type = FILE_REGULAR, .guest_readable = true };
	world_plan(&world, profile);
	assert_int_equal(world.diags.count, 0);
	s->fx.plan.devices = take(world.plan.devices);
	s->fx.plan.n_devices = world.plan.n_devices;
	world.plan.n_devices = 0;
	b.profile = &world.profile;
	b.facts = &world.facts;
	argv_pci(&b);
	stand_in(&s->fx.plan.argv);
	stand_in(&s->fx.plan.argv_paths);
	free(world.facts.files[0].path);
	free(world.facts.files);
	world_finish(&world);
}

static void check_passed(struct state *s, const char *machine)
{
	static const unsigned char image[1024] = { 0x55, 0xaa, 2 };
	AUTO_FREE char *rom = mem_printf("%s/qemu/rom", s->dir);
	AUTO_CLOSE int fd = open(rom, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, image, sizeof(image)), sizeof(image));
	s->fx.profile.vm.machine = (char *)machine;
	s->fx.profile.display.type = DISPLAY_INSTALL;
	argv_fixture_make(&s->fx);
	pass_devices(s, rom);
	assert_int_equal(diags_exit_status(&s->fx.diags), 0);
	for (int pasted = 0; pasted < 2 && argv_fixture_can_start_qemu(&s->fx); pasted++) {
		AUTO_FREE char *said = argv_fixture_start_qemu(&s->fx, pasted);

		if (said)
			show(&s->fx.plan.argv, said);
		assert_null(said);
	}
	unlink(rom);
}

static void test_passed_devices(void **state)
{
	check_passed(*state, "q35");
}

static void test_passed_devices_on_pc(void **state)
{
	check_passed(*state, "pc");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain_guest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_passed_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_passed_devices_on_pc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_windows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secure_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strange_name_and_many_vcpus, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_and_preallocated_memory, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bound_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kvm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_vcpus_than_xapic_ids, setup, teardown),
	};

	if (argc > 1)
		qemu = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
