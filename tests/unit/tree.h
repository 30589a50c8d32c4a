// SPDX-License-Identifier: MIT
// Owns made-up host trees: directories built below a temporary one from a text manifest. Refuses to
// know what the files mean.
#pragma once

#include <stddef.h>

// A manifest has one entry a line; blank lines and lines that start with '#' are skipped:
//     sys/devices/system/cpu/online = 0-3      a file; a newline is put behind the value
//     sys/class/net/eth0 -> ../../devices/x    a link, its target as written
//     sys/module/kvm/                          an empty directory
//     pci 0000:06:00.0 10de:13c2 030000 …      a PCI device, see pcitree.h
// The value knows the escapes of str_unescape (\n \t \\ \xHH): the kernel's "\040" is "\\040" here.
// Parent directories appear as needed; a later line replaces an earlier file.

// Creates a directory in $TMPDIR (or /tmp), fills it, and puts its path into `dir`. Returns 0 or
// -errno with nothing left behind; a bad line is shown on stderr and is -EINVAL.
int tree_make(const char *manifest, char *dir, size_t size);

// Adds entries to a tree that is there. Returns as tree_make does, but what was made stays.
int tree_add(const char *dir, const char *manifest);

// Removes the directory and everything below it; follows no link. NULL and "" are allowed.
void tree_remove(const char *dir);

// Writes exactly `text` to a file below dir, with its parents. Returns 0 or -errno.
int tree_write(const char *dir, const char *path, const char *text);
int tree_writef(const char *dir, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

// Makes a link below dir, with its parents; an older one is replaced. Returns 0 or -errno.
int tree_link(const char *dir, const char *path, const char *target);

// The file's whole text on the heap, or NULL where it can't be read. The caller frees.
char *tree_read(const char *dir, const char *path);
