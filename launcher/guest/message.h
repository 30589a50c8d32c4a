// SPDX-License-Identifier: MIT
// Owns what keeper and monitor, and keeper and input process, say to each other: fixed-size structs over a
// SOCK_SEQPACKET pair. The monitor speaks for a QEMU that may be hostile: the keeper checks every field before it acts.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum message_type {
	// monitor → keeper
	MSG_NEGOTIATED,	  // QEMU has made what it is made of, and answers
	MSG_THREAD,	  // row of the plan's pins is this tid
	MSG_THREADS_DONE, // no more rows
	MSG_RUN_STATE,	  // value: enum run_state
	MSG_SHUTDOWN,	  // value: 1 by the guest, 0 by the host or unknown; text: QEMU's reason
	MSG_EVENT,	  // value: enum guest_event; text: detail
	MSG_ASK_STOP,	  // a client asks: value 0 powerdown first, 1 without asking the guest
	MSG_ASK_RESCAN,	  // something may have made threads
	MSG_ASK_SWITCH,	  // value: enum input_target
	MSG_ASK_USB,	  // a client asks: value: enum usb_ask; text: the device; row: comes back with the answer
	MSG_USB_DONE,	  // row: of the asker, 0 none; value: enum usb_ask; tid: enum usb_done; text: the port
	MSG_CLOSED,	  // QMP ended; text: why. The monitor serves on until it is told to end
	// keeper → monitor
	MSG_CONTINUE, // every row is pinned: let the guest run if it has not yet
	MSG_POWERDOWN,
	MSG_QUIT,
	MSG_PHASE, // value: enum phase, for status
	MSG_INPUT_STATE, // value: enum input_owner; tid: 1 it was refused just now
	MSG_USB_ATTACH, // with a descriptor; row: of the asker; value: the number of its set; text: the port
	MSG_USB_DETACH, // row: of the asker; text: the port
	MSG_USB_REFUSED, // row: of the asker; text: why
	MSG_EXIT,  // value: the exit status of the guest's life; the monitor tells its waiters and ends
};

// What keeper and input process say to each other. `row` is the number of an event node.
enum input_message_type {
	// input → keeper
	INPUT_SIDE,	// value: enum switch_side has it now
	INPUT_LET_GO,	// every device is the host's
	INPUT_REFUSED,	// the guest is not ready
	INPUT_STUCK,	// value: this key was released after the time limit
	INPUT_ACTION,	// value: a hotkey's action that is not the engine's
	INPUT_GONE,	// the device was unplugged
	INPUT_BUSY,	// value: errno; it can't be grabbed now
	INPUT_FAILED,	// value: errno; text: why it can't be used
	INPUT_RELEASED, // all devices were given back, as asked
	// keeper → input
	INPUT_DEVICE,  // with its descriptor and one of /dev/uinput; text: `phys` of the clone
	INPUT_COMMAND, // value: enum switch_command
	INPUT_READY,   // value: 1: QEMU reads the guest's devices
	INPUT_RELEASE, // give all devices back
};

enum input_target { TARGET_HOST, TARGET_GUEST, TARGET_TOGGLE, TARGET_NEXT, TARGET_LET_GO, TARGET_YIELD };
enum input_owner { INPUT_OWNER_NONE, INPUT_OWNER_HOST, INPUT_OWNER_GUEST };

enum run_state { RUN_OTHER, RUN_RUNNING, RUN_PAUSED };
enum usb_ask { USB_DETACH, USB_ATTACH, USB_ATTACH_FORCED };
enum usb_done { USB_FAILED, USB_DONE, USB_UNKNOWN }; // unknown: QEMU has no such device to detach
enum guest_event { EVENT_RESET, EVENT_PANIC, EVENT_WATCHDOG, EVENT_PAUSED, EVENT_RESUMED };

struct message {
	uint32_t type;
	int32_t row, tid, value;
	char text[112]; // NUL-terminated
};

// One message, whole. Returns 0 or -errno; receiving: -EAGAIN none now, -EPIPE the other side is gone,
// -EPROTO not a message.
// With descriptors: at most MESSAGE_FDS of them go along; what comes has CLOEXEC and is the caller's, -1
// where there is none.
enum { MESSAGE_FDS = 2 };
int message_send_fds(int fd, const struct message *message, const int *fds, size_t count);
int message_receive_fds(int fd, struct message *message, int fds[MESSAGE_FDS]);

int message_send(int fd, const struct message *message);
int message_receive(int fd, struct message *message);

// With a descriptor, which the receiver owns; -1: there was none.
int message_send_fd(int fd, const struct message *message, int pass);
int message_receive_fd(int fd, struct message *message, int *passed);
