// SPDX-License-Identifier: MIT
#include "launcher/run/input_main.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "input/chord.h"
#include "input/keyname.h"
#include "input/switcher.h"
#include "launcher/guest/message.h"
#include "launcher/plan/inputs.h"
#include "launcher/plan/plan.h"
#include "launcher/run/rights.h"

#include <grp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

struct input {
	const struct input_setup *setup;
	struct loop loop;
	struct loop_source channel, qemu;
	struct chords chords;
	struct switcher *switcher;
	bool told; // since the last command
	bool done;
};

static void tell(struct input *input, const struct message *message)
{
	input->told = true;
	if (message_send(input->setup->channel, message) == -EPIPE)
		input->done = true;
}

static void on_notice(void *context, const struct switch_notice *notice)
{
	static const uint32_t types[] = {
		[SWITCH_NOTICE_SIDE] = INPUT_SIDE,	 [SWITCH_NOTICE_LET_GO] = INPUT_LET_GO,
		[SWITCH_NOTICE_STUCK] = INPUT_STUCK,	 [SWITCH_NOTICE_REFUSED] = INPUT_REFUSED,
		[SWITCH_NOTICE_ACTION] = INPUT_ACTION,
	};
	struct message message = { .type = types[notice->kind], .row = notice->device };

	switch (notice->kind) {
	case SWITCH_NOTICE_STUCK:
		message.value = (int)notice->key;
		break;
	case SWITCH_NOTICE_ACTION:
		message.value = notice->action;
		break;
	default:
		message.value = notice->side;
	}
	tell(context, &message);
}

static void on_gone(void *context, int device)
{
	struct message message = { .type = INPUT_GONE, .row = device };

	tell(context, &message);
}

static void on_busy(void *context, int device, int error)
{
	struct message message = { .type = INPUT_BUSY, .row = device, .value = error };

	tell(context, &message);
}

/* What the keeper says */

static void take_device(struct input *input, const struct message *message, int fds[MESSAGE_FDS])
{
	struct err err = ERR_NONE;
	int r;

	if (fds[0] < 0 || fds[1] < 0)
		return;
	r = switcher_add(input->switcher, message->row, take_fd(&fds[0]), take_fd(&fds[1]), message->text, &err);
	if (r < 0) {
		struct message failed = { .type = INPUT_FAILED, .row = message->row, .value = r };

		snprintf(failed.text, sizeof(failed.text), "%.*s", (int)sizeof(failed.text) - 1, err.text);
		tell(input, &failed);
	}
}

static void obey(struct input *input, const struct message *message, int fds[MESSAGE_FDS])
{
	struct message side = { .type = INPUT_SIDE };

	(void)fds;
	if (message->value < 0 || message->value >= SWITCH_COMMANDS)
		return;
	input->told = false;
	switcher_command(input->switcher, (enum switch_command)message->value);
	// whoever asked for what is so already waits for word, too
	if (input->told || switcher_is_waiting(input->switcher))
		return;
	side.value = switcher_side(input->switcher);
	tell(input, &side);
}

static void set_ready(struct input *input, const struct message *message, int fds[MESSAGE_FDS])
{
	(void)fds;
	switcher_set_guest_ready(input->switcher, message->value != 0);
}

// Without waiting for anybody's fingers: what is down is released first. Then it is in charge of nothing.
static void release_all(struct input *input, const struct message *message, int fds[MESSAGE_FDS])
{
	struct message released = { .type = INPUT_RELEASED };

	(void)message;
	(void)fds;
	switcher_command(input->switcher, SWITCH_LET_GO);
	switcher_remove_all(input->switcher);
	switcher_command(input->switcher, SWITCH_TO_HOST);
	tell(input, &released);
}

static void read_channel(void *context, uint32_t events)
{
	static void (*const handlers[])(struct input *, const struct message *, int[MESSAGE_FDS]) = {
		[INPUT_DEVICE] = take_device,
		[INPUT_COMMAND] = obey,
		[INPUT_READY] = set_ready,
		[INPUT_RELEASE] = release_all,
	};
	struct input *input = context;
	struct message message;
	int fds[MESSAGE_FDS];
	int r = message_receive_fds(input->setup->channel, &message, fds);

	(void)events;
	if (r < 0 && r != -EAGAIN)
		input->done = true; // the keeper's end means ours
	if (r == 0 && message.type < ARRAY_SIZE(handlers) && handlers[message.type])
		handlers[message.type](input, &message, fds);
	for (int i = 0; i < MESSAGE_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

// Nobody reads the guest's devices any more, but whoever of the host does.
static void qemu_ended(void *context, uint32_t events)
{
	struct input *input = context;

	(void)events;
	loop_remove(&input->loop, &input->qemu);
	switcher_set_guest_ready(input->switcher, false);
}

/* Life */

static int drop_privileges(const struct plan *plan)
{
	if (plan->user.change && (initgroups(plan->user.name, plan->user.gid) < 0 ||
				  setresgid(plan->user.gid, plan->user.gid, plan->user.gid) < 0 ||
				  setresuid(plan->user.uid, plan->user.uid, plan->user.uid) < 0))
		return -errno;
	return rights_drop_all();
}

static int open_all(struct input *input)
{
	const struct input_setup *setup = input->setup;
	int r = loop_init(&input->loop);

	input->channel = (struct loop_source){ setup->channel, read_channel, input };
	input->qemu = (struct loop_source){ setup->qemu, qemu_ended, input };
	if (r == 0)
		r = loop_add(&input->loop, &input->channel, EPOLLIN);
	if (r == 0 && setup->qemu >= 0)
		r = loop_add(&input->loop, &input->qemu, EPOLLIN);
	return r;
}

static void make_switcher(struct input *input)
{
	const struct plan *plan = input->setup->plan;
	struct switcher_setup setup = { .config = SWITCH_CONFIG_DEFAULT,
					.chords = &input->chords,
					.loop = &input->loop,
					.ps2 = plan->input.ps2,
					.context = input,
					.notice = on_notice,
					.gone = on_gone,
					.busy = on_busy };

	plan_input_chords(plan, &input->chords);
	for (int part = 0; part < GUEST_PARTS; part++)
		setup.guest[part] = input->setup->guest[part];
	for (size_t i = 0; i < plan->input.keep_held.count; i++) {
		int key = keyname_parse(plan->input.keep_held.items[i]);

		if (key >= 0)
			keyset_add(&setup.config.keep_held, (unsigned)key);
	}
	input->switcher = switcher_new(&setup);
}

static void serve(struct input *input)
{
	while (!input->done) {
		int r = loop_step(&input->loop, switcher_timeout(input->switcher));

		if (r < 0)
			return;
		if (r == 0)
			switcher_tick(input->switcher);
	}
}

int input_main(const struct input_setup *setup)
{
	struct input input = { .setup = setup, .loop = LOOP_CLOSED };
	int r;

	prctl(PR_SET_NAME, "vfiorun-input", 0, 0, 0);
	r = drop_privileges(setup->plan);
	if (r == 0)
		r = open_all(&input);
	if (r < 0)
		return 1;
	make_switcher(&input);
	serve(&input);
	switcher_free(input.switcher); // releases and ungrabs, whoever died
	chords_finish(&input.chords);
	loop_finish(&input.loop);
	return 0;
}
