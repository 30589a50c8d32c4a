// SPDX-License-Identifier: MIT
// How QEMU is told of passed devices: where each sits, its ROM, and what this QEMU has.
#include "tests/unit/world.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/argv/argv.h"
#include "launcher/plan/device.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HOST                                                          \
	"0000:00:02.0 030000 8086:3e92 group=2 driver=i915 boot_vga\n" \
	"0000:06:00.0 030000 10de:13c2 group=13 driver=vfio-pci\n"     \
	"0000:06:00.1 040300 10de:0fbb group=13 driver=vfio-pci\n"     \
	"0000:06:00.3 0c8000 10de:1ad9 group=13 driver=vfio-pci\n"     \
	"0000:07:00.1 010802 144d:a808 group=14 driver=vfio-pci\n"     \
	"0000:08:02.0 020000 8086:154c group=21 driver=vfio-pci physical=0000:08:00.0\n" \
	"0000:08:02.1 020000 8086:154c group=22 driver=vfio-pci physical=0000:08:00.0"

static void print(const struct strv *argv, struct str *out)
{
	for (size_t i = 0; i < argv->count; i++)
		str_addf(out, "%s%s", argv->items[i], i % 2 ? "\n" : " ");
}

static struct argv_build build_of(struct world *world, bool q35)
{
	return (struct argv_build){
		.profile = &world->profile,
		.facts = &world->facts,
		.options = &world->options,
		.plan = &world->plan,
		.diags = &world->diags,
		.q35 = q35,
	};
}

static void make(struct world *world, bool q35, const char *profile)
{
	struct argv_build b;

	world_plan(world, profile);
	if (world->diags.count)
		fail_msg("%s", world->diags.items[0].text);
	world->plan.qemu = mem_dup("qemu");
	b = build_of(world, q35);
	argv_pci(&b);
}

static void check(struct world *world, bool q35, const char *profile, const char *expected)
{
	AUTO_STR struct str out = { 0 };

	make(world, q35, profile);
	print(&world->plan.argv, &out);
	assert_string_equal(str_text(&out), expected);
}

#define PORT(n, chassis) "-device pcie-root-port,id=port" #n ",bus=pcie.0,chassis=" #chassis ",slot=" #n "\n"

static void a_slot_behind_a_port(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	check(&world, true, "[pci \"06:00.0\"]\n[pci \"07:00.1\"]\n[pci \"06:00.1\"]\n[pci \"06:00.3\"]\n",
	      PORT(0, 64) "-device vfio-pci,host=0000:06:00.0,id=pci0,bus=port0,addr=0x0.0,multifunction=on\n"
			  "-device vfio-pci,host=0000:06:00.1,id=pci2,bus=port0,addr=0x0.1\n"
			  "-device vfio-pci,host=0000:06:00.3,id=pci3,bus=port0,addr=0x0.3\n"
	      // a slot without a function 0 would be empty to the guest
	      PORT(1, 65) "-device vfio-pci,host=0000:07:00.1,id=pci1,bus=port1,addr=0x0.0\n");
	world_finish(&world);
}

static void each_alone(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	// by wish, and because a virtual function is a device by itself
	check(&world, true,
	      "[pci \"06:00.0\"]\nmultifunction = off\n[pci \"06:00.1\"]\nmultifunction = off\n[pci \"06:00.3\"]\n"
	      "[pci \"08:02.0\"]\n[pci \"08:02.1\"]\n",
	      PORT(0, 64) "-device vfio-pci,host=0000:06:00.0,id=pci0,bus=port0,addr=0x0.0\n"
	      PORT(1, 65) "-device vfio-pci,host=0000:06:00.1,id=pci1,bus=port1,addr=0x0.0\n"
	      PORT(2, 66) "-device vfio-pci,host=0000:06:00.3,id=pci2,bus=port2,addr=0x0.0\n"
	      PORT(3, 67) "-device vfio-pci,host=0000:08:02.0,id=pci3,bus=port3,addr=0x0.0\n"
	      PORT(4, 68) "-device vfio-pci,host=0000:08:02.1,id=pci4,bus=port4,addr=0x0.0\n");
	world_finish(&world);
}

static void no_ports_on_pc(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	check(&world, false, "[pci \"07:00.1\"]\n[pci \"06:00.0\"]\ngroup = auto\n",
	      "-device vfio-pci,host=0000:07:00.1,id=pci0\n"
	      "-device vfio-pci,host=0000:06:00.0,id=pci1,addr=0x1e.0,multifunction=on\n"
	      "-device vfio-pci,host=0000:06:00.1,id=pci2,addr=0x1e.1\n"
	      "-device vfio-pci,host=0000:06:00.3,id=pci3,addr=0x1e.3\n");
	world_finish(&world);
}

static void held_ones_are_not_told(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, "0000:06:00.0 020000 10de:13c2 group=13 driver=vfio-pci\n"
			   "0000:06:00.1 040300 10de:0fbb group=13");
	check(&world, true, "[pci \"06:00.0\"]\n",
	      PORT(0, 64) "-device vfio-pci,host=0000:06:00.0,id=pci0,bus=port0,addr=0x0.0\n");
	world_finish(&world);
}

static void keys_of_one_device(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	// what a section says of itself is not said of the rest of its group
	check(&world, true,
	      "[firmware]\ntype = seabios\n[pci \"06:00.0\"]\ngroup = auto\nrombar = off\nx_vga = yes\n",
	      PORT(0, 64) "-device vfio-pci,host=0000:06:00.0,id=pci0,bus=port0,addr=0x0.0,multifunction=on,"
			  "rombar=0,x-vga=on\n"
			  "-device vfio-pci,host=0000:06:00.1,id=pci1,bus=port0,addr=0x0.1\n"
			  "-device vfio-pci,host=0000:06:00.3,id=pci2,bus=port0,addr=0x0.3\n");
	make(&world, true, "[pci \"07:00.1\"]\nx_vga = yes\n");
	world_expect(&world, "x-vga-uefi", "UEFI|type = seabios");
	world_finish(&world);
}

static void iommufd(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world.facts.iommu.iommufd = FACT_YES;
	check(&world, true, "[pci \"07:00.1\"]\niommufd = yes\n[pci \"08:02.0\"]\n",
	      "-object iommufd,id=iommufd0\n"
	      PORT(0, 64) "-device vfio-pci,host=0000:07:00.1,id=pci0,bus=port0,addr=0x0.0,iommufd=iommufd0\n"
	      PORT(1, 65) "-device vfio-pci,host=0000:08:02.0,id=pci1,bus=port1,addr=0x0.0\n");
	world.facts.iommu.iommufd = FACT_NO;
	make(&world, true, "[pci \"07:00.1\"]\niommufd = yes\n");
	world_expect(&world, "no-iommufd", "CONFIG_IOMMUFD");
	world.facts.qemu.known = true;
	qemu_caps_add(&world.facts.qemu, "device/vfio-pci");
	make(&world, true, "[pci \"07:00.1\"]\niommufd = yes\n");
	world_expect(&world, "no-iommufd", "QEMU 9.0");
	world_finish(&world);
}

static void without_vfio(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, HOST);
	world.facts.qemu.known = true;
	make(&world, true, "[pci \"07:00.1\"]\n");
	world_expect(&world, "no-vfio", "without vfio-pci");
	world_finish(&world);
}

#define UUID "c9f5b2ad-3d1e-4a1e-9d2f-6f6d1a1f3c55"

static void mediated(void **state)
{
	struct world world;
	struct mdev_facts *mdevs = &world.facts.mdevs;

	(void)state;
	world_make(&world, HOST);
	*MEM_PUSH(mdevs->items, mdevs->count) = (struct mdev_fact){ .uuid = mem_dup(UUID), .group = 30 };
	check(&world, true, "[mdev \"" UUID "\"]\n",
	      "-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/" UUID ",id=pci0\n");
	world_finish(&world);
}

// --- ROMs

static const struct rom_image legacy = { .type = ROM_LEGACY, .vendor = 0x10de, .device = 0x13c2, .sum = ROM_SUM_OK };
static const struct rom_image efi = { .type = ROM_EFI, .vendor = 0x10de, .device = 0x13c2,
				      .has_efi_header = true, .machine = 0x8664 };

static void add_rom(struct world *world, const struct rom_image *images, size_t count, size_t header)
{
	struct file_fact *file = MEM_PUSH(world->facts.files, world->facts.n_files);

	*file = (struct file_fact){ .path = mem_dup("/p/card.rom"), .type = FILE_REGULAR, .is_rom = true };
	file->rom.header = header;
	for (size_t i = 0; i < count; i++)
		*MEM_PUSH(file->rom.images, file->rom.count) = images[i];
}

static void drop_rom(struct world *world)
{
	free(world->facts.files[0].path);
	free(world->facts.files[0].rom.images);
	free(world->facts.files);
	world->facts.files = NULL;
	world->facts.n_files = 0;
}

#define ROM_PROFILE "[pci \"06:00.0\"]\ngroup = auto\nromfile = card.rom\n"

static void check_rom(const char *profile, const struct rom_image *images, size_t count, size_t header,
		      const char *code, enum diag_level level)
{
	struct world world;
	const struct diags *diags = level == DIAG_WARNING ? &world.plan.warnings : &world.diags;

	world_make(&world, HOST);
	add_rom(&world, images, count, header);
	make(&world, true, profile);
	assert_int_equal(world.diags.count, code && level != DIAG_WARNING);
	assert_int_equal(diags->count, code != NULL);
	if (code)
		assert_string_equal(diags->items[0].code, code);
	drop_rom(&world);
	world_finish(&world);
}

static void roms(void **state)
{
	const struct rom_image both[] = { legacy, efi };
	struct rom_image other = legacy, shadow = legacy, half[] = { legacy, efi }, part = legacy;
	AUTO_FREE char *forced = mem_printf("%sforce = yes\n", ROM_PROFILE);
	AUTO_FREE char *bios = mem_printf("%s[firmware]\ntype = seabios\n", ROM_PROFILE);

	(void)state;
	other.device = 0x13c3;
	shadow.sum = part.sum = ROM_SUM_WRONG;
	half[1].cut = part.cut = true;
	check_rom(ROM_PROFILE, both, 2, 0, NULL, 0);
	check_rom(ROM_PROFILE, &efi, 1, 0, NULL, 0);
	check_rom(ROM_PROFILE, NULL, 0, 0, "rom-invalid", DIAG_HOST_ERROR);
	check_rom(ROM_PROFILE, both, 2, 1536, "rom-header", DIAG_HOST_ERROR);
	check_rom(ROM_PROFILE, &other, 1, 0, "rom-other", DIAG_HOST_ERROR);
	check_rom(ROM_PROFILE, &legacy, 1, 0, "rom-no-efi", DIAG_HOST_ERROR);
	check_rom(ROM_PROFILE, &shadow, 1, 0, "rom-shadow", DIAG_HOST_ERROR);
	check_rom(ROM_PROFILE, half, 2, 0, "rom-cut", DIAG_HOST_ERROR);
	check_rom(ROM_PROFILE, &part, 1, 0, "rom-cut", DIAG_HOST_ERROR);
	check_rom(forced, half, 2, 0, "rom-cut", DIAG_WARNING);
	check_rom(bios, &legacy, 1, 0, NULL, 0);
	check_rom(bios, &shadow, 1, 0, "rom-shadow", DIAG_HOST_ERROR);
	check_rom(forced, &shadow, 1, 0, "rom-shadow", DIAG_WARNING);
	check_rom(forced, &legacy, 1, 0, "rom-no-efi", DIAG_WARNING);
}

static void rom_is_handed_over(void **state)
{
	struct world world;
	AUTO_STR struct str pasted = { 0 }, executed = { 0 };
	const struct plan_fd *fd;

	(void)state;
	world_make(&world, HOST);
	add_rom(&world, &efi, 1, 0);
	make(&world, true, ROM_PROFILE);
	print(&world.plan.argv_paths, &pasted);
	print(&world.plan.argv, &executed);
	assert_int_equal(world.plan.n_fds, 1);
	fd = &world.plan.fds[0];
	assert_int_equal(fd->kind, PLAN_FD_COPY);
	assert_string_equal(fd->path, "/p/card.rom");
	assert_non_null(strstr(pasted.text, ",romfile=/p/card.rom\n"));
	assert_non_null(strstr(executed.text, ",romfile=/dev/fd/10\n"));
	drop_rom(&world);
	world_finish(&world);
}

// --- other QEMUs than the one that is installed, by what they were recorded to have

static const char *const recorded[] = { "tests/qemu/qemu-6.2.caps", "tests/qemu/qemu-7.2.caps",
					"tests/qemu/qemu-10.0.caps", "tests/qemu/qemu-11.0.caps" };

static void load_caps(struct world *world, const char *path)
{
	AUTO_STR struct str text = { 0 };
	struct err err = ERR_NONE;

	if (io_read_file(AT_FDCWD, path, &text, 16 << 20, &err) < 0 ||
	    qemu_caps_parse(str_text(&text), &world->facts.qemu, &err) < 0)
		fail_msg("%s: %s", path, err.text);
}

// What a bus gives every device is no property of its own.
static void assert_properties_are_known(const struct world *world, const char *device)
{
	AUTO_STRV struct strv parts = { 0 };

	strv_split(&parts, device, ",");
	assert_true(qemu_caps_has(&world->facts.qemu, "device/%s", parts.items[0]));
	for (size_t i = 1; i < parts.count; i++) {
		AUTO_FREE char *name = mem_dupn(parts.items[i], strcspn(parts.items[i], "="));

		if (!str_eq(name, "id") && !str_eq(name, "bus") &&
		    !qemu_caps_has(&world->facts.qemu, "property/%s/%s", parts.items[0], name))
			fail_msg("%s has no %s", parts.items[0], name);
	}
}

static void recorded_ones_take_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		bool has_iommufd = i >= 2;
		struct world world;

		world_make(&world, HOST);
		load_caps(&world, recorded[i]);
		world.facts.iommu.iommufd = FACT_YES;
		add_rom(&world, &legacy, 1, 0);
		make(&world, true,
		     "[firmware]\ntype = seabios\n[pci \"06:00.0\"]\ngroup = auto\nromfile = card.rom\nx_vga = yes\n"
		     "rombar = on\n[pci \"07:00.1\"]\n");
		assert_int_equal(world.diags.count, 0);
		for (size_t k = 1; k < world.plan.argv.count; k += 2)
			assert_properties_are_known(&world, world.plan.argv.items[k]);
		make(&world, true, "[pci \"07:00.1\"]\niommufd = yes\n");
		assert_int_equal(world.diags.count, !has_iommufd);
		if (has_iommufd)
			assert_properties_are_known(&world, world.plan.argv.items[5]);
		drop_rom(&world);
		world_finish(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_behind_a_port), cmocka_unit_test(each_alone),
		cmocka_unit_test(no_ports_on_pc),	cmocka_unit_test(held_ones_are_not_told),
		cmocka_unit_test(keys_of_one_device),	cmocka_unit_test(iommufd),
		cmocka_unit_test(without_vfio),		cmocka_unit_test(mediated),
		cmocka_unit_test(roms),			cmocka_unit_test(rom_is_handed_over),
		cmocka_unit_test(recorded_ones_take_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
