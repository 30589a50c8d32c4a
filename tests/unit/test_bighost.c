// SPDX-License-Identifier: MIT
#include "tests/unit/bighost.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/facts.h"
#include "launcher/guest/paths.h"
#include "tests/unit/tree.h"
#include "tune/host/cpu.h"
#include "tune/host/memory.h"
#include "tune/host/root.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// Reads for each CPU, for the machine, and for each node of it.
enum { PER_CPU = 6, CONSTANT = 16, PER_NODE = 4 };
// What a plan reads of the machine beside its CPUs: kernel, distribution, memory, firmware.
enum { PER_PLAN = 64 };
// Of each PCI device where one is named; of that one, of USB and of the IOMMU.
enum { PER_DEVICE = 3, PER_DETAIL = 96 };

static struct paths paths = {
	.run_base = (char *)"/run/vfiorun",
	.state_base = (char *)"/var/lib/vfiorun",
	.log_dir = (char *)"/var/log/vfiorun",
};

static char dir[PATH_MAX];
static struct root root = ROOT_CLOSED;
static struct cpu_facts facts;

static int release(void **state)
{
	(void)state;
	cpu_facts_finish(&facts);
	root_finish(&root);
	tree_remove(dir);
	dir[0] = '\0';
	return 0;
}

static void read_host(const struct big_host *host)
{
	assert_int_equal(tree_make("", dir, sizeof(dir)), 0);
	assert_int_equal(big_host_make(dir, host), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	assert_int_equal(cpu_facts_read(&root, &facts, NULL), 0);
}

static void test_shape(void **state)
{
	const struct big_host host = {
		.cpus = 64, .threads = 2, .apart = true, .sockets = 2, .nodes = 4, .l3_cores = 4,
	};
	struct memory_facts memory;
	const struct cpu *cpu;

	(void)state;
	read_host(&host);
	assert_int_equal(facts.count, 64);
	assert_int_equal(facts.n_cores, 32);
	assert_int_equal(facts.n_l3s, 8);
	cpu = cpu_facts_find(&facts, 32 + 21);
	assert_int_equal(cpu->core, 21);
	assert_int_equal(cpu->socket, 1);
	assert_int_equal(cpu->node, 2);
	assert_int_equal(cpu->l3, 5);
	assert_int_equal(cpu->max_khz, 3700000);
	assert_true(cpuset_has(&facts.cores[21].cpus, 21));
	assert_int_equal(cpuset_count(&facts.cores[21].cpus), 2);
	assert_int_equal(cpuset_count(&facts.allowed), 64);
	memory_facts_read(&root, &memory);
	assert_int_equal(memory.n_nodes, 4);
	assert_int_equal(memory.n_pools, 8);
	assert_int_equal(memory.nodes[3].n_distances, 4);
	memory_facts_finish(&memory);
}

static void test_reads_stay_few(void **state)
{
	static const struct big_host hosts[] = {
		{ .cpus = 32, .threads = 2, .sockets = 2, .nodes = 8, .l3_cores = 8 },
		{ .cpus = 32, .threads = 1, .sockets = 1, .nodes = 1, .l3_cores = 0 },
		{ .cpus = 32, .threads = 1, .sockets = 8, .nodes = 8, .l3_cores = 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		unsigned long most = (unsigned long)(PER_CPU * hosts[i].cpus + CONSTANT +
						     PER_NODE * hosts[i].nodes);

		read_host(&hosts[i]);
		assert_in_range(root.reads, hosts[i].cpus, most);
		release(NULL);
	}
}

// The dearest machine there is: no siblings, no L3, a new kernel's capacities, favoured cores.
static void test_reads_stay_few_on_a_favoured_core(void **state)
{
	const struct big_host host = { .cpus = 32, .threads = 1, .sockets = 1, .nodes = 1 };

	(void)state;
	assert_int_equal(tree_make("", dir, sizeof(dir)), 0);
	assert_int_equal(big_host_make(dir, &host), 0);
	assert_int_equal(tree_add(dir, "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq = 4000000\n"),
			 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	assert_int_equal(cpu_facts_read(&root, &facts, NULL), 0);
	assert_in_range(root.reads, host.cpus, PER_CPU * host.cpus + CONSTANT + PER_NODE);
	assert_int_equal(facts.cpus[0].kind, CPU_UNIFORM);
}

static void test_pci_devices(void **state)
{
	const struct big_host host = {
		.cpus = 2, .threads = 1, .sockets = 1, .nodes = 1, .pci = 70,
	};
	uint64_t group;
	char target[PATH_MAX];

	(void)state;
	read_host(&host);
	assert_true(root_exists(&root, "sys/bus/pci/devices/0000:02:05.0/vendor"));
	assert_false(root_exists(&root, "sys/bus/pci/devices/0000:02:06.0"));
	assert_true(root_exists(&root, "sys/bus/pci/devices/0000:02:05.0/driver/uevent"));
	assert_true(root_readlink(&root, "sys/bus/pci/devices/0000:02:05.0/iommu_group", target,
				  sizeof(target)) > 0);
	assert_string_equal(target, "/sys/kernel/iommu_groups/69");
	assert_true(root_exists(&root, "sys/kernel/iommu_groups/69/devices/0000:02:05.0/class"));
	assert_int_equal(root_read_u64(&root, "sys/bus/pci/devices/0000:00:01.0/boot_vga", &group), 0);
	assert_int_equal(group, 1);
}

// What the facts for a plan read on this machine, with so many PCI devices.
static unsigned long count_plan_reads(const struct big_host *plain, int devices, const char *section)
{
	const struct facts_options options = { .paths = &paths };
	AUTO_FREE char *text = mem_printf("[vm]\nmemory = 1G\n[disk \"a\"]\nfile = /a.raw\n%s", section);
	struct big_host host = *plain;
	struct profile profile;
	struct diags diags = { 0 };
	struct facts all;
	unsigned long reads;

	host.pci = devices;
	assert_int_equal(tree_make("", dir, sizeof(dir)), 0);
	assert_int_equal(big_host_make(dir, &host), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	profile_parse(&profile, "demo.conf", text, &diags);
	assert_int_equal(diags.count, 0);
	assert_int_equal(facts_read(&root, &profile, &options, &all, NULL), 0);
	assert_int_equal(all.pci.count, *section ? devices : 0);
	for (size_t i = 0; i < all.pci.count; i++)
		assert_string_equal(all.pci.items[i].driver, i % 64 == 1 ? "nouveau" : "e1000e");
	reads = root.reads;
	facts_finish(&all);
	profile_finish(&profile);
	diags_finish(&diags);
	release(NULL);
	return reads;
}

static const struct big_host plain = { .cpus = 64, .threads = 2, .sockets = 2, .nodes = 4, .l3_cores = 8 };

// PCI devices that nobody named cost nothing.
static void test_a_plan_reads_little(void **state)
{
	unsigned long without = count_plan_reads(&plain, 0, ""), with = count_plan_reads(&plain, 500, "");

	(void)state;
	assert_int_equal(without, with);
	assert_in_range(with, plain.cpus, PER_CPU * plain.cpus + PER_PLAN + PER_NODE * plain.nodes);
}

// Those beside the one that is named cost three reads each. Where they are many one read is enough: the drivers tell
// whom they have, and the named one's group who is in it.
static void test_a_plan_with_a_device(void **state)
{
	static const char section[] = "[pci \"0000:00:02.0\"]\n";
	unsigned long none = count_plan_reads(&plain, 0, "");
	unsigned long some = count_plan_reads(&plain, 100, section), more = count_plan_reads(&plain, 200, section);
	unsigned long many = count_plan_reads(&plain, 500, section), most = count_plan_reads(&plain, 1000, section);

	(void)state;
	assert_int_equal(more - some, PER_DEVICE * 100);
	assert_in_range(some - none, PER_DEVICE * 100, PER_DEVICE * 100 + PER_DETAIL);
	assert_int_equal(most - many, 500);
	assert_in_range(many - none, 500, 500 + PER_DETAIL);
}

static void compare_groups(const char *title, bool listed)
{
	AUTO_STRV struct strv titles = { 0 };
	struct pci_facts whole, few;

	strv_add(&titles, title);
	pci_facts_read(&root, &whole, NULL);
	pci_facts_read(&root, &few, &titles);
	assert_int_equal(few.count, whole.count);
	assert_true(few.iommu && whole.iommu);
	for (size_t i = 0; i < whole.count; i++) {
		const struct pci_device *device = &few.items[i];

		assert_string_equal(device->driver, whole.items[i].driver);
		assert_int_equal(device->class, whole.items[i].class);
		// 00:01.0 and 00:02.0 share the group 1
		assert_int_equal(device->group, whole.items[i].group == 1 || !listed ? whole.items[i].group : -1);
	}
	assert_int_equal(pci_facts_find(&few, "0000:00:01.0")->group, 1);
	assert_int_equal(pci_facts_find(&few, "0000:00:02.0")->group, 1);
	pci_facts_finish(&whole);
	pci_facts_finish(&few);
}

static void test_few_groups_of_many_devices(void **state)
{
	const struct big_host host = { .cpus = 2, .threads = 1, .sockets = 1, .nodes = 1, .pci = 300 };
	AUTO_FREE char *inside = NULL, *link = NULL, *groups = NULL, *away = NULL;
	char target[PATH_MAX];

	(void)state;
	read_host(&host);
	assert_true(root_readlink(&root, "sys/bus/pci/devices/0000:00:02.0", target, sizeof(target)) > 0);
	assert_non_null(strstr(target, "/devices/"));
	inside = mem_printf("sys%s/iommu_group", strstr(target, "/devices/"));
	link = mem_printf("%s/%s", dir, inside);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(tree_link(dir, inside, "/sys/kernel/iommu_groups/1"), 0);
	assert_int_equal(tree_link(dir, "sys/kernel/iommu_groups/1/devices/0000:00:02.0",
				   "/sys/bus/pci/devices/0000:00:02.0"), 0);
	compare_groups("00:01.0", true);
	compare_groups("0000:00:02.0", true);
	// captured without what lies in the groups' directories
	groups = mem_printf("%s/sys/kernel/iommu_groups/1", dir);
	away = mem_printf("%s/away", dir);
	assert_int_equal(rename(groups, away), 0);
	compare_groups("00:01.0", false);
}

static void test_shapes_that_do_not_divide(void **state)
{
	static const struct big_host hosts[] = {
		{ .cpus = 3, .threads = 2, .sockets = 1, .nodes = 1 },
		{ .cpus = 4, .threads = 1, .sockets = 3, .nodes = 3 },
		{ .cpus = 4, .threads = 1, .sockets = 2, .nodes = 1 },
		{ .cpus = 4, .threads = 1, .sockets = 1, .nodes = 1, .l3_cores = 3 },
		{ .cpus = 4 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		assert_int_equal(big_host_make("/nonexistent", &hosts[i]), -EINVAL);
}

#define TEST(function) cmocka_unit_test_teardown(function, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shape),
		TEST(test_reads_stay_few),
		TEST(test_reads_stay_few_on_a_favoured_core),
		TEST(test_pci_devices),
		TEST(test_a_plan_reads_little),
		TEST(test_a_plan_with_a_device),
		TEST(test_few_groups_of_many_devices),
		TEST(test_shapes_that_do_not_divide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
