// SPDX-License-Identifier: MIT
// The main job, readable aloud: plan, journal, apply, start QEMU paused, pin, continue, supervise, revert.
#include "launcher/run.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/commands/commands.h"
#include "launcher/guest/vars.h"
#include "launcher/plan/plan.h"
#include "launcher/prepare.h"
#include "launcher/run/keeper.h"

#include <fcntl.h>
#include <unistd.h>

// A life: what to start or take over, and with which manners.
struct life_options {
	bool relay;    // the console on our stdin and stdout
	int tell;      // --detach's parent waits here, or -1
	int turn;      // to start, given up as soon as the plan is on disk; or -1
	enum stop_step end; // taken over only to be ended, so; else STOP_NONE
};

static int undo_and_leave(struct keeper *keeper, const struct err *err)
{
	int status = keeper_settle(keeper, 3);

	report_error(err);
	keeper_finish(keeper);
	return status;
}

static void leave_turn(struct life_options *options)
{
	if (options->turn >= 0)
		close(take_fd(&options->turn));
}

static void set_manners(struct keeper *keeper, const struct life_options *options)
{
	keeper->relay = options->relay;
	keeper->tell = options->tell;
	keeper_save_terminal(keeper);
}

static int live(struct keeper *keeper)
{
	int status = keeper_supervise(keeper);

	status = keeper_settle(keeper, status);
	keeper_finish(keeper);
	return status;
}

static int start(const struct paths *paths, struct guest_dir *dir, struct plan *plan,
		 struct life_options *options)
{
	struct keeper keeper;
	struct err err = ERR_NONE;
	int r;

	keeper_init(&keeper, paths, dir, plan->name);
	set_manners(&keeper, options);
	r = keeper_begin(&keeper, plan, &err);
	leave_turn(options);
	if (r == 0)
		r = keeper_apply(&keeper, &err);
	if (r == 0)
		r = vars_create(&plan->vars, &err);
	if (r == 0)
		r = keeper_launch(&keeper, &err);
	return r < 0 ? undo_and_leave(&keeper, &err) : live(&keeper);
}

static int take_over(const struct paths *paths, struct guest_dir *dir, struct state *state,
		     struct life_options *options)
{
	AUTO_FREE char *name = mem_dup(state->plan->name);
	struct keeper keeper;
	struct err err = ERR_NONE;

	leave_turn(options);
	log_notice("%s runs without a keeper: taking over", name);
	keeper_init(&keeper, paths, dir, name);
	set_manners(&keeper, options);
	if (keeper_adopt(&keeper, state, &err) < 0) {
		report_error(&err);
		keeper_finish(&keeper);
		return 1;
	}
	keeper_stop(&keeper, options->end);
	return live(&keeper);
}

// 0, or 4 where something could not be put back.
static int settle_dead(const struct paths *paths, struct guest_dir *dir, const char *name)
{
	struct keeper keeper;
	int status;

	keeper_init(&keeper, paths, dir, name);
	status = keeper_settle_dead(&keeper);
	keeper_finish(&keeper);
	return status;
}

// -1: nothing was there, or it is settled now; else the exit status of what was found.
static int meet_the_past(const struct paths *paths, struct guest_dir *dir, const char *name,
			 struct life_options *options)
{
	struct state state;
	enum life life;
	int status = -1;

	if (dir->dir < 0)
		return -1;
	life = guest_look_locked(dir, &state);
	if (life == LIFE_ORPHAN) {
		status = take_over(paths, dir, &state, options);
	} else if (life == LIFE_DEAD) {
		log_notice("an earlier run of %s was cut short: putting the host back first", name);
		status = settle_dead(paths, dir, name) ? 4 : -1;
	}
	state_finish(&state);
	return status;
}

static int run_here(const struct paths *paths, struct plan *plan, struct life_options *options)
{
	AUTO_FREE char *name = mem_dup(plan->name);
	struct guest_dir dir;
	struct err err = ERR_NONE;
	int status;

	if (guest_dir_lock(&dir, paths, name, &err) < 0) {
		report_error(&err);
		status = err.code == -EBUSY ? 5 : 3;
	} else {
		status = meet_the_past(paths, &dir, name, options);
		if (status < 0) {
			status = start(paths, &dir, plan, options);
			plan = NULL; // the keeper's
		}
	}
	leave_turn(options);
	guest_dir_close(&dir);
	plan_free(plan);
	return status;
}

// The parent waits until the guest runs, pinned, or until it is clear that it will not.
static int wait_for_child(int fd)
{
	unsigned char status;

	return read(fd, &status, 1) == 1 ? status : 1;
}

// Who reads our output to its end would wait for the guest's. stderr stays until the start is judged.
static void leave_callers_pipes(void)
{
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
}

static int run_detached(const struct paths *paths, struct plan *plan, int turn)
{
	struct life_options options = { .tell = -1, .turn = turn };
	unsigned char byte;
	int told[2];
	pid_t pid;

	if (pipe2(told, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		log_error("starting the keeper: %m");
		leave_turn(&options);
		plan_free(plan);
		return 1;
	}
	if (pid > 0) {
		close(told[1]);
		leave_turn(&options);
		plan_free(plan);
		return wait_for_child(told[0]);
	}
	close(told[0]);
	setsid();
	leave_callers_pipes();
	options.tell = told[1];
	byte = (unsigned char)run_here(paths, plan, &options);
	// a life that ended before it ran told nobody yet
	if (io_write_all(told[1], &byte, 1) < 0)
		return byte;
	return byte;
}

int run_command(const struct command_line *line)
{
	struct prepared prepared;
	int status = prepare(line, true, &prepared);

	if (status == 0)
		prepared_show_warnings(&prepared);
	if (status == 0 && line->detach)
		status = run_detached(&prepared.paths, take(prepared.plan), take_fd(&prepared.turn));
	else if (status == 0)
		status = run_here(&prepared.paths, take(prepared.plan),
				  &(struct life_options){ .relay = prepared.relay,
							  .tell = -1,
							  .turn = take_fd(&prepared.turn) });
	prepared_finish(&prepared);
	return status;
}

// Locks the name where there is such a guest. Returns 0, or an exit status.
static int lock_name(const struct command_line *line, struct paths *paths, struct guest_dir *dir)
{
	struct err err = ERR_NONE;
	int r = paths_read(paths, &err);

	*dir = (struct guest_dir)GUEST_DIR_CLOSED;
	// locks are never removed: a name that nobody ever had gets none
	if (r == 0 && guest_look(paths, line->name, NULL) == LIFE_NONE)
		return 0;
	if (r == 0)
		r = guest_dir_lock(dir, paths, line->name, &err);
	if (r == 0)
		return 0;
	if (r != -EBUSY || !line->if_dead)
		report_error(&err);
	return r == -EBUSY ? 5 : 1;
}

static int adopt_locked(const struct command_line *line, const struct paths *paths, struct guest_dir *dir,
			struct life_options *options)
{
	struct state state = { 0 };
	enum life life = guest_look_locked(dir, &state);
	int status = 1;

	if (life == LIFE_NONE)
		log_error("no guest `%s`; `vfiorun list` shows those there are", line->name);
	else if (life == LIFE_ORPHAN)
		status = take_over(paths, dir, &state, options);
	else if (options->end != STOP_NONE) // it has ended by itself since it was found
		status = settle_dead(paths, dir, line->name);
	else
		log_error("%s does not run any more: `vfiorun revert %s` puts the host back", line->name,
			  line->name);
	state_finish(&state);
	return status;
}

static int adopt_with(const struct command_line *line, struct life_options *options)
{
	struct paths paths;
	struct guest_dir dir;
	int status = lock_name(line, &paths, &dir);

	if (status == 0)
		status = adopt_locked(line, &paths, &dir, options);
	guest_dir_close(&dir);
	paths_finish(&paths);
	return status;
}

int adopt_command(const struct command_line *line)
{
	return adopt_with(line, &(struct life_options){ .relay = isatty(STDIN_FILENO), .tell = -1, .turn = -1 });
}

int run_stop_orphan(const struct command_line *line)
{
	const enum stop_step end = line->force ? STOP_QUIT : STOP_POWERDOWN;

	return adopt_with(line, &(struct life_options){ .tell = -1, .turn = -1, .end = end });
}

static int revert_locked(const struct command_line *line, const struct paths *paths, struct guest_dir *dir)
{
	enum life life = dir->dir < 0 ? LIFE_NONE : guest_look_locked(dir, NULL);

	if (life == LIFE_NONE)
		return 0;
	if (life == LIFE_DEAD)
		return settle_dead(paths, dir, line->name);
	if (line->if_dead)
		return 0;
	log_error("%s runs, only its keeper is dead: `vfiorun adopt %s` takes it over, `vfiorun stop %s` "
		  "ends it", line->name, line->name, line->name);
	return 5;
}

static int revert_one(const struct command_line *line)
{
	struct paths paths;
	struct guest_dir dir;
	int status = lock_name(line, &paths, &dir);

	if (status == 0)
		status = revert_locked(line, &paths, &dir);
	else if (status == 5 && line->if_dead)
		status = 0;
	guest_dir_close(&dir);
	paths_finish(&paths);
	return status;
}

// Without a name: every guest that left something. What runs is left alone; the worst status counts.
static int revert_all(const struct command_line *line)
{
	AUTO_STRV struct strv names = { 0 };
	struct paths paths;
	struct err err = ERR_NONE;
	int worst = 0;

	if (paths_read(&paths, &err) < 0) {
		report_error(&err);
		return 1;
	}
	guest_list(&paths, &names);
	paths_finish(&paths);
	for (size_t i = 0; i < names.count; i++) {
		struct command_line one = *line;
		int status;

		one.name = names.items[i];
		one.if_dead = true;
		status = revert_one(&one);
		if (status == 4 || (status && worst != 4))
			worst = status;
	}
	return worst;
}

int revert_command(const struct command_line *line)
{
	return line->name ? revert_one(line) : revert_all(line);
}
