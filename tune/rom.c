// SPDX-License-Identifier: MIT
#include "tune/rom.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	ROM_MAX = 16 << 20, // PCI Local Bus Specification 3.0, 6.2.5.2
	ROM_RESOURCE = 6,
};

// IORESOURCE_ROM_SHADOW of linux/ioport.h
static const uint64_t shadow_flag = 1 << 1;

#define DEVICE "sys/bus/pci/devices/%s/%s"

static int read_text(struct root *root, const struct rom_card *card, const char *name, char *buf, size_t size)
{
	AUTO_FREE char *path = mem_printf(DEVICE, card->address, name);
	int r = root_read(root, path, buf, size);

	if (r < 0)
		buf[0] = '\0';
	return r;
}

static uint16_t read_id(struct root *root, const struct rom_card *card, const char *name)
{
	char text[16];
	uint64_t value = 0;

	read_text(root, card, name, text, sizeof(text));
	str_parse_hex(text, &value);
	return (uint16_t)value;
}

// Each line is START END FLAGS; the seventh is that of the ROM.
static bool is_shadow(struct root *root, const struct rom_card *card)
{
	AUTO_STRV struct strv lines = { 0 }, words = { 0 };
	char text[2048];
	uint64_t flags = 0;

	read_text(root, card, "resource", text, sizeof(text));
	strv_split(&lines, text, "\n");
	if (lines.count <= ROM_RESOURCE)
		return false;
	strv_split(&words, lines.items[ROM_RESOURCE], " ");
	return words.count == 3 && str_parse_hex(words.items[2], &flags) && flags & shadow_flag;
}

static void read_driver(struct root *root, struct rom_card *card)
{
	AUTO_FREE char *path = mem_printf(DEVICE, card->address, "driver");
	char target[256];
	int n = root_readlink(root, path, target, sizeof(target));
	const char *slash = n < 0 ? NULL : strrchr(target, '/');

	if (slash)
		snprintf(card->driver, sizeof(card->driver), "%s", slash + 1);
}

static bool parse_address(const char *text, char *out, size_t size)
{
	unsigned domain = 0, bus, slot, function;
	int n = 0;

	// nothing but hex digits, so that scanf's signs and blanks have no part in it
	if (text[strspn(text, "0123456789abcdefABCDEF:.")])
		return false;
	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &n) != 4 || text[n]) {
		domain = 0;
		n = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &n) != 3 || text[n])
			return false;
	}
	if (slot > 0x1f || function > 7)
		return false;
	snprintf(out, size, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return true;
}

int rom_card_find(struct root *root, const char *text, struct rom_card *card, struct err *err)
{
	AUTO_FREE char *rom = NULL, *vendor = NULL;
	char boot_vga[8];

	*card = (struct rom_card){ 0 };
	if (!parse_address(text, card->address, sizeof(card->address))) {
		err_set(err, -EINVAL, "`%s` is no address of a PCI device", text);
		err_hint(err, "as `lspci -D` prints them: 0000:06:00.0, or 06:00.0");
		return -EINVAL;
	}
	vendor = mem_printf(DEVICE, card->address, "vendor");
	if (!root_exists(root, vendor)) {
		err_set(err, -ENODEV, "there is no PCI device %s", card->address);
		err_hint(err, "`lspci -D` lists them");
		return -ENODEV;
	}
	rom = mem_printf(DEVICE, card->address, "rom");
	card->has_rom = root_exists(root, rom);
	card->vendor = read_id(root, card, "vendor");
	card->device = read_id(root, card, "device");
	read_text(root, card, "power_state", card->power, sizeof(card->power));
	card->boot_vga = read_text(root, card, "boot_vga", boot_vga, sizeof(boot_vga)) > 0 && boot_vga[0] == '1';
	card->shadow = is_shadow(root, card);
	read_driver(root, card);
	return 0;
}

const char *rom_card_advice(const struct rom_card *card)
{
	if (str_starts(card->power, "D3"))
		return "the card sleeps: write `on` to its power/control, or pass it to a guest once, and try again";
	if (card->boot_vga)
		return "the firmware started the screen on this card, and some cards then hide their ROM: "
		       "boot with another card first, or dump it there";
	if (card->driver[0])
		return "the driver may have switched the ROM off: try with the card bound to vfio-pci, "
		       "or dump it before the driver is loaded";
	return "the kernel log says more: Invalid PCI ROM header signature means that the card gives none; "
	       "a dump by GPU-Z or nvflash serves as well";
}

static int write_attribute(int fd, bool yes)
{
	return pwrite(fd, yes ? "1" : "0", 1, 0) < 0 ? -errno : 0;
}

// A card that neither a driver nor the firmware has switched on answers no read. The kernel lets us do it where
// no driver is in charge (pci-sysfs.c, enable_store). -1: it is on, or not ours to switch.
static int open_switch(struct root *root, const struct rom_card *card)
{
	AUTO_FREE char *path = mem_printf(DEVICE, card->address, "enable");
	char now[8];

	if (card->driver[0] || read_text(root, card, "enable", now, sizeof(now)) < 0 || strcmp(now, "0") != 0)
		return -1;
	return openat(root->fd, path, O_WRONLY | O_CLOEXEC);
}

static int read_allowed(int fd, struct str *bytes)
{
	int r = write_attribute(fd, true), off;

	if (r == 0)
		r = io_read_all(fd, bytes, ROM_MAX);
	off = write_attribute(fd, false);
	return r < 0 ? r : off;
}

static int read_switched_on(int fd, int enable, struct str *bytes)
{
	int r = enable < 0 ? 0 : write_attribute(enable, true), off = 0;

	if (r < 0)
		return r;
	r = read_allowed(fd, bytes);
	if (enable >= 0)
		off = write_attribute(enable, false);
	return r < 0 ? r : off;
}

int rom_card_read(struct root *root, const struct rom_card *card, struct str *bytes, struct err *err)
{
	AUTO_FREE char *path = mem_printf(DEVICE, card->address, "rom");
	AUTO_CLOSE int fd = -1, enable = -1;
	sigset_t all, before;
	int r;

	if (!card->has_rom) {
		err_set(err, -ENOENT, "%s has no expansion ROM that the kernel knows of", card->address);
		err_hint(err, "a laptop's GPU often has none: its video BIOS is part of the firmware");
		return -ENOENT;
	}
	fd = openat(root->fd, path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		r = err_sys(err, -errno, "opening the ROM of %s", card->address);
		err_hint(err, "only root may");
		return r;
	}
	enable = open_switch(root, card);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	r = read_switched_on(fd, enable, bytes);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r == 0 && !bytes->len)
		r = -ENODATA;
	if (r < 0) {
		err_sys(err, r, "reading the ROM of %s", card->address);
		err_hint(err, "%s", rom_card_advice(card));
	}
	return r;
}
