// SPDX-License-Identifier: MIT
// Owns the words that irqbalance is told over its socket (irqbalance 1.9, irqbalance.c, sock_handle; the
// same since 1.3): which CPUs it may put interrupts on, and which interrupts it may move. Refuses to start, stop
// or signal it.
#pragma once

#include <stdbool.h>

struct change_host;
struct cpuset;

// "/run/irqbalance/irqbalancePID.sock" is about CPUs, and with "/irqs" behind it about interrupts.
bool irqbalance_owns(const char *path);
// What it says of CPUs is as of its last scan of the interrupts, which it makes every ten seconds.
bool irqbalance_is_late(const char *path);

// What is not banned, of all that there can be. Returns 0 or -errno (-ENOENT, -ECONNREFUSED: it has ended).
int irqbalance_read(struct change_host *host, const char *path, struct cpuset *allowed);
// `wait`: where it is late, until it has taken the words; -ETIMEDOUT where it does not. -E2BIG: more interrupts
// than it takes.
int irqbalance_write(struct change_host *host, const char *path, const struct cpuset *allowed, bool wait);

// The CPUs' path of the one that runs, on the heap, or NULL.
char *irqbalance_find(struct change_host *host);
// Lets an inotify descriptor tell when one starts or ends: of its directory, which comes and goes with it where systemd
// starts it (RuntimeDirectory=), and of the one above only while that is missing: `above` is that watch, or -1. To be
// called anew whenever irqbalance_stirred. Returns 0 or -errno.
int irqbalance_watch(struct change_host *host, int inotify, int *above);
// Reads what the descriptor has; whether that is about irqbalance.
bool irqbalance_stirred(int inotify);
