// SPDX-License-Identifier: MIT
// Owns a made-up host that answers in the kernel's words, and guests that change it, fail at it, or
// die at a chosen write. Refuses to judge: tests do.
#pragma once

#include "tune/change/change.h"
#include "tune/change/journal.h"

#include <stdbool.h>

// The tree has these, all of which a `set` may write; the kernel's side of them:
//   /sys/h/number /sys/h/word /proc/sys/h/number   keep what is written
//   /sys/h/flag      1 reads Y, 0 reads N
//   /sys/h/cpus      a CPU list, sorted and joined
//   /sys/h/choice    one of "always madvise never", read with brackets
//   /sys/h/override  an empty one reads (null)
//   /sys/h/stubborn  keeps its value, whatever is written
//   /sys/h/rounded   goes down to a multiple of ten
//   /sys/h/slow      answers with the new value a while after it was written
//   /dev/cpu_dma_latency   forgets what was written once nobody has it open
//   FAKEHOST_POOL    a node's pool of huge pages with nr_, free_ and surplus_hugepages, as
//                    fakehost_pool and fakehost_map make it
// besides /run and /dev/shm, which are empty, and what fakecgroup.h has.
struct fakehost {
	char dir[256];
	char tree[300]; // the root of the host
	int runs; // as struct journal_world wants it
	char *slow, *slow_wanted; // what the slow one shows, and what it comes round to, or NULL
	bool has_devices;
	int alive[2];	// a pipe whose write end every helper holds
};

#define FAKEHOST_NODE "/sys/devices/system/node/node0"
#define FAKEHOST_POOL FAKEHOST_NODE "/hugepages/hugepages-2048kB"

// In /dev/shm, where fsync costs nothing. The caller becomes the reaper of orphans.
void fakehost_make(struct fakehost *fake);
void fakehost_remove(struct fakehost *fake);

// And what fakepci.h has. It makes each write slower, so only tests that need it have it.
void fakehost_add_devices(struct fakehost *fake);

// All files with mode and content, sorted; the caller frees. Lets the latency device forget first.
char *fakehost_print(struct fakehost *fake);

// Reads and writes as somebody else on the host would; `value` without its newline.
char *fakehost_get(struct fakehost *fake, const char *path);
void fakehost_set(struct fakehost *fake, const char *path, const char *value);

// A pool with this many pages of its own; the machine has room for `most`, and for `compacted` once its
// memory was compacted.
void fakehost_pool(struct fakehost *fake, int pages, int most, int compacted);
// A process maps pages, or with a negative number ends that had them. False: so many are not free.
bool fakehost_map(struct fakehost *fake, int pages);

// Whether a helper still lives; waits up to 5 s for the last to go. May be asked once.
bool fakehost_has_helpers(struct fakehost *fake);

// A guest: its run directory, made if need be, its journal and its hands on the host.
struct fakeguest {
	struct fakehost *fake;
	char name[32];
	int dir;
	struct change_host host;
	struct journal journal;
	struct journal_world world;
	unsigned long fail_at, die_before, die_after; // number of a write; 0: never
	bool fail_start;
};

void fakeguest_open(struct fakeguest *guest, struct fakehost *fake, const char *name);
void fakeguest_close(struct fakeguest *guest); // as an end of its process would: nothing is undone

// Applies them in order and stops at the first that fails. Returns its error.
int fakeguest_apply(struct fakeguest *guest, const struct change_list *list, struct err *err);
