// SPDX-License-Identifier: MIT
#include "launcher/run/monitor_parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"
#include "launcher/run/rights.h"
#include "tune/pin.h"

#include <grp.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

void monitor_tell(struct monitor *monitor, const struct message *message)
{
	if (message_send(monitor->setup->channel, message) == -EPIPE)
		monitor->done = true;
}

static void on_phase(struct monitor *monitor, const struct message *message)
{
	monitor->phase = (enum phase)message->value;
	if (monitor->phase == PHASE_STOPPING)
		pin_stand_back();
}

static void on_continue(struct monitor *monitor, const struct message *message)
{
	const struct cpuset vcpus = plan_vcpu_cpus(monitor->setup->plan);

	(void)message;
	pin_stand_aside(&vcpus);
	monitor->continue_asked = true;
	// what is being plugged in is there before the guest's CPUs run
	if (!monitor->usb_busy)
		monitor_qmp_continue(monitor);
}

static void on_powerdown(struct monitor *monitor, const struct message *message)
{
	(void)message;
	monitor_qmp_powerdown(monitor);
}

static void on_quit(struct monitor *monitor, const struct message *message)
{
	(void)message;
	monitor_qmp_quit(monitor);
}

static void on_input_state(struct monitor *monitor, const struct message *message)
{
	bool changed = monitor->input != (enum input_owner)message->value;
	struct json_object *data;

	monitor->input = (enum input_owner)message->value;
	verb_answer_switches(monitor, message->tid != 0);
	if (!changed)
		return;
	data = json_object_new_object();
	json_object_object_add(data, "input", json_object_new_string(input_word(monitor->input)));
	control_event(monitor, "input", data);
	json_object_put(data);
}

static void on_exit_status(struct monitor *monitor, const struct message *message)
{
	control_exit(monitor, message->value);
	monitor->done = true;
}

// The keeper's end means ours: without it nobody would undo what we ask for.
static void read_channel(void *context, uint32_t events)
{
	static void (*const handlers[])(struct monitor *, const struct message *) = {
		[MSG_CONTINUE] = on_continue, [MSG_POWERDOWN] = on_powerdown, [MSG_QUIT] = on_quit,
		[MSG_PHASE] = on_phase,	      [MSG_EXIT] = on_exit_status,
		[MSG_INPUT_STATE] = on_input_state,
		[MSG_USB_DETACH] = monitor_usb_detach, [MSG_USB_REFUSED] = monitor_usb_refused,
	};
	struct monitor *monitor = context;
	struct message message;
	int fd, r = message_receive_fd(monitor->setup->channel, &message, &fd);

	(void)events;
	if (r == -EAGAIN)
		return;
	if (r == 0 && message.type == MSG_USB_ATTACH) {
		monitor_usb_attach(monitor, &message, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (r < 0)
		monitor->done = true;
	else if (message.type < ARRAY_SIZE(handlers) && handlers[message.type])
		handlers[message.type](monitor, &message);
}

static int drop_privileges(const struct plan *plan)
{
	if (plan->user.change && (initgroups(plan->user.name, plan->user.gid) < 0 ||
				  setresgid(plan->user.gid, plan->user.gid, plan->user.gid) < 0 ||
				  setresuid(plan->user.uid, plan->user.uid, plan->user.uid) < 0))
		return -errno;
	return rights_drop_all();
}

static int open_all(struct monitor *monitor, struct err *err)
{
	int r = loop_init(&monitor->loop);

	if (r < 0)
		return err_sys(err, r, "epoll");
	monitor->channel_source = (struct loop_source){ monitor->setup->channel, read_channel, monitor };
	r = loop_add(&monitor->loop, &monitor->channel_source, EPOLLIN);
	if (r == 0)
		r = control_open(monitor);
	if (r < 0)
		return err_sys(err, r, "the monitor's descriptors");
	// before QMP: what the guest says first must find a reader
	if (monitor->setup->plan->console)
		r = console_open(monitor, err);
	return r < 0 ? r : monitor_qmp_open(monitor, err);
}

static void serve(struct monitor *monitor)
{
	while (!monitor->done) {
		int timeout = monitor->qmp ? qmp_client_timeout(monitor->qmp) : -1;
		int r = loop_step(&monitor->loop, timeout);

		if (r < 0)
			return;
		if (r == 0 && monitor->qmp) {
			qmp_client_process(monitor->qmp);
			monitor_qmp_rearm(monitor);
		}
	}
}

int monitor_main(const struct monitor_setup *setup)
{
	struct monitor monitor = {
		.setup = setup, .loop = LOOP_CLOSED, .phase = setup->phase, .input = setup->input, .console.fd = -1
	};
	struct err err = ERR_NONE;
	int r;

	prctl(PR_SET_NAME, "vfiorun-monitor", 0, 0, 0);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	monitor.tids = mem_new(setup->plan->n_pins, sizeof(*monitor.tids));
	r = drop_privileges(setup->plan);
	if (r < 0)
		err_sys(&err, r, "becoming %s", setup->plan->user.name);
	else
		r = open_all(&monitor, &err);
	if (r < 0) {
		struct message closed = { .type = MSG_CLOSED };

		snprintf(closed.text, sizeof(closed.text), "%.*s", (int)sizeof(closed.text) - 1, err.text);
		monitor_tell(&monitor, &closed);
	}
	serve(&monitor);
	console_finish(&monitor);
	control_finish(&monitor);
	return 0;
}
