// SPDX-License-Identifier: MIT
#include "tune/irq.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/names.h"
#include "tune/tracepoint.h"

#include <fcntl.h>

static bool is_there(int mask, const struct cpuset *cpus)
{
	AUTO_STR struct str text = { 0 };
	struct cpuset now;

	return io_read_all(mask, &text, 65536) == 0 && cpuset_parse_list(&now, str_text(&text)) &&
	       cpuset_equal(&now, cpus);
}

// 1: moved, 0: it was there, or has gone
static int steer(int number, const struct cpuset *cpus, struct err *err)
{
	AUTO_FREE char *path = change_name_irq(number), *list = cpuset_text(cpus);
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "%s", path);
	if (is_there(fd, cpus))
		return 0;
	if (dprintf(fd, "%s\n", list) < 0)
		return err_sys(err, -errno, "moving interrupt %d to the CPUs %s", number, list);
	return 1;
}

int irq_watch(struct tracepoint *tracepoint, const struct cpuset *cpus, struct err *err)
{
	return tracepoint_open(tracepoint, "irq_vectors/vector_setup", cpus, err);
}

void irq_list_device(const char *device, struct cpuset *irqs)
{
	AUTO_FREE char *path = mem_printf("%s/msi_irqs", device);
	AUTO_CLOSEDIR DIR *dir = opendir(path);
	const struct dirent *entry;
	int number;

	while (dir && (entry = readdir(dir))) {
		if (str_parse_int(entry->d_name, &number) && number >= 0 && number < CPUSET_MAX)
			cpuset_add(irqs, number);
	}
}

int irq_steer_device(const char *device, const struct cpuset *cpus, struct err *err)
{
	struct cpuset irqs = { 0 };
	int moved = 0, failed = 0;

	irq_list_device(device, &irqs);
	CPUSET_FOREACH(irq, &irqs) {
		int r = steer(irq, cpus, err);

		if (r < 0)
			failed = r;
		else
			moved += r;
	}
	return failed ? failed : moved;
}
