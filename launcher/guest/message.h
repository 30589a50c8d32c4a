// SPDX-License-Identifier: MIT
// Owns what keeper and monitor say to each other: fixed-size structs over a SOCK_SEQPACKET pair. The
// monitor speaks for a QEMU that may be hostile: the keeper checks every field before it acts.
#pragma once

#include <stdint.h>

enum message_type {
	// monitor → keeper
	MSG_THREAD,	  // row of the plan's pins is this tid
	MSG_THREADS_DONE, // no more rows
	MSG_RUN_STATE,	  // value: enum run_state
	MSG_SHUTDOWN,	  // value: 1 by the guest, 0 by the host or unknown; text: QEMU's reason
	MSG_EVENT,	  // value: enum guest_event; text: detail
	MSG_ASK_STOP,	  // a client asks: value 0 powerdown first, 1 without asking the guest
	MSG_ASK_RESCAN,	  // something may have made threads
	MSG_CLOSED,	  // QMP ended; text: why. The monitor serves on until it is told to end
	// keeper → monitor
	MSG_CONTINUE, // every row is pinned: let the guest run if it has not yet
	MSG_POWERDOWN,
	MSG_QUIT,
	MSG_PHASE, // value: enum phase, for status
	MSG_EXIT,  // value: the exit status of the guest's life; the monitor tells its waiters and ends
};

enum run_state { RUN_OTHER, RUN_RUNNING, RUN_PAUSED };
enum guest_event { EVENT_RESET, EVENT_PANIC, EVENT_WATCHDOG, EVENT_PAUSED, EVENT_RESUMED };

struct message {
	uint32_t type;
	int32_t row, tid, value;
	char text[112]; // NUL-terminated
};

// One message, whole. Returns 0 or -errno; receiving: -EAGAIN none now, -EPIPE the other side is gone,
// -EPROTO not a message.
int message_send(int fd, const struct message *message);
int message_receive(int fd, struct message *message);
