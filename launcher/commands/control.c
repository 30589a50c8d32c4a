// SPDX-License-Identifier: MIT
// The commands that ask a running guest: stop, pause, resume, reset, wait, qmp.
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "launcher/guest/client.h"
#include "launcher/guest/paths.h"
#include "launcher/guest/state.h"
#include "launcher/run.h"
#include "tune/host/process.h"

#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ANSWER_MS = 35000, QMP_ANSWER_MS = 65000, LOST_MS = 10000 };

static int open_guest(const struct command_line *line, struct control_client *client, struct err *err)
{
	struct paths paths;
	int r;

	// who only asks needs no home and no directory of his own: the guest may well be root's
	paths_read_to_look(&paths, false, NULL);
	r = control_connect(client, &paths, line->name, err);
	paths_finish(&paths);
	return r;
}

static int connect_guest(const struct command_line *line, struct control_client *client)
{
	struct err err = ERR_NONE;

	return open_guest(line, client, &err) < 0 ? report_error(&err) : 0;
}

// Takes args. *result may be NULL where it does not matter.
static int ask(struct control_client *client, const char *verb, struct json_object *args, int timeout_ms,
	       struct json_object **result)
{
	struct err err = ERR_NONE;
	struct json_object *answer = control_call(client, verb, args, timeout_ms, &err);

	if (!answer)
		return report_error(&err);
	if (result)
		*result = answer;
	else
		json_object_put(answer);
	return 0;
}

static int ask_once(const struct command_line *line, const char *verb)
{
	struct control_client client;
	int status = connect_guest(line, &client);

	if (status == 0)
		status = ask(&client, verb, NULL, ANSWER_MS, NULL);
	control_close(&client);
	return status;
}

int pause_command(const struct command_line *line)
{
	return ask_once(line, "pause");
}

int resume_command(const struct command_line *line)
{
	return ask_once(line, "resume");
}

int reset_command(const struct command_line *line)
{
	return ask_once(line, "reset");
}

static int plug(const struct command_line *line, const char *action)
{
	struct json_object *args = json_object_new_object();
	struct control_client client;
	int status = connect_guest(line, &client);

	json_object_object_add(args, "action", json_object_new_string(action));
	json_object_object_add(args, "device", json_object_new_string(line->operands.items[0]));
	json_object_object_add(args, "force", json_object_new_boolean(line->force));
	if (status == 0)
		status = ask(&client, "usb", args, ANSWER_MS, NULL);
	else
		json_object_put(args);
	control_close(&client);
	return status;
}

int switch_input_command(const struct command_line *line)
{
	static const char *const targets[] = { "host", "guest", "toggle", "next", "let-go" };
	const char *target = line->operands.count ? line->operands.items[0] : "toggle";
	struct control_client client;
	struct json_object *args;
	bool known = false;
	int status;

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		known |= strcmp(targets[i], target) == 0;
	if (!known) {
		log_error("`switch` goes to host, guest, toggle, next or let-go, not to `%s`", target);
		return 2;
	}
	status = connect_guest(line, &client);
	args = json_object_new_object();
	json_object_object_add(args, "to", json_object_new_string(target));
	if (status == 0)
		status = ask(&client, "switch", args, ANSWER_MS, NULL);
	else
		json_object_put(args);
	control_close(&client);
	return status;
}

int usb_attach_command(const struct command_line *line)
{
	return plug(line, "attach");
}

int usb_detach_command(const struct command_line *line)
{
	return plug(line, "detach");
}

// How the guest ended: the exit status of its life. False with a message where nobody says it.
static bool read_end(struct control_client *client, int *outcome, struct err *err)
{
	struct json_object *result = control_call(client, "wait", NULL, -1, err), *value;

	if (!result)
		return false;
	*outcome = json_object_object_get_ex(result, "status", &value) ? json_object_get_int(value) : 1;
	json_object_put(result);
	return true;
}

static enum life look(const char *name, struct state *state)
{
	struct paths paths;
	enum life life;

	*state = (struct state){ 0 };
	if (paths_read(&paths, NULL) < 0)
		return LIFE_NONE;
	life = guest_look(&paths, name, state);
	paths_finish(&paths);
	return life;
}

// Nobody is there to say how it ended: that it has is all we can learn.
static int wait_orphan(const struct state *state)
{
	AUTO_CLOSE int pidfd = process_open(&state->qemu);
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	while (pidfd >= 0 && poll(&end, 1, -1) <= 0)
		;
	log_error("it ended without a keeper: how is not known");
	return 1;
}

static int wait_running(const struct command_line *line)
{
	struct control_client client;
	struct err err = ERR_NONE;
	int outcome = 1;

	if (open_guest(line, &client, &err) < 0 || !read_end(&client, &outcome, &err))
		report_error(&err);
	control_close(&client);
	return outcome;
}

int wait_command(const struct command_line *line)
{
	struct state state;
	enum life life = look(line->name, &state);
	int status = life == LIFE_ORPHAN ? wait_orphan(&state) : wait_running(line);

	state_finish(&state);
	return status;
}

// 0, 4, or -errno with a message: nobody hears us, or he refuses.
static int stop_running(const struct command_line *line, struct err *err)
{
	struct json_object *args = json_object_new_object(), *answer = NULL;
	struct control_client client;
	int outcome = 0, r;

	json_object_object_add(args, "force", json_object_new_boolean(line->force));
	r = open_guest(line, &client, err);
	if (r == 0)
		answer = control_call(&client, "stop", json_object_get(args), ANSWER_MS, err);
	if (r == 0 && !(answer && read_end(&client, &outcome, err)))
		r = err->code;
	json_object_put(answer);
	json_object_put(args);
	control_close(&client);
	// how the guest ended is its own affair; that the host is not as it was is ours
	return r < 0 ? r : outcome == 4 ? 4 : 0;
}

static bool is_lost(int r)
{
	return r == -ENOENT || r == -ECONNRESET || r == -EPIPE;
}

// A keeper without a monitor hears signals: the first asks, a second is not so polite.
static void signal_keeper(const struct command_line *line, const struct state *state)
{
	AUTO_CLOSE int pidfd = process_open(&state->keeper);
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return;
	syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
	if (line->force)
		syscall(SYS_pidfd_send_signal, pidfd, SIGINT, NULL, 0);
	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
}

// What the guest was found to be decides. -errno with a message: it may be something else by now.
static int stop_by_life(const struct command_line *line, enum life life, const struct state *state,
			struct err *err)
{
	int r;

	if (life == LIFE_ORPHAN)
		return run_stop_orphan(line);
	if (life == LIFE_DEAD)
		return revert_command(line);
	r = stop_running(line, err);
	if (r == -ENOENT && life == LIFE_RUNNING)
		signal_keeper(line, state);
	return r;
}

// A guest may end, or its monitor or keeper die, while it is asked.
int stop_command(const struct command_line *line)
{
	long long until = io_now_ms() + LOST_MS;
	struct err err = ERR_NONE;
	bool found = false;

	for (;;) {
		struct state state;
		enum life life = look(line->name, &state);
		int r = 0;

		if (life != LIFE_NONE || !found)
			r = stop_by_life(line, life, &state, &err);
		state_finish(&state);
		if (r >= 0)
			return r;
		found |= life != LIFE_NONE;
		if (!found || !is_lost(r) || io_now_ms() > until)
			return report_error(&err);
		poll(NULL, 0, 50);
	}
}

// {"execute":…} as it is; a bare word becomes one.
static struct json_object *parse_command(const char *text, struct err *err)
{
	struct json_object *command;

	if (text[strspn(text, " \t")] == '{')
		return line_parse_object(text, err);
	command = json_object_new_object();
	json_object_object_add(command, "execute", json_object_new_string(text));
	return command;
}

static int run_qmp(struct control_client *client, const char *text)
{
	AUTO_STR struct str out = { 0 };
	struct err err = ERR_NONE;
	struct json_object *command = parse_command(text, &err), *result = NULL;
	int status;

	if (!command)
		return report_error(&err), 2;
	status = ask(client, "qmp", command, QMP_ANSWER_MS, &result);
	if (status)
		return status;
	add_json_text(result, &out);
	json_object_put(result);
	return print_out(out.text);
}

// A script learns of its last command's failure, as from sh.
static int prompt_qmp(struct control_client *client)
{
	bool terminal = isatty(STDIN_FILENO);
	AUTO_FREE char *text = NULL;
	size_t room = 0;
	int status = 0;

	for (;;) {
		if (terminal)
			print_out("qmp> ");
		if (getline(&text, &room, stdin) < 0)
			return terminal ? print_out("\n") : status;
		if (*str_strip(text))
			status = run_qmp(client, str_strip(text));
	}
}

int qmp_command(const struct command_line *line)
{
	struct control_client client;
	int status = connect_guest(line, &client);

	if (status == 0)
		status = line->operands.count ? run_qmp(&client, line->operands.items[0]) :
						prompt_qmp(&client);
	control_close(&client);
	return status;
}
