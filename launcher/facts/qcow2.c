// SPDX-License-Identifier: MIT
#include "launcher/facts/qcow2.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
	QCOW2_MAGIC = 0x514649fb,
	V2_HEADER = 72,
	V3_HEADER = 104,
	BACKING_NAME_MAX = 1023,
	EXTENSION_END = 0,
	EXTENSION_BACKING_FORMAT = (int)0xe2792aca,
};

enum { INCOMPATIBLE_DATA_FILE = 1 << 2 };

// A name with a NUL inside ends there, as it would for QEMU.
static void read_backing(const uint8_t *data, size_t size, struct qcow2_header *out)
{
	uint64_t offset = bytes_be64(data + 8);
	uint32_t length = bytes_be32(data + 16);

	if (!offset || !length)
		return;
	if (length > BACKING_NAME_MAX || offset > size || length > size - offset) {
		out->unsupported = "has a damaged header";
		return;
	}
	out->backing =
		mem_dupn((const char *)data + offset, strnlen((const char *)data + offset, length));
}

static void read_extensions(const uint8_t *data, size_t size, size_t at, struct qcow2_header *out)
{
	while (at <= size && size - at >= 8) {
		uint32_t type = bytes_be32(data + at), length = bytes_be32(data + at + 4);

		at += 8;
		if (type == EXTENSION_END)
			return;
		if (length > size - at) {
			out->unsupported = "has a damaged header";
			return;
		}
		if (type == (uint32_t)EXTENSION_BACKING_FORMAT && !out->backing_format)
			out->backing_format = mem_dupn((const char *)data + at,
						       strnlen((const char *)data + at, length));
		at += ((size_t)length + 7) & ~(size_t)7;
	}
}

void qcow2_header_parse(const void *bytes, size_t size, struct qcow2_header *out)
{
	const uint8_t *data = bytes;
	uint32_t version, extensions = V2_HEADER;

	*out = (struct qcow2_header){ 0 };
	if (size < 8 || bytes_be32(data) != QCOW2_MAGIC)
		return;
	out->valid = true;
	version = bytes_be32(data + 4);
	if (size < V3_HEADER || version < 2 || version > 3) {
		out->unsupported =
			version == 1 ? "is in the old qcow format" : "has a damaged header";
		return;
	}
	if (version == 3) {
		extensions = bytes_be32(data + 100);
		if (bytes_be64(data + 72) & INCOMPATIBLE_DATA_FILE)
			out->unsupported = "keeps its data in another file";
	}
	if (bytes_be32(data + 32) != 0)
		out->unsupported = "is encrypted";
	read_backing(data, size, out);
	read_extensions(data, size, extensions, out);
}

void qcow2_header_finish(struct qcow2_header *header)
{
	free(header->backing);
	free(header->backing_format);
	*header = (struct qcow2_header){ 0 };
}
