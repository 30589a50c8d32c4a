// SPDX-License-Identifier: MIT
// irqbalance, which may be started anew, or only now, while a guest runs: each is told the same, and the journal is
// about the one that is there. Nobody asks for it: it is noticed, and looked after until it has taken in what it was
// told.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"
#include "tune/change/irqbalance.h"
#include "tune/change/mask.h"
#include "tune/change/names.h"

#include <sys/epoll.h>
#include <sys/inotify.h>

enum {
	LISTENS_MS = 250,   // after its socket came
	SCANNED_MS = 12000, // what it says of CPUs is as of ten seconds ago at most
};

static bool is_standing(const struct journal_record *record)
{
	return !record->done && str_eq(record->kind, "mask") && irqbalance_owns(record->change.path);
}

// What another one than this was told; NULL: nothing that stands.
static const char *find_other(const struct keeper *keeper, const char *socket)
{
	for (size_t i = keeper->journal.count; i-- > 0;) {
		const struct journal_record *record = &keeper->journal.records[i];

		if (is_standing(record) && !(socket && str_starts(record->change.path, socket)))
			return record->change.path;
	}
	return NULL;
}

static int undo_told(struct keeper *keeper, const char *path)
{
	struct journal_report report;
	int r = journal_undo_one(&keeper->journal, &keeper->world, "mask", path, &report);

	journal_report_finish(&report);
	return r;
}

// What a dead one was told went with it.
static void settle_others(struct keeper *keeper, const char *socket)
{
	const char *path;
	int r = 0;

	while (r == 0 && (path = find_other(keeper, socket))) {
		AUTO_FREE char *copy = mem_dup(path);

		r = undo_told(keeper, copy);
	}
}

static int tell(struct keeper *keeper, const char *path, const char *numbers, const char *why, struct err *err)
{
	AUTO_FREE char *want = mem_printf("without %s", numbers);
	const struct change change = { .kind = "mask", .path = (char *)path, .want = want, .why = (char *)why };

	return journal_apply(&keeper->journal, &keeper->world, &change, err);
}

static bool tell_cpus(struct keeper *keeper)
{
	struct err err = ERR_NONE;

	if (tell(keeper, keeper->balancer.socket, keeper->state.plan->isolation.cpus,
		 "irqbalance was started, and would move interrupts back there", &err) == 0) {
		log_info("irqbalance was started, and is told of the vCPUs' CPUs");
		return true;
	}
	log_warning("irqbalance was started, and may move interrupts to the vCPUs' CPUs: %s", err.text);
	return false;
}

// Two keepers that tell it their CPUs before it looks at either leave it with what the second said: whoever is left out
// says it again. Returns whether there is nothing more to see to.
static bool see_to_cpus(struct keeper *keeper)
{
	struct keeper_balancer *b = &keeper->balancer;
	struct cpuset ours, allowed;
	int r = irqbalance_read(&keeper->host, b->socket, &allowed);

	if (!cpuset_parse_list(&ours, keeper->state.plan->isolation.cpus))
		return true;
	// its socket is there before it listens
	if (r == -ECONNREFUSED || r == -ENOENT)
		return false;
	if (!journal_find(&keeper->journal, "mask", b->socket)) {
		b->told_at = io_now_ms();
		return !tell_cpus(keeper);
	}
	if (r < 0 || !cpuset_meets(&allowed, &ours))
		return true;
	if (!b->told_at)
		b->told_at = io_now_ms();
	if (io_now_ms() - b->told_at < SCANNED_MS)
		return false;
	log_info("irqbalance is told of the vCPUs' CPUs again");
	b->told_at = io_now_ms();
	cpuset_minus(&allowed, &ours);
	return irqbalance_write(&keeper->host, b->socket, &allowed, false) < 0;
}

bool keeper_check_irqbalance(struct keeper *keeper)
{
	struct keeper_balancer *b = &keeper->balancer;
	AUTO_FREE char *socket = NULL;

	if (b->source.fd < 0)
		return false;
	// first the watch: who comes after the look is noticed
	irqbalance_watch(&keeper->host, b->source.fd, &b->above);
	socket = irqbalance_find(&keeper->host);
	settle_others(keeper, socket);
	if (!socket || !str_eq(socket, b->socket)) {
		free(b->socket);
		b->socket = take(socket);
		b->told_at = 0;
		b->settled = b->unheard = false;
	}
	if (b->socket && !b->settled)
		b->settled = see_to_cpus(keeper);
	return b->socket && !b->settled;
}

static void stirred(void *context, uint32_t events)
{
	struct keeper *keeper = context;

	(void)events;
	if (irqbalance_stirred(keeper->balancer.source.fd))
		keeper_rescan_soon(keeper, LISTENS_MS);
}

void keeper_watch_irqbalance(struct keeper *keeper)
{
	struct keeper_balancer *b = &keeper->balancer;

	if (!keeper->state.plan->isolation.steer || b->source.fd >= 0)
		return;
	b->source = (struct loop_source){ inotify_init1(IN_CLOEXEC | IN_NONBLOCK), stirred, keeper };
	if (b->source.fd < 0 || loop_add(&keeper->loop, &b->source, EPOLLIN) < 0)
		log_info("an irqbalance that is started later will not be noticed: inotify: %m");
}

// Those of which the journal says that irqbalance was told.
static struct cpuset list_told(const struct keeper *keeper, const char *path)
{
	struct cpuset told = { 0 }, irqs, instead;

	for (size_t i = 0; i < keeper->journal.count; i++) {
		const struct journal_record *record = &keeper->journal.records[i];

		if (is_standing(record) && str_eq(record->change.path, path) &&
		    mask_parse_wanted(record->change.want, &irqs, &instead))
			cpuset_or(&told, &irqs);
	}
	return told;
}

// A number that a device has given back may be another one's by now.
static int balance_again(struct keeper *keeper, const char *path)
{
	int r = 0;

	while (r == 0 && journal_find(&keeper->journal, "mask", path))
		r = undo_told(keeper, path);
	return r;
}

// irqbalance knows that nothing belongs on the vCPUs' CPUs, and would move from there what we put there.
void keeper_keep_from_irqbalance(struct keeper *keeper, const struct cpuset *irqs)
{
	struct keeper_balancer *b = &keeper->balancer;
	AUTO_FREE char *path = NULL, *list = NULL;
	struct cpuset told, fresh = *irqs;
	struct err err = ERR_NONE;

	// before it was told of CPUs it does not listen
	if (!b->socket || b->unheard || !journal_find(&keeper->journal, "mask", b->socket))
		return;
	path = change_name_balanced(b->socket);
	told = list_told(keeper, path);
	if (!cpuset_contains(irqs, &told) && balance_again(keeper, path) == 0)
		cpuset_zero(&told);
	cpuset_minus(&fresh, &told);
	list = cpuset_text(&fresh);
	if (cpuset_is_empty(&fresh) ||
	    tell(keeper, path, list, "irqbalance would move a passed device's interrupts", &err) == 0)
		return;
	b->unheard = true;
	log_warning("irqbalance may move the interrupts of passed devices off the vCPUs' CPUs: %s", err.text);
}
