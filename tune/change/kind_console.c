// SPDX-License-Identifier: MIT
// The kind `console`: the host's text consoles let go of the graphics card, and so does the framebuffer that the
// firmware left behind. Both are told to in the kernel, where they may wait for their lock, so it is done apart.
//
// Sources: Linux 6.1 Documentation/driver-api/console.rst (the `bind` attribute of vtconsole), and
// Documentation/driver-api/driver-model/binding.rst for platform devices.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/apart.h"

#include <fcntl.h>
#include <string.h>

enum { STEP_MS = 20000 };

#define CONSOLES "/sys/class/vtconsole/"
#define PLATFORM "/sys/bus/platform/devices/"
#define PLATFORM_DRIVERS "/sys/bus/platform/drivers/"
#define BOUND_TO "bound driver="

static int check(const struct change *change, struct err *err)
{
	const char *name = str_starts(change->path, CONSOLES) ? change->path + strlen(CONSOLES) :
								change->path + strlen(PLATFORM);

	return strchr(name, '/') ? err_set(err, -EINVAL, "%s: no console", change->path) : 0;
}

static bool is_platform(const struct change *change)
{
	return str_starts(change->path, PLATFORM);
}

static bool is_there(struct change_host *host, const char *path)
{
	AUTO_CLOSE int fd = change_open(host, path, O_PATH | O_DIRECTORY, 0);

	return fd >= 0;
}

static int read_platform(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	AUTO_FREE char *link = mem_printf("%s/driver", change->path);
	AUTO_CLOSE int fd = change_open(host, link, O_PATH | O_NOFOLLOW, 0);
	char target[256];
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);

	if (fd == -ENOENT) {
		*value = mem_dup("unbound");
		return 0;
	}
	if (n < 0)
		return err_sys(err, fd < 0 ? fd : -errno, "the driver of %s", change->path);
	target[n] = '\0';
	*value = mem_printf(BOUND_TO "%s", change_name(target));
	return 0;
}

static int read_console(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	AUTO_FREE char *path = mem_printf("%s/bind", change->path);
	AUTO_STR struct str text = { 0 };
	int r = apart_read(change_host_apart(host), change_name(change->path), path, 16, &text, err);

	if (r == 0)
		*value = mem_dup(str_eq(str_text(&text), "1") ? "bound" : "unbound");
	return r;
}

static int console_read(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	int r = check(change, err);

	*value = NULL;
	if (r < 0 || !is_there(host, change->path))
		return r;
	return is_platform(change) ? read_platform(host, change, value, err) :
				     read_console(host, change, value, err);
}

static int write_platform(struct change_host *host, const struct change *change, const char *value,
			  struct err *err)
{
	const char *name = change_name(change->path);
	AUTO_FREE char *unbind = mem_printf("%s/driver/unbind", change->path), *bind = NULL;

	if (str_eq(value, "unbound"))
		return apart_write(change_host_apart(host), name, unbind, name, STEP_MS, err);
	if (!str_starts(value, BOUND_TO) || strchr(value, '/'))
		return err_set(err, -EINVAL, "%s: which driver? %s", change->path, value);
	bind = mem_printf(PLATFORM_DRIVERS "%s/bind", value + strlen(BOUND_TO));
	return apart_write(change_host_apart(host), name, bind, name, STEP_MS, err);
}

static bool is_bound(const char *value)
{
	return str_eq(value, "bound") || str_starts(value, BOUND_TO);
}

static int console_write(struct change_host *host, const struct change *change, const char *value,
			 struct err *err)
{
	AUTO_FREE char *path = mem_printf("%s/bind", change->path);
	int r = check(change, err);

	if (r == 0 && (!value || (!is_bound(value) && !str_eq(value, "unbound"))))
		r = err_set(err, -EINVAL, "%s: not a state: %s", change->path, value ? value : "nothing");
	if (r < 0)
		return r;
	if (is_platform(change))
		return write_platform(host, change, value, err);
	return apart_write(change_host_apart(host), change_name(change->path), path, is_bound(value) ? "1\n" : "0\n",
			   STEP_MS, err);
}

static bool console_equal(const char *a, const char *b)
{
	return str_eq(a, b);
}

static bool console_answers(const char *got, const char *want)
{
	return str_eq(got, want) || (str_eq(want, "bound") && is_bound(got));
}

static void console_remedy(const struct change *change, struct str *out)
{
	const char *was = change->was ? change->was : "";

	if (str_starts(was, BOUND_TO))
		str_addf(out, "echo %s > " PLATFORM_DRIVERS "%s/bind", change_name(change->path),
			 was + strlen(BOUND_TO));
	else
		str_addf(out, "echo %d > %s/bind", is_bound(was), change->path);
}

static const char *const places[] = { CONSOLES, PLATFORM, NULL };

const struct change_kind change_kind_console = {
	.name = "console",
	.help = "a text console or the firmware's framebuffer lets go of the graphics card",
	.places = places,
	.read = console_read,
	.write = console_write,
	.equal = console_equal,
	.answers = console_answers,
	.remedy = console_remedy,
	.survives_us = true,
	.shared = true,
	.gone = "",
};
