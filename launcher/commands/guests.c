// SPDX-License-Identifier: MIT
// list and status: what lives, and what it does, from the state on disk and from the guest's monitor.
#include "launcher/commands/commands.h"
#include "launcher/commands/guest_memory.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "launcher/commands/status.h"
#include "launcher/guest/client.h"
#include "launcher/guest/paths.h"
#include "launcher/guest/state.h"
#include "launcher/plan/plan.h"
#include "tune/change/journal.h"
#include "tune/pin.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <time.h>

enum { ANSWER_MS = 5000 };

static void add_string(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, value ? json_object_new_string(value) : NULL);
}

static const char *get_string(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value))
		return "";
	return value ? json_object_get_string(value) : "nothing";
}

static struct json_object *print_journal(const struct paths *paths, const char *name)
{
	struct json_object *records = json_object_new_array();
	AUTO_FREE char *path = mem_printf("%s/%s", paths->run_base, name);
	AUTO_CLOSE int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct journal journal = JOURNAL_CLOSED;

	if (dir < 0 || journal_read(&journal, dir, NULL) < 0)
		return records;
	for (size_t i = 0; i < journal.count; i++) {
		const struct change *change = &journal.records[i].change;
		struct json_object *record;

		if (journal.records[i].done)
			continue;
		record = json_object_new_object();
		add_string(record, "kind", journal.records[i].kind);
		add_string(record, "path", change->path);
		add_string(record, "was", change->was);
		add_string(record, "want", change->want);
		add_string(record, "got", change->got);
		add_string(record, "why", change->why);
		json_object_array_add(records, record);
	}
	journal_finish(&journal);
	return records;
}

// A guest whose monitor can't be asked: what its files and the kernel say.
static struct json_object *status_from_disk(const char *name, enum life life, const struct state *state)
{
	struct json_object *status = json_object_new_object();
	const char *word = life == LIFE_ORPHAN ? "orphan" :
			   life == LIFE_DEAD   ? "dead" :
						 phase_name(state->phase);

	add_string(status, "name", name);
	json_object_object_add(status, "pid", json_object_new_int(state->qemu.pid));
	add_string(status, "state", word);
	json_object_object_add(status, "since", json_object_new_int64(state->since));
	json_object_object_add(status, "threads", json_object_new_array());
	add_string(status, "input", "none");
	return status;
}

static struct json_object *ask_monitor(const struct paths *paths, const char *name)
{
	struct control_client client;
	struct json_object *status = NULL;

	if (control_connect(&client, paths, name, NULL) == 0)
		status = control_call(&client, "status", NULL, ANSWER_MS, NULL);
	control_close(&client);
	return status;
}

static struct json_object *print_clients(const struct state *state)
{
	struct json_object *clients = json_object_new_array();

	for (size_t i = 0; state->plan && i < state->plan->clients.count; i++)
		json_object_array_add(clients, json_object_new_string(state->plan->clients.items[i]));
	return clients;
}

struct json_object *status_read(const struct paths *paths, const char *name)
{
	struct json_object *status = ask_monitor(paths, name);
	struct state state;
	enum life life = guest_look(paths, name, &state);

	if (!status && life != LIFE_NONE)
		status = status_from_disk(name, life, &state);
	if (status) {
		json_object_object_add(status, "clients", print_clients(&state));
		json_object_object_add(status, "journal", print_journal(paths, name));
	}
	state_finish(&state);
	return status;
}

// Only where one guest was asked for: it costs a walk through all of its page tables.
static void add_memory(const struct paths *paths, const char *name, struct json_object *status)
{
	struct json_object *memory = NULL;
	struct state state;
	enum life life = guest_look(paths, name, &state);

	if ((life == LIFE_RUNNING || life == LIFE_ORPHAN) && state.plan && state.qemu.pid > 0)
		memory = guest_memory_read(state.plan, state.qemu.pid);
	state_finish(&state);
	json_object_object_add(status, "memory", memory);
}

static void print_time(int64_t since, struct str *out)
{
	time_t seconds = (time_t)since;
	struct tm tm;
	char text[40];

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	str_add(out, text);
}

static void print_threads_text(struct json_object *status, struct str *out)
{
	struct json_object *threads;

	if (!json_object_object_get_ex(status, "threads", &threads) ||
	    !json_object_array_length(threads))
		return;
	str_addf(out, "\n%-12s %8s  %-8s %s\n", "thread", "tid", "policy", "CPUs");
	for (size_t i = 0; i < json_object_array_length(threads); i++) {
		struct json_object *thread = json_object_array_get_idx(threads, i);

		str_addf(out, "%-12s %8s  %-8s %s\n", get_string(thread, "thread"),
			 get_string(thread, "tid"), get_string(thread, "policy"),
			 get_string(thread, "cpus"));
	}
}

static bool is_dead(struct json_object *status)
{
	return strcmp(get_string(status, "state"), "dead") == 0;
}

static void print_journal_text(struct json_object *status, struct str *out)
{
	struct json_object *records;

	if (!json_object_object_get_ex(status, "journal", &records) ||
	    !json_object_array_length(records))
		return;
	str_add(out, is_dead(status) ? "\nstill changed on the host:\n" :
				       "\nchanged on the host, and undone when the guest ends:\n");
	for (size_t i = 0; i < json_object_array_length(records); i++) {
		struct json_object *record = json_object_array_get_idx(records, i);

		str_addf(out, "  %s %s: %s -> %s\n", get_string(record, "kind"),
			 get_string(record, "path"), get_string(record, "was"),
			 get_string(record, "got"));
	}
}

static void print_clients_text(struct json_object *status, struct str *out)
{
	struct json_object *clients;

	if (!json_object_object_get_ex(status, "clients", &clients) || is_dead(status) ||
	    !json_object_array_length(clients))
		return;
	str_add(out, "\nto see and hear it:\n");
	for (size_t i = 0; i < json_object_array_length(clients); i++)
		str_addf(out, "  %s\n", json_object_get_string(json_object_array_get_idx(clients, i)));
}

static void print_hint(const char *name, const char *state, struct str *out)
{
	if (strcmp(state, "orphan") == 0)
		str_addf(out, "\nIts keeper died; the guest runs on. `vfiorun adopt %s` takes over, "
			      "`vfiorun stop %s` ends it.\n", name, name);
	else if (strcmp(state, "dead") == 0)
		str_addf(out, "\nIt was cut short. `vfiorun revert %s` puts the host back.\n", name);
}

static void print_status_text(struct json_object *status, struct str *out)
{
	struct json_object *pid, *since, *memory = NULL;

	str_addf(out, "%s: %s", get_string(status, "name"), get_string(status, "state"));
	if (json_object_object_get_ex(status, "pid", &pid) && json_object_get_int(pid))
		str_addf(out, ", QEMU %s process %s", is_dead(status) ? "was" : "is",
			 get_string(status, "pid"));
	if (json_object_object_get_ex(status, "since", &since) && json_object_get_int64(since)) {
		str_add(out, ", since ");
		print_time(json_object_get_int64(since), out);
	}
	str_add(out, "\n");
	if (strcmp(get_string(status, "input"), "host") == 0 || strcmp(get_string(status, "input"), "guest") == 0)
		str_addf(out, "keyboard and mouse: the %s has them\n", get_string(status, "input"));
	print_threads_text(status, out);
	print_clients_text(status, out);
	if (json_object_object_get_ex(status, "memory", &memory) && memory)
		guest_memory_print(memory, out);
	print_journal_text(status, out);
	print_hint(get_string(status, "name"), get_string(status, "state"), out);
}

static int open_paths(struct paths *paths)
{
	struct err err = ERR_NONE;

	if (paths_read(paths, &err) == 0)
		return 0;
	return report_error(&err);
}

int status_command(const struct command_line *line)
{
	AUTO_STR struct str text = { 0 };
	struct json_object *status;
	struct paths paths;
	int result = open_paths(&paths);

	if (result)
		return result;
	status = status_read(&paths, line->name);
	if (status)
		add_memory(&paths, line->name, status);
	paths_finish(&paths);
	if (!status) {
		log_error("no guest `%s`; `vfiorun list` shows those there are", line->name);
		return 1;
	}
	if (line->json)
		add_json_text(status, &text);
	else
		print_status_text(status, &text);
	json_object_put(status);
	return print_out(text.text);
}

static void print_list_text(struct json_object *guests, struct str *out)
{
	size_t n = json_object_array_length(guests);

	if (!n) {
		str_add(out, "no guests\n");
		return;
	}
	str_addf(out, "%-20s %-10s %8s  %s\n", "name", "state", "pid", "since");
	for (size_t i = 0; i < n; i++) {
		struct json_object *guest = json_object_array_get_idx(guests, i), *since;

		str_addf(out, "%-20s %-10s %8s  ", get_string(guest, "name"), get_string(guest, "state"),
			 get_string(guest, "pid"));
		if (json_object_object_get_ex(guest, "since", &since) && json_object_get_int64(since))
			print_time(json_object_get_int64(since), out);
		str_add(out, "\n");
	}
}

int list_command(const struct command_line *line)
{
	struct json_object *guests = json_object_new_array();
	AUTO_STRV struct strv names = { 0 };
	AUTO_STR struct str text = { 0 };
	struct paths paths;
	int result = open_paths(&paths);

	if (result == 0) {
		guest_list(&paths, &names);
		for (size_t i = 0; i < names.count; i++) {
			struct json_object *status = status_read(&paths, names.items[i]);

			if (status)
				json_object_array_add(guests, status);
		}
		if (line->json)
			add_json_text(guests, &text);
		else
			print_list_text(guests, &text);
		result = print_out(text.text);
	}
	json_object_put(guests);
	paths_finish(&paths);
	return result;
}
