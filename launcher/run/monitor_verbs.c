// SPDX-License-Identifier: MIT
// What can be asked over the control socket, a row a verb.
#include "launcher/run/monitor_parts.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"
#include "tune/pin.h"

#include <json-c/json.h>
#include <string.h>

struct request {
	struct monitor *monitor;
	struct client *client;
	const char *id; // JSON text of its id
	struct json_object *args; // or NULL
};

// A question to QEMU whose answer goes to whoever asked, if he is still there.
struct pending {
	struct monitor *monitor;
	uint64_t client;
	char *id;
};

static void on_answer(void *context, enum qmp_outcome outcome, struct json_object *result,
		      const struct err *err)
{
	struct pending *pending = context;
	struct client *client = control_find(pending->monitor, pending->client);

	if (client && outcome == QMP_RESULT)
		control_answer(client, pending->id, json_object_get(result));
	else if (client)
		control_refuse(client, pending->id, outcome == QMP_ERROR ? "qemu" : "lost", NULL, "%s",
			       err->text);
	if (client)
		control_flush(pending->monitor, client);
	free(pending->id);
	free(pending);
}

static void ask_qemu(const struct request *request, const char *command, struct json_object *arguments,
		     int deadline_ms)
{
	struct pending *pending = mem_new(1, sizeof(*pending));

	*pending = (struct pending){ request->monitor, request->client->serial, mem_dup(request->id) };
	if (monitor_qmp_send(request->monitor, command, arguments, deadline_ms, on_answer, pending) == 0)
		return;
	control_refuse(request->client, request->id, "lost", NULL, "QEMU does not answer on QMP now");
	free(pending->id);
	free(pending);
}

static const char *state_word(const struct monitor *monitor)
{
	if (monitor->phase != PHASE_RUNNING)
		return phase_name(monitor->phase);
	return monitor->run_state[0] ? monitor->run_state : "running";
}

// What the kernel says of each thread, not what was asked for.
static struct json_object *print_thread(const char *name, pid_t tid)
{
	struct json_object *object = json_object_new_object();
	AUTO_FREE char *list = NULL;
	AUTO_STR struct str policy = { 0 };
	struct cpuset cpus;
	struct sched sched;

	json_object_object_add(object, "thread", json_object_new_string(name));
	json_object_object_add(object, "tid", json_object_new_int(tid));
	if (pin_read(tid, &cpus, &sched) < 0)
		return object;
	list = cpuset_text(&cpus);
	sched_print(&sched, &policy);
	json_object_object_add(object, "cpus", json_object_new_string(list));
	json_object_object_add(object, "policy", json_object_new_string(str_text(&policy)));
	return object;
}

static struct json_object *print_threads(const struct monitor *monitor)
{
	const struct plan *plan = monitor->setup->plan;
	struct json_object *threads = json_object_new_array();

	for (size_t i = 0; i < plan->n_pins; i++) {
		pid_t tid = plan->pins[i].target == PIN_EMULATOR ? monitor->setup->qemu.pid :
								   monitor->tids[i];

		if (tid)
			json_object_array_add(threads, print_thread(plan->pins[i].thread, tid));
	}
	return threads;
}

static void verb_status(const struct request *request)
{
	const struct monitor *monitor = request->monitor;
	struct json_object *status = json_object_new_object();

	json_object_object_add(status, "name", json_object_new_string(monitor->setup->plan->name));
	json_object_object_add(status, "pid", json_object_new_int(monitor->setup->qemu.pid));
	json_object_object_add(status, "state", json_object_new_string(state_word(monitor)));
	json_object_object_add(status, "since", json_object_new_int64(monitor->setup->since));
	json_object_object_add(status, "threads", print_threads(monitor));
	json_object_object_add(status, "input", json_object_new_string(input_word(monitor->input)));
	control_answer(request->client, request->id, status);
}

static bool argument_is_true(const struct request *request, const char *name)
{
	struct json_object *value;

	return request->args && json_object_object_get_ex(request->args, name, &value) &&
	       json_object_get_boolean(value);
}

static void verb_stop(const struct request *request)
{
	struct message message = { .type = MSG_ASK_STOP, .value = argument_is_true(request, "force") };

	monitor_tell(request->monitor, &message);
	control_answer(request->client, request->id, NULL);
}

static void verb_pause(const struct request *request)
{
	ask_qemu(request, "stop", NULL, QMP_RUN);
}

static void verb_resume(const struct request *request)
{
	ask_qemu(request, "cont", NULL, QMP_RUN);
}

static void verb_reset(const struct request *request)
{
	ask_qemu(request, "system_reset", NULL, QMP_RUN);
}

static void verb_qmp(const struct request *request)
{
	struct message rescan = { .type = MSG_ASK_RESCAN };
	struct json_object *command, *arguments = NULL;

	if (!request->args || !json_object_object_get_ex(request->args, "execute", &command) ||
	    !json_object_is_type(command, json_type_string)) {
		control_refuse(request->client, request->id, "usage",
			       "{\"execute\":\"query-status\"}", "qmp needs args.execute");
		return;
	}
	if (json_object_object_get_ex(request->args, "arguments", &arguments) &&
	    !json_object_is_type(arguments, json_type_object)) {
		control_refuse(request->client, request->id, "usage", NULL,
			       "args.arguments must be an object");
		return;
	}
	ask_qemu(request, json_object_get_string(command), json_object_get(arguments), QMP_QUIT);
	// a command may make threads: devices, block jobs
	monitor_tell(request->monitor, &rescan);
}

const char *input_word(enum input_owner owner)
{
	static const char *const words[] = { [INPUT_OWNER_NONE] = "none",
					     [INPUT_OWNER_HOST] = "host",
					     [INPUT_OWNER_GUEST] = "guest" };

	return (size_t)owner < ARRAY_SIZE(words) ? words[owner] : "none";
}

static const char *const targets[] = {
	[TARGET_HOST] = "host", [TARGET_GUEST] = "guest",   [TARGET_TOGGLE] = "toggle",
	[TARGET_NEXT] = "next", [TARGET_LET_GO] = "let-go", [TARGET_YIELD] = "yield",
};

static int find_target(const struct request *request)
{
	struct json_object *value;

	if (!request->args || !json_object_object_get_ex(request->args, "to", &value))
		return TARGET_TOGGLE;
	for (size_t i = 0; json_object_is_type(value, json_type_string) && i < ARRAY_SIZE(targets); i++) {
		if (strcmp(targets[i], json_object_get_string(value)) == 0)
			return (int)i;
	}
	return -1;
}

// Answered once it is known who has the input.
static void verb_switch(const struct request *request)
{
	struct message message = { .type = MSG_ASK_SWITCH, .value = find_target(request) };

	if (!request->monitor->setup->plan->input.used) {
		control_refuse(request->client, request->id, "no-input", "add a section [input] to its profile",
			       "this guest shares no keyboard and mouse");
	} else if (message.value < 0) {
		control_refuse(request->client, request->id, "usage", "{\"to\":\"guest\"}",
			       "args.to is host, guest, toggle, next or let-go");
	} else if (request->client->switch_id) {
		control_refuse(request->client, request->id, "usage", NULL,
			       "one switch at a time on a connection");
	} else {
		request->client->switch_id = mem_dup(request->id ? request->id : "null");
		monitor_tell(request->monitor, &message);
	}
}

void verb_answer_switches(struct monitor *monitor, bool refused)
{
	for (struct client *client = monitor->clients; client; client = client->next) {
		AUTO_FREE char *id = take(client->switch_id);
		struct json_object *result;

		if (!id || client->gone)
			continue;
		if (refused) {
			control_refuse(client, id, "refused", "`vfiorun log` says why",
				       "keyboard and mouse were not switched");
		} else {
			result = json_object_new_object();
			json_object_object_add(result, "input",
					       json_object_new_string(input_word(monitor->input)));
			control_answer(client, id, result);
		}
		control_flush(monitor, client);
	}
}

static void verb_wait(const struct request *request)
{
	if (request->client->waits) {
		control_refuse(request->client, request->id, "usage", NULL,
			       "one wait at a time on a connection");
		return;
	}
	request->client->waits = true;
	request->client->wait_id = mem_dup(request->id ? request->id : "null");
}

static void verb_subscribe(const struct request *request)
{
	request->client->subscribed = true;
	control_answer(request->client, request->id, NULL);
}

// Operators may plug in what the host can spare; what it needs takes root or the owner.
static void verb_usb(const struct request *request)
{
	struct json_object *action = NULL, *device = NULL;
	bool attach;

	if (!request->args || !json_object_object_get_ex(request->args, "action", &action) ||
	    !json_object_object_get_ex(request->args, "device", &device) ||
	    !json_object_is_type(device, json_type_string) ||
	    json_object_get_string_len(device) >= (int)sizeof(((struct message *)NULL)->text)) {
		control_refuse(request->client, request->id, "usage",
			       "{\"action\":\"attach\",\"device\":\"046d:c52b\"}",
			       "usb needs args.action and args.device");
		return;
	}
	attach = strcmp(json_object_get_string(action), "attach") == 0;
	if (!attach && strcmp(json_object_get_string(action), "detach") != 0) {
		control_refuse(request->client, request->id, "usage", NULL, "action is attach or detach");
		return;
	}
	if (argument_is_true(request, "force") && !request->client->owner) {
		control_refuse(request->client, request->id, "denied", NULL,
			       "only root and the guest's owner may force it");
		return;
	}
	monitor_usb_ask(request->monitor, request->client, request->id,
			!attach ? USB_DETACH :
			argument_is_true(request, "force") ? USB_ATTACH_FORCED : USB_ATTACH,
			json_object_get_string(device));
}

static void verb_console(const struct request *request)
{
	if (!request->monitor->setup->plan->console || request->monitor->console.fd < 0) {
		control_refuse(request->client, request->id, "no-console", NULL,
			       "this guest has no serial console");
		return;
	}
	control_answer(request->client, request->id, NULL);
	request->client->console = true;
	console_replay(request->monitor, request->client);
}

static const struct verb {
	const char *name;
	void (*run)(const struct request *request);
	bool operators; // not only root and the owner
} verbs[] = {
	{ "status", verb_status, true },      { "stop", verb_stop, false },
	{ "pause", verb_pause, true },	      { "resume", verb_resume, true },
	{ "reset", verb_reset, false },	      { "qmp", verb_qmp, false },
	{ "wait", verb_wait, true },	      { "subscribe", verb_subscribe, true },
	{ "console", verb_console, false },   { "switch", verb_switch, true },
	{ "usb", verb_usb, true },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static void refuse_unknown(const struct request *request, const char *name)
{
	const char *names[ARRAY_SIZE(verbs)];

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i].name;
	control_refuse(request->client, request->id, "unknown",
		       str_nearest(name, names, ARRAY_SIZE(verbs)), "no verb `%s`", name);
}

void verb_run(struct monitor *monitor, struct client *client, struct json_object *object)
{
	struct request request = { .monitor = monitor, .client = client };
	struct json_object *value;
	const struct verb *verb;
	const char *name;

	if (json_object_object_get_ex(object, "id", &value))
		request.id = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
	if (json_object_object_get_ex(object, "args", &value) &&
	    json_object_is_type(value, json_type_object))
		request.args = value;
	if (!json_object_object_get_ex(object, "do", &value) ||
	    !json_object_is_type(value, json_type_string)) {
		control_refuse(client, request.id, "usage", "{\"id\":1,\"do\":\"status\"}",
			       "a request needs `do`");
		return;
	}
	name = json_object_get_string(value);
	verb = find_verb(name);
	if (!verb)
		refuse_unknown(&request, name);
	else if (!client->owner && !(verb->operators && client->operator_))
		control_refuse(client, request.id, "denied",
			       "root and the guest's owner may; [vm] operators adds others to status, "
			       "wait, pause, resume, switch and usb",
			       "you may not `%s` this guest", name);
	else
		verb->run(&request);
}
