// SPDX-License-Identifier: MIT
#include "launcher/plan/map.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <string.h>

enum { COLUMNS = 80, INDENT = 4, LABELS = 18, GAP = 2 };

void map_finish(struct map *map)
{
	for (int i = 0; i < map->count; i++)
		free(map->labels[i]);
	free(map->labels);
	*map = (struct map){ 0 };
}

void map_add(struct map *map, const struct cpuset *cpus, const char *label)
{
	while (map->count < cpuset_end(cpus))
		*MEM_PUSH(map->labels, map->count) = NULL;
	CPUSET_FOREACH(cpu, cpus) {
		AUTO_FREE char *before = map->labels[cpu];

		map->labels[cpu] = before ? mem_printf("%s+%s", before, label) : mem_dup(label);
	}
}

static const char *label_of(const struct map *map, int cpu)
{
	return cpu < map->count && map->labels[cpu] ? map->labels[cpu] : "-";
}

// "1,7 v0,v1", "0,6 em", "4* v2"
static char *draw_core(const struct map *map, const struct cpu_facts *facts, int core)
{
	const struct cpuset *cpus = &facts->cores[core].cpus;
	AUTO_FREE char *list = cpuset_text(cpus);
	const char *first = label_of(map, cpuset_next(cpus, -1));
	struct str cell = { 0 };
	bool same = true;

	str_addf(&cell, "%s%s %s", list, cpuset_meets(cpus, &facts->isolated) ? "*" : "", first);
	CPUSET_FOREACH(cpu, cpus)
		same &= str_eq(label_of(map, cpu), first);
	for (int cpu = cpuset_next(cpus, cpuset_next(cpus, -1)); cpu >= 0 && !same; cpu = cpuset_next(cpus, cpu))
		str_addf(&cell, ",%s", label_of(map, cpu));
	return str_take(&cell);
}

// A core's first CPU speaks for it.
static const struct cpu *speaker(const struct cpu_facts *facts, size_t core)
{
	return cpu_facts_find(facts, cpuset_next(&facts->cores[core].cpus, -1));
}

static int compare_cores(const void *a, const void *b)
{
	const struct cpu *x = *(const struct cpu *const *)a, *y = *(const struct cpu *const *)b;
	const int differences[] = {
		x->socket - y->socket, x->node - y->node, x->l3 - y->l3, (int)x->kind - (int)y->kind,
		x->core - y->core,
	};

	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		if (differences[i])
			return differences[i];
	}
	return 0;
}

static bool is_same_place(const struct cpu *a, const struct cpu *b)
{
	return a->socket == b->socket && a->node == b->node;
}

static bool is_same_row(const struct cpu *a, const struct cpu *b)
{
	return is_same_place(a, b) && a->l3 == b->l3 && a->kind == b->kind;
}

static void add_place(struct str *out, const struct cpu *cpu, const struct memory_facts *memory)
{
	const struct memory_node *node = memory_facts_find(memory, cpu->node);

	str_add(out, "  ");
	if (cpu->socket >= 0)
		str_addf(out, "socket %d, ", cpu->socket);
	if (cpu->node >= 0)
		str_addf(out, "node %d", cpu->node);
	else
		str_add(out, "node unknown");
	if (node && node->sized)
		str_addf(out, ", %.1fG", (double)node->bytes / (double)(1 << 30));
	str_addc(out, '\n');
}

// "L3 0, 32M", "L3 0, 24M, P"
static void add_label(struct str *out, const struct cpu_facts *facts, const struct cpu *cpu)
{
	static const char *const kinds[] = { [CPU_PERFORMANCE] = ", P", [CPU_EFFICIENCY] = ", E" };
	AUTO_STR struct str label = { 0 };

	if (cpu->l3 >= 0)
		str_addf(&label, "L3 %d", cpu->l3);
	else
		str_add(&label, "no L3");
	if (cpu->l3 >= 0 && facts->l3s[cpu->l3].bytes) {
		str_add(&label, ", ");
		str_add_size(&label, facts->l3s[cpu->l3].bytes);
	}
	if (cpu->kind != CPU_UNIFORM)
		str_add(&label, kinds[cpu->kind]);
	str_addf(out, "%*s%-*s", INDENT, "", LABELS - INDENT, str_text(&label));
}

static void add_row(struct str *out, const struct strv *cells, size_t width)
{
	size_t each = (COLUMNS - LABELS + GAP) / (width + GAP) ?: 1;

	for (size_t i = 0; i < cells->count; i++) {
		bool last = i + 1 == cells->count || (i + 1) % each == 0;

		if (i && i % each == 0)
			str_addf(out, "%*s", LABELS, "");
		str_addf(out, "%-*s", last ? 0 : (int)(width + GAP), cells->items[i]);
		if (last)
			str_addc(out, '\n');
	}
}

static void add_offline(struct str *out, const struct cpu_facts *facts)
{
	struct cpuset offline = { 0 };
	AUTO_FREE char *list = NULL;

	for (size_t i = 0; i < facts->count; i++) {
		if (!facts->cpus[i].online)
			cpuset_add(&offline, facts->cpus[i].id);
	}
	list = cpuset_text(&offline);
	if (*list)
		str_addf(out, "  offline %s\n", list);
}

void map_draw(const struct map *map, const struct cpu_facts *facts, const struct memory_facts *memory,
	      struct str *out)
{
	AUTO_FREE const struct cpu **cores = mem_new(facts->n_cores, sizeof(*cores));
	size_t width = 0, n;

	for (size_t i = 0; i < facts->n_cores; i++) {
		AUTO_FREE char *cell = draw_core(map, facts, (int)i);

		cores[i] = speaker(facts, i);
		width = strlen(cell) > width ? strlen(cell) : width;
	}
	qsort(cores, facts->n_cores, sizeof(*cores), compare_cores);
	for (size_t i = 0; i < facts->n_cores; i += n) {
		AUTO_STRV struct strv cells = { 0 };

		for (n = 0; i + n < facts->n_cores && is_same_row(cores[i], cores[i + n]); n++)
			strv_take(&cells, draw_core(map, facts, cores[i + n]->core));
		if (i == 0 || !is_same_place(cores[i - 1], cores[i]))
			add_place(out, cores[i], memory);
		add_label(out, facts, cores[i]);
		add_row(out, &cells, width);
	}
	add_offline(out, facts);
}
