// SPDX-License-Identifier: MIT
#include "launcher/commands/host.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "tests/unit/tree.h"
#include "tune/host/cpu.h"
#include "tune/host/memory.h"
#include "tune/host/root.h"
#include "tune/host/system.h"

#include <json-c/json.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CPUS "sys/devices/system/cpu/"
#define NODE "sys/devices/system/node/node"

// Two sockets with an L3 each, siblings on the first, one CPU off, one isolated, a node of memory alone.
static const char machine[] =
	CPUS "online = 0-5\n" CPUS "present = 0-6\n" CPUS "isolated = 3\n"
	CPUS "cpu0/topology/core_cpus_list = 0,2\n" CPUS "cpu1/topology/core_cpus_list = 1,3\n"
	CPUS "cpu0/topology/physical_package_id = 0\n" CPUS "cpu1/topology/physical_package_id = 0\n"
	CPUS "cpu4/topology/physical_package_id = 1\n" CPUS "cpu5/topology/physical_package_id = 1\n"
	CPUS "cpu0/cache/index3/level = 3\n" CPUS "cpu0/cache/index3/shared_cpu_list = 0-3\n"
	CPUS "cpu0/cache/index3/size = 8192K\n"
	CPUS "cpu4/cpufreq/cpuinfo_max_freq = 3600000\n"
	NODE "0/cpulist = 0-3\n" NODE "1/cpulist = 4-5\n" NODE "4/cpulist =\n"
	NODE "0/meminfo = Node 0 MemTotal: 8388608 kB\\nNode 0 MemFree: 1024 kB\n"
	NODE "4/meminfo = Node 4 MemTotal: 0 kB\\nNode 4 MemFree: 0 kB\n"
	NODE "0/distance = 10 20 30\n" NODE "1/distance = 20 10 30\n"
	NODE "0/hugepages/hugepages-2048kB/nr_hugepages = 512\n"
	NODE "0/hugepages/hugepages-2048kB/free_hugepages = 500\n"
	NODE "0/hugepages/hugepages-2048kB/surplus_hugepages = 12\n"
	"sys/kernel/mm/transparent_hugepage/enabled = [always] madvise never\n"
	"proc/meminfo = MemTotal: 8388608 kB\\nMemAvailable: 6291456 kB\n"
	"proc/cpuinfo = vendor_id : GenuineIntel\\nmodel name : Made\\x1bup\\nflags : fpu vmx\n"
	"proc/sys/kernel/osrelease = 6.1.0\n"
	"proc/self/status = Cpus_allowed_list: 0-4\n";

struct host {
	struct cpu_facts cpus;
	struct memory_facts memory;
	struct system_facts system;
};

static void read_host(const char *manifest, struct host *host)
{
	char dir[PATH_MAX];
	struct root root;

	assert_int_equal(tree_make(manifest, dir, sizeof(dir)), 0);
	assert_int_equal(root_open(&root, dir, NULL), 0);
	assert_int_equal(cpu_facts_read(&root, &host->cpus, NULL), 0);
	memory_facts_read(&root, &host->memory);
	system_facts_read(&root, &host->system);
	root_finish(&root);
	tree_remove(dir);
}

static void host_finish(struct host *host)
{
	cpu_facts_finish(&host->cpus);
	memory_facts_finish(&host->memory);
	system_facts_finish(&host->system);
}

static void test_text(void **state)
{
	CLEANUP(host_finish) struct host host = { 0 };
	AUTO_STR struct str out = { 0 };

	(void)state;
	read_host(machine, &host);
	host_print_text(&host.cpus, &host.memory, &host.system, &out);
	assert_string_equal(out.text,
			    "Made\\x1bup, VMX\n"
			    "Linux 6.1.0, no sign of KVM\n"
			    "7 CPUs in 4 cores\n"
			    "\n"
			    "socket 0, node 0\n"
			    "  L3 0, 8M\n"
			    "    cores                 0,2 1,3*\n"
			    "\n"
			    "socket 1, node 1\n"
			    "  no L3\n"
			    "    cores 3.60 GHz        4\n"
			    "    cores                 5\n"
			    "\n"
			    "online       0-5\n"
			    "offline      6\n"
			    "isolated (*) 3\n"
			    "not for us   5\n"
			    "\n"
			    "memory 8.0G, 6.0G available\n"
			    "  node 0     8.0G, 1.0M free, distances 10 20 30\n"
			    "  node 1     size unknown, distances 20 10 30\n"
			    "  node 4     0.0M, 0.0M free, no CPUs\n"
			    "hugepages, transparent ones: always\n"
			    "  node 0     512 of 2M, 500 free, 12 of them surplus\n");
}

static void test_json(void **state)
{
	CLEANUP(host_finish) struct host host = { 0 };
	struct json_object *json;

	(void)state;
	read_host(machine, &host);
	json = host_print_json(&host.cpus, &host.memory);
	assert_string_equal(
		json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN),
		"{\"cpus\":["
		"{\"cpu\":0,\"online\":true,\"core\":0,\"socket\":0,\"node\":0,\"l3\":0,"
		"\"siblings\":\"0,2\",\"kind\":\"uniform\",\"max_khz\":null,\"isolated\":false},"
		"{\"cpu\":1,\"online\":true,\"core\":1,\"socket\":0,\"node\":0,\"l3\":0,"
		"\"siblings\":\"1,3\",\"kind\":\"uniform\",\"max_khz\":null,\"isolated\":false},"
		"{\"cpu\":2,\"online\":true,\"core\":0,\"socket\":0,\"node\":0,\"l3\":0,"
		"\"siblings\":\"0,2\",\"kind\":\"uniform\",\"max_khz\":null,\"isolated\":false},"
		"{\"cpu\":3,\"online\":true,\"core\":1,\"socket\":0,\"node\":0,\"l3\":0,"
		"\"siblings\":\"1,3\",\"kind\":\"uniform\",\"max_khz\":null,\"isolated\":true},"
		"{\"cpu\":4,\"online\":true,\"core\":2,\"socket\":1,\"node\":1,\"l3\":null,"
		"\"siblings\":\"4\",\"kind\":\"uniform\",\"max_khz\":3600000,\"isolated\":false},"
		"{\"cpu\":5,\"online\":true,\"core\":3,\"socket\":1,\"node\":1,\"l3\":null,"
		"\"siblings\":\"5\",\"kind\":\"uniform\",\"max_khz\":null,\"isolated\":false},"
		"{\"cpu\":6,\"online\":false,\"core\":null,\"socket\":null,\"node\":null,\"l3\":null,"
		"\"siblings\":null,\"kind\":null,\"max_khz\":null,\"isolated\":false}],"
		"\"nodes\":["
		"{\"node\":0,\"cpus\":\"0-3\",\"bytes\":8589934592,\"free\":1048576,"
		"\"distances\":[10,20,30]},"
		"{\"node\":1,\"cpus\":\"4-5\",\"bytes\":null,\"free\":null,"
		"\"distances\":[20,10,30]},"
		"{\"node\":4,\"cpus\":\"\",\"bytes\":0,\"free\":0,\"distances\":null}],"
		"\"hugepages\":[{\"node\":0,\"size\":2097152,\"total\":512,\"free\":500}]}");
	json_object_put(json);
}

static void test_nothing_known(void **state)
{
	CLEANUP(host_finish) struct host host = { 0 };
	AUTO_STR struct str out = { 0 };

	(void)state;
	read_host(CPUS "online = 0\n", &host);
	host_print_text(&host.cpus, &host.memory, &host.system, &out);
	assert_string_equal(out.text, "unknown processor\n"
				      "Linux of unknown release, no sign of KVM\n"
				      "1 CPU in 1 core\n"
				      "\n"
				      "socket unknown, node 0\n"
				      "  no L3\n"
				      "    cores                 0\n"
				      "\n"
				      "online       0\n"
				      "\n"
				      "memory\n"
				      "  node 0     size unknown\n"
				      "hugepages\n"
				      "  no pools\n");
}

// Every other CPU is online, so that no list gets short.
static void test_lines_stay_within_80_columns(void **state)
{
	CLEANUP(host_finish) struct host host = { 0 };
	AUTO_STR struct str manifest = { 0 }, out = { 0 };
	AUTO_STRV struct strv lines = { 0 };

	(void)state;
	str_add(&manifest, CPUS "present = 0-999\n" CPUS "online = 0-998:1/2\n");
	for (int node = 0; node < 40; node++) {
		str_addf(&manifest, NODE "%d/distance =", node);
		for (int i = 0; i < 40; i++)
			str_addf(&manifest, " %d", i == node ? 10 : 255);
		str_addc(&manifest, '\n');
	}
	read_host(manifest.text, &host);
	host_print_text(&host.cpus, &host.memory, &host.system, &out);
	strv_split(&lines, out.text, "\n");
	assert_true(lines.count > 100);
	for (size_t i = 0; i < lines.count; i++)
		assert_true(strlen(lines.items[i]) <= 80);
	assert_non_null(strstr(out.text, "992,"));
	assert_non_null(strstr(out.text, " 998\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_lines_stay_within_80_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
