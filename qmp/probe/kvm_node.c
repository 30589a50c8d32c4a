// SPDX-License-Identifier: MIT
#include "qmp/probe/kvm_node.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define NODE "/dev/kvm"

static bool all_set(mode_t mode, mode_t bits)
{
	return (mode & bits) == bits;
}

gid_t kvm_node_group(void)
{
	struct stat st;

	if (stat(NODE, &st) < 0 || all_set(st.st_mode, S_IROTH | S_IWOTH) ||
	    !all_set(st.st_mode, S_IRGRP | S_IWGRP))
		return (gid_t)-1;
	return st.st_gid;
}

// The new node needs a file system for as long as it takes to bind it over the old one: a tmpfs on
// a directory that every machine has, taken off again before anybody looks.
static int bind_new_node(dev_t device, uid_t uid)
{
	static const char made[] = "/tmp/kvm";

	if (mknod(made, S_IFCHR | 0600, device) < 0 || chown(made, uid, (gid_t)-1) < 0 ||
	    mount(made, NODE, "none", MS_BIND, NULL) < 0)
		return -errno;
	return 0;
}

int kvm_node_give(uid_t uid)
{
	struct stat st;
	int r;

	if (stat(NODE, &st) < 0)
		return -errno;
	if (st.st_uid == uid || all_set(st.st_mode, S_IROTH | S_IWOTH) ||
	    all_set(st.st_mode, S_IRGRP | S_IWGRP))
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("vfiorun", "/tmp", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0700") < 0)
		return -errno;
	r = bind_new_node(st.st_rdev, uid);
	if (umount2("/tmp", MNT_DETACH) < 0 && r == 0)
		r = -errno;
	return r;
}
