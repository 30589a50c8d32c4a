// SPDX-License-Identifier: MIT
#include "base/log.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// What log_message puts on stderr.
static void expect_shown(const char *text, const char *shown)
{
	AUTO_CLOSE int kept = dup(STDERR_FILENO);
	int ends[2];
	char line[256] = "";

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	errno = EXDEV;
	log_message(LOG_LEVEL_WARNING, "%s", text);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	(void)!read(ends[0], line, sizeof(line) - 1);
	close(ends[0]);
	assert_string_equal(line, shown);
}

static void no_word_commands_the_terminal(void **state)
{
	(void)state;
	expect_shown("QEMU: \033]0;owned\a\033[2Jx\r\x7f", "vfiorun: warning: QEMU: ?]0;owned??[2Jx??\n");
	expect_shown("Gerät\n\tzwei", "vfiorun: warning: Gerät\n\tzwei\n");
	expect_shown("", "vfiorun: warning: \n");
}

static void what_is_not_asked_for_is_not_shown(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_ERROR, false);
	expect_shown("x", "");
	log_setup(LOG_LEVEL_NOTICE, true);
	expect_shown("x", "vfiorun: \033[33mwarning: \033[0mx\n");
	log_setup(LOG_LEVEL_NOTICE, false);
	log_set_raw_terminal(true);
	expect_shown("x", "vfiorun: warning: x\r\n");
	log_set_raw_terminal(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_word_commands_the_terminal),
		cmocka_unit_test(what_is_not_asked_for_is_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
