// SPDX-License-Identifier: MIT
#include "tests/unit/machine.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct shape {
	int sockets, nodes, l3, cores, threads, efficiency, stride;
	bool far, no_l3;
	struct strv cache, bytes;
	struct cpuset offline, isolated, allowed;
	bool allowed_given;
};

static void read_number(struct shape *shape, const char *key, const char *value)
{
	const struct {
		const char *key;
		int *field;
	} rows[] = {
		{ "sockets", &shape->sockets }, { "nodes", &shape->nodes },
		{ "l3", &shape->l3 },		{ "cores", &shape->cores },
		{ "threads", &shape->threads }, { "efficiency", &shape->efficiency },
		{ "stride", &shape->stride },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (str_eq(rows[i].key, key)) {
			assert_true(str_parse_int(value, rows[i].field));
			return;
		}
	}
	fail_msg("no such word: %s", key);
}

static void read_word(struct shape *shape, char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	if (str_eq(word, "far"))
		shape->far = true;
	else if (str_eq(word, "no-l3"))
		shape->no_l3 = true;
	else if (str_eq(word, "cache"))
		strv_split(&shape->cache, value, ",");
	else if (str_eq(word, "bytes"))
		strv_split(&shape->bytes, value, ",");
	else if (str_eq(word, "offline"))
		assert_true(cpuset_parse_list(&shape->offline, value));
	else if (str_eq(word, "isolated"))
		assert_true(cpuset_parse_list(&shape->isolated, value));
	else if (str_eq(word, "allowed"))
		assert_true((shape->allowed_given = cpuset_parse_list(&shape->allowed, value)));
	else
		read_number(shape, word, value);
}

static void add_cpu(struct machine *m, const struct shape *shape, struct cpu cpu)
{
	struct cpu_facts *facts = &m->cpus;
	bool online = !cpuset_has(&shape->offline, cpu.id);

	cpu.online = online;
	cpu.isolated = online && cpuset_has(&shape->isolated, cpu.id);
	if (shape->no_l3)
		cpu.l3 = -1;
	if (online) {
		cpuset_add(&facts->online, cpu.id);
		cpuset_add(&facts->cores[cpu.core].cpus, cpu.id);
		if (cpu.l3 >= 0)
			cpuset_add(&facts->l3s[cpu.l3].cpus, cpu.id);
		cpuset_add(&m->memory.nodes[cpu.node].cpus, cpu.id);
	} else {
		cpu.core = cpu.socket = cpu.die = cpu.node = cpu.l3 = -1;
	}
	*MEM_PUSH(facts->cpus, facts->count) = cpu;
}

static int by_id(const void *a, const void *b)
{
	return ((const struct cpu *)a)->id - ((const struct cpu *)b)->id;
}

static uint64_t size_at(const struct strv *sizes, size_t i, uint64_t fallback)
{
	uint64_t bytes = fallback;

	if (sizes->count)
		assert_true(str_parse_size(sizes->items[i < sizes->count ? i : sizes->count - 1], &bytes));
	return bytes;
}

static void add_nodes(struct machine *m, const struct shape *shape, int nodes)
{
	m->memory.nodes = mem_new((size_t)nodes, sizeof(*m->memory.nodes));
	m->memory.n_nodes = (size_t)nodes;
	for (int i = 0; i < nodes; i++) {
		struct memory_node *node = &m->memory.nodes[i];

		*node = (struct memory_node){ .node = i };
		node->bytes = node->free = size_at(&shape->bytes, (size_t)i, UINT64_C(64) << 30);
		node->distances = mem_new((size_t)nodes, sizeof(*node->distances));
		node->n_distances = (size_t)nodes;
		for (int k = 0; k < nodes; k++)
			node->distances[k] = i == k ? 10 : i / shape->nodes == k / shape->nodes ? 12 : 32;
	}
}

static void build(struct machine *m, const struct shape *shape)
{
	int nodes = shape->sockets * shape->nodes, l3s = nodes * shape->l3, cores = l3s * shape->cores;
	struct cpu_facts *facts = &m->cpus;

	facts->n_cores = (size_t)(cores + shape->efficiency);
	facts->cores = mem_new(facts->n_cores, sizeof(*facts->cores));
	facts->n_l3s = shape->no_l3 ? 0 : (size_t)l3s;
	facts->l3s = mem_new(facts->n_l3s, sizeof(*facts->l3s));
	for (size_t i = 0; i < facts->n_l3s; i++)
		facts->l3s[i].bytes = size_at(&shape->cache, i, 32 << 20);
	add_nodes(m, shape, nodes);
	for (int core = 0; core < cores + shape->efficiency; core++) {
		bool slow = core >= cores;
		int l3 = slow ? l3s - 1 : core / shape->cores;

		for (int thread = 0; thread < (slow ? 1 : shape->threads); thread++) {
			int id = slow	      ? cores * shape->threads + core - cores :
				 shape->far ? thread * cores + core :
						core * shape->threads + thread;

			add_cpu(m, shape,
				(struct cpu){ .id = id * shape->stride,
					      .core = core,
					      .socket = l3 / shape->l3 / shape->nodes,
					      .node = l3 / shape->l3,
					      .l3 = l3,
					      .kind = slow		 ? CPU_EFFICIENCY :
						      shape->efficiency ? CPU_PERFORMANCE :
									  CPU_UNIFORM });
		}
	}
	qsort(facts->cpus, facts->count, sizeof(*facts->cpus), by_id);
	facts->isolated = shape->isolated;
	cpuset_and(&facts->isolated, &facts->online);
	facts->allowed = facts->online;
	if (shape->allowed_given)
		cpuset_and(&facts->allowed, &shape->allowed);
}

void machine_make(struct machine *machine, const char *words)
{
	struct shape shape = { 1, 1, 1, 1, 1, .stride = 1 };
	AUTO_STRV struct strv list = { 0 };

	*machine = (struct machine){ 0 };
	strv_split(&list, words, " ");
	for (size_t i = 0; i < list.count; i++)
		read_word(&shape, list.items[i]);
	build(machine, &shape);
	strv_finish(&shape.cache);
	strv_finish(&shape.bytes);
}

void machine_finish(struct machine *machine)
{
	for (size_t i = 0; i < machine->memory.n_nodes; i++)
		free(machine->memory.nodes[i].distances);
	free(machine->memory.nodes);
	free(machine->cpus.cpus);
	free(machine->cpus.cores);
	free(machine->cpus.l3s);
}
