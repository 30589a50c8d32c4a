// SPDX-License-Identifier: MIT
// How a keeper comes by its guest: starting one from nothing, or adopting one that runs.
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/guest/listen.h"
#include "launcher/plan/plan.h"
#include "launcher/run/fds.h"
#include "launcher/run/rights.h"
#include "tune/host/process.h"
#include "tune/scope.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int open_log(struct keeper *keeper, struct err *err)
{
	const struct plan *plan = keeper->state.plan;
	AUTO_FREE char *path = mem_printf("%s/%s.log", plan->log_dir, plan->name);

	if (io_make_directories(plan->log_dir, 0755, err) < 0)
		return err_wrap(err, "the log directory");
	keeper->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (keeper->log < 0)
		return err_sys(err, -errno, "opening %s", path);
	keeper->log_start = lseek(keeper->log, 0, SEEK_END);
	log_to_file(keeper->log);
	return 0;
}

static void read_signals(void *context, uint32_t events)
{
	struct keeper *keeper = context;
	struct signalfd_siginfo info;

	(void)events;
	if (read(keeper->signal_source.fd, &info, sizeof(info)) == sizeof(info))
		keeper_interrupt(keeper);
}

// A plan that stops the desktop may have been started from it: from a terminal that goes, in a session that goes.
static bool ends_desktop(const struct plan *plan)
{
	for (size_t i = 0; plan && i < plan->changes.count; i++) {
		if (str_eq(plan->changes.items[i].kind, "unit"))
			return true;
	}
	return false;
}

static bool is_in_what_ends(const struct plan *plan)
{
	if (scope_is_in("/user.slice/"))
		return true;
	for (size_t i = 0; i < plan->changes.count; i++) {
		if (str_eq(plan->changes.items[i].kind, "unit") && scope_is_in(plan->changes.items[i].path))
			return true;
	}
	return false;
}

static void leave_desktop(const struct keeper *keeper, const struct plan *plan)
{
	struct err err = ERR_NONE;

	if (!ends_desktop(plan) || !is_in_what_ends(plan))
		return;
	log_info("leaving the session that the plan ends");
	if (scope_leave_session(keeper->name, &err) < 0)
		log_warning("%s; where the desktop's end takes this process along, the guest runs on, and `vfiorun "
			    "adopt %s` from elsewhere takes it over", err.text, keeper->name);
}

// Blocked from before the first host change on: a signal then waits until it can be answered well. And a
// terminal that stops background jobs for what they write must not stop the one who puts the host back.
static int open_loop(struct keeper *keeper, const struct plan *plan, struct err *err)
{
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	// what hangs up with the desktop asks for nothing
	if (ends_desktop(plan))
		signal(SIGHUP, SIG_IGN);
	else
		sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGTTOU, SIG_IGN);
	keeper->signal_source = (struct loop_source){
		signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), read_signals, keeper
	};
	if (keeper->signal_source.fd < 0)
		return err_sys(err, -errno, "signalfd");
	r = loop_init(&keeper->loop);
	if (r == 0)
		r = loop_add(&keeper->loop, &keeper->signal_source, EPOLLIN);
	return r < 0 ? err_sys(err, r, "epoll") : 0;
}

static void make_rows(struct keeper *keeper)
{
	const struct plan *plan = keeper->state.plan;

	keeper->tids = mem_new(plan->n_pins, sizeof(*keeper->tids));
	keeper->astray = mem_new(plan->n_pins, sizeof(*keeper->astray));
	keeper->streams = mem_new(plan->n_helpers, sizeof(*keeper->streams));
	for (size_t i = 0; i < plan->n_helpers; i++)
		keeper->streams[i] = -1;
}

static void describe_self(struct keeper *keeper)
{
	process_read_id(getpid(), &keeper->state.keeper);
	keeper->state.since = time(NULL);
	process_read_boot_id(keeper->state.boot_id, sizeof(keeper->state.boot_id));
}

int keeper_begin(struct keeper *keeper, struct plan *plan, struct err *err)
{
	int r = open_loop(keeper, plan, err);

	keeper->state.plan = plan;
	make_rows(keeper);
	if (r == 0)
		r = open_log(keeper, err);
	if (r == 0)
		leave_desktop(keeper, plan);
	if (r == 0)
		r = rights_keep_for(plan, err);
	if (r == 0)
		r = guest_dir_create(keeper->dir, keeper->name, err);
	if (r < 0)
		return r;
	log_info("starting %s", keeper->name);
	describe_self(keeper);
	r = keeper_write_phase(keeper, PHASE_APPLYING, err);
	if (r == 0)
		r = keeper_open_world(keeper, err);
	return r;
}

static void qemu_ended(void *context, uint32_t events)
{
	struct keeper *keeper = context;

	(void)events;
	keeper->ended = true;
	loop_remove(&keeper->loop, &keeper->qemu_source);
}

static int watch_qemu(struct keeper *keeper, struct err *err)
{
	int r;

	keeper_watch_cpus(keeper);

	keeper->qemu_source = (struct loop_source){ keeper->qemu.pidfd, qemu_ended, keeper };
	r = loop_add(&keeper->loop, &keeper->qemu_source, EPOLLIN);
	return r < 0 ? err_sys(err, r, "watching QEMU") : 0;
}

static int open_alive(void *context, struct err *err)
{
	struct keeper *keeper = context;

	return guest_dir_open_alive(keeper->dir, keeper->name, err);
}

static int alive_target(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_fds; i++) {
		if (plan->fds[i].kind == PLAN_FD_ALIVE)
			return plan->fds[i].fd;
	}
	assert(!"a plan has a row for the lock");
	return -1;
}

// While QEMU starts it may use every CPU of its plan: its RAM is touched first on the right nodes, and
// what it does then (preallocation above all) is not squeezed onto the emulator's CPUs.
static struct cpuset start_cpus(const struct plan *plan)
{
	struct cpuset cpus = { 0 };

	for (size_t i = 0; i < plan->n_pins; i++) {
		if (plan->pins[i].target == PIN_EMULATOR && cpuset_is_empty(&plan->pins[i].cpus))
			return (struct cpuset){ 0 };
		cpuset_or(&cpus, &plan->pins[i].cpus);
	}
	return cpus;
}

// The pid is on disk before QEMU is: the child waits, and exits should we die first.
static int start_qemu(struct keeper *keeper, const struct opened_fds *fds, struct err *err)
{
	const struct plan *plan = keeper->state.plan;
	struct cpuset affinity = start_cpus(plan), nodes = { 0 };
	struct spawn spawn = {
		.argv = &plan->argv,
		.environment = &plan->environment,
		.fds = fds->fds,
		.n_fds = fds->count,
		.change_user = plan->user.change,
		.user = plan->user.name,
		.uid = plan->user.uid,
		.gid = plan->user.gid,
		.memlock = plan->memlock,
		.affinity = &affinity,
		.nodes = &nodes,
		.kvm_node = plan->kvm_node,
		.open_in_child = open_alive,
		.context = keeper,
		.open_target = alive_target(plan),
	};
	int r;

	if (plan->memory_nodes)
		cpuset_parse_list(&nodes, plan->memory_nodes);
	r = spawn_prepare(&spawn, &keeper->qemu, err);
	if (r < 0)
		return r;
	r = process_read_id(keeper->qemu.pid, &keeper->state.qemu);
	if (r < 0)
		r = err_sys(err, r, "QEMU's process");
	else
		r = keeper_write_phase(keeper, PHASE_STARTING, err);
	if (r == 0)
		r = keeper_isolate_process(keeper, &affinity, err);
	if (r < 0) {
		spawn_abandon(&keeper->qemu);
		return r;
	}
	return spawn_release(&keeper->qemu, err);
}

static int open_control(struct keeper *keeper, struct err *err)
{
	AUTO_FREE char *path = mem_printf("%s/control.sock", keeper->state.plan->run_dir);

	// whoever may connect is judged verb by verb
	keeper->control = listen_open(path, 0666, err);
	return keeper->control < 0 ? keeper->control : 0;
}

// Sockets that QEMU itself makes (SPICE, VNC) go where its user may write.
static int make_qemu_directory(struct keeper *keeper, struct err *err)
{
	const struct plan *plan = keeper->state.plan;

	if (mkdirat(keeper->dir->dir, "qemu", 0700) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "making %s/qemu", plan->run_dir);
	if (plan->user.change && fchownat(keeper->dir->dir, "qemu", plan->user.uid, plan->user.gid,
					  AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, -errno, "giving %s/qemu to %s", plan->run_dir, plan->user.name);
	return 0;
}

int keeper_launch(struct keeper *keeper, struct err *err)
{
	struct opened_fds fds = { 0 };
	int r = make_qemu_directory(keeper, err);

	if (r == 0)
		r = open_control(keeper, err);
	if (r == 0)
		r = keeper_input_make(keeper, err);
	if (r == 0)
		r = plan_fds_open(keeper->state.plan, keeper->log, keeper->streams, keeper->input.uinput, &fds,
				  err);
	if (r == 0)
		r = start_qemu(keeper, &fds, err);
	opened_fds_finish(&fds);
	if (r == 0)
		r = watch_qemu(keeper, err);
	if (r == 0)
		r = keeper_start_monitor(keeper, err);
	keeper->start_deadline = io_now_ms() + keeper->state.plan->greeting_ms + KEEPER_START_EXTRA_MS;
	return r;
}

// The state keeps no changes: the journal does. What they take to be undone is to be known before rights are given up.
static void recall_changes(struct keeper *keeper)
{
	struct change_list *changes = &keeper->state.plan->changes;

	for (size_t i = 0; i < keeper->journal.count; i++) {
		if (!keeper->journal.records[i].done)
			change_copy(MEM_PUSH(changes->items, changes->count), &keeper->journal.records[i].change);
	}
}

int keeper_adopt(struct keeper *keeper, struct state *state, struct err *err)
{
	int r = open_loop(keeper, state->plan, err);

	keeper->state = *state;
	*state = (struct state){ 0 };
	make_rows(keeper);
	keeper->adopted = keeper->was_running = true;
	if (r == 0)
		r = open_log(keeper, err);
	if (r == 0)
		r = keeper_open_world(keeper, err);
	if (r == 0) {
		recall_changes(keeper);
		r = rights_keep_for(keeper->state.plan, err);
	}
	if (r < 0)
		return r;
	log_info("adopting %s", keeper->name);
	keeper->qemu.pid = keeper->state.qemu.pid;
	keeper->qemu.pidfd = process_open(&keeper->state.qemu);
	if (keeper->qemu.pidfd < 0)
		return err_sys(err, keeper->qemu.pidfd, "QEMU's process");
	process_read_id(getpid(), &keeper->state.keeper);
	r = keeper_write_phase(keeper, PHASE_RUNNING, err);
	if (r == 0)
		keeper_find_partition(keeper);
	if (r == 0)
		r = journal_retake(&keeper->journal, &keeper->world, err);
	if (r == 0)
		keeper_input_adopt(keeper); // first of all: no key stays down in the guest
	if (r == 0)
		r = open_control(keeper, err);
	if (r == 0)
		r = watch_qemu(keeper, err);
	if (r == 0)
		r = keeper_start_monitor(keeper, err);
	keeper->start_deadline = io_now_ms() + keeper->state.plan->greeting_ms + KEEPER_START_EXTRA_MS;
	return r;
}
