// SPDX-License-Identifier: MIT
#include "launcher/argv/argv.h"

#include "base/cleanup.h"
#include "base/mem.h"

// How each display is reached, what it is in the caps, and what brings it.
static const struct {
	const char *name, *word, *package;
} displays[] = {
	[DISPLAY_GTK] = { "gtk", "display/gtk", "qemu-system-gui" },
	[DISPLAY_SDL] = { "sdl", "display/sdl", "qemu-system-gui" },
	[DISPLAY_SPICE] = { "spice", "spice", "qemu-system-modules-spice" },
	[DISPLAY_VNC] = { "vnc", "flag/vnc", "qemu-system-x86" },
};

static void check_display(struct argv_build *b)
{
	if (qemu_caps_has(&b->facts->qemu, "%s", displays[b->display].word))
		return;
	diag_hint(argv_host_error(b, "display-missing", "display", "type", "%s has no %s display",
				  b->plan->qemu, displays[b->display].name),
		  "it may be in a package of its own: %s on Debian", displays[b->display].package);
}

// The firmware, installers and Windows draw on the standard VGA without a driver; Linux has one for
// virtio's.
static void add_video(struct argv_build *b)
{
	bool virtio = b->profile->vm.os == OS_LINUX &&
		      b->profile->display.type != DISPLAY_INSTALL &&
		      qemu_caps_has(&b->facts->qemu, "device/virtio-vga");

	argv_add(b, "-device", "%s,id=video0", virtio ? "virtio-vga" : "VGA");
}

// A tablet says where the pointer is, so nothing needs to be grabbed. The keyboard is the machine's
// own (PS/2).
static void add_tablet(struct argv_build *b)
{
	argv_add_usb(b);
	argv_add(b, "-device", "usb-tablet,id=tablet0,bus=usb.0");
}

// QEMU makes and removes this socket itself: it is in the one directory that is its user's.
static void add_spice_socket(struct argv_build *b)
{
	AUTO_FREE char *path = argv_socket_path(b, "qemu/spice.sock");
	AUTO_FREE char *addr = argv_escape(path);

	argv_add(b, "-spice", "unix=on,addr=%s,disable-ticketing=on", addr);
	argv_add(b, "-device", "virtio-serial-pci,id=serial0");
	argv_add(b, "-chardev", "spicevmc,id=vdagent,name=vdagent");
	argv_add(b, "-device",
		 "virtserialport,bus=serial0.0,chardev=vdagent,name=com.redhat.spice.0");
	b->spice = true;
}

static void add_spice(struct argv_build *b)
{
	argv_add(b, "-display", "none");
	add_spice_socket(b);
}

// Looking Glass sends what is typed, and carries the clipboard, through SPICE, unless the switcher moves keyboard
// and mouse.
static void add_glass_spice(struct argv_build *b)
{
	if (b->spice || !profile_has_section(b->profile, "lookingglass") || profile_has_section(b->profile, "input"))
		return;
	if (!qemu_caps_has(&b->facts->qemu, "spice"))
		diag_hint(argv_host_error(b, "display-missing", "lookingglass", "",
					  "%s has no SPICE, through which Looking Glass sends keys", b->plan->qemu),
			  "it may be in a package of its own: qemu-system-modules-spice on Debian");
	add_spice_socket(b);
}

static void add_vnc(struct argv_build *b)
{
	AUTO_FREE char *path = argv_socket_path(b, "qemu/vnc.sock");
	AUTO_FREE char *addr = argv_escape(path);

	argv_add(b, "-display", "none");
	argv_add(b, "-vnc", "unix:%s", addr);
}

// What it came to, and where to look.
static char *describe(const struct argv_build *b)
{
	bool asked = b->profile->display.type == DISPLAY_NONE;

	if (b->display == DISPLAY_NONE && (asked || b->options->headless))
		return mem_dup("none, as asked");
	if (b->display == DISPLAY_NONE && b->gpu)
		return mem_printf("none: the guest draws on %s, which is passed", b->gpu->address);
	if (b->display == DISPLAY_NONE && !b->facts->live)
		return mem_dup("none; on a desktop it is a window");
	if (b->display == DISPLAY_NONE)
		return mem_dup("none: no desktop is near (neither DISPLAY nor WAYLAND_DISPLAY is set)");
	if (b->display == DISPLAY_SPICE || b->display == DISPLAY_VNC)
		return mem_printf("%s, %s/qemu/%s.sock", displays[b->display].name, b->facts->run_dir,
				  displays[b->display].name);
	return mem_printf("a window (%s)", displays[b->display].name);
}

static void add_display(struct argv_build *b)
{
	if (b->display == DISPLAY_NONE) {
		argv_add(b, "-display", "none");
		return;
	}
	check_display(b);
	if (b->display == DISPLAY_SPICE)
		add_spice(b);
	else if (b->display == DISPLAY_VNC)
		add_vnc(b);
	else
		argv_add(b, "-display", "%s", displays[b->display].name);
	add_video(b);
	add_tablet(b);
}

void argv_display(struct argv_build *b)
{
	b->spice = false;
	b->plan->display_why = describe(b);
	add_display(b);
	add_glass_spice(b);
}
