// SPDX-License-Identifier: MIT
#include "launcher/commands/host.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/remedy.h"

#include <json-c/json.h>

static void put_number(struct json_object *to, const char *key, bool known, uint64_t value)
{
	json_object_object_add(to, key, known ? json_object_new_uint64(value) : NULL);
}

static void put_index(struct json_object *to, const char *key, int value)
{
	put_number(to, key, value >= 0, (uint64_t)value);
}

static void put_text(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, text ? json_object_new_string(text) : NULL);
}

static struct json_object *make_cpu(const struct cpu_facts *cpus, const struct cpu *cpu)
{
	struct json_object *out = json_object_new_object();
	AUTO_FREE char *siblings = cpu->core < 0 ? NULL : cpuset_text(&cpus->cores[cpu->core].cpus);

	put_index(out, "cpu", cpu->id);
	json_object_object_add(out, "online", json_object_new_boolean(cpu->online));
	put_index(out, "core", cpu->core);
	put_index(out, "socket", cpu->socket);
	put_index(out, "node", cpu->node);
	put_index(out, "l3", cpu->l3);
	put_text(out, "siblings", siblings);
	put_text(out, "kind", cpu->online ? cpu_kind_name(cpu->kind) : NULL);
	put_number(out, "max_khz", cpu->max_khz > 0, (uint64_t)cpu->max_khz);
	json_object_object_add(out, "isolated", json_object_new_boolean(cpu->isolated));
	return out;
}

static struct json_object *make_distances(const struct memory_node *node)
{
	struct json_object *out;

	if (!node->distances)
		return NULL;
	out = json_object_new_array();
	for (size_t i = 0; i < node->n_distances; i++)
		json_object_array_add(out, json_object_new_int(node->distances[i]));
	return out;
}

static struct json_object *make_node(const struct memory_node *node)
{
	struct json_object *out = json_object_new_object();
	AUTO_FREE char *cpus = cpuset_text(&node->cpus);

	put_index(out, "node", node->node);
	put_text(out, "cpus", cpus);
	put_number(out, "bytes", node->sized, node->bytes);
	put_number(out, "free", node->sized, node->free);
	json_object_object_add(out, "distances", make_distances(node));
	return out;
}

static struct json_object *make_pool(const struct hugepage_pool *pool)
{
	struct json_object *out = json_object_new_object();

	put_index(out, "node", pool->node);
	put_number(out, "size", true, pool->size);
	put_number(out, "total", true, pool->total);
	put_number(out, "free", true, pool->free);
	return out;
}

static void put_bool(struct json_object *to, const char *key, bool value)
{
	json_object_object_add(to, key, json_object_new_boolean(value));
}

static void put_fact(struct json_object *to, const char *key, enum fact fact)
{
	json_object_object_add(to, key, fact == FACT_UNKNOWN ? NULL : json_object_new_boolean(fact == FACT_YES));
}

__attribute__((format(printf, 3, 4)))
static void put_printf(struct json_object *to, const char *key, const char *fmt, ...)
{
	AUTO_STR struct str text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	put_text(to, key, str_text(&text));
}

// Bytes of a device, a process or the kernel, which may be no UTF-8.
static struct json_object *make_foreign(const char *text)
{
	AUTO_STR struct str clean = { 0 };

	str_add_utf8(&clean, text);
	return json_object_new_string(str_text(&clean));
}

static void put_foreign(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, text ? make_foreign(text) : NULL);
}

static struct json_object *put_list(struct json_object *to, const char *key)
{
	struct json_object *list = json_object_new_array();

	json_object_object_add(to, key, list);
	return list;
}

static void put_words(struct json_object *to, const char *key, const struct strv *words)
{
	struct json_object *list = put_list(to, key);

	for (size_t i = 0; i < words->count; i++)
		json_object_array_add(list, make_foreign(words->items[i]));
}

static struct json_object *make_group(const struct host_machine *machine, const struct pci_device *first)
{
	const struct pci_facts *pci = &machine->pci;
	struct json_object *out = json_object_new_object(), *devices;
	AUTO_STRV struct strv blockers = { 0 };

	put_index(out, "group", first->group);
	devices = put_list(out, "devices");
	for (const struct pci_device *at = first; at;
	     at = pci_facts_next_in_group(pci, first->group, (size_t)(at - pci->items) + 1)) {
		json_object_array_add(devices, json_object_new_string(at->address));
		host_blockers(machine, at, &blockers);
	}
	put_words(out, "blockers", &blockers);
	return out;
}

static int compare_groups(const void *a, const void *b)
{
	const struct pci_device *x = *(const struct pci_device *const *)a, *y = *(const struct pci_device *const *)b;

	return (x->group > y->group) - (x->group < y->group);
}

static void add_groups(const struct host_machine *machine, struct json_object *list)
{
	const struct pci_facts *pci = &machine->pci;
	AUTO_FREE const struct pci_device **firsts = mem_new(pci->count + 1, sizeof(*firsts));
	size_t n = 0;

	for (size_t i = 0; i < pci->count; i++) {
		const struct pci_device *device = &pci->items[i];

		if (device->group >= 0 && pci_facts_next_in_group(pci, device->group, 0) == device)
			firsts[n++] = device;
	}
	qsort(firsts, n, sizeof(*firsts), compare_groups);
	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, make_group(machine, firsts[i]));
}

static struct json_object *make_iommu(const struct host_machine *machine)
{
	const struct iommu_facts *iommu = &machine->iommu;
	struct json_object *out = json_object_new_object();
	AUTO_FREE char *remedy = NULL;

	if (iommu->enabled == FACT_NO)
		remedy = remedy_iommu_off(&machine->cpus, &machine->system, iommu);
	put_fact(out, "enabled", iommu->enabled == FACT_UNKNOWN && machine->pci.iommu ? FACT_YES : iommu->enabled);
	put_text(out, "remedy", remedy);
	put_fact(out, "vfio_pci", iommu->vfio_available);
	put_foreign(out, "acs_override", *iommu->acs_override ? iommu->acs_override : NULL);
	add_groups(machine, put_list(out, "groups"));
	return out;
}

static void add_nodes(const struct pci_detail *detail, struct json_object *list)
{
	for (size_t i = 0; i < detail->n_nodes; i++)
		json_object_array_add(list, make_foreign(detail->nodes[i].path ? detail->nodes[i].path :
									      detail->nodes[i].name));
}

static void add_users(const struct pci_detail *detail, struct json_object *list)
{
	for (size_t i = 0; i < detail->n_users; i++) {
		struct json_object *user = json_object_new_object();

		put_index(user, "pid", detail->users[i].pid);
		put_foreign(user, "name", detail->users[i].name);
		put_foreign(user, "path", detail->users[i].path);
		json_object_array_add(list, user);
	}
}

static void put_detail(struct json_object *to, const struct pci_detail *detail)
{
	put_words(to, "reset", &detail->resets);
	put_bool(to, "boot_vga", detail->boot_vga);
	put_index(to, "node", detail->node);
	put_bool(to, "stuck", detail->stuck);
	put_foreign(to, "driver_override", detail->override);
	put_text(to, "power", *detail->power ? detail->power : NULL);
	put_text(to, "physical_function", detail->physical);
	put_index(to, "virtual_functions", detail->vfs);
	add_nodes(detail, put_list(to, "nodes"));
	put_words(to, "uses", &detail->uses);
	add_users(detail, put_list(to, "users"));
	put_bool(to, "users_complete", !detail->users_unknown);
}

static struct json_object *make_device(const struct host_machine *machine, const struct pci_device *device)
{
	struct json_object *out = json_object_new_object();
	AUTO_FREE char *name = pci_device_name(device), *class = pci_class_name(device);
	AUTO_STRV struct strv blockers = { 0 };

	put_text(out, "address", device->address);
	put_printf(out, "class", "%06x", device->class);
	put_printf(out, "vendor", "%04x", device->vendor);
	put_printf(out, "device", "%04x", device->device);
	put_foreign(out, "name", name);
	put_foreign(out, "class_name", class);
	put_printf(out, "revision", "%02x", device->revision);
	put_foreign(out, "driver", device->driver);
	put_index(out, "group", device->group);
	put_bool(out, "bridge", device->is_bridge);
	put_text(out, "parent", device->parent < 0 ? NULL : machine->pci.items[device->parent].address);
	put_bool(out, "dead", device->dead);
	put_detail(out, &device->detail);
	host_blockers(machine, device, &blockers);
	put_words(out, "blockers", &blockers);
	return out;
}

static struct json_object *make_usb_device(const struct usb_device *device)
{
	struct json_object *out = json_object_new_object();

	put_printf(out, "id", "%04x:%04x", device->vendor, device->product);
	put_foreign(out, "name", device->name);
	put_text(out, "port", device->port);
	put_index(out, "number", device->number);
	put_bool(out, "hub", device->hub);
	put_bool(out, "keyboard", device->keyboard);
	put_bool(out, "mouse", device->mouse);
	put_bool(out, "storage", device->storage);
	put_words(out, "uses", &device->uses);
	return out;
}

static struct json_object *make_bus(const struct host_machine *machine, const struct usb_bus *bus)
{
	const struct pci_device *controller = pci_facts_find(&machine->pci, bus->controller);
	struct json_object *out = json_object_new_object(), *devices;

	put_index(out, "bus", bus->bus);
	put_text(out, "controller", *bus->controller ? bus->controller : NULL);
	put_index(out, "group", controller ? controller->group : -1);
	devices = put_list(out, "devices");
	for (size_t i = 0; i < bus->n_devices; i++)
		json_object_array_add(devices, make_usb_device(&bus->devices[i]));
	return out;
}

struct json_object *host_print_json(const struct host_machine *machine)
{
	struct json_object *out = json_object_new_object(), *list;

	list = put_list(out, "cpus");
	for (size_t i = 0; i < machine->cpus.count; i++)
		json_object_array_add(list, make_cpu(&machine->cpus, &machine->cpus.cpus[i]));
	list = put_list(out, "nodes");
	for (size_t i = 0; i < machine->memory.n_nodes; i++)
		json_object_array_add(list, make_node(&machine->memory.nodes[i]));
	list = put_list(out, "hugepages");
	for (size_t i = 0; i < machine->memory.n_pools; i++)
		json_object_array_add(list, make_pool(&machine->memory.pools[i]));
	json_object_object_add(out, "iommu", make_iommu(machine));
	list = put_list(out, "pci");
	for (size_t i = 0; i < machine->pci.count; i++)
		json_object_array_add(list, make_device(machine, &machine->pci.items[i]));
	list = put_list(out, "usb");
	for (size_t i = 0; i < machine->usb.count; i++)
		json_object_array_add(list, make_bus(machine, &machine->usb.buses[i]));
	return out;
}
