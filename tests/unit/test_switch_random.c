// SPDX-License-Identifier: MIT
// Random lives of the input switch, a million switches of them: keys, hotkeys, commands, unplugs,
// dropped events, guests that come and go and deaths, in a world that checks each step. Reproducible:
// a failure names the seed, SEED=… runs that life alone.
#include "base/str.h"
#include "tests/unit/input_world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
static uint64_t wanted_switches = 50000;
#else
static uint64_t wanted_switches = 1000000;
#endif

// splitmix64 (Steele, Lea, Flood 2014)
static unsigned choose(void *context, unsigned n)
{
	uint64_t *state = context, z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (unsigned)(((z ^ z >> 31) >> 32) * n >> 32);
}

static void add_counts(struct world_counts *sum, const struct world_counts *one)
{
	sum->steps += one->steps;
	sum->switches += one->switches;
	sum->chords += one->chords;
	sum->unplugs += one->unplugs;
	sum->drops += one->drops;
	sum->deaths += one->deaths;
	sum->let_gos += one->let_gos;
	sum->unseen_chords += one->unseen_chords;
}

static void live(uint64_t seed, struct world_counts *sum)
{
	uint64_t state = seed;
	struct world *world = world_new(choose, &state);

	for (int round = 0; round < 50; round++) {
		for (unsigned steps = 1 + choose(&state, 60); steps > 0; steps--)
			world_step(world);
		world_rest(world);
	}
	add_counts(sum, world_get_counts(world));
	world_free(world);
}

static uint64_t current_seed;

static void name_seed(int signal)
{
	(void)signal;
	fprintf(stderr, "run it again with SEED=%llu\n", (unsigned long long)current_seed);
}

static void test_lives(void **state)
{
	struct world_counts sum = { 0 };
	const char *only = getenv("SEED");

	(void)state;
	if (only && str_parse_u64(only, &current_seed)) {
		live(current_seed, &sum);
		return;
	}
	for (current_seed = 1; sum.switches < wanted_switches; current_seed++)
		live(current_seed, &sum);
	print_message("%llu steps, %llu switches, %llu hotkeys (%llu of them seen by nobody), "
		      "%llu unplugs, %llu drops, %llu deaths, let go %llu times\n",
		      (unsigned long long)sum.steps, (unsigned long long)sum.switches,
		      (unsigned long long)sum.chords, (unsigned long long)sum.unseen_chords,
		      (unsigned long long)sum.unplugs, (unsigned long long)sum.drops,
		      (unsigned long long)sum.deaths, (unsigned long long)sum.let_gos);
	// each kind of thing did happen
	assert_true(sum.chords > sum.switches / 10 && sum.unseen_chords > sum.switches / 100);
	assert_true(sum.unplugs > 100 && sum.drops > 100 && sum.deaths > 100 && sum.let_gos > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lives) };

	signal(SIGABRT, name_seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
