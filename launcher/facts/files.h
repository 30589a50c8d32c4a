// SPDX-License-Identifier: MIT
// Owns looking at the files that a profile names, their backing files and the firmware that will be
// used, and what was kept beside the firmware variables. Refuses to judge what it finds, and to
// open anything but regular files and block devices.
#pragma once

#include "launcher/facts/facts.h"

struct root;

// Fills files, vars, can_vhost and passt of `facts`; firmwares and state_dir are there already.
// `guest`: who QEMU will run as, NULL unknown. A captured machine has no such files: nothing is
// read, all stays unknown. Returns 0, or -errno with a message where the uses of a block device
// can't be known.
int files_read(struct root *root, const struct profile *profile, const struct account *guest,
	       struct facts *facts, struct err *err);
void files_finish(struct facts *facts);

// The firmware that this profile gets: an explicit one as far as the list knows it, else the best
// of the list for the type and machine; NULL: none. Pure.
const struct firmware *firmware_choose(const struct profile *profile,
				       const struct firmware_list *list);

// What [firmware] type means once [boot] is known: an unset type is SeaBIOS where a kernel is
// booted directly (it starts in a fraction of OVMF's time and nothing asks for variables), else
// OVMF. Pure.
enum firmware_type firmware_type_of(const struct profile *profile);

// The private copy of the variables: [firmware] vars, or NAME_VARS.fd in the state directory. Heap.
char *firmware_vars_path(const struct profile *profile, const char *state_dir);
