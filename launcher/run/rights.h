// SPDX-License-Identifier: MIT
// Owns which capabilities a resident process keeps. Refuses to gain any.
//
// The keeper keeps what carrying out and undoing its plan takes. Hooks are meant to have all that their
// caller had: root gets that back by execve(2) out of the bounding set (capabilities(7), "Capabilities and
// execution of programs by root"), so that stays where the plan has hooks and is emptied too where not.
#pragma once

struct err;
struct plan;

// Before the first host change, with the plan known. Returns 0 or -errno with a message.
int rights_keep_for(const struct plan *plan, struct err *err);

// For a process that has become the guest's user and touches nothing. Returns 0 or -errno.
int rights_drop_all(void);
