// SPDX-License-Identifier: MIT
#include "launcher/commands/guest_memory.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/plan/plan.h"
#include "tune/host/landing.h"

#include <json-c/json.h>
#include <string.h>

enum { ENOUGH = 95 }; // percent in huge pages that need no hint

// QEMU was told how large each part is: "memory-backend-ram,id=ram0,size=64M,…"
static size_t read_sizes(const struct plan *plan, uint64_t **sizes)
{
	size_t n = 0;

	*sizes = NULL;
	for (size_t i = 0; i < plan->argv.count; i++) {
		const char *item = plan->argv.items[i], *size = strstr(item, ",size=");
		AUTO_FREE char *text = NULL;
		uint64_t bytes;

		if (!str_starts(item, "memory-backend-") || !strstr(item, ",id=ram") || !size)
			continue;
		size += strlen(",size=");
		text = mem_dupn(size, strcspn(size, ","));
		if (str_parse_size(text, &bytes))
			*MEM_PUSH(*sizes, n) = bytes;
	}
	return n;
}

static void add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static struct json_object *print(const struct plan *plan, const struct landing *landing)
{
	struct json_object *memory = json_object_new_object(), *nodes = json_object_new_array();

	add_number(memory, "bytes", landing->bytes);
	add_number(memory, "present", landing->present);
	add_number(memory, "huge", landing->huge);
	add_number(memory, "locked", landing->locked);
	for (int i = 0; i < NUMA_NODES_MAX; i++) {
		struct json_object *node;

		if (!landing->by_node[i])
			continue;
		node = json_object_new_object();
		json_object_object_add(node, "node", json_object_new_int(i));
		add_number(node, "bytes", landing->by_node[i]);
		json_object_array_add(nodes, node);
	}
	json_object_object_add(memory, "nodes", nodes);
	json_object_object_add(memory, "planned_nodes",
			       json_object_new_string(plan->memory_nodes ? plan->memory_nodes : ""));
	return memory;
}

struct json_object *guest_memory_read(const struct plan *plan, pid_t pid)
{
	AUTO_FREE struct landing *landing = mem_new(1, sizeof(*landing));
	AUTO_FREE uint64_t *sizes = NULL;
	size_t n = read_sizes(plan, &sizes);

	if (!n || landing_read(pid, sizes, n, landing, NULL) < 0 || !landing->bytes)
		return NULL;
	return print(plan, landing);
}

static uint64_t number(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_uint64(value) : 0;
}

static unsigned percent(uint64_t part, uint64_t whole)
{
	return whole ? (unsigned)((double)part * 100 / (double)whole + 0.5) : 0;
}

static void add_nodes(struct json_object *memory, uint64_t present, struct str *out)
{
	struct json_object *nodes = NULL;
	size_t n;

	json_object_object_get_ex(memory, "nodes", &nodes);
	n = nodes ? json_object_array_length(nodes) : 0;
	for (size_t i = 0; i < n; i++) {
		struct json_object *node = json_object_array_get_idx(nodes, i);

		str_addf(out, "%s %llu", i ? "," : n > 1 ? ", on nodes" : ", on node",
			 (unsigned long long)number(node, "node"));
		if (n > 1)
			str_addf(out, " (%u %%)", percent(number(node, "bytes"), present));
	}
}

// Bytes elsewhere than on the nodes of the plan.
static uint64_t count_strays(struct json_object *memory)
{
	struct json_object *nodes = NULL, *planned = NULL;
	struct cpuset wanted = { 0 };
	uint64_t strays = 0;

	if (!json_object_object_get_ex(memory, "planned_nodes", &planned) ||
	    !cpuset_parse_list(&wanted, json_object_get_string(planned)) || cpuset_is_empty(&wanted) ||
	    !json_object_object_get_ex(memory, "nodes", &nodes))
		return 0;
	for (size_t i = 0; i < json_object_array_length(nodes); i++) {
		struct json_object *node = json_object_array_get_idx(nodes, i);

		if (!cpuset_has(&wanted, (int)number(node, "node")))
			strays += number(node, "bytes");
	}
	return strays;
}

void guest_memory_print(struct json_object *memory, struct str *out)
{
	uint64_t bytes = number(memory, "bytes"), present = number(memory, "present");
	uint64_t strays = count_strays(memory);
	unsigned huge = percent(number(memory, "huge"), present);

	str_add(out, "\nmemory       ");
	str_add_size(out, bytes);
	if (present < bytes)
		str_addf(out, ", %u %% of it touched so far", percent(present, bytes));
	str_addf(out, "; %u %% of that in huge pages", huge);
	add_nodes(memory, present, out);
	str_addc(out, '\n');
	if (present && huge < ENOUGH)
		str_add(out, "  hint: the rest is in small pages, which costs the guest time at each new one; "
			     "hugepages = 2M\n        in [memory] makes sure, prealloc = yes has better chances "
			     "than touching page by page\n");
	if (strays)
		str_addf(out, "  hint: %u %% is on other nodes than the plan's, for these were full when it was "
			      "touched\n",
			 percent(strays, present));
}
