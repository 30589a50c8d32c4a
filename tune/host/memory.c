// SPDX-License-Identifier: MIT
#include "tune/host/memory.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/root.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define NODES "sys/devices/system/node"

enum { MEMINFO_SIZE = 16 << 10, LINE_SIZE = 8 << 10 };

// "MemTotal:  32489480 kB", in a node's file behind "Node 0 ".
static bool meminfo_bytes(const char *text, const char *key, uint64_t *bytes)
{
	const char *at = strstr(text, key);
	unsigned long long kib;

	if (!at || sscanf(at + strlen(key), " %llu kB", &kib) != 1 || kib > UINT64_MAX >> 10)
		return false;
	*bytes = kib << 10;
	return true;
}

static void take_size(const char *meminfo, struct memory_node *node)
{
	node->sized = meminfo_bytes(meminfo, "MemTotal:", &node->bytes) &&
		      meminfo_bytes(meminfo, "MemFree:", &node->free);
}

// "hugepages-2048kB"
static bool parse_pool_name(const char *name, uint64_t *bytes)
{
	AUTO_FREE char *number = NULL;
	uint64_t kib;

	if (!str_starts(name, "hugepages-") || !str_ends(name, "kB"))
		return false;
	name += strlen("hugepages-");
	number = mem_dupn(name, strlen(name) - 2);
	if (!str_parse_u64(number, &kib) || !kib || kib > UINT64_MAX >> 10)
		return false;
	*bytes = kib << 10;
	return true;
}

static void read_pool(struct root *root, const char *dir, struct hugepage_pool *pool)
{
	const struct {
		const char *name;
		uint64_t *value;
	} files[] = {
		{ "nr_hugepages", &pool->total },
		{ "free_hugepages", &pool->free },
		{ "surplus_hugepages", &pool->surplus },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", dir, files[i].name);

		root_read_u64(root, path, files[i].value);
	}
}

// `dir` is a node's, or the machine's where there are no nodes. Natural order is order of size.
static void read_pools(struct root *root, const char *dir, int node, struct memory_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	root_list(root, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", dir, names.items[i]);
		struct hugepage_pool *pool;
		uint64_t size;

		if (!parse_pool_name(names.items[i], &size))
			continue;
		pool = MEM_PUSH(facts->pools, facts->n_pools);
		pool->node = node;
		pool->size = size;
		pool->path = mem_printf("/%s/nr_hugepages", path);
		read_pool(root, path, pool);
	}
}

static void read_node(struct root *root, int node, struct memory_facts *facts)
{
	struct memory_node *out = MEM_PUSH(facts->nodes, facts->n_nodes);
	char path[PATH_MAX], text[MEMINFO_SIZE];

	out->node = node;
	snprintf(path, sizeof(path), NODES "/node%d/cpulist", node);
	root_read_cpulist(root, path, &out->cpus);
	snprintf(path, sizeof(path), NODES "/node%d/meminfo", node);
	if (root_read(root, path, text, sizeof(text)) > 0)
		take_size(text, out);
	snprintf(path, sizeof(path), NODES "/node%d/hugepages", node);
	read_pools(root, path, node, facts);
}

// One number for each node that exists. Another count says that the tree is not whole.
static void read_distances(struct root *root, struct memory_node *node, size_t n_nodes)
{
	char path[PATH_MAX], text[LINE_SIZE];
	AUTO_STRV struct strv words = { 0 };
	AUTO_FREE int *distances = NULL;

	snprintf(path, sizeof(path), NODES "/node%d/distance", node->node);
	if (root_read(root, path, text, sizeof(text)) < 0)
		return;
	strv_split(&words, text, " ");
	if (words.count != n_nodes)
		return;
	distances = mem_new(n_nodes, sizeof(*distances));
	for (size_t i = 0; i < n_nodes; i++) {
		if (!str_parse_int(words.items[i], &distances[i]))
			return;
	}
	node->distances = take(distances);
	node->n_distances = n_nodes;
}

static void read_nodes(struct root *root, struct memory_facts *facts)
{
	AUTO_STRV struct strv names = { 0 };

	root_list(root, NODES, &names);
	for (size_t i = 0; i < names.count; i++) {
		int node;

		if (str_starts(names.items[i], "node") && str_parse_int(names.items[i] + 4, &node) &&
		    node >= 0)
			read_node(root, node, facts);
	}
	for (size_t i = 0; i < facts->n_nodes; i++)
		read_distances(root, &facts->nodes[i], facts->n_nodes);
}

// A kernel without NUMA: the whole machine is one node.
static void make_only_node(struct root *root, const char *meminfo, struct memory_facts *facts)
{
	struct memory_node *node = MEM_PUSH(facts->nodes, facts->n_nodes);

	take_size(meminfo, node);
	root_read_cpulist(root, "sys/devices/system/cpu/online", &node->cpus);
	read_pools(root, "sys/kernel/mm/hugepages", 0, facts);
}

// "always [madvise] never"
static void read_thp(struct root *root, struct memory_facts *facts)
{
	char text[64];
	const char *open;

	if (root_read(root, "sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)) < 0)
		return;
	open = strchr(text, '[');
	if (open && strchr(open, ']'))
		snprintf(facts->thp, sizeof(facts->thp), "%.*s", (int)strcspn(open + 1, "]"),
			 open + 1);
}

static void read_pressure(struct root *root, const char *meminfo, struct memory_facts *facts)
{
	uint64_t kib = 0, ksm = 0;

	meminfo_bytes(meminfo, "SwapTotal:", &facts->swap);
	if (root_read_u64(root, "proc/sys/vm/min_free_kbytes", &kib) == 0 && kib <= UINT64_MAX >> 10)
		facts->min_free = kib << 10;
	facts->ksm_known = root_read_u64(root, "sys/kernel/mm/ksm/run", &ksm) == 0 || root->live;
	facts->ksm = ksm == 1; // 0: stopped, 2: stopped and undone
	facts->zfs = root_exists(root, "sys/module/zfs");
}

void memory_facts_read(struct root *root, struct memory_facts *facts)
{
	char meminfo[MEMINFO_SIZE] = "";

	*facts = (struct memory_facts){ 0 };
	root_read(root, "proc/meminfo", meminfo, sizeof(meminfo));
	meminfo_bytes(meminfo, "MemTotal:", &facts->total);
	meminfo_bytes(meminfo, "MemAvailable:", &facts->available);
	read_nodes(root, facts);
	if (!facts->n_nodes)
		make_only_node(root, meminfo, facts);
	read_thp(root, facts);
	read_pressure(root, meminfo, facts);
}

void memory_facts_finish(struct memory_facts *facts)
{
	for (size_t i = 0; i < facts->n_nodes; i++)
		free(facts->nodes[i].distances);
	for (size_t i = 0; i < facts->n_pools; i++)
		free(facts->pools[i].path);
	free(facts->nodes);
	free(facts->pools);
	*facts = (struct memory_facts){ 0 };
}

const struct memory_node *memory_facts_find(const struct memory_facts *facts, int node)
{
	for (size_t i = 0; i < facts->n_nodes; i++) {
		if (facts->nodes[i].node == node)
			return &facts->nodes[i];
	}
	return NULL;
}
