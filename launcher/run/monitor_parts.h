// SPDX-License-Identifier: MIT
// Owns what the monitor's files share among themselves; nobody else includes it.
#pragma once

#include "base/loop.h"
#include "base/str.h"
#include "launcher/guest/message.h"
#include "launcher/run/monitor.h"
#include "qmp/client.h"
#include "qmp/line.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

enum { CONSOLE_RING = 16384 };

// The guest's serial console: QEMU on one side; our terminal and any number of clients on the other.
struct console {
	int fd; // to QEMU, -1: none
	struct loop_source source, in, out;
	char *ring; // what it said last, for clients that come later; NULL: nothing yet
	size_t ring_total;
	struct str to_guest, to_stdout; // bytes that wait
	bool reads_stdin, raw;
	struct termios saved;
};

struct monitor;

struct client {
	struct client *next;
	struct monitor *monitor;
	uint64_t serial; // an answer that comes late finds its asker by this, or nobody
	int fd;
	struct loop_source source;
	struct line_reader reader;
	struct line_writer writer;
	struct str raw; // console bytes that wait
	bool owner, operator_; // what its peer's user may do
	bool subscribed, console, gone;
	bool waits;
	char *switch_id; // of a switch that is not made yet; NULL: none
	char *wait_id; // JSON text of the waiting request's id
};

struct monitor {
	const struct monitor_setup *setup;
	struct loop loop;
	struct loop_source channel_source, control_source;
	struct qmp_client *qmp;
	struct loop_source qmp_source;
	uint32_t qmp_events;
	pid_t *tids; // by row of the plan's pins
	int answers_missing; // before the threads are all told
	bool continued;
	enum phase phase;
	enum input_owner input;
	char run_state[32]; // QEMU's word
	bool told_paused;   // to the keeper, who has not been told that it went on
	struct client *clients;
	uint64_t last_serial;
	struct console console;
	struct usb_asker *usb_askers; // monitor_usb.c
	int last_usb_asker;
	struct usb_waiting *usb_waiting; // devices behind the one that QEMU is handed now
	bool usb_busy, continue_asked;
	bool done;
	int status;
};

// monitor.c
void monitor_tell(struct monitor *monitor, const struct message *message);

// monitor_qmp.c
int monitor_qmp_open(struct monitor *monitor, struct err *err);
void monitor_qmp_continue(struct monitor *monitor);
void monitor_qmp_powerdown(struct monitor *monitor);
void monitor_qmp_quit(struct monitor *monitor);
void monitor_qmp_rearm(struct monitor *monitor); // after anything was queued
int monitor_qmp_send(struct monitor *monitor, const char *command, struct json_object *arguments,
		     int deadline_ms, qmp_reply_fn *reply, void *context);

// monitor_control.c
int control_open(struct monitor *monitor);
void control_event(struct monitor *monitor, const char *name, struct json_object *data); // borrows data
void control_console_bytes(struct monitor *monitor, const char *data, size_t size);
void control_exit(struct monitor *monitor, int status); // answers who waits
void control_finish(struct monitor *monitor);
void control_flush(struct monitor *monitor, struct client *client);
struct client *control_find(struct monitor *monitor, uint64_t serial);
// Takes `result`.
void control_answer(struct client *client, const char *id, struct json_object *result);
void control_refuse(struct client *client, const char *id, const char *code, const char *hint,
		    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

// monitor_usb.c
void monitor_usb_ask(struct monitor *monitor, struct client *client, const char *id, enum usb_ask ask,
		     const char *device);
void monitor_usb_attach(struct monitor *monitor, const struct message *message, int fd); // takes fd
void monitor_usb_detach(struct monitor *monitor, const struct message *message);
void monitor_usb_refused(struct monitor *monitor, const struct message *message);

// monitor_verbs.c
void verb_run(struct monitor *monitor, struct client *client, struct json_object *request);

void verb_answer_switches(struct monitor *monitor, bool refused); // who waits for who has the input
const char *input_word(enum input_owner owner);

// monitor_console.c
int console_open(struct monitor *monitor, struct err *err);
void console_start_terminal(struct monitor *monitor); // once the guest runs
void console_write(struct monitor *monitor, const char *data, size_t size); // to the guest
void console_replay(struct monitor *monitor, struct client *client);
void console_finish(struct monitor *monitor);
