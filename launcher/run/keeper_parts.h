// SPDX-License-Identifier: MIT
// Owns what the keeper's files share among themselves; nobody else includes it.
#pragma once

#include "input/switch.h"
#include "launcher/guest/message.h"
#include "launcher/run/keeper.h"

struct plan_pin;

// Beside the greeting QEMU must answer a few queries; they take milliseconds unless it is ill.
enum { KEEPER_START_EXTRA_MS = 30000 };

// keeper_partition.c
int keeper_apply_turn(struct keeper *keeper, enum change_turn turn, struct err *err);
// QEMU's process waits to be it: cgroups for it, and it in there on the CPUs that it starts on.
int keeper_isolate_process(struct keeper *keeper, const struct cpuset *start, struct err *err);
int keeper_isolate_thread(const struct keeper *keeper, const struct plan_pin *pin, pid_t tid, struct err *err);
int keeper_isolate_threads(struct keeper *keeper, struct err *err); // once all are known, before the guest runs
void keeper_find_partition(struct keeper *keeper);		     // an adopter's, from the journal

// keeper_hotplug.c
void keeper_watch_cpus(struct keeper *keeper);
void keeper_check_pins(struct keeper *keeper);
void keeper_steer_interrupts(struct keeper *keeper); // of passed devices, to the vCPUs' CPUs
void keeper_watch_interrupts(struct keeper *keeper); // those devices' new ones, once the guest runs
bool keeper_has_devices(const struct keeper *keeper);

// keeper_irqbalance.c
void keeper_watch_irqbalance(struct keeper *keeper); // once the guest runs
bool keeper_check_irqbalance(struct keeper *keeper); // true: it has not taken in yet what it was told
void keeper_keep_from_irqbalance(struct keeper *keeper, const struct cpuset *irqs);

// keeper_threads.c
int keeper_pin_thread(struct keeper *keeper, int row, pid_t tid, struct err *err);
int keeper_pin_others(struct keeper *keeper, struct err *err); // emulator and vhost threads
int keeper_check_all_pinned(const struct keeper *keeper, struct err *err);
void keeper_rescan(struct keeper *keeper);
void keeper_schedule_rescan(struct keeper *keeper, int after_ms);
void keeper_rescan_soon(struct keeper *keeper, int after_ms); // at the latest then, and as after a start

// keeper_monitor.c
int keeper_start_monitor(struct keeper *keeper, struct err *err);
void keeper_end_monitor(struct keeper *keeper, int status); // tells it the exit status, then waits
void keeper_tell_monitor(struct keeper *keeper, int type, int value);
void keeper_restore_terminal(struct keeper *keeper);
int keeper_monitor_timeout(const struct keeper *keeper); // ms, -1
void keeper_monitor_expire(struct keeper *keeper);

// keeper_input.c: harmless where the plan shares no input
void keeper_input_start(struct keeper *keeper); // the guest runs, QEMU has its devices
void keeper_input_end(struct keeper *keeper);
void keeper_input_ask(struct keeper *keeper, enum input_target target);
void keeper_input_command(struct keeper *keeper, enum switch_command command);
enum input_owner keeper_input_owner(const struct keeper *keeper);
void keeper_input_tell(struct keeper *keeper, bool refused); // the monitor, who has it
void keeper_input_give_back(struct keeper *keeper);	     // --input-timeout
void keeper_input_give_up(struct keeper *keeper);	     // waiting for the lock

// keeper_devices.c
void keeper_input_init(struct keeper_input *input);
void keeper_input_finish(struct keeper_input *input);
int keeper_input_make(struct keeper *keeper, struct err *err);	// the guest's devices, before QEMU starts
void keeper_input_adopt(struct keeper *keeper);			// has them again, and no key down on them
void keeper_devices_release_guest(struct keeper *keeper);	// no key is down on them
bool keeper_devices_are_read(struct keeper *keeper);		// QEMU holds its grabs
void keeper_devices_watch(struct keeper *keeper);
void keeper_devices_scan(struct keeper *keeper); // hands out what is there and asked for
void keeper_devices_scan_soon(struct keeper *keeper, int after_ms);
void keeper_devices_forget(struct keeper *keeper, int number);	// -1: all
void keeper_devices_say_busy(int number, int error);

// keeper_lock.c
bool keeper_lock_take(struct keeper *keeper);
void keeper_lock_give(struct keeper *keeper);
void keeper_lock_retry(struct keeper *keeper); // its moment has come
void keeper_lock_changed(struct keeper *keeper);
void keeper_lock_ask_others(struct keeper *keeper);
const char *keeper_lock_next(struct keeper *keeper, char room[64]); // whose turn it is; NULL: the host's
void keeper_lock_pass(struct keeper *keeper, const char *name);

// keeper_tasks.c
void keeper_task_start(struct keeper *keeper, struct task *task, const char *what, const struct strv *argv);
void keeper_task_end(struct keeper *keeper, struct task *task, bool force);
void keeper_task_wait(struct keeper *keeper, struct task *task); // for its end, or its time limit
void keeper_run_hotkey(struct keeper *keeper, int action);
void keeper_run_switch_hook(struct keeper *keeper);

// keeper_stop.c
void keeper_stop_expire(struct keeper *keeper);
void keeper_interrupt(struct keeper *keeper);
int keeper_outcome(struct keeper *keeper);

// keeper.c
int keeper_write_phase(struct keeper *keeper, enum phase phase, struct err *err);
void keeper_fail(struct keeper *keeper, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// keeper_settle.c
void keeper_show_report(const struct journal_report *report);
int keeper_open_world(struct keeper *keeper, struct err *err);
// QEMU has mapped its memory: what pools were given for that is taken back, so that the kernel frees it with
// QEMU. True: some has to wait until another guest that is starting has mapped its own.
bool keeper_give_pools_back(struct keeper *keeper);

// keeper_usb.c
void keeper_usb_begin(struct keeper *keeper); // once QEMU's threads are known
void keeper_usb_end(struct keeper *keeper);   // QEMU is gone
void keeper_usb_asked(struct keeper *keeper, const struct message *message);
void keeper_usb_done(struct keeper *keeper, const struct message *message);

// keeper_messages.c
void keeper_handle_message(struct keeper *keeper, const struct message *message);
void keeper_end_hook(struct keeper *keeper, bool force); // the `started` one; force: its time is over
