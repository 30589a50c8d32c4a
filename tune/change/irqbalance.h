// SPDX-License-Identifier: MIT
// Owns the words that irqbalance is told over its socket (irqbalance 1.9, irqbalance.c, sock_handle; the
// same since 1.3): which CPUs it may put interrupts on. Refuses to start, stop or signal it.
#pragma once

#include <stdbool.h>

struct change_host;
struct cpuset;

bool irqbalance_is_socket(const char *path); // "/run/irqbalance/irqbalancePID.sock"

// The CPUs that are not banned, of all that there can be: as of its last scan of the interrupts, which it makes
// every ten seconds. Returns 0 or -errno (-ENOENT, -ECONNREFUSED: it has ended).
int irqbalance_read(struct change_host *host, const char *path, struct cpuset *allowed);
// `wait`: until it has taken the words, which is that scan; -ETIMEDOUT where it does not.
int irqbalance_write(struct change_host *host, const char *path, const struct cpuset *allowed, bool wait);
