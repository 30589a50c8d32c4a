// SPDX-License-Identifier: MIT
#include "launcher/commands/host.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

enum { WIDTH = 80 };

void host_add_wrapped(struct str *out, const struct strv *words, size_t indent)
{
	const char *line = out->len ? strrchr(out->text, '\n') : NULL;
	size_t column = line ? strlen(line + 1) : out->len;

	for (size_t i = 0; i < words->count; i++) {
		size_t n = strlen(words->items[i]);

		if (column > indent && column + 1 + n > WIDTH) {
			str_addf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			str_addc(out, ' ');
			column++;
		}
		str_add(out, words->items[i]);
		column += n;
	}
	str_addc(out, '\n');
}

// "Isolated     2-3,8-9": a long list breaks behind its commas.
static void add_set(struct str *out, const char *label, const struct cpuset *set)
{
	AUTO_FREE char *text = cpuset_text(set);
	AUTO_STRV struct strv parts = { 0 }, words = { 0 };

	if (cpuset_is_empty(set))
		return;
	strv_split(&parts, text, ",");
	for (size_t i = 0; i < parts.count; i++)
		strv_addf(&words, "%s%s", parts.items[i], i + 1 < parts.count ? "," : "");
	str_addf(out, "%-13s", label);
	host_add_wrapped(out, &words, 13);
}

// People want "31.0G", where str_add_size would have to say 32489480K.
static void add_about(struct str *out, uint64_t bytes)
{
	if (bytes >= UINT64_C(1) << 30)
		str_addf(out, "%.1fG", (double)bytes / (double)(1 << 30));
	else
		str_addf(out, "%.1fM", (double)bytes / (double)(1 << 20));
}

static void add_heading(struct str *out, const struct cpu_facts *cpus,
			const struct system_facts *system)
{
	const char *virt = cpus->vmx ? ", VMX" : cpus->svm ? ", SVM" : "";

	str_add_escaped(out, *cpus->model_name ? cpus->model_name : "unknown processor");
	str_addf(out, "%s%s\nLinux ", cpus->flags_known && !*virt ? ", neither VMX nor SVM" : virt,
		 cpus->hypervisor ? ", itself a virtual machine" : "");
	str_add_escaped(out, *system->kernel ? system->kernel : "of unknown release");
	str_add(out, *system->distro ? ", " : "");
	str_add_escaped(out, system->distro);
	str_add(out, system->kvm_present ? ", KVM is there\n" : ", no sign of KVM\n");
	str_addf(out, "%zu CPU%s in %zu core%s\n", cpus->count, cpus->count == 1 ? "" : "s",
		 cpus->n_cores, cpus->n_cores == 1 ? "" : "s");
}

// A core's first CPU speaks for it.
static const struct cpu *speaker(const struct cpu_facts *cpus, size_t core)
{
	return cpu_facts_find(cpus, cpuset_next(&cpus->cores[core].cpus, -1));
}

static int compare_cores(const void *a, const void *b)
{
	const struct cpu *x = *(const struct cpu *const *)a, *y = *(const struct cpu *const *)b;
	const long differences[] = {
		x->socket - y->socket, x->die - y->die,		x->node - y->node, x->l3 - y->l3,
		(long)x->kind - (long)y->kind, y->max_khz - x->max_khz, x->core - y->core,
	};

	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		if (differences[i])
			return differences[i] < 0 ? -1 : 1;
	}
	return 0;
}

static void add_number(struct str *out, const char *label, int number)
{
	if (number < 0)
		str_addf(out, "%s unknown", label);
	else
		str_addf(out, "%s %d", label, number);
}

static void add_place(struct str *out, const struct cpu *cpu)
{
	str_addc(out, '\n');
	add_number(out, "socket", cpu->socket);
	if (cpu->die > 0)
		str_addf(out, ", die %d", cpu->die);
	add_number(out, ", node", cpu->node);
	str_addc(out, '\n');
}

static void add_l3(struct str *out, const struct cpu_facts *cpus, int l3)
{
	if (l3 < 0) {
		str_add(out, "  no L3\n");
		return;
	}
	str_addf(out, "  L3 %d", l3);
	if (cpus->l3s[l3].bytes) {
		str_add(out, ", ");
		str_add_size(out, cpus->l3s[l3].bytes);
	}
	str_addc(out, '\n');
}

static bool is_same_place(const struct cpu *a, const struct cpu *b)
{
	return a->socket == b->socket && a->die == b->die && a->node == b->node;
}

static bool is_same_sort(const struct cpu *a, const struct cpu *b)
{
	return is_same_place(a, b) && a->l3 == b->l3 && a->kind == b->kind &&
	       a->max_khz == b->max_khz;
}

// "    performance 5.20 GHz   0-1 2-3 8-9*": a word is a core, a star says isolated.
static void add_row(struct str *out, const struct cpu_facts *cpus, const struct cpu **cores, size_t n)
{
	AUTO_STRV struct strv words = { 0 };
	AUTO_STR struct str label = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct cpuset *members = &cpus->cores[cores[i]->core].cpus;
		bool isolated = cpuset_meets(members, &cpus->isolated);
		AUTO_FREE char *set = cpuset_text(members);

		strv_addf(&words, "%s%s", set, isolated ? "*" : "");
	}
	str_add(&label, cores[0]->kind == CPU_UNIFORM ? "cores" : cpu_kind_name(cores[0]->kind));
	if (cores[0]->max_khz)
		str_addf(&label, " %.2f GHz", (double)cores[0]->max_khz / 1e6);
	str_addf(out, "    %-22s", str_text(&label));
	host_add_wrapped(out, &words, 26);
}

static void add_map(struct str *out, const struct cpu_facts *cpus)
{
	AUTO_FREE const struct cpu **cores = mem_new(cpus->n_cores, sizeof(*cores));
	size_t n;

	for (size_t i = 0; i < cpus->n_cores; i++)
		cores[i] = speaker(cpus, i);
	qsort(cores, cpus->n_cores, sizeof(*cores), compare_cores);
	for (size_t i = 0; i < cpus->n_cores; i += n) {
		bool moved = i == 0 || !is_same_place(cores[i], cores[i - 1]);

		if (moved)
			add_place(out, cores[i]);
		if (moved || cores[i]->l3 != cores[i - 1]->l3)
			add_l3(out, cpus, cores[i]->l3);
		for (n = 1; i + n < cpus->n_cores && is_same_sort(cores[i], cores[i + n]);)
			n++;
		add_row(out, cpus, &cores[i], n);
	}
}

static void add_sets(struct str *out, const struct cpu_facts *cpus)
{
	struct cpuset offline = { 0 }, forbidden = cpus->online;

	for (size_t i = 0; i < cpus->count; i++) {
		if (!cpus->cpus[i].online)
			cpuset_add(&offline, cpus->cpus[i].id);
	}
	cpuset_minus(&forbidden, &cpus->allowed);
	str_addc(out, '\n');
	add_set(out, "online", &cpus->online);
	add_set(out, "offline", &offline);
	add_set(out, "isolated (*)", &cpus->isolated);
	add_set(out, "nohz_full", &cpus->nohz_full);
	add_set(out, "not for us", &forbidden);
}

static void add_node(struct str *out, const struct memory_node *node)
{
	AUTO_STRV struct strv words = { 0 };

	str_addf(out, "  node %-5d ", node->node);
	if (node->sized) {
		add_about(out, node->bytes);
		str_add(out, ", ");
		add_about(out, node->free);
		str_add(out, " free");
	} else {
		str_add(out, "size unknown");
	}
	if (cpuset_is_empty(&node->cpus))
		str_add(out, ", no CPUs");
	if (node->n_distances > 1) {
		str_add(out, ", distances");
		for (size_t i = 0; i < node->n_distances; i++)
			strv_addf(&words, "%d", node->distances[i]);
	}
	host_add_wrapped(out, &words, 13);
}

static void add_pool(struct str *out, const struct hugepage_pool *pool)
{
	AUTO_STR struct str size = { 0 };

	str_add_size(&size, pool->size);
	str_addf(out, "  node %-5d %llu of %s, %llu free", pool->node,
		 (unsigned long long)pool->total, size.text, (unsigned long long)pool->free);
	if (pool->surplus)
		str_addf(out, ", %llu of them surplus", (unsigned long long)pool->surplus);
	str_addc(out, '\n');
}

static void add_memory(struct str *out, const struct memory_facts *memory)
{
	str_add(out, "\nmemory");
	if (memory->total) {
		str_addc(out, ' ');
		add_about(out, memory->total);
	}
	if (memory->available) {
		str_add(out, ", ");
		add_about(out, memory->available);
		str_add(out, " available");
	}
	str_addc(out, '\n');
	for (size_t i = 0; i < memory->n_nodes; i++)
		add_node(out, &memory->nodes[i]);
	str_add(out, *memory->thp ? "hugepages, transparent ones: " : "hugepages");
	str_add_escaped(out, memory->thp);
	str_addc(out, '\n');
	for (size_t i = 0; i < memory->n_pools; i++)
		add_pool(out, &memory->pools[i]);
	if (!memory->n_pools)
		str_add(out, "  no pools\n");
}

void host_print_text(const struct host_machine *machine, struct str *out)
{
	add_heading(out, &machine->cpus, &machine->system);
	add_map(out, &machine->cpus);
	add_sets(out, &machine->cpus);
	add_memory(out, &machine->memory);
	host_add_groups(machine, out);
	host_add_usb(machine, out);
}
