// SPDX-License-Identifier: MIT
// The kind `usb`: the host's drivers let go of the interfaces of a USB device, which a guest takes then, and get back
// those that they had. A driver that is told so may wait in the kernel for what it has under way, so it is told apart.
//
// Sources: Linux 6.1 drivers/usb/core/driver.c (interfaces are devices of the bus `usb`), drivers/usb/core/devio.c (an
// interface that was taken through a node, whose driver is `usbfs`, stays without one when its taker dies),
// drivers/base/bus.c (unbind, drivers_probe).
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/apart.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_MS = 10000, PROBE_MS = 2000, LINK_MAX = 256 };

#define DEVICES "/sys/bus/usb/devices/"
#define PROBE "/sys/bus/usb/drivers_probe"
#define LENT "lent"

// "1-2.3", the socket
static bool is_port(const char *name)
{
	size_t bus = strspn(name, "0123456789");
	const char *at = name + bus;
	char before = '-';

	if (!bus || *at != '-')
		return false;
	while (*at == before) {
		size_t digits = strspn(++at, "0123456789");

		if (!digits)
			return false;
		at += digits;
		before = '.';
	}
	return !*at;
}

static int check_device(const struct change *change, struct err *err)
{
	if (!str_starts(change->path, DEVICES) || !is_port(change->path + strlen(DEVICES)))
		return err_set(err, -EINVAL, "%s: not a USB device", change->path);
	return 0;
}

static bool is_there(struct change_host *host, const char *path)
{
	AUTO_CLOSE int fd = change_open(host, path, O_PATH | O_DIRECTORY, 0);

	return fd >= 0;
}

// ---- interfaces: "1-2:1.0=usbhid 1-2:1.1=none"

// "1-2:1.0" is one of "1-2".
static bool is_of(const char *interface, const char *port)
{
	size_t n = strlen(port);

	return strncmp(interface, port, n) == 0 && interface[n] == ':';
}

// The driver of an interface on the heap, "none" where it has none.
static char *read_driver(struct change_host *host, const char *interface)
{
	AUTO_FREE char *link = mem_printf(DEVICES "%s/driver", interface);
	AUTO_CLOSE int fd = change_open(host, link, O_PATH | O_NOFOLLOW, 0);
	char target[LINK_MAX];
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);

	if (n < 0)
		return mem_dup("none");
	target[n] = '\0';
	return mem_dup(change_name(target));
}

static int compare_names(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

static void list_interfaces(struct change_host *host, const char *port, struct strv *names)
{
	AUTO_STRV struct strv all = { 0 };

	change_list(host, DEVICES, &all);
	for (size_t i = 0; i < all.count; i++) {
		if (is_of(all.items[i], port))
			strv_add(names, all.items[i]);
	}
	if (names->count)
		qsort(names->items, names->count, sizeof(*names->items), compare_names);
}

// What a program has of it, the host's drivers have not.
static bool is_hosts(const char *driver)
{
	return !str_eq(driver, "none") && !str_eq(driver, "usbfs");
}

// The interfaces that the host's drivers have. A device that is lent, or that no driver wanted, has none.
static void parse(const char *text, struct strv *hosts)
{
	AUTO_STRV struct strv words = { 0 };

	strv_split(&words, text, " ");
	for (size_t i = 0; i < words.count; i++) {
		const char *equals = strchr(words.items[i], '=');

		if (equals && is_hosts(equals + 1))
			strv_addf(hosts, "%.*s", (int)(equals - words.items[i]), words.items[i]);
	}
}

static int usb_read(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	AUTO_STRV struct strv names = { 0 };
	AUTO_STR struct str text = { 0 };
	int r = check_device(change, err);

	*value = NULL;
	if (r < 0 || !is_there(host, change->path))
		return r;
	list_interfaces(host, change_name(change->path), &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_FREE char *driver = read_driver(host, names.items[i]);

		str_addf(&text, "%s%s=%s", i ? " " : "", names.items[i], driver);
	}
	*value = mem_dup(text.len ? text.text : LENT);
	return 0;
}

// ---- the steps

static int step(struct change_host *host, bool *begun, const char *interface, const char *path, struct err *err)
{
	AUTO_FREE char *port = mem_dupn(interface, strcspn(interface, ":"));
	int r = *begun ? change_host_next_write(host) : 0;

	if (r < 0)
		return err_sys(err, r, "writing %s", path);
	*begun = true;
	return apart_write(change_host_apart(host), port, path, interface, STEP_MS, err);
}

// Each is looked at when its turn comes: a driver that has several lets go of all with the first.
static int usb_write(struct change_host *host, const struct change *change, const char *value, struct err *err)
{
	bool lend = str_eq(value, LENT), begun = false;
	AUTO_STRV struct strv names = { 0 };
	int r = check_device(change, err);

	if (r == 0 && (!value || (!lend && !strchr(value, '='))))
		r = err_set(err, -EINVAL, "%s: not a state: %s", change->path, value ? value : "nothing");
	if (r == 0)
		list_interfaces(host, change_name(change->path), &names);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		const char *interface = names.items[i];
		AUTO_FREE char *driver = read_driver(host, interface);
		AUTO_FREE char *unbind = mem_printf(DEVICES "%s/driver/unbind", interface);

		if (lend ? is_hosts(driver) : str_eq(driver, "none"))
			r = step(host, &begun, interface, lend ? unbind : PROBE, err);
	}
	return r;
}

// ---- answers

// What the host's drivers had (`then`) they have now; what they had nothing of, they have nothing of now either. An
// interface that is not there now is another device's, or of another configuration.
static bool usb_equal(const char *now, const char *then)
{
	AUTO_STRV struct strv have = { 0 }, had = { 0 };

	parse(now, &have);
	parse(then, &had);
	if (!had.count)
		return !have.count;
	for (size_t i = 0; i < had.count; i++) {
		AUTO_FREE char *begin = mem_printf("%s=", had.items[i]);

		if (!strv_has(&have, had.items[i]) && strstr(now, begin))
			return false;
	}
	return true;
}

static bool usb_answers(const char *got, const char *want)
{
	return usb_equal(got, want);
}

static bool usb_between(const char *now, const char *from, const char *to)
{
	(void)now;
	return usb_equal(from, LENT) != usb_equal(to, LENT);
}

static void usb_remedy(const struct change *change, struct str *out)
{
	AUTO_STRV struct strv had = { 0 };

	if (change->was)
		parse(change->was, &had);
	for (size_t i = 0; i < had.count; i++)
		str_addf(out, "%secho %s > " PROBE, i ? "; " : "", had.items[i]);
}

static const char *const places[] = { DEVICES, NULL };

const struct change_kind change_kind_usb = {
	.name = "usb",
	.help = "the host's drivers let go of a USB device",
	.places = places,
	.read = usb_read,
	.write = usb_write,
	.equal = usb_equal,
	.answers = usb_answers,
	.between = usb_between,
	.remedy = usb_remedy,
	.patience_ms = PROBE_MS,
	.survives_us = true,
	.exclusive = true,
	.gone = "",
};
