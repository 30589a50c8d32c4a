// SPDX-License-Identifier: MIT
// Owns waiting: an epoll instance that hands one ready descriptor at a time to its owner, so that a
// handler may remove or free any other source. Refuses timers of its own: the caller says how long.
#pragma once

#include <stdint.h>

struct loop {
	int epoll;
};

struct loop_source {
	int fd; // borrowed
	void (*ready)(void *context, uint32_t events); // EPOLLIN, EPOLLOUT, EPOLLHUP, …
	void *context;
};

#define LOOP_CLOSED { .epoll = -1 }

int loop_init(struct loop *loop); // 0 or -errno
void loop_finish(struct loop *loop);

// The source must stay where it is until it is removed. Returns 0 or -errno (-EPERM: a regular file).
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
int loop_change(struct loop *loop, struct loop_source *source, uint32_t events);
void loop_remove(struct loop *loop, struct loop_source *source); // harmless where it was not added

// Waits at most timeout_ms (-1: for ever) and dispatches one ready source. Returns 1, 0 on timeout, or
// -errno; EINTR counts as a timeout.
int loop_step(struct loop *loop, int timeout_ms);

// The nearer of two timeouts, where -1 is never.
int loop_sooner(int a, int b);
