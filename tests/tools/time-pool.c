// SPDX-License-Identifier: MIT
// What huge pages cost through the journal, against the same writes to the kernel alone:
//
//   time-pool DIR NODE PAGES ROUNDS	DIR: an empty one for the journal; needs root
//
// Each round makes PAGES of 2M more on the node and gives them back, three ways in turn: bare, through the
// journal, bare again (for A/A). Prints microseconds, "prepare-bare N", "prepare-journal N", "prepare-again N",
// "undo-bare N" and so on.
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/journal.h"

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char *pool;
static int pages;

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static int read_total(void)
{
	AUTO_CLOSE int fd = open(pool, O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		err(1, "%s", pool);
	return atoi(text);
}

static void write_total(int total)
{
	AUTO_CLOSE int fd = open(pool, O_WRONLY | O_CLOEXEC);
	AUTO_FREE char *text = mem_printf("%d\n", total);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "%s", pool);
}

static void tell(const char *what, const char *how, int64_t since)
{
	printf("%s-%s %lld\n", what, how, (long long)(now_us() - since));
}

static void do_bare(const char *how)
{
	int before = read_total();
	int64_t start = now_us();

	write_total(before + pages);
	tell("prepare", how, start);
	if (read_total() != before + pages)
		errx(1, "%d pages are more than this host gives", pages);
	start = now_us();
	write_total(before);
	tell("undo", how, start);
}

static void do_journal(int dir)
{
	AUTO_FREE char *want = mem_printf("+%d", pages);
	struct change_list list = { 0 };
	struct change_host host;
	struct journal journal;
	struct journal_world world = { .host = &host, .runs = dir };
	struct journal_report report;
	struct err err = ERR_NONE;
	int64_t start;

	world.lock = openat(dir, ".host", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (world.lock < 0 || change_host_open(&host, "/", &err) < 0 || journal_open(&journal, dir, &err) < 0)
		errx(1, "%s", err.text);
	change_add(&list, "pool", pool, NULL, want, "to see how long it takes");
	start = now_us();
	if (journal_apply(&journal, &world, &list.items[0], &err) < 0)
		errx(1, "%s", err.text);
	tell("prepare", "journal", start);
	start = now_us();
	if (journal_settle(&journal, &world, &report) != 0)
		errx(1, "the pool was not put back");
	tell("undo", "journal", start);
	journal_report_finish(&report);
	change_list_finish(&list);
	journal_finish(&journal);
	change_host_finish(&host);
	close(world.lock);
}

int main(int argc, char **argv)
{
	AUTO_CLOSE int dir = argc == 5 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int node, rounds;

	if (dir < 0 || !str_parse_int(argv[2], &node) || !str_parse_int(argv[3], &pages) ||
	    !str_parse_int(argv[4], &rounds))
		errx(2, "usage: time-pool DIR NODE PAGES ROUNDS");
	pool = mem_printf("/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages", node);
	for (int i = 0; i < rounds; i++) {
		do_bare("bare");
		do_journal(dir);
		do_bare("again");
	}
	free(pool);
	return 0;
}
