// SPDX-License-Identifier: MIT
// Owns the cpuset value: a set of CPU (or node) numbers, copied by assignment, and its text form, the
// kernel's list ("0-3,8"). Refuses to know which CPUs exist.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct str;

// x86-64's NR_CPUS_RANGE_END with MAXSMP (Linux, arch/x86/Kconfig).
enum { CPUSET_MAX = 8192 };

struct cpuset {
	uint64_t bits[CPUSET_MAX / 64];
};

void cpuset_zero(struct cpuset *set);
void cpuset_add(struct cpuset *set, int cpu); // out of range: a bug
void cpuset_remove(struct cpuset *set, int cpu);
bool cpuset_has(const struct cpuset *set, int cpu); // out of range: false
int cpuset_count(const struct cpuset *set);
bool cpuset_is_empty(const struct cpuset *set);
int cpuset_next(const struct cpuset *set, int after); // the first one > after, or -1
int cpuset_end(const struct cpuset *set); // one more than the last one; 0: empty
bool cpuset_equal(const struct cpuset *a, const struct cpuset *b);
bool cpuset_contains(const struct cpuset *set, const struct cpuset *part); // part is a subset
bool cpuset_meets(const struct cpuset *a, const struct cpuset *b);	      // share a CPU
void cpuset_or(struct cpuset *set, const struct cpuset *other);
void cpuset_and(struct cpuset *set, const struct cpuset *other);
void cpuset_minus(struct cpuset *set, const struct cpuset *other);

#define CPUSET_FOREACH(cpu, set) \
	for (int cpu = cpuset_next((set), -1); cpu >= 0; cpu = cpuset_next((set), cpu))

// Parses the kernel's list form, also with strides ("0-6:1/2", bitmap_parselist); blanks and a final
// newline are allowed, "" is the empty set. False leaves *set alone: not a list, or a number ≥ CPUSET_MAX.
bool cpuset_parse_list(struct cpuset *set, const char *text);

// The mask form: words of 32 bits in hexadecimal, the highest first: "00000000,0000000c" (Linux, lib/vsprintf.c,
// %*pb). A final newline is taken.
bool cpuset_parse_mask(struct cpuset *set, const char *text);

// Appends the list form; nothing for the empty set.
void cpuset_print_list(const struct cpuset *set, struct str *out);

// The list form on the heap, for messages; the caller frees.
char *cpuset_text(const struct cpuset *set);
