// SPDX-License-Identifier: MIT
// Owns finding UEFI firmware: QEMU's descriptors, then the well-known paths of Debian, Arch and Fedora.
#pragma once

#include "launcher/facts/facts.h"

struct root;

// Descriptors of etc/qemu/firmware shadow those of usr/share/qemu/firmware by file name; order is by name
// (QEMU docs/interop/firmware.json). `user_dir` ($XDG_CONFIG_HOME/qemu/firmware) or NULL comes first.
void firmware_read(struct root *root, const char *user_dir, struct firmware_list *list);
void firmware_list_finish(struct firmware_list *list);
// One descriptor's text. False: not for us (another architecture, not a flash device) or not valid.
bool firmware_parse(const char *text, struct firmware *out);
