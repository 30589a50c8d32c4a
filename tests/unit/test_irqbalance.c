// SPDX-License-Identifier: MIT
// What irqbalance is told over its socket, by a stand-in that reads it as irqbalance 1.9 does (irqbalance.c,
// sock_handle): whole lists, each in place of the one before; interrupts at once, CPUs with its next scan.
#include "tune/change/change.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/fakehost.h"
#include "tests/unit/tree.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SOCKET "/run/irqbalance/irqbalance77.sock"
#define IRQS   SOCKET "/irqs"

enum { WORDS_MAX = 500, SCAN_AFTER = 2 };

// Shared with the stand-in's process.
struct irqbalance {
	char irqs[256];		      // "35 36", as it would list them
	char cpus[64], new_cpus[64];  // a list; what the next scan makes of it
	int questions;		      // until that scan
	int words;		      // settings that came
};

static struct fakehost fake;
static struct fakeguest a, b;
static struct irqbalance *irqbalance;
static pid_t stand_in;

static void take_words(const char *words)
{
	if (str_starts(words, "settings ban irqs NONE"))
		*irqbalance->irqs = '\0';
	else if (str_starts(words, "settings ban irqs "))
		snprintf(irqbalance->irqs, sizeof(irqbalance->irqs), "%.255s", words + strlen("settings ban irqs "));
	else if (str_starts(words, "settings cpus "))
		snprintf(irqbalance->new_cpus, sizeof(irqbalance->new_cpus), "%.63s",
			 str_starts(words, "settings cpus NULL") ? "" : words + strlen("settings cpus "));
	else
		_exit(1);
	irqbalance->questions = 0;
	irqbalance->words++;
}

static void print_setup(struct str *out)
{
	AUTO_STRV struct strv irqs = { 0 };
	struct cpuset cpus;
	uint64_t mask = 0;

	if (++irqbalance->questions >= SCAN_AFTER)
		memcpy(irqbalance->cpus, irqbalance->new_cpus, sizeof(irqbalance->cpus));
	strv_split(&irqs, irqbalance->irqs, " ");
	str_add(out, "SLEEP 10 ");
	for (size_t i = 0; i < irqs.count; i++)
		str_addf(out, "IRQ %s LOAD 0 DIFF 0 CLASS 0 ", irqs.items[i]);
	if (cpuset_parse_list(&cpus, irqbalance->cpus))
		mask = cpus.bits[0];
	str_addf(out, "BANNED 00000000,%08x", (uint32_t)mask);
}

// As the real one: nothing without credentials, one question a connection.
static void answer(int connection)
{
	AUTO_STR struct str setup = { 0 };
	char words[WORDS_MAX + 1] = "", control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec part = { words, WORDS_MAX };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	const struct cmsghdr *header;

	if (recvmsg(connection, &message, 0) <= 0)
		return;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_CREDENTIALS)
		_exit(1);
	if (!str_starts(words, "setup")) {
		take_words(words);
		return;
	}
	print_setup(&setup);
	if (send(connection, setup.text, setup.len, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void serve(int listening)
{
	for (;;) {
		AUTO_CLOSE int connection = accept(listening, NULL, NULL);

		if (connection < 0)
			_exit(1);
		answer(connection);
	}
}

static int start_stand_in(void)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int yes = 1;

	assert_int_equal(tree_add(fake.tree, "run/irqbalance/\n"), 0);
	assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s" SOCKET, fake.tree) <
		    (int)sizeof(address.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes));
	assert_int_equal(listen(fd, 1), 0);
	stand_in = fork();
	if (stand_in == 0)
		serve(fd);
	return 0;
}

static void end_stand_in(void)
{
	if (stand_in > 0) {
		kill(stand_in, SIGKILL);
		waitpid(stand_in, NULL, 0);
	}
	stand_in = 0;
}

static int setup(void **state)
{
	(void)state;
	irqbalance = mmap(NULL, sizeof(*irqbalance), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(irqbalance, MAP_FAILED);
	fakehost_make(&fake);
	fakeguest_open(&a, &fake, "a");
	fakeguest_open(&b, &fake, "b");
	return start_stand_in();
}

static int teardown(void **state)
{
	(void)state;
	end_stand_in();
	fakeguest_close(&a);
	fakeguest_close(&b);
	fakehost_remove(&fake);
	munmap(irqbalance, sizeof(*irqbalance));
	return 0;
}

static int try_apply(struct fakeguest *guest, const char *path, const char *want, struct err *err)
{
	struct change_list list = { 0 };
	int r;

	change_add(&list, "mask", path, NULL, want, "a test");
	r = fakeguest_apply(guest, &list, err);
	change_list_finish(&list);
	return r;
}

static void apply(struct fakeguest *guest, const char *path, const char *want)
{
	struct err err = ERR_NONE;

	if (try_apply(guest, path, want, &err) < 0)
		fail_msg("%s", err.text);
}

static void undo(struct fakeguest *guest)
{
	struct journal_report report;

	assert_int_equal(journal_undo(&guest->journal, &guest->world, &report), 0);
	if (report.count)
		fail_msg("%s", report.items[0].text);
	journal_report_finish(&report);
}

static void test_interrupts_and_back(void **state)
{
	(void)state;
	apply(&a, IRQS, "without 35");
	assert_string_equal(irqbalance->irqs, "35");
	apply(&a, IRQS, "without 37-38");
	assert_string_equal(irqbalance->irqs, "35 37 38");
	undo(&a);
	assert_string_equal(irqbalance->irqs, "");
}

static void test_somebody_elses_interrupts_stay(void **state)
{
	(void)state;
	snprintf(irqbalance->irqs, sizeof(irqbalance->irqs), "9 36");
	apply(&a, IRQS, "without 35-36");
	assert_string_equal(irqbalance->irqs, "9 35 36");
	undo(&a);
	assert_string_equal(irqbalance->irqs, "9 36");
}

static void test_interrupts_of_two_guests(void **state)
{
	(void)state;
	apply(&a, IRQS, "without 35");
	apply(&b, IRQS, "without 36");
	assert_string_equal(irqbalance->irqs, "35 36");
	undo(&a);
	assert_string_equal(irqbalance->irqs, "36");
	undo(&b);
	assert_string_equal(irqbalance->irqs, "");
}

static void test_whoever_takes_them_back(void **state)
{
	int words;

	(void)state;
	apply(&a, IRQS, "without 35");
	irqbalance->irqs[0] = '\0';
	words = irqbalance->words;
	undo(&a);
	assert_int_equal(irqbalance->words, words); // there was nothing to do
}

// Cut, it would be another interrupt's number.
static void test_more_than_it_takes_is_not_said(void **state)
{
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(try_apply(&a, IRQS, "without 100-199", &err), -E2BIG);
	assert_non_null(strstr(err.text, "taking interrupts in or out of"));
	assert_int_equal(irqbalance->words, 0);
	undo(&a);
	assert_string_equal(irqbalance->irqs, "");
}

static void test_its_death_leaves_nothing_to_undo(void **state)
{
	(void)state;
	apply(&a, IRQS, "without 35");
	apply(&a, SOCKET, "without 2-3");
	end_stand_in();
	undo(&a);
}

// The undo waits for the scan, so that the next guest finds what this one left.
static void test_cpus_and_back(void **state)
{
	(void)state;
	snprintf(irqbalance->cpus, sizeof(irqbalance->cpus), "5");
	snprintf(irqbalance->new_cpus, sizeof(irqbalance->new_cpus), "5");
	apply(&a, SOCKET, "without 2-3");
	assert_string_equal(irqbalance->new_cpus, "2-3,5");
	apply(&a, IRQS, "without 35");
	undo(&a);
	assert_string_equal(irqbalance->cpus, "5");
	assert_string_equal(irqbalance->irqs, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_interrupts_and_back),
		TEST(test_somebody_elses_interrupts_stay),
		TEST(test_interrupts_of_two_guests),
		TEST(test_whoever_takes_them_back),
		TEST(test_more_than_it_takes_is_not_said),
		TEST(test_its_death_leaves_nothing_to_undo),
		TEST(test_cpus_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
