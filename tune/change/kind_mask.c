// SPDX-License-Identifier: MIT
// The kind `mask`: CPUs taken out of a mask that others share: an interrupt's, the workqueues', or irqbalance's; or
// interrupts, which are numbers as well, out of those that irqbalance moves.
// Only these CPUs are looked at, and only these are put back, so that guests come and go in any order and
// somebody else's changes to the rest stay.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/irqbalance.h"
#include "tune/change/mask.h"

#include <string.h>

static const char gone[] = "gone";

bool mask_parse_wanted(const char *want, struct cpuset *out, struct cpuset *instead)
{
	static const char prefix[] = "without ";
	const char *rest = strstr(want, " else ");
	AUTO_FREE char *list = NULL;

	cpuset_zero(instead);
	if (!str_starts(want, prefix))
		return false;
	want += strlen(prefix);
	list = mem_dupn(want, rest ? (size_t)(rest - want) : strlen(want));
	return cpuset_parse_list(out, list) && !cpuset_is_empty(out) &&
	       (!rest || cpuset_parse_list(instead, rest + strlen(" else ")));
}

bool mask_parse_found(const char *value, struct cpuset *present)
{
	cpuset_zero(present);
	if (str_starts(value, "with "))
		return cpuset_parse_list(present, value + strlen("with "));
	if (str_starts(value, "only "))
		return cpuset_parse_list(present, value + strlen("only "));
	return str_starts(value, "without ");
}

char *mask_print_found(const char *like, const struct cpuset *present, const struct cpuset *all)
{
	AUTO_FREE char *list = cpuset_text(cpuset_is_empty(present) ? all : present);

	if (cpuset_is_empty(present))
		return mem_printf("without %s", list);
	return mem_printf("%s %s", str_starts(like, "only ") ? "only" : "with", list);
}

void mask_print_hex(const struct cpuset *cpus, struct str *out)
{
	int highest = 0;

	CPUSET_FOREACH(cpu, cpus)
		highest = cpu;
	for (int place = highest / 32; place >= 0; place--)
		str_addf(out, place == highest / 32 ? "%x" : ",%08x",
			 (uint32_t)(cpus->bits[place / 2] >> (place % 2 * 32)));
}

static bool is_list(const char *path)
{
	return str_ends(path, "_list");
}

static int read_mask(struct change_host *host, const char *path, struct cpuset *out)
{
	AUTO_FREE char *line = NULL;
	int r;

	if (irqbalance_owns(path))
		return irqbalance_read(host, path, out);
	r = change_read_line(host, path, &line);
	if (r < 0)
		return r;
	return (is_list(path) ? cpuset_parse_list(out, line) : cpuset_parse_mask(out, line)) ? 0 : -EINVAL;
}

// irqbalance takes its words of CPUs late. Nothing waits for it at a start; but at an end the next guest must find
// what this one left, or its answer would bring our CPUs back under the ban.
static int tell_irqbalance(struct change_host *host, const char *path, const struct cpuset *cpus, const char *value)
{
	struct change_held *told = change_held_find(host, &change_kind_mask, path);
	int r = irqbalance_write(host, path, cpus, !str_starts(value, "without "));

	if (told)
		change_held_drop(host, told);
	if (r == 0)
		change_held_add(host, &change_kind_mask, path, mem_dup(value), -1);
	return r;
}

// What it was told last, as far as we know; before anything is recorded, what it says.
static char *recall_irqbalance(struct change_host *host, const struct change *change, const struct cpuset *ours)
{
	const struct change_held *told = change_held_find(host, &change_kind_mask, change->path);
	const struct cpuset none = { 0 };

	if (told)
		return mem_dup(told->value);
	return change->was ? mask_print_found("with ", &none, ours) : NULL;
}

static int write_mask(struct change_host *host, const char *path, const struct cpuset *cpus, const char *value)
{
	AUTO_STR struct str text = { 0 };

	if (irqbalance_is_late(path))
		return tell_irqbalance(host, path, cpus, value);
	if (irqbalance_owns(path))
		return irqbalance_write(host, path, cpus, false);
	if (is_list(path))
		cpuset_print_list(cpus, &text);
	else
		mask_print_hex(cpus, &text);
	return change_write_line(host, path, str_text(&text));
}

static int mask_read(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	struct cpuset ours, instead, mask, present;
	int r;

	*value = NULL;
	if (!mask_parse_wanted(change->want, &ours, &instead))
		return err_set(err, -EINVAL, "%s: not CPUs to take out: %s", change->path, change->want);
	// once recorded, it is about those that were there, less those that another guest puts back
	if (change->was && mask_parse_found(change->was, &present)) {
		if (cpuset_is_empty(&present)) {
			*value = mem_dup(change->was);
			return 0;
		}
		ours = present;
	}
	r = read_mask(host, change->path, &mask);
	// an interrupt, or irqbalance, that has ended meanwhile
	if (r == -ENOENT || r == -ECONNREFUSED) {
		*value = mem_dup(gone);
		return 0;
	}
	if (r < 0)
		return err_sys(err, r, "reading %s", change->path);
	if (irqbalance_is_late(change->path))
		*value = recall_irqbalance(host, change, &ours);
	if (*value)
		return 0;
	present = mask;
	cpuset_and(&present, &ours);
	// it had no other CPU, and somebody gave it one that is none of our stand-ins
	if (change->was && str_starts(change->was, "only ") && cpuset_is_empty(&present) &&
	    !cpuset_contains(&instead, &mask)) {
		AUTO_FREE char *list = cpuset_text(&mask);

		*value = mem_printf("other %s", list);
		return 0;
	}
	*value = mask_print_found(!cpuset_is_empty(&mask) && cpuset_contains(&ours, &mask) ? "only " : "with ",
				  &present, &ours);
	return 0;
}

static const char *what_in(const char *path)
{
	return irqbalance_owns(path) && !irqbalance_is_late(path) ? "interrupts" : "CPUs";
}

static int mask_write(struct change_host *host, const struct change *change, const char *value,
		      struct err *err)
{
	struct cpuset ours, instead, mask, back;
	int r;

	if (!value || !mask_parse_wanted(change->want, &ours, &instead) || !mask_parse_found(value, &back))
		return err_set(err, -EINVAL, "%s: not CPUs: %s", change->path, value ?: "nothing");
	r = read_mask(host, change->path, &mask);
	if (r == 0) {
		if (cpuset_is_empty(&back))
			cpuset_minus(&mask, &ours);
		if (cpuset_is_empty(&mask))
			mask = instead;
		// what stood in for them goes when they come back
		if (str_starts(value, "only "))
			cpuset_minus(&mask, &instead);
		cpuset_or(&mask, &back);
		r = write_mask(host, change->path, &mask, value);
	}
	if (r == -EIO)
		return err_set(err, r, "%s can't be changed: its driver spreads these interrupts itself, and "
				       "one on such a CPU comes only for what that CPU began", change->path);
	return r < 0 ? err_sys(err, r, "taking %s in or out of %s", what_in(change->path), change->path) : 0;
}

static bool mask_equal(const char *a, const char *b)
{
	struct cpuset in_a, in_b;

	return strcmp(a, gone) == 0 || strcmp(b, gone) == 0 ||
	       (mask_parse_found(a, &in_a) && mask_parse_found(b, &in_b) && cpuset_equal(&in_a, &in_b));
}

static bool mask_answers(const char *got, const char *want)
{
	struct cpuset present, ours, instead;

	if (strcmp(got, gone) == 0)
		return true;
	return mask_parse_found(got, &present) && mask_parse_wanted(want, &ours, &instead) && cpuset_is_empty(&present);
}

static void mask_remedy(const struct change *change, struct str *out)
{
	struct cpuset present;
	AUTO_FREE char *list = NULL;

	if (!change->was || !mask_parse_found(change->was, &present))
		cpuset_zero(&present);
	list = cpuset_text(&present);
	str_addf(out, "add the %s %s to ", what_in(change->path), *list ? list : "that are missing");
	change_quote(change->path, out);
}

static const char *const places[] = { "/proc/irq/", "/sys/devices/virtual/workqueue/", "/run/irqbalance/", NULL };

const struct change_kind change_kind_mask = {
	.name = "mask",
	.help = "CPUs are taken out of a mask that others share, and only these put back",
	.places = places,
	.read = mask_read,
	.write = mask_write,
	.equal = mask_equal,
	.answers = mask_answers,
	.remedy = mask_remedy,
	.divides = true,
	.survives_us = true,
	.one_file = true,
};
