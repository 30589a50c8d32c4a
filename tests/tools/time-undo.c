// SPDX-License-Identifier: MIT
// What undoing costs on a real host, against the same writes alone:
//
//   time-undo DIR <CHANGES
//
// makes the changes that stdin lists, a line each of KIND, PATH and WANT between tabs, through a journal below DIR
// and undoes them; makes them once more, and then only writes each old value, newest first. Prints microseconds:
// "undo N" and "bare N".
//
//   time-undo --each DIR
//
// reads the changes up to an empty line; then, for each further line of stdin, makes and undoes them all and prints
// how long both took, "both N". Changes the machine while it runs: for the lab.
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/journal.h"

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct guest {
	struct change_host host;
	struct journal journal;
	struct journal_world world;
};

static long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void read_changes(struct change_list *list)
{
	char line[4096];

	while (fgets(line, sizeof(line), stdin) && *line != '\n') {
		AUTO_STRV struct strv fields = { 0 };
		const struct change_kind *kind;

		strv_split(&fields, line, "\t\n");
		kind = fields.count == 3 ? change_kind_find(fields.items[0]) : NULL;
		if (!kind)
			errx(2, "not KIND, PATH and WANT: %s", line);
		change_add(list, kind->name, fields.items[1], NULL, fields.items[2], "to see how long it takes");
	}
}

static void begin(struct guest *guest, const char *name)
{
	AUTO_FREE char *path = mem_printf("runs/%s", name);
	AUTO_CLOSE int dir = -1;
	struct err failure = ERR_NONE;

	*guest = (struct guest){ .journal = JOURNAL_CLOSED };
	if (mkdir(path, 0755) < 0 || (dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		err(1, "%s", path);
	if (change_host_open(&guest->host, "/", &failure) < 0 || journal_open(&guest->journal, dir, &failure) < 0)
		errx(1, "%s", failure.text);
	guest->world = (struct journal_world){ .host = &guest->host,
					       .lock = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600),
					       .runs = open("runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
}

static void undo(struct guest *guest)
{
	struct journal_report report = { 0 };

	if (journal_undo(&guest->journal, &guest->world, &report) < 0 || report.count)
		errx(1, "%s", report.count ? report.items[0].text : "the journal can't be undone");
	journal_report_finish(&report);
}

static void apply(struct guest *guest, const struct change_list *list)
{
	struct err err = ERR_NONE;

	for (size_t i = 0; i < list->count; i++) {
		if (journal_apply(&guest->journal, &guest->world, &list->items[i], &err) < 0) {
			warnx("%s", err.text);
			undo(guest);
			exit(1);
		}
	}
	change_host_rest(&guest->host);
}

// What was only noted is written, too: undoing gives it back.
static void write_bare(struct guest *guest)
{
	for (size_t i = guest->journal.count; i-- > 0;) {
		const struct change *change = &guest->journal.records[i].change;
		struct err err = ERR_NONE;

		if (!str_eq(change->want, "kept") &&
		    change_equal(change_kind_find(change->kind), change->was, change->got))
			continue;
		if (change_kind_find(change->kind)->write(&guest->host, change, change->was, &err) < 0)
			errx(1, "%s", err.text);
	}
}

static void time_each(const struct change_list *list)
{
	struct guest guest;
	char line[64];

	begin(&guest, "each");
	while (fgets(line, sizeof(line), stdin)) {
		long long began = now_us();

		apply(&guest, list);
		undo(&guest);
		printf("both %lld\n", now_us() - began);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	bool each = argc == 3 && str_eq(argv[1], "--each");
	struct change_list list = { 0 };
	struct guest first, second;
	long long began;

	if (argc != 2 && !each)
		errx(2, "usage: time-undo [--each] DIR <CHANGES");
	argv += each;
	mem_populate_program(); // as vfiorun does when it starts
	read_changes(&list);
	if (chdir(argv[1]) < 0 || (mkdir("runs", 0755) < 0 && errno != EEXIST))
		err(1, "%s", argv[1]);
	if (each) {
		time_each(&list);
		return 0;
	}
	begin(&first, "first");
	apply(&first, &list);
	began = now_us();
	undo(&first);
	printf("undo %lld\n", now_us() - began);
	begin(&second, "second");
	apply(&second, &list);
	began = now_us();
	write_bare(&second);
	printf("bare %lld\n", now_us() - began);
	undo(&second); // gives affinities back that the kernel forgot over it
	return 0;
}
