// SPDX-License-Identifier: MIT
#include "launcher/guest/paths.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

#include <sys/stat.h>

static void root_paths(struct paths *paths)
{
	*paths = (struct paths){ .run_base = mem_dup("/run/vfiorun"),
				 .state_base = mem_dup("/var/lib/vfiorun"),
				 .log_dir = mem_dup("/var/log/vfiorun"),
				 .config_dir = mem_dup("/etc/vfiorun"),
				 .cache_dir = mem_dup("/var/cache/vfiorun") };
}

// The XDG base directory specification: a relative value is to be ignored.
static char *xdg(const char *variable, const char *home, const char *fallback, const char *below)
{
	const char *value = getenv(variable);

	if (value && value[0] == '/')
		return mem_printf("%s/%s", value, below);
	return home ? mem_printf("%s/%s/%s", home, fallback, below) : NULL;
}

// A system without a session manager gives no XDG_RUNTIME_DIR; a directory in /tmp would be a name that
// anybody can take first, so there is none to fall back on but systemd's own place.
static char *runtime_dir(bool to_look, struct err *err)
{
	AUTO_FREE char *usual = mem_printf("/run/user/%u", getuid());
	const char *value = getenv("XDG_RUNTIME_DIR");
	const char *dir = value && value[0] == '/' ? value : usual;
	struct stat st;

	if (to_look)
		return mem_printf("%s/vfiorun", dir);
	if (stat(dir, &st) < 0) {
		err_sys(err, -errno, "no directory for run state: %s%s", dir,
			dir == usual ? ", since XDG_RUNTIME_DIR is not set" : "");
	} else if (st.st_uid != geteuid() || (st.st_mode & 0022)) {
		err_set(err, -EPERM, "no directory for run state: %s is not one that only you can write",
			dir);
	} else {
		return mem_printf("%s/vfiorun", dir);
	}
	err_hint(err, "set XDG_RUNTIME_DIR to a directory of yours, or run as root");
	return NULL;
}

// As xdg: a relative value would mean another place in each directory.
static const char *home_dir(void)
{
	const char *home = getenv("HOME");

	return home && home[0] == '/' ? home : NULL;
}

static int user_paths(struct paths *paths, bool to_look, struct err *err)
{
	const char *home = home_dir();

	paths->run_base = runtime_dir(to_look, err);
	if (!paths->run_base)
		return err ? err->code : -ENOENT;
	paths->state_base = xdg("XDG_STATE_HOME", home, ".local/state", "vfiorun");
	paths->config_dir = xdg("XDG_CONFIG_HOME", home, ".config", "vfiorun");
	paths->firmware_dir = xdg("XDG_CONFIG_HOME", home, ".config", "qemu/firmware");
	paths->cache_dir = xdg("XDG_CACHE_HOME", home, ".cache", "vfiorun");
	if (!paths->state_base || !paths->config_dir || !paths->cache_dir)
		return err_set(err, -ENOENT, "HOME is not set to a directory: there is no place for "
					     "profiles, firmware variables and logs; set it");
	paths->log_dir = mem_printf("%s/log", paths->state_base);
	return 0;
}

int paths_read(struct paths *paths, struct err *err)
{
	*paths = (struct paths){ 0 };
	if (geteuid() == 0) {
		root_paths(paths);
		return 0;
	}
	return user_paths(paths, false, err);
}

int paths_read_to_look(struct paths *paths, bool captured, struct err *err)
{
	AUTO_FREE char *config_dir = NULL;

	*paths = (struct paths){ 0 };
	if (geteuid() != 0 && !captured)
		return user_paths(paths, true, err);
	if (geteuid() != 0 && user_paths(paths, true, NULL) == 0)
		config_dir = take(paths->config_dir);
	paths_finish(paths);
	root_paths(paths);
	if (config_dir)
		mem_set(&paths->config_dir, config_dir);
	return 0;
}

void paths_finish(struct paths *paths)
{
	free(paths->run_base);
	free(paths->state_base);
	free(paths->log_dir);
	free(paths->config_dir);
	free(paths->cache_dir);
	free(paths->firmware_dir);
	*paths = (struct paths){ 0 };
}
