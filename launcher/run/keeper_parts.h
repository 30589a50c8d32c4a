// SPDX-License-Identifier: MIT
// Owns what the keeper's files share among themselves; nobody else includes it.
#pragma once

#include "launcher/run/keeper.h"

// Beside the greeting QEMU must answer a few queries; they take milliseconds unless it is ill.
enum { KEEPER_START_EXTRA_MS = 30000 };

// keeper_threads.c
int keeper_pin_thread(struct keeper *keeper, int row, pid_t tid, struct err *err);
int keeper_pin_others(struct keeper *keeper, struct err *err); // emulator and vhost threads
int keeper_check_all_pinned(const struct keeper *keeper, struct err *err);
void keeper_rescan(struct keeper *keeper);
void keeper_schedule_rescan(struct keeper *keeper, int after_ms);

// keeper_monitor.c
int keeper_start_monitor(struct keeper *keeper, struct err *err);
void keeper_end_monitor(struct keeper *keeper, int status); // tells it the exit status, then waits
void keeper_tell_monitor(struct keeper *keeper, int type, int value);
void keeper_restore_terminal(struct keeper *keeper);
int keeper_monitor_timeout(const struct keeper *keeper); // ms, -1
void keeper_monitor_expire(struct keeper *keeper);

// keeper_stop.c
void keeper_stop_expire(struct keeper *keeper);
void keeper_interrupt(struct keeper *keeper);
int keeper_outcome(struct keeper *keeper);

// keeper.c
int keeper_write_phase(struct keeper *keeper, enum phase phase, struct err *err);
void keeper_fail(struct keeper *keeper, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// keeper_settle.c
int keeper_open_world(struct keeper *keeper, struct err *err);
// QEMU has mapped its memory: what pools were given for that is taken back, so that the kernel frees it with
// QEMU. True: some has to wait until another guest that is starting has mapped its own.
bool keeper_give_pools_back(struct keeper *keeper);

// keeper_messages.c
void keeper_handle_message(struct keeper *keeper, const struct message *message);
void keeper_end_hook(struct keeper *keeper, bool force); // the `started` one; force: its time is over
