// SPDX-License-Identifier: MIT
// Owns where a guest's files are: run state, locks, kept state, logs, and the profile that a bare name
// means. Root's are fixed; XDG variables count only for users. Refuses names that are no names.
#pragma once

#include <stdbool.h>

struct err;

struct paths {
	char *run_base;	  // /run/vfiorun, $XDG_RUNTIME_DIR/vfiorun
	char *state_base; // /var/lib/vfiorun, $XDG_STATE_HOME/vfiorun
	char *log_dir;	  // /var/log/vfiorun, $XDG_STATE_HOME/vfiorun/log
	char *config_dir; // /etc/vfiorun, $XDG_CONFIG_HOME/vfiorun
	char *cache_dir;  // /var/cache/vfiorun, $XDG_CACHE_HOME/vfiorun
	char *firmware_dir; // NULL, $XDG_CONFIG_HOME/qemu/firmware: a user's own descriptors
};

// Returns 0, or -errno with a message; `paths` must be released either way.
int paths_read(struct paths *paths, struct err *err);
// For a plan that is only shown: nothing needs to be there yet. Of a captured machine they are root's,
// but for the profiles, which are this user's.
int paths_read_to_look(struct paths *paths, bool captured, struct err *err);
void paths_finish(struct paths *paths);
