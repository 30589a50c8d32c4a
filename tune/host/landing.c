// SPDX-License-Identifier: MIT
#include "tune/host/landing.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SMAPS_MAX = 64 << 20, SAMPLES = 4096 };

// "7f2a40000000-7f2a44000000 rw-p 00000000 00:00 0 [NAME]". Code is never a guest's memory: QEMU's translated
// code may be as large.
static bool parse_header(const char *line, struct landing_range *range)
{
	char rights[5] = "";

	return sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &range->start, &range->end, rights) == 3 &&
	       rights[0] == 'r' && rights[2] != 'x' && range->end > range->start;
}

static bool is_header(const char *line)
{
	struct landing_range range = { 0 };
	char rights[5];

	return sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &range.start, &range.end, rights) == 3;
}

static void read_field(const char *line, struct landing *landing, struct landing_range *range)
{
	uint64_t *const page = &range->page, *const present = &range->present;
	const struct {
		const char *name;
		uint64_t *to, *also;
	} fields[] = {
		{ "Rss:", &landing->present, present },
		{ "AnonHugePages:", &landing->huge, NULL },
		{ "ShmemPmdMapped:", &landing->huge, NULL },
		{ "FilePmdMapped:", &landing->huge, NULL },
		// a pool's pages are in neither of the above
		{ "Shared_Hugetlb:", &landing->huge, present },
		{ "Private_Hugetlb:", &landing->huge, present },
		{ "Locked:", &landing->locked, NULL },
		{ "KernelPageSize:", page, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		uint64_t kib;

		if (!str_starts(line, fields[i].name) ||
		    sscanf(line + strlen(fields[i].name), " %" SCNu64, &kib) != 1)
			continue;
		*fields[i].to += kib << 10;
		if (fields[i].also)
			*fields[i].also += kib << 10;
		if (str_ends(fields[i].name, "_Hugetlb:"))
			landing->present += kib << 10;
	}
}

// The first size that is this range's and still looked for, or n.
static size_t find_size(const struct landing_range *range, const uint64_t *sizes, const bool *taken, size_t n)
{
	size_t i = 0;

	while (i < n && (taken[i] || range->end - range->start != sizes[i]))
		i++;
	return i;
}

size_t landing_parse(const char *smaps, const uint64_t *sizes, size_t n, struct landing *landing,
		     struct landing_range *found)
{
	AUTO_STRV struct strv lines = { 0 };
	AUTO_FREE bool *taken = mem_new(n + 1, sizeof(*taken));
	struct landing_range *range = NULL;
	size_t n_found = 0;

	*landing = (struct landing){ 0 };
	strv_split(&lines, smaps, "\n");
	for (size_t i = 0; i < lines.count; i++) {
		struct landing_range next = { 0 };
		size_t which;

		if (!is_header(lines.items[i])) {
			if (range)
				read_field(lines.items[i], landing, range);
			continue;
		}
		range = NULL;
		which = parse_header(lines.items[i], &next) ? find_size(&next, sizes, taken, n) : n;
		if (which == n)
			continue;
		taken[which] = true;
		landing->bytes += next.end - next.start;
		range = &found[n_found++];
		*range = next;
	}
	return n_found;
}

// Pages evenly spread over the mapping tell where the rest lies, too.
static int locate(pid_t pid, const struct landing_range *range, struct landing *landing, struct err *err)
{
	uint64_t size = range->end - range->start, page = range->page ?: 4096;
	uint64_t step = size / SAMPLES / page * page ?: page, n = size / step, there = 0;
	AUTO_FREE void **addresses = mem_new(n, sizeof(*addresses));
	AUTO_FREE int *nodes = mem_new(n, sizeof(*nodes));
	int r;

	for (uint64_t i = 0; i < n; i++)
		addresses[i] = (void *)(uintptr_t)(range->start + i * step);
	r = numa_locate(pid, n, addresses, nodes);
	if (r < 0)
		return err_sys(err, r, "asking on which nodes the memory lies");
	for (uint64_t i = 0; i < n; i++)
		there += nodes[i] >= 0 && nodes[i] < NUMA_NODES_MAX;
	for (uint64_t i = 0; i < n; i++) {
		if (nodes[i] >= 0 && nodes[i] < NUMA_NODES_MAX)
			landing->by_node[nodes[i]] += range->present / there;
	}
	return 0;
}

int landing_read(pid_t pid, const uint64_t *sizes, size_t n, struct landing *landing, struct err *err)
{
	AUTO_FREE struct landing_range *found = mem_new(n + 1, sizeof(*found));
	AUTO_STR struct str text = { 0 };
	char path[64];
	size_t n_found;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	r = io_read_file(AT_FDCWD, path, &text, SMAPS_MAX, err);
	if (r < 0)
		return r;
	n_found = landing_parse(str_text(&text), sizes, n, landing, found);
	for (size_t i = 0; r == 0 && i < n_found; i++)
		r = locate(pid, &found[i], landing, err);
	return r;
}
