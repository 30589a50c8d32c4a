// SPDX-License-Identifier: MIT
#include "launcher/guest/state.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"
#include "launcher/plan/print.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>

enum { STATE_MAX = 4 << 20 };

static const char *const phases[] = { "applying", "starting", "running", "stopping" };

const char *phase_name(enum phase phase)
{
	return phases[phase];
}

static struct json_object *print_process(const struct process_id *id)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "pid", json_object_new_int(id->pid));
	json_object_object_add(object, "start", json_object_new_int64((int64_t)id->start));
	return object;
}

static char *print_plan(const struct plan *plan)
{
	struct json_object *object = plan_print_json(plan);
	char *text = mem_dup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));

	json_object_put(object);
	return text;
}

// Most of the state, and the same in each phase.
static struct json_object *wrap_plan(struct state *state)
{
	struct json_object *object = json_object_new_object();

	if (!state->plan_text)
		state->plan_text = print_plan(state->plan);
	json_object_set_serializer(object, json_object_userdata_to_json_string, state->plan_text, NULL);
	return object;
}

int state_write(int dirfd, struct state *state, struct err *err)
{
	struct json_object *object = json_object_new_object();
	AUTO_STR struct str text = { 0 };
	int r;

	json_object_object_add(object, "vfiorun", json_object_new_int(1));
	json_object_object_add(object, "boot_id", json_object_new_string(state->boot_id));
	json_object_object_add(object, "phase", json_object_new_string(phase_name(state->phase)));
	json_object_object_add(object, "keeper", print_process(&state->keeper));
	json_object_object_add(object, "qemu", print_process(&state->qemu));
	json_object_object_add(object, "since", json_object_new_int64(state->since));
	if (state->plan)
		json_object_object_add(object, "plan", wrap_plan(state));
	// A path may be any bytes, but an adopter reads only JSON.
	str_add_utf8(&text, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	str_addc(&text, '\n');
	json_object_put(object);
	r = io_replace_file(dirfd, "state", text.text, 0644, err);
	return r < 0 ? err_wrap(err, "recording the guest's state") : 0;
}

static bool parse_process(struct json_object *object, const char *key, struct process_id *out)
{
	struct json_object *id, *pid, *start;

	if (!json_object_object_get_ex(object, key, &id) ||
	    !json_object_object_get_ex(id, "pid", &pid) ||
	    !json_object_object_get_ex(id, "start", &start))
		return false;
	out->pid = json_object_get_int(pid);
	out->start = (uint64_t)json_object_get_int64(start);
	return out->pid >= 0;
}

static bool parse_phase(struct json_object *object, enum phase *out)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, "phase", &value))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		if (str_eq(json_object_get_string(value), phases[i])) {
			*out = (enum phase)i;
			return true;
		}
	}
	return false;
}

static int parse(struct json_object *object, struct state *state, struct err *err)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, "boot_id", &value) ||
	    !parse_phase(object, &state->phase) || !parse_process(object, "keeper", &state->keeper) ||
	    !parse_process(object, "qemu", &state->qemu))
		return err_set(err, -EPROTO, "the state file is damaged");
	snprintf(state->boot_id, sizeof(state->boot_id), "%s", json_object_get_string(value));
	if (json_object_object_get_ex(object, "since", &value))
		state->since = json_object_get_int64(value);
	if (!json_object_object_get_ex(object, "plan", &value))
		return 0;
	state->plan = mem_new(1, sizeof(*state->plan));
	return plan_parse_json(value, state->plan, err);
}

int state_read(int dirfd, struct state *state, struct err *err)
{
	AUTO_STR struct str text = { 0 };
	struct json_object *object;
	int r;

	*state = (struct state){ 0 };
	r = io_read_file(dirfd, "state", &text, STATE_MAX, err);
	if (r < 0)
		return r;
	object = json_tokener_parse(str_text(&text));
	if (!object)
		return err_set(err, -EPROTO, "the state file is damaged");
	r = parse(object, state, err);
	json_object_put(object);
	return r;
}

void state_finish(struct state *state)
{
	if (state->plan) {
		plan_finish(state->plan);
		free(state->plan);
	}
	free(state->plan_text);
	*state = (struct state){ 0 };
}
