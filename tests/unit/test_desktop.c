// SPDX-License-Identifier: MIT
// What holds a GPU for the host's own screen, and mediated devices, read from made-up trees.
#include "tune/host/desktop.h"

#include "base/mem.h"
#include "tests/unit/tree.h"
#include "tune/host/mdev.h"
#include "tune/host/root.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void open_tree(const char *manifest, char *dir, struct root *root)
{
	assert_int_equal(tree_make(manifest, dir, PATH_MAX), 0);
	assert_int_equal(root_open(root, dir, NULL), 0);
}

static void close_tree(const char *dir, struct root *root)
{
	root_finish(root);
	tree_remove(dir);
}

static void read_desktop(const char *manifest, const char *unit, struct desktop_facts *facts)
{
	struct strv units = { 0 };
	char dir[PATH_MAX];
	struct root root;

	if (unit)
		strv_add(&units, unit);
	open_tree(manifest, dir, &root);
	desktop_facts_read(&root, &units, facts);
	close_tree(dir, &root);
	strv_finish(&units);
}

static void test_desktop(void **state)
{
	struct desktop_facts facts;

	(void)state;
	read_desktop("run/systemd/system/\n"
		     "etc/systemd/system/display-manager.service -> /lib/systemd/system/gdm.service\n"
		     "sys/fs/cgroup/system.slice/gdm.service/cgroup.procs = 900\n"
		     "sys/fs/cgroup/system.slice/x.service/cgroup.procs = 901\n"
		     "sys/class/vtconsole/vtcon0/name = (S) dummy device\n"
		     "sys/class/vtconsole/vtcon0/bind = 0\n"
		     "sys/class/vtconsole/vtcon1/name = (M) frame buffer device\n"
		     "sys/class/vtconsole/vtcon1/bind = 1\n"
		     "sys/bus/platform/devices/efi-framebuffer.0/driver -> ../../drivers/efi-framebuffer\n"
		     "sys/bus/platform/devices/simple-framebuffer.0/modalias = x\n"
		     "proc/modules = nvidia_drm 90112 4 - Live 0x0 (POE)\\nnvidia 1 2 nvidia_drm, Live 0x0\n",
		     "x.service", &facts);
	assert_true(facts.systemd);
	assert_string_equal(facts.display_manager, "gdm.service");
	assert_int_equal(facts.active.count, 2);
	assert_string_equal(facts.active.items[0], "x.service");
	assert_int_equal(facts.n_consoles, 2);
	assert_false(facts.consoles[0].framebuffer || facts.consoles[0].bound);
	assert_true(facts.consoles[1].framebuffer && facts.consoles[1].bound);
	assert_string_equal(facts.consoles[1].path, "/sys/class/vtconsole/vtcon1");
	assert_int_equal(facts.framebuffers.count, 1);
	assert_string_equal(facts.framebuffers.items[0], "/sys/bus/platform/devices/efi-framebuffer.0");
	assert_int_equal(facts.modules.count, 2);
	assert_string_equal(facts.modules.items[1], "nvidia");
	desktop_facts_finish(&facts);
}

// A masked display manager is none; where cgroups are of the first version, systemd has a tree of its own.
static void test_no_desktop(void **state)
{
	struct desktop_facts facts;

	(void)state;
	read_desktop("etc/systemd/system/display-manager.service -> /dev/null\nproc/1/comm = systemd\n"
		     "sys/fs/cgroup/systemd/system.slice/a.service/tasks = 1\n",
		     "a.service", &facts);
	assert_true(facts.systemd);
	assert_null(facts.display_manager);
	assert_int_equal(facts.active.count, 1);
	desktop_facts_finish(&facts);
	read_desktop("proc/1/comm = init\n", "a.service", &facts);
	assert_false(facts.systemd);
	assert_int_equal(facts.active.count + facts.modules.count + facts.n_consoles, 0);
	desktop_facts_finish(&facts);
}

#define UUID "c9f5b2ad-3d1e-4a1e-9d2f-6f6d1a1f3c55"
#define GPU  "sys/devices/pci0000:00/0000:00:02.0"

static void test_mediated(void **state)
{
	const struct mdev_fact *fact;
	struct mdev_facts facts;
	char dir[PATH_MAX];
	struct root root;

	(void)state;
	open_tree(GPU "/" UUID "/iommu_group -> ../../../../kernel/iommu_groups/30\n"
		  GPU "/" UUID "/mdev_type -> ../mdev_supported_types/i915-GVTg_V5_4\n"
		  GPU "/" UUID "/driver -> ../../../../bus/mdev/drivers/vfio_mdev\n"
		  "sys/bus/mdev/devices/" UUID " -> ../../../devices/pci0000:00/0000:00:02.0/" UUID "\n"
		  "sys/class/mdev_bus/0000:00:02.0 -> ../../devices/pci0000:00/0000:00:02.0\n",
		  dir, &root);
	mdev_facts_read(&root, &facts);
	assert_int_equal(facts.count, 1);
	fact = mdev_facts_find(&facts, "C9F5B2AD-3d1e-4a1e-9d2f-6f6d1a1f3c55");
	assert_non_null(fact);
	assert_int_equal(fact->group, 30);
	assert_string_equal(fact->parent, "0000:00:02.0");
	assert_string_equal(fact->type, "i915-GVTg_V5_4");
	assert_true(fact->vfio);
	assert_int_equal(facts.parents.count, 1);
	assert_null(mdev_facts_find(&facts, "c9f5b2ad-3d1e-4a1e-9d2f-6f6d1a1f3c56"));
	mdev_facts_finish(&facts);
	close_tree(dir, &root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_desktop),
		cmocka_unit_test(test_no_desktop),
		cmocka_unit_test(test_mediated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
