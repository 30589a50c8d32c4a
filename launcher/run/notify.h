// SPDX-License-Identifier: MIT
// Owns telling systemd about our state, where it started us as a service (sd_notify(3)).
#pragma once

// "READY=1\nSTATUS=…". Nothing happens where NOTIFY_SOCKET is not set.
void notify_systemd(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
