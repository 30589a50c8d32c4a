// SPDX-License-Identifier: MIT
#include "base/cpuset.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

enum { WORDS = CPUSET_MAX / 64 };

void cpuset_zero(struct cpuset *set)
{
	memset(set, 0, sizeof(*set));
}

void cpuset_add(struct cpuset *set, int cpu)
{
	assert(cpu >= 0 && cpu < CPUSET_MAX);
	set->bits[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

void cpuset_remove(struct cpuset *set, int cpu)
{
	assert(cpu >= 0 && cpu < CPUSET_MAX);
	set->bits[cpu / 64] &= ~(UINT64_C(1) << cpu % 64);
}

bool cpuset_has(const struct cpuset *set, int cpu)
{
	return cpu >= 0 && cpu < CPUSET_MAX && set->bits[cpu / 64] >> cpu % 64 & 1;
}

int cpuset_count(const struct cpuset *set)
{
	int n = 0;

	for (int i = 0; i < WORDS; i++)
		n += __builtin_popcountll(set->bits[i]);
	return n;
}

bool cpuset_is_empty(const struct cpuset *set)
{
	return cpuset_next(set, -1) < 0;
}

int cpuset_next(const struct cpuset *set, int after)
{
	int start = after + 1;

	for (int i = start / 64; i < WORDS; i++) {
		uint64_t word = set->bits[i];

		if (i == start / 64)
			word &= ~UINT64_C(0) << start % 64;
		if (word)
			return i * 64 + __builtin_ctzll(word);
	}
	return -1;
}

int cpuset_end(const struct cpuset *set)
{
	for (int i = WORDS - 1; i >= 0; i--) {
		if (set->bits[i])
			return i * 64 + 64 - __builtin_clzll(set->bits[i]);
	}
	return 0;
}

bool cpuset_equal(const struct cpuset *a, const struct cpuset *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool cpuset_contains(const struct cpuset *set, const struct cpuset *part)
{
	for (int i = 0; i < WORDS; i++) {
		if (part->bits[i] & ~set->bits[i])
			return false;
	}
	return true;
}

bool cpuset_meets(const struct cpuset *a, const struct cpuset *b)
{
	for (int i = 0; i < WORDS; i++) {
		if (a->bits[i] & b->bits[i])
			return true;
	}
	return false;
}

void cpuset_or(struct cpuset *set, const struct cpuset *other)
{
	for (int i = 0; i < WORDS; i++)
		set->bits[i] |= other->bits[i];
}

void cpuset_and(struct cpuset *set, const struct cpuset *other)
{
	for (int i = 0; i < WORDS; i++)
		set->bits[i] &= other->bits[i];
}

void cpuset_minus(struct cpuset *set, const struct cpuset *other)
{
	for (int i = 0; i < WORDS; i++)
		set->bits[i] &= ~other->bits[i];
}

static bool parse_number(const char **at, int *out)
{
	int value = 0;

	if (!isdigit((unsigned char)**at))
		return false;
	for (; isdigit((unsigned char)**at); (*at)++) {
		value = value * 10 + (**at - '0');
		if (value >= CPUSET_MAX)
			return false;
	}
	*out = value;
	return true;
}

// One "N", "N-M" or "N-M:used/group".
static bool parse_range(const char **at, struct cpuset *set)
{
	int first, last, used = 1, group = 1;

	if (!parse_number(at, &first))
		return false;
	last = first;
	if (**at == '-') {
		(*at)++;
		if (!parse_number(at, &last) || last < first)
			return false;
		if (**at == ':') {
			(*at)++;
			if (!parse_number(at, &used) || *(*at)++ != '/' ||
			    !parse_number(at, &group) || !group || used > group)
				return false;
		}
	}
	for (int cpu = first; cpu <= last; cpu++) {
		if ((cpu - first) % group < used)
			cpuset_add(set, cpu);
	}
	return true;
}

static void skip_blanks(const char **at)
{
	*at += strspn(*at, " \t\r\n");
}

bool cpuset_parse_list(struct cpuset *set, const char *text)
{
	struct cpuset parsed = { 0 };

	skip_blanks(&text);
	while (*text) {
		if (!parse_range(&text, &parsed))
			return false;
		skip_blanks(&text);
		if (*text == ',') {
			text++;
			skip_blanks(&text);
			if (!*text)
				return false;
		} else if (*text) {
			return false;
		}
	}
	*set = parsed;
	return true;
}

bool cpuset_parse_mask(struct cpuset *set, const char *text)
{
	AUTO_STRV struct strv words = { 0 };
	uint64_t word;

	cpuset_zero(set);
	strv_split(&words, text, ",");
	for (size_t i = 0; i < words.count; i++) {
		size_t place = words.count - 1 - i;

		if (!str_parse_hex(str_strip(words.items[i]), &word) || word > UINT32_MAX ||
		    (word && place >= CPUSET_MAX / 32))
			return false;
		if (word)
			set->bits[place / 2] |= word << (place % 2 * 32);
	}
	return words.count > 0;
}

void cpuset_print_list(const struct cpuset *set, struct str *out)
{
	const char *comma = "";

	for (int first = cpuset_next(set, -1); first >= 0;) {
		int last = first;

		while (cpuset_has(set, last + 1))
			last++;
		str_addf(out, last > first ? "%s%d-%d" : "%s%d", comma, first, last);
		comma = ",";
		first = cpuset_next(set, last);
	}
}

char *cpuset_text(const struct cpuset *set)
{
	struct str s = { 0 };

	cpuset_print_list(set, &s);
	return str_take(&s);
}
