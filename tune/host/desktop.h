// SPDX-License-Identifier: MIT
// Owns the facts about what holds on to a GPU on behalf of the host's own screen: text consoles, the boot
// framebuffer, the display manager, kernel modules. Refuses to decide what has to go.
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct root;

struct desktop_console {
	char *path; // /sys/class/vtconsole/vtcon1
	bool bound;
	bool framebuffer; // it draws on a framebuffer: the other kinds need no GPU
};

struct desktop_facts {
	struct desktop_console *consoles;
	size_t n_consoles;
	struct strv framebuffers; // of the firmware, with a driver: /sys/bus/platform/devices/efi-framebuffer.0
	struct strv modules;	  // that are loaded, as lsmod prints them
	bool systemd;		  // it runs this host
	char *display_manager;	  // what display-manager.service stands for; NULL: none
	struct strv active;	  // those of the units asked for that run; the display manager is asked for too
};

// What can't be read is not there. Sources: Linux 6.1 Documentation/driver-api/console.rst,
// drivers/firmware/sysfb.c, proc(5); systemd.special(7), and its control groups.
void desktop_facts_read(struct root *root, const struct strv *units, struct desktop_facts *facts);
void desktop_facts_finish(struct desktop_facts *facts);
