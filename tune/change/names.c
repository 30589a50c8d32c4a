// SPDX-License-Identifier: MIT
#include "tune/change/names.h"

#include "base/mem.h"

#define PCI "/sys/bus/pci"

char *change_name_pci(const char *address)
{
	return mem_printf(PCI "/devices/%s", address);
}

char *change_name_mdev(const char *uuid)
{
	return mem_printf("/sys/bus/mdev/devices/%s", uuid);
}

char *change_name_rescan(const char *bridge)
{
	return mem_printf("echo 1 > " PCI "/devices/%s/remove; echo 1 > " PCI "/rescan", bridge);
}
