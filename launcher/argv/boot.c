// SPDX-License-Identifier: MIT
// The order in which firmware tries devices.
#include "launcher/argv/parts.h"

static const char *const kind_words[] = {
	[BOOT_DISK] = "disk", [BOOT_CDROM] = "cdrom", [BOOT_NET] = "net"
};

static int explicit_index(const struct profile *profile, enum boot_kind kind, size_t index)
{
	if (kind == BOOT_DISK)
		return profile->disks[index].boot_index;
	return kind == BOOT_CDROM ? profile->cdroms[index].boot_index : 0;
}

static size_t count_of(const struct profile *profile, enum boot_kind kind)
{
	if (kind == BOOT_DISK)
		return profile->n_disks;
	return kind == BOOT_CDROM ? profile->n_cdroms : profile->n_nets;
}

static int largest_explicit(const struct profile *profile)
{
	int largest = 0;

	for (enum boot_kind kind = BOOT_DISK; kind <= BOOT_CDROM; kind++) {
		for (size_t i = 0; i < count_of(profile, kind); i++) {
			int index = explicit_index(profile, kind, i);

			if (index > largest)
				largest = index;
		}
	}
	return largest;
}

// Position in the order; -1: not in it.
static int rank(const struct profile *profile, enum boot_kind kind)
{
	const struct strv *order = &profile->boot.order;

	if (!order->count)
		return kind == BOOT_NET ? -1 : (int)kind;
	for (size_t i = 0; i < order->count; i++) {
		if (str_eq(order->items[i], kind_words[kind]))
			return (int)i;
	}
	return -1;
}

int argv_boot_index(const struct profile *profile, enum boot_kind kind, size_t index)
{
	int own = explicit_index(profile, kind, index), at = rank(profile, kind), result;

	if (own || at < 0)
		return own;
	result = largest_explicit(profile) + 1;
	for (enum boot_kind other = BOOT_DISK; other <= BOOT_NET; other++) {
		int before = rank(profile, other);

		for (size_t i = 0; i < count_of(profile, other); i++) {
			if (explicit_index(profile, other, i) || before < 0)
				continue;
			result += before < at || (other == kind && i < index);
		}
	}
	return result;
}
