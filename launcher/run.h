// SPDX-License-Identifier: MIT
// Owns the main job: one profile, one command, a pinned guest, and the host as it was.
#pragma once

struct command_line;

int run_command(const struct command_line *line);
int adopt_command(const struct command_line *line);
int revert_command(const struct command_line *line);
// `stop` of a guest whose keeper died: adopted, and then ended.
int run_stop_orphan(const struct command_line *line);
