// SPDX-License-Identifier: MIT
#include "tune/host/block.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

// Two disks: sda has a plain partition, LVM in LUKS, and a member of md0; sdb another member, a swap
// partition, and one that nobody uses. sdc is empty.
#define DISK(name, number)                                                     \
	"sys/devices/x/" name "/dev = " number "\n"                            \
	"sys/devices/x/" name "/uevent = MAJOR=8\\nDEVNAME=" name "\\nDEVTYPE=disk\n" \
	"sys/dev/block/" number " -> ../../devices/x/" name "\n"               \
	"sys/block/" name " -> ../devices/x/" name "\n"
#define PART(disk, name, number)                                               \
	"sys/devices/x/" disk "/" name "/dev = " number "\n"                   \
	"sys/devices/x/" disk "/" name "/partition = 1\n"                      \
	"sys/devices/x/" disk "/" name "/uevent = DEVNAME=" name "\\nDEVTYPE=partition\n" \
	"sys/dev/block/" number " -> ../../devices/x/" disk "/" name "\n"
#define VIRTUAL(name, number)                                                  \
	"sys/devices/virtual/block/" name "/dev = " number "\n"                \
	"sys/devices/virtual/block/" name "/uevent = DEVNAME=" name "\n"       \
	"sys/dev/block/" number " -> ../../devices/virtual/block/" name "\n"   \
	"sys/block/" name " -> ../devices/virtual/block/" name "\n"
#define HOLDS(under, name) \
	"sys/devices/x/" under "/holders/" name " -> /sys/devices/virtual/block/" name "\n"

static const char machine[] =
	DISK("sda", "8:0") PART("sda", "sda1", "8:1") PART("sda", "sda2", "8:2")
	PART("sda", "sda3", "8:3")
	DISK("sdb", "8:16") PART("sdb", "sdb1", "8:17") PART("sdb", "sdb2", "8:18")
	PART("sdb", "sdb3", "8:19")
	DISK("sdc", "8:32") PART("sdc", "sdc1", "8:33")
	VIRTUAL("dm-0", "253:0") VIRTUAL("dm-1", "253:1") VIRTUAL("md0", "9:0")
	"sys/devices/virtual/block/dm-0/dm/name = luks-disk\n"
	"sys/devices/virtual/block/dm-1/dm/name = vg-root\n"
	HOLDS("sda/sda2", "dm-0") HOLDS("sda/sda3", "md0") HOLDS("sdb/sdb1", "md0")
	"sys/devices/virtual/block/dm-0/holders/dm-1 -> ../../dm-1\n"
	"proc/self/mountinfo = 22 1 253:1 / / rw - ext4 /dev/mapper/vg-root rw\\n"
	"23 22 8:1 / /boot rw,relatime shared:1 master:2 - vfat /dev/sda1 rw\\n"
	"24 22 9:0 / /srv/my\\\\040data rw - xfs /dev/md0 rw\\n"
	"25 22 0:5 / /proc rw - proc proc rw\\n"
	"junk\\n"
	"26 22 9:0 /x /mnt rw - xfs /dev/md0 rw\n"
	"proc/swaps = Filename\\t\\t\\tType\\t\\tSize\\nUsed\\n"
	"/dev/sdb2                               partition\\t100\\t0\\t-2\\n"
	"/dev/sdb3\\\\040(x)  file 1 0 -2\n";

static char dir[PATH_MAX];

static int release(void **state)
{
	(void)state;
	tree_remove(dir);
	dir[0] = '\0';
	return 0;
}

// Asks one tree about one device; the uses are compared as lines.
static void assert_uses(dev_t device, const char *want)
{
	struct err err = ERR_NONE;
	struct root root;
	AUTO_STRV struct strv uses = { 0 };
	AUTO_STR struct str got = { 0 };

	assert_int_equal(root_open(&root, dir, &err), 0);
	assert_int_equal(block_uses(&root, device, &uses, &err), 0);
	root_finish(&root);
	for (size_t i = 0; i < uses.count; i++)
		str_addf(&got, "%s\n", uses.items[i]);
	assert_string_equal(str_text(&got), want);
}

static void test_partitions(void **state)
{
	(void)state;
	assert_int_equal(tree_make(machine, dir, sizeof(dir)), 0);
	assert_uses(makedev(8, 1), "/dev/sda1 is mounted on /boot\n");
	assert_uses(makedev(8, 2), "/dev/sda2 is held by device-mapper dm-0 (luks-disk)\n"
				   "/dev/mapper/luks-disk is held by device-mapper dm-1 (vg-root)\n"
				   "/dev/mapper/vg-root is mounted on /\n");
	assert_uses(makedev(8, 17), "/dev/sdb1 is part of the RAID md0\n"
				    "/dev/md0 is mounted on /srv/my data and 1 other place\n");
	assert_uses(makedev(8, 18), "/dev/sdb2 is used for swapping\n");
	assert_uses(makedev(8, 19), "");
	assert_uses(makedev(8, 33), "");
}

static void test_whole_disks(void **state)
{
	(void)state;
	assert_int_equal(tree_make(machine, dir, sizeof(dir)), 0);
	assert_uses(makedev(8, 0), "/dev/sda1 is mounted on /boot\n"
				   "/dev/sda2 is held by device-mapper dm-0 (luks-disk)\n"
				   "/dev/mapper/luks-disk is held by device-mapper dm-1 (vg-root)\n"
				   "/dev/mapper/vg-root is mounted on /\n"
				   "/dev/sda3 is part of the RAID md0\n"
				   "/dev/md0 is mounted on /srv/my data and 1 other place\n");
	assert_uses(makedev(8, 32), "");
	assert_uses(makedev(253, 1), "/dev/mapper/vg-root is mounted on /\n");
}

static void test_a_used_disk_taints_its_partitions(void **state)
{
	(void)state;
	assert_int_equal(tree_make(machine, dir, sizeof(dir)), 0);
	assert_int_equal(tree_add(dir, VIRTUAL("md1", "9:1") HOLDS("sdc", "md1")), 0);
	assert_uses(makedev(8, 33), "/dev/sdc is part of the RAID md1\n");
}

static void test_btrfs_over_two_devices(void **state)
{
	(void)state;
	// its own number is made up; the second device is named only below sys/fs/btrfs
	assert_int_equal(tree_make(DISK("sda", "8:0") DISK("sdb", "8:16") DISK("sdc", "8:32")
				   VIRTUAL("dm-0", "253:0")
				   "sys/devices/virtual/block/dm-0/dm/name = crypt\n"
				   "sys/fs/btrfs/features/x = 1\n"
				   "sys/fs/btrfs/12-34/devices/sda -> ../../../../block/sda\n"
				   "sys/fs/btrfs/12-34/devices/sdb -> ../../../../block/sdb\n"
				   "proc/self/mountinfo = 22 1 0:33 /a / rw - btrfs /dev/sda rw\\n"
				   "23 1 0:33 /b /home rw - btrfs /dev/sda rw\\n"
				   "24 1 0:33 /c /var rw - btrfs /dev/sda rw\\n"
				   "25 1 0:34 / /data rw - btrfs /dev/mapper/crypt rw\n",
				   dir, sizeof(dir)), 0);
	assert_uses(makedev(8, 0), "/dev/sda is mounted on / and 2 other places\n");
	assert_uses(makedev(8, 16), "/dev/sdb is part of the mounted btrfs 12-34\n");
	assert_uses(makedev(8, 32), "");
	assert_uses(makedev(253, 0), "/dev/mapper/crypt is mounted on /data\n");
}

static void test_loop_devices(void **state)
{
	(void)state;
	assert_int_equal(tree_make(DISK("sda", "8:0") DISK("sdb", "8:16")
				   VIRTUAL("loop0", "7:0") VIRTUAL("loop1", "7:1")
				   "sys/devices/virtual/block/loop0/loop/backing_file = /dev/sda\n"
				   "sys/devices/virtual/block/loop1/loop/backing_file = /home/a.img\n"
				   "proc/self/mountinfo = 22 1 7:0 / /mnt rw - ext4 /dev/loop0 rw\n",
				   dir, sizeof(dir)), 0);
	assert_uses(makedev(8, 0), "/dev/sda is behind /dev/loop0\n"
				   "/dev/loop0 is mounted on /mnt\n");
	assert_uses(makedev(8, 16), "");
	assert_uses(makedev(7, 1), "");
}

static void test_holders_without_facts_and_in_circles(void **state)
{
	(void)state;
	assert_int_equal(tree_make(DISK("sda", "8:0") VIRTUAL("dm-0", "253:0")
				   "sys/devices/x/sda/holders/bcache0/\n" HOLDS("sda", "dm-0")
				   "sys/devices/virtual/block/dm-0/holders/dm-0 -> ../../dm-0\n"
				   "proc/self/mountinfo =\n", dir, sizeof(dir)), 0);
	assert_uses(makedev(8, 0), "/dev/sda is held by bcache0\n"
				   "/dev/sda is held by dm-0\n"
				   "/dev/dm-0 is held by dm-0\n");
}

static void test_unknown(void **state)
{
	struct err err = ERR_NONE;
	struct root root;
	AUTO_STRV struct strv uses = { 0 };

	(void)state;
	assert_int_equal(tree_make(DISK("sda", "8:0"), dir, sizeof(dir)), 0);
	assert_int_equal(root_open(&root, dir, &err), 0);
	assert_int_equal(block_uses(&root, makedev(8, 5), &uses, &err), -ENOENT);
	assert_non_null(strstr(err.text, "8:5"));
	// without mountinfo nobody can say that it is unused
	assert_int_equal(block_uses(&root, makedev(8, 0), &uses, &err), -ENOENT);
	assert_non_null(strstr(err.text, "mountinfo"));
	assert_int_equal(uses.count, 0);
	root_finish(&root);
}

#define TEST(function) cmocka_unit_test_teardown(function, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_partitions),
		TEST(test_whole_disks),
		TEST(test_a_used_disk_taints_its_partitions),
		TEST(test_btrfs_over_two_devices),
		TEST(test_loop_devices),
		TEST(test_holders_without_facts_and_in_circles),
		TEST(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
