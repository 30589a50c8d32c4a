// SPDX-License-Identifier: MIT
#include "tune/host/pci/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tune/host/process.h"
#include "tune/host/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdalign.h>
#include <string.h>
#include <sys/stat.h>

enum { ENTRIES_SIZE = 4096 };

struct holder {
	pid_t pid;
	char name[16];
	char *path;
	dev_t dev; // 0: unknown
	bool block;
};

struct pci_holders {
	struct holder *items;
	size_t count;
	bool unknown;
};

// Every process has some of these, and no device hangs on them.
static bool is_of_interest(const char *path)
{
	static const char *const others[] = { "null", "zero", "full", "tty", "ptmx", "random", "urandom", "pts/",
					      "shm/", "log", "kvm", "fuse", "net/tun", "vhost-net", "kmsg",
					      "mqueue/", "hugepages/" };

	if (!str_starts(path, "/dev/"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		const char *other = others[i];

		if (str_ends(other, "/") ? str_starts(path + 5, other) : str_eq(path + 5, other))
			return false;
	}
	return true;
}

static bool has_already(const struct pci_holders *holders, pid_t pid, const char *path)
{
	for (size_t i = holders->count; i > 0 && holders->items[i - 1].pid == pid; i--) {
		if (str_eq(holders->items[i - 1].path, path))
			return true;
	}
	return false;
}

// The number tells also where a container has another name for the node. In a captured tree there are names only.
static void add_holder(struct root *root, struct pci_holders *holders, pid_t pid, int dir, const char *fd,
		       const char *path)
{
	struct holder *holder;
	struct stat status;

	if (has_already(holders, pid, path))
		return;
	holder = MEM_PUSH(holders->items, holders->count);
	holder->pid = pid;
	holder->path = mem_dup(path);
	if (root->live && fstatat(dir, fd, &status, 0) == 0 &&
	    (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))) {
		holder->dev = status.st_rdev;
		holder->block = S_ISBLK(status.st_mode);
	}
}

// In pieces of its own, since a stream would cost three calls more for each process.
static void scan_links(struct root *root, struct pci_holders *holders, pid_t pid, int dir)
{
	alignas(struct dirent64) char entries[ENTRIES_SIZE];
	ssize_t size;

	while ((size = getdents64(dir, entries, sizeof(entries))) > 0) {
		for (ssize_t at = 0; at < size;) {
			const struct dirent64 *entry = (const void *)(entries + at);
			char target[PATH_MAX];
			ssize_t n = *entry->d_name == '.' ? 0 : readlinkat(dir, entry->d_name, target,
									    sizeof(target) - 1);

			at += entry->d_reclen;
			if (n <= 0)
				continue;
			target[n] = '\0';
			if (is_of_interest(target))
				add_holder(root, holders, pid, dir, entry->d_name, target);
		}
	}
}

static void scan_process(struct root *root, struct pci_holders *holders, pid_t pid)
{
	AUTO_FREE char *path = mem_printf("proc/%d/fd", (int)pid);
	AUTO_FREE char *comm = mem_printf("proc/%d/comm", (int)pid);
	AUTO_CLOSE int fd = root_open_directory(root, path);
	size_t first = holders->count;
	char name[64] = "";

	root->reads++;
	if (fd == -EACCES || fd == -EPERM)
		holders->unknown = true;
	if (fd < 0)
		return;
	scan_links(root, holders, pid, fd);
	if (holders->count == first || root_read_head(root, comm, name, sizeof(name)) < 0)
		return;
	for (size_t i = first; i < holders->count; i++)
		memcpy(holders->items[i].name, name, strnlen(name, sizeof(holders->items[i].name) - 1));
}

static int compare_holders(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	return x->pid != y->pid ? (x->pid > y->pid) - (x->pid < y->pid) : strverscmp(x->path, y->path);
}

// Whoever may not see process 1 does not see all.
static void scan_processes(struct root *root, struct pci_holders *holders, DIR *proc)
{
	pid_t self = root->live ? getpid() : -1;
	CLEANUP(kernel_threads_finish) struct kernel_threads kernel = { 0 };
	const struct dirent *entry;
	bool sees_all = false;

	if (root->live)
		process_find_kernel_threads(dirfd(proc), &kernel);
	while ((entry = readdir(proc))) {
		int pid;

		if (!str_parse_int(entry->d_name, &pid) || pid <= 0)
			continue;
		sees_all |= pid == 1;
		// in a captured machine processes need not have a program
		if (pid != self && (!root->live || process_may_have_program(dirfd(proc), pid, &kernel)))
			scan_process(root, holders, pid);
	}
	holders->unknown |= !sees_all;
}

static struct pci_holders *scan(struct root *root)
{
	struct pci_holders *holders = mem_new(1, sizeof(*holders));
	AUTO_CLOSE int fd = root_open_directory(root, "proc");
	AUTO_CLOSEDIR DIR *proc = fd < 0 ? NULL : fdopendir(fd);

	root->reads++;
	holders->unknown = !proc;
	if (!proc)
		return holders;
	take_fd(&fd);
	scan_processes(root, holders, proc);
	if (holders->count)
		qsort(holders->items, holders->count, sizeof(*holders->items), compare_holders);
	return holders;
}

void pci_holders_free(struct pci_holders *holders)
{
	if (!holders)
		return;
	for (size_t i = 0; i < holders->count; i++)
		free(holders->items[i].path);
	free(holders->items);
	free(holders);
}

static bool is_held_by(const struct pci_node *node, const struct holder *holder)
{
	if (!node->path)
		return false;
	if (node->dev && holder->dev)
		return node->dev == holder->dev && (node->kind == PCI_NODE_BLOCK) == holder->block;
	return str_eq(node->path, holder->path);
}

static const struct pci_node *find_held(const struct pci_detail *detail, const struct holder *holder)
{
	for (size_t i = 0; i < detail->n_nodes; i++) {
		if (is_held_by(&detail->nodes[i], holder))
			return &detail->nodes[i];
	}
	return NULL;
}

void pci_read_users(struct root *root, struct pci_facts *facts, struct pci_device *device)
{
	struct pci_detail *detail = &device->detail;
	bool can_be_held = false;

	for (size_t i = 0; i < detail->n_nodes; i++)
		can_be_held |= detail->nodes[i].path != NULL;
	if (!can_be_held)
		return;
	if (!facts->holders)
		facts->holders = scan(root);
	detail->users_unknown = facts->holders->unknown;
	for (size_t i = 0; i < facts->holders->count; i++) {
		const struct holder *holder = &facts->holders->items[i];
		struct pci_user *user;

		if (!find_held(detail, holder))
			continue;
		user = MEM_PUSH(detail->users, detail->n_users);
		user->pid = holder->pid;
		memcpy(user->name, holder->name, sizeof(user->name));
		user->path = mem_dup(holder->path);
	}
}
