// SPDX-License-Identifier: MIT
// The guest's side of [input]: uinput devices of ours, by a path that stays while their number does not
// (a link in the run directory, made before QEMU starts; QEMU takes no descriptor for them).
//
// QEMU's own toggle can't fire: it counts the keys of each input-linux object for itself, and with
// grab-toggle=ctrl-scrolllock no object has both, ScrollLock being on a device of its own (ui/input-linux.c,
// 4.0 to 10.0). So nothing but us decides who has the input. An object with that toggle keeps ScrollLock from the
// guest (input_linux_should_skip); the device that has nothing else has ctrl-ctrl, and so no key is lost to it.
#include "launcher/argv/argv.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/inputs.h"

static bool is_wanted(const struct plan *plan, enum guest_part part)
{
	if (part == GUEST_TABLET)
		return plan->input.tablet;
	return part != GUEST_TOGGLE || !plan->input.virtio_host;
}

static void add_part(struct argv_build *b, enum guest_part part)
{
	const char *word = guest_part_words[part];
	AUTO_FREE char *path = mem_printf("%s/input-%s", b->facts->run_dir, word);
	AUTO_FREE char *escaped = argv_escape(path);
	AUTO_FREE char *what = mem_printf("the guest's %s", word);
	const struct plan_fd *fd = plan_add_fd(b->plan, PLAN_FD_UINPUT, what, path);

	b->plan->input.fds[part] = fd->fd;
	if (b->plan->input.virtio_host)
		argv_add(b, "-device", "virtio-input-host-pci,id=input-%s,evdev=%s", word, escaped);
	else
		argv_add(b, "-object",
			 "input-linux,id=input-%s,evdev=%s,repeat=on,grab-toggle=%s", word, escaped,
			 part == GUEST_TOGGLE ? "ctrl-ctrl" : "ctrl-scrolllock");
}

// PS/2 is what the machine has; a tablet it has not, so that comes by USB.
static void add_sinks(struct argv_build *b)
{
	enum input_sink sink = b->profile->input.sink;
	bool virtio = sink == SINK_VIRTIO;

	if (virtio) {
		argv_add(b, "-device", "virtio-keyboard-pci,id=sink-keyboard");
		argv_add(b, "-device", "virtio-mouse-pci,id=sink-mouse");
	} else if (sink == SINK_USB) {
		argv_add_usb(b);
		argv_add(b, "-device", "usb-kbd,id=sink-keyboard,bus=usb.0");
		argv_add(b, "-device", "usb-mouse,id=sink-mouse,bus=usb.0");
	}
	if (b->plan->input.tablet && virtio) {
		argv_add(b, "-device", "virtio-tablet-pci,id=sink-tablet");
	} else if (b->plan->input.tablet && b->display == DISPLAY_NONE) { // else the window's is there
		argv_add_usb(b);
		argv_add(b, "-device", "usb-tablet,id=sink-tablet,bus=usb.0");
	}
}

static void check_driver(struct argv_build *b)
{
	bool virtio = b->plan->input.virtio_host || b->profile->input.sink == SINK_VIRTIO;

	if (virtio && b->windows)
		diag_hint(argv_warn(b, "input-driver", "input",
				    b->plan->input.virtio_host ? "transport" : "sink",
				    "Windows has no keyboard here until it has the driver vioinput, and its "
				    "installer has none"),
			  "install it from the virtio-win ISO first, or write transport = input-linux and "
			  "sink = ps2");
	if (b->plan->input.virtio_host && b->facts->qemu.known &&
	    !qemu_caps_has(&b->facts->qemu, "device/virtio-input-host-pci"))
		diag_hint(argv_host_error(b, "input-missing", "input", "transport",
					  "%s has no virtio-input-host-pci", b->plan->qemu),
			  "write transport = input-linux");
}

void argv_input(struct argv_build *b)
{
	plan_add_inputs(b);
	if (!b->plan->input.used)
		return;
	check_driver(b);
	if (!b->plan->input.virtio_host)
		add_sinks(b);
	for (int part = 0; part < GUEST_PARTS; part++) {
		if (is_wanted(b->plan, (enum guest_part)part))
			add_part(b, (enum guest_part)part);
	}
}
