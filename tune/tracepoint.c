// SPDX-License-Identifier: MIT
#include "tune/tracepoint.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct tracepoint_cpu {
	int fd;
	void *ring;
};

static const char *const mounts[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

static int read_number(const char *name, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		AUTO_FREE char *path = mem_printf("%s/events/%s/id", mounts[i], name);
		AUTO_STR struct str text = { 0 };
		int number;

		if (io_read_file(AT_FDCWD, path, &text, 64, err) == 0 && str_parse_int(str_strip(text.text), &number))
			return number;
	}
	return err_set(err, -ENOENT, "the number of the tracepoint %s can't be read: is tracefs mounted at %s?", name,
		       mounts[0]);
}

// Without a ring nobody is woken up. One that may only be read is written round and round, and never full.
static size_t ring_size(void)
{
	return 2 * (size_t)sysconf(_SC_PAGESIZE);
}

static int open_cpu(struct tracepoint *tracepoint, int number, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = (uint64_t)number,
		.sample_period = 1,
		.wakeup_events = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
	struct tracepoint_cpu *out;

	if (fd < 0)
		return errno == ENODEV ? 0 : -errno;
	out = MEM_PUSH(tracepoint->cpus, tracepoint->count);
	out->fd = fd;
	out->ring = mmap(NULL, ring_size(), PROT_READ, MAP_SHARED, fd, 0);
	if (out->ring == MAP_FAILED || epoll_ctl(tracepoint->fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	return 0;
}

int tracepoint_open(struct tracepoint *tracepoint, const char *name, const struct cpuset *cpus, struct err *err)
{
	int number = read_number(name, err), r = 0;

	*tracepoint = (struct tracepoint)TRACEPOINT_CLOSED;
	if (number < 0)
		return number;
	tracepoint->fd = epoll_create1(EPOLL_CLOEXEC);
	if (tracepoint->fd < 0)
		return err_sys(err, -errno, "epoll");
	CPUSET_FOREACH(cpu, cpus) {
		if (r == 0)
			r = open_cpu(tracepoint, number, cpu);
	}
	if (r < 0) {
		tracepoint_close(tracepoint);
		return err_sys(err, r, "the tracepoint %s", name);
	}
	return 0;
}

// To ask is to take note: the kernel says it once for each time (perf_poll, Linux 6.1 kernel/events/core.c). Only that
// there is an end to it, as where a CPU has gone, it says again and again.
void tracepoint_clear(struct tracepoint *tracepoint)
{
	struct epoll_event event;

	for (size_t i = 0; i < tracepoint->count; i++) {
		if (epoll_wait(tracepoint->fd, &event, 1, 0) <= 0)
			return;
		if (event.events & (EPOLLHUP | EPOLLERR))
			epoll_ctl(tracepoint->fd, EPOLL_CTL_DEL, event.data.fd, NULL);
	}
}

void tracepoint_close(struct tracepoint *tracepoint)
{
	for (size_t i = 0; i < tracepoint->count; i++) {
		if (tracepoint->cpus[i].ring != MAP_FAILED)
			munmap(tracepoint->cpus[i].ring, ring_size());
		close(tracepoint->cpus[i].fd);
	}
	free(tracepoint->cpus);
	if (tracepoint->fd >= 0)
		close(tracepoint->fd);
	*tracepoint = (struct tracepoint)TRACEPOINT_CLOSED;
}
