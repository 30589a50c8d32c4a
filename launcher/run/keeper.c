// SPDX-License-Identifier: MIT
#include "launcher/run/keeper_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/guest/listen.h"
#include "launcher/guest/message.h"
#include "launcher/plan/plan.h"
#include "launcher/run/fds.h"
#include "launcher/run/hooks.h"
#include "launcher/run/notify.h"
#include "launcher/run/qemu_log.h"
#include "launcher/run/rights.h"
#include "tune/host/process.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

// Beside the greeting QEMU must answer a few queries; they take milliseconds unless it is ill.
enum { START_EXTRA_MS = 30000, DRAIN_MS = 1000 };

void keeper_init(struct keeper *keeper, const struct paths *paths, struct guest_dir *dir, const char *name)
{
	*keeper = (struct keeper){
		.paths = paths,
		.dir = dir,
		.name = name,
		.host = CHANGE_HOST_CLOSED,
		.journal = JOURNAL_CLOSED,
		.loop = LOOP_CLOSED,
		.qemu = CHILD_NONE,
		.qemu_source.fd = -1,
		.signal_source.fd = -1,
		.monitor = { .channel = -1, .source.fd = -1 },
		.hook_source.fd = -1,
		.control = -1,
		.log = -1,
		.tell = -1,
	};
}

static void close_streams(struct keeper *keeper);

void keeper_finish(struct keeper *keeper)
{
	int *fds[] = { &keeper->control, &keeper->log, &keeper->signal_source.fd };

	log_to_file(-1);
	child_close(&keeper->qemu);
	loop_finish(&keeper->loop);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(take_fd(fds[i]));
	}
	journal_finish(&keeper->journal);
	change_host_finish(&keeper->host);
	close_streams(keeper);
	free(keeper->tids);
	state_finish(&keeper->state);
}

void keeper_fail(struct keeper *keeper, const char *fmt, ...)
{
	va_list ap;

	if (keeper->failed || keeper->ended)
		return;
	va_start(ap, fmt);
	vsnprintf(keeper->failure, sizeof(keeper->failure), fmt, ap);
	va_end(ap);
	// a guest that runs is not ended for a trouble of ours
	if (keeper->was_running) {
		log_error("%s", keeper->failure);
		return;
	}
	keeper->failed = true;
	keeper->status = 1;
	keeper_stop(keeper, STOP_TERM);
}

static int write_phase(struct keeper *keeper, enum phase phase, struct err *err)
{
	keeper->state.phase = phase;
	keeper_tell_monitor(keeper, MSG_PHASE, (int)phase);
	return state_write(keeper->dir->dir, &keeper->state, err);
}

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

// Blocked from before the first host change on: a signal then waits until it can be answered well. And a
// terminal that stops background jobs for what they write must not stop the one who puts the host back.
static int open_loop(struct keeper *keeper, struct err *err)
{
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
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
	keeper->streams = mem_new(plan->n_helpers, sizeof(*keeper->streams));
	for (size_t i = 0; i < plan->n_helpers; i++)
		keeper->streams[i] = -1;
}

static void close_streams(struct keeper *keeper)
{
	for (size_t i = 0; keeper->streams && i < keeper->state.plan->n_helpers; i++) {
		if (keeper->streams[i] >= 0)
			close(take_fd(&keeper->streams[i]));
	}
	free(keeper->streams);
}

static void describe_self(struct keeper *keeper)
{
	process_read_id(getpid(), &keeper->state.keeper);
	keeper->state.since = time(NULL);
	process_read_boot_id(keeper->state.boot_id, sizeof(keeper->state.boot_id));
}

int keeper_begin(struct keeper *keeper, struct plan *plan, struct err *err)
{
	int r = open_loop(keeper, err);

	keeper->state.plan = plan;
	make_rows(keeper);
	if (r == 0)
		r = open_log(keeper, err);
	if (r == 0)
		r = rights_keep_for(plan, err);
	if (r == 0)
		r = guest_dir_create(keeper->dir, keeper->name, err);
	if (r < 0)
		return r;
	log_info("starting %s", keeper->name);
	describe_self(keeper);
	r = write_phase(keeper, PHASE_APPLYING, err);
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
	struct cpuset affinity = start_cpus(plan);
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
		.kvm_node = plan->kvm_node,
		.open_in_child = open_alive,
		.context = keeper,
		.open_target = alive_target(plan),
	};
	int r = spawn_prepare(&spawn, &keeper->qemu, err);

	if (r < 0)
		return r;
	r = process_read_id(keeper->qemu.pid, &keeper->state.qemu);
	if (r < 0)
		r = err_sys(err, r, "QEMU's process");
	else
		r = write_phase(keeper, PHASE_STARTING, err);
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
		r = plan_fds_open(keeper->state.plan, keeper->log, keeper->streams, &fds, err);
	if (r == 0)
		r = start_qemu(keeper, &fds, err);
	opened_fds_finish(&fds);
	if (r == 0)
		r = watch_qemu(keeper, err);
	if (r == 0)
		r = keeper_start_monitor(keeper, err);
	keeper->start_deadline = io_now_ms() + keeper->state.plan->greeting_ms + START_EXTRA_MS;
	return r;
}

int keeper_adopt(struct keeper *keeper, struct state *state, struct err *err)
{
	int r = open_loop(keeper, err);

	keeper->state = *state;
	*state = (struct state){ 0 };
	make_rows(keeper);
	keeper->adopted = keeper->was_running = true;
	if (r == 0)
		r = open_log(keeper, err);
	if (r == 0)
		r = rights_keep_for(keeper->state.plan, err);
	if (r < 0)
		return r;
	log_info("adopting %s", keeper->name);
	keeper->qemu.pid = keeper->state.qemu.pid;
	keeper->qemu.pidfd = process_open(&keeper->state.qemu);
	if (keeper->qemu.pidfd < 0)
		return err_sys(err, keeper->qemu.pidfd, "QEMU's process");
	process_read_id(getpid(), &keeper->state.keeper);
	r = write_phase(keeper, PHASE_RUNNING, err);
	if (r == 0)
		r = keeper_open_world(keeper, err);
	if (r == 0)
		r = journal_retake(&keeper->journal, &keeper->world, err);
	if (r == 0)
		r = open_control(keeper, err);
	if (r == 0)
		r = watch_qemu(keeper, err);
	if (r == 0)
		r = keeper_start_monitor(keeper, err);
	keeper->start_deadline = io_now_ms() + keeper->state.plan->greeting_ms + START_EXTRA_MS;
	return r;
}

// Every thread is known: the rest of QEMU's is pinned too, and only then the guest may run.
static void let_run(struct keeper *keeper)
{
	struct err err = ERR_NONE;

	if (keeper_check_all_pinned(keeper, &err) < 0 || keeper_pin_others(keeper, &err) < 0) {
		keeper_fail(keeper, "%s", err.text);
		return;
	}
	if (keeper->state.phase == PHASE_STARTING && write_phase(keeper, PHASE_RUNNING, &err) < 0) {
		keeper_fail(keeper, "%s", err.text);
		return;
	}
	keeper_tell_monitor(keeper, MSG_CONTINUE, 0);
}

static void hook_ended(void *context, uint32_t events)
{
	struct keeper *keeper = context;

	(void)events;
	keeper_end_hook(keeper, false);
}

void keeper_end_hook(struct keeper *keeper, bool force)
{
	int status;

	if (!keeper->hook)
		return;
	if (force)
		kill(-keeper->hook, SIGKILL);
	loop_remove(&keeper->loop, &keeper->hook_source);
	close(take_fd(&keeper->hook_source.fd));
	while (waitpid(keeper->hook, &status, 0) < 0 && errno == EINTR)
		;
	keeper->hook = 0;
	keeper->hook_deadline = 0;
	if (force)
		log_warning("the hook `started` took longer than %d s and was killed",
			    keeper->state.plan->hook_timeout);
	else if (status)
		log_warning("the hook `started` failed");
}

// It runs beside the guest, so its failure is told and ends nothing.
static void start_hook(struct keeper *keeper)
{
	const struct plan *plan = keeper->state.plan;
	struct err err = ERR_NONE;
	pid_t pid;

	if (!plan->hook_started.count || keeper->adopted)
		return;
	pid = hook_start(plan, "started", &plan->hook_started, &err);
	if (pid < 0) {
		log_warning("%s", err.text);
		return;
	}
	keeper->hook = pid;
	keeper->hook_source = (struct loop_source){ (int)syscall(SYS_pidfd_open, pid, 0), hook_ended,
						    keeper };
	keeper->hook_deadline = io_now_ms() + plan->hook_timeout * 1000LL;
	loop_add(&keeper->loop, &keeper->hook_source, EPOLLIN);
}

// --detach's parent has waited for this; from here on nobody reads our stderr.
static void tell_parent(struct keeper *keeper, int status)
{
	unsigned char byte = (unsigned char)status;

	if (keeper->tell < 0)
		return;
	io_write_all(keeper->tell, &byte, 1);
	close(take_fd(&keeper->tell));
	dup2(keeper->log, STDERR_FILENO);
	log_setup(LOG_LEVEL_ERROR, false);
}

static void guest_runs(struct keeper *keeper)
{
	if (keeper->ready)
		return;
	keeper->ready = keeper->was_running = true;
	keeper->start_deadline = 0;
	log_set_raw_terminal(keeper->relay && keeper->terminal_saved);
	log_info("%s runs, QEMU is process %d", keeper->name, keeper->qemu.pid);
	notify_systemd("READY=1\nSTATUS=guest %s runs\nMAINPID=%d", keeper->name, getpid());
	tell_parent(keeper, 0); // before the hook, which would hold its stderr
	start_hook(keeper);
	keeper_rescan(keeper);
}

static void handle_thread(struct keeper *keeper, const struct message *message)
{
	struct err err = ERR_NONE;

	if (keeper_pin_thread(keeper, message->row, message->tid, &err) < 0)
		keeper_fail(keeper, "%s", err.text);
}

static void handle_run_state(struct keeper *keeper, const struct message *message)
{
	bool paused = message->value == RUN_PAUSED;

	if (message->value == RUN_RUNNING || (paused && keeper->was_running))
		guest_runs(keeper);
}

static void handle_shutdown(struct keeper *keeper, const struct message *message)
{
	keeper->shutdown_seen = true;
	if (strcmp(message->text, "guest-panic") == 0)
		keeper->panicked = true;
	log_info("shutdown (%s)", message->text[0] ? message->text : "no reason given");
}

static void handle_event(struct keeper *keeper, const struct message *message)
{
	static const char *const texts[] = { [EVENT_RESET] = "the guest was reset",
					     [EVENT_PANIC] = "the guest panicked",
					     [EVENT_WATCHDOG] = "the guest's watchdog fired" };

	if (message->value < 0 || (size_t)message->value >= ARRAY_SIZE(texts))
		return;
	// a guest that starts anew after a panic is well again
	if (message->value == EVENT_PANIC || message->value == EVENT_RESET)
		keeper->panicked = message->value == EVENT_PANIC;
	log_message(message->value == EVENT_RESET ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s",
		    texts[message->value]);
	keeper_rescan(keeper);
}

static void handle_closed(struct keeper *keeper, const struct message *message)
{
	keeper->monitor.closed = true;
	keeper->monitor.closed_at = io_now_ms();
	snprintf(keeper->monitor.closed_why, sizeof(keeper->monitor.closed_why), "%s", message->text);
	log_info("QMP ended: %s", message->text);
}

static void handle_threads_done(struct keeper *keeper, const struct message *message)
{
	(void)message;
	let_run(keeper);
}

static void handle_ask_stop(struct keeper *keeper, const struct message *message)
{
	keeper_stop(keeper, message->value ? STOP_QUIT : STOP_POWERDOWN);
}

static void handle_ask_rescan(struct keeper *keeper, const struct message *message)
{
	(void)message;
	keeper_rescan(keeper);
}

void keeper_handle_message(struct keeper *keeper, const struct message *message)
{
	static void (*const handlers[])(struct keeper *, const struct message *) = {
		[MSG_THREAD] = handle_thread,	    [MSG_THREADS_DONE] = handle_threads_done,
		[MSG_RUN_STATE] = handle_run_state, [MSG_SHUTDOWN] = handle_shutdown,
		[MSG_EVENT] = handle_event,	    [MSG_ASK_STOP] = handle_ask_stop,
		[MSG_ASK_RESCAN] = handle_ask_rescan, [MSG_CLOSED] = handle_closed,
	};

	if (message->type >= ARRAY_SIZE(handlers))
		return;
	handlers[message->type](keeper, message);
}

void keeper_schedule_rescan(struct keeper *keeper, int after_ms)
{
	keeper->rescan_at = io_now_ms() + after_ms;
}

static void start_expired(struct keeper *keeper)
{
	keeper->start_deadline = 0;
	if (!keeper->was_running)
		keeper_fail(keeper, "QEMU did not get ready in time (%d s): is the host out of memory?",
			    (keeper->state.plan->greeting_ms + START_EXTRA_MS) / 1000);
}

static void hook_expired(struct keeper *keeper)
{
	keeper_end_hook(keeper, true);
}

// The deadlines of a life; 0 is none. What is overdue is called, and says itself what comes next.
static int run_deadlines(struct keeper *keeper)
{
	const struct {
		long long *at;
		void (*expired)(struct keeper *keeper);
	} deadlines[] = { { &keeper->start_deadline, start_expired },
			  { &keeper->stop_deadline, keeper_stop_expire },
			  { &keeper->rescan_at, keeper_rescan },
			  { &keeper->hook_deadline, hook_expired } };
	long long now = io_now_ms();
	int timeout = keeper_monitor_timeout(keeper);

	for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++) {
		if (*deadlines[i].at && *deadlines[i].at <= now)
			deadlines[i].expired(keeper);
		if (*deadlines[i].at) {
			long long left = *deadlines[i].at - now;

			timeout = loop_sooner(timeout, left < 0 ? 0 : left > 0x3fffffff ? 0x3fffffff : (int)left);
		}
	}
	return timeout;
}

// What QMP said last may still be on its way to us through the monitor.
static void drain_monitor(struct keeper *keeper)
{
	long long until = io_now_ms() + DRAIN_MS;

	while (keeper->monitor.channel >= 0 && !keeper->monitor.closed) {
		long long left = until - io_now_ms();

		if (left <= 0 || loop_step(&keeper->loop, (int)left) < 0)
			return;
	}
}

static void reap_qemu(struct keeper *keeper)
{
	if (keeper->adopted)
		return;
	while (waitpid(keeper->qemu.pid, &keeper->wait_status, 0) < 0 && errno == EINTR)
		;
}

int keeper_supervise(struct keeper *keeper)
{
	int status;

	while (!keeper->ended) {
		int timeout = run_deadlines(keeper);

		keeper_monitor_expire(keeper);
		if (loop_step(&keeper->loop, timeout) < 0)
			break;
	}
	drain_monitor(keeper);
	reap_qemu(keeper);
	keeper_restore_terminal(keeper);
	if (keeper->failed)
		log_error("%s", keeper->failure);
	status = keeper_outcome(keeper);
	if (status != 0)
		qemu_log_show(keeper->log, keeper->state.plan, keeper->log_start);
	log_info("%s has ended", keeper->name);
	return status;
}
