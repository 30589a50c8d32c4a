// SPDX-License-Identifier: MIT
#include "tune/scope.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/scope.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOVE_MS = 5000, POLL_MS = 10, TABLE_MAX = 64 << 10 };

// sd_booted(3)
#define SYSTEMD "/run/systemd/system"

bool scope_is_in(const char *part)
{
	AUTO_STR struct str text = { 0 };

	return io_read_file(AT_FDCWD, "/proc/self/cgroup", &text, TABLE_MAX, NULL) == 0 &&
	       strstr(str_text(&text), part);
}

// The job that makes the scope is done a moment after it was accepted.
static int wait_until_in(const char *scope, struct err *err)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	long long until = io_now_ms() + MOVE_MS;

	while (!scope_is_in(scope)) {
		if (io_now_ms() >= until)
			return err_set(err, -ETIMEDOUT, "systemd has accepted %s, and this process is not in it",
				       scope);
		nanosleep(&pause, NULL);
	}
	return 0;
}

int scope_leave_session(const char *name, struct err *err)
{
	// no guest is called that: the other scope, of its partition, is vfiorun-NAME.scope
	AUTO_FREE char *scope = mem_printf("vfiorun-keeper:%s.scope", name);
	int r = 0;

	if (access(SYSTEMD, F_OK) < 0)
		return 0;
	if (!scope_is_in(scope))
		r = scope_start_plain(scope, getpid(), err);
	return r < 0 ? r : wait_until_in(scope, err);
}
