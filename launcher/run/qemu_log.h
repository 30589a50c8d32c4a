// SPDX-License-Identifier: MIT
// Owns what QEMU said before it died: its last lines from the guest's log, with a hint for known ones.
#pragma once

struct plan;

// Shows what was written to the log since `start` by QEMU, the last lines of it.
void qemu_log_show(int log, const struct plan *plan, long long start);

// The remedy for a known message, or NULL.
const char *qemu_log_hint(const char *line);
