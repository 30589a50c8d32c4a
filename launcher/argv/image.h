// SPDX-License-Identifier: MIT
// Owns turning a file of the profile into a -blockdev node over an inherited descriptor, and
// refusing files that can't be used, with the remedy. Pure; shared by disks, CDs and firmware.
#pragma once

#include "launcher/argv/argv.h"

// Where the file stands in the profile, for messages.
struct image_place {
	const char *section, *title, *key; // title NULL: a plain section
};

struct image_request {
	const char *node; // the node's name
	const char *what; // "disk system", for people
	const char *path;
	const char *format; // "raw", "qcow2"
	bool write;
	bool direct, no_flush; // of the page cache: around it; never waiting for the disk
	const char *aio;       // NULL: QEMU's default
	bool discard, detect_zeroes;
	const char *backing; // the node behind it; NULL: none
};

// Adds -add-fd and -blockdev. The executed form reads /dev/fdset/N, the paste-able one the path.
void argv_add_image(struct argv_build *b, const struct image_request *request);

// An inherited descriptor in a set of its own; returns its number, which is the set's too.
int argv_add_fdset(struct argv_build *b, const char *what, const char *path, bool write,
		   bool direct);

// True if the file can be used as asked; else an error is there. A file that was not looked at (a
// captured machine) counts as usable: *file is then NULL.
bool argv_check_file(struct argv_build *b, const struct image_place *place, const char *path,
		     bool write, const struct file_fact **file);

// A path in /dev that was not looked at (file NULL) is a block device's: nothing else there can be a disk.
bool argv_is_block(const struct file_fact *file, const char *path);

// A path as a word of a command that is shown to people; heap.
char *argv_quote(const char *path);

// A diagnostic at the place of a titled section's key. Warnings go to the plan.
struct diag *argv_diag_at(struct argv_build *b, enum diag_level level, const char *code,
			  const struct image_place *place, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
