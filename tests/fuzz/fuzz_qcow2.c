// SPDX-License-Identifier: MIT
// Feeds bytes to the qcow2 header's reader, behind the magic so that most are looked at.
#include "launcher/facts/qcow2.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *image = malloc(size + 4);
	struct qcow2_header header;

	if (!image)
		return 0;
	memcpy(image, "QFI\xfb", 4);
	memcpy(image + 4, data, size);
	qcow2_header_parse(image, size + 4, &header);
	qcow2_header_finish(&header);
	free(image);
	return 0;
}
