// SPDX-License-Identifier: MIT
// What reversibility costs: makes COUNT attributes below DIR (which must be empty), changes all of them through
// the journal, puts them back, and writes the same values bare. Prints microseconds for all COUNT together:
//
//   time-journal DIR COUNT	→ "apply N", "revert N", "bare N" (one write each)
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/journal.h"

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void write_bare(const char *path, const char *value, int flags)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | flags, 0644);

	if (fd < 0 || write(fd, value, 2) != 2)
		err(1, "%s", path);
}

static void write_all(const char *value, int count, int flags)
{
	for (int i = 0; i < count; i++) {
		AUTO_FREE char *path = mem_printf("sys/a%d", i);

		write_bare(path, value, flags);
	}
}

static void add_changes(struct change_list *list, int count)
{
	for (int i = 0; i < count; i++) {
		AUTO_FREE char *path = mem_printf("/sys/a%d", i);

		change_add(list, "set", path, "0", "1", "to see how long it takes");
	}
}

static void apply_all(struct journal *journal, struct journal_world *world, const struct change_list *list)
{
	struct err err = ERR_NONE;

	for (size_t i = 0; i < list->count; i++) {
		if (journal_apply(journal, world, &list->items[i], &err) < 0)
			errx(1, "%s", err.text);
	}
}

static void undo_all(struct journal *journal, struct journal_world *world)
{
	struct journal_report report = { 0 };

	if (journal_undo(journal, world, &report) < 0 || report.count)
		errx(1, "%s", report.count ? report.items[0].text : "the journal can't be undone");
	journal_report_finish(&report);
}

static void time_journal(int count)
{
	struct change_host host = CHANGE_HOST_CLOSED;
	struct journal journal = JOURNAL_CLOSED;
	struct journal_world world = { .host = &host };
	struct change_list list = { 0 };
	struct err err = ERR_NONE;
	int64_t began, applied, undone;
	AUTO_CLOSE int guest = open("runs/guest", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	world.runs = open("runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	world.lock = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (guest < 0 || change_host_open(&host, ".", &err) < 0 || journal_open(&journal, guest, &err) < 0)
		errx(1, "%s", err.text);
	add_changes(&list, count);
	began = now_us();
	apply_all(&journal, &world, &list);
	applied = now_us();
	undo_all(&journal, &world);
	undone = now_us();
	printf("apply %lld\nrevert %lld\n", (long long)(applied - began), (long long)(undone - applied));
	change_list_finish(&list);
	journal_finish(&journal);
	change_host_finish(&host);
	close(world.runs);
	close(world.lock);
}

int main(int argc, char **argv)
{
	int64_t began;
	int count;

	if (argc != 3 || !str_parse_int(argv[2], &count) || count < 1)
		errx(2, "usage: time-journal DIR COUNT");
	if (chdir(argv[1]) < 0 || mkdir("sys", 0755) < 0 || mkdir("runs", 0755) < 0 ||
	    mkdir("runs/guest", 0755) < 0)
		err(1, "%s", argv[1]);
	write_all("0\n", count, O_CREAT);
	time_journal(count);
	began = now_us();
	write_all("1\n", count, 0);
	printf("bare %lld\n", (long long)(now_us() - began));
	return 0;
}
