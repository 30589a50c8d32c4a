// SPDX-License-Identifier: MIT
// Owns a /dev/kvm for a user who may not open the machine's. Refuses to change the machine's node:
// the other one is seen only by the calling process and its children, in a mount namespace of their
// own.
#pragma once

#include <sys/types.h>

// The group that opens /dev/kvm, or -1: no group may, or everybody may, or there is no /dev/kvm.
gid_t kvm_node_group(void);

// After this the calling process, a child of ours that is still root, sees a /dev/kvm that `uid`
// owns. Does nothing where uid may open it anyway, kvm_node_group among its groups. Returns 0 or
// -errno.
int kvm_node_give(uid_t uid);
