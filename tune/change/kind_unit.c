// SPDX-License-Identifier: MIT
// The kind `unit`: a unit of systemd is stopped or started, by systemctl(1), which waits until that is done.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/program.h"

#include <ctype.h>
#include <string.h>

// systemd gives a unit 90 s to stop or start before it gives up (systemd-system.conf(5)).
enum { ASK_MS = 20000, JOB_MS = 120000, NAME_MAX_LENGTH = 255 };

// systemd.unit(5): "valid characters are ASCII letters, digits, and :-_.\\", and "@".
static bool is_unit(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_MAX_LENGTH || *name == '-' || *name == '.' || !strchr(name, '.'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr(":-_.\\@", name[i]))
			return false;
	}
	return true;
}

static int systemctl(struct change_host *host, const char *const argv[], struct str *out, int timeout_ms,
		     struct err *err)
{
	int status = program_run(host, argv, out, timeout_ms, err);

	if (status <= 0)
		return status;
	return err_set(err, -EIO, "systemctl %s: %s", argv[1], out->len ? str_strip(out->text) : "it failed");
}

static bool has_line(const struct strv *lines, const char *name, const char *value)
{
	AUTO_FREE char *line = mem_printf("%s=%s", name, value);

	return strv_has(lines, line);
}

// On its way up counts as up, on its way down as down.
static int unit_read(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	const char *const argv[] = { "systemctl", "show", "--property=LoadState,ActiveState", "--",
				     change->path, NULL };
	static const char *const up[] = { "active", "reloading", "activating" };
	AUTO_STR struct str out = { 0 };
	AUTO_STRV struct strv lines = { 0 };
	bool active = false;
	int r;

	*value = NULL;
	r = systemctl(host, argv, &out, ASK_MS, err);
	if (r < 0)
		return r;
	strv_split(&lines, str_text(&out), "\n");
	for (size_t i = 0; i < ARRAY_SIZE(up); i++)
		active |= has_line(&lines, "ActiveState", up[i]);
	if (active || has_line(&lines, "LoadState", "loaded"))
		*value = mem_dup(active ? "active" : "inactive");
	return 0;
}

static int unit_write(struct change_host *host, const struct change *change, const char *value, struct err *err)
{
	const char *verb = str_eq(value, "active") ? "start" : "stop";
	const char *const argv[] = { "systemctl", verb, "--no-ask-password", "--", change->path, NULL };
	AUTO_STR struct str out = { 0 };

	if (!value || (!str_eq(value, "active") && !str_eq(value, "inactive")))
		return err_set(err, -EINVAL, "%s: not a state: %s", change->path, value ? value : "nothing");
	return systemctl(host, argv, &out, JOB_MS, err);
}

static bool unit_equal(const char *a, const char *b)
{
	return str_eq(a, b);
}

static void unit_remedy(const struct change *change, struct str *out)
{
	str_addf(out, "systemctl %s ", str_eq(change->was, "active") ? "start" : "stop");
	change_quote(change->path, out);
}

const struct change_kind change_kind_unit = {
	.name = "unit",
	.help = "a unit of systemd is stopped or started",
	.read = unit_read,
	.write = unit_write,
	.equal = unit_equal,
	.answers = unit_equal,
	.remedy = unit_remedy,
	.is_name = is_unit,
	.shared = true,
	.survives_us = true,
};
