// SPDX-License-Identifier: MIT
// Owns finding UEFI firmware for x86_64 guests: QEMU's descriptors (docs/interop/firmware.json),
// then the well-known paths of Debian, Arch and Fedora. Refuses what is named but is not there.
#pragma once

#include "launcher/facts/facts.h"

struct root;

// Descriptors come first, ordered by file name whatever their directory. Of two with one name that
// of `user_dir` ($XDG_CONFIG_HOME/qemu/firmware, or NULL) hides that of etc/qemu/firmware, which
// hides that of usr/share/qemu/firmware: so an empty file or a link to /dev/null takes a descriptor
// away. What only a well-known path tells follows.
void firmware_read(struct root *root, const char *user_dir, struct firmware_list *list);
// For a captured machine that has no /usr/share at all: Debian's firmware, marked as supposed.
void firmware_suppose(struct firmware_list *list);
void firmware_list_finish(struct firmware_list *list);

// One descriptor's text; `source` is left NULL. False: not for us (no UEFI, another architecture,
// no flash device, variables and code combined in one file) or not valid.
bool firmware_parse(const char *text, struct firmware *out);
