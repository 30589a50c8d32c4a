// SPDX-License-Identifier: MIT
#include "launcher/argv/argv.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <string.h>

// A socket that we listen on and QEMU inherits: there is no race for its path, and nobody else may
// bind it.
static void add_listener(struct argv_build *b, const char *id, const char *what)
{
	AUTO_FREE char *file = mem_printf("%s.sock", id);
	AUTO_FREE char *path = argv_socket_path(b, file);
	AUTO_FREE char *escaped = argv_escape(path);
	const struct plan_fd *fd = plan_add_fd(b->plan, PLAN_FD_LISTEN, what, path);
	AUTO_FREE char *executed = mem_printf("socket,id=%s,fd=%d,server=on,wait=off", id, fd->fd);
	AUTO_FREE char *pasted = mem_printf("socket,id=%s,path=%s,server=on,wait=off", id, escaped);

	argv_add_pair(b, "-chardev", executed, pasted);
}

// Windows says nothing on a serial port, and Ctrl-C on the terminal would go there rather than end
// the guest.
static void add_console(struct argv_build *b)
{
	b->plan->console = !b->windows || b->options->headless || b->profile->boot.kernel;
	if (!b->plan->console)
		return;
	add_listener(b, "console", "serial console");
	argv_add(b, "-device", "isa-serial,chardev=console");
}

// Windows has no driver for these of its own: they would be unknown devices there.
static void add_helpers(struct argv_build *b)
{
	const struct qemu_caps *caps = &b->facts->qemu;

	if (b->windows)
		return;
	if (qemu_caps_has(caps, "device/virtio-rng-pci"))
		argv_add(b, "-device", "virtio-rng-pci,id=rng0");
	if (qemu_caps_has(caps, "device/pvpanic-pci"))
		argv_add(b, "-device", "pvpanic-pci,id=panic0");
	else if (qemu_caps_has(caps, "device/pvpanic"))
		argv_add(b, "-device", "pvpanic,id=panic0");
}

// Beside the run directory, never unlinked: as long as QEMU holds it locked, it lives.
static void add_alive(struct argv_build *b)
{
	const char *run = b->facts->run_dir, *slash = strrchr(run, '/');
	AUTO_FREE char *path = mem_printf("%.*s/.alive-%s", (int)(slash ? slash - run : 0), run,
					  b->profile->vm.name);

	plan_add_fd(b->plan, PLAN_FD_ALIVE, "sign of life", path);
}

void argv_monitor(struct argv_build *b)
{
	add_listener(b, "qmp", "QMP");
	argv_add(b, "-mon", "chardev=qmp,mode=control");
	add_console(b);
	add_helpers(b);
	add_alive(b);
}
