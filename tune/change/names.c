// SPDX-License-Identifier: MIT
#include "tune/change/names.h"

#include "base/mem.h"
#include "tune/change/irqbalance.h"

#include <stdio.h>

#define PCI "/sys/bus/pci"

char *change_name_pci(const char *address)
{
	return mem_printf(PCI "/devices/%s", address);
}

char *change_name_vfio_node(const char *address)
{
	return mem_printf(PCI "/devices/%s/vfio-dev", address);
}

char *change_name_mdev(const char *uuid)
{
	return mem_printf("/sys/bus/mdev/devices/%s", uuid);
}

char *change_name_bar(const char *address, int bar)
{
	return mem_printf(PCI "/devices/%s/resource%d_resize", address, bar);
}

char *change_name_usb(const char *port)
{
	return mem_printf("/sys/bus/usb/devices/%s", port);
}

char *change_name_rescan(const char *bridge)
{
	return mem_printf("echo 1 > " PCI "/devices/%s/remove; echo 1 > " PCI "/rescan", bridge);
}

char *change_name_unbind(const char *driver, const char *address)
{
	return mem_printf("echo %s > " PCI "/drivers/%s/unbind", address, driver);
}

const char change_name_irq_default[] = "/proc/irq/default_smp_affinity";
const char change_name_workqueues[] = "/sys/devices/virtual/workqueue/cpumask";

char *change_name_cgroup(const char *path)
{
	return mem_printf("/sys/fs/cgroup%s", path);
}

char *change_name_irq(int number)
{
	return mem_printf("/proc/irq/%d/smp_affinity_list", number);
}

bool change_is_irqbalance(const char *path)
{
	return irqbalance_is_late(path);
}

char *change_name_balanced(const char *irqbalance)
{
	return mem_printf("%s/irqs", irqbalance);
}

int change_parse_irq(const char *path)
{
	int number;

	return sscanf(path, "/proc/irq/%d/smp_affinity_list", &number) == 1 && number >= 0 ? number : -1;
}
