// SPDX-License-Identifier: MIT
#include "tests/unit/wish.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void read_set(struct cpus_request *request, const char *value)
{
	request->mode = str_eq(value, "none") ? CPUS_NONE : CPUS_LIST;
	if (request->mode == CPUS_LIST)
		assert_true(cpuset_parse_list(&request->cpus, value));
}

static void read_pin(struct pin_request *pin, const char *value)
{
	AUTO_STRV struct strv parts = { 0 };

	pin->mode = str_eq(value, "none") ? CPUS_NONE : CPUS_LIST;
	if (pin->mode == CPUS_NONE)
		return;
	strv_split(&parts, value, ",");
	for (size_t i = 0; i < parts.count; i++) {
		for (char *c = parts.items[i]; *c; c++)
			*c = *c == '+' ? ',' : *c;
		assert_true(cpuset_parse_list(MEM_PUSH(pin->vcpus, pin->count), parts.items[i]));
	}
}

static void read_wish(struct wish *wish, char *word)
{
	struct profile *profile = &wish->profile;
	char *value = strchr(word, '=');
	struct {
		const char *key;
		int *field;
	} numbers[] = {
		{ "vcpus", &profile->cpu.vcpus },     { "sockets", &profile->cpu.sockets },
		{ "cores", &profile->cpu.cores },     { "threads", &profile->cpu.threads },
		{ "iothreads", &wish->iothreads }, { "near", &wish->near.node },
	};

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (str_eq(numbers[i].key, word)) {
			assert_true(str_parse_int(value, numbers[i].field));
			return;
		}
	}
	if (str_eq(word, "windows")) {
		profile->vm.os = OS_WINDOWS;
	} else if (str_eq(word, "memory")) {
		assert_true(str_parse_size(value, &profile->vm.memory));
	} else if (str_eq(word, "pin")) {
		read_pin(&profile->cpu.pin, value);
	} else if (str_eq(word, "emulator")) {
		read_set(&profile->cpu.emulator, value);
	} else if (str_eq(word, "iothread_pin")) {
		read_set(&profile->cpu.iothread_pin, value);
	} else if (str_eq(word, "nodes")) {
		profile->memory.nodes.mode = CPUS_LIST;
		assert_true(cpuset_parse_list(&profile->memory.nodes.nodes, value));
	} else if (str_eq(word, "held")) {
		assert_true(cpuset_parse_list(&wish->held, value));
	} else {
		fail_msg("no such wish: %s", word);
	}
}

void wish_make(struct wish *wish, const char *words)
{
	AUTO_STRV struct strv list = { 0 };

	*wish = (struct wish){ .near = { -1, "0000:81:00.0" } };
	strv_split(&list, words, " ");
	for (size_t i = 0; i < list.count; i++)
		read_wish(wish, list.items[i]);
}

void wish_finish(struct wish *wish)
{
	free(wish->profile.cpu.pin.vcpus);
}

static void print_set(struct str *out, const struct cpuset *set, char between)
{
	AUTO_FREE char *text = cpuset_text(set);

	for (char *c = text; *c; c++)
		*c = *c == ',' ? between : *c;
	str_add(out, *text ? text : "-");
}

void wish_print(const struct placement *placement, const struct diags *diags, struct str *out)
{
	for (int i = 0; i < placement->n_vcpus; i++) {
		if (i)
			str_addc(out, ',');
		print_set(out, &placement->vcpus[i].cpus, '+');
	}
	str_addf(out, " %dx%dx%dx%d emulator=", placement->sockets, placement->dies, placement->cores,
		 placement->threads);
	print_set(out, &placement->emulator, ',');
	for (int i = 0; i < placement->n_iothreads; i++) {
		str_add(out, i ? ";" : " io=");
		print_set(out, &placement->iothreads[i], ',');
	}
	str_add(out, " nodes=");
	print_set(out, &placement->nodes, ',');
	for (size_t i = 0; i < diags->count; i++)
		str_addf(out, "%s%s", i ? " " : ": ", diags->items[i].code);
}

void wish_place(const char *machine_words, const char *wish_words, struct placement *placement,
		struct diags *diags)
{
	struct machine machine;
	struct wish wish;

	machine_make(&machine, machine_words);
	wish_make(&wish, wish_words);
	place_cpus(&wish.profile, &machine.cpus, &machine.memory, &wish.held, &wish.near, wish.iothreads, placement,
		   diags);
	wish_finish(&wish);
	machine_finish(&machine);
}

void wish_check(const char *machine, const char *wish, const char *expected)
{
	struct placement placement;
	struct diags diags = { 0 };
	AUTO_STR struct str got = { 0 };

	wish_place(machine, wish, &placement, &diags);
	wish_print(&placement, &diags, &got);
	if (!str_eq(str_text(&got), expected))
		fail_msg("%s | %s\nexpected %s\n     got %s", machine, wish, expected, str_text(&got));
	placement_finish(&placement);
	diags_finish(&diags);
}
