// SPDX-License-Identifier: MIT
// The kind `hold`: a device that keeps what was asked of it for as long as it is open.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>

// Only what we hold ourselves: a request ends with the descriptor, so nothing is left of a dead
// one.
static int hold_read(struct change_host *host, const struct change *change, char **value,
		     struct err *err)
{
	const struct change_held *held = change_held_find(host, &change_kind_hold, change->path);

	(void)err;
	*value = held ? mem_dup(held->value) : NULL;
	return 0;
}

// The device takes four bytes as a binary number in the machine's order, and answers with what now
// holds for the whole system, the least of all requests (Linux 6.1, power/pm_qos_interface.rst).
static int ask(int fd, int32_t number, int32_t *effective)
{
	ssize_t n = pwrite(fd, &number, sizeof(number), 0);

	if (n >= 0 && n != sizeof(number))
		return -EIO;
	if (n >= 0)
		n = pread(fd, effective, sizeof(*effective), 0);
	if (n < 0)
		return -errno;
	return n == sizeof(*effective) ? 0 : -EIO;
}

static int hold_take(struct change_host *host, const char *path, const char *value, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	int32_t effective = 0;
	int number, r;

	if (!str_parse_int(value, &number))
		return err_set(err, -EINVAL, "%s: not a number: %s", path, value);
	fd = change_open(host, path, O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, fd, "opening %s", path);
	r = ask(fd, number, &effective);
	if (r < 0)
		return err_sys(err, r, "asking %s for %s", path, value);
	if (effective > number)
		return err_set(err, -EIO, "%s was asked for %s and answers %d", path, value,
			       effective);
	change_held_add(host, &change_kind_hold, path, mem_dup(value), take_fd(&fd));
	return 0;
}

static int hold_write(struct change_host *host, const struct change *change, const char *value,
		      struct err *err)
{
	struct change_held *held = change_held_find(host, &change_kind_hold, change->path);

	if (held)
		change_held_drop(host, held);
	return value ? hold_take(host, change->path, value, err) : 0;
}

static bool hold_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static void hold_remedy(const struct change *change, struct str *out)
{
	(void)change;
	str_add(out, "end the process that has it open");
}

static const char *const places[] = { "/dev/", NULL };

const struct change_kind change_kind_hold = {
	.name = "hold",
	.help = "a device is kept open with a number written to it, and forgets it when closed",
	.places = places,
	.read = hold_read,
	.write = hold_write,
	.equal = hold_equal,
	.answers = hold_equal,
	.remedy = hold_remedy,
	.creates = true,
};
