// SPDX-License-Identifier: MIT
// Which of several guests shares the devices: the one whose keeper holds the lock .input beside the run
// directories. Asked for it, the holder gives it back; dead, the kernel does, and the next takes over.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/guest/listen.h"
#include "launcher/plan/plan.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	TAKE_OVER_MS = 200, // who was asked for comes first
	YIELD_MS = 2000,    // who gave it away wants it back only if nobody took it
};

static int open_lock(struct keeper *keeper)
{
	struct keeper_input *input = &keeper->input;

	if (input->lock < 0)
		input->lock = openat(keeper->dir->base, ".input", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return input->lock;
}

bool keeper_lock_take(struct keeper *keeper)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (!keeper->input.locked && open_lock(keeper) >= 0)
		keeper->input.locked = fcntl(keeper->input.lock, F_OFD_SETLK, &whole) == 0;
	if (keeper->input.locked)
		keeper->input.lock_at = 0;
	return keeper->input.locked;
}

void keeper_lock_give(struct keeper *keeper)
{
	struct keeper_input *input = &keeper->input;
	struct flock whole = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (!input->locked)
		return;
	input->locked = false;
	input->scan_at = 0;
	fcntl(input->lock, F_OFD_SETLK, &whole);
	// the others watch the file: an unlock alone tells nobody
	if (pwrite(input->lock, "\n", 1, 0) < 0)
		log_warning("telling other guests that the input is free: %m");
	input->lock_at = io_now_ms() + YIELD_MS;
}

// It may be free now. Whoever asked for it is first; the others give him a moment.
void keeper_lock_changed(struct keeper *keeper)
{
	struct keeper_input *input = &keeper->input;

	if (input->locked || input->channel < 0)
		return;
	if (input->wants)
		keeper_lock_retry(keeper);
	else if (!input->lock_at)
		input->lock_at = io_now_ms() + TAKE_OVER_MS;
}

void keeper_lock_retry(struct keeper *keeper)
{
	struct keeper_input *input = &keeper->input;

	input->lock_at = 0;
	if (input->locked || input->channel < 0 || !keeper_lock_take(keeper))
		return;
	input->scans = 0;
	keeper_devices_scan(keeper);
	if (!input->wants) {
		keeper_input_tell(keeper, false);
		return;
	}
	input->wants = false;
	input->wants_until = 0;
	keeper_input_command(keeper, SWITCH_TO_GUEST);
}

static void list_others(const struct keeper *keeper, struct strv *names)
{
	struct strv all = { 0 };

	guest_list(keeper->paths, &all);
	for (size_t i = 0; i < all.count; i++) {
		if (strcmp(all.items[i], keeper->name) != 0)
			strv_add(names, all.items[i]);
	}
	strv_finish(&all);
}

// A line over its control socket, whose answer nobody waits for: what is to follow tells the lock.
static void say(const struct keeper *keeper, const char *name, const char *to)
{
	AUTO_FREE char *path = mem_printf("%s/%s/control.sock", keeper->paths->run_base, name);
	AUTO_FREE char *line = mem_printf("{\"do\":\"switch\",\"args\":{\"to\":\"%s\"}}\n", to);
	AUTO_CLOSE int fd = listen_connect_now(path, NULL);

	if (fd >= 0)
		send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void keeper_lock_ask_others(struct keeper *keeper)
{
	AUTO_STRV struct strv names = { 0 };

	list_others(keeper, &names);
	for (size_t i = 0; i < names.count; i++)
		say(keeper, names.items[i], "yield");
}

void keeper_lock_pass(struct keeper *keeper, const char *name)
{
	say(keeper, name, "guest");
}

static bool shares_input(const struct keeper *keeper, const char *name)
{
	struct state state;
	bool shares = guest_look(keeper->paths, name, &state) == LIFE_RUNNING && state.plan &&
		      state.plan->input.used && state.phase == PHASE_RUNNING;

	state_finish(&state);
	return shares;
}

// In the order of names; the host comes after the last.
const char *keeper_lock_next(struct keeper *keeper, char room[64])
{
	AUTO_STRV struct strv names = { 0 };

	guest_list(keeper->paths, &names);
	for (size_t i = 0; i < names.count; i++) {
		if (keeper->input.guest_side && strcmp(names.items[i], keeper->name) <= 0)
			continue;
		if (!shares_input(keeper, names.items[i]))
			continue;
		snprintf(room, 64, "%s", names.items[i]);
		return room;
	}
	return NULL;
}
