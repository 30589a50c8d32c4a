// SPDX-License-Identifier: MIT
// Owns reading a qcow2 header (QEMU docs/interop/qcow2.txt): the backing file and what makes an
// image none of ours. The bytes are foreign. Refuses to open the backing file.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { QCOW2_HEADER_BYTES = 65536 }; // header, extensions and backing name are in the first cluster

struct qcow2_header {
	bool valid;		 // has the magic
	char *backing;		 // as written; NULL: none
	char *backing_format;	 // NULL: not said
	const char *unsupported; // static, follows a file's name in a message: "is encrypted";
				 // NULL: nothing
};

// `data` may be shorter than the header says; then `unsupported` says so.
void qcow2_header_parse(const void *data, size_t size, struct qcow2_header *out);
void qcow2_header_finish(struct qcow2_header *header);
