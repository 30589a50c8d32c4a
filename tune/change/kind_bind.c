// SPDX-License-Identifier: MIT
// The kind `bind`: which driver a PCI device has, and which one alone it may get (driver_override). Each step
// can hang in the kernel, so each is made apart, with a deadline, and is looked at afterwards: no driver can
// refuse an unbind, it can only block, and then its link is gone all the same.
//
// Sources: Linux 6.1 Documentation/ABI/testing/sysfs-bus-pci (driver_override, unbind), drivers/pci/pci-driver.c
// (pci_match_device: with an override no other driver matches), drivers/base/bus.c (drivers_probe).
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/apart.h"
#include "tune/host/pci.h"
#include "tune/host/root.h"


#include <fcntl.h>
#include <linux/pci_regs.h>
#include <string.h>

// A graphics driver may take seconds to let its card go; one that takes longer never does.
enum { STEP_MS = 20000, NAME_SIZE = 64, VALUE_MAX = 4096 };

#define DEVICES "/sys/bus/pci/devices/"
#define PROBE "/sys/bus/pci/drivers_probe"
#define SILENT "silent" // behind a binding that was seen

struct binding {
	char driver[NAME_SIZE];	  // "" none
	char override[NAME_SIZE]; // "" none
	bool stays;		  // of what is wanted: it is not to be given back
	bool silent;		  // of what is found, where that was looked at: it does not answer
};

static bool copy_name(char *out, const char *text)
{
	if (strlen(text) >= NAME_SIZE || strpbrk(text, " /\t"))
		return false;
	strcpy(out, text);
	return true;
}

static bool parse(const char *text, struct binding *out)
{
	AUTO_STRV struct strv words = { 0 };

	*out = (struct binding){ 0 };
	strv_split(&words, text, " ");
	if (words.count < 1 || !copy_name(out->driver, words.items[0]))
		return false;
	if (str_eq(out->driver, "none"))
		out->driver[0] = '\0';
	for (size_t i = 1; i < words.count; i++) {
		const char *word = words.items[i];

		if (str_eq(word, "rebind=no"))
			out->stays = true;
		else if (str_eq(word, SILENT))
			out->silent = true;
		else if (!str_starts(word, "override=") || !word[9] || out->override[0] ||
			 !copy_name(out->override, word + 9))
			return false;
	}
	return true;
}

static char *print(const struct binding *binding)
{
	const char *driver = binding->driver[0] ? binding->driver : "none";

	return binding->override[0] ? mem_printf("%s override=%s", driver, binding->override) :
				      mem_dup(driver);
}

// DOMAIN:BUS:DEVICE.FUNCTION, as sysfs writes it.
static bool is_address(const char *name)
{
	size_t domain = strspn(name, "0123456789abcdef");
	static const char hex[] = "0123456789abcdef";

	return domain >= 4 && domain <= 8 && strlen(name) == domain + 8 && name[domain] == ':' &&
	       strspn(name + domain + 1, hex) == 2 && name[domain + 3] == ':' &&
	       strspn(name + domain + 4, hex) == 2 && name[domain + 6] == '.' && name[domain + 7] >= '0' &&
	       name[domain + 7] <= '7';
}

static int check_device(const struct change *change, struct err *err)
{
	const char *address = change->path + strlen(DEVICES);

	if (!str_starts(change->path, DEVICES) || !is_address(address))
		return err_set(err, -EINVAL, "%s: not a PCI device", change->path);
	return 0;
}

// ---- today's

// 1: it has such a driver; 0: none.
static int read_driver(struct change_host *host, const char *path, char name[NAME_SIZE])
{
	AUTO_FREE char *link = mem_printf("%s/driver", path);
	AUTO_CLOSE int fd = change_open(host, link, O_PATH | O_NOFOLLOW, 0);
	char target[256];
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);

	name[0] = '\0';
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (n < 0)
		return -errno;
	target[n] = '\0';
	return copy_name(name, change_name(target)) ? 1 : -EINVAL;
}

static bool is_there(struct change_host *host, const char *path)
{
	AUTO_CLOSE int fd = change_open(host, path, O_PATH | O_DIRECTORY, 0);

	return fd >= 0;
}

// A device that has fallen off its bus reads as ones (PCI Local Bus Specification 3.0, 3.2.2.3.4: what nobody
// claims), and a driver that is probed with it may never come back. A virtual function does so in its ids alone (PCI
// Express Base Specification 4.0, 9.3.4.1.1), not in its header type.
static bool is_silent(const struct str *config)
{
	return config->len > PCI_HEADER_TYPE && memcmp(config->text, "\xff\xff", 2) == 0 &&
	       config->text[PCI_HEADER_TYPE] == '\xff';
}

// The override first: to read it waits for whoever binds or unbinds the device just now, so that the link is
// looked at when that is over. And whether the device answers where a driver is to be let near it next: to ask one
// that sleeps wakes it up.
static int read_binding(struct change_host *host, const struct change *change, bool answers, struct binding *out,
			struct err *err)
{
	const char *address = change_name(change->path);
	AUTO_FREE char *path = mem_printf("%s/driver_override", change->path);
	AUTO_FREE char *config_path = mem_printf("%s/config", change->path);
	AUTO_STR struct str override = { 0 }, config = { 0 };
	struct apart_part parts[] = { { .path = path, .max = VALUE_MAX, .out = &override },
				      { .path = config_path, .max = PCI_HEADER_TYPE + 1, .out = &config } };
	int r = apart_read_parts(change_host_apart(host), address, parts, answers ? 2 : 1, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
		r = parts[i].r < 0 ? err_sys(err, parts[i].r, "reading %s", parts[i].path) : 0;
	if (r < 0)
		return r;
	*out = (struct binding){ .silent = is_silent(&config) };
	if (!str_eq(str_text(&override), "(null)") && !copy_name(out->override, str_text(&override)))
		return err_set(err, -EINVAL, "%s has an override that is no driver's name: %s", address,
			       str_text(&override));
	r = read_driver(host, change->path, out->driver);
	return r < 0 ? err_sys(err, r, "the driver of %s", address) : 0;
}

static int bind_read(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	bool kept = str_eq(host->kept.path, change->path);
	struct binding now;
	int r = check_device(change, err);

	*value = NULL;
	if (r < 0 || !is_there(host, change->path))
		return r;
	r = read_binding(host, change, kept && !host->kept.begun, &now, err);
	// unplugged while we looked
	if (r < 0 && r != -ETIMEDOUT && !is_there(host, change->path))
		return 0;
	if (r == 0) {
		AUTO_FREE char *seen = NULL;

		*value = print(&now);
		seen = mem_printf("%s%s", *value, now.silent ? " " SILENT : "");
		if (kept && !host->kept.begun)
			mem_set(&host->kept.seen, seen);
	}
	return r;
}

// What was read just before it is to be written; once, since the steps change it.
static int recall_binding(struct change_host *host, const struct change *change, struct binding *out, struct err *err)
{
	AUTO_FREE char *seen = take(host->kept.seen);

	host->kept.begun = true;
	return seen && parse(seen, out) ? 0 : read_binding(host, change, true, out, err);
}

// ---- the steps

struct steps {
	struct change_host *host;
	const char *path, *address;
	bool begun;
	struct err *err;
};

static int step(struct steps *steps, const char *path, const char *text)
{
	int r = steps->begun ? change_host_next_write(steps->host) : 0;

	if (r < 0)
		return err_sys(steps->err, r, "writing %s", path);
	steps->begun = true;
	return apart_write(change_host_apart(steps->host), steps->address, path, text, STEP_MS, steps->err);
}

// A write of no bytes would be none: the newline is what clears it.
static int step_override(struct steps *steps, const char *driver)
{
	AUTO_FREE char *path = mem_printf("%s/driver_override", steps->path);
	AUTO_FREE char *line = mem_printf("%s\n", driver);

	return step(steps, path, line);
}

static int step_unbind(struct steps *steps)
{
	AUTO_FREE char *path = mem_printf("%s/driver/unbind", steps->path);

	return step(steps, path, steps->address);
}

static int check_driver(struct steps *steps, const char *driver)
{
	AUTO_FREE char *directory = mem_printf("/sys/bus/pci/drivers/%s", driver);

	if (is_there(steps->host, directory))
		return 0;
	return err_set(steps->err, -ENOENT, "there is no driver %s for %s: load its module", driver, steps->address);
}

// While it is probed the override names the driver that shall have it, so that no other one takes it.
static int change_driver(struct steps *steps, const struct binding *now, const struct binding *want)
{
	const char *meanwhile = want->driver[0] ? want->driver : want->override;
	int r = want->driver[0] ? check_driver(steps, want->driver) : 0;

	if (r == 0 && !str_eq(now->override, meanwhile))
		r = step_override(steps, meanwhile);
	if (r == 0 && now->driver[0])
		r = step_unbind(steps);
	if (r == 0 && want->driver[0])
		r = step(steps, PROBE, steps->address);
	if (r == 0 && !str_eq(want->override, meanwhile))
		r = step_override(steps, want->override);
	return r;
}

// ---- what forbids it

static int check_answers(const struct binding *now, const char *address, struct err *err)
{
	return now->silent ? err_set(err, -ENODEV, "%s does not answer any more (its configuration reads as ones): no "
						   "driver is let near it; it takes a reset, a suspend or a reboot of "
						   "the host to bring it back", address) : 0;
}

// What hangs on an USB bus is told that it goes, and whoever reads a keyboard there learns it; all others wait
// for their last user.
static bool waits_for_users(const struct pci_device *device)
{
	return device->class >> 8 != 0x0c03;
}

static void add_users(const struct pci_device *device, struct str *out)
{
	for (size_t i = 0; device && waits_for_users(device) && i < device->detail.n_users; i++)
		str_addf(out, "%s%s (process %d) has %s open", out->len ? ", " : "", device->detail.users[i].name,
			 (int)device->detail.users[i].pid, device->detail.users[i].path);
}

// A driver whose device is in use waits for its last user, for ever and with the device locked.
static int check_unused(struct change_host *host, const struct change *change, struct err *err)
{
	struct root root = { .fd = host->root, .live = host->live };
	const char *address = change_name(change->path);
	const struct pci_device *device;
	struct pci_facts facts;
	AUTO_STR struct str text = { 0 };

	device = pci_facts_read_users(&root, address, &facts);
	add_users(device, &text);
	pci_facts_finish(&facts);
	if (!text.len)
		return 0;
	return err_set(err, -EBUSY, "%s can't be taken from its driver while it is used: %s", address, text.text);
}

static int bind_write(struct change_host *host, const struct change *change, const char *value, struct err *err)
{
	struct steps steps = { .host = host, .path = change->path, .address = change_name(change->path),
			       .err = err };
	struct binding now = { 0 }, want = { 0 };
	int r = check_device(change, err);

	if (r == 0 && (!value || !parse(value, &want)))
		r = err_set(err, -EINVAL, "%s: not a driver: %s", steps.address, value ? value : "nothing");
	if (r == 0)
		r = recall_binding(host, change, &now, err);
	if (r < 0)
		return r;
	if (str_eq(now.driver, want.driver))
		return str_eq(now.override, want.override) ? 0 : step_override(&steps, want.override);
	r = check_answers(&now, steps.address, err);
	if (r == 0 && now.driver[0])
		r = check_unused(host, change, err);
	return r < 0 ? r : change_driver(&steps, &now, &want);
}

// ---- answers

static bool bind_equal(const char *a, const char *b)
{
	struct binding one, other;

	return parse(a, &one) && parse(b, &other) && str_eq(one.driver, other.driver) &&
	       str_eq(one.override, other.override);
}

static bool is_one_of(const char *word, const char *const words[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (str_eq(word, words[i]))
			return true;
	}
	return false;
}

// Of the steps of change_driver, one way or the other, any may have been the last.
static bool bind_between(const char *now_text, const char *from_text, const char *to_text)
{
	struct binding now, from, to;

	if (!parse(now_text, &now) || !parse(from_text, &from) || !parse(to_text, &to))
		return false;
	return is_one_of(now.driver, (const char *const[]){ "", from.driver, to.driver }, 3) &&
	       is_one_of(now.override, (const char *const[]){ from.override, to.override, from.driver, to.driver },
			 4);
}

static bool bind_keeps(const struct change *change)
{
	struct binding want;

	return parse(change->want, &want) && want.stays;
}

static void add_echo(struct str *out, const char *text, const char *path, const char *name)
{
	str_addf(out, "%secho %s%s> %s%s", out->len ? "; " : "", text, *text ? " " : "", path, name);
}

static void bind_remedy(const struct change *change, struct str *out)
{
	const char *address = change_name(change->path);
	AUTO_STR struct str text = { 0 };
	struct binding was;

	if (!change->was || !parse(change->was, &was))
		return;
	add_echo(&text, was.driver, change->path, "/driver_override");
	add_echo(&text, address, change->path, "/driver/unbind");
	if (was.driver[0])
		add_echo(&text, address, PROBE, "");
	if (!str_eq(was.driver, was.override))
		add_echo(&text, was.override, change->path, "/driver_override");
	str_add(out, text.text);
}

static const char *const places[] = { DEVICES, NULL };

const struct change_kind change_kind_bind = {
	.name = "bind",
	.help = "a PCI device is taken from one driver and given to another",
	.places = places,
	.read = bind_read,
	.write = bind_write,
	.equal = bind_equal,
	.answers = bind_equal,
	.remedy = bind_remedy,
	.between = bind_between,
	.keeps = bind_keeps,
	.survives_us = true,
	.exclusive = true,
	.gone = "the device is gone from the bus: there is nothing left to put back",
};
