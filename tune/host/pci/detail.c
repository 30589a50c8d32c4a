// SPDX-License-Identifier: MIT
#include "tune/host/pci/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/host/careful.h"
#include "tune/host/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = 256, RESOURCE_SIZE = 4 << 10, LINK_SIZE = 1024, DEADLINE_MS = 1000 };

// Those that take the device's lock, or might in a later kernel. The first two do in 6.1.
enum { OVERRIDE, VFS, RESET_METHOD, POWER, CAREFUL };

static const char *const careful[CAREFUL] = {
	[OVERRIDE] = "driver_override",
	[VFS] = "sriov_numvfs",
	[RESET_METHOD] = "reset_method",
	[POWER] = "power_state",
};

static void take_power(struct pci_detail *detail, const char *text)
{
	// "unknown", or "error" of a kernel that could not ask
	if (text[0] == 'D')
		snprintf(detail->power, sizeof(detail->power), "%.*s", (int)sizeof(detail->power) - 1, text);
}

static void take_answers(struct pci_detail *detail, const struct careful_question *answers)
{
	for (size_t i = 0; i < CAREFUL; i++) {
		const char *text = answers[i].text;

		detail->stuck |= answers[i].result == -ETIMEDOUT;
		if (answers[i].result <= 0)
			continue;
		if (i == OVERRIDE && !str_eq(text, "(null)"))
			detail->override = mem_dup(text);
		else if (i == VFS)
			str_parse_int(text, &detail->vfs);
		else if (i == RESET_METHOD)
			strv_split(&detail->resets, text, " ");
		else if (i == POWER)
			take_power(detail, text);
	}
}

// One child for all of them: it costs more than what it reads.
static void read_careful(struct root *root, struct pci_facts *facts, const size_t *indices, size_t n)
{
	AUTO_FREE struct careful_question *questions = mem_new(n * CAREFUL, sizeof(*questions));

	for (size_t i = 0; i < n * CAREFUL; i++) {
		questions[i].subject = i / CAREFUL;
		questions[i].path = pci_path(&facts->items[indices[i / CAREFUL]], careful[i % CAREFUL]);
	}
	careful_read(root, questions, n * CAREFUL, DEADLINE_MS);
	for (size_t i = 0; i < n; i++)
		take_answers(&facts->items[indices[i]].detail, &questions[i * CAREFUL]);
	for (size_t i = 0; i < n * CAREFUL; i++)
		free(questions[i].path);
}

static bool read_text(struct root *root, const struct pci_device *device, const char *name, char *buf,
		      size_t size)
{
	AUTO_FREE char *path = pci_path(device, name);

	return root_read_head(root, path, buf, size) > 0;
}

static void read_int(struct root *root, const struct pci_device *device, const char *name, int *out)
{
	AUTO_FREE char *path = pci_path(device, name);

	root_read_int(root, path, out);
}

// Lines of "start end flags", in hexadecimal; those behind the ROM are a bridge's windows.
static void read_bars(struct root *root, const struct pci_device *device, struct pci_bar *bars)
{
	AUTO_STRV struct strv lines = { 0 };
	char text[RESOURCE_SIZE];

	if (!read_text(root, device, "resource", text, sizeof(text)))
		return;
	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.count && i < PCI_BARS; i++) {
		AUTO_STRV struct strv words = { 0 };

		strv_split(&words, lines.items[i], " ");
		if (words.count != 3 || !str_parse_hex(words.items[0], &bars[i].start) ||
		    !str_parse_hex(words.items[1], &bars[i].end) ||
		    !str_parse_hex(words.items[2], &bars[i].flags))
			bars[i] = (struct pci_bar){ 0 };
	}
}

static void read_sizes(struct root *root, const struct pci_device *device, const struct strv *names,
		       struct pci_bar *bars)
{
	for (int i = 0; i < PCI_BAR_ROM; i++) {
		AUTO_FREE char *name = mem_printf("resource%d_resize", i);
		char text[TEXT_SIZE];

		if (!strv_has(names, name) || !read_text(root, device, name, text, sizeof(text)))
			continue;
		if (!str_parse_hex(str_strip(text), &bars[i].sizes))
			bars[i].sizes = 0;
	}
}

static void read_physical(struct root *root, struct pci_device *device)
{
	AUTO_FREE char *path = pci_path(device, "physfn");
	char target[LINK_SIZE];
	const char *slash;

	if (root_readlink(root, path, target, sizeof(target)) <= 0)
		return;
	slash = strrchr(target, '/');
	device->detail.physical = mem_dup(slash ? slash + 1 : target);
}

// The listing says what there is to be read.
static void read_attributes(struct root *root, struct pci_device *device)
{
	AUTO_FREE char *path = mem_printf("sys/bus/pci/devices/%s", device->address);
	struct pci_detail *detail = &device->detail;
	AUTO_STRV struct strv names = { 0 };
	char text[TEXT_SIZE];
	int flag = 0;

	root_list(root, path, &names);
	if (read_text(root, device, "modalias", text, sizeof(text)))
		mem_set(&detail->modalias, text);
	if (!strv_has(&names, "reset_method") && strv_has(&names, "reset"))
		strv_add(&detail->resets, "reset");
	if (strv_has(&names, "boot_vga"))
		read_int(root, device, "boot_vga", &flag);
	detail->boot_vga = flag == 1;
	read_int(root, device, "numa_node", &detail->node);
	if (strv_has(&names, "sriov_totalvfs"))
		read_int(root, device, "sriov_totalvfs", &detail->vfs_max);
	if (strv_has(&names, "physfn"))
		read_physical(root, device);
	read_bars(root, device, detail->bars);
	read_sizes(root, device, &names, detail->bars);
}

// A bridge's driver has no nodes, and below its directory are the devices behind it.
static void read_rest(struct root *root, struct pci_facts *facts, struct pci_device *device)
{
	read_attributes(root, device);
	if (device->header != PCI_HEADER_TYPE_NORMAL && !device->dead)
		return;
	pci_read_nodes(root, facts, device);
	pci_read_uses(root, device);
	pci_read_users(root, facts, device);
}

void pci_facts_read_details(struct root *root, struct pci_facts *facts, const size_t *indices, size_t n)
{
	AUTO_FREE size_t *todo = mem_new(n + 1, sizeof(*todo));
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		struct pci_detail *detail = &facts->items[indices[i]].detail;

		if (detail->known)
			continue;
		detail->known = true;
		mem_set(&detail->modalias, "");
		todo[count++] = indices[i];
	}
	if (!count)
		return;
	read_careful(root, facts, todo, count);
	for (size_t i = 0; i < count; i++) {
		if (!facts->items[todo[i]].detail.stuck)
			read_rest(root, facts, &facts->items[todo[i]]);
	}
}

void pci_facts_read_detail(struct root *root, struct pci_facts *facts, size_t index)
{
	pci_facts_read_details(root, facts, &index, 1);
}

// A group is open once at a time, and for as long as a device of it is, whichever way that was opened: who can open it
// knows that nobody has it, and need not look into every process (Linux 6.1 drivers/vfio/vfio_main.c,
// vfio_group_fops_open and vfio_group_fops_release). Where devices have nodes of their own, one of these may be open
// without its group knowing (Linux 6.6 drivers/vfio/device_cdev.c, vfio_device_fops_cdev_open).
static bool is_group_free(const struct root *root, const struct pci_device *device)
{
	AUTO_FREE char *path = mem_printf("dev/vfio/%d", device->group);
	AUTO_CLOSE int fd = -1;
	struct stat status;

	if (!root->live || device->group < 0 || !pci_driver_is_stub(device->driver) ||
	    faccessat(root->fd, "dev/vfio/devices", F_OK, 0) == 0)
		return false;
	fd = openat(root->fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	return fd >= 0 && fstat(fd, &status) == 0 && S_ISCHR(status.st_mode);
}

// Who has nvidia's common nodes open may mean another card, so that all of them must be known.
const struct pci_device *pci_facts_read_users(struct root *root, const char *address, struct pci_facts *facts)
{
	const struct pci_device *found;
	struct pci_device *device;

	pci_read_only(root, address, facts);
	if (facts->count && str_eq(facts->items[0].driver, "nvidia")) {
		pci_facts_finish(facts);
		pci_facts_read(root, facts, NULL);
	}
	found = pci_facts_find(facts, address);
	if (!found)
		return NULL;
	device = &facts->items[found - facts->items];
	if (is_group_free(root, device))
		return device;
	pci_read_nodes(root, facts, device);
	pci_read_users(root, facts, device);
	return device;
}
