// SPDX-License-Identifier: MIT
// The monitor's conversation with QEMU: who its threads are, letting it run, what happens to it.
#include "launcher/run/monitor_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/guest/listen.h"
#include "launcher/plan/plan.h"
#include "qmp/commands.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

enum { CONNECT_MS = 5000, THREADS_MAX = 4096 };

static void tell_closed(struct monitor *monitor, const char *why)
{
	struct message message = { .type = MSG_CLOSED };

	snprintf(message.text, sizeof(message.text), "%.*s", (int)sizeof(message.text) - 1, why);
	monitor_tell(monitor, &message);
}

static void tell_state(struct monitor *monitor, const char *state)
{
	struct message message = { .type = MSG_RUN_STATE, .value = RUN_OTHER };

	snprintf(monitor->run_state, sizeof(monitor->run_state), "%s", state);
	if (strcmp(state, "running") == 0)
		message.value = RUN_RUNNING;
	else if (strcmp(state, "paused") == 0)
		message.value = RUN_PAUSED;
	monitor_tell(monitor, &message);
	if (message.value == RUN_RUNNING)
		console_start_terminal(monitor);
}

void monitor_qmp_rearm(struct monitor *monitor)
{
	uint32_t events = EPOLLIN;

	if (!monitor->qmp)
		return;
	if (qmp_client_wants_write(monitor->qmp))
		events |= EPOLLOUT;
	if (events == monitor->qmp_events)
		return;
	monitor->qmp_events = events;
	loop_change(&monitor->loop, &monitor->qmp_source, events);
}

static void on_qmp(void *context, uint32_t events)
{
	struct monitor *monitor = context;

	(void)events;
	qmp_client_process(monitor->qmp);
	monitor_qmp_rearm(monitor);
}

int monitor_qmp_send(struct monitor *monitor, const char *command, struct json_object *arguments,
		     int deadline_ms, qmp_reply_fn *reply, void *context)
{
	uint64_t id;

	if (!monitor->qmp) {
		json_object_put(arguments);
		return -ENOTCONN;
	}
	id = qmp_client_send(monitor->qmp, command, arguments, deadline_ms, reply, context);
	monitor_qmp_rearm(monitor);
	return id ? 0 : -ENOTCONN;
}

static void tell_thread(struct monitor *monitor, enum pin_target target, int index, pid_t tid)
{
	const struct plan *plan = monitor->setup->plan;

	for (size_t row = 0; row < plan->n_pins; row++) {
		struct message message = { .type = MSG_THREAD, .row = (int)row, .tid = tid };

		if (plan->pins[row].target != target || plan->pins[row].index != index)
			continue;
		monitor->tids[row] = tid;
		monitor_tell(monitor, &message);
		return;
	}
}

static void answered(struct monitor *monitor)
{
	struct message done = { .type = MSG_THREADS_DONE };

	if (--monitor->answers_missing == 0)
		monitor_tell(monitor, &done);
}

static bool is_result(struct monitor *monitor, const char *command, enum qmp_outcome outcome,
		      const struct err *err)
{
	AUTO_FREE char *why = NULL;

	if (outcome == QMP_RESULT)
		return true;
	why = mem_printf("%s: %s", command, err->text);
	tell_closed(monitor, why);
	return false;
}

static size_t count_entries(struct json_object *list)
{
	size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	return count < THREADS_MAX ? count : THREADS_MAX;
}

static void on_vcpus(void *context, enum qmp_outcome outcome, struct json_object *result,
		     const struct err *failure)
{
	struct monitor *monitor = context;
	struct err err = ERR_NONE;
	size_t room = count_entries(result);
	AUTO_FREE struct qmp_vcpu *vcpus = mem_new(room, sizeof(*vcpus));
	int n;

	if (!is_result(monitor, "query-cpus-fast", outcome, failure))
		return;
	n = qmp_parse_vcpus(result, vcpus, room, &err);
	if (n < 0) {
		tell_closed(monitor, err.text);
		return;
	}
	for (int i = 0; i < n; i++)
		tell_thread(monitor, PIN_VCPU, vcpus[i].index, vcpus[i].tid);
	answered(monitor);
}

static void on_iothreads(void *context, enum qmp_outcome outcome, struct json_object *result,
			 const struct err *failure)
{
	struct monitor *monitor = context;
	struct err err = ERR_NONE;
	size_t room = count_entries(result);
	AUTO_FREE struct qmp_iothread *threads = mem_new(room, sizeof(*threads));
	int n;

	if (!is_result(monitor, "query-iothreads", outcome, failure))
		return;
	n = qmp_parse_iothreads(result, threads, room, &err);
	if (n < 0) {
		tell_closed(monitor, err.text);
		return;
	}
	for (int i = 0; i < n; i++) {
		int index;

		if (str_starts(threads[i].id, "iothread") &&
		    str_parse_int(threads[i].id + strlen("iothread"), &index))
			tell_thread(monitor, PIN_IOTHREAD, index, threads[i].tid);
	}
	answered(monitor);
}

static void on_status(void *context, enum qmp_outcome outcome, struct json_object *result,
		      const struct err *failure)
{
	struct monitor *monitor = context;
	struct err err = ERR_NONE;
	const char *state;

	if (!is_result(monitor, "query-status", outcome, failure))
		return;
	state = qmp_parse_status(result, &err);
	if (!state) {
		tell_closed(monitor, err.text);
		return;
	}
	tell_state(monitor, state);
	answered(monitor);
}

static bool has_pin(const struct plan *plan, enum pin_target target)
{
	for (size_t i = 0; i < plan->n_pins; i++) {
		if (plan->pins[i].target == target)
			return true;
	}
	return false;
}

// All at once, and only what is not known: each question costs QEMU a round of its loops before the guest may
// run. RUNNING is recorded before anybody is told to continue, so until then the guest waits.
static void ask_first(struct monitor *monitor)
{
	monitor->answers_missing = 1;
	monitor_qmp_send(monitor, "query-cpus-fast", NULL, QMP_QUICK, on_vcpus, monitor);
	if (has_pin(monitor->setup->plan, PIN_IOTHREAD)) {
		monitor->answers_missing++;
		monitor_qmp_send(monitor, "query-iothreads", NULL, QMP_QUICK, on_iothreads, monitor);
	}
	if (monitor->setup->phase == PHASE_STARTING) {
		snprintf(monitor->run_state, sizeof(monitor->run_state), "prelaunch");
	} else {
		monitor->answers_missing++;
		monitor_qmp_send(monitor, "query-status", NULL, QMP_QUICK, on_status, monitor);
	}
}

static void on_continued(void *context, enum qmp_outcome outcome, struct json_object *result,
			 const struct err *failure)
{
	struct monitor *monitor = context;

	(void)result;
	if (is_result(monitor, "cont", outcome, failure))
		tell_state(monitor, "running");
}

// Only a guest that never ran is let go: one that a person paused stays paused.
void monitor_qmp_continue(struct monitor *monitor)
{
	bool waits = strcmp(monitor->run_state, "prelaunch") == 0 ||
		     strcmp(monitor->run_state, "inmigrate") == 0;

	if (!waits || monitor->continued)
		return;
	monitor->continued = true;
	monitor_qmp_send(monitor, "cont", NULL, QMP_RUN, on_continued, monitor);
}

// A paused guest hears no power button.
void monitor_qmp_powerdown(struct monitor *monitor)
{
	if (strcmp(monitor->run_state, "paused") == 0)
		monitor_qmp_send(monitor, "cont", NULL, QMP_RUN, NULL, NULL);
	monitor_qmp_send(monitor, "system_powerdown", NULL, QMP_RUN, NULL, NULL);
}

void monitor_qmp_quit(struct monitor *monitor)
{
	monitor_qmp_send(monitor, "quit", NULL, QMP_QUIT, NULL, NULL);
}

static void event_shutdown(struct monitor *monitor, struct json_object *data)
{
	struct message message = { .type = MSG_SHUTDOWN, .value = qmp_event_by_guest(data) };

	// the client makes this one up when QMP ends without a word
	if (strcmp(qmp_event_reason(data), "disconnect") == 0)
		return;
	snprintf(message.text, sizeof(message.text), "%s", qmp_event_reason(data));
	snprintf(monitor->run_state, sizeof(monitor->run_state), "shutdown");
	monitor_tell(monitor, &message);
}

static void tell_event(struct monitor *monitor, enum guest_event event)
{
	struct message message = { .type = MSG_EVENT, .value = (int)event };

	monitor_tell(monitor, &message);
}

static void event_reset(struct monitor *monitor, struct json_object *data)
{
	(void)data;
	tell_event(monitor, EVENT_RESET);
}

static void event_panicked(struct monitor *monitor, struct json_object *data)
{
	(void)data;
	tell_event(monitor, EVENT_PANIC);
}

static void event_watchdog(struct monitor *monitor, struct json_object *data)
{
	(void)data;
	tell_event(monitor, EVENT_WATCHDOG);
}

static void event_stop(struct monitor *monitor, struct json_object *data)
{
	(void)data;
	if (strcmp(monitor->run_state, "shutdown") == 0)
		return;
	tell_state(monitor, "paused");
	tell_event(monitor, EVENT_PAUSED);
	monitor->told_paused = true;
}

static void event_resume(struct monitor *monitor, struct json_object *data)
{
	(void)data;
	tell_state(monitor, "running");
	// the first one is the start
	if (monitor->told_paused)
		tell_event(monitor, EVENT_RESUMED);
	monitor->told_paused = false;
}

static void on_event(void *context, const char *name, struct json_object *data, int64_t seconds,
		     int64_t microseconds)
{
	static const struct {
		const char *name;
		void (*handle)(struct monitor *, struct json_object *);
	} events[] = { { "SHUTDOWN", event_shutdown },	    { "RESET", event_reset },
		       { "GUEST_PANICKED", event_panicked }, { "WATCHDOG", event_watchdog },
		       { "STOP", event_stop },		    { "RESUME", event_resume } };
	struct monitor *monitor = context;

	(void)seconds;
	(void)microseconds;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		if (strcmp(events[i].name, name) == 0)
			events[i].handle(monitor, data);
	}
	control_event(monitor, name, data);
}

// QEMU's own start is over: while it looks its vCPUs up for us, its other threads are moved.
static void on_negotiated(void *context)
{
	struct monitor *monitor = context;
	struct message message = { .type = MSG_NEGOTIATED };

	if (monitor->setup->phase == PHASE_STARTING)
		monitor_tell(monitor, &message);
}

static void on_closed(void *context, const struct err *why)
{
	struct monitor *monitor = context;

	loop_remove(&monitor->loop, &monitor->qmp_source);
	qmp_client_free(monitor->qmp);
	monitor->qmp = NULL;
	tell_closed(monitor, why ? why->text : "end of file");
}

int monitor_qmp_open(struct monitor *monitor, struct err *err)
{
	const struct plan *plan = monitor->setup->plan;
	AUTO_FREE char *path = mem_printf("%s/qmp.sock", plan->run_dir);
	const struct qmp_handlers handlers = {
		.negotiated = on_negotiated, .event = on_event, .closed = on_closed, .context = monitor
	};
	int fd = listen_connect(path, CONNECT_MS, err);
	int r;

	if (fd < 0)
		return fd;
	io_set_nonblock(fd, true);
	monitor->qmp = qmp_client_new(fd, plan->greeting_ms, &handlers);
	if (monitor->setup->first)
		qmp_client_is_first(monitor->qmp);
	monitor->qmp_source = (struct loop_source){ fd, on_qmp, monitor };
	monitor->qmp_events = EPOLLIN;
	r = loop_add(&monitor->loop, &monitor->qmp_source, EPOLLIN);
	if (r < 0)
		return err_sys(err, r, "epoll");
	ask_first(monitor);
	return 0;
}
