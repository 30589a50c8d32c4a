// SPDX-License-Identifier: MIT
// Owns one reversible host change as data, and the table of kinds that know how to read, write and
// compare. Refuses to know why anybody wants it, or to keep a record: see journal.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cpuset;
struct err;
struct process_id;
struct str;

enum change_turn {
	CHANGE_FIRST,  // before QEMU's process is there
	CHANGE_MEMBER, // once that process waits to become QEMU: cgroups are made for it
	CHANGE_LAST,   // once QEMU's threads are where they belong, before the guest runs
};

// `was` and `got` are NULL for "nothing there" (a file that did not exist, a process not started).
struct change {
	const char *kind; // name of a row of the table: "set", "file", "bind", …
	char *path;	  // what is changed; for a process its name
	char *was;	  // before us; the planner may know it, the record always does
	char *want;	  // what we ask for
	char *got;	  // what the host answered when read back
	char *why;	  // one sentence for people
	// What a plan says of it, and no journal: when its turn comes, and whether the guest can do
	// without (a mask that is the driver's, a partition that `auto` asked for).
	enum change_turn turn;
	bool may_fail;
};

// What `want` says, and what the host answers:
//   set      the value of an attribute, without newline      the same in the kernel's words
//   file     "size=32M mode=0660 uid=1000 gid=36": a new     the same behind
//            file of zeros; only mode must be there          "id=DEV:INODE:BIRTH "
//   shm      as file; whatever is there already is in       the same
//            the way
//   aside    "aside": the file has another name             the same
//   process  whatever tells people what runs                 "PID STARTTIME"
//   hold     a signed 32-bit number that a device keeps      the same
//            for as long as it is open
//   inhibit  "block", or "try" where going on without    "block", or "none" where
//            is allowed; what is inhibited is the path:   logind refused
//            "sleep"
//   bind     "DRIVER" or "DRIVER override=NAME" for the      the same
//            device directory /sys/bus/pci/devices/ADDRESS;
//            DRIVER "none": no driver has it. A third word
//            "rebind=no": it is not given back
//   owner    "uid=1000 gid=36 mode=0600" of a node in /dev   the same
//            or /run; what is not said is left as it is
//   module   "loaded" or "unloaded", for a module's name     the same; behind "unloaded" may stand
//                                                            "absent=NAME,…": what it needs and
//                                                            is not loaded either
//   unit     "active" or "inactive", for a systemd unit      the same
//   console  "bound" or "unbound", for a virtual console     the same; behind "bound" may stand
//            /sys/class/vtconsole/NAME, or the boot          "driver=NAME"
//            framebuffer /sys/bus/platform/devices/NAME
//   cgroup   "domain", "threaded", or "scope": a directory   "TYPE id=INODE"
//            below /sys/fs/cgroup; systemd makes a scope,
//            for the member of struct change_host
//   cpuset   the value of a cpuset attribute of our cgroup   the same in the kernel's words, or
//                                                            "gone" with its cgroup
//   token    one word of a cgroup.subtree_control            that word, or nothing ("")
//   mask     "without CPUS" or "without CPUS else CPUS", of  "with CPUS", those of them that are in
//            a mask in /proc/irq or /sys, or of irqbalance;  it; "only CPUS", where no other is;
//            the second set is for a mask with no other CPU  "without CPUS"; "gone"; "other CPUS": not
//            "without IRQS", of those that irqbalance moves  what stood in
//   affinity "CPUS" for "TID.STARTTIME", or "kept": put      "CPUS"; of a kept one "lost", where the
//            back as it is today whenever the kernel has      kernel widened or cut it; "gone"
//            lost it
//   resize   "16G" for a BAR's resourceN_resize              the same; "0": it has no place
//   usb      "lent" for the device directory                 "INTERFACE=DRIVER …", or "lent" of a
//            /sys/bus/usb/devices/PORT: the host's drivers   device without interfaces
//            have none of its interfaces
//   pool     "+64", pages more for a node's nr_hugepages;    the persistent pages: a count. The
//            behind it "compact" and "drop-caches" say what   record's want is one, too
//            may be done to come by them

void change_finish(struct change *change);
void change_copy(struct change *to, const struct change *from);

struct change_list {
	struct change *items;
	size_t count;
};

struct change *change_add(struct change_list *list, const char *kind, const char *path,
			  const char *was, const char *want, const char *why_fmt, ...)
	__attribute__((format(printf, 6, 7)));
void change_list_finish(struct change_list *list);

struct apart;
struct change_held;

// The host as changes see it: `root` is the directory that /sys, /proc, /dev and /run are taken
// from (tests give a made-up tree; the program always "/"). What must stay open (hold) or waits to
// be let go (process) lives in here until change_host_finish.
struct change_host {
	int root; // directory fd
	bool live; // it is this machine's
	struct change_held *held;
	size_t n_held;
	// Called before every write to the host or to a journal with its number, from 1; a negative
	// errno makes that write fail with it. Tests inject failures and deaths here; NULL in the
	// program.
	int (*before_write)(void *context, unsigned long number);
	// Called after every such write; tests die here.
	void (*after_write)(void *context, unsigned long number);
	// Makes the helper `name` ready: forks a child that must first wait on a stream socket,
	// exec once it has read one byte, and exit at EOF; `go` is our end, close-on-exec and in no
	// other process. So a helper that was not recorded dies with us. Returns 0 or -errno with a
	// message; the keeper supplies it.
	int (*start)(void *context, const char *name, struct process_id *id, int *go,
		     struct err *err);
	// Told how far a write has come that takes its time. A negative answer gives it up. May be NULL.
	int (*progress)(void *context, const char *text);
	int pool_patience_ms; // how long a pool is asked again that got too little
	// Runs a program to its end, as program_run does; NULL in the program, tests have their own.
	int (*run)(void *context, const char *const argv[], struct str *out, struct err *err);
	pid_t member; // the process that a cgroup is made for; 0: none
	// Stand-ins for the calls that no file shows, so that tests can play the kernel; NULL: the real
	// ones. The first two are as sched_getaffinity(2) and sched_setaffinity(2), the third removes
	// the directory of a cgroup as rmdir(2) does.
	int (*get_affinity)(void *context, pid_t tid, struct cpuset *cpus);
	int (*set_affinity)(void *context, pid_t tid, const struct cpuset *cpus);
	int (*remove_cgroup)(void *context, const char *path);
	void *context;
	unsigned long writes;
	struct cpuset *root_cpus; // see tasks.h; NULL until it is asked for
	pid_t *fixed; // kernel threads that nobody can move, ascending (tasks.h)
	size_t n_fixed;
	struct apart *apart; // for what may hang; NULL until it is needed, and after change_host_rest
	struct change_kept {
		const char *path; // NULL: none; borrowed
		bool file, written;
		int fd;	    // -1: not opened yet
		char *seen; // what a kind read there, as long as it has written nothing
		bool begun; // it has begun to write, and what it reads from now on is no more `seen`
	} kept; // see change_host_keep
};

enum { CHANGE_POOL_PATIENCE_MS = 5000 };
#define CHANGE_HOST_CLOSED { .root = -1, .pool_patience_ms = CHANGE_POOL_PATIENCE_MS, .kept = { .fd = -1 } }

int change_host_open(struct change_host *host, const char *root, struct err *err);
// Once no change is to follow for a while: ends the child that what may hang was left to.
void change_host_rest(struct change_host *host);
// Closes what is held. Ends no process but one that was made ready and never let go.
void change_host_finish(struct change_host *host);

// A kind. Each row has its own notion of equality: the kernel answers in its own words.
struct change_kind {
	const char *name;
	const char *help;	   // one line for the manual
	const char *const *places; // prefixes of paths it may touch; NULL: names, not paths
	// Today's value on the heap, or NULL for nothing there. Returns 0 or -errno with a message.
	int (*read)(struct change_host *host, const struct change *change, char **value,
		    struct err *err);
	// Makes it so; `value` NULL takes it away. A plain attribute is written directly and may
	// block as long as its driver likes: what is known to block (unbind, probe) must not be a
	// `set`.
	int (*write)(struct change_host *host, const struct change *change, const char *value,
		     struct err *err);
	// Once `got` is on disk: lets go what had to wait for that. NULL: nothing waits.
	int (*commit)(struct change_host *host, const struct change *change, struct err *err);
	// What the plan asks for, in the words of the record, once today's value is known (a pool's
	// "+64" becomes a count). NULL: the plan's words stand. Returns 0 or -errno with a message.
	int (*aim)(struct change_host *host, const struct change *change, char **want,
		   struct err *err);
	bool (*equal)(const char *a, const char *b);	    // two answers of the host mean the same
	bool (*answers)(const char *got, const char *want); // this answer is what was asked for
	// Whether making it `value` may cost tasks the affinities that they were given: each is noted
	// before, as a change of kind `affinity`. NULL: never.
	bool (*disturbs)(const struct change *change, const char *value);
	// The command by which a person puts `was` back.
	void (*remedy)(const struct change *change, struct str *out);
	// For a write of several steps: `now` is what one from `from` to `to`, or back, may have left when it
	// was cut short. NULL: there is nothing in between.
	bool (*between)(const char *now, const char *from, const char *to);
	// Once it was made it shall stay, whatever becomes of the guest. NULL: nothing does.
	bool (*keeps)(const struct change *change);
	bool (*is_name)(const char *name); // of those without places; NULL: str_is_name
	bool creates;	  // nothing may be there before, or where shared only what is as wanted
	bool shared;	  // one value for all guests: theirs pile up on ours (see journal.h)
	bool divides;	  // a set: what another guest also took out stays out, and is theirs to put back
	bool survives_us; // the effect outlives this process (false for hold and inhibit)
	// How long the kernel may take until what was written can be read. 0: it answers at once.
	int patience_ms;
	bool passing;	  // needed until QEMU has its memory: undone by journal_settle already
	bool exclusive;	  // what one guest has changed no other one may
	const char *common; // the path that all may all the same; NULL: none
	bool yields;	  // a write that answers -EBUSY leaves it to those who use it now
	bool one_file;	  // the path is that of an attribute, opened once to read, write and read back
	bool goes_with_cgroup; // what is in a cgroup of ours needs no undo of its own where that is removed
	// It may go away with its device, and then nothing is left to put back: what is said of that, "" nothing.
	const char *gone;
};

const struct change_kind *change_kind_find(const char *name); // NULL: no such kind
const struct change_kind *const *change_kinds(size_t *count);

// As the row's equal and answers, NULL-safe: nothing there equals nothing there only.
bool change_equal(const struct change_kind *kind, const char *a, const char *b);
bool change_answers(const struct change_kind *kind, const char *got, const char *want);

// Refuses what is outside of the kind's places, "..", "//", a final "/", control bytes, and for a
// process what is no name. Returns 0 or -EPERM with a message.
int change_check_path(const struct change_kind *kind, const char *path, struct err *err);
