// SPDX-License-Identifier: MIT
// Owns the paths of what changes act on, for planners, who name no path of the host themselves. Pure.
#pragma once

char *change_name_pci(const char *address);    // the device of a `bind`; the caller frees
char *change_name_mdev(const char *uuid);      // a mediated device, as QEMU's sysfsdev wants it; the caller frees
// What a person types to take a bridge off its bus, with all behind it, and to have it found anew. The caller
// frees.
char *change_name_rescan(const char *bridge);
