// SPDX-License-Identifier: MIT
#include "launcher/run/qemu_log.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/plan/plan.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

enum { TAIL_BYTES = 8192, TAIL_LINES = 8 };

static const struct {
	const char *part, *hint;
} hints[] = {
	{ "Could not access KVM kernel module",
	  "is virtualisation on in the firmware, is the module kvm_intel or kvm_amd loaded, may the guest's "
	  "user open /dev/kvm (group kvm)?" },
	{ "failed to set MSR", "this KVM can't give the guest this CPU: set [cpu] model = qemu64, or "
			       "[vm] accel = tcg" },
	// in the words of hw/vfio/ (QEMU 7.2 to 10.0)
	{ "is not viable", "another device of the IOMMU group is in use by the host: `vfiorun host` lists the groups" },
	{ "Verify all devices in group",
	  "another device of the IOMMU group is in use by the host: `vfiorun host` lists the groups" },
	{ "no such host device", "the device is gone: was it unplugged, did it fall off its bus?" },
	{ "Unknown PCI header type '127'", "the device does not answer any more: suspend the host, or switch it off" },
	{ "vfio_dma_map", "RLIMIT_MEMLOCK is too low for the guest's memory; `vfiorun plan` says how much it takes" },
	{ "VFIO_MAP_DMA", "RLIMIT_MEMLOCK is too low for the guest's memory; `vfiorun plan` says how much it takes" },
	{ "/dev/vfio/", "may the guest's user open the IOMMU group, and does no other program have it open?" },
	{ "failed to mmap", "the host's kernel says why: dmesg | grep -e 'reserve' -e BOOTFB" },
	{ "Failed to mmap", "the host's kernel says why: dmesg | grep -e 'reserve' -e BOOTFB" },
	{ "failed to find romfile", "the ROM file of a device could not be read: [pci] romfile" },
	{ "cannot set up guest memory", "the host has too little free memory: make [vm] memory smaller" },
	{ "Cannot allocate memory", "the host has too little free memory or RLIMIT_MEMLOCK is too low" },
	{ "unable to map backing store for guest RAM", "the hugepage pool is too small" },
	{ "Failed to get \"write\" lock", "another program has the disk image open" },
	{ "Failed to get shared \"write\" lock", "another program has the disk image open" },
	{ "not a valid device model name", "this QEMU lacks the device: is it in a package of its own?" },
	{ "gtk initialization failed", "no display was reached: run from the desktop, or use --headless" },
	{ "Could not set up host forwarding rule", "the host port of a [net] forward is in use" },
	{ "does not support secure boot", "choose another firmware: [firmware] code" },
	{ "Address already in use", "the host port is in use" },
	{ "Bad system call", "QEMU's sandbox stopped it: a raw [qemu] argument needs what it denies" },
};

const char *qemu_log_hint(const char *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
		if (strstr(line, hints[i].part))
			return hints[i].hint;
	}
	return NULL;
}

// QEMU's words are shown, never obeyed: no control byte of them reaches the terminal.
static void show_line(char *line)
{
	const char *hint = qemu_log_hint(line);

	for (char *c = line; *c; c++) {
		if (iscntrl((unsigned char)*c))
			*c = ' ';
	}
	log_message(LOG_LEVEL_ERROR, "QEMU: %s", line);
	if (hint)
		log_message(LOG_LEVEL_NOTICE, "    hint: %s", hint);
}

// Our own lines in the same file carry a time and our name.
static bool is_ours(const char *line)
{
	return isdigit((unsigned char)line[0]) && strstr(line, " vfiorun: ");
}

static void collect(char *text, struct strv *lines)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!is_ours(line))
			strv_add(lines, line);
	}
}

void qemu_log_show(int log, const struct plan *plan, long long start)
{
	AUTO_FREE char *path = mem_printf("%s/%s.log", plan->log_dir, plan->name);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_STRV struct strv lines = { 0 };
	char text[TAIL_BYTES + 1];
	long long end;
	ssize_t n;

	if (fd < 0 || log < 0)
		return;
	end = lseek(fd, 0, SEEK_END);
	if (end - start > TAIL_BYTES)
		start = end - TAIL_BYTES;
	n = pread(fd, text, TAIL_BYTES, start);
	if (n <= 0)
		return;
	text[n] = '\0';
	collect(text, &lines);
	for (size_t i = lines.count > TAIL_LINES ? lines.count - TAIL_LINES : 0; i < lines.count; i++)
		show_line(lines.items[i]);
	if (lines.count)
		log_notice("all of it: vfiorun log %s", plan->name);
}
