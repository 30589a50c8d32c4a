// SPDX-License-Identifier: MIT
#include "launcher/argv/argv.h"

#include "base/cleanup.h"

#include <string.h>

// Options that change how QEMU lives, which is ours to know. `value` NULL: whatever follows.
static const struct {
	const char *option, *value;
	bool refused;
	const char *why, *instead;
} known[] = {
	{ "daemonize", NULL, true, "QEMU would leave its keeper", "vfiorun run --detach" },
	{ "S", NULL, false, "the guest is paused until it is pinned, and goes on then",
	  "vfiorun pause" },
	{ "preconfig", NULL, false, "QEMU has no vCPUs to pin before it leaves preconfig", NULL },
	{ "runas", NULL, false, "QEMU's sandbox kills it when it changes its user", "[vm] user" },
	{ "run-with", NULL, false,
	  "what concerns its user or root directory ends in QEMU's sandbox", "[vm] user" },
	{ "chroot", NULL, false, "QEMU's sandbox forbids it", NULL },
	{ "no-shutdown", NULL, false, "QEMU stays when the guest powers off: vfiorun stop ends it",
	  NULL },
	{ "nographic", NULL, false, "serial port and monitor land in QEMU's log",
	  "[display] type = none" },
	{ "monitor", "stdio", false, "standard output is QEMU's log", "vfiorun qmp" },
	{ "qmp", "stdio", false, "standard output is QEMU's log", "vfiorun qmp" },
	{ "serial", "stdio", false, "standard output is QEMU's log", "vfiorun console" },
};

static void check(struct argv_build *b, const char *arg, const char *next)
{
	const char *option;

	if (arg[0] != '-')
		return;
	option = arg + 1 + (arg[1] == '-');
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		struct diag *diag;

		if (!str_eq(option, known[i].option) ||
		    (known[i].value && !strstr(next, known[i].value)))
			continue;
		if (known[i].refused)
			diag = argv_error(b, "qemu-arg", "qemu", "arg", "%s: %s", arg,
					  known[i].why);
		else
			diag = argv_warn(b, "qemu-arg", "qemu", "arg", "%s: %s", arg, known[i].why);
		if (known[i].instead)
			diag_hint(diag, "%s", known[i].instead);
	}
}

static void add_all(struct argv_build *b, const struct strv *args)
{
	for (size_t i = 0; i < args->count; i++) {
		check(b, args->items[i], i + 1 < args->count ? args->items[i + 1] : "");
		argv_add_flag(b, args->items[i]);
	}
}

void argv_raw(struct argv_build *b)
{
	add_all(b, &b->profile->qemu.args);
	if (b->options->qemu_args)
		add_all(b, b->options->qemu_args);
}
