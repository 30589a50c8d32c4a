// SPDX-License-Identifier: MIT
#include "tune/host/allowed.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/root.h"

#include <string.h>

enum { FILE_MAX = 64 << 10 };

static bool read_status(struct root *root, struct cpuset *out)
{
	static const char key[] = "Cpus_allowed_list:";
	AUTO_STR struct str text = { 0 };
	AUTO_FREE char *list = NULL;
	const char *at;

	if (root_read_all(root, "proc/self/status", &text, FILE_MAX) < 0)
		return false;
	at = strstr(str_text(&text), key);
	if (!at)
		return false;
	at += strlen(key);
	list = mem_dupn(at, strcspn(at, "\n"));
	return cpuset_parse_list(out, list);
}

// A cgroup without the cpuset controller has no such file: the nearest parent's holds for it.
static bool read_upwards(struct root *root, const char *mount, const char *cgroup, const char *file,
			 struct cpuset *out)
{
	AUTO_FREE char *dir = mem_dup(cgroup);

	for (;;) {
		AUTO_FREE char *path = mem_printf("%s%s/%s", mount, dir, file);
		char *slash = strrchr(dir, '/');

		if (root_read_cpulist(root, path, out) == 0 && !cpuset_is_empty(out))
			return true;
		if (!slash)
			return false;
		*slash = '\0';
	}
}

static bool has_controller(const char *list, size_t n, const char *controller)
{
	AUTO_FREE char *text = mem_dupn(list, n);
	AUTO_STRV struct strv names = { 0 };

	strv_split(&names, text, ",");
	return strv_has(&names, controller);
}

// A line of proc/self/cgroup: "0::/path" of v2, "4:cpuset:/path" of v1 (cgroups(7)).
static bool read_cgroup(struct root *root, const char *line, struct cpuset *out)
{
	const char *controllers = strchr(line, ':');
	const char *path = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!path)
		return false;
	controllers++;
	if (path == controllers)
		return read_upwards(root, "sys/fs/cgroup", path + 1, "cpuset.cpus.effective", out) ||
		       read_upwards(root, "sys/fs/cgroup/unified", path + 1,
				    "cpuset.cpus.effective", out);
	if (!has_controller(controllers, (size_t)(path - controllers), "cpuset"))
		return false;
	return read_upwards(root, "sys/fs/cgroup/cpuset", path + 1, "cpuset.effective_cpus", out) ||
	       read_upwards(root, "sys/fs/cgroup/cpuset", path + 1, "cpuset.cpus", out);
}

static bool read_cpuset(struct root *root, struct cpuset *out)
{
	AUTO_STR struct str text = { 0 };
	AUTO_STRV struct strv lines = { 0 };

	if (root_read_all(root, "proc/self/cgroup", &text, FILE_MAX) == 0)
		strv_split(&lines, str_text(&text), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		if (read_cgroup(root, lines.items[i], out))
			return true;
	}
	return root_read_cpulist(root, "sys/fs/cgroup/cpuset.cpus.effective", out) == 0;
}

bool allowed_read(struct root *root, const struct cpuset *isolated, struct cpuset *out)
{
	struct cpuset found = { 0 }, granted = { 0 };

	if (!read_status(root, &found))
		return read_cpuset(root, out);
	if (!cpuset_contains(&found, isolated)) {
		if (!read_cpuset(root, &granted))
			granted = *isolated;
		cpuset_and(&granted, isolated);
		cpuset_or(&found, &granted);
	}
	*out = found;
	return true;
}
