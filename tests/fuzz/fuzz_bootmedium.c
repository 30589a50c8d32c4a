// SPDX-License-Identifier: MIT
// Feeds a made-up medium to the boot check; the first byte says whether it is a CD.
#include "launcher/facts/bootmedium.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct image {
	const uint8_t *data;
	size_t size;
};

static bool read_image(void *context, uint64_t offset, void *buf, size_t size)
{
	const struct image *image = context;

	if (offset > image->size || size > image->size - offset)
		return false;
	memcpy(buf, image->data + offset, size);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image image;
	struct boot_source source = { read_image, &image };

	if (!size)
		return 0;
	image = (struct image){ data + 1, size - 1 };
	boot_medium_look(&source, data[0] & 1);
	return 0;
}
