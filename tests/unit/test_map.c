// SPDX-License-Identifier: MIT
#include "launcher/plan/map.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "tests/unit/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void put(struct map *map, const char *cpus, const char *label)
{
	struct cpuset set = { 0 };

	assert_true(cpuset_parse_list(&set, cpus));
	map_add(map, &set, label);
}

static void draw(const char *words, struct map *map, struct str *out)
{
	struct machine machine;

	machine_make(&machine, words);
	map_draw(map, &machine.cpus, &machine.memory, out);
	machine_finish(&machine);
	map_finish(map);
}

static void cores_show_what_runs_on_them(void **state)
{
	struct map map = { 0 };
	AUTO_STR struct str out = { 0 };

	(void)state;
	put(&map, "0,6", "em");
	put(&map, "6", "io0");
	put(&map, "1,7", "v0");
	put(&map, "2", "v1");
	put(&map, "8", "v2");
	draw("cores=6 threads=2 far isolated=2,8 offline=5", &map, &out);
	assert_string_equal(str_text(&out),
			    "  socket 0, node 0\n"
			    "    L3 0, 32M     0,6 em,em+io0  1,7 v0         2,8* v1,v2     3,9 -\n"
			    "                  4,10 -         11 -\n"
			    "  offline 5\n");
}

static void nodes_caches_and_kinds_have_lines_of_their_own(void **state)
{
	struct map map = { 0 };
	AUTO_STR struct str out = { 0 };

	(void)state;
	put(&map, "4-5", "v0");
	draw("sockets=2 l3=2 cores=1 threads=2 cache=96M,32M efficiency=2", &map, &out);
	assert_string_equal(str_text(&out),
			    "  socket 0, node 0\n"
			    "    L3 0, 96M, P  0-1 -\n"
			    "    L3 1, 32M, P  2-3 -\n"
			    "  socket 1, node 1\n"
			    "    L3 2, 32M, P  4-5 v0\n"
			    "    L3 3, 32M, P  6-7 -\n"
			    "    L3 3, 32M, E  8 -     9 -\n");
}

static void no_line_is_wider_than_a_terminal(void **state)
{
	static const char *const machines[] = {
		"sockets=2 cores=24 threads=2 far", "sockets=2 nodes=4 l3=2 cores=8 threads=2 far",
		"cores=8 threads=2 efficiency=16", "cores=64", "l3=16 cores=4 threads=2 far stride=3",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		AUTO_STR struct str out = { 0 };
		AUTO_STRV struct strv lines = { 0 };
		struct map map = { 0 };

		put(&map, "0-7", "em+io");
		put(&map, "8-300", "v100");
		draw(machines[i], &map, &out);
		strv_split(&lines, str_text(&out), "\n");
		for (size_t k = 0; k < lines.count; k++)
			assert_in_range(strlen(lines.items[k]), 1, 80);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cores_show_what_runs_on_them),
		cmocka_unit_test(nodes_caches_and_kinds_have_lines_of_their_own),
		cmocka_unit_test(no_line_is_wider_than_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
