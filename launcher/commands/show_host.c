// SPDX-License-Identifier: MIT
// host: reads the machine, live or captured, and shows it as the planner sees it.
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "launcher/commands/host.h"
#include "launcher/guest/paths.h"
#include "launcher/guest/state.h"
#include "launcher/plan/map.h"
#include "launcher/plan/plan.h"
#include "tune/host/root.h"

#include <json-c/json.h>

static int read_machine(const char *dir, struct host_machine *machine, struct err *err)
{
	struct root root = ROOT_CLOSED;
	int r = root_open(&root, dir, err);

	if (r == 0)
		r = host_machine_read(&root, true, machine, err);
	root_finish(&root);
	return r;
}

// "A0": the first vCPU of the first guest. QEMU's other threads are seldom busy, and may have many CPUs.
static void add_guest(struct map *map, const struct plan *plan, char letter)
{
	for (size_t i = 0; i < plan->n_pins; i++) {
		const struct plan_pin *pin = &plan->pins[i];
		AUTO_FREE char *label = pin->target == PIN_VCPU ? mem_printf("%c%d", letter, pin->index) :
								  mem_printf("%cio", letter);

		if (pin->target == PIN_VCPU || (pin->target == PIN_IOTHREAD && pin->index == 0))
			map_add(map, &pin->cpus, label);
	}
}

// Which guests' vCPUs and I/O threads run where, if there are any.
static void add_guests(const struct host_machine *machine, struct str *out)
{
	CLEANUP(map_finish) struct map map = { 0 };
	AUTO_STRV struct strv names = { 0 };
	AUTO_STR struct str legend = { 0 };
	struct paths paths;
	char letter = 'A';

	if (paths_read(&paths, NULL) < 0)
		return;
	guest_list(&paths, &names);
	for (size_t i = 0; i < names.count && letter <= 'Z'; i++) {
		struct state state;
		enum life life = guest_look(&paths, names.items[i], &state);

		if ((life == LIFE_RUNNING || life == LIFE_ORPHAN) && state.plan) {
			str_addf(&legend, "  %c: guest %s\n", letter, names.items[i]);
			add_guest(&map, state.plan, letter++);
		}
		state_finish(&state);
	}
	paths_finish(&paths);
	if (!legend.len)
		return;
	str_add(out, "\nwhat runs where\n");
	map_draw(&map, &machine->cpus, &machine->memory, out);
	str_add(out, legend.text);
}

static void print(const struct host_machine *machine, bool json, struct str *out)
{
	struct json_object *value;

	if (!json) {
		host_print_text(machine, out);
		if (machine->live)
			add_guests(machine, out);
		return;
	}
	value = host_print_json(machine);
	add_json_text(value, out);
	json_object_put(value);
}

int host_command(const struct command_line *line)
{
	struct host_machine machine = { 0 };
	AUTO_STR struct str text = { 0 };
	struct err err = ERR_NONE;
	int status;

	if (line->input)
		return host_show_input(line->root, line->json);
	if (read_machine(line->root, &machine, &err) < 0) {
		report_error(&err);
		status = line->root ? 2 : 3; // what was named is no captured machine
	} else {
		print(&machine, line->json, &text);
		status = print_out(str_text(&text));
	}
	host_machine_finish(&machine);
	return status;
}
