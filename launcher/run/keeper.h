// SPDX-License-Identifier: MIT
// Owns a guest's life from the first host change to the last undo: parent of QEMU and of the monitor,
// holder of journal and locks. Refuses to parse a foreign byte: QEMU's words reach it as checked structs.
#pragma once

#include "base/loop.h"
#include "input/guest.h"
#include "launcher/guest/paths.h"
#include "launcher/guest/state.h"
#include "launcher/run/spawn.h"
#include "tune/change/journal.h"
#include "tune/tracepoint.h"

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

struct err;
struct message;

// How hard the guest is asked to end; each step has its deadline, then the next one comes.
enum stop_step { STOP_NONE, STOP_POWERDOWN, STOP_QUIT, STOP_TERM, STOP_KILL };

struct monitor_process {
	pid_t pid;
	int channel; // SOCK_SEQPACKET of struct message
	struct loop_source source;
	bool closed; // its QMP conversation has ended
	long long closed_at; // ms
	char closed_why[112];
	int starts;
	long long first_start; // ms, of the present series
};

// A command of the profile's that runs beside the guest, with a time limit.
struct task {
	pid_t pid; // 0: none runs
	const char *what;
	struct loop_source source;
	long long deadline; // ms, 0: none
};

// Keyboard and mouse: the process that has them, the guest's devices, and the right to take real ones.
struct keeper_input {
	pid_t pid;
	int channel; // SOCK_SEQPACKET of struct message
	struct loop_source source;
	int starts;
	long long first_start; // ms, of the present series
	int uinput[GUEST_PARTS]; // the guest's devices: what is written to them, -1: none
	int nodes[GUEST_PARTS];	 // and their event nodes
	bool guest_reads;	 // QEMU holds its grabs
	bool guest_side;
	int lock;		 // of all guests' keepers one holds it, and its guest shares the devices
	bool locked;
	bool wants;		 // the input for this guest, as soon as the lock is there
	char pass_to[64];	 // the guest that gets the lock after us, "" none
	int *handed;		 // numbers of the nodes that the process was given
	size_t n_handed;
	struct loop_source watch;
	int scans;
	long long scan_at, lock_at, wants_until, give_back_at; // ms, 0: none
	struct task hook, command;
	bool hook_due; // sides changed while a hook ran
};

// irqbalance, as far as this guest has to do with it.
struct keeper_balancer {
	struct loop_source source; // inotify; fd -1: the plan leaves interrupts where they are
	int above;		   // see irqbalance_watch
	char *socket;		   // of the one that runs, or NULL
	long long told_at;	   // of CPUs, ms; 0: not by us
	bool settled;		   // it has taken that in, or never will
	bool unheard;		   // it does not take what it is told of interrupts, and that was said
};

struct keeper {
	const struct paths *paths; // borrowed, as the next two are
	struct guest_dir *dir;
	const char *name;
	struct state state; // owns the plan; NULL where only leftovers are settled and it can't be read
	struct change_host host;
	struct journal journal;
	struct journal_world world;

	struct loop loop;
	struct child qemu;
	bool adopted; // QEMU is not our child
	bool partition;	   // its threads have cgroups of their own
	bool no_partition; // the kernel refused one, and the profile can do without
	struct loop_source qemu_source, signal_source, hotplug_source, interrupts_source;
	struct tracepoint interrupts_made; // on the guest's CPUs; closed: it passes no device, or they can't be watched
	struct monitor_process monitor;
	struct keeper_input input;
	struct keeper_balancer balancer;
	int control; // listening socket, for every monitor
	int log;     // the guest's log file
	long long log_start; // where this run begins in it
	bool relay;  // the console is on our stdin and stdout
	bool terminal_saved;
	struct termios terminal;
	int tell; // where --detach's parent waits for a status byte, or -1
	pid_t hook; // a `started` hook that runs, or 0
	struct loop_source hook_source;
	long long hook_deadline;

	struct {
		struct loop_source source; // what comes and goes
		struct strv ports; // what the guest was given, or was handed to it and not answered yet
		bool begun;
	} usb;

	pid_t *tids; // by row of the plan's pins; 0: not known
	bool *astray; // likewise: the thread cannot be where it belongs, and that was said
	int *streams; // by helper of the plan: our end of its socket pair until QEMU has it, or -1
	bool was_running; // at any time, under any keeper
	bool ready;	  // QMP said so to us
	bool panicked;
	bool shutdown_seen;
	enum stop_step stop;
	long long stop_deadline, start_deadline, rescan_at; // ms, 0: none
	long long progress_at; // ms, when next to say how far a slow change is; 0: it has not begun
	int rescans, interrupts; // interrupts: of ours, Ctrl-C and its like
	bool signalled; // we sent QEMU a deadly signal
	bool ended;	// QEMU is gone
	int wait_status; // as waitpid gives it, where it was our child
	bool failed;	// the start failed: `failure` says why
	char failure[900];
	int status; // exit status so far
};

// The name's lock must be held in `dir`. keeper_finish releases neither that nor the paths.
void keeper_init(struct keeper *keeper, const struct paths *paths, struct guest_dir *dir, const char *name);
void keeper_finish(struct keeper *keeper);
// Where the console is relayed on a terminal: remembers its settings, to be restored whoever dies.
void keeper_save_terminal(struct keeper *keeper);

// The steps of a start. Each returns 0 or -errno with a message; after a failure keeper_settle undoes
// what was done.
int keeper_begin(struct keeper *keeper, struct plan *plan, struct err *err); // takes the plan; run directory,
									     // state `applying`, log
int keeper_apply(struct keeper *keeper, struct err *err);  // every change of the plan, journalled
int keeper_launch(struct keeper *keeper, struct err *err); // descriptors, QEMU with -S, monitor

// For a guest whose keeper died while it ran. `state` is taken.
int keeper_adopt(struct keeper *keeper, struct state *state, struct err *err);

// Pins, lets the guest run, and waits until QEMU is gone. Returns the exit status of that.
int keeper_supervise(struct keeper *keeper);

// Puts the host back and removes the run directory. Returns `status`, or 4 where something could not be
// put back (each item was named).
int keeper_settle(struct keeper *keeper, int status);

// For what a dead keeper left: ends a QEMU whose guest never ran, then as keeper_settle. Returns 0 or 4.
int keeper_settle_dead(struct keeper *keeper);

// Begins or hastens the end, from outside the loop's own signals.
void keeper_stop(struct keeper *keeper, enum stop_step step);
