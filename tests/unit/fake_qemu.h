// SPDX-License-Identifier: MIT
// Owns a QEMU that only answers questions, and as its file name says: a test program that is
// started under a name with "fake-qemu" in it is one. Refuses to run a guest.
//
//   fake-qemu          an honest one with few words
//   arch  shapes       answers another architecture; nothing but the number 5
//   dies  dies-always  aborts over the properties of vfio-pci; of any device
//   no-kvm  no-hyperv  ends under -accel kvm; with hv-passthrough only
//   hang  garbage  events  mute-help   as they say
#pragma once

#include <stddef.h>

// Call first in main. Does not return where argv[0] is a fake's name.
void fake_qemu_main(char **argv);

// Makes such a QEMU in `dir` (a copy of this program) and puts its path into `path`.
void fake_qemu_make(const char *dir, const char *name, char *path, size_t size);

// How often fakes in `dir` were started to be asked over QMP.
int fake_qemu_starts(const char *dir);
