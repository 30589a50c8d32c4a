// SPDX-License-Identifier: MIT
// The kind `owner`: to whom a node in /dev or /run belongs, for as long as the guest runs. Never of a plain file:
// what outlives a reboot is not changed, and not recorded either. The node that vfio-pci gives a device has its name
// from the kernel, and another one after each bind: it is said as the folder of sysfs that names it, "vfio-dev" (Linux
// 6.6, drivers/vfio/vfio_main.c, vfio_init_device).
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

// A VFIO group has a node from the moment that its first device is bound; then udev looks at it, and gives it
// the owner that its rules say, or root.
enum { APPEAR_MS = 5000, UDEV_MS = 10000, POLL_MS = 10, NOTICE_MS = 30 };

struct owner {
	bool has_uid, has_gid, has_mode;
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

static bool parse_id(const char *text, uint32_t *id)
{
	uint64_t value;

	// the all-ones id means "leave it" to chown(2)
	if (!str_parse_u64(text, &value) || value >= UINT32_MAX)
		return false;
	*id = (uint32_t)value;
	return true;
}

static bool parse_mode(const char *text, mode_t *mode)
{
	size_t n = strlen(text);

	if (n < 1 || n > 4 || text[strspn(text, "01234567")])
		return false;
	*mode = (mode_t)strtoul(text, NULL, 8);
	return true;
}

static bool parse(const char *text, struct owner *out)
{
	AUTO_STRV struct strv words = { 0 };

	*out = (struct owner){ 0 };
	strv_split(&words, text, " ");
	for (size_t i = 0; i < words.count; i++) {
		const char *word = words.items[i];

		if (str_starts(word, "uid=") && parse_id(word + 4, &out->uid))
			out->has_uid = true;
		else if (str_starts(word, "gid=") && parse_id(word + 4, &out->gid))
			out->has_gid = true;
		else if (str_starts(word, "mode=") && parse_mode(word + 5, &out->mode))
			out->has_mode = true;
		else
			return false;
	}
	return words.count > 0;
}

static bool is_folder(const char *path)
{
	return str_ends(path, "/vfio-dev");
}

// The path in /dev, on the heap; NULL: there is none. A kernel without CONFIG_VFIO_DEVICE_CDEV has the folder, too,
// but no nodes, so that to ask for it finds nothing.
static char *find_node(struct change_host *host, const char *path)
{
	AUTO_STRV struct strv names = { 0 };

	// an attribute of a device has no owner but the kernel's
	if (!is_folder(path))
		return str_starts(path, "/sys/") ? NULL : mem_dup(path);
	change_list_folders(host, path, &names);
	return names.count ? mem_printf("/dev/vfio/devices/%s", names.items[0]) : NULL;
}

// No link on the way is followed: what it leads to may be anything.
static int open_node(struct change_host *host, const char *path, struct stat *st)
{
	AUTO_FREE char *node = find_node(host, path);
	int fd = node ? change_open(host, node, O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS) : -ENOENT;

	if (fd < 0)
		return fd;
	if (fstat(fd, st) == 0 && !S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode) && !S_ISDIR(st->st_mode))
		return fd;
	close(fd);
	return -EPERM;
}

static bool exists(struct change_host *host, const char *path)
{
	AUTO_CLOSE int fd = change_open(host, path, O_PATH | O_NOFOLLOW, 0);

	return fd >= 0;
}

static bool is_node_there(struct change_host *host, const char *path)
{
	AUTO_FREE char *node = find_node(host, path);

	return node && exists(host, node);
}

// As `udevadm settle` does: while udev has work, this file is there (systemd 252, src/udev/udevd.c).
static bool is_udev_idle(struct change_host *host, const char *path)
{
	(void)path;
	return !exists(host, "/run/udev/queue");
}

static void pause_ms(long ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

static void wait_for(struct change_host *host, bool (*is_so)(struct change_host *host, const char *path),
		     const char *path, int timeout_ms)
{
	long long until = io_now_ms() + timeout_ms;

	while (!is_so(host, path) && io_now_ms() < until)
		pause_ms(POLL_MS);
}

static void wait_for_node(struct change_host *host, const char *path)
{
	wait_for(host, is_node_there, path, APPEAR_MS);
	if (!exists(host, "/run/udev/control"))
		return;
	pause_ms(NOTICE_MS);
	wait_for(host, is_udev_idle, path, UDEV_MS);
}

static int owner_read(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	*value = NULL;
	// before the first change it may still be to come; afterwards it is there, or gone with its device
	if (!change->was)
		wait_for_node(host, change->path);
	fd = open_node(host, change->path, &st);
	if (fd == -ENOENT && !change->was && is_folder(change->path))
		return err_set(err, -ENODEV, "%s: the device has no node of its own: the kernel must have been built "
					     "with CONFIG_VFIO_DEVICE_CDEV", change->path);
	if (fd == -ENOENT)
		return 0;
	if (fd == -EPERM)
		return err_set(err, fd, "%s is no device node and no socket: its owner is not ours to change",
			       change->path);
	if (fd < 0)
		return err_sys(err, fd, "looking at %s", change->path);
	*value = mem_printf("uid=%u gid=%u mode=%04o", st.st_uid, st.st_gid, st.st_mode & 07777);
	return 0;
}

// The mode is narrowed before and widened after the owner changes: nobody in between has more than he shall.
static int apply(int fd, const struct stat *st, const struct owner *want)
{
	char self[64];
	mode_t mode = want->has_mode ? want->mode : st->st_mode & 07777;

	// fchmod does not take O_PATH descriptors
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (chmod(self, mode & st->st_mode & 07777) < 0 ||
	    fchownat(fd, "", want->has_uid ? want->uid : (uid_t)-1, want->has_gid ? want->gid : (gid_t)-1,
		     AT_EMPTY_PATH) < 0 ||
	    chmod(self, mode) < 0)
		return -errno;
	return 0;
}

static int owner_write(struct change_host *host, const struct change *change, const char *value, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	struct owner want;
	struct stat st;
	int r;

	if (!value || !parse(value, &want))
		return err_set(err, -EINVAL, "%s: not an owner: %s", change->path, value ? value : "nothing");
	fd = open_node(host, change->path, &st);
	r = fd < 0 ? fd : apply(fd, &st, &want);
	return r < 0 ? err_sys(err, r, "giving %s to %s", change->path, value) : 0;
}

static bool owner_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool owner_answers(const char *got_text, const char *want_text)
{
	struct owner got, want;

	return parse(got_text, &got) && parse(want_text, &want) && (!want.has_uid || got.uid == want.uid) &&
	       (!want.has_gid || got.gid == want.gid) && (!want.has_mode || got.mode == want.mode);
}

// Owner and mode are two steps.
static bool owner_between(const char *now_text, const char *from_text, const char *to_text)
{
	struct owner now, from, to;

	return parse(now_text, &now) && parse(from_text, &from) && parse(to_text, &to) &&
	       (now.uid == from.uid || (to.has_uid && now.uid == to.uid)) &&
	       (now.gid == from.gid || (to.has_gid && now.gid == to.gid)) &&
	       (now.mode == from.mode || (to.has_mode && (now.mode == to.mode || now.mode == (from.mode & to.mode))));
}

static void quote_node(const char *path, struct str *out)
{
	if (is_folder(path))
		str_add(out, "/dev/vfio/devices/$(ls ");
	change_quote(path, out);
	if (is_folder(path))
		str_add(out, ")");
}

static void owner_remedy(const struct change *change, struct str *out)
{
	struct owner was;

	if (!change->was || !parse(change->was, &was))
		return;
	str_addf(out, "chown %u:%u ", was.uid, was.gid);
	quote_node(change->path, out);
	str_addf(out, "; chmod %04o ", was.mode);
	quote_node(change->path, out);
}

static const char *const places[] = { "/dev/", "/run/", "/sys/bus/pci/devices/", NULL };

const struct change_kind change_kind_owner = {
	.name = "owner",
	.help = "a device node is given to the guest's user",
	.places = places,
	.read = owner_read,
	.write = owner_write,
	.equal = owner_equal,
	.answers = owner_answers,
	.remedy = owner_remedy,
	.between = owner_between,
	.survives_us = true,
	.shared = true,
	.exclusive = true,
	.common = "/dev/iommu",
	.gone = "",
};
